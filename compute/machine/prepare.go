package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// linear is a product and its rows as one step, on packed weights: of one matrix, or of each of the
// blocks that rows name. It holds for the tensors that it was made from: an op whose weights were
// exchanged runs the plain way.
type linear struct {
	product  int // index of the product
	w, scale *tensor.Tensor
	packed   []*kernel.Packed
}

// Prepare makes stages ready for a set of kernels: each product whose partial sums only its rows
// read is computed together with them, from packed weights. The stages share ops' tensors with
// those given, which stay as they are. What is computed is the same; what somebody observes is
// computed the plain way. Packed weights lie in room; split and room may be nil.
func Prepare(stages []Stage, set kernel.Set, split Split, room kernel.Room) []Stage {
	if split == nil {
		split = Serial
	}
	made := map[[2]*tensor.Tensor][]*kernel.Packed{}
	out := make([]Stage, len(stages))
	for i, s := range stages {
		out[i] = Stage{Ops: append([]Op(nil), s.Ops...), Layer: s.Layer, set: set}
		for r := range out[i].Ops {
			o := &out[i].Ops[r]
			o.fast, o.attend = nil, nil
			if !set.Plain() {
				o.fast, o.attend = prepare(out[i].Ops, r, made, split, room), attentionOf(out[i].Ops, r, &set)
			}
		}
	}
	return out
}

// prepare packs the weights of op r if it is the rows of a product that nothing else reads.
func prepare(ops []Op, r int, made map[[2]*tensor.Tensor][]*kernel.Packed, split Split, room kernel.Room) *linear {
	at, ok := productOf(ops, r)
	if !ok {
		return nil
	}
	m, o := &ops[at], &ops[r]
	key := [2]*tensor.Tensor{m.A, o.B}
	if made[key] == nil {
		made[key] = pack(m, o, split, room)
	}
	if made[key] == nil {
		return nil
	}
	return &linear{product: at, w: m.A, scale: o.B, packed: made[key]}
}

// productOf finds the product that op r is the rows of, if nothing else reads it.
func productOf(ops []Op, r int) (at int, ok bool) {
	o := &ops[r]
	if o.Op != opset.Row && o.Op != opset.RowResult || o.Src[0].Kind != opset.Tensor || o.B == nil {
		return 0, false
	}
	at = int(o.Src[0].Index)
	m := &ops[at]
	return at, packs(m, o) && m.Src[0].Kind == opset.Tensor && m.Src[1].Kind == opset.RootA && m.A != nil && readers(ops, at) == 1
}

// PackedBytes is the room that Prepare takes for the weights of stages, each matrix once.
func PackedBytes(stages []Stage) int64 {
	seen, n := map[[2]*tensor.Tensor]bool{}, int64(0)
	for _, s := range stages {
		for r := range s.Ops {
			at, ok := productOf(s.Ops, r)
			if !ok {
				continue
			}
			m := &s.Ops[at]
			if key := [2]*tensor.Tensor{m.A, s.Ops[r].B}; !seen[key] {
				seen[key] = true
				count, rows := blocksOf(m)
				b, _ := m.Layout()
				n += int64(count) * kernel.PackedBytes(rows, int(m.P[0]), b)
			}
		}
	}
	return n
}

// EachPacked shows the packed matrices of stages that Prepare made, each once.
func EachPacked(stages []Stage, see func(*kernel.Packed)) {
	seen := map[*kernel.Packed]bool{}
	for _, s := range stages {
		for _, o := range s.Ops {
			if o.fast == nil {
				continue
			}
			for _, p := range o.fast.packed {
				if !seen[p] {
					seen[p] = true
					see(p)
				}
			}
		}
	}
}

// blocksOf is the number of matrices of a product and that of the rows of each.
func blocksOf(m *Op) (n, rows int) {
	n = 1
	if m.Op == opset.RowMatMul {
		n = int(m.P[2])
	}
	return n, m.A.Shape[0] / n
}

// packs says whether an operation is a product that packed weights are for, and o its rows.
func packs(m, o *Op) bool {
	switch m.Op {
	case opset.MatMul, opset.MatMulBlock, opset.MatMulG4:
		return o.Op == opset.Row
	case opset.RowMatMul:
		return o.Op == opset.RowResult && m.Src[2] == o.Src[2] && m.P[2] == o.P[2] && m.Dims[0].K == 0
	}
	return false
}

// pack brings the weights of product m and the scales of its rows o into the order of kernels, nil if
// they do not take them.
func pack(m, o *Op, split Split, room kernel.Room) []*kernel.Packed {
	padded, scale := m.A.Shape[1]*m.A.Shape[2], o.B.I32
	n, rows := blocksOf(m)
	var out []*kernel.Packed
	for e := range n {
		p := newPacked(m, rows, scale[2*e*rows:2*(e+1)*rows], room)
		if p == nil {
			return nil
		}
		w := m.A.I8[e*rows*padded:]
		split(p.Blocks(), func(lo, hi int) { p.Fill(w, padded, lo, hi) })
		out = append(out, p)
	}
	return out
}

// newPacked makes room for one matrix of product m.
func newPacked(m *Op, rows int, scale []int32, room kernel.Room) *kernel.Packed {
	if b, ok := m.Layout(); ok {
		return kernel.NewPackedBlocks(rows, int(m.P[0]), b, scale, room)
	}
	return kernel.NewPacked(rows, int(m.P[0]), scale, room)
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
