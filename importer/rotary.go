package importer

import (
	"math"
	"slices"

	"elenchus/compute/tensor"
	"elenchus/importer/quantize"
)

// frequencies settles how the angles of pairs are scaled: r.divide and r.stretch. SPEC 04 §2.16.
func (r *reader) frequencies() {
	r.stretch = 1
	if r.m.positions || r.p.rd < 2 {
		return
	}
	kind := "none"
	if key := r.key("rope.scaling.type"); r.f.Has(key) {
		var err error
		if kind, err = r.f.String(key); err != nil {
			r.faults.add("%v", err)
		}
	}
	_, _, long := r.f.Shape("rope_factors_long.weight")
	if long && kind == "none" {
		kind = "longrope" // converters to GGUF leave the type out
	}
	switch kind {
	case "none":
	case "linear":
		r.divide = slices.Repeat([]float64{r.factor()}, r.p.rd/2)
	case "llama3":
		r.llama3()
	case "yarn":
		r.yarn()
	case "longrope":
		r.longrope()
	default:
		r.faults.add("rotary scaling %q", kind)
	}
	if v := r.factors("rope_freqs.weight"); v != nil {
		r.divide = v // what llama3 gives
	}
}

func (r *reader) factor() float64 { return r.float("rope.scaling.factor", 1, 1, 1<<20) }

// factors reads a divisor for each pair, nil where there is no such tensor.
func (r *reader) factors(name string) []float64 {
	if _, _, ok := r.f.Shape(name); !ok {
		return nil
	}
	v, err := r.vector(name, r.p.rd/2)
	if err == nil && (slices.Min(v) < 0.5 || slices.Max(v) > 1<<20) {
		r.faults.add("tensor %s holds factors of %g to %g, want 0.5..%d", name, slices.Min(v), slices.Max(v), 1<<20)
	}
	if err != nil {
		r.faults.add("%v", err)
	}
	return wide(v)
}

// original is the number of positions before scaling.
func (r *reader) original() float64 {
	return float64(r.uint("rope.scaling.original_context_length", r.p.ctx, 1<<20))
}

// llama3 leaves short waves alone, divides long ones by the factor, and blends between.
func (r *reader) llama3() {
	factor, original := r.factor(), r.original()
	low := r.float("rope.scaling.low_freq_factor", 1, 1e-3, 1e6)
	high := r.float("rope.scaling.high_freq_factor", 4, 1e-3, 1e6)
	if high <= low {
		r.faults.add("rotary scaling llama3 with high_freq_factor %g and low_freq_factor %g", high, low)
		return
	}
	for _, theta := range quantize.Frequencies(r.p.rd, r.p.base) {
		angle, _ := theta.Float64()
		turns := original * angle / (2 * math.Pi)
		keep := max(0, min(1, (turns-low)/(high-low)))
		r.divide = append(r.divide, blend(keep, factor))
	}
}

// blend is the divisor between 1 (keep 1) and factor (keep 0): angles are blended, and rounded to
// float32 as files hold them.
func blend(keep, factor float64) float64 {
	return float64(float32(1 / (float64((1-keep)/factor) + keep)))
}

// yarn blends by the number of the pair, between the pairs that turn betaFast and betaSlow times in
// the original context.
func (r *reader) yarn() {
	factor, turn := r.factor(), 2*math.Pi/r.original()
	fast := r.float("rope.scaling.yarn_beta_fast", 32, 1e-3, 1e6) * turn
	slow := r.float("rope.scaling.yarn_beta_slow", 1, 1e-3, 1e6) * turn
	if r.f.Has(r.key("rope.scaling.attn_factor")) {
		r.faults.add("rotary scaling yarn with attn_factor, which formats mean differently")
	}
	// First the last pair that turns as fast, then the first that turns as slow, pairs beyond the head
	// included.
	low, high := 0, r.p.rd-1
	for i, theta := range quantize.Frequencies(2*r.p.rd, r.p.base*r.p.base) {
		angle, _ := theta.Float64()
		if angle >= fast {
			low = i
		}
		if angle <= slow {
			high = min(high, i)
		}
	}
	for i := range r.p.rd / 2 {
		ramp := max(0, min(1, (float64(i)-float64(low))/max(0.001, float64(high-low))))
		r.divide = append(r.divide, blend(1-ramp, factor))
	}
	r.stretch = 1 + float64(0.1*quantize.Ln(factor))
}

// longrope divides by one list up to the original context and by another beyond. The context of the
// import decides for all positions: rows of the cache must not depend on how long an answer becomes.
func (r *reader) longrope() {
	long, short := r.factors("rope_factors_long.weight"), r.factors("rope_factors_short.weight")
	if long == nil || short == nil {
		r.faults.add("rotary scaling longrope without tensors rope_factors_long.weight and rope_factors_short.weight")
		return
	}
	original, context := r.original(), float64(r.p.ctx)
	if r.divide = short; float64(r.context()) > original {
		r.divide = long
	}
	ratio := r.float("rope.scaling.factor", context/original, 1e-3, 1<<20)
	if ratio > 1 {
		r.stretch = math.Sqrt(1 + quantize.Ln(ratio)/quantize.Ln(original))
	}
	r.stretch = r.float("rope.scaling.attn_factor", r.stretch, 1e-3, 1e3)
}

// rope is the table of all layers and that of windowed ones, nil where there is none of its own.
func (r *reader) rope() (all, local *tensor.Tensor) {
	if r.m.positions {
		return nil, nil
	}
	all = quantize.Rotary(r.o.Context, r.p.rd, r.p.base, r.divide)
	if r.p.local > 0 && r.p.window > 0 {
		local = quantize.Rotary(r.o.Context, r.p.rd, r.p.local, nil)
	}
	return all, local
}
