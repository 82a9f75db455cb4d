package quantize

import (
	"fmt"
	"math"

	"elenchus/compute/model"
	"elenchus/compute/tensor"
)

// Codes are the rows of a matrix as small integers: weight i of a row is scale[i/Len] * code[i] +
// offset[i/Len].
type Codes struct {
	Bits, Len int  // of a code: 4 or 8; weights that share a scale: 16 or 32
	Offsets   bool // else offset is nil
	// Read delivers row n: it fills what it is given. It is called from several goroutines.
	Read func(n int, code []int8, scale, offset []float64) error
}

// Bounds of the integers of a block, SPEC 02 §5.5, and of a row's exponent, which keeps it and the
// shift of any format within the shifts of rs.
const (
	mantissaBits = 23
	offsetBits   = 30
	maxExponent  = 46
)

// Blocks lays rows x k weights out in blocks. A row's scales and offsets become integers in one unit,
// the least power of two at which the largest of each fits its bounds: scales within 2^11 of the
// row's largest that have 12 bits, and so halves, are kept exactly; what is not exact is off by at
// most half a unit, 2^-23 of the row's largest scale, and counted in Rounded. gamma (may be nil) is
// what the columns of the activations are multiplied with beforehand: it counts for MaxRow alone.
func Blocks(rows, k int, c Codes, gamma []float32) (*Rows, error) {
	b := tensor.Blocks{Bits: c.Bits, Chunk: model.Chunk(k), Len: c.Len, Least: c.Offsets}
	m := &Rows{K: k, Blocks: b, W: tensor.New(tensor.I8, rows, (k+b.Chunk-1)/b.Chunk, b.Leaf()), Exp: make([]int, rows)}
	each := max(1, batch/k)
	parts := make([]struct {
		widest  float64
		rounded int
	}, (rows+each-1)/each)
	err := Each(len(parts), func(i int) error {
		r := newCodeRow(k, c)
		for n := i * each; n < min(rows, (i+1)*each); n++ {
			if err := c.Read(n, r.code, r.scale, r.offset); err != nil {
				return err
			}
			e, ok := exponent(r.scale, r.offset)
			if !ok {
				return fmt.Errorf("row %d has a scale or offset that is not finite", n)
			}
			m.Exp[n] = e
			parts[i].widest = max(parts[i].widest, norm(c.Len, r, gamma))
			parts[i].rounded += m.blockRow(n, r)
		}
		return nil
	})
	for _, p := range parts {
		m.MaxRow, m.Rounded = max(m.MaxRow, p.widest), m.Rounded+p.rounded
	}
	return m, err
}

// codeRow is a row of codes; offset is nil without offsets.
type codeRow struct {
	code          []int8
	scale, offset []float64
}

func newCodeRow(k int, c Codes) codeRow {
	r := codeRow{code: make([]int8, k), scale: make([]float64, (k+c.Len-1)/c.Len)}
	if c.Offsets {
		r.offset = make([]float64, len(r.scale))
	}
	return r
}

// exponent is the largest e at which all scales times 2^e are below 2^23 and offsets below 2^30.
func exponent(scale, offset []float64) (e int, ok bool) {
	e = maxExponent
	for i, list := range [][]float64{scale, offset} {
		top := 0.0
		for _, v := range list {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return 0, false
			}
			top = max(top, math.Abs(v))
		}
		if _, exp := math.Frexp(top); top > 0 {
			e = min(e, [...]int{mantissaBits, offsetBits}[i]-exp)
		}
	}
	return e, true
}

// blockRow stores row n and counts the numbers that it had to round. Only it touches row n.
func (m *Rows) blockRow(n int, r codeRow) (rounded int) {
	b := m.Blocks
	row := m.W.I8[n*m.W.Shape[1]*b.Leaf():][:m.W.Shape[1]*b.Leaf()]
	for i, q := range r.code {
		b.SetCode(row[i/b.Chunk*b.Leaf():], i%b.Chunk, int(q))
	}
	whole := func(v float64) int32 {
		exact := math.Ldexp(v, m.Exp[n])
		x := math.RoundToEven(exact)
		if x != exact {
			rounded++
		}
		return int32(x)
	}
	for k, v := range r.scale {
		mant, off := whole(v), int32(0)
		if r.offset != nil {
			off = whole(r.offset[k])
		}
		b.SetBlock(row[k/b.Count()*b.Leaf():], k%b.Count(), mant, off)
	}
	return rounded
}

// norm is the Euclidean norm of a row of codes, its columns times gamma if that is not nil.
func norm(length int, r codeRow, gamma []float32) float64 {
	square := 0.0
	for i, q := range r.code {
		w := float64(r.scale[i/length] * float64(q))
		if r.offset != nil {
			w += r.offset[i/length]
		}
		if gamma != nil {
			w *= float64(gamma[i])
		}
		square += float64(w * w)
	}
	return math.Sqrt(square)
}
