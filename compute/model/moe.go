package model

import (
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// MoE is a mixture of experts in place of a layer's feed-forward part: the router's largest Chosen
// logits (lowest index first among equals) name the experts that a token meets; results are summed
// with the softmax of their logits.
type MoE struct {
	Experts, Chosen, FF int
	Router              Matrix // [Experts, d]; its row results are logits in log2 units, Q16
	Renormalise         bool   // the softmax is over the chosen logits, else over all
	Scale               int64  // what the weights of experts are multiplied with, Q24; 2^24 is 1
	Gate, Up, Down      Matrix // the experts' matrices, one below the other
	Shared              *SharedExpert
}

// SharedExpert is a feed-forward part that every token meets beside the chosen experts.
type SharedExpert struct {
	FF             int
	Gate, Up, Down Matrix
	Switch         *Matrix // [1, d]: the result counts by the sigmoid of this row, nil: as it is
}

// Bounds of a mixture of experts. SPEC 04 §3.2.
const (
	maxExperts = 256
	maxChosen  = 32
	shareBits  = 24 // fraction bits of the weight of an expert
)

func (m *MoE) check(d int) error {
	if m.Experts < 1 || m.Experts > maxExperts || m.Chosen < 1 || m.Chosen > min(m.Experts, maxChosen) || m.FF < 1 || m.FF > maxFF {
		return fmt.Errorf("%w: %d of %d experts of width %d, want at most %d of %d and 1..%d", ErrModel, m.Chosen, m.Experts, m.FF, maxChosen, maxExperts, maxFF)
	}
	if m.Gate.Blocks != (tensor.Blocks{}) || m.Up.Blocks != (tensor.Blocks{}) || m.Down.Blocks != (tensor.Blocks{}) {
		return fmt.Errorf("%w: experts with block-scaled weights, want rows of one scale", ErrModel)
	}
	if m.Scale < 1 || m.Scale > 1<<(shareBits+4) {
		return fmt.Errorf("%w: scale of experts %d is outside 1..2^%d", ErrModel, m.Scale, shareBits+4)
	}
	all := []shape{
		{"router", &m.Router, m.Experts, d}, {"gates of experts", &m.Gate, m.Experts * m.FF, d},
		{"ups of experts", &m.Up, m.Experts * m.FF, d}, {"downs of experts", &m.Down, m.Experts * d, m.FF},
	}
	if s := m.Shared; s != nil {
		if s.FF < 1 || s.FF > maxFF {
			return fmt.Errorf("%w: width of the shared expert %d is outside 1..%d", ErrModel, s.FF, maxFF)
		}
		all = append(all, shape{"shared gate", &s.Gate, s.FF, d}, shape{"shared up", &s.Up, s.FF, d}, shape{"shared down", &s.Down, d, s.FF})
		if s.Switch != nil {
			all = append(all, shape{"shared switch", s.Switch, 1, d})
		}
	}
	return checkShapes(all)
}

// moe appends a mixture of experts of x (i16 [d]): i32 [d].
func (s *stage) moe(x, d int, m *MoE, act activation) int {
	logits := s.linear(x, &m.Router, tensor.I32, 0)
	order := s.add(opset.Order, tensor.I32, vec(m.Experts), []int64{int64(m.Experts)}, logits)
	slots := s.add(opset.Slot, tensor.I32, vec(m.Chosen), []int64{int64(m.Experts)}, order)
	w := s.routing(logits, slots, m)
	in := blocks{rows: m.Chosen, width: m.FF, count: m.Experts, names: slots}
	y := act(s, s.blockLinear(x, &m.Gate, in), s.blockLinear(x, &m.Up, in), m.Chosen*m.FF)
	q, sc := s.quantRows(y, m.Chosen, m.FF)
	out := blocks{rows: m.Chosen, width: d, count: m.Experts, names: slots, own: true, inner: true, shift: sc}
	y = s.combine(s.blockLinear(q, &m.Down, out), w, d, m.Chosen)
	if m.Shared == nil {
		return y
	}
	return s.add(opset.Add, tensor.I32, vec(d), []int64{int64(d)}, y, s.shared(x, d, m.Shared, act))
}

// activation appends what joins gate and up results of n elements.
type activation func(s *stage, gate, up, n int) int

// routing appends the weights of the chosen experts: i32 [chosen], shareBits fraction bits.
func (s *stage) routing(logits, slots int, m *MoE) int {
	one := [2]int{1, 1}
	top := s.reduce(opset.Max, opset.Max, one, m.Experts, logits, tensor.I32)
	p := s.add(opset.Exp2Op, tensor.I32, vec(m.Experts), []int64{int64(m.Experts), 0, 24}, logits, top)
	chosen := s.add(opset.Gather, tensor.I32, vec(m.Chosen), []int64{int64(m.Experts)}, p, slots)
	over, n := p, m.Experts
	if m.Renormalise {
		over, n = chosen, m.Chosen
	}
	sum := s.reduce(opset.Sum, opset.Sum, one, n, over, tensor.I32)
	bits := max(shareBits, int64(log2(int(m.Scale))))
	return s.add(opset.Share, tensor.I32, vec(m.Chosen), []int64{int64(m.Chosen), m.Scale, int64(m.Chosen), bits, int64(tensor.I32)}, chosen, sum)
}

func (s *stage) combine(x, w, d, k int) int {
	return s.add(opset.Combine, tensor.I32, vec(d), []int64{int64(d), int64(k), shareBits}, x, w)
}

// shared appends the expert that every token meets.
func (s *stage) shared(x, d int, m *SharedExpert, act activation) int {
	y := act(s, s.linear(x, &m.Gate, tensor.I32, 0), s.linear(x, &m.Up, tensor.I32, 0), m.FF)
	q, sc := s.quantRows(y, 1, m.FF)
	y = s.linear(q, &m.Down, tensor.I32, sc)
	if m.Switch == nil {
		return y
	}
	g := s.linear(x, m.Switch, tensor.I32, 0)
	return s.combine(y, s.curve(g, vec(1), 1, 0, &Curve{Kind: opset.Sigmoid, Mult: 1 << (24 - residualBits), Out: 1, OutShift: 30 - shareBits}), d, 1)
}
