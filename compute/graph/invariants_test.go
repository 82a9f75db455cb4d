package graph_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/graph"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// find is the number of the nth tensor of a stage that an operation makes.
func find(t *testing.T, ds []opset.Descriptor, op opset.Code, nth int) int {
	t.Helper()
	for i := range ds {
		if ds[i].Op == op {
			if nth == 0 {
				return i
			}
			nth--
		}
	}
	t.Fatalf("stage has no %s", op)
	return 0
}

// spoil is a change of a valid program that one invariant alone rejects.
type spoil struct {
	err    error
	mlp    bool
	stage  int
	op     opset.Code
	nth    int
	change func(ds []opset.Descriptor, i int)
}

// spoils are some for each invariant but G20.
func spoils(t *testing.T) []spoil {
	return []spoil{
		{graph.ErrCount, true, 0, opset.Input, 0, func(ds []opset.Descriptor, _ int) { ds[0].P[0]++ }},
		{graph.ErrForm, true, 0, opset.MatMul, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[1].Index = 1 }},
		{graph.ErrOp, true, 0, opset.Input, 0, func(ds []opset.Descriptor, i int) { ds[i].Op = opset.Add }},
		{graph.ErrTarget, true, 2, opset.Add, 0, func(ds []opset.Descriptor, i int) { ds[i].Type = tensor.I16 }},
		{graph.ErrSources, true, 0, opset.ReLU, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[2].Kind = opset.Tensor }},
		{graph.ErrSources, true, 0, opset.ReLU, 0, func(ds []opset.Descriptor, i int) { ds[i].RootA[3] = 1 }},
		{graph.ErrSources, true, 0, opset.Add, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[1].Kind = opset.RootB }},
		{graph.ErrOrder, true, 0, opset.ReLU, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[0].Index = uint8(i) }},
		{graph.ErrDims, true, 2, opset.Add, 0, func(ds []opset.Descriptor, i int) { ds[i].Dims[1], ds[i].Dims[2] = ds[i].Dims[2], ds[i].Dims[1] }},
		{graph.ErrShape, true, 2, opset.Add, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[0].Index = 1 }},
		{graph.ErrShape, true, 2, opset.Add, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[0].Index = 0 }},
		{graph.ErrSize, false, 1, opset.Quant, 0, func(ds []opset.Descriptor, i int) { ds[i].Window = 5 }},
		{graph.ErrParameter, true, 0, opset.ReLU, 0, func(ds []opset.Descriptor, i int) { ds[i].P[5] = 1 }},
		{graph.ErrParameter, true, 0, opset.Quant, 0, func(ds []opset.Descriptor, i int) { ds[i].P[1] = -63 }},
		{graph.ErrParameter, false, 1, opset.RoPE, 0, func(ds []opset.Descriptor, i int) { ds[i].P[2] = 5 }},
		{graph.ErrFanIn, false, 1, opset.MaxAbs, 0, func(ds []opset.Descriptor, i int) { ds[i].P[2] = 257 }},
		{graph.ErrFanIn, false, 3, opset.Select, 0, func(ds []opset.Descriptor, i int) { ds[i].P[1] = 129 }},
		{graph.ErrWeights, true, 0, opset.MatMul, 0, func(ds []opset.Descriptor, i int) { ds[i].P[1] = 256 }},
		{graph.ErrLeaf, true, 2, opset.Add, 0, func(ds []opset.Descriptor, i int) { ds[i].Leaf = 512 }},
		{graph.ErrRows, false, 1, opset.Score, 0, func(ds []opset.Descriptor, i int) { ds[i].P[4] = 1 }},
		{graph.ErrRows, false, 1, opset.Transpose, 0, func(ds []opset.Descriptor, i int) { ds[i].P[7] ^= 1 << 16 }},
		{graph.ErrRows, false, 1, opset.Transpose, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[1].Index = uint8(ds[0].P[1]) }},
		{graph.ErrState, false, 1, opset.RoPE, 0, func(ds []opset.Descriptor, i int) { ds[i].P[5]++ }},
		{graph.ErrInterface, false, 1, opset.Input, 0, func(ds []opset.Descriptor, i int) { ds[i].P[5] = 1 }},
		{graph.ErrToken, false, 3, opset.Token, 0, func(ds []opset.Descriptor, i int) {
			for k := i; k < len(ds); k++ { // both times it is made
				if ds[k].Op == opset.Token {
					ds[k].Src[0] = ds[k].Src[1]
				}
			}
		}},
		{graph.ErrToken, false, 3, opset.Token, 1, func(ds []opset.Descriptor, i int) { ds[i].Src[0] = ds[i].Src[1] }},
		{graph.ErrToken, false, 3, opset.StopOp, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[2] = ds[i].Src[0] }},
		{graph.ErrToken, false, 3, opset.StopOp, 0, func(ds []opset.Descriptor, i int) { ds[i].Src[3] = ds[i].Src[2] }},
		{graph.ErrToken, false, 3, opset.GrammarState, 0, func(ds []opset.Descriptor, i int) { ds[i].P[0]-- }},
		{graph.ErrToken, false, 3, opset.StopState, 0, func(ds []opset.Descriptor, i int) { ds[i].P[0]-- }},
		{graph.ErrWeights, false, 3, opset.StopState, 0, func(ds []opset.Descriptor, i int) { ds[i].P[1]-- }},
		{graph.ErrNorm, false, 1, opset.NormApply, 1, func(ds []opset.Descriptor, i int) { ds[i].Src[0].Index = 0 }},
		{graph.ErrNorm, false, 1, opset.SumSquares, 1, func(ds []opset.Descriptor, i int) { ds[i].Src[1].Index = 1 }},
		{graph.ErrThreshold, false, 3, opset.Keep, 1, func(ds []opset.Descriptor, i int) { ds[i].Src[0] = ds[find(t, ds, opset.Keep, 0)].Src[0] }},
		{graph.ErrThreshold, false, 3, opset.Exp2Op, 0, func(ds []opset.Descriptor, i int) { // thresholds of logits, which may be negative
			z := ds[i].Src[0]
			for k := i + 1; k < len(ds); k++ {
				for s := range ds[k].Src {
					if ds[k].Src[s] == (opset.Source{Kind: opset.Tensor, Index: uint8(i)}) {
						ds[k].Src[s] = z
					}
				}
			}
		}},
		{graph.ErrThreshold, false, 3, opset.Keep, 0, func(ds []opset.Descriptor, i int) { ds[i].P[1] = opset.ByWeight }},
		{graph.ErrThreshold, false, 3, opset.Hist, 9, func(ds []opset.Descriptor, i int) { ds[i].P[3] = opset.ByCount }},
		{graph.ErrFanIn, false, 3, opset.Hist, 0, func(ds []opset.Descriptor, i int) { ds[i].P[1] = 257 }},
		{graph.ErrOverflow, false, 1, opset.NormInv, 0, func(ds []opset.Descriptor, i int) { ds[i].P[0] = 1 << 60 }},
		{graph.ErrOverflow, false, 3, opset.Temper, 0, func(ds []opset.Descriptor, i int) { ds[i].P[1] = 1 << 30 }},
	}
}

// Each invariant rejects something that no other one rejects. SPEC 04 §3, STYLE 30.
func TestEachInvariantRejectsAlone(t *testing.T) {
	seen := map[error]bool{graph.ErrAnswer: true} // below
	for _, test := range spoils(t) {
		p := program(modeltest.Llama(3, modeltest.Tiny()))
		if test.mlp {
			p = program(modeltest.MLP(5))
		}
		ds := p.Stages[test.stage]
		test.change(ds, find(t, ds, test.op, test.nth))
		if got := graph.Violations(p); !slices.Equal(got, []error{test.err}) {
			t.Errorf("%s of stage %d: violates %v, want %v alone", test.op, test.stage, got, test.err)
		}
		if err := graph.Validate(p); !errors.Is(err, test.err) {
			t.Errorf("%s of stage %d: %v, want %v", test.op, test.stage, err, test.err)
		}
		seen[test.err] = true
	}
	for _, err := range graph.Invariants() {
		if !seen[err] {
			t.Errorf("no test for %v", err)
		}
	}
}

// A million positions of a 70B model put the value mix beyond what can be answered, and nothing else.
func TestContextBeyondTheAnswerIsRefused(t *testing.T) {
	p := program(llama(t, 128256, 1<<20, 8192, 64, 8, 128, 28672, 2))
	if got := graph.Violations(p); !slices.Equal(got, []error{graph.ErrAnswer}) {
		t.Errorf("violates %v", got)
	}
}

// A width at which a sum of squares of 24-bit numbers leaves 62 bits is refused.
func TestWidthBeyondTheNormIsRefused(t *testing.T) {
	if got := graph.Violations(program(llama(t, 512, 64, 16384, 4, 2, 8, 64, 1))); len(got) != 0 {
		t.Errorf("width 16384 violates %v", got)
	}
	if got := graph.Violations(program(llama(t, 512, 64, 16640, 4, 2, 8, 64, 1))); !slices.Equal(got, []error{graph.ErrOverflow}) {
		t.Errorf("width 16640 violates %v", got)
	}
}

// Validate never panics on what decodes, however wrong.
func TestValidateIsTotal(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	p := program(modeltest.Llama(3, modeltest.Tiny()))
	for range 3000 {
		s := r.IntN(len(p.Stages))
		i := r.IntN(len(p.Stages[s]))
		d := p.Stages[s][i]
		b := d.Encode()
		for range 1 + r.IntN(3) {
			b[r.IntN(128)] = byte(r.Uint32())
		}
		bad, err := opset.Decode(b[:])
		if err != nil {
			continue
		}
		p.Stages[s][i] = bad
		_ = graph.Validate(p)
		p.Stages[s][i] = d
	}
}

// What Answer says of any element at any position stays below what Worst says of the operation.
func TestWorstBoundsEveryAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, p := range []*graph.Program{
		program(llama(t, 1000, 700, 96, 6, 3, 24, 200, 2)), program(llama(t, 128256, 131072, 8192, 64, 8, 128, 28672, 80)),
		program(modeltest.Llama(3, modeltest.Tiny())), program(modeltest.Llama(3, modeltest.Wide())),
	} {
		c := opset.Context{TMax: p.TMax, M: p.TMax, StopCount: opset.MaxStop}
		for _, s := range []int{0, 1, p.Layers + 1, p.Layers + 2} {
			for i := 1; i < len(p.Stages[s]); i++ {
				d := &p.Stages[s][i]
				worst, err := graph.Worst(d, c, len(p.Stages))
				if err != nil {
					t.Fatal(err)
				}
				for range 60 {
					at := c
					at.T, at.YPrev, at.StopCount = r.Uint32N(p.TMax), int32(r.Uint32N(p.Vocab)), uint8(r.IntN(65))
					cost, err := graph.Answer(d, &at, r.Uint64N(d.Count(&at)), len(p.Stages))
					if err != nil {
						t.Fatal(err)
					}
					if cost.Bytes > worst.Bytes || cost.Hashes > worst.Hashes || cost.Reads > worst.Reads {
						t.Errorf("%s at t = %d costs %+v, the bound is %+v", d.Op, at.T, cost, worst)
					}
				}
			}
		}
	}
}

// Validate neither panics nor admits what it has not seen, whatever one descriptor says.
func FuzzValidate(f *testing.F) {
	p := program(modeltest.Llama(3, modeltest.Tiny()))
	for s := range p.Stages {
		for i := range p.Stages[s] {
			b := p.Stages[s][i].Encode()
			f.Add(uint8(s), uint8(i), b[:])
		}
	}
	f.Fuzz(func(t *testing.T, s, i uint8, b []byte) {
		d, err := opset.Decode(b)
		if err != nil {
			return
		}
		ds := p.Stages[int(s)%len(p.Stages)]
		at := &ds[int(i)%len(ds)]
		before := *at
		defer func() { *at = before }()
		*at = d
		err = graph.Validate(p)
		if err == nil {
			return
		}
		if !slices.ContainsFunc(graph.Invariants(), func(g error) bool { return errors.Is(err, g) }) {
			t.Fatalf("refused without an invariant: %v", err)
		}
	})
}
