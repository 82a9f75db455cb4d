package graph

import (
	"errors"
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Rules about what a stage is for: rows, state, interfaces, tokens.

// rows: a layer has a K and a V row and attends to these, under its own number; no other stage has.
func (v *stage) rows() error {
	if len(v.ds) == 0 {
		return nil
	}
	k, w := v.ds[0].P[1], v.ds[0].P[2]
	if !v.layer() {
		if k != 0 || w != 0 {
			return fmt.Errorf("declares rows %d and %d and is no layer", k, w)
		}
		return nil
	}
	if k == w {
		return fmt.Errorf("row %d is both K and V", k)
	}
	for _, i := range []int64{k, w} {
		if i < 1 || i >= int64(len(v.ds)) || v.ds[i].Type != tensor.I16 || v.ds[i].Dims != vec(int64(v.p.DKV)) {
			return fmt.Errorf("row %d is not i16 [%d]", i, v.p.DKV)
		}
	}
	return v.each(v.attends)
}

func (v *stage) attends(_ int, d *opset.Descriptor) error {
	row := v.ds[0].P[2]
	switch d.Op {
	case opset.Score:
		row = v.ds[0].P[1]
	case opset.Transpose:
	case opset.Mix:
		if s := d.Src[1]; s.Kind == opset.Tensor && int(s.Index) < len(v.ds) && v.ds[s.Index].Op != opset.Transpose {
			return fmt.Errorf("mixes tensor %d, which is not the transposed V rows", s.Index)
		}
		return nil
	default:
		return nil
	}
	if d.Src[1].Kind == opset.Tensor && int64(d.Src[1].Index) != row {
		return fmt.Errorf("reads row %d, the stage declares %d", d.Src[1].Index, row)
	}
	if d.P[4] != int64(v.n-1) || d.P[5] != int64(v.p.DKV) || d.P[7] != v.depths() {
		return fmt.Errorf("layer %d, rows of %d, depths %#x; want %d, %d, %#x", d.P[4], d.P[5], d.P[7], v.n-1, v.p.DKV, v.depths())
	}
	return nil
}

// depths is p7 of SPEC 02 §4.2.
func (v *stage) depths() int64 {
	pieces := uint64(2*v.p.DKV+opset.KVLeafBytes-1) / opset.KVLeafBytes
	return int64(log2(uint64(v.p.TMax))<<16 | log2(uint64(v.p.Layers))<<8 | log2(pieces))
}

// state: only layers read the cache, only EMIT the stop ids, the sampler and the token before,
// only ABSORB the prompt.
func (v *stage) state() error {
	return v.each(func(_ int, d *opset.Descriptor) error {
		for k, s := range d.Src {
			if s.Kind == opset.KV && !v.layer() || s.Kind == opset.Prompt && !v.absorb() && !v.lists(d) || !v.emit() && (s.Kind == opset.Stop || s.Kind >= opset.Counts) {
				return fmt.Errorf("source %d is of kind %d", k, s.Kind)
			}
		}
		ok := true
		switch d.Op {
		case opset.Embed, opset.EmbedBlock, opset.Position:
			ok = v.p.Token && v.n == 0
		case opset.RoPE:
			ok = v.layer() && d.P[5] == int64(v.p.TMax)
		case opset.Temper, opset.Draw, opset.Token, opset.Penalise, opset.Rank, opset.Hist, opset.Digit, opset.Keep, opset.StopState,
			opset.Mask, opset.GrammarState:
			ok = v.emit()
		}
		if !ok {
			return errors.New("reads what this stage does not have")
		}
		return nil
	})
}

// interfaces: each stage takes what the one before gives; inputs and outputs do not grow.
func (v *stage) interfaces() error {
	if len(v.ds) == 0 {
		return nil
	}
	in := Value{tensor.I32, opset.LeafBytes, 0, vec(1)}
	before := v.n - 1
	if v.absorb() {
		before-- // both heads follow the last layer
	}
	switch {
	case v.n == 0 && !v.p.Token:
		in = Value{v.ds[0].Type, opset.LeafBytes, 0, vec(int64(v.ds[0].Dims[2].C))}
	case v.n > 0 && len(v.p.Stages[before]) > 0:
		d := v.p.Stages[before][len(v.p.Stages[before])-1]
		in = Value{d.Type, d.Leaf, d.Window, d.Dims}
	}
	d := &v.ds[0]
	if have := (Value{d.Type, d.Leaf, d.Window, d.Dims}); have != in {
		return fmt.Errorf("input is %s, the stage before gives %s", have, in)
	}
	if d.Src != [4]opset.Source{} || d.RootA != [32]byte{} || d.RootB != [32]byte{} || d.P != [11]int64{d.P[0], d.P[1], d.P[2]} {
		return errors.New("input has sources, roots or parameters of an operation")
	}
	return nil
}

// token: what becomes y and f is made by the operations that hold them inside the vocabulary and
// the finish codes.
func (v *stage) token() error {
	n := len(v.ds)
	switch {
	case n < 2:
		return nil
	case v.absorb():
		if v.ds[n-1].Op != opset.PromptOp {
			return fmt.Errorf("ends in %s, not in a prompt id", v.ds[n-1].Op)
		}
		return nil
	case !v.emit():
		return nil
	}
	if err := v.ends(); err != nil {
		return err
	}
	y := &v.ds[n-2]
	logits, ok := v.chain(int(y.Src[0].Index), opset.ArgKey, opset.Max)
	if !ok || v.ds[logits].Dims != vec(int64(v.p.Vocab)) {
		return fmt.Errorf("greedy key is not over %d logits", v.p.Vocab)
	}
	if s := int(y.Src[2].Index); s >= n || v.ds[s].Op != opset.Select || v.ds[s].P[0] != int64(v.p.Vocab) {
		return fmt.Errorf("drawn index is not one of %d", v.p.Vocab)
	}
	return nil
}

// chain finds the tensor that a full reduction ending in tensor i is over: levels of rest above
// one of base.
func (v *stage) chain(i int, base, rest opset.Code) (over int, ok bool) {
	if i >= len(v.ds) || v.ds[i].Dims != vec(1) {
		return 0, false
	}
	for i > 0 {
		d := &v.ds[i]
		next := int(d.Src[0].Index)
		if d.Src[0].Kind != opset.Tensor || next >= i {
			return 0, false
		}
		if d.Op == base && (base != rest || v.ds[next].Op != base) {
			return next, true
		}
		if d.Op != rest {
			return 0, false
		}
		i = next
	}
	return 0, false
}

// norms: shift, sum of squares, inverse and the tensor that they scale belong together; the bounds
// of the sum and of the product rest on it. SPEC 02 §4 ops 6 to 8.
func (v *stage) norms() error {
	return v.each(func(_ int, d *opset.Descriptor) error {
		switch d.Op {
		case opset.SumSquares:
			return v.same(int(d.Src[0].Index), int(d.Src[1].Index))
		case opset.RowSquares, opset.RowInv, opset.RowNorm:
			return v.rowNorms(d)
		case opset.NormInv:
			x, ok := v.chain(int(d.Src[0].Index), opset.SumSquares, opset.Sum)
			if !ok {
				return fmt.Errorf("tensor %d is not a sum of squares", d.Src[0].Index)
			}
			return v.same(x, int(d.Src[1].Index))
		case opset.NormApply:
			inv := int(d.Src[1].Index)
			if inv >= len(v.ds) || v.ds[inv].Op != opset.NormInv {
				return fmt.Errorf("tensor %d is not an inverse norm", inv)
			}
			return v.same(int(d.Src[0].Index), int(v.ds[inv].Src[1].Index))
		}
		return nil
	})
}

func (v *stage) same(x, m int) error {
	over, ok := v.chain(m, opset.MaxAbs, opset.MaxAbs)
	if !ok || over != x {
		return fmt.Errorf("tensor %d is not the largest magnitude of tensor %d", m, x)
	}
	return nil
}

// thresholds: a mask keeps the elements of the very tensor whose threshold it has, found in all
// rounds by the rank that it names, and these are weights. What needs no threshold may then be computed without it. SPEC 02
// §4 ops 30 to 33.
func (v *stage) thresholds() error {
	return v.each(func(_ int, d *opset.Descriptor) error {
		if d.Op != opset.Keep {
			return nil
		}
		x, state := int(d.Src[0].Index), int(d.Src[1].Index)
		if x >= len(v.ds) || v.ds[x].Op != opset.Exp2Op && v.ds[x].Op != opset.Keep {
			return fmt.Errorf("tensor %d is not of weights, which are never negative", x)
		}
		for r := int64(opset.SelectRounds - 1); r >= 0; r-- {
			next, err := v.digit(state, x, r, d.P[1])
			if err != nil {
				return err
			}
			state = next
		}
		k, err := v.before(state, len(v.ds), opset.Rank)
		if err != nil {
			return err
		}
		if k.P[1] != d.P[1] || k.P[0] != d.P[0] {
			return fmt.Errorf("tensor %d is another rank", state)
		}
		if over, ok := v.chain(int(k.Src[0].Index), opset.Sum, opset.Sum); d.P[1] == opset.ByWeight && (!ok || over != x) {
			return fmt.Errorf("tensor %d is not a rank among the elements of tensor %d", state, x)
		}
		return nil
	})
}

// before is tensor i, made by op before tensor end.
func (v *stage) before(i, end int, op opset.Code) (*opset.Descriptor, error) {
	if i >= end || i >= len(v.ds) || v.ds[i].Op != op {
		return nil, fmt.Errorf("tensor %d is not made by %s before tensor %d", i, op, end)
	}
	return &v.ds[i], nil
}

// digit checks that tensor i is round r of a selection over x and returns the state before it.
func (v *stage) digit(i, x int, r, by int64) (before int, err error) {
	d, err := v.before(i, len(v.ds), opset.Digit)
	if err != nil {
		return 0, err
	}
	before = int(d.Src[1].Index)
	h := int(d.Src[0].Index)
	for h < i && v.ds[h].Op == opset.Sum && int(v.ds[h].Src[0].Index) < h {
		h = int(v.ds[h].Src[0].Index)
	}
	e, err := v.before(h, i, opset.Hist)
	if err != nil {
		return 0, err
	}
	if d.P[0] != r || e.P[2] != r || e.P[3] != by || int(e.Src[0].Index) != x || r > 0 && int(e.Src[1].Index) != before {
		return 0, fmt.Errorf("tensor %d is not round %d of a threshold of tensor %d", i, r, x)
	}
	return before, nil
}
