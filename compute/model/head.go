package model

import (
	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// emit is the head that draws: norm, logits, sampler.
func (s *DecoderSpec) emit() machine.Stage {
	g := newStage(tensor.I32, s.Dim, s.TMax)
	logits := g.linear(g.norm(0, s.Dim, &s.HeadNorm), &s.Head, tensor.I32, 0)
	if s.LogitCap != nil {
		logits = g.curve(logits, vec(s.Vocab), int64(s.Vocab), 0, s.LogitCap)
	}
	h := sampler{stage: g, vocab: s.Vocab, temper: s.TemperMult, text: s.text()}
	h.finish(logits)
	return g.done(-1, 0, 0)
}

func (s *DecoderSpec) absorb() machine.Stage {
	g := newStage(tensor.I32, s.Dim, s.TMax)
	y := g.add(opset.PromptOp, tensor.I32, vec(1), nil)
	g.ops[y].Src[0] = opset.Source{Kind: opset.Prompt}
	return g.done(-1, 0, 0)
}
