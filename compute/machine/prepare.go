package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// linear is a product and its rows as one step, on packed weights. It holds for the tensors that it
// was made from: an op whose weights were exchanged runs the plain way.
type linear struct {
	product  int // index of the matmul
	w, scale *tensor.Tensor
	packed   *kernel.Packed
}

// Prepare makes stages ready for a set of kernels: each product whose partial sums only its rows
// read is computed together with them, from packed weights. The stages share ops' tensors with
// those given, which stay as they are. What is computed is the same; what somebody observes is
// computed the plain way.
func Prepare(stages []Stage, set kernel.Set, split Split) []Stage {
	if split == nil {
		split = Serial
	}
	made := map[[2]*tensor.Tensor]*kernel.Packed{}
	out := make([]Stage, len(stages))
	for i, s := range stages {
		out[i] = Stage{Ops: append([]Op(nil), s.Ops...), Layer: s.Layer, set: set}
		for r := range out[i].Ops {
			out[i].Ops[r].fast = nil
			if !set.Plain() {
				out[i].Ops[r].fast = prepare(out[i].Ops, r, made, split)
			}
		}
	}
	return out
}

// prepare packs the weights of op r if it is the rows of a product that nothing else reads.
func prepare(ops []Op, r int, made map[[2]*tensor.Tensor]*kernel.Packed, split Split) *linear {
	if ops[r].Op != opset.Row || ops[r].Src[0].Kind != opset.Tensor || ops[r].B == nil {
		return nil
	}
	at := int(ops[r].Src[0].Index)
	m := &ops[at]
	if !packs(m.Op) || m.Src[0].Kind != opset.Tensor || m.Src[1].Kind != opset.RootA || m.A == nil || readers(ops, at) != 1 {
		return nil
	}
	key := [2]*tensor.Tensor{m.A, ops[r].B}
	if made[key] == nil {
		p := kernel.NewPacked(m.A.Shape[0], int(m.P[0]), ops[r].B.I32)
		if b, ok := m.Layout(); ok {
			p = kernel.NewPackedBlocks(m.A.Shape[0], int(m.P[0]), b, ops[r].B.I32)
		}
		if p == nil {
			return nil
		}
		split(p.Blocks(), func(lo, hi int) { p.Fill(m.A.I8, m.A.Shape[1]*m.A.Shape[2], lo, hi) })
		made[key] = p
	}
	return &linear{product: at, w: m.A, scale: ops[r].B, packed: made[key]}
}

// packs says whether an operation is a product that packed weights are for.
func packs(op opset.Code) bool {
	return op == opset.MatMul || op == opset.MatMulBlock || op == opset.MatMulG4
}

// readers counts the operands that are tensor i.
func readers(ops []Op, i int) int {
	n := 0
	for k := range ops {
		for _, s := range ops[k].Src {
			if s.Kind == opset.Tensor && int(s.Index) == i {
				n++
			}
		}
	}
	return n
}
