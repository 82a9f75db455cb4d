package quantize

import (
	"math"
	"sync"
)

// fitLen is the number of weights that share a scale in blocks made from floats.
const fitLen = 32

// Fit gives the rows of a matrix of floats as codes of 4 or 8 bits with a scale for every 32 weights
// and no offsets, from rows that read delivers one at a time: the scale and the codes with the least sum of squared errors among those that it
// tries. Column j is multiplied by gamma[j] first when gamma is not nil.
func Fit(k, bits int, read func(first int, dst []float32) error, gamma []float32) Codes {
	scratch := sync.Pool{New: func() any { return newFitter(bits, k) }}
	return Codes{Bits: bits, Len: fitLen, Read: func(n int, code []int8, scale, _ []float64) error {
		f := scratch.Get().(*fitter)
		defer scratch.Put(f)
		if err := read(n, f.row); err != nil {
			return err
		}
		wide := f.wide
		for j, w := range f.row {
			wide[j] = float64(w)
			if gamma != nil {
				wide[j] = float64(w) * float64(gamma[j])
			}
		}
		for b := range scale {
			at := b * fitLen
			end := min(at+fitLen, k)
			scale[b] = f.fit(code[at:end], wide[at:end])
		}
		return nil
	}}
}

// fitter looks for the scale of a block. SPEC 04 §2.
type fitter struct {
	least, most float64   // codes
	targets     []float64 // what the largest weight is mapped to, before rounding
	try         [fitLen]float64
	row         []float32 // as read
	wide        []float64 // times gamma
}

// newFitter tries the ends of the range of codes and, for 4 bits, a range around them in steps of
// 1/8: with few levels the largest weight is better served by a neighbour of the end or clamped.
func newFitter(bits, k int) *fitter {
	half := float64(int(1) << (bits - 1))
	f := &fitter{least: -half, most: half - 1, targets: []float64{-half, half - 1}, row: make([]float32, k), wide: make([]float64, k)}
	for j := 1; bits == 4 && j <= 12; j++ {
		d := float64(j) / 8
		f.targets = append(f.targets, -half-d, -half+d, half-1-d, half-1+d)
	}
	return f
}

// fit writes the codes of w and returns their scale.
func (f *fitter) fit(code []int8, w []float64) float64 {
	top := 0.0
	for _, v := range w {
		if math.Abs(v) > math.Abs(top) {
			top = v
		}
	}
	clear(code)
	if top == 0 {
		return 0
	}
	best, scale := 0.0, 0.0
	for _, t := range f.targets {
		if g, s := f.round(w, t/top); g > best {
			best, scale = g, s
			f.keep(code)
		}
	}
	if g, s := f.round(w, 1/scale); g > best {
		scale = s
		f.keep(code)
	}
	return scale
}

// round tries the codes that inverse gives. The best scale for codes q is s = (w.q) / (q.q), and it
// takes (w.q)^2 / (q.q) away from the sum of squares of w, which is the gain.
func (f *fitter) round(w []float64, inverse float64) (gain, scale float64) {
	wq, qq := 0.0, 0.0
	for i, v := range w {
		q := max(f.least, min(f.most, math.RoundToEven(v*inverse)))
		f.try[i] = q
		wq += float64(v * q)
		qq += float64(q * q)
	}
	if qq == 0 || wq == 0 {
		return 0, 0
	}
	scale = wq / qq
	return wq * scale, scale
}

func (f *fitter) keep(code []int8) {
	for i := range code {
		code[i] = int8(f.try[i])
	}
}
