package app

import (
	"bytes"
	"encoding/binary"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
	"elenchus/settlement/dispute"
)

// Requests with penalties and a bias: what their games take is measured apart, since only they pay it.

// penalised are the settings of such a request, beside those of every other.
func penalised(c opset.Context) opset.Context {
	c.Biased, c.Repetition, c.Presence, c.Frequency = true, 1<<16+0x1234, 0x01020304, -0x01020304
	return c
}

// stopping are the settings of a request with stop strings: four of the greatest length, of each of
// which all but a byte is matched.
func stopping(c opset.Context) opset.Context {
	c.StopLens, c.StopState = opset.MostStopLens, opset.MostStopLens-0x01010101
	return c
}

// constrained are the settings of a request with a grammar, in a state far into its table.
func constrained(c opset.Context) opset.Context {
	c.Grammared, c.GrammarState = true, gasGrammarState
	return c
}

// gasGrammarState is the place of a row of a token table, no byte of which is zero.
const gasGrammarState = 0x00212345

// plantGrammar makes a token table in which the target, which reads it, finds an entry far from the class of
// its token, and fills the tensors of EMIT that hold what S_t remembers.
func (w *world) plantGrammar() {
	w.grammarState = gasGrammarState + 0x0111
	w.tree(opset.Source{Kind: opset.Grammar}, 4*opset.GrammarCount, opset.LeafBytes)
	n := len(w.tensors)
	if w.at.stage != len(w.model.Stages)-2 {
		return
	}
	w.fill(opset.Source{Kind: opset.Tensor, Index: uint8(n - 4)}, 0, le(w.grammarState), opset.LeafBytes)
}

// plantStrings lets the token of stop_state add the most bytes that one may, over the most leaves, and
// makes strings and bytes those that take the most comparisons.
func (w *world) plantStrings() {
	w.tree(opset.Source{Kind: opset.Strings}, 4*opset.StopBytes, opset.LeafBytes)
	if n := len(w.tensors); w.at.stage == len(w.model.Stages)-2 {
		w.fill(opset.Source{Kind: opset.Tensor, Index: uint8(n - 3)}, 0, le(w.stopState), opset.LeafBytes)
	}
	d := &w.descriptors[w.at.tensor]
	if d.Op != opset.StopState {
		return
	}
	const from = 33 // of a leaf: 128 bytes from there reach into a third one
	at := make([]byte, opset.LeafBytes)
	copy(at[gasToken*8%opset.LeafBytes:], append(le(from+opset.LeafBytes), le(opset.TokenBytes)...))
	w.tree(opset.Source{Kind: opset.RootB}, uint64(8*d.P[0]), opset.LeafBytes)
	w.tree(opset.Source{Kind: opset.RootA}, uint64(d.P[1]), opset.LeafBytes)
	w.fill(opset.Source{Kind: opset.Tensor, Index: d.Src[0].Index}, 0, le(gasToken), opset.LeafBytes)
	w.fill(opset.Source{Kind: opset.RootB}, gasToken*8/opset.LeafBytes, at, opset.LeafBytes)
	letters := bytes.Repeat([]byte{'a'}, opset.LeafBytes)
	for i := range uint64(4) {
		w.fill(opset.Source{Kind: opset.RootA}, i, letters, opset.LeafBytes)
	}
	for i := range uint64(4) {
		w.fill(opset.Source{Kind: opset.Strings}, i, append(bytes.Clone(letters[1:]), 'b'+byte(i)), opset.LeafBytes)
	}
}

// settings are those of the claim's request.
func (w *world) settings() claim.Sampler {
	c := &w.ctx
	l, _ := w.Lists()
	return claim.Sampler{TopK: c.TopK, TopP: c.TopP, MinP: c.MinP, Repetition: c.Repetition, Presence: c.Presence, Frequency: c.Frequency,
		StopLengths: c.StopLens, Lists: l.Hash()}
}

// Lists are the roots of the bias tree and of the stop strings, if there are any.
func (w *world) Lists() (l claim.Lists, err error) {
	if t := w.sources[opset.Source{Kind: opset.Bias}]; w.ctx.Biased && t != nil {
		l.Bias = t.root()
	}
	if t := w.sources[opset.Source{Kind: opset.Strings}]; w.ctx.StopLens != 0 && t != nil {
		l.Stop = t.root()
	}
	if t := w.sources[opset.Source{Kind: opset.Grammar}]; w.ctx.Grammared && t != nil {
		l.Grammar = t.root()
	}
	return l, nil
}

// Recall is the count of y and its place in the count tree.
func (w *world) Recall(uint32) (r dispute.Recall, err error) {
	if w.ctx.StopLens != 0 {
		r.Stop = [2]uint32{uint32(w.ctx.StopState), w.stopState}
	}
	if w.ctx.Grammared {
		r.Grammar = [2]merkle.Hash{trace.GrammarState(w.ctx.GrammarState), trace.GrammarState(w.grammarState)}
	}
	if !w.ctx.Counted() {
		return r, nil
	}
	source, at := opset.Source{Kind: opset.Counts}, uint64(w.y/(merkle.TableLeaf/4))
	tree := w.sources[source]
	r.CountLeaf, r.CountPath = w.held(source)[at], tree.SiblingsTo(0, at, at+1, tree.depth)
	return r, nil
}

// remember sets what both states remember: the count root before the step and after it.
func (w *world) remember() error {
	before, after := w.memories()
	if !w.ctx.Counted() {
		if w.ctx.StopLens != 0 || w.ctx.Grammared {
			w.before.Aux, w.after.Aux = before.Hash(), after.Hash()
		}
		return nil
	}
	lo := 4 * uint64(w.y)
	source := opset.Source{Kind: opset.Counts}
	if _, err := w.fetch(opset.Read{Source: source, Total: 4 * opset.DenseCount, Leaf: merkle.TableLeaf, Lo: lo, Hi: lo + 4}); err != nil {
		return err
	}
	r, err := w.Recall(w.t)
	if err != nil {
		return err
	}
	leaf, at := [merkle.TableLeaf]byte(r.CountLeaf), lo%merkle.TableLeaf
	before.Counts = w.sources[source].root()
	count := opset.Counted(binary.LittleEndian.Uint32(leaf[at:]), w.t+1 < gasPrompt)
	binary.LittleEndian.PutUint32(leaf[at:], count)
	node, i := merkle.Leaf(leaf[:]), w.y/(merkle.TableLeaf/4)
	for _, s := range r.CountPath {
		if i&1 == 1 {
			node = merkle.Node(s, node)
		} else {
			node = merkle.Node(node, s)
		}
		i /= 2
	}
	after.Counts = node
	w.before.Aux, w.after.Aux = before.Hash(), after.Hash()
	return nil
}

// memories are those before the step and after it, without counts.
func (w *world) memories() (before, after trace.Memory) {
	if w.ctx.StopLens != 0 {
		before.Stop, after.Stop = uint32(w.ctx.StopState), w.stopState
	}
	if w.ctx.Grammared {
		before.Grammar, after.Grammar = trace.GrammarState(w.ctx.GrammarState), trace.GrammarState(w.grammarState)
	}
	return before, after
}

// takeSettings notes what the moves of a request with penalties, stop strings or a grammar take.
func (r *GasReport) takeSettings(t *trial, name string) {
	for _, e := range t.entries {
		switch e.kind {
		case "open", "reveal", "tensors", "answer":
			r.Moves[e.kind+"_"+name] = e.gas
		}
	}
}
