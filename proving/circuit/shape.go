package circuit

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"elenchus/compute/opset"
)

// shapeTag begins what a shape is the hash of.
const shapeTag = "elenchus/unit/1"

// Shape names the circuits of the unit: units of one shape have the same circuits, whatever their
// index, their roots and the length of the text, and so share their keys. SPEC 10 §5.
func (u *Unit) Shape() [32]byte {
	d := &u.Descriptor
	b := append([]byte(shapeTag), byte(d.Op), byte(d.Type))
	b = binary.BigEndian.AppendUint16(b, d.Leaf)
	for _, p := range d.P {
		b = binary.BigEndian.AppendUint64(b, uint64(p))
	}
	b = append(b, byte(len(u.Reads)))
	for _, r := range u.Reads {
		leaf := uint64(r.Leaf)
		for _, v := range []uint64{leaf, r.Lo % leaf, r.Hi - r.Lo} {
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
	}
	b = binary.BigEndian.AppendUint32(b, uint32(u.within()))
	b = binary.BigEndian.AppendUint32(b, uint32(u.used()))
	for _, v := range append(u.constants(), u.Places...) {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return sha256.Sum256(b)
}

// constants are what index and context put into the circuit, beyond the place of its reads.
func (u *Unit) constants() []uint64 {
	d, c, i := &u.Descriptor, &u.Context, u.Index
	p := func(k int) uint64 { return uint64(max(d.P[k], 0)) }
	least := func(v uint64) uint64 { return max(v, 1) }
	shape := d.Shape(c)
	switch d.Op {
	case opset.NormInv, opset.Digit, opset.Slot, opset.Order:
		return []uint64{i}
	case opset.RowInv:
		return []uint64{i % 2}
	case opset.ArgKey: // the first index of the chunk
		return []uint64{i % shape[2] * least(p(2))}
	case opset.RoPE:
		return u.side()
	case opset.HeadNorm:
		return []uint64{i % least(p(1))}
	case opset.EmbedBlock:
		return []uint64{i % least(p(1))}
	case opset.Hist:
		return []uint64{i / shape[2] % opset.Bins}
	case opset.Live:
		return []uint64{min(i, p(1))}
	case opset.Select:
		return []uint64{i}
	case opset.Temper:
		return []uint64{uint64(c.Temperature)}
	case opset.Token:
		return []uint64{uint64(min(c.Temperature, 1))}
	case opset.Draw:
		return []uint64{opset.Uniform(c.Seed, c.T)}
	case opset.StopOp:
		return []uint64{uint64(opset.Limit(c))}
	case opset.Penalise:
		return []uint64{uint64(c.Repetition), uint64(c.Presence), uint64(c.Frequency)}
	case opset.Rank:
		return []uint64{uint64(c.TopK), uint64(c.TopP)}
	case opset.Keep:
		return []uint64{uint64(c.MinP)}
	case opset.StopState:
		return []uint64{uint64(c.StopLens), uint64(c.StopState)}
	case opset.GrammarState:
		switch {
		case !c.Grammared:
			return []uint64{0}
		case c.GrammarState == math.MaxUint32:
			return []uint64{2}
		}
		return []uint64{1}
	}
	return nil
}

// side says which half of its pair an element of rope is: 0 beyond the rotated dims, else 1 or 2.
func (u *Unit) side() []uint64 {
	d := &u.Descriptor
	hd, rd := uint64(max(d.P[1], 1)), uint64(max(d.P[2], 0))
	dim := u.Index % hd
	switch {
	case dim >= rd:
		return []uint64{0}
	case d.P[4] == 1 && dim < max(rd/2, 1), d.P[4] != 1 && dim%2 == 0:
		return []uint64{1}
	}
	return []uint64{2}
}
