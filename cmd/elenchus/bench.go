package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elenchus/app"

	"github.com/spf13/cobra"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure what things cost"}
	c.AddCommand(benchGasCommand())
	return c
}

func benchGasCommand() *cobra.Command {
	var shape string
	var asJSON bool
	c := &cobra.Command{
		Use: "gas", Short: "Play the dearest element of each operation through the contracts, on synthetic weights", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(app.GasShapes(), shape) {
				return fmt.Errorf("%w: shape %q: use one of %s", errUsage, shape, strings.Join(app.GasShapes(), ", "))
			}
			ctx, stop := untilStopped(c)
			defer stop()
			r, err := app.BenchGas(ctx, shape)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return app.WriteGas(c.OutOrStdout(), shape, r)
		},
	}
	c.Flags().StringVar(&shape, "shape", app.GasShapes()[0], "one of "+strings.Join(app.GasShapes(), ", "))
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
