// Package quantize turns weights into integers: class R, int8 rows with a 24-bit mantissa and an
// exponent, and classes B and G4, blocks of codes with scales.
//
// It stands on the importer floor, the only one with floats. Invariant: every result is a function
// of the input bits alone: only operations that IEEE 754 rounds correctly, and no product that a
// compiler may fuse into a sum, so every machine gets the same integers. SPEC 04 §2.
//
//	m, err := quantize.Matrix(rows, k, 8, func(first int, dst []float32) error { ... }, gamma)
//	scale := m.Scales(16 - 11)
package quantize

import (
	"math"
	"math/big"
	"sync"

	"elenchus/compute/model"
	"elenchus/compute/tensor"
)

// Rows is a matrix on its way: int8 weights and the real scale of each row, or blocks of codes and
// the exponent of each row.
type Rows struct {
	K      int
	W      *tensor.Tensor
	Low    *tensor.Tensor // 16 bits: the low digit, weight = (256 W + Low) * Scale; else nil
	Scale  []float64      // 8 bits: weight = W * Scale
	MaxRow float64        // largest Euclidean norm of a row, of the weights before quantisation

	Blocks  tensor.Blocks // layout of block-scaled weights, else zero
	Exp     []int         // blocks: the unit of row n is 2^-Exp[n]
	Rounded int           // blocks: scales and offsets that are not exactly what they were made from
	times   float64       // blocks: factor of every row, 0 stands for 1
}

// batch is about how many weights are read at a time, and the unit of work of a goroutine.
const batch = 1 << 16

// Matrix quantises rows x k weights that read delivers, some whole rows at a time and from several
// goroutines; column j is multiplied by gamma[j] first when gamma is not nil. Rounding is to nearest,
// ties to even; the largest magnitude of a row becomes 127, or 127 * 256 in the two digits of 16 bits.
func Matrix(rows, k, bits int, read func(first int, dst []float32) error, gamma []float32) (*Rows, error) {
	ch := model.Chunk(k)
	per := (k + ch - 1) / ch * ch
	m := &Rows{K: k, W: tensor.New(tensor.I8, rows, per/ch, ch), Scale: make([]float64, rows)}
	if bits == 16 {
		m.Low = tensor.New(tensor.I8, rows, per/ch, ch)
	}
	each := max(1, batch/k)
	scratch := sync.Pool{New: func() any { return &rowBuffer{make([]float32, each*k), make([]float64, k)} }}
	norms := make([]float64, (rows+each-1)/each)
	err := Each(len(norms), func(i int) error {
		b := scratch.Get().(*rowBuffer)
		defer scratch.Put(b)
		first := i * each
		in := b.in[:min(each, rows-first)*k]
		if err := read(first, in); err != nil {
			return err
		}
		for n := first; len(in) > 0; n, in = n+1, in[k:] {
			norms[i] = max(norms[i], m.row(n, in[:k], b.wide, gamma))
		}
		return nil
	})
	for _, x := range norms {
		m.MaxRow = max(m.MaxRow, x)
	}
	return m, err
}

// rowBuffer is what a goroutine needs: some rows as they are read, one as it is scaled.
type rowBuffer struct {
	in   []float32
	wide []float64
}

// row quantises row n and returns its Euclidean norm. Only it touches row n of the result.
func (m *Rows) row(n int, in []float32, wide []float64, gamma []float32) float64 {
	most, per := 127.0, m.W.Shape[1]*m.W.Shape[2]
	if m.Low != nil {
		most = 127 * 256
	}
	top, square := 0.0, 0.0
	for j, w := range in {
		wide[j] = float64(w)
		if gamma != nil {
			wide[j] = float64(w) * float64(gamma[j])
		}
		top = max(top, math.Abs(wide[j]))
		square += float64(wide[j] * wide[j])
	}
	if m.Scale[n] = top / most; top > 0 {
		for j, w := range wide {
			m.put(n*per+j, int(max(-most, min(most, math.RoundToEven(w/m.Scale[n])))))
		}
	}
	return math.Sqrt(square)
}

// put stores a weight in one or two balanced digits.
func (m *Rows) put(i, w int) {
	if m.Low != nil {
		m.Low.I8[i] = int8(w)
		w = (w - int(int8(w))) >> 8
	}
	m.W.I8[i] = int8(w)
}

// Finish gives the rows their integer scales so that results have shift more fraction bits than
// their inputs.
func (m *Rows) Finish(shift int) model.Matrix {
	if m.Blocks != (tensor.Blocks{}) {
		return model.Matrix{K: m.K, W: m.W, Scale: m.units(shift), Blocks: m.Blocks}
	}
	if m.Low == nil {
		return model.Matrix{K: m.K, W: m.W, Scale: m.scales(shift)}
	}
	low := model.Matrix{K: m.K, W: m.Low, Scale: m.scales(shift)}
	return model.Matrix{K: m.K, W: m.W, Scale: m.scales(shift + 8), Low: &low}
}

// FinishNarrow is Finish for results that are stored as int16: with 16 bits the digits are summed
// at wide more fraction bits and narrowed afterwards.
func (m *Rows) FinishNarrow(shift, wide int) model.Matrix {
	if m.Low == nil {
		return m.Finish(shift)
	}
	out := m.Finish(wide)
	out.Narrow = int64(wide - shift)
	return out
}

// units are the scales of block-scaled rows: mantissa 1, or that of a factor.
func (m *Rows) units(shift int) *tensor.Tensor {
	sc := tensor.New(tensor.I32, 1, len(m.Exp), 2)
	for n, e := range m.Exp {
		sc.I32[2*n], sc.I32[2*n+1] = 1, int32(e-shift)
		if m.times != 0 {
			sc.I32[2*n], sc.I32[2*n+1] = Mantissa(m.times, shift-e)
		}
	}
	return sc
}

func (m *Rows) scales(shift int) *tensor.Tensor {
	sc := tensor.New(tensor.I32, 1, len(m.Scale), 2)
	for n, s := range m.Scale {
		sc.I32[2*n], sc.I32[2*n+1] = Mantissa(s, shift)
	}
	return sc
}

// Mantissa writes f * 2^shift as m * 2^-e with 2^23 <= m < 2^24, or 0, 0 for f = 0. f is finite
// and not negative.
func Mantissa(f float64, shift int) (m, e int32) {
	if f == 0 {
		return 0, 0
	}
	frac, exp := math.Frexp(f)
	mant := int32(math.RoundToEven(math.Ldexp(frac, 24)))
	if mant == 1<<24 {
		mant, exp = 1<<23, exp+1
	}
	return mant, int32(24 - exp - shift)
}

// FracBits is the largest q in 0..24 with bound * 2^q <= 32768: the bound itself saturates by one.
func FracBits(bound float64) int {
	q := 24
	for q > 0 && math.Ldexp(bound, q) > 32768 {
		q--
	}
	return q
}

// Fixed is round(x * 2^bits), ties to even.
func Fixed(x float64, bits int) int64 { return int64(math.RoundToEven(math.Ldexp(x, bits))) }

// angleBits is the precision of the rotary recurrence: after 2^20 positions 2^-130 is left.
const angleBits = 160

// Rotary is the table of (cos, sin) in Q30, [positions, rd/2, 2]: pair i turns by base^(-2i/rd)
// per position, divided by divide[i] >= 1/2 where divide is not nil. It is computed in exact fixed
// point, so it is the same on every machine.
func Rotary(positions, rd int, base float64, divide []float64) *tensor.Tensor {
	t := tensor.New(tensor.I32, positions, rd/2, 2)
	one := new(big.Int).Lsh(big.NewInt(1), angleBits)
	waves := Frequencies(rd, base)
	_ = Each(len(waves), func(i int) error { // never an error; each pair has elements of its own
		theta := waves[i]
		if divide != nil {
			theta.Quo(theta, newFloat(divide[i]))
		}
		c1, s1 := turn(theta)
		c, s := new(big.Int).Set(one), new(big.Int)
		for p := range positions {
			t.I32[(p*rd/2+i)*2] = q30(c)
			t.I32[(p*rd/2+i)*2+1] = q30(s)
			c, s = rotate(c, s, c1, s1)
		}
		return nil
	})
	return t
}

// Frequencies are the angles base^(-2i/rd) of the pairs per position, to 256 bits.
func Frequencies(rd int, base float64) []*big.Float {
	out := make([]*big.Float, rd/2)
	theta := newFloat(1)
	step := new(big.Float).SetPrec(256).Quo(newFloat(1), root(newFloat(base), rd/2))
	for i := range out {
		out[i] = new(big.Float).Copy(theta)
		theta.Mul(theta, step)
	}
	return out
}

// Ln is the natural logarithm of x >= 1, to the last bits of a float64 and the same on every machine.
func Ln(x float64) float64 {
	mant, exp := math.Frexp(x) // 1/2 <= mant < 1
	return float64(float64(exp)*math.Ln2) + lnNear(mant)
}

// lnNear is ln(m) for 1/2 <= m <= 1 by 2 atanh((m-1)/(m+1)), |argument| <= 1/3.
func lnNear(m float64) float64 {
	z := (m - 1) / (m + 1)
	square, term, sum := float64(z*z), z, 0.0
	for k := 1.0; k < 60; k += 2 {
		sum += float64(term / k)
		term = float64(term * square)
	}
	return 2 * sum
}

// Times is the matrix with every weight times f > 0. Blocks take the factor into the mantissas of
// rows, which only an embedding may have.
func (m *Rows) Times(f float64) *Rows {
	out := *m
	out.Scale = make([]float64, len(m.Scale))
	for n, s := range m.Scale {
		out.Scale[n] = float64(s * f)
	}
	if out.times = f; m.times != 0 {
		out.times = float64(m.times * f)
	}
	out.MaxRow = float64(m.MaxRow * f)
	return &out
}

func newFloat(x float64) *big.Float { return new(big.Float).SetPrec(256).SetFloat64(x) }

// rotate multiplies two complex numbers in fixed point.
func rotate(c, s, c1, s1 *big.Int) (x, y *big.Int) {
	a, b := new(big.Int).Mul(c, c1), new(big.Int).Mul(s, s1)
	x = a.Rsh(a.Sub(a, b), angleBits)
	d, e := new(big.Int).Mul(s, c1), new(big.Int).Mul(c, s1)
	return x, d.Rsh(d.Add(d, e), angleBits)
}

// q30 rounds half up from angleBits to 30 fraction bits.
func q30(x *big.Int) int32 {
	h := new(big.Int).Lsh(big.NewInt(1), angleBits-31)
	return int32(h.Rsh(h.Add(h, x), angleBits-30).Int64())
}

// turn is (cos, sin) of an angle in [0, 1] by its series, in fixed point.
func turn(theta *big.Float) (c, s *big.Int) {
	scaled := new(big.Float).SetPrec(256).SetMantExp(theta, angleBits)
	x, _ := scaled.Int(nil)
	c, s = new(big.Int), new(big.Int)
	term := new(big.Int).Lsh(big.NewInt(1), angleBits)
	for k := int64(0); term.Sign() != 0; k++ {
		switch k % 4 {
		case 0:
			c.Add(c, term)
		case 1:
			s.Add(s, term)
		case 2:
			c.Sub(c, term)
		default:
			s.Sub(s, term)
		}
		term = new(big.Int).Rsh(new(big.Int).Mul(term, x), angleBits)
		term.Quo(term, big.NewInt(k+1))
	}
	return c, s
}

// root is the h-th root of x >= 1 by Newton's iteration from above, to 256 bits. It begins within a
// factor of 2 of the root, so the steps are few: each takes away 1/h of what is left, then squares it.
func root(x *big.Float, h int) *big.Float {
	y := new(big.Float).SetPrec(256).SetMantExp(newFloat(1), (x.MantExp(nil)+h-1)/h)
	n, m := newFloat(float64(h)), newFloat(float64(h-1))
	for range 4096 {
		p := newFloat(1)
		for range h - 1 {
			p.Mul(p, y)
		}
		next := new(big.Float).SetPrec(256).Quo(x, p)
		next.Add(next, new(big.Float).SetPrec(256).Mul(m, y))
		next.Quo(next, n)
		if next.Cmp(y) >= 0 {
			return y
		}
		y = next
	}
	return y
}
