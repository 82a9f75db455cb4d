package quantize_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"elenchus/compute/tensor"
	"elenchus/importer/quantize"
)

// weight is what integers of a block-scaled matrix say of an element.
func weight(m *quantize.Rows, n, j int) float64 {
	b := m.Blocks
	leaf := m.W.I8[(n*m.W.Shape[1]+j/b.Chunk)*b.Leaf():][:b.Leaf()]
	i := j % b.Chunk
	return math.Ldexp(float64(b.Code(leaf, i)*b.Mantissa(leaf, i/b.Len)+b.Offset(leaf, i/b.Len)), -m.Exp[n])
}

// drawnCodes are codes with scales that are halves (11 bits) over so many powers of two.
func drawnCodes(r *rand.Rand, rows, k, spread int, c quantize.Codes) (quantize.Codes, func(n, j int) float64) {
	count := (k + c.Len - 1) / c.Len
	code, scale, offset := make([]int8, rows*k), make([]float64, rows*count), make([]float64, rows*count)
	for i := range code {
		code[i] = int8(r.IntN(1<<c.Bits) - 1<<(c.Bits-1))
	}
	for i := range scale {
		scale[i] = math.Ldexp(float64(r.IntN(2048)-1024), -14-r.IntN(spread))
		offset[i] = math.Ldexp(float64(r.IntN(2048)-1024), -12-r.IntN(spread))
	}
	c.Read = func(n int, q []int8, s, o []float64) error {
		copy(q, code[n*k:])
		copy(s, scale[n*count:])
		copy(o, offset[n*count:])
		return nil
	}
	return c, func(n, j int) float64 {
		w := scale[n*count+j/c.Len] * float64(code[n*k+j])
		if c.Offsets {
			w += offset[n*count+j/c.Len]
		}
		return w
	}
}

// Blocks of a file are kept exactly while the scales of a row lie within 2^11 of each other, and
// within half a unit beyond. SPEC 04 §2.10.
func TestBlocksAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 70))
	for _, c := range []quantize.Codes{{Bits: 4, Len: 32}, {Bits: 8, Len: 32, Offsets: true}, {Bits: 8, Len: 16}, {Bits: 4, Len: 16, Offsets: true}} {
		for _, spread := range []int{11, 30} {
			const rows, k = 3, 700
			codes, want := drawnCodes(r, rows, k, spread, c)
			m, err := quantize.Blocks(rows, k, codes, nil)
			if err != nil {
				t.Fatal(err)
			}
			if exact := m.Rounded == 0; exact != (spread == 11) {
				t.Errorf("%+v over 2^%d: %d scales rounded", c, spread, m.Rounded)
			}
			for n := range rows {
				unit := math.Ldexp(1, -m.Exp[n])
				for j := range k {
					got, w := weight(m, n, j), want(n, j)
					if spread == 11 && got != w || math.Abs(got-w) > unit*128.5/2 {
						t.Fatalf("%+v: weight %d of row %d is %v, want %v", c, j, n, got, w)
					}
				}
			}
		}
	}
}

// A scale that is no number is refused.
func TestBlocksRefuseWhatIsNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := quantize.Blocks(1, 64, quantize.Codes{Bits: 8, Len: 32, Read: func(_ int, _ []int8, scale, _ []float64) error {
			scale[1] = bad
			return nil
		}}, nil)
		if err == nil {
			t.Errorf("a scale of %v was taken", bad)
		}
	}
}

// The search for a scale is never worse than the one that maps the largest magnitude to the end of
// the range, as Q4_0 does. SPEC 04 §2.11.
func TestFitIsNotWorseThanTheRange(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 71))
	const k = 608
	row := make([]float32, k)
	for range 50 {
		for j := range row {
			row[j] = float32(r.NormFloat64() * math.Exp(r.NormFloat64()))
		}
		c := quantize.Fit(k, 4, func(_ int, dst []float32) error { copy(dst, row); return nil }, nil)
		m, err := quantize.Blocks(1, k, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < k; at += 32 {
			ours, plain := 0.0, 0.0
			far := 0.0
			for _, w := range row[at : at+32] {
				if math.Abs(float64(w)) > math.Abs(far) {
					far = float64(w)
				}
			}
			for j := at; j < at+32; j++ {
				d := far / -8
				q := max(-8, min(7, math.Round(float64(row[j])/d)))
				ours += math.Pow(weight(m, 0, j)-float64(row[j]), 2)
				plain += math.Pow(d*q-float64(row[j]), 2)
			}
			if ours > plain*(1+1e-6) {
				t.Fatalf("block at %d: squared error %g, plain %g", at, ours, plain)
			}
		}
	}
}

// Zeros and one huge weight are blocks too.
func TestFitOfDegenerateBlocks(t *testing.T) {
	row := make([]float32, 96)
	row[40], row[70] = 3e38, 1e-45
	c := quantize.Fit(96, 4, func(_ int, dst []float32) error { copy(dst, row); return nil }, nil)
	m, err := quantize.Blocks(1, 96, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Blocks != (tensor.Blocks{Bits: 4, Chunk: 128, Len: 32}) {
		t.Errorf("layout %+v", m.Blocks)
	}
	if got := weight(m, 0, 40); math.Abs(got/3e38-1) > 0x1p-20 {
		t.Errorf("weight is %g", got)
	}
	if weight(m, 0, 0) != 0 || weight(m, 0, 41) != 0 {
		t.Error("a zero became something")
	}
}
