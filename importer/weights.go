package importer

import (
	"math"
	"slices"
	"strings"
	"sync"

	"elenchus/compute/model"
	"elenchus/compute/tensor"
	"elenchus/importer/quantize"
)

// Class says how the weights of a model become integers. SPEC 04 §2.
type Class string

// The classes of an import. The zero value is ClassR8 or ClassR16, as Bits says.
const (
	ClassR8  Class = "r8"  // int8 with a scale per row
	ClassR12 Class = "r12" // one digit, but two where it tells: SPEC 04 §2.20
	ClassR16 Class = "r16" // two digits of int8 with a scale per row
	ClassB   Class = "b"   // blocks as the file has them; floats beside them in rows of 16 bits or blocks of 8
	ClassG4  Class = "g4"  // blocks of 4-bit codes; head and shared embedding of 8-bit codes
)

// Classes lists the classes by name.
func Classes() []Class { return []Class{ClassR8, ClassR12, ClassR16, ClassB, ClassG4} }

// bits are those of rows that the options ask for, 0 to let the size of the model decide.
func (o Options) bits() int {
	switch o.Class {
	case ClassR8, ClassR12:
		return 8
	case ClassR16:
		return 16
	}
	return o.Bits
}

// Coded is a source that can give rows of block formats as small integers with scales, exactly as
// they lie in the file.
type Coded interface {
	// Codes tells how rows of a tensor are codes; ok is false where they are not.
	Codes(name string) (bits, length int, offsets, ok bool)
	// ReadCodes reads a row: weight i is scale[i/length] * code[i] + offset[i/length].
	ReadCodes(name string, row int, code []int8, scale, offset []float64) error
}

// coded says whether a tensor keeps the codes of the file. Learned positions are rows, which op 53
// reads.
func (r *reader) coded(name string) bool {
	c, ok := r.f.(Coded)
	if !ok || name == "position_embd.weight" || r.o.Class != ClassB && r.o.Class != ClassG4 {
		return false
	}
	bits, _, _, ok := c.Codes(name)
	return ok && (r.o.Class != ClassG4 || bits == r.fitBits(name))
}

// fits says whether floats become blocks of codes. Where a small model has blocks of its own, the
// few floats beside them are kept to 16 bits, so that the whole loses nothing.
// Learned positions stay rows, which op 53 reads.
func (r *reader) fits(name string) bool {
	if name == "position_embd.weight" {
		return false
	}
	return r.o.Class == ClassG4 || r.o.Class == ClassB && (r.o.Bits == 8 || !r.anyCoded())
}

func (r *reader) anyCoded() bool { return slices.ContainsFunc(r.f.Names(), r.coded) }

// matrixBytes is the size of a matrix of rows of k in the model, its row scales included.
func (r *reader) matrixBytes(name string, rows, k int) int64 {
	ch := model.Chunk(k)
	leaves := int64(rows) * int64((k+ch-1)/ch)
	b := tensor.Blocks{Bits: r.fitBits(name), Chunk: ch, Len: 32}
	switch {
	case r.coded(name):
		b.Bits, b.Len, b.Least, _ = r.f.(Coded).Codes(name)
	case !r.fits(name):
		return (leaves*int64(ch) + 8*int64(rows)) * int64(r.rowBits(name)/8)
	}
	return leaves*int64(b.Leaf()) + 8*int64(rows)
}

// rowBits are the bits of a tensor that becomes rows. One digit is lost most where it is read last: in
// the rows of logits (and the embedding, which may be the same) and in what is added to the residual
// stream. Class R12 has two there.
func (r *reader) rowBits(name string) int {
	if r.o.Class == ClassR12 {
		for _, s := range []string{"output.weight", "token_embd.weight", "position_embd.weight", "ffn_down.weight", "ffn_down_exps.weight", "ffn_down_shexp.weight"} {
			if strings.HasSuffix(name, s) { // blk.N.attn_output too
				return 16
			}
		}
	}
	return r.o.Bits
}

// fitBits are the bits of codes made from floats. Rows of logits get 8 in every class: they are what
// the choice of a token hangs on.
func (r *reader) fitBits(name string) int {
	if r.o.Class == ClassG4 && name != "output.weight" && !(r.p.tied && name == "token_embd.weight") {
		return 4
	}
	return 8
}

// behind settles how the norm before the tensors named hands on its gains: folded into the columns of
// float matrices, or, where one of them keeps the codes of the file, in the norm itself; then the
// result is scaled to its token, since gains may be far apart. bits are the fraction bits of the
// result before that scale.
func (r *reader) behind(in gain, names ...string) (g gain, n model.Norm, bits int) {
	kept := slices.ContainsFunc(names, func(s string) bool { return r.coded(s + ".weight") })
	if !kept {
		bits = quantize.FracBits(math.Sqrt(float64(r.p.dim))) // |normalised x| <= sqrt(d)
		return in, r.normFor(r.p.dim, r.frac, bits), bits
	}
	return r.keeps(in)
}

// keeps is a norm that keeps its gains.
func (r *reader) keeps(in gain) (g gain, n model.Norm, bits int) {
	root := math.Sqrt(float64(r.p.dim))
	bits = wideBits
	for bits > 0 && math.Ldexp(root*largest(in.gamma), bits) > 1<<30 {
		bits--
	}
	in.kept = true
	n = *r.gained(wide(in.gamma), r.frac, bits)
	n.Dynamic = true
	return in, n, bits
}

// rows makes integers of the weights of a part whose bias is m's.
func (r *reader) rows(p *part, m *matrix) (*quantize.Rows, error) {
	name := p.name + ".weight"
	if r.coded(name) {
		bits, length, offsets, _ := r.f.(Coded).Codes(name)
		c := quantize.Codes{Bits: bits, Len: length, Offsets: offsets, Read: func(n int, code []int8, scale, offset []float64) error {
			if err := r.f.(Coded).ReadCodes(name, p.first+n, code, scale, offset); err != nil {
				return err
			}
			m.prepareCodes(p, n, length, code, scale, offset)
			return nil
		}}
		return quantize.Blocks(p.rows, p.k, c, p.in.gamma)
	}
	fold, widest := p.in.gamma, 0.0
	if p.in.kept {
		fold = nil
	}
	var mu sync.Mutex // guards widest
	read := func(n int, dst []float32) error {
		if err := r.f.Rows(name, p.first+n, dst); err != nil {
			return err
		}
		for i := 0; i < len(dst); i += p.k {
			m.prepare(p, n+i/p.k, dst[i:i+p.k])
		}
		if p.in.kept {
			mu.Lock()
			widest = max(widest, longest(dst, p.k, p.in.gamma))
			mu.Unlock()
		}
		return finite(name, (p.first+n)*p.k, dst)
	}
	out, err := r.floatRows(p, read, fold)
	if err == nil && p.in.kept {
		out.MaxRow = widest
	}
	return out, err
}

// floatRows makes rows of floats rows or blocks.
func (r *reader) floatRows(p *part, read func(int, []float32) error, fold []float32) (*quantize.Rows, error) {
	if r.fits(p.name + ".weight") {
		return quantize.Blocks(p.rows, p.k, quantize.Fit(p.k, r.fitBits(p.name+".weight"), read, fold), nil)
	}
	return quantize.Matrix(p.rows, p.k, r.rowBits(p.name+".weight"), read, fold)
}

// prepareCodes is prepare for a row of codes.
func (m *matrix) prepareCodes(p *part, n, length int, code []int8, scale, offset []float64) {
	for j, b := range p.in.beta {
		w := float64(scale[j/length] * float64(code[j]))
		if offset != nil {
			w += offset[j/length]
		}
		m.bias[n] += float64(w * b)
	}
	if p.turn == nil {
		return
	}
	f := p.turn(n)
	for i := range scale {
		scale[i] *= f
	}
	for i := range offset {
		offset[i] *= f
	}
	if m.bias != nil {
		m.bias[n] *= f
	}
}

// longest is the largest Euclidean norm of rows of k whose columns are multiplied by gains, if not nil.
func longest(rows []float32, k int, gains []float32) (most float64) {
	for ; len(rows) > 0; rows = rows[k:] {
		square := 0.0
		for j, w := range rows[:k] {
			x := float64(w)
			if gains != nil {
				x *= float64(gains[j])
			}
			square += float64(x * x)
		}
		most = max(most, square)
	}
	return math.Sqrt(most)
}
