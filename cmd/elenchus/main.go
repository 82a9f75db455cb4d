// Package main is the elenchus command: flags and configuration, nothing else.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "elenchus", Short: "Verifiable inference", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(upCommand(), demoCommand(), nodeCommand(), watchCommand(), gatewayCommand(), chainCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "elenchus:", err)
		os.Exit(1)
	}
}
