package machine

import "elenchus/compute/opset"

// EMIT always holds every part of the sampler; where nobody looks, a request pays for those parts
// that it uses. Validity (G21 of SPEC 03 §4) makes these shortcuts equal to the definition.

// needs calls mark for the tensors that op i reads in a fused run.
func (b *batch) needs(i int, mark func(tensor uint8)) {
	ops := b.s.Ops
	o := &ops[i]
	first, last := 0, len(o.Src)
	switch {
	case b.passes(o), o.Op == opset.Keep && b.every(func(c *opset.Context) bool { return onlyMinP(o, c) }), o.Op == opset.Token && b.every(func(c *opset.Context) bool { return c.Temperature == 0 }):
		last = 1 // a greedy draw needs no weights, min-p no threshold
	case o.Op == opset.Digit:
		mark(ops[histogram(ops, int(o.Src[0].Index))].Src[0].Index)
		first = 1 // the histogram is not made
	}
	for _, s := range o.Src[first:last] {
		if s.Kind == opset.Tensor {
			mark(s.Index)
		}
	}
}

// passes says whether an operation hands its first source on as it is.
func (b *batch) passes(o *Op) bool {
	switch {
	case o.Op == opset.Penalise:
		return b.every(func(c *opset.Context) bool { return !c.Counted() && !c.Biased })
	case o.Op == opset.Mask:
		return b.every(func(c *opset.Context) bool { return !c.Grammared })
	case o.Op != opset.Keep:
		return false
	case o.P[1] == opset.ByCount:
		return b.every(func(c *opset.Context) bool { return c.TopK == 0 || int64(c.TopK) >= o.P[0] })
	}
	return b.every(func(c *opset.Context) bool { return c.MinP == 0 && onlyMinP(o, c) })
}

// onlyMinP says whether top-p is off: its threshold is then the least weight above 0.
func onlyMinP(o *Op, c *opset.Context) bool {
	return o.P[1] == opset.ByWeight && (c.TopP == 0 || c.TopP >= opset.FullWeight)
}

// every says whether something holds at all positions.
func (b *batch) every(holds func(c *opset.Context) bool) bool {
	for j := range b.c {
		if !holds(&b.c[j]) {
			return false
		}
	}
	return true
}
