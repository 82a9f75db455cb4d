package machine_test

import (
	"testing"

	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Products of every class, and those of experts, are one step with their rows where nobody looks: their
// partial sums are never made. Plain kernels make them. ADR 0009.
func TestPreparedProductsMakeNoPartialSums(t *testing.T) {
	for name, c := range map[string]modeltest.Config{"dense": modeltest.Tiny(), "blocks": modeltest.Blocks(), "experts": modeltest.Experts()} {
		m := modeltest.Llama(1, c)
		for _, set := range machine.Sets() {
			s := machine.Prepare(m.Stages, set, nil, nil)[1]
			w, ctx := &machine.Workspace{}, &opset.Context{M: 1, MaxNew: 1, TMax: uint32(c.TMax), Prompt: []int32{1}}
			shape := s.Ops[0].Shape(ctx)
			in := tensor.New(s.Ops[0].Type, int(shape[0]), int(shape[1]), int(shape[2]))
			w.Run(&s, ctx, in, machine.NewCache(c.Layers, 1, c.KVHeads*c.HeadDim))
			products := 0
			for i := range s.Ops {
				switch s.Ops[i].Op {
				case opset.MatMul, opset.MatMulBlock, opset.MatMulG4, opset.RowMatMul:
					products++
					if made := w.Tensors()[i] != nil; made != set.Plain() {
						t.Errorf("%s, %s: partial sums of tensor %d, %s, made: %v", name, set.Name(), i, s.Ops[i].Op, made)
					}
				}
			}
			if products < 7 {
				t.Errorf("%s: %d products in a layer", name, products)
			}
		}
	}
}

// Who gives room knows before how much is asked for, so that it can lie side by side. ADR 0051.
func TestPreparedWeightsTakeTheRoomThatIsSaid(t *testing.T) {
	for name, c := range map[string]modeltest.Config{"dense": modeltest.Tiny(), "blocks": modeltest.Blocks(), "experts": modeltest.Experts()} {
		m := modeltest.Llama(1, c)
		for _, set := range machine.Sets() {
			want, got := machine.PackedBytes(m.Stages), int64(0)
			machine.Prepare(m.Stages, set, nil, func(n int) []int8 {
				got += int64(n)
				return make([]int8, n)
			})
			if set.Plain() {
				want = 0
			}
			if got != want || !set.Plain() && want < 1000 {
				t.Errorf("%s, %s: %d bytes taken, %d said", name, set.Name(), got, want)
			}
		}
	}
}
