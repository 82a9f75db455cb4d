package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"elenchus"
	"elenchus/app"
	"elenchus/commitment/receipt"

	"github.com/spf13/cobra"
)

// proveFlags are those of prove: of a step of a model, or of a game on a chain.
type proveFlags struct {
	local
	app.ProveOptions
	model, out, rec, game string
	onGame                gameFlags
}

func proveCommand() *cobra.Command {
	f := &proveFlags{}
	c := &cobra.Command{
		Use: "prove --out FILE", Short: "Prove one element of a step of a model without showing what it was computed from", Args: cobra.NoArgs,
		Long: `Runs a prompt to a position, takes one element of one tensor of a stage, and proves that it is what
its operation gives for leaves with certain hashes. The proof file holds no number of the leaves.
With --change the claimed element is another, and the proof shows that it is not the value.
With --cluster 3,4 the operations of these tensors of the stage are proven at once: the proof gives the hashes of
all leaves of the last one, and of those that it is made from.
Keys are made on first use and kept in the state directory: they are development keys, whose maker
can forge. The proof is made in a process of its own, which ends when this one is interrupted; whether
the machine has the memory is asked before. elenchus verify checks the file.

With --game ID --rpc URL it proves what is in dispute in a game about a confidential model: the element that must be
answered, or all of the tensor in hand. State and moves are read from the chain, the claim's data from --receipt or
from its node, the claim is computed again, and the proof is made with the key that the chain has registered for the
shape. It holds for the account that sends it alone: --prover, or --key, which with --submit sends it.`,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.add(c)
	p := c.Flags()
	p.StringVar(&f.model, "model", "default", "name, id, .gguf or .elm file, or default (with --game: that of the claim)")
	p.StringVar(&f.Prompt, "prompt", "Once upon a time", "prompt")
	p.StringVar(&f.rec, "receipt", "", "file with a receipt: prove a step of what it claims, in place of --prompt")
	p.IntVar(&f.Position, "position", 0, "step of the run, 0 is the first token of the prompt")
	p.IntVar(&f.Stage, "stage", 1, "stage: 0 embedding, 1 and up the layers")
	p.IntVar(&f.Tensor, "tensor", 1, "tensor of the stage")
	p.IntSliceVar(&f.Cluster, "cluster", nil, "tensors of the stage, ascending: prove the last one whole, in place of --tensor and --element")
	p.Uint64Var(&f.Element, "element", 0, "element of the tensor, flat")
	p.Int64Var(&f.Change, "change", 0, "claim the element with this added to its lowest byte")
	p.StringVar(&f.System, "system", app.CircuitSystems()[1],
		"proof system: one of "+strings.Join(app.CircuitSystems(), ", ")+" (with --game: that of which the chain has a key)")
	p.StringVar(&f.State, "state", "", "bind the proof to the hash of a game's state, hex")
	p.Uint64Var(&f.Chain, "chain", 0, "bind the proof to a chain id")
	p.StringVar(&f.Verifier, "verifier", "", "bind the proof to a ProofVerifier contract, hex")
	p.StringVar(&f.Prover, "prover", "", "bind the proof to the account that will send it, hex")
	p.StringVar(&f.out, "out", "", "file for the proof")
	_ = c.MarkFlagRequired("out") // it exists
	f.onGame.add(c, &f.game)
	for _, other := range []string{"tensor", "element", "change"} {
		c.MarkFlagsMutuallyExclusive("cluster", other)
	}
	return c
}

func (f *proveFlags) run(c *cobra.Command) error {
	if err := f.onGame.only(c, f.game); err != nil {
		return err
	}
	s, err := f.store()
	if err != nil {
		return err
	}
	if f.Receipt, err = receiptIn(c, f.rec); err != nil {
		return err
	}
	ctx, stop := untilStopped(c)
	defer stop()
	bar := newBar(c, "proof")
	f.Progress = bar.set
	var r *app.ProveReport
	if f.game != "" {
		r, err = f.proveGame(ctx, c, s)
	} else {
		r, err = s.Prove(ctx, f.model, f.ProveOptions)
	}
	bar.end()
	if err != nil && r == nil {
		return err
	}
	if err := errors.Join(err, os.WriteFile(f.out, r.Proof, 0o644)); err != nil {
		return err
	}
	return f.print(c, r, func(w io.Writer) { printProven(w, r, f.out) })
}

// printProven says what was proven, and the file that shows it.
func printProven(w io.Writer, r *app.ProveReport, out string) {
	what := fmt.Sprintf("element %d of %s: %s", r.Element, r.Op, verdictWord(r.Equal))
	if r.Whole != nil {
		what = wholeWords(r.Whole)
	}
	fmt.Fprintf(w, "%s by a %s proof with %s keys in %.0f ms: %s\n", what, r.System, r.Origin, r.Prove, out)
	if g := r.Of; g != nil {
		fmt.Fprintf(w, "game %s: position %d, stage %d, tensor %d; %s\n", g.Game, g.T, g.Stage, g.Tensor,
			map[bool]string{true: "the answer was sent", false: "the answer was not sent"}[g.Sent])
	}
}

// receiptIn reads the receipt of a file that verify takes, too; nil for none.
func receiptIn(c *cobra.Command, path string) (*receipt.Receipt, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // none was named
	}
	b, err := readInput(c, path, maxReceipt)
	if err != nil {
		return nil, err
	}
	text, err := elenchus.FindChoice(b, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return receipt.Parse(text)
}

func verdictWord(equal bool) string {
	if equal {
		return "the value of its operation"
	}
	return "not the value of its operation"
}

// wholeWords say what a proof of a whole tensor is about.
func wholeWords(x *app.Whole) string {
	return fmt.Sprintf("tensor %d whole, by %s (leaves: %d, of what it is made from: %d)", x.Tensor, strings.Join(x.Operators, ", "), x.Leaves, x.Inputs)
}

// proof checks a proof file.
func (f *verifyFlags) proof(c *cobra.Command, b []byte) error {
	r, err := f.proven(b)
	if err != nil {
		return err
	}
	if f.rpc != "" {
		if err := f.standing(c, r); err != nil {
			return err
		}
	}
	err = f.print(c, r, func(w io.Writer) {
		if !r.Holds {
			fmt.Fprintln(w, "false:", r.Reason)
			return
		}
		if r.Whole != nil {
			fmt.Fprintf(w, "holds: %s; the first leaf has hash %s\n", wholeWords(r.Whole), r.Leaves[0])
		} else {
			fmt.Fprintf(w, "holds: element %d of %s, claimed in the leaf with hash %s, is %s\n", r.Element, r.Op, r.Leaves[0], verdictWord(r.Equal))
		}
		fmt.Fprintf(w, "%s, %s keys: %s\n", r.System, r.Origin, r.Trust())
		printBinding(w, r)
	})
	if err == nil && !r.Holds {
		return exitError(exitFailed)
	}
	return err
}

// proven decides on a proof file with the keys of the folder that was named, or of the state directory.
func (f *verifyFlags) proven(b []byte) (*app.ProofReport, error) {
	if f.proofKeys != "" {
		return app.VerifyProofWith(f.proofKeys, b)
	}
	s, err := f.store()
	if err != nil {
		return nil, err
	}
	return s.VerifyProof(b)
}
