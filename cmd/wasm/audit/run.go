package audit

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/compute/tokenizer"
)

const (
	batch        = 8 // positions per pass: a pass is what can be waited for
	alternatives = 3 // likeliest ids that come with each token
)

// Likely is an id with its text and the natural logarithm of its probability in Q16, at most 0.
type Likely struct {
	ID   int32  `json:"id"`
	Text string `json:"text"`
	Log  int32  `json:"log"`
}

// Token is one id of the own computation.
type Token struct {
	Likely
	Top     []Likely `json:"top"`
	Claimed *Likely  `json:"claimed,omitempty"` // the id in the receipt where it is another one
}

// News is what a pass brought.
type News struct {
	Done   int     `json:"done"` // positions
	Of     int     `json:"of"`   // positions of the claimed answer
	Tokens []Token `json:"tokens"`
	Over   bool    `json:"over"`
}

// Result compares the own computation with the claim.
type Result struct {
	Outcome string  `json:"outcome"`
	Checks  []Check `json:"checks"`
	Prompt  string  `json:"prompt"`  // text of the prompt ids
	Claimed string  `json:"claimed"` // text of the ids in the receipt
	Output  string  `json:"output"`  // text of the own ids
	Count   int     `json:"count"`   // own ids
	Finish  uint8   `json:"finish"`
	Differ  int     `json:"differ"` // the first id that is another one, or is in one of both alone; -1 without
	Roots   Roots   `json:"roots"`  // own; "" for what was not computed
}

// Audit is an answer that is being computed again. The zero value is illegal; it is not safe for
// concurrent use.
type Audit struct {
	r     *receipt.Receipt
	man   *manifest.Manifest
	tok   *tokenizer.Tokenizer // nil: the model has none
	run   *decode.Run          // nil: a graph model
	chain *trace.Chain
	news  []Token

	stage  int // of a graph model
	tensor *tensor.Tensor
	bounds []merkle.Hash // of a graph model, so far
	own    *receipt.Own
}

// LoadModel reads a model file; the error matches manifest.ErrModel.
func LoadModel(b []byte) (*manifest.Manifest, string, error) {
	return manifest.Decode(bytes.NewReader(b), int64(len(b)))
}

// Begin starts the computation of the answer that a receipt is about. It refuses another model than
// the receipt's and what the model cannot compute.
func Begin(text string, man *manifest.Manifest) (*Audit, error) {
	r, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if id := merkle.Hash(man.ID()); id != r.Request.Model {
		return nil, fmt.Errorf("this is model %x, the receipt is about model %x", id, r.Request.Model)
	}
	a := &Audit{r: r, man: man}
	if len(man.Model.Tokenizer) > 0 {
		if a.tok, err = tokenizer.Parse(man.Model.Tokenizer); err != nil {
			return nil, err
		}
	}
	if r.Request.Graph() {
		return a, a.input()
	}
	job := r.Job()
	if err := job.Check(man.Model); err != nil {
		return nil, err
	}
	a.chain = trace.NewChain(man, &job)
	step := func(_ int, y decode.Yield, kv *machine.Cache) { a.chain.Append(y, kv) }
	if a.run, err = decode.New(man.Model, job, nil, decode.Hooks{Step: step}); err != nil {
		return nil, err
	}
	a.run.Draft = decode.Known(r.Output) // changes no bit
	a.run.Logits = a.drawn
	return a, nil
}

// input is the tensor that a graph model begins with.
func (a *Audit) input() error {
	m := a.man.Model
	if m.Kind != model.KindGraph {
		return fmt.Errorf("the receipt is about a graph model, this is none")
	}
	first := &m.Stages[0].Ops[0]
	if n := first.Count(&opset.Context{}); first.Type != tensor.I32 || n != uint64(len(a.r.Prompt)) {
		return fmt.Errorf("the receipt's input of %d elements is none of the model's", len(a.r.Prompt))
	}
	a.tensor = tensor.New(tensor.I32, 1, 1, len(a.r.Prompt))
	copy(a.tensor.I32, a.r.Prompt)
	a.bounds = []merkle.Hash{trace.Boundary(a.man, a.tensor)}
	return nil
}

// drawn notes an id with its odds.
func (a *Audit) drawn(_ int, logits []int32) {
	out := a.run.Output()
	i := len(out) - 1
	odds := decode.OddsOf(logits, out[i], alternatives)
	t := Token{Likely: a.likely(odds.Drawn)}
	for _, l := range odds.Top {
		t.Top = append(t.Top, a.likely(l))
	}
	if i < len(a.r.Output) && a.r.Output[i] != out[i] {
		c := Likely{ID: a.r.Output[i], Text: a.piece(a.r.Output[i]), Log: math.MinInt32} // outside of the vocabulary
		if c.ID >= 0 && int(c.ID) < len(logits) {
			c = a.likely(decode.OddsOf(logits, c.ID, 0).Drawn)
		}
		t.Claimed = &c
	}
	a.news = append(a.news, t)
}

func (a *Audit) likely(l decode.Likely) Likely { return Likely{l.ID, a.piece(l.ID), l.Log} }

// piece is the text of an id, or its bytes where they are a part of a character.
func (a *Audit) piece(id int32) string {
	if a.tok == nil {
		return fmt.Sprintf("id %d", id)
	}
	text, err := a.tok.Bytes(id)
	if err != nil {
		return fmt.Sprintf("id %d", id)
	}
	if !utf8.ValidString(text) {
		return fmt.Sprintf("<%x>", text)
	}
	return text
}

// Done says whether nothing is left to compute.
func (a *Audit) Done() bool {
	if a.run == nil {
		return a.stage == len(a.man.Model.Stages)
	}
	return a.run.Done()
}

// Step computes the next pass.
func (a *Audit) Step() (*News, error) {
	a.news = []Token{}
	if a.run == nil {
		return a.through(), nil
	}
	if !a.run.Done() {
		if err := a.run.Advance(batch); err != nil {
			return nil, err
		}
	}
	of := len(a.r.Prompt) + max(len(a.r.Output), len(a.run.Output())) - 1
	return &News{Done: min(a.run.Next(), of), Of: of, Tokens: a.news, Over: a.run.Done()}, nil
}

// through computes the next stage of a graph model.
func (a *Audit) through() *News {
	m := a.man.Model
	if !a.Done() {
		w, c := machine.Workspace{}, opset.Context{Prompt: a.r.Prompt}
		a.tensor = w.Run(&m.Stages[a.stage], &c, a.tensor, nil)
		a.bounds = append(a.bounds, trace.Boundary(a.man, a.tensor))
		a.stage++
	}
	return &News{Done: a.stage, Of: len(m.Stages), Tokens: a.news, Over: a.Done()}
}

// Result says what the computation comes to. It is called once Done.
func (a *Audit) Result() *Result {
	own := a.answer()
	rep := receipt.Verify(a.r, receipt.Facts{Model: a.man, Own: own})
	out := &Result{
		Outcome: rep.Outcome().String(), Checks: checksOf(rep), Prompt: rep.Prompt, Claimed: rep.Output,
		Count: len(own.Output), Finish: own.Finish, Differ: differ(a.r.Output, own.Output),
		Roots: Roots{Prompt: hash(trace.PromptTree(a.r.Prompt, a.r.Salt).Root()), Output: hash(trace.IDTree(own.Output).Root())},
	}
	out.Roots.State = hash(own.StateRoot)
	if a.run == nil {
		return out
	}
	if a.tok != nil {
		out.Output, _ = receipt.AnswerText(a.tok, a.r.Job(), own.Output) // ids that the model drew have texts
	}
	return out
}

// answer is the own computation, complete.
func (a *Audit) answer() *receipt.Own {
	if a.own != nil {
		return a.own
	}
	if a.run == nil {
		a.own = &receipt.Own{StateRoot: trace.BoundaryTree(a.bounds).Root(), Output: slices.Clone(a.tensor.I32)}
		return a.own
	}
	c := a.chain.Answer(a.run.Output())
	a.own = &receipt.Own{StateRoot: c.StateTree().Root(), Output: c.Outputs, Finish: uint8(a.run.Finish())}
	return a.own
}

// differ is the first place where two lists are not the same, -1 if they are.
func differ(x, y []int32) int {
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return i
		}
	}
	if len(x) != len(y) {
		return min(len(x), len(y))
	}
	return -1
}
