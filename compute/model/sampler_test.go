package model

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// drawer is EMIT without what makes the logits.
func drawer(vocab int) machine.Stage {
	g := newStage(tensor.I32, vocab, 64)
	s := sampler{stage: g, vocab: vocab, temper: 94548, text: NewText(vocab, noBytes)}
	s.finish(0)
	return g.done(-1, 0, 0)
}

func noBytes(int32) string { return "" }

// logitsOf draws logits in Q16 whose spread is that of a language model's.
func logitsOf(r *rand.Rand, vocab int) *tensor.Tensor {
	x := tensor.New(tensor.I32, 1, 1, vocab)
	for i := range x.I32 {
		x.I32[i] = int32(r.NormFloat64() * 3 * 65536)
	}
	return x
}

// kept are the weights that the stage draws from: what its last keep leaves.
func kept(st *machine.Stage, c *opset.Context, x *tensor.Tensor) []int32 {
	w := machine.Workspace{Materialize: true}
	w.Run(st, c, x, nil)
	for i := len(st.Ops) - 1; ; i-- {
		if st.Ops[i].Op == opset.Keep {
			return slices.Clone(w.Tensors()[i].I32)
		}
	}
}

// weightError bounds the relative error of a weight: logits are rounded to 2^-16 log2 units before
// and after the maximum is taken away, exp2 interpolates. SPEC 05 §4.7.
const weightError = 2.5e-5

// floatKeep is the definition in floats: temperature, top-k, top-p among what top-k left, min-p.
// low and high are what is certainly kept and what may be, given the error of the weights.
func floatKeep(x []int32, c *opset.Context) (p []float64, low, high []bool) {
	type token struct {
		id int
		p  float64
	}
	best := slices.Max(x)
	all := make([]token, len(x))
	p = make([]float64, len(x))
	for i, v := range x {
		p[i] = math.Exp(float64(v-best) / float64(c.Temperature))
		all[i] = token{i, p[i]}
	}
	sort.SliceStable(all, func(a, b int) bool { return all[a].p > all[b].p })
	cutoff := func(slack float64) float64 {
		list := all
		if c.TopK > 0 && int(c.TopK) < len(list) {
			list = list[:c.TopK]
		}
		sum, z := 0.0, 0.0
		for _, t := range list {
			z += t.p
		}
		least := list[len(list)-1].p
		if c.TopP > 0 {
			need := z * float64(c.TopP) / (1 << 30) * (1 + slack)
			for _, t := range list {
				if sum += t.p; sum >= need {
					least = t.p
					break
				}
			}
		}
		return max(least, float64(c.MinP)/(1<<30)) * (1 - slack)
	}
	low, high = make([]bool, len(x)), make([]bool, len(x))
	tight, loose := cutoff(-4*weightError), cutoff(4*weightError)
	for i := range p {
		low[i], high[i] = p[i] > tight+1e-8, p[i] >= loose-1e-8
	}
	return p, low, high
}

// The sets of top-k, top-p and min-p are those of the float definition wherever the error of the
// weights cannot decide. SPEC 05 §4.
func TestSetsEqualTheFloatDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	open, closed := 0, 0
	for range 300 {
		vocab := 1 + r.IntN(700)
		st, x := drawer(vocab), logitsOf(r, vocab)
		c := opset.Context{M: 1, Temperature: uint32(6554 + r.IntN(1<<17-6554))}
		if r.IntN(2) == 0 {
			c.TopK = uint32(1 + r.IntN(60))
		}
		if r.IntN(2) == 0 {
			c.TopP = uint32(1 + r.IntN(1<<30-1))
		}
		if r.IntN(2) == 0 {
			c.MinP = uint32(r.IntN(1 << 28))
		}
		w := kept(&st, &c, x)
		p, low, high := floatKeep(x.I32, &c)
		for i, v := range w {
			if v == 0 && low[i] || v > 0 && !high[i] {
				t.Fatalf("token %d of %d (logit %d) has weight %d, the definition says %v to %v: %+v", i, vocab, x.I32[i], v, low[i], high[i], c)
			}
			switch {
			case low[i] == high[i]:
				closed++
			case p[i] > 1e-7: // below, a weight is a few units of 2^-30
				open++
			}
		}
	}
	if open > closed/100 {
		t.Errorf("%d tokens are too near a threshold to compare, %d are compared", open, closed)
	}
}

// A request without penalties and bias pays nothing for them where nobody looks: penalised logits are the
// logits themselves, not a copy. One in a shared pass that has some pays for a copy and changes nothing.
func TestNeutralPenaltiesAreNotRun(t *testing.T) {
	st := drawer(300)
	x := logitsOf(rand.New(rand.NewPCG(8, 8)), 300)
	at := slices.IndexFunc(st.Ops, func(o machine.Op) bool { return o.Op == opset.Penalise })
	off, on := opset.Context{M: 1, Temperature: 1 << 16}, opset.Context{M: 1, Temperature: 1 << 16, Prompt: []int32{5}, Repetition: 1 << 17}
	var w machine.Workspace
	w.Run(&st, &off, x, nil)
	before := w.Tensors()[st.Ops[at].Src[0].Index]
	if w.Tensors()[at] != before {
		t.Error("neutral penalties were computed")
	}
	w.RunCaches(&st, []opset.Context{off, on}, []*tensor.Tensor{x, x}, []*machine.Cache{nil, nil})
	if a, b := w.TensorsAt(0)[at].I32, w.TensorsAt(1)[at].I32; !slices.Equal(a, x.I32) || slices.Equal(b, x.I32) {
		t.Error("penalties of one request are those of another")
	}
}

// Ties at a threshold are all kept. GAME rule 12.
func TestTiesAreKept(t *testing.T) {
	st := drawer(300)
	x := tensor.New(tensor.I32, 1, 1, 300)
	x.I32[7] = 65536
	for _, c := range []opset.Context{{TopK: 2}, {TopP: 1 << 29}, {TopK: 1}} {
		c.M, c.Temperature = 1, 65536
		n := 0
		for _, v := range kept(&st, &c, x) {
			n += int(min(v, 1))
		}
		if want := map[uint32]int{2: 300, 0: 300, 1: 1}[c.TopK]; n != want {
			t.Errorf("top-k %d, top-p %d keeps %d tokens, want %d", c.TopK, c.TopP, n, want)
		}
	}
}

// A million draws are distributed as the float definition says. The seed is fixed: the statistic is
// a constant, and it lies far inside what chance gives.
func TestDrawsAreDistributedAsDefined(t *testing.T) {
	const draws, vocab = 1_000_000, 300
	r := rand.New(rand.NewPCG(2, 7))
	st, x := drawer(vocab), logitsOf(r, vocab)
	c := opset.Context{M: 1, MaxNew: 1, TMax: 1 << 20, Temperature: 58982, Seed: 12345, TopK: 200, TopP: 1_063_004_405, MinP: 1_073_742}
	w := kept(&st, &c, x)
	prefix := make([]uint64, vocab+1)
	for i, v := range w {
		prefix[i+1] = prefix[i] + uint64(v)
	}
	count := make([]int, vocab)
	var work machine.Workspace
	for n := range uint32(draws) {
		y := drawn(prefix, c.Seed, n)
		count[y]++
		if n%10_000 == 0 {
			c.T = n
			work.Run(&st, &c, x, nil)
			if got := work.Tensors()[len(st.Ops)-2].I32[0]; int(got) != y {
				t.Fatalf("step %d draws %d, want %d", n, got, y)
			}
		}
	}
	p, _, _ := floatKeep(x.I32, &c)
	z, chi, cells := 0.0, 0.0, 0
	for i, v := range w {
		if v > 0 {
			z += p[i]
		}
	}
	for i, v := range w {
		if v == 0 {
			if count[i] != 0 {
				t.Errorf("token %d is cut off and was drawn %d times", i, count[i])
			}
			continue
		}
		want := draws * p[i] / z
		chi += (float64(count[i]) - want) * (float64(count[i]) - want) / want
		cells++
	}
	df := float64(cells - 1)
	if cells < 30 || math.Abs(chi-df) > 4*math.Sqrt(2*df) {
		t.Errorf("chi-square is %.1f with %d degrees of freedom", chi, cells-1)
	}
}

// drawn is the draw by its definition.
func drawn(prefix []uint64, seed uint64, t uint32) int {
	r, _ := bits.Mul64(opset.Uniform(seed, t), prefix[len(prefix)-1])
	return sort.Search(len(prefix)-1, func(i int) bool { return prefix[i+1] > r })
}
