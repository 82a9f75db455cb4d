package model

import (
	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// emit is the head: norm, logits, greedy key, temperature, exp2 weights, draw, token, stop.
func (s *DecoderSpec) emit() machine.Stage {
	g := newStage(tensor.I32, s.Dim, s.TMax)
	one := [2]int{1, 1}
	logits := g.linear(g.norm(0, s.Dim, &s.HeadNorm), &s.Head, tensor.I32, 0)
	if s.LogitCap != nil {
		logits = g.curve(logits, vec(s.Vocab), int64(s.Vocab), 0, s.LogitCap)
	}
	key := g.reduce(opset.ArgKey, opset.Max, one, s.Vocab, logits, tensor.I32)
	z := g.add(opset.Temper, tensor.I32, vec(s.Vocab), []int64{int64(s.Vocab), s.TemperMult}, logits)
	top := g.reduce(opset.Max, opset.Max, one, s.Vocab, z, tensor.I32)
	w := g.add(opset.Exp2Op, tensor.I32, vec(s.Vocab), []int64{int64(s.Vocab), 0, 30}, z, top)
	sums := []int{w}
	for n, t := s.Vocab, tensor.I32; n > 1 || len(sums) == 1; t = tensor.I64 {
		f := fanIn(t)
		m := (n + f - 1) / f
		sums = append(sums, g.add(opset.Sum, tensor.I64, vec(m), []int64{int64(n), 0, int64(f), int64(t)}, sums[len(sums)-1]))
		n = m
	}
	total := sums[len(sums)-1]
	r := g.add(opset.Draw, tensor.I64, vec(1), nil, total)
	sel := s.choose(g, sums, r)
	y := g.add(opset.Token, tensor.I32, vec(1), nil, key, total, sel)
	f := g.add(opset.StopOp, tensor.I32, vec(1), nil, y)
	g.ops[f].Src[1] = opset.Source{Kind: opset.Stop}
	return g.done(-1, 0, 0)
}

// choose descends the levels of prefix sums from the top.
func (s *DecoderSpec) choose(g *stage, sums []int, r int) int {
	sel, top := r, int64(1)
	for i := len(sums) - 2; i >= 0; i-- {
		x := &g.ops[sums[i]]
		t := x.Type
		n := int64(x.Dims[2].C)
		sel = g.add(opset.Select, tensor.I64, vec(2), []int64{n, int64(fanIn(t)), int64(t), top}, sums[i], sel)
		top = 0
	}
	return sel
}

func (s *DecoderSpec) absorb() machine.Stage {
	g := newStage(tensor.I32, s.Dim, s.TMax)
	y := g.add(opset.PromptOp, tensor.I32, vec(1), nil)
	g.ops[y].Src[0] = opset.Source{Kind: opset.Prompt}
	return g.done(-1, 0, 0)
}
