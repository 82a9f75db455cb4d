package opset_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/conformance/opsample"
)

// maxRead is the longest read that any descriptor gets served. SPEC 02 §3.
const maxRead = 16 << 10

// hostile decodes a descriptor, which may be any, and evaluates an element on whatever bytes.
func hostile(t testing.TB, d *opset.Descriptor, c *opset.Context, i uint64, data []byte) (int64, error) {
	t.Helper()
	return opset.Element(d, c, i, func(r opset.Read) ([]byte, error) {
		if r.Lo >= r.Hi || r.Hi > r.Total || r.Hi-r.Lo > maxRead || r.Leaf < 1 || r.Leaf > 1<<16 {
			t.Fatalf("%s asks for [%d,%d) of %d in leaves of %d", d.Op, r.Lo, r.Hi, r.Total, r.Leaf)
		}
		b := make([]byte, r.Hi-r.Lo)
		for at := 0; at < len(b) && len(data) > 0; at += len(data) {
			copy(b[at:], data)
		}
		return b, nil
	})
}

// Every descriptor that decodes has elements that are numbers of its type or errors: no panic, no
// read outside a source, whatever the parameters. SPEC 02 §3, §4.6, GAME hole 19.
func TestElementIsTotal(t *testing.T) {
	const seed = 19
	r := rand.New(rand.NewPCG(seed, 2))
	odd := []int64{0, 1, -1, 2, 63, 64, 65, 255, 256, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}
	values := 0
	for n := range 60000 {
		op := opset.Codes()[n%len(opset.Codes())]
		d, c, i := opsample.Sample(r, op)
		for range r.IntN(5) { // break something
			switch r.IntN(5) {
			case 0:
				d.P[r.IntN(len(d.P))] = odd[r.IntN(len(odd))]
			case 1:
				d.Dims[r.IntN(3)] = opset.Dim{C: uint32(odd[1+r.IntN(10)]) | 1, K: uint32(odd[r.IntN(12)])}
			case 2:
				d.Window = uint32(odd[r.IntN(12)])
			case 3:
				c.T, c.M, c.TMax = uint32(odd[r.IntN(12)]), uint32(odd[r.IntN(12)]), uint32(odd[r.IntN(12)])
				c.YPrev, c.StopCount = int32(odd[r.IntN(12)]), uint8(r.IntN(256))
			case 4:
				d.Src[r.IntN(4)] = opset.Source{Kind: uint8(r.IntN(7))}
			}
		}
		data := make([]byte, 8+r.IntN(64))
		for k := range data {
			data[k] = byte(odd[r.IntN(len(odd))] >> r.IntN(56))
		}
		v, err := hostile(t, &d, &c, i, data)
		if err != nil {
			continue
		}
		values++
		if lo, hi := tensor.Range(d.Type); v < lo || v > hi {
			t.Fatalf("seed %d, case %d: %s is %d, outside %s", seed, n, op, v, d.Type)
		}
	}
	if values < 20000 {
		t.Errorf("only %d elements had a value", values)
	}
}

// A descriptor cannot make Element allocate: reads beyond what an answer can hold are refused
// before anything is fetched. SPEC 02 §3.
func TestLongReadsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		d    opset.Descriptor
	}{
		{"reduce", opset.Descriptor{Op: opset.Sum, P: [11]int64{1 << 40, 0, 1 << 40, 4}}},
		{"row", opset.Descriptor{Op: opset.Row, P: [11]int64{1 << 40}}},
		{"matmul", opset.Descriptor{Op: opset.MatMul, P: [11]int64{1 << 40, 1 << 40}}},
		{"score", opset.Descriptor{Op: opset.Score, P: [11]int64{1 << 40, 1, 1, 0, 0, 1 << 40, 1, 0}}},
		{"select", opset.Descriptor{Op: opset.Select, P: [11]int64{1 << 40, 1 << 40, 4, 1}}},
		{"just above", opset.Descriptor{Op: opset.Sum, P: [11]int64{maxRead/8 + 1, 0, maxRead/8 + 1, 4}}},
	} {
		d := c.d
		d.Type, d.Leaf, d.Dims = d.Op.Targets()[0], 64, [3]opset.Dim{{C: 1}, {C: 1}, {C: 1}}
		fetched := 0
		run := func() (err error) {
			_, err = opset.Element(&d, &opset.Context{}, 0, func(r opset.Read) ([]byte, error) {
				fetched += int(r.Hi - r.Lo)
				return make([]byte, r.Hi-r.Lo), nil
			})
			return err
		}
		if err := run(); !errors.Is(err, opset.ErrDescriptor) || fetched > 1<<20 {
			t.Errorf("%s: %v after %d bytes were fetched", c.name, err, fetched)
		}
	}
	d := opset.Descriptor{Op: opset.Sum, Type: tensor.I64, Leaf: 64, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 1}}, P: [11]int64{maxRead / 8, 0, maxRead / 8, 4}}
	if v, err := hostile(t, &d, &opset.Context{}, 0, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil || v != maxRead/8 {
		t.Errorf("the longest read: %d, %v", v, err)
	}
}

// FuzzElement feeds any 192 bytes, any context and any data: no panic, no oversized read, and a
// descriptor that decodes encodes to the same bytes.
func FuzzElement(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, op := range opset.Codes() {
		d, c, i := opsample.Sample(r, op)
		b, e := d.Encode(), c.Encode()
		f.Add(b[:], e[:], i, []byte{1, 2, 3, 0xff, 0x80, 0, 7, 9})
	}
	f.Fuzz(func(t *testing.T, b, ctx []byte, i uint64, data []byte) {
		d, err := opset.Decode(b)
		if err != nil {
			return
		}
		if again := d.Encode(); !bytes.Equal(again[:], b) {
			t.Fatalf("another encoding is read: %x", b)
		}
		var c opset.Context
		if len(ctx) >= 33 {
			u := func(k int) uint32 { return binary.BigEndian.Uint32(ctx[4*k:]) }
			c = opset.Context{T: u(0), M: u(1), YPrev: int32(u(2)), MaxNew: u(3), TMax: u(4), Temperature: u(5), Seed: binary.BigEndian.Uint64(ctx[24:]), StopCount: ctx[32]}
		}
		v, err := hostile(t, &d, &c, i, data)
		if lo, hi := tensor.Range(d.Type); err == nil && (v < lo || v > hi) {
			t.Fatalf("%d is outside %s", v, d.Type)
		}
	})
}
