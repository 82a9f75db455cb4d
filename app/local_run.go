package app

import (
	"context"
	"encoding/hex"
	"errors"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
)

// NewPool starts the threads of a command; 0 is one for each processor. Close it.
func NewPool(threads int) *engine.Pool { return engine.NewPool(threads) }

// RunOptions say what Generate generates.
type RunOptions struct {
	Prompt      string
	Seed        uint64
	Temperature uint32 // Q16
	MaxNew      uint32
	Threads     int    // 0: one for each processor
	Kernel      string // see CheckKernel
	Batch       int    // prompt positions per pass; 0: 16
}

// RunResult is a local answer with the values that a claim about it would hold.
type RunResult struct {
	ModelID    string     `json:"model_id"`
	Text       string     `json:"text"`
	IDs        []int32    `json:"ids"`
	PromptIDs  []int32    `json:"prompt_ids"`
	Finish     string     `json:"finish"`
	FinishCode uint8      `json:"finish_code"`
	Count      int        `json:"count"`
	PromptRoot string     `json:"prompt_root"`
	StateRoot  string     `json:"state_root"`
	OutputRoot string     `json:"output_root"`
	States     []RunState `json:"states,omitempty"`
}

// RunState is one step of the trace. SPEC 06 §3.
type RunState struct {
	Step  int    `json:"t"`
	Token uint32 `json:"token"`
	KV    string `json:"kv_root"`
	State string `json:"state"`
}

// finishNames are the words for finish codes. SPEC 06 §4.
var finishNames = map[uint8]string{
	uint8(opset.FinishEnd): "end", 2: "stop", 3: "length", 4: "context", 5: "cancelled", 6: "grammar",
}

// Generate answers a prompt on this machine, handing text to emit as it comes, and commits to the
// run as a node would.
func Generate(ctx context.Context, man *manifest.Manifest, o RunOptions, emit func(text string) error) (*RunResult, error) {
	tok, err := textSide(man)
	if err != nil {
		return nil, err
	}
	job := decode.Job{
		Prompt: template.Prompt(tok, o.Prompt), StopIDs: man.Model.EndIDs, MaxNew: o.MaxNew, Temperature: o.Temperature, Seed: o.Seed,
	}
	pool := engine.NewPool(o.Threads)
	defer pool.Close()
	if man, err = ready(man, o.Kernel, pool); err != nil {
		return nil, err
	}
	w := newTextWriter(tok, &job, emit)
	c := &engine.Computer{Manifest: man, Split: pool.Split, Batch: o.Batch}
	a, finish, err := c.Generate(ctx, job, w.write)
	if err == nil {
		err = w.flush()
	}
	if err != nil {
		return nil, err
	}
	return result(man, &job, a, finish, w.text), nil
}

func result(man *manifest.Manifest, job *decode.Job, a *trace.Answer, finish uint8, text string) *RunResult {
	hash := func(h [32]byte) string { return hex.EncodeToString(h[:]) }
	r := &RunResult{
		ModelID: man.ID().String(), Text: text, IDs: a.Outputs, PromptIDs: job.Prompt, Finish: finishNames[finish], FinishCode: finish,
		Count: len(a.Outputs), PromptRoot: hash(trace.IDTree(job.Prompt).Root()), StateRoot: hash(a.StateTree().Root()),
		OutputRoot: hash(trace.IDTree(a.Outputs).Root()),
	}
	for i, s := range a.States[1:] {
		r.States = append(r.States, RunState{Step: i, Token: s.Y, KV: hash(s.KV), State: hash(a.Hashes[i+1])})
	}
	return r
}

// textWriter turns ids into text as receipt.AnswerText does, piece by piece.
type textWriter struct {
	d    *tokenizer.Decoder
	ends map[int32]bool
	emit func(string) error
	text string
}

func newTextWriter(tok *tokenizer.Tokenizer, job *decode.Job, emit func(string) error) *textWriter {
	at := tokenizer.Continuation
	if len(job.Prompt) <= 1 {
		at = tokenizer.Start
	}
	w := &textWriter{d: tok.NewDecoder(at), ends: map[int32]bool{}, emit: emit}
	w.d.Until(job.Sampler.Stops)
	for _, id := range job.StopIDs {
		w.ends[id] = true
	}
	return w
}

func (w *textWriter) write(id int32) error {
	if w.ends[id] {
		return nil
	}
	s, err := w.d.Next(id)
	return errors.Join(err, w.put(s))
}

func (w *textWriter) flush() error { return w.put(w.d.Flush()) }

func (w *textWriter) put(s string) error {
	w.text += s
	if s == "" || w.emit == nil {
		return nil
	}
	return w.emit(s)
}
