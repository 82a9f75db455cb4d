package opset_test

import (
	"fmt"
	"math"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

const (
	least32, most32 = math.MinInt32, math.MaxInt32
	least64, most64 = math.MinInt64, math.MaxInt64
)

// i16, i32 and i64 are sources written out.
func list(t tensor.DType, v ...int64) *tensor.Tensor {
	x := tensor.New(t, 1, 1, len(v))
	for i := range v {
		x.Set(i, v[i])
	}
	return x
}

func i8(v ...int64) *tensor.Tensor  { return list(tensor.I8, v...) }
func i32(v ...int64) *tensor.Tensor { return list(tensor.I32, v...) }
func i64(v ...int64) *tensor.Tensor { return list(tensor.I64, v...) }

// eval is element i of op over sources 0, 1, 2 (tensors 1, 2, 3 of the stage), of n elements.
func eval(t testing.TB, op opset.Code, dt tensor.DType, n uint32, p []int64, c opset.Context, i uint64, src ...*tensor.Tensor) int64 {
	t.Helper()
	d := opset.Descriptor{Op: op, Type: dt, Leaf: 64, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: n}}}
	copy(d.P[:], p)
	for k, s := range src {
		if s != nil {
			d.Src[k] = opset.Source{Kind: opset.Tensor, Index: uint8(k + 1)}
		}
	}
	v, err := opset.Element(&d, &c, i, func(r opset.Read) ([]byte, error) {
		x := src[r.Index-1]
		b := x.Bytes(0, x.Len())
		if r.Total != uint64(len(b)) {
			return nil, fmt.Errorf("source %d has %d bytes, the read says %d", r.Index-1, len(b), r.Total)
		}
		return b[r.Lo:r.Hi], nil
	})
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return v
}

// The places where two honest implementers of integers differ have one value each. GAME hole 19,
// SPEC 01 §3, 02 §4.
func TestRulesThatImplementersMiss(t *testing.T) {
	none := opset.Context{}
	hot := opset.Context{Temperature: 1 << 16}
	one := func(op opset.Code, dt tensor.DType, p []int64, c opset.Context, src ...*tensor.Tensor) int64 {
		return eval(t, op, dt, 1, p, c, 0, src...)
	}
	quant := func(x, s int64) int64 { return one(opset.Quant, tensor.I16, []int64{1, s}, none, i32(x)) }
	row := func(dt tensor.DType, m, e int64, x ...int64) int64 {
		return one(opset.Row, dt, []int64{int64(len(x))}, none, i64(x...), i32(m, e))
	}
	div := func(a, b int64) int64 {
		return one(opset.DivOp, tensor.I16, []int64{1, 1}, none, i64(a), i64(b))
	}
	exp2 := func(x, m, q int64) int64 {
		return one(opset.Exp2Op, tensor.I32, []int64{1, 0, q}, none, i32(x), i64(m))
	}
	scale := func(m int64) int64 { return one(opset.Scale, tensor.I64, nil, none, i64(m)) }
	maxAbs := func(t tensor.DType, x int64) int64 {
		return one(opset.MaxAbs, tensor.I64, []int64{1, 0, 1, int64(t)}, none, list(t, x))
	}
	silu := func(g, u int64) int64 {
		return one(opset.SiLUMul, tensor.I32, []int64{1, 16, 16}, none, i32(g), i32(u))
	}
	for _, c := range []struct {
		rule      string
		got, want int64
	}{
		{"a: rs(x, 0) is x", quant(5, 0), 5},
		{"a: rs(-1, 1) rounds half up", quant(-1, 1), 0},
		{"a: rs(1, 1) rounds half up", quant(1, 1), 1},
		{"a: rs(-3, 1)", quant(-3, 1), -1},
		{"b: 65,024 fits at s = 1", scale(65024), 1},
		{"b: 65,025 does not: rs is 32,513", scale(65025), 2},
		{"b: the sign does not matter", scale(-65025), 2},
		{"b: 0 needs no shift", scale(0), 0},
		{"b: the least int64", scale(least64), 49},
		{"c: |-2^31| is exact", maxAbs(tensor.I32, least32), 1 << 31},
		{"c: |-2^63| saturates as a target", maxAbs(tensor.I64, least64), most64},
		{"c: bitlen(2^31) is 32, s = 8", one(opset.SumSquares, tensor.I64, []int64{1, 0, 1, 3}, none, i32(least32), i64(1<<31)), 1 << 46},
		{"c: floor, not truncation: (-257 >> 8)^2", one(opset.SumSquares, tensor.I64, []int64{1, 0, 1, 3}, none, i32(-257), i64(1<<31)), 4},
		{"d: a negative shift multiplies", quant(3, -2), 12},
		{"d: it saturates", quant(3, -40), 32767},
		{"d: beyond -62 it acts as -62", quant(-1, least64), -32768},
		{"d: beyond 62 a shift acts as 62", quant(most32, most64), 0},
		{"d: -1 at 62 is 0, half up", quant(-1, 62), 0},
		{"d: e - s of a row below 0", one(opset.Row, tensor.I32, []int64{1}, none, i64(3), i32(2, 1), i64(4)), 48},
		{"d: e - s overflows", one(opset.Row, tensor.I32, []int64{1}, none, i64(3), i32(2, 1), i64(least64)), 0},
		{"e: -7 / 2 is -3, half up", div(-7, 2), -3},
		{"e: 7 / 2 is 4", div(7, 2), 4},
		{"e: -8 / 3 is -3", div(-8, 3), -3},
		{"e: floor, not truncation: -5 / 3", div(-5, 3), -2},
		{"e: x / 0 is 0", div(5, 0), 0},
		{"e: x / -1 is 0", div(5, -1), 0},
		{"e: exact in 64 bits", div(least64, most64), -1},
		{"f: exp2(0) is 2^24 in Q24", exp2(7, 7, 24), 1 << 24},
		{"f: exp2 of above the maximum acts as exp2(0)", exp2(9, 7, 24), 1 << 24},
		{"f: exp2(-1)", exp2(-1<<16, 0, 24), 1 << 23},
		{"f: Q31 saturates int32", exp2(0, 0, 31), most32},
		{"f: any q has a value", exp2(0, 0, most64), most32},
		{"f: and any negative one", exp2(0, 0, least64), 0},
		{"f: far below is 0", exp2(least32, most64, 30), 0},
		{"g: a row saturates int32", row(tensor.I32, most32, 0, 1<<40), most32},
		{"g: and int16", row(tensor.I16, -1, 0, 1<<40), -32768},
		{"g: add saturates", one(opset.Add, tensor.I32, []int64{1}, none, i32(least32), i32(-1)), least32},
		{"g: mul is exact before", one(opset.Mul, tensor.I32, []int64{1, 62}, none, i32(least32), i32(least32)), 1},
		{"h: once, after the exact sum", row(tensor.I32, 1, 0, most64, most64, least64, least64, 5), 3},
		{"h: of a sum too", one(opset.Sum, tensor.I64, []int64{3, 0, 3, 4}, none, i64(most64, most64, least64)), most64 - 1},
		{"h: which saturates", one(opset.Sum, tensor.I64, []int64{2, 0, 2, 4}, none, i64(least64, least64)), least64},
		{"i: little-endian", one(opset.ReLU, tensor.I32, []int64{1}, none, i32(0x01020304)), 0x01020304},
		{"k: no weight, greedy", one(opset.Token, tensor.I32, nil, hot, i64(9<<32+(1<<32-1-41)), i64(0), i64(7, 0)), 41},
		{"k: temperature 0, greedy", one(opset.Token, tensor.I32, nil, none, i64(-9<<32+(1<<32-1-41)), i64(1), i64(7, 0)), 41},
		{"k: drawn", one(opset.Token, tensor.I32, nil, hot, i64(9<<32+(1<<32-1-41)), i64(1), i64(7, 0)), 7},
		{"k: a drawn index beyond int32 saturates", one(opset.Token, tensor.I32, nil, hot, i64(0), i64(1), i64(most64, 0)), most32},
		{"k: temperature 0 tempers to 0", one(opset.Temper, tensor.I32, []int64{1, 94548}, none, i32(5)), 0},
		{"k: draw of no weight", one(opset.Draw, tensor.I64, nil, none, i64(-5)), 0},
		{"silu: 0", silu(0, 1<<16), 0},
		{"silu: far right is the identity", silu(20<<16, 1<<16), 20 << 16},
		{"silu: far left is 0", silu(-40<<16, 1<<16), 0},
		{"silu: the least g", silu(least32, 1<<16), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.rule, c.got, c.want)
		}
	}
}

// embed reads row 0 for an id outside the vocabulary. SPEC 02 §4 op 1.
func TestEmbedOutsideTheVocabulary(t *testing.T) {
	w, s := i8(make([]int64, 3*64)...), i32(1, 0, 1, 0, 1, 0)
	for r := range 3 {
		w.Set(64*r, int64(r+10))
	}
	for y, want := range map[int32]int64{0: 10, 1: 11, 2: 12, 3: 10, -1: 10, least32: 10, most32: 10} {
		if got := eval(t, opset.Embed, tensor.I32, 1, []int64{3, 64, 64}, opset.Context{YPrev: y}, 0, w, s); got != want {
			t.Errorf("id %d: %d, want %d", y, got, want)
		}
	}
}

// Equal logits: the least index wins. SPEC 02 §4 op 5.
func TestLeastIndexWins(t *testing.T) {
	keys := func(v ...int64) int64 {
		n := int64(len(v))
		return eval(t, opset.ArgKey, tensor.I64, 1, []int64{n, 0, n, 3}, opset.Context{}, 0, i32(v...))
	}
	for _, c := range []struct {
		v    []int64
		want int64
	}{{[]int64{3, 5, 5}, 1}, {[]int64{-1, -1}, 0}, {[]int64{least32, least32 + 1}, 1}, {[]int64{7}, 0}} {
		if got := 1<<32 - 1 - keys(c.v...)&(1<<32-1); got != c.want {
			t.Errorf("index of %v is %d, want %d", c.v, got, c.want)
		}
	}
}

// Finish codes of the stop rule, in its order of precedence. SPEC 02 §4 op 27, 06 §4.
func TestStopRule(t *testing.T) {
	c := opset.Context{T: 9, M: 4, MaxNew: 7, TMax: 11, StopCount: 2}
	stops := i32(8, 5)
	stop := func(c opset.Context, y int64) int64 {
		return eval(t, opset.StopOp, tensor.I32, 1, nil, c, 0, i32(y), stops, i32(0), i32(0))
	}
	done := func(c opset.Context, y int64) int64 {
		return eval(t, opset.StopOp, tensor.I32, 1, nil, c, 0, i32(y), stops, i32(opset.StopDone), i32(0))
	}
	last, full := c, c
	last.T = 10 // t+2-m = 8 >= 7, and t+2 > tMax as well
	full.MaxNew, full.T = 100, 10
	for _, k := range []struct {
		name string
		c    opset.Context
		y    int64
		want int64
	}{
		{"end id", c, 5, opset.FinishEnd}, {"end id before length", last, 8, opset.FinishEnd},
		{"length", c, 6, opset.FinishLength}, {"length before context", last, 6, opset.FinishLength},
		{"context", full, 6, opset.FinishContext},
		{"run", opset.Context{T: 3, M: 4, MaxNew: 7, TMax: 11, StopCount: 2}, 6, opset.FinishRun},
	} {
		if got := stop(k.c, k.y); got != k.want {
			t.Errorf("%s: %d, want %d", k.name, got, k.want)
		}
	}
	if a, b := done(last, 6), done(last, 8); a != opset.FinishString || b != opset.FinishEnd {
		t.Errorf("a stop string gives %d, with an end id %d", a, b)
	}
	c.StopCount = 0 // no list, no read
	if got := eval(t, opset.StopOp, tensor.I32, 1, nil, c, 0, i32(5), i32(9), i32(0), i32(0)); got != opset.FinishLength {
		t.Errorf("without stop ids: %d", got)
	}
}

// The draw: u is the first 8 bytes of SHA-256("draw" | seed | t); the index is the first whose prefix
// sum exceeds floor(u Z / 2^64), found chunk by chunk. SPEC 02 §4 ops 24, 25.
func TestSelectFindsThePrefix(t *testing.T) {
	w := []int64{3, 0, 4, 0, 0, 2, 1, 0}
	pick := func(p []int64, i uint64, a *tensor.Tensor) int64 {
		return eval(t, opset.Select, tensor.I64, 2, p, opset.Context{}, i, i32(w...), a)
	}
	sums := i64(3, 4, 2, 1) // chunks of two
	for r := range int64(12) {
		want, prefix := int64(len(w)-1), int64(0)
		for j, v := range w {
			if prefix+v > r {
				want = int64(j)
				break
			}
			prefix += v
		}
		top := func(i uint64) int64 {
			return eval(t, opset.Select, tensor.I64, 2, []int64{4, 128, 4, 1}, opset.Context{}, i, sums, i64(r))
		}
		got := pick([]int64{8, 2, 3, 0}, 0, i64(top(0), top(1)))
		if got != want {
			t.Errorf("r = %d: index %d, want %d", r, got, want)
		}
		if flat := pick([]int64{8, 8, 3, 1}, 0, i64(r)); flat != want {
			t.Errorf("r = %d in one chunk: index %d, want %d", r, flat, want)
		}
	}
	for _, q := range []int64{least64, -1, 99, most64} { // clamped to the chunks that exist
		if got := pick([]int64{8, 2, 3, 0}, 0, i64(q, 0)); got != map[bool]int64{true: 0, false: 6}[q < 0] {
			t.Errorf("chunk %d: index %d", q, got)
		}
	}
	if opset.Uniform(7, 3) == opset.Uniform(7, 4) || opset.Uniform(7, 3) == opset.Uniform(8, 3) {
		t.Error("seed or position does not matter")
	}
	if got := opset.Uniform(1, 2); got != 0xf6e69987f656adcd { // by another implementation of SHA-256
		t.Errorf("Uniform(1, 2) = %#x", got)
	}
}
