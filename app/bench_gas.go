package app

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
)

// GasFigures are the dearest transactions of each kind in gas, and whole disputes, both sides from
// commit to resolve. Reveal is the node's posts of hashes (reveal, rows, tensors), Pick the opener's
// choice of stage, layer or element, Descend every move of a descent (children, child, raw, element,
// and the pick that asks for it).
type GasFigures struct {
	Post       uint64 `json:"post"`
	CommitOpen uint64 `json:"commit_open"`
	Reveal     uint64 `json:"reveal"`
	Pick       uint64 `json:"pick"`
	Descend    uint64 `json:"descend"`
	Answer     uint64 `json:"answer"`
	Resolve    uint64 `json:"resolve"`
	Served     uint64 `json:"total_served"`
	Withheld   uint64 `json:"total_withheld"`
}

// GasReport is what bench gas measures under one fork: the figures, the dearest transaction of every
// move, and the answer of each operation.
type GasReport struct {
	GasFigures
	Moves   map[string]uint64    `json:"moves"`
	Answers map[string]GasAnswer `json:"answers"`
}

// GasAnswer is the answer about the dearest element of an operation.
type GasAnswer struct {
	Gas     uint64 `json:"gas"`
	Bytes   int    `json:"bytes"` // of the payload, state and ABI words not counted
	Stage   int    `json:"stage"`
	Tensor  int    `json:"tensor"`
	Element uint64 `json:"element"`
}

// BenchGas plays, under Osaka and Amsterdam, a game about the dearest element of each operation of
// a model of a shape (one of GasShapes), one in which everything
// is withheld, and one about a true claim. The result is a
// function of the shape and the contracts alone. Keys are the names of the forks.
func BenchGas(ctx context.Context, shape string) (map[string]*GasReport, error) {
	z, err := gasShapeOf(shape)
	if err != nil {
		return nil, err
	}
	m, err := z.model(gasContext)
	if err != nil {
		return nil, err
	}
	places, err := dearest(m, func(stage int) opset.Context { return contextOf(stepOf(m, stage, 0)) })
	if err != nil {
		return nil, err
	}
	out := map[string]*GasReport{}
	for _, fork := range []devchain.Fork{devchain.Osaka, devchain.Amsterdam} {
		r, err := benchFork(ctx, fork, m, places)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", shape, fork, err)
		}
		out[fork.String()] = r
	}
	return out, nil
}

func benchFork(ctx context.Context, fork devchain.Fork, m *model.Model, places map[opset.Code]place) (*GasReport, error) {
	c, err := newCourt(fork)
	if err != nil {
		return nil, err
	}
	if err := endow(c); err != nil {
		return nil, err
	}
	r := &GasReport{Moves: map[string]uint64{}, Answers: map[string]GasAnswer{}}
	for _, op := range slices.Sorted(maps.Keys(places)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := benchGame(c, m, places[op], 1, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		r.take(t)
		p, a := places[op], t.entries[len(t.entries)-2]
		r.Answers[op.String()] = GasAnswer{a.gas, a.bytes, p.stage, p.tensor, p.index}
	}
	if err := r.benchSettings(c, m, places); err != nil {
		return nil, err
	}
	layer := len(m.Stages)/2 - 1
	at := contextOf(gasStep)
	i := deepest(m.Stages[layer].Ops, &at)
	t, err := benchGame(c, m, place{stage: layer, tensor: i, index: m.Stages[layer].Ops[i].Count(&at) / 3}, 1, true)
	if err != nil {
		return nil, fmt.Errorf("everything withheld: %w", err)
	}
	r.take(t)
	if t, err = benchGame(c, m, places[opset.MatMul], 0, false); err != nil {
		return nil, fmt.Errorf("lost challenge: %w", err)
	}
	r.take(t)
	r.sum()
	return r, nil
}

// benchSettings plays about requests with penalties, stop strings and a grammar, apart and together: what their
// moves take only they pay.
func (r *GasReport) benchSettings(c *court, m *model.Model, places map[opset.Code]place) error {
	for _, x := range []struct {
		name                          string
		op                            opset.Code
		penalised, stopped, grammared bool
	}{
		{"penalties", opset.Penalise, true, false, false}, {"stops", opset.StopState, false, true, false},
		{"grammar", opset.GrammarState, false, false, true}, {"mask", opset.Mask, false, false, true},
		{"all_penalise", opset.Penalise, true, true, true}, {"all_stop_state", opset.StopState, true, true, true},
		{"all_grammar_state", opset.GrammarState, true, true, true}, {"all_mask", opset.Mask, true, true, true},
	} {
		p := places[x.op]
		p.penalised, p.stops, p.grammared = x.penalised, x.stopped, x.grammared
		t, err := benchGame(c, m, p, 1, false)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		r.takeSettings(t, x.name)
	}
	return nil
}

// benchGame plays about an element that is wrong by mask; 0 is a challenge of a true claim.
func benchGame(c *court, m *model.Model, p place, mask int64, deep bool) (*trial, error) {
	w, err := newWorld(m, p, mask)
	if err != nil {
		return nil, err
	}
	want := dispute.Refuted
	if mask == 0 {
		want = dispute.Lost
	}
	t := newTrial(c, w, want, deep)
	return t, t.play()
}

// take notes the transactions of a game.
func (r *GasReport) take(t *trial) {
	total := uint64(0)
	for _, e := range t.entries {
		r.Moves[e.kind] = max(r.Moves[e.kind], e.gas)
		if e.kind != "post" {
			total += e.gas
		}
	}
	if t.deep {
		r.Withheld = max(r.Withheld, total)
	} else {
		r.Served = max(r.Served, total)
	}
}

func (r *GasReport) sum() {
	most := func(kinds ...string) (gas uint64) {
		for _, k := range kinds {
			gas = max(gas, r.Moves[k])
		}
		return gas
	}
	r.Post, r.CommitOpen = r.Moves["post"], r.Moves["commit"]+r.Moves["open"]
	r.Reveal, r.Pick = most("reveal", "rows", "tensors"), most("stage", "layer", "pick")
	r.Descend = most("children", "child", "raw", "element", "pick_to_descend")
	r.Answer, r.Resolve = r.Moves["answer"], most("resolve_refuted", "resolve_lost")
}

// WriteGas writes reports of one shape as a table for people, one column for each fork.
func WriteGas(out io.Writer, shape string, reports map[string]*GasReport) error {
	forks := []string{devchain.Osaka.String(), devchain.Amsterdam.String()}
	a, b := reports[forks[0]], reports[forks[1]]
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\t%s\t%s\t\n", shape, forks[0], forks[1])
	f, g := a.GasFigures.rows(), b.GasFigures.rows()
	for i := range f {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", f[i].name, f[i].gas, g[i].gas)
	}
	fmt.Fprintf(w, "\t\t\t\nmove\t\t\t\n")
	for _, k := range slices.Sorted(maps.Keys(a.Moves)) {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", k, a.Moves[k], b.Moves[k])
	}
	fmt.Fprintf(w, "\t\t\t\nanswer of\t\t\tbytes\t\n")
	for _, k := range slices.Sorted(maps.Keys(a.Answers)) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t\n", k, a.Answers[k].Gas, b.Answers[k].Gas, a.Answers[k].Bytes)
	}
	return w.Flush()
}

type gasRow struct {
	name string
	gas  uint64
}

func (f GasFigures) rows() []gasRow {
	return []gasRow{{"post", f.Post}, {"commit and open", f.CommitOpen}, {"reveal", f.Reveal}, {"pick", f.Pick}, {"descend", f.Descend},
		{"answer", f.Answer}, {"resolve", f.Resolve}, {"dispute, served", f.Served}, {"dispute, withheld", f.Withheld}}
}
