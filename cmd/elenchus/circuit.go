package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"elenchus/app"

	"github.com/spf13/cobra"
)

func circuitCommand() *cobra.Command {
	l, o := &local{}, app.CircuitOptions{}
	c := &cobra.Command{
		Use: "circuit --op NAME", Short: "Measure the circuit of an operation: constraints, keys, proofs, memory, gas", Args: cobra.NoArgs,
		Long: `Makes keys for one element of an operation, as wide as a model of the shape has it, proves that a
claimed element is not the value of the operation, and verifies the proof. Keys are made here and now:
they are development keys, whose maker can forge, but for those of PLONK with --srs.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(app.CircuitShapes(), o.Shape) {
				return fmt.Errorf("%w: --shape %q: use one of %s", errUsage, o.Shape, strings.Join(app.CircuitShapes(), ", "))
			}
			ctx, stop := untilStopped(c)
			defer stop()
			bar := newBar(c, "proof systems")
			o.Progress = bar.set
			r, err := app.MeasureCircuit(ctx, o)
			bar.end()
			if err != nil {
				return err
			}
			return l.print(c, r, func(w io.Writer) { _ = app.WriteCircuit(w, r) })
		},
	}
	p := c.Flags()
	p.BoolVar(&l.asJSON, "json", false, "print one JSON object")
	p.StringVar(&o.Op, "op", "", "operation by its op set name, such as matmul")
	p.StringVar(&o.Shape, "shape", app.CircuitShapes()[0], "one of "+strings.Join(app.CircuitShapes(), ", "))
	p.StringSliceVar(&o.Systems, "system", app.CircuitSystems(), "proof systems: "+strings.Join(app.CircuitSystems(), ", "))
	p.StringVar(&o.SRS, "srs", "", "public reference string for PLONK: a .ptau file of snarkjs, or gnark's own; default: one made here for development")
	p.StringVar(&o.SRSDigest, "srs-digest", "", "SHA-256 of that file, hex, as its ceremony published it")
	p.StringVar(&o.Export, "export", "", "write circuit.r1cs and witness.wtns of the Groth16 answer into this folder, for circom's tools")
	_ = c.MarkFlagRequired("op") // it exists
	c.MarkFlagsRequiredTogether("srs", "srs-digest")
	c.AddCommand(ceremonyCommand())
	return c
}
