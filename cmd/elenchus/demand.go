package main

import (
	"encoding/json"
	"fmt"
	"os"

	"elenchus"
	"elenchus/commitment/receipt"

	"github.com/spf13/cobra"
)

// maxDemand is the default of --stake: what a bond is at most, 1,000 tokens.
const maxDemand = "1000000000000000000000"

func demandCommand() *cobra.Command {
	f := &roleFlags{}
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use: "demand FILE", Short: "Ask the chain for the data of a claim that its node does not serve: FILE holds a receipt, with or without its ids and lists",
		Long: `Ask the chain for the data of a claim whose receipt is in FILE: its ids, and bias, stop strings and
grammar of its request. Of a public claim anybody may ask, and the
node posts them in the clear; of a claim of parties the user of the request may, and they come encrypted to
the account's key. The bond pays the node's gas; what is left comes back but for an eighth, which burns. A
node that does not answer in time, or sends garbage, is slashed.

The whole receipt goes to --out, or to standard output.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.finish(c); err != nil {
				return err
			}
			b, err := readInput(c, args[0], maxReceipt)
			if err != nil {
				return err
			}
			text, err := elenchus.FindReceipt(b)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			r, err := receipt.Parse(text)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", elenchus.ErrInput, args[0], err)
			}
			ctx, stop := untilStopped(c)
			defer stop()
			whole, err := f.Demand(ctx, r)
			if err != nil {
				return err
			}
			return printWhole(c, whole, out, asJSON)
		},
	}
	f.add(c, "")
	_ = c.Flags().MarkHidden("listen") // it serves nobody
	_ = c.MarkFlagRequired("dir")      // it exists
	c.Flags().StringVar(&f.stake, "stake", maxDemand, "token units of credit to hold for the bond; also the most that it may be")
	c.Flags().StringVar(&out, "out", "", "file for the whole receipt (default: standard output)")
	c.Flags().BoolVar(&asJSON, "json", false, "print an object with the counts of the ids")
	return c
}

func printWhole(c *cobra.Command, r *receipt.Receipt, out string, asJSON bool) error {
	text, err := r.Text()
	if err != nil {
		return err
	}
	if out != "" {
		if err := os.WriteFile(out, []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"claim": fmt.Sprintf("%x", r.ID()), "prompt": len(r.Prompt), "stop": len(r.Stop),
			"output": len(r.Output)})
	}
	if out != "" {
		_, err = fmt.Fprintf(c.OutOrStdout(), "claim %x: %d prompt ids, %d output ids, in %s\n", r.ID(), len(r.Prompt), len(r.Output), out)
		return err
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), text)
	return err
}
