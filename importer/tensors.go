package importer

import (
	"fmt"
	"math"

	"elenchus/compute/model"
	"elenchus/compute/tensor"
	"elenchus/importer/quantize"
)

// reader imports one source.
type reader struct {
	f         Source
	m         family
	p         hyper
	o         Options
	faults    faults
	divide    []float64 // of the angles of pairs; nil: none
	stretch   float64   // of rotated elements of q and k
	frac      int       // fraction bits of the residual stream
	done, all int
	taken     map[string]bool // names of tensors that are in the model
}

// vector reads a float vector of n elements.
func (r *reader) vector(name string, n int) ([]float32, error) {
	have, rowLen, ok := r.f.Shape(name)
	if !ok {
		return nil, fmt.Errorf("%w: there is no tensor %s", ErrUnsupported, name)
	}
	if rowLen != n || have != 1 {
		return nil, fmt.Errorf("%w: tensor %s is %d x %d, want 1 x %d", ErrUnsupported, name, have, rowLen, n)
	}
	v := make([]float32, n)
	if err := r.f.Rows(name, 0, v); err != nil {
		return nil, err
	}
	r.take(name)
	r.step()
	return v, finite(name, 0, v)
}

// optional is vector, nil where there is no such tensor.
func (r *reader) optional(name string, n int) ([]float32, error) {
	if _, _, ok := r.f.Shape(name); !ok {
		return nil, nil
	}
	return r.vector(name, n)
}

// finite wants numbers: v are the elements of a tensor from at on.
func finite(name string, at int, v []float32) error {
	for i, x := range v {
		if x-x != 0 { // NaN and the infinities
			return fmt.Errorf("%w: tensor %s holds %g at %d", ErrUnsupported, name, x, at+i)
		}
	}
	return nil
}

func (r *reader) step() {
	r.done++
	if r.o.Progress != nil {
		r.o.Progress(min(r.done, r.all), r.all) // parts of fused tensors count each
	}
}

// gain is a norm's gamma and, of a layer norm, its beta.
type gain struct {
	gamma []float32
	beta  []float64
	kept  bool // gamma stays with the activations
}

func (r *reader) gain(name string, n int) (gain, error) {
	gamma, err := r.vector(name+".weight", n)
	if err != nil {
		return gain{}, err
	}
	beta, err := r.optional(name+".bias", n)
	return gain{gamma: gamma, beta: wide(beta)}, err
}

func wide(v []float32) []float64 {
	if v == nil {
		return nil
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// largest is the largest magnitude.
func largest[T float32 | float64](v []T) float64 {
	top := 0.0
	for _, x := range v {
		top = max(top, math.Abs(float64(x)))
	}
	return top
}

// part is what is read of a tensor as a matrix: its columns times a gain, its rows times a factor.
type part struct {
	name      string // without .weight
	rows, k   int
	first, of int // rows from first on of a tensor of so many; of 0: rows
	in        gain
	turn      func(row int) float64 // nil: 1
}

// matrix is a quantised matrix with its bias, in reals: that of the file and what the weights make
// of beta.
type matrix struct {
	*quantize.Rows
	bias []float64 // nil: none
}

// matrix reads and quantises weights.
func (r *reader) matrix(p part) (*matrix, error) {
	have, rowLen, ok := r.f.Shape(p.name + ".weight")
	if !ok {
		return nil, fmt.Errorf("%w: there is no tensor %s.weight", ErrUnsupported, p.name)
	}
	p.of = max(p.of, p.rows)
	if rowLen != p.k || have != p.of {
		return nil, fmt.Errorf("%w: tensor %s.weight is %d x %d, want %d x %d", ErrUnsupported, p.name, have, rowLen, p.of, p.k)
	}
	bias, err := r.optional(p.name+".bias", p.of)
	if err != nil {
		return nil, err
	}
	m := &matrix{bias: wide(bias)}
	if m.bias != nil {
		m.bias = m.bias[p.first : p.first+p.rows]
	} else if p.in.beta != nil {
		m.bias = make([]float64, p.rows)
	}
	m.Rows, err = r.rows(&p, m)
	r.take(p.name + ".weight")
	r.step()
	return m, err
}

// prepare adds beta's part to the bias of row n and applies the row's factor. It may run on several
// goroutines, each with rows of its own.
func (m *matrix) prepare(p *part, n int, dst []float32) {
	for j, b := range p.in.beta {
		m.bias[n] += float64(float64(dst[j]) * b) // rounded before the sum: never fused
	}
	if p.turn == nil {
		return
	}
	f := p.turn(n)
	for j := range dst {
		dst[j] = float32(float64(dst[j]) * f)
	}
	if m.bias != nil {
		m.bias[n] *= f
	}
}

// finish is the matrix whose results have bits fraction bits, from inputs of in.
func (m *matrix) finish(in, bits int) model.Matrix {
	out := m.Finish(bits - in)
	if m.bias != nil {
		out.Bias = ints(m.bias, bits)
	}
	return out
}

// ints rounds to integers of so many fraction bits, saturated.
func ints(v []float64, bits int) *tensor.Tensor {
	out := tensor.New(tensor.I32, 1, 1, len(v))
	for i, x := range v {
		x = max(-1<<31, min(1<<31, math.Ldexp(x, bits)))
		out.I32[i] = int32(tensor.Sat64(quantize.Fixed(x, 0), tensor.I32))
	}
	return out
}

// bound is how far a row result reaches for inputs of the given root mean square norm.
func (m *matrix) bound(norm float64) float64 { return m.MaxRow*norm + largest(m.bias) }
