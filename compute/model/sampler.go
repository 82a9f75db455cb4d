package model

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// sampler builds the end of EMIT: from logits to the token and its finish code. All parts are always
// there; a request that does not use one leaves its settings 0. SPEC 05 §4.
type sampler struct {
	*stage
	vocab  int
	temper int64 // multiplier of logits before the division by the temperature
	text   *Text
}

// finish appends penalties and bias, the mask of the grammar, temperature, weights, top-k, top-p and
// min-p, the draw, grammar, stop strings, token and finish code.
func (s *sampler) finish(logits int) {
	one := [2]int{1, 1}
	logits = s.add(opset.Penalise, tensor.I32, vec(s.vocab), []int64{int64(s.vocab)}, logits)
	s.ops[logits].Src[1], s.ops[logits].Src[2] = opset.Source{Kind: opset.Counts}, opset.Source{Kind: opset.Bias}
	logits = s.add(opset.Mask, tensor.I32, vec(s.vocab), []int64{int64(s.vocab)}, logits)
	s.ops[logits].Src[1] = opset.Source{Kind: opset.Grammar}
	key := s.reduce(opset.ArgKey, opset.Max, one, s.vocab, logits, tensor.I32)
	z := s.add(opset.Temper, tensor.I32, vec(s.vocab), []int64{int64(s.vocab), s.temper}, logits)
	top := s.reduce(opset.Max, opset.Max, one, s.vocab, z, tensor.I32)
	w := s.add(opset.Exp2Op, tensor.I32, vec(s.vocab), []int64{int64(s.vocab), 0, 30}, z, top)

	w = s.cut(w, s.add(opset.Rank, tensor.I64, vec(1), []int64{int64(s.vocab), opset.ByCount}), opset.ByCount)
	sums := s.sums(w)
	nucleus := s.add(opset.Rank, tensor.I64, vec(1), []int64{int64(s.vocab), opset.ByWeight}, sums[len(sums)-1])
	w = s.cut(w, nucleus, opset.ByWeight)

	sums = s.sums(w)
	total := sums[len(sums)-1]
	r := s.add(opset.Draw, tensor.I64, vec(1), nil, total)
	s.end(key, total, s.choose(sums, r))
}

// end appends the states of grammar and stop strings, token and finish code. The states are those after
// the token, which is made twice so that the stage ends in token and finish code.
func (s *sampler) end(key, total, drawn int) {
	y := s.add(opset.Token, tensor.I32, vec(1), nil, key, total, drawn)
	grammar := s.add(opset.GrammarState, tensor.I32, vec(1), []int64{int64(s.vocab)}, y)
	s.ops[grammar].Src[1] = opset.Source{Kind: opset.Grammar}
	state := s.add(opset.StopState, tensor.I32, vec(1), []int64{int64(s.vocab), int64(s.text.Bytes.Len())}, y)
	s.root(state, 1, opset.RootB, s.text.Places)
	s.root(state, 2, opset.RootA, s.text.Bytes)
	s.ops[state].Src[3] = opset.Source{Kind: opset.Strings}
	y = s.add(opset.Token, tensor.I32, vec(1), nil, key, total, drawn)
	f := s.add(opset.StopOp, tensor.I32, vec(1), nil, y)
	s.ops[f].Src[1] = opset.Source{Kind: opset.Stop}
	s.ops[f].Src[2] = opset.Source{Kind: opset.Tensor, Index: uint8(state)}
	s.ops[f].Src[3] = opset.Source{Kind: opset.Tensor, Index: uint8(grammar)}
}

// sums are w and the levels of its sums, the last of which is one element.
func (s *sampler) sums(w int) []int {
	out := []int{w}
	for n, t := s.vocab, tensor.I32; n > 1 || len(out) == 1; t = tensor.I64 {
		f := fanIn(t)
		m := (n + f - 1) / f
		out = append(out, s.add(opset.Sum, tensor.I64, vec(m), []int64{int64(n), 0, int64(f), int64(t)}, out[len(out)-1]))
		n = m
	}
	return out
}

// choose descends the levels of prefix sums from the top.
func (s *sampler) choose(sums []int, r int) int {
	sel, top := r, int64(1)
	for i := len(sums) - 2; i >= 0; i-- {
		x := &s.ops[sums[i]]
		t := x.Type
		n := int64(x.Dims[2].C)
		sel = s.add(opset.Select, tensor.I64, vec(2), []int64{n, int64(fanIn(t)), int64(t), top}, sums[i], sel)
		top = 0
	}
	return sel
}

// cut appends the rounds of radix selection of the element of w with the given rank, and keeps what
// is not below it.
func (s *sampler) cut(w, rank int, by int64) int {
	state := rank
	for r := range int64(opset.SelectRounds) {
		h := s.histogram(w, state, r, by)
		state = s.add(opset.Digit, tensor.I64, vec(2), []int64{r}, h, state)
	}
	return s.add(opset.Keep, tensor.I32, vec(s.vocab), []int64{int64(s.vocab), by}, w, state)
}

// histogram is the i64 [16] of digit r of w after the prefix in state.
func (s *sampler) histogram(w, state int, r, by int64) int {
	f := fanIn(tensor.I32)
	m := (s.vocab + f - 1) / f
	src := []int{w}
	if r > 0 {
		src = append(src, state)
	}
	h := s.add(opset.Hist, tensor.I64, mat(opset.Bins, m), []int64{int64(s.vocab), int64(f), r, by}, src...)
	if m == 1 {
		return h
	}
	return s.reduce(opset.Sum, opset.Sum, [2]int{1, opset.Bins}, m, h, tensor.I64)
}
