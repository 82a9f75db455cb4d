package main

import (
	"fmt"
	"io"

	"elenchus/app"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	l := &local{}
	ports := []int{8080, 8545}
	c := &cobra.Command{
		Use: "doctor", Short: "Say what this machine can do, what is missing and how to fix it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir := l.dir
			if dir == "" {
				var err error
				if dir, err = app.StateDir(); err != nil {
					return err
				}
			}
			found := app.Doctor(c.Context(), app.DoctorOptions{Dir: dir, Ports: ports})
			bad := app.Problem(found)
			err := l.print(c, map[string]any{"ok": !bad, "findings": found}, func(w io.Writer) {
				for _, f := range found {
					fmt.Fprintf(w, "%-8s %-14s %s\n", f.State, f.Name, f.Detail)
					if f.Fix != "" {
						fmt.Fprintf(w, "%23s %s\n", "fix:", f.Fix)
					}
				}
			})
			if err == nil && bad {
				err = exitError(exitFailed)
			}
			return err
		},
	}
	l.add(c)
	c.Flags().IntSliceVar(&ports, "port", ports, "ports on 127.0.0.1 that should be free (repeatable)")
	return c
}
