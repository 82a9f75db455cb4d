package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"elenchus/app"

	"github.com/spf13/cobra"
)

// ceremonyCommand makes a Groth16 key by several parties.
func ceremonyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "ceremony", Short: "Make the Groth16 key of a circuit by several parties, of whom one honest one is enough",
		Long: `A ceremony is a folder that goes from party to party. One begins it, each contributes to the powers, one
closes them with public randomness of a later time, each contributes to the keys, one closes these, and
anybody finishes: the key is the same for all who have the folder. Every step checks all before it.
docs/guide/ceremony.md walks through it.`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(ceremonyInit(),
		ceremonyStep("contribute DIR", "Add a contribution of fresh entropy to the open phase", (*app.Ceremony).Contribute),
		ceremonyStep("verify DIR", "Check every contribution", (*app.Ceremony).Check), ceremonyClose(), ceremonyFinish())
	return c
}

func ceremonyInit() *cobra.Command {
	l := &local{}
	var op, shape, proof string
	var srs app.PowersFile
	c := &cobra.Command{
		Use: "init DIR (--op NAME | --proof FILE) [--srs FILE --srs-digest HEX]", Short: "Begin a ceremony in a new folder", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(app.CircuitShapes(), shape) {
				return fmt.Errorf("%w: --shape %q: use one of %s", errUsage, shape, strings.Join(app.CircuitShapes(), ", "))
			}
			var file []byte
			if proof != "" {
				b, err := readInput(c, proof, maxReceipt)
				if err != nil {
					return err
				}
				file = b
			}
			y, err := app.NewCeremony(args[0], op, shape, file, srs)
			if err != nil {
				return err
			}
			r, err := y.Check()
			if err != nil {
				return err
			}
			return printCeremony(c, l, r)
		},
	}
	p := c.Flags()
	p.BoolVar(&l.asJSON, "json", false, "print one JSON object")
	p.StringVar(&op, "op", "", "operation by its op set name, as elenchus circuit measures it")
	p.StringVar(&shape, "shape", app.CircuitShapes()[0], "one of "+strings.Join(app.CircuitShapes(), ", "))
	p.StringVar(&proof, "proof", "", "file of elenchus prove: the circuit of its element")
	p.StringVar(&srs.Path, "srs", "", "powers-of-tau file of snarkjs (.ptau), in place of powers that the parties make")
	p.StringVar(&srs.Digest, "srs-digest", "", "its SHA-256, as its ceremony published it, 64 hex digits")
	c.MarkFlagsRequiredTogether("srs", "srs-digest")
	c.MarkFlagsOneRequired("op", "proof")
	c.MarkFlagsMutuallyExclusive("op", "proof")
	return c
}

// ceremonyStep is a command on the folder of a ceremony.
func ceremonyStep(use, short string, do func(*app.Ceremony) (*app.CeremonyReport, error)) *cobra.Command {
	l := &local{}
	var srs string
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			y, err := app.OpenCeremony(args[0], srs)
			if err != nil {
				return err
			}
			r, err := do(y)
			if err != nil {
				return err
			}
			return printCeremony(c, l, r)
		},
	}
	c.Flags().BoolVar(&l.asJSON, "json", false, "print one JSON object")
	srsFlag(c, &srs)
	return c
}

// srsFlag names the public file of a ceremony that began from one.
func srsFlag(c *cobra.Command, srs *string) {
	c.Flags().StringVar(srs, "srs", "", "the powers-of-tau file that the ceremony began from, if it did")
}

func ceremonyClose() *cobra.Command {
	var beacon string
	c := ceremonyStep("close DIR --beacon HEX", "Close the open phase with public randomness from after its last contribution",
		func(y *app.Ceremony) (*app.CeremonyReport, error) { return y.Close(beacon) })
	c.Flags().StringVar(&beacon, "beacon", "", "16 to 128 bytes, hex, such as the randomness of a round of drand that was named before")
	_ = c.MarkFlagRequired("beacon") // it exists
	return c
}

func ceremonyFinish() *cobra.Command {
	l := &local{}
	var keys, srs string
	c := &cobra.Command{
		Use: "finish DIR --keys DIR", Short: "Check all and write the key into a folder of keys", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			y, err := app.OpenCeremony(args[0], srs)
			if err != nil {
				return err
			}
			r, err := y.Finish(keys)
			if err != nil {
				return err
			}
			return printCeremony(c, l, r)
		},
	}
	c.Flags().BoolVar(&l.asJSON, "json", false, "print one JSON object")
	srsFlag(c, &srs)
	c.Flags().StringVar(&keys, "keys", "", "folder of keys: --proof-keys of a role, or keys in the state directory")
	_ = c.MarkFlagRequired("keys") // it exists
	return c
}

func printCeremony(c *cobra.Command, l *local, r *app.CeremonyReport) error {
	return l.print(c, r, func(w io.Writer) { _ = app.WriteCeremony(w, r) })
}
