package opset_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// The bytes of a descriptor and of a context, written out. SPEC 02 §1, §2.
func TestEncodings(t *testing.T) {
	d := opset.Descriptor{Op: opset.Mix, Type: tensor.I64, Leaf: 64, Window: 0x01020304,
		Dims: [3]opset.Dim{{C: 5}, {C: 6, K: 7}, {C: 8, K: 9}},
		Src:  [4]opset.Source{{Kind: opset.Tensor, Index: 0x2a}, {Kind: opset.RootA}, {Kind: opset.RootB}, {Kind: opset.KV}}}
	d.P[0], d.P[10] = -2, 0x0b
	d.RootA[0], d.RootB[31] = 0xaa, 0xbb
	want := "15" + "04" + "0040" + "01020304" +
		"00000005" + "00000000" + "00000006" + "00000007" + "00000008" + "00000009" +
		"012a" + "0200" + "0300" + "0400" +
		"fffffffffffffffe" + strings.Repeat("00", 72) + "000000000000000b" +
		"aa" + strings.Repeat("00", 31) + strings.Repeat("00", 31) + "bb"
	b := d.Encode()
	if got := hex.EncodeToString(b[:]); got != want {
		t.Errorf("descriptor is\n%s, want\n%s", got, want)
	}
	if again, err := opset.Decode(b[:]); err != nil || again != d {
		t.Errorf("read back as %+v, %v", again, err)
	}
	c := opset.Context{T: 1, M: 2, YPrev: -1, MaxNew: 3, TMax: 4, Temperature: 5, Seed: 6, StopCount: 7, Prompt: []int32{9},
		Biased: true, TopK: 8, TopP: 9, MinP: 10, Repetition: 11, Presence: -2, Frequency: 12, StopLens: 13, StopState: 14, Grammared: true, GrammarState: 15}
	e := c.Encode()
	if got := hex.EncodeToString(e[:]); got != "0000000100000002ffffffff000000030000000400000005"+"0000000000000006"+"07010100"+
		"00000008000000090000000a0000000bfffffffe0000000c0000000d0000000e0000000f"+strings.Repeat("00", 8) {
		t.Errorf("context is %s", got)
	}
}

// Each rule of form refuses by itself. SPEC 02 §1.
func TestDecodeRefuses(t *testing.T) {
	good := opset.Descriptor{Op: opset.Add, Type: tensor.I32, Leaf: 64, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 4}}}
	enc := good.Encode()
	if _, err := opset.Decode(enc[:]); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule   string
		change func(b []byte) []byte
	}{
		{"191 bytes", func(b []byte) []byte { return b[:191] }},
		{"193 bytes", func(b []byte) []byte { return append(b, 0) }},
		{"no bytes", func([]byte) []byte { return nil }},
		{"op beyond the op set", func(b []byte) []byte { b[0] = 255; return b }},
		{"element type 0", func(b []byte) []byte { b[1] = 0; return b }},
		{"element type 5", func(b []byte) []byte { b[1] = 5; return b }},
		{"leafBytes 128", func(b []byte) []byte { binary.BigEndian.PutUint16(b[2:], 128); return b }},
		{"dim with c = 0", func(b []byte) []byte { b[27] = 0; return b }},
		{"source kind 11", func(b []byte) []byte { b[32] = 11; return b }},
		{"index of a source that is no tensor", func(b []byte) []byte { b[33] = 1; return b }},
	} {
		if _, err := opset.Decode(c.change(bytes.Clone(enc[:]))); !errors.Is(err, opset.ErrDescriptor) {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

// Dims as functions of t. SPEC 02 §1.1, §1.4.
func TestDimsGrow(t *testing.T) {
	for _, c := range []struct {
		t, w              uint32
		dim               opset.Dim
		span, first, dimN uint64
	}{
		{0, 0, opset.Dim{C: 3}, 1, 0, 3},
		{0, 0, opset.Dim{C: 1, K: 256}, 1, 0, 1},
		{255, 0, opset.Dim{C: 1, K: 256}, 256, 0, 1},
		{256, 0, opset.Dim{C: 1, K: 256}, 257, 0, 2},
		{256, 100, opset.Dim{C: 2, K: 3}, 100, 157, 68},
		{99, 100, opset.Dim{C: 1, K: 1}, 100, 0, 100},
		{100, 100, opset.Dim{C: 1, K: 1}, 100, 1, 100},
		{math.MaxUint32, 0, opset.Dim{C: 1, K: 1}, 1 << 32, 0, 1 << 32},
	} {
		d, ctx := opset.Descriptor{Window: c.w}, opset.Context{T: c.t}
		if d.Span(&ctx) != c.span || d.First(&ctx) != c.first || d.Size(c.dim, &ctx) != c.dimN {
			t.Errorf("t = %d, W = %d, %+v: %d, %d, %d", c.t, c.w, c.dim, d.Span(&ctx), d.First(&ctx), d.Size(c.dim, &ctx))
		}
	}
}

// A read is covered by whole leaves, and cut out of exactly these. SPEC 02 §3.
func TestReadsAreCutFromLeaves(t *testing.T) {
	leaves := make([]byte, 192)
	for i := range leaves {
		leaves[i] = byte(i)
	}
	for _, c := range []struct{ lo, hi, a, b uint64 }{{64, 128, 1, 2}, {60, 68, 0, 2}, {0, 192, 0, 3}, {127, 129, 1, 3}} {
		r := opset.Read{Total: 1 << 20, Leaf: 64, Lo: c.lo, Hi: c.hi}
		if a, b := r.Leaves(); a != c.a || b != c.b {
			t.Errorf("[%d,%d) is covered by [%d,%d)", c.lo, c.hi, a, b)
		}
		got, err := r.Trim(leaves[64*c.a : 64*c.b])
		if err != nil || !bytes.Equal(got, leaves[c.lo:c.hi]) {
			t.Errorf("[%d,%d) is %v, %v", c.lo, c.hi, got, err)
		}
		if _, err := r.Trim(leaves[:64*(c.b-c.a)-1]); err == nil {
			t.Error("a leaf too short is cut")
		}
	}
}

// Names are one to one, and every operation has a definition and targets.
func TestNames(t *testing.T) {
	for _, c := range opset.Codes() {
		if got, ok := opset.Parse(c.String()); !ok || got != c || len(c.Targets()) == 0 {
			t.Errorf("%d is named %q, which is %d", c, c, got)
		}
	}
	if _, ok := opset.Parse("no operation"); ok {
		t.Error("an operation that does not exist has a code")
	}
	if _, err := opset.Element(&opset.Descriptor{Op: 200}, &opset.Context{}, 0, nil); !errors.Is(err, opset.ErrDescriptor) {
		t.Errorf("op 200: %v", err)
	}
	if _, err := opset.Element(&opset.Descriptor{}, &opset.Context{}, 0, nil); !errors.Is(err, opset.ErrDescriptor) {
		t.Errorf("input: %v", err)
	}
}
