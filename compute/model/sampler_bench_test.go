package model

import (
	"math/rand/v2"
	"testing"

	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// BenchmarkSampler is the end of EMIT at a vocabulary of 131,072: what a token pays for the settings
// of its request where nobody looks, and beside it the sampler of the time before settings.
func BenchmarkSampler(b *testing.B) {
	const vocab = 1 << 17
	x := logitsOf(rand.New(rand.NewPCG(3, 7)), vocab)
	for _, c := range []struct {
		name string
		c    opset.Context
	}{
		{"greedy", opset.Context{}},
		{"temperature", opset.Context{Temperature: 1 << 16}},
		{"top-k", opset.Context{Temperature: 1 << 16, TopK: 40}},
		{"top-p", opset.Context{Temperature: 1 << 16, TopP: 900 << 20}},
		{"min-p", opset.Context{Temperature: 1 << 16, MinP: 50 << 20}},
		{"penalties", opset.Context{Temperature: 1 << 16, Repetition: 72090, Frequency: 1 << 15, Prompt: []int32{5, 6, 7}, Drawn: []int32{9, 9}}},
		{"all", opset.Context{Temperature: 1 << 16, TopK: 40, TopP: 900 << 20, MinP: 50 << 20}},
	} {
		c.c.M = 1
		stages := map[string]machine.Stage{"": drawer(vocab)}
		if c.c.TopK == 0 && c.c.TopP == 0 && c.c.MinP == 0 && !c.c.Counted() {
			stages["/without settings"] = plain(vocab)
		}
		for name, st := range stages {
			b.Run(c.name+name, func(b *testing.B) {
				var w machine.Workspace
				for b.Loop() {
					w.Run(&st, &c.c, x, nil)
				}
			})
		}
	}
}

// plain is the sampler without settings.
func plain(vocab int) machine.Stage {
	g := newStage(tensor.I32, vocab, 64)
	s := sampler{stage: g, vocab: vocab, temper: 94548, text: NewText(vocab, noBytes)}
	one := [2]int{1, 1}
	key := s.reduce(opset.ArgKey, opset.Max, one, vocab, 0, tensor.I32)
	z := s.add(opset.Temper, tensor.I32, vec(vocab), []int64{int64(vocab), s.temper}, 0)
	top := s.reduce(opset.Max, opset.Max, one, vocab, z, tensor.I32)
	sums := s.sums(s.add(opset.Exp2Op, tensor.I32, vec(vocab), []int64{int64(vocab), 0, 30}, z, top))
	r := s.add(opset.Draw, tensor.I64, vec(1), nil, sums[len(sums)-1])
	s.end(key, sums[len(sums)-1], s.choose(sums, r))
	return g.done(-1, 0, 0)
}
