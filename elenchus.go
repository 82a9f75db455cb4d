// Package elenchus checks answers of machines that you do not control.
//
// It is the public package and, with commitment/receipt, what importers may rely on. Verify checks
// a receipt: who signed it, over which ids, whether these are your prompt and your answer, whether
// the model computes them, and what the chain says. Client asks an OpenAI-compatible gateway and
// keeps the receipt. SPEC 07.
//
//	a, err := (&elenchus.Client{BaseURL: "http://127.0.0.1:8080"}).Chat(ctx, request)
//	m, err := elenchus.OpenModel("model.elm")
//	report, err := elenchus.Verify(ctx, a.Receipt, elenchus.Options{Model: m, Request: a.Request, Response: a.Response})
//	fmt.Println(report.Outcome())
package elenchus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Report is a receipt with its checks.
type Report = receipt.Report

// Outcome is what became of a check, or of all of them together.
type Outcome = receipt.Outcome

// The outcomes. Unasked checks do not count.
const (
	Unasked = receipt.Unasked
	Holds   = receipt.Holds
	Pending = receipt.Pending
	Cannot  = receipt.Cannot
	False   = receipt.False
)

// ErrInput marks a receipt, request or response that cannot be read.
var ErrInput = errors.New("cannot read the input")

// Model is a model at hand. It is immutable and safe for concurrent use.
type Model struct{ man *manifest.Manifest }

// OpenModel reads a model file (.elm) and checks that its contents have the id that it says.
func OpenModel(path string) (*Model, error) {
	man, err := readModel(path)
	if err != nil {
		return nil, err
	}
	return &Model{man}, nil
}

func readModel(path string) (*manifest.Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	man, _, err := manifest.Decode(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return man, nil
}

// NewModel wraps a model that is already in memory.
func NewModel(man *manifest.Manifest) *Model { return &Model{man} }

// ID is the model id: 64 hex digits.
func (m *Model) ID() string { return m.man.ID().String() }

// Options say what a receipt is checked against. The zero value checks signature and ids alone.
type Options struct {
	// Model is the model that should have answered; with it the answer is computed again.
	Model *Model
	// NoModel says why a model that was asked for is missing: what needs it cannot be checked.
	NoModel string
	// Request is the JSON body that was sent to the gateway, Response what came back (JSON or the
	// lines of a stream). Either may be nil.
	Request, Response []byte
	// Dialect is that of both; "" finds out.
	Dialect Dialect
	// Choice is the choice of the response that the receipt is about; 0 is the first one.
	Choice int
	// ExpectOutput is the text that the answer should have; nil: any.
	ExpectOutput *string
	// Chain looks the claim up on a chain; nil: no chain is asked. Its error does not end Verify.
	Chain func(ctx context.Context, r *receipt.Receipt) (*receipt.Chain, error)
	// Split spreads the computation over threads; nil: one.
	Split machine.Split
}

// Verify checks the canonical text of a receipt, white space around it aside. The error is ctx's or
// matches ErrInput or receipt.ErrReceipt: what is false or cannot be checked is in the report.
func Verify(ctx context.Context, text string, o Options) (*Report, error) {
	r, err := receipt.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	f, d := receipt.Facts{NoModel: o.NoModel}, o.dialect(r)
	if o.ExpectOutput != nil {
		f.Answers = append(f.Answers, *o.ExpectOutput)
	}
	if o.Request != nil {
		if f.Asked, err = readAs(d, o.Request, o.Choice); err != nil {
			return nil, err
		}
	}
	a := &Answer{}
	if o.Response != nil && d != Embeddings {
		if a, err = o.answer(d); err != nil {
			return nil, err
		}
		f.Answers, f.Calls, f.Parsed, f.Reasoning = append(f.Answers, a.Text), a.Calls, a.parsed, &a.Reasoning
	}
	odds, err := o.model(ctx, r, &f, alternatives(a.odds))
	if err != nil {
		return nil, err
	}
	if o.Chain != nil {
		if f.Chain, err = o.Chain(ctx, r); err != nil {
			f.Chain, f.NoChain = nil, fmt.Sprintf("the chain cannot be asked: %v", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	report := receipt.Verify(r, f)
	if o.Response != nil && d == Embeddings {
		check, err := checkVector(r, o.Response, o.Choice, o.Model)
		if err != nil {
			return nil, err
		}
		report.Checks = append(report.Checks, check)
	}
	if len(a.odds) > 0 {
		report.Checks = append(report.Checks, checkOdds(a.odds, odds, r.Stop, f.Model))
	}
	return report, nil
}

// model computes the answer again, with the odds of its tokens and of k alternatives (below 0: without); the error is ctx's.
func (o *Options) model(ctx context.Context, r *receipt.Receipt, f *receipt.Facts, k int) (odds []decode.Odds, err error) {
	if o.Model == nil {
		f.NoOwn = o.NoModel
		return nil, nil
	}
	f.Model = o.Model.man
	if r.Request.Model != [32]byte(o.Model.man.ID()) {
		f.NoOwn = fmt.Sprintf("model %x is not at hand", r.Request.Model)
		return nil, nil
	}
	if r.Request.Graph() {
		return nil, o.vector(ctx, r, f)
	}
	f.Own, odds, err = compute(ctx, f.Model, r.Job(), r.Output, o.Split, k)
	if errors.Is(err, decode.ErrJob) {
		f.NoOwn, err = err.Error(), nil
	}
	return odds, err
}

// vector computes the output of a graph model again; the error is ctx's.
func (o *Options) vector(ctx context.Context, r *receipt.Receipt, f *receipt.Facts) error {
	m := f.Model.Model
	first := &m.Stages[0].Ops[0]
	if n := first.Count(&opset.Context{}); m.Kind != model.KindGraph || first.Type != tensor.I32 || n != uint64(len(r.Prompt)) {
		f.NoOwn = fmt.Sprintf("the input of %d elements is none of the model's", len(r.Prompt))
		return nil
	}
	x := tensor.New(tensor.I32, 1, 1, len(r.Prompt))
	copy(x.I32, r.Prompt)
	w, c := machine.Workspace{Split: o.Split}, opset.Context{Prompt: x.I32}
	bounds := []merkle.Hash{trace.Boundary(f.Model, x)}
	for i := range m.Stages {
		if err := ctx.Err(); err != nil {
			return err
		}
		x = w.Run(&m.Stages[i], &c, x, nil)
		bounds = append(bounds, trace.Boundary(f.Model, x))
	}
	f.Own = &receipt.Own{StateRoot: trace.BoundaryTree(bounds).Root(), Output: slices.Clone(x.I32)}
	return nil
}

// batch is the number of positions per pass; it changes no bit.
const batch = 16

// compute is the own answer to a job whose output is claimed to be known, which makes it faster, and its odds.
func compute(ctx context.Context, man *manifest.Manifest, job decode.Job, claimed []int32, split machine.Split, k int) (*receipt.Own, []decode.Odds, error) {
	if err := job.Check(man.Model); err != nil {
		return nil, nil, err
	}
	job, err := trace.Bound(man.Model, job)
	if err != nil {
		return nil, nil, err
	}
	chain := trace.NewChain(man, &job)
	run, err := decode.New(man.Model, job, split, decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) { chain.Append(y, kv) }})
	if err != nil {
		return nil, nil, err
	}
	odds := []decode.Odds{}
	run.Draft = decode.Known(claimed)
	if k >= 0 {
		run.Logits = func(_ int, logits []int32) {
			out := run.Output()
			odds = append(odds, decode.OddsOf(logits, out[len(out)-1], k))
		}
	}
	for !run.Done() {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err := run.Advance(batch); err != nil {
			return nil, nil, err
		}
	}
	a := chain.Answer(run.Output())
	return &receipt.Own{StateRoot: a.StateTree().Root(), Output: a.Outputs, Finish: uint8(run.Finish())}, odds, nil
}
