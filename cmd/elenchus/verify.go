package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"elenchus"
	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"

	"github.com/spf13/cobra"
)

// maxReceipt bounds receipts, requests and responses, in bytes.
const maxReceipt = 64 << 20

// verifyFlags are the files and values that a receipt is checked against.
type verifyFlags struct {
	local
	model, rpc, deployment, request, response, expect string
	dialect, proofKeys                                string
	threads, choice                                   int
}

func verifyCommand() *cobra.Command {
	f := &verifyFlags{}
	c := &cobra.Command{
		Use: "verify FILE", Short: "Check a receipt or a proof: FILE holds a receipt, a response that carries it, or what prove wrote; - reads standard input",
		Long: `Check a receipt or a proof file. The answer is computed again when the model is at hand: --model, else what the
store holds under the claim's model id, else the default model. The text of a response is compared
with the signed ids, with --request the prompt, too, with --rpc what the chain says. Calls of tools,
and texts of completions, take the request: its tools and its echo decide how they read.

Exit codes: 0 everything that was asked holds, 1 something is false, 2 something cannot be checked,
3 the claim is not on the chain yet.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.verify(c, args[0]) },
	}
	f.add(c)
	p := c.Flags()
	p.StringVar(&f.model, "model", "", "the model that should have answered: name, id, .gguf or .elm file, or default")
	p.StringVar(&f.rpc, "rpc", "", "JSON-RPC address of a chain to ask")
	p.StringVar(&f.deployment, "deployment", "", "file with the addresses of the contracts (default: that of elenchus up)")
	p.StringVar(&f.proofKeys, "proof-keys", "", "of a proof: folder with its key, such as that of a role (default: keys in the state directory)")
	p.StringVar(&f.request, "request", "", "file with the JSON body that you sent")
	p.StringVar(&f.response, "response", "", "file with what came back, JSON or the lines of a stream (default: FILE, if that is a response)")
	p.StringVar(&f.expect, "expect-output", "", "text that the answer should have")
	p.StringVar(&f.dialect, "dialect", "", "that of request and response: "+dialects()+" (default: as both look)")
	p.IntVar(&f.choice, "choice", 0, "the choice of the response to check: 0 is the first one")
	p.IntVar(&f.threads, "threads", 0, "threads; 0: one for each processor")
	return c
}

func (f *verifyFlags) verify(c *cobra.Command, path string) error {
	b, err := readInput(c, path, maxReceipt)
	if err != nil {
		return err
	}
	if app.IsProof(b) {
		return f.proof(c, b)
	}
	text, err := elenchus.FindChoice(b, f.choice)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r, err := receipt.Parse(text)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", elenchus.ErrInput, path, err)
	}
	o, err := f.options(c, r)
	if err != nil {
		return err
	}
	o.Enclose(b)
	ctx, stop := untilStopped(c)
	defer stop()
	pool := app.NewPool(f.threads)
	defer pool.Close()
	o.Split = pool.Split
	rep, err := elenchus.Verify(ctx, text, *o)
	if err != nil {
		return err
	}
	if err := f.print(c, verdictOf(rep), func(w io.Writer) { printReport(w, rep) }); err != nil {
		return err
	}
	return exitOf(rep.Outcome())
}

// dialects lists what --dialect takes.
func dialects() string {
	var out []string
	for _, d := range elenchus.Dialects() {
		out = append(out, string(d))
	}
	return strings.Join(out, ", ")
}

// exitOf is nil for what holds.
func exitOf(o elenchus.Outcome) error {
	if code := app.VerifyExit(o); code != 0 {
		return exitError(code)
	}
	return nil
}

func (f *verifyFlags) options(c *cobra.Command, r *receipt.Receipt) (*elenchus.Options, error) {
	o := &elenchus.Options{Choice: f.choice, Dialect: elenchus.Dialect(f.dialect)}
	if f.dialect != "" && !slices.Contains(elenchus.Dialects(), o.Dialect) {
		return nil, fmt.Errorf("%w: --dialect %s: use %s", errUsage, f.dialect, dialects())
	}
	if c.Flags().Changed("expect-output") {
		o.ExpectOutput = &f.expect
	}
	var err error
	for _, in := range []struct {
		path string
		to   *[]byte
	}{{f.request, &o.Request}, {f.response, &o.Response}} {
		if in.path == "" {
			continue
		}
		if *in.to, err = readInput(c, in.path, maxReceipt); err != nil {
			return nil, err
		}
	}
	if err := f.findModel(r, o); err != nil {
		return nil, err
	}
	if f.rpc != "" {
		o.Chain, err = f.chain()
	}
	return o, err
}

// findModel opens the model that was named; without one, that of the claim if it is at hand.
func (f *verifyFlags) findModel(r *receipt.Receipt, o *elenchus.Options) error {
	s, err := f.store()
	if err != nil {
		return err
	}
	name := f.model
	if name == "" {
		name = fmt.Sprintf("%x", r.Request.Model)
	}
	man, _, err := s.Load(name)
	if err == nil {
		man, err = app.Ready(man)
	}
	switch {
	case err == nil:
		o.Model = elenchus.NewModel(man)
	case f.model == "" && errors.Is(err, app.ErrNoModel):
		o.NoModel = fmt.Sprintf("model %s is not at hand: name its file with --model", name)
	default:
		return fmt.Errorf("%w: --model: %w", errUsage, err)
	}
	return nil
}

// chain looks claims up in the deployment that was named.
func (f *verifyFlags) chain() (func(context.Context, *receipt.Receipt) (*receipt.Chain, error), error) {
	path := f.deployment
	if path == "" {
		var err error
		if path, err = app.DefaultDeployment(f.dir); err != nil {
			return nil, err
		}
	}
	at, err := app.ReadDeployment(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w: name the file with --deployment", errUsage, err)
	}
	if err != nil {
		return nil, err
	}
	return (&app.ChainLookup{RPC: f.rpc, At: at}).Lookup, nil
}

// verdict is the JSON form of a report.
type verdict struct {
	Outcome   string         `json:"outcome"`
	Statement statement      `json:"statement"`
	Checks    []verdictCheck `json:"checks"`
	NotGiven  string         `json:"not_given,omitempty"` // what nobody can hold the node to, whatever holds
}

type verdictCheck struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
}

// statement is what the node signed, in words.
type statement struct {
	Claim       string `json:"claim"`
	Node        string `json:"node"`
	Model       string `json:"model"`
	ChainID     uint64 `json:"chain_id"`
	Arena       string `json:"arena"`
	PromptIDs   int    `json:"prompt_ids"`
	OutputIDs   int    `json:"output_ids"`
	Finish      uint8  `json:"finish"`
	Temperature uint32 `json:"temperature_q16"`
	Disclosure  string `json:"disclosure"`
	Seed        uint64 `json:"seed"`
	MaxNew      uint32 `json:"max_new"`
	Sampler     string `json:"sampler"` // what else changes the draw, in words
	StateRoot   string `json:"state_root"`
	Prompt      string `json:"prompt,omitempty"`
	Output      string `json:"output,omitempty"`
}

func verdictOf(rep *elenchus.Report) verdict {
	r := rep.Receipt
	q, k := &r.Request, &r.Claim
	v := verdict{Outcome: rep.Outcome().String(), NotGiven: rep.NotGiven, Statement: statement{
		Claim: fmt.Sprintf("%x", rep.ID), Node: fmt.Sprintf("0x%x", k.Node), Model: fmt.Sprintf("%x", q.Model), ChainID: r.Domain.ChainID,
		Arena: fmt.Sprintf("0x%x", r.Domain.Arena), PromptIDs: len(r.Prompt), OutputIDs: len(r.Output), Finish: k.Finish,
		Disclosure: claim.ClassName(q.DataClass), Temperature: q.Temperature, Seed: q.Seed, MaxNew: q.MaxNew, Sampler: r.Sampler.Words(),
		StateRoot: fmt.Sprintf("%x", k.StateRoot), Prompt: rep.Prompt, Output: rep.Output,
	}}
	for _, c := range rep.Checks {
		v.Checks = append(v.Checks, verdictCheck{c.Name, c.Outcome.String(), c.Detail})
	}
	return v
}

// finishWords says what a finish code of a state means. SPEC 06 §4.
func finishWords(code uint8) string {
	words := map[uint8]string{
		1: "the model ended it", 2: "a stop string was complete", 3: "it had as many tokens as were asked for", 4: "the context was full",
		5: "its user cancelled it", 6: "the grammar allowed no token",
	}
	if text := words[code]; text != "" {
		return text
	}
	return "unknown"
}

// shownTo says who is given the data of a class. SPEC 07 §10.
func shownTo(class uint8) string {
	if class == claim.Parties {
		return "to the parties alone: whoever holds the user's key, and who was drawn to audit"
	}
	return "to nobody: only who holds this receipt can compute it again"
}

func printReport(w io.Writer, rep *elenchus.Report) {
	s := verdictOf(rep).Statement
	fmt.Fprintf(w, "claim   %s\nnode    %s\nsays    model %s\n", s.Claim, s.Node, s.Model)
	if rep.Prompt != "" || rep.Output != "" {
		fmt.Fprintf(w, "        answers %q\n        with    %q\n", rep.Prompt, rep.Output)
	} else {
		fmt.Fprintf(w, "        answers %d prompt ids with %d output ids\n", s.PromptIDs, s.OutputIDs)
	}
	if rep.Receipt.Request.Graph() {
		fmt.Fprintf(w, "        by a vector of %d elements\n\n", s.OutputIDs)
	} else {
		fmt.Fprintf(w, "        at temperature %s, seed %d, at most %d tokens; sampler settings: %s\n", decode.Fixed(int64(s.Temperature), 16), s.Seed,
			s.MaxNew, s.Sampler)
		fmt.Fprintf(w, "        it ended with finish code %d: %s\n\n", s.Finish, finishWords(s.Finish))
	}
	if rep.Receipt.Request.DataClass != claim.Public {
		fmt.Fprintf(w, "shown   %s\n\n", shownTo(rep.Receipt.Request.DataClass))
	}
	for _, c := range rep.Checks {
		fmt.Fprintf(w, "%-10s %-8s %s\n", c.Name, c.Outcome, c.Detail)
	}
	if rep.NotGiven != "" {
		fmt.Fprintf(w, "\nnot given: %s\n", rep.NotGiven)
	}
	fmt.Fprintf(w, "\n%s\n", rep.Outcome())
}
