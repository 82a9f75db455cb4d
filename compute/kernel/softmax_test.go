package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"elenchus/compute/kernel"
)

// positions of a long context.
const positions = 8192

// attended is what integers and floats say of one head over many positions.
type attended struct{ sum, mean, wantSum, wantMean, most float64 }

// attend runs the kernels of attention on scores in natural units and values: probabilities Q24.
func attend(score, value []float64) attended {
	n := len(score)
	x, v := make([]int32, n), make([]int16, n)
	top, most := math.Inf(-1), 0.0
	for i := range score {
		x[i] = int32(math.RoundToEven(score[i] * math.Log2E * 65536))
		v[i] = int16(value[i])
		top, most = max(top, float64(x[i])), max(most, math.Abs(value[i]))
	}
	p, parts := make([]int32, n), make([]int64, (n+127)/128)
	kernel.Exp2(p, x, []int64{int64(top)}, n, 24, 0, 1)
	kernel.Mix(parts, p, v, 1, 1, 1, 0, n, 0, 1)
	num, den, out := make([]int64, 1), make([]int64, 1), make([]int16, 1)
	levels := make([]int64, (n+255)/256)
	kernel.Sum(num, parts, len(parts), len(parts), 0, 1)
	kernel.Sum(levels, p, n, 256, 0, 1)
	kernel.Sum(den, levels, len(levels), len(levels), 0, 1)
	kernel.Div(out, num, den, 1)
	a := attended{sum: float64(den[0]) / (1 << 24), mean: float64(out[0]), most: most}
	for i := range score {
		w := math.Exp2((float64(x[i]) - top) / 65536)
		a.wantSum += w
		a.wantMean += w * float64(v[i])
	}
	a.wantMean /= a.wantSum
	return a
}

// Over 8,192 positions a flat tail neither vanishes nor doubles: the sum of probabilities is off by
// at most 2^-25 a position of its largest term and 2^-20 of itself, the mean by half a unit and
// 0.0005 of the largest value. GAME hole 20; docs/quality.md.
func TestAttentionOverManyPositions(t *testing.T) {
	kinds := map[string]func(r *rand.Rand, i int) float64{
		"flat":                  func(*rand.Rand, int) float64 { return 0 },
		"normal":                func(r *rand.Rand, _ int) float64 { return r.NormFloat64() },
		"wide":                  func(r *rand.Rand, _ int) float64 { return 5 * r.NormFloat64() },
		"peak over a flat":      func(_ *rand.Rand, i int) float64 { return map[bool]float64{true: 9, false: 0}[i == 77] },
		"peak over the faint":   func(_ *rand.Rand, i int) float64 { return map[bool]float64{true: 16.6, false: 0}[i == 4000] },
		"falling with position": func(_ *rand.Rand, i int) float64 { return -float64(i) / 500 },
	}
	for name, score := range kinds {
		r := rand.New(rand.NewPCG(8192, 20))
		s, v := make([]float64, positions), make([]float64, positions)
		for i := range s {
			s[i] = score(r, i)
			v[i] = math.RoundToEven(math.Max(-32000, math.Min(32000, 6000*r.NormFloat64()+4000)))
		}
		a := attend(s, v)
		if off, room := math.Abs(a.sum-a.wantSum), positions*0x1p-25+a.wantSum*0x1p-20; off > room {
			t.Errorf("%s: sum %.8f, want %.8f: off by %.2e, at most %.2e", name, a.sum, a.wantSum, off, room)
		}
		if off, room := math.Abs(a.mean-a.wantMean), 0.5+a.most*0.0005; off > room {
			t.Errorf("%s: mean %.3f, want %.3f: off by %.3f, at most %.3f", name, a.mean, a.wantMean, off, room)
		}
		t.Logf("%s: sum off by %.2e of %.3f, mean by %.3f of %.0f", name, math.Abs(a.sum-a.wantSum), a.wantSum, math.Abs(a.mean-a.wantMean), a.most)
	}
}
