package app

import (
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

// settings are those of the claim's request.
func (w *world) settings() claim.Sampler {
	c := &w.ctx
	l, _ := w.Lists()
	return claim.Sampler{TopK: c.TopK, TopP: c.TopP, MinP: c.MinP, Repetition: c.Repetition, Presence: c.Presence, Frequency: c.Frequency, Lists: l.Hash()}
}

// Lists are the root of the bias tree, if there is one.
func (w *world) Lists() (l claim.Lists, err error) {
	if t := w.sources[opset.Source{Kind: opset.Bias}]; w.ctx.Biased && t != nil {
		l.Bias = t.root()
	}
	return l, nil
}

// Recall is the count of y and its place in the count tree.
func (w *world) Recall(uint32) (r dispute.Recall, err error) {
	if !w.ctx.Counted() {
		return r, nil
	}
	source, at := opset.Source{Kind: opset.Counts}, uint64(w.y/(merkle.TableLeaf/4))
	tree := w.sources[source]
	return dispute.Recall{CountLeaf: w.held(source)[at], CountPath: tree.SiblingsTo(0, at, at+1, tree.depth)}, nil
}

// remember sets what both states remember: the count root before the step and after it.
func (w *world) remember() error {
	if !w.ctx.Counted() {
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
	before, leaf, at := trace.Memory{Counts: w.sources[source].root()}, [merkle.TableLeaf]byte(r.CountLeaf), lo%merkle.TableLeaf
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
	after := trace.Memory{Counts: node}
	w.before.Aux, w.after.Aux = before.Hash(), after.Hash()
	return nil
}

// takePenalties notes what the moves of a request with penalties take that others take less of.
func (r *GasReport) takePenalties(t *trial) {
	for _, e := range t.entries {
		switch e.kind {
		case "open", "reveal", "answer":
			r.Moves[e.kind+"_penalties"] = e.gas
		}
	}
}
