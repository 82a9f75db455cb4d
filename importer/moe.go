package importer

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"elenchus/compute/model"
	"elenchus/importer/quantize"
)

// mixture are the numbers of experts; ff and shared are widths, shared 0 without a shared expert.
type mixture struct {
	experts, chosen, ff, shared int
	norm                        bool // the weights of the chosen have the sum 1
	scale                       float64
}

// Bounds of experts. SPEC 04 §1.4a.
const (
	maxExperts     = 256
	maxChosen      = 32
	expertBits     = 24 // fraction bits of the scale of experts
	maxExpertScale = 16
)

// expertStems are the tensors of a layer in place of ffn_gate, ffn_up and ffn_down.
func expertStems() []string {
	return []string{
		"ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps",
		"ffn_gate_inp_shexp", "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp",
	}
}

// mixture reads what a file says about experts, nil if it has none. What is missing or beyond the
// limits is a fault.
func (r *reader) mixture() *mixture {
	if n, err := r.f.Uint(r.key("expert_count")); !r.f.Has(r.key("expert_count")) || err == nil && n == 0 {
		return nil
	}
	m := &mixture{norm: r.m.arch != "qwen2moe"}
	m.experts = r.uint("expert_count", -1, maxExperts)
	m.chosen = r.uint("expert_used_count", -1, maxChosen)
	m.scale = r.float("expert_weights_scale", 1, 1.0/1024, maxExpertScale)
	if key := r.key("expert_weights_norm"); r.f.Has(key) {
		on, err := r.f.Bool(key)
		if err != nil {
			r.faults.add("%s is no bool", key)
		}
		m.norm = on
	}
	rows, _, _ := r.f.Shape("blk.0.ffn_gate_exps.weight")
	m.ff = rows / max(m.experts, 1)
	m.shared, _, _ = r.f.Shape("blk.0.ffn_gate_shexp.weight")
	if m.ff == 0 || m.ff > 1<<16 || rows%max(m.experts, 1) != 0 || m.chosen > m.experts || m.shared > 1<<16 {
		r.faults.add("%s: %d of %d experts with %d rows of ffn_gate_exps, %d of ffn_gate_shexp", r.key("expert_count"), m.chosen, m.experts, rows, m.shared)
	}
	if !m.norm && r.m.arch == "llama" || r.m.plain || r.m.fusedUp || r.m.postNorm || r.m.layerNorm || r.p.act != "silu" {
		r.faults.add("%s: experts in this architecture", r.key("expert_count"))
	}
	return m
}

// weights is the number of matrix elements of a layer's experts over width d.
func (m *mixture) weights(d int) int { return d * (3*m.experts*m.ff + 3*m.shared + m.experts) }

// experts sets the mixture of a layer whose normalised input has xq fraction bits. Its weights are
// rows with one scale in every class.
func (r *reader) experts(l *model.DecoderLayer, prefix string, gamma []float32, xq int) error {
	m, d := r.p.moe, r.p.dim
	router, err0 := r.digits(prefix+"ffn_gate_inp", m.experts, d, 16, gamma)
	gate, err1 := r.digits(prefix+"ffn_gate_exps", m.experts*m.ff, d, 8, gamma)
	up, err2 := r.digits(prefix+"ffn_up_exps", m.experts*m.ff, d, 8, gamma)
	down, err3 := r.digits(prefix+"ffn_down_exps", m.experts*d, m.ff, 8, nil)
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		return err
	}
	for n := range router.Scale { // logits in log2 units
		router.Scale[n] *= math.Log2E
	}
	in := residualBits - xq
	l.MoE = &model.MoE{
		Experts: m.experts, Chosen: m.chosen, FF: m.ff, Renormalise: m.norm, Scale: quantize.Fixed(m.scale, expertBits),
		Router: router.Finish(in), Gate: gate.Finish(in), Up: up.Finish(in), Down: down.Finish(r.frac - residualBits),
	}
	if m.shared == 0 {
		return nil
	}
	return r.sharedExpert(l.MoE, prefix, gamma, in)
}

// sharedExpert sets the expert that every token meets; its switch is optional.
func (r *reader) sharedExpert(l *model.MoE, prefix string, gamma []float32, in int) error {
	ff, d := r.p.moe.shared, r.p.dim
	gate, err1 := r.digits(prefix+"ffn_gate_shexp", ff, d, 8, gamma)
	up, err2 := r.digits(prefix+"ffn_up_shexp", ff, d, 8, gamma)
	down, err3 := r.digits(prefix+"ffn_down_shexp", d, ff, 8, nil)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	l.Shared = &model.SharedExpert{FF: ff, Gate: gate.Finish(in), Up: up.Finish(in), Down: down.Finish(r.frac - residualBits)}
	name := prefix + "ffn_gate_inp_shexp"
	if _, _, ok := r.f.Shape(name + ".weight"); !ok {
		return nil
	}
	row, err := r.digits(name, 1, d, 16, gamma)
	if err != nil {
		return err
	}
	s := row.Finish(in)
	l.Shared.Switch = &s
	return nil
}

// digits reads weights as rows with one scale, of the bits of the class, at least so many.
func (r *reader) digits(stem string, rows, k, least int, gamma []float32) (*quantize.Rows, error) {
	name := stem + ".weight"
	have, rowLen, ok := r.f.Shape(name)
	if !ok || have != rows || rowLen != k {
		return nil, fmt.Errorf("%w: tensor %s is %d x %d, want %d x %d", ErrUnsupported, name, have, rowLen, rows, k)
	}
	m, err := quantize.Matrix(rows, k, max(least, r.rowBits(name)), func(n int, dst []float32) error {
		if err := r.f.Rows(name, n, dst); err != nil {
			return err
		}
		return finite(name, n*k, dst)
	}, gamma)
	r.take(name)
	r.step()
	return m, err
}

// expertTensor says whether a stem is of experts.
func expertTensor(stem string) bool {
	return strings.HasSuffix(stem, "exps") || strings.HasSuffix(stem, "shexp") || stem == "ffn_gate_inp"
}
