package graph

import (
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Stop strings and grammars: the bytes of tokens are a model tensor, the states after a token are tensors
// of EMIT. SPEC 02 §4 op 34, 36.

// maxTextBytes bounds the bytes of all tokens.
const maxTextBytes = maxPositions * opset.TokenBytes

func stopState(d *opset.Descriptor) signature {
	return signature{
		vec(1),
		[]operand{on(aTensor, i32, fixed(1)), on(rootB, i32, fixed(2).times(d.P[0])), on(rootA, i8, fixed(d.P[1])), {kinds: []uint8{opset.Strings}}},
		[]span{{1, maxVocab}, {opset.LeafBytes, maxTextBytes}},
	}
}

// ends checks the last four tensors of EMIT: the states of the grammar and of the stop strings after a
// token, that token once more, and its finish code with those states. Outputs are the last two.
func (v *stage) ends() error {
	n := len(v.ds)
	if n < 6 {
		return fmt.Errorf("ends after %d tensors", n)
	}
	state, y, f := &v.ds[n-3], &v.ds[n-2], &v.ds[n-1]
	if y.Op != opset.Token || f.Op != opset.StopOp || f.Src[0] != (opset.Source{Kind: opset.Tensor, Index: uint8(n - 2)}) {
		return fmt.Errorf("ends in %s and %s, not in a token and its finish code", y.Op, f.Op)
	}
	if state.Op != opset.StopState || f.Src[2] != (opset.Source{Kind: opset.Tensor, Index: uint8(n - 3)}) {
		return fmt.Errorf("the finish code is not made with the state of the stop strings, but with %s", state.Op)
	}
	grammar := &v.ds[n-4]
	if grammar.Op != opset.GrammarState || f.Src[3] != (opset.Source{Kind: opset.Tensor, Index: uint8(n - 4)}) {
		return fmt.Errorf("the finish code is not made with the state of the grammar, but with %s", grammar.Op)
	}
	for _, s := range []*opset.Descriptor{state, grammar} {
		if over := int(s.Src[0].Index); over >= n-4 || v.ds[over] != *y {
			return fmt.Errorf("%s is not over the token", s.Op)
		}
	}
	if grammar.P[0] != int64(v.p.Vocab) {
		return fmt.Errorf("a grammar over %d tokens, the vocabulary has %d", grammar.P[0], v.p.Vocab)
	}
	if state.P[0] != int64(v.p.Vocab) {
		return fmt.Errorf("bytes of %d tokens, the vocabulary has %d", state.P[0], v.p.Vocab)
	}
	return nil
}

// tokenTable: every token's bytes lie in the tensor of all of them.
func tokenTable(d *opset.Descriptor, x *tensor.Tensor) error {
	for i := 0; i+1 < len(x.I32); i += 2 {
		at, n := int64(x.I32[i]), int64(x.I32[i+1])
		if at < 0 || n < 0 || n > opset.TokenBytes || at+n > d.P[1] {
			return fmt.Errorf("%w: token %d has %d bytes at %d of %d, at most %d", ErrWeights, i/2, n, at, d.P[1], opset.TokenBytes)
		}
	}
	return nil
}
