package importer

import (
	"fmt"
	"math"
	"math/big"

	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/importer/quantize"
)

// spec reads the weights.
func (r *reader) spec() (*model.DecoderSpec, error) {
	p := &r.p
	s := &model.DecoderSpec{
		Vocab: p.vocab, TMax: r.o.Context, Dim: p.dim, Heads: p.heads, KVHeads: p.kv, HeadDim: p.hd, RopeDim: p.rd, FF: p.ff,
		GateBits: residualBits, SiLUShift: siluShift, TemperMult: quantize.Fixed(math.Log2E, 16), Layers: make([]model.DecoderLayer, p.layers),
		LogitCap: bend(p.logitCap),
	}
	if r.m.half {
		s.RopeStyle = 1
	}
	s.Rope, s.RopeLocal = r.rope()
	out, err := r.gain("output_norm", p.dim)
	if err != nil {
		return nil, err
	}
	embed, err := r.embed(s, out)
	if err != nil {
		return nil, err
	}
	for i := range s.Layers {
		if err := r.layer(s, i); err != nil {
			return nil, err
		}
	}
	return s, r.head(s, embed, out)
}

// embed sets the embeddings and the format of the residual stream. A tied head shares the matrix:
// its bias is what the matrix makes of the output norm's beta.
func (r *reader) embed(s *model.DecoderSpec, out gain) (*matrix, error) {
	p := &r.p
	in := part{name: "token_embd", rows: p.vocab, k: p.dim}
	if p.tied {
		in.in.beta = out.beta
	}
	embed, err := r.matrix(in)
	if err != nil {
		return nil, err
	}
	rows := embed.Rows
	if r.m.width {
		rows = rows.Times(math.Sqrt(float64(p.dim)))
	}
	if r.frac, err = r.residual(rows); err != nil {
		return nil, err
	}
	s.Embed = rows.Finish(r.frac)
	if r.m.positions {
		have, _, _ := r.f.Shape("position_embd.weight")
		if have < r.o.Context {
			return nil, fmt.Errorf("%w: %d learned positions, context of %d", ErrUnsupported, have, r.o.Context)
		}
		positions, err := r.matrix(part{name: "position_embd", rows: r.o.Context, k: p.dim, of: have})
		if err != nil {
			return nil, err
		}
		m := positions.Finish(r.frac)
		s.Positions = &m
	}
	return embed, nil
}

// residual is the number of fraction bits of the residual stream. Norms behind blocks bound what
// these add: sqrt(d) times the largest gain, whatever the blocks compute, so that the stream never
// saturates. Without them it is residualBits. SPEC 04 §2.15.
func (r *reader) residual(embed *quantize.Rows) (int, error) {
	if !r.m.postNorm {
		return residualBits, nil
	}
	bound, root := embed.MaxRow, math.Sqrt(float64(r.p.dim))
	for i := range r.p.layers {
		for _, name := range []string{"post_attention_norm", "post_ffw_norm"} {
			g, err := r.vector(fmt.Sprintf("blk.%d.%s.weight", i, name), r.p.dim)
			if err != nil {
				return 0, err
			}
			bound += float64(root * largest(g))
		}
	}
	return wideBitsOf(bound, residualBits)
}

// wideBitsOf is the largest q in 0..most with bound * 2^q < 2^31.
func wideBitsOf(bound float64, most int) (int, error) {
	q := most
	for q >= 0 && !(math.Ldexp(bound, q) < 1<<31) {
		q--
	}
	if q < 0 {
		return 0, fmt.Errorf("%w: values of up to %g do not fit int32", ErrUnsupported, bound)
	}
	return q, nil
}

// normFor are the constants of a norm over d elements of frac fraction bits, whose output has q.
func (r *reader) normFor(d, frac, q int) model.Norm {
	k := new(big.Int).Sqrt(new(big.Int).Lsh(big.NewInt(int64(d)), 2*normBits))
	return model.Norm{
		Center: r.m.layerNorm && d == r.p.dim,
		K:      k.Int64(), Eps: quantize.Fixed(r.p.eps*float64(d), 2*frac), Shift: int64(normBits - q),
	}
}

// gained is a norm with gains that stay with the activations, in as many bits as they allow, to
// results of to fraction bits.
func (r *reader) gained(gamma []float64, frac, to int) *model.Norm {
	bits := 24
	for bits > 0 && math.Ldexp(largest(gamma), bits) >= 1<<30 {
		bits--
	}
	n := r.normFor(len(gamma), frac, wideBits)
	n.Gamma, n.GammaShift = ints(gamma, bits), int64(wideBits+bits-to)
	return &n
}

// post reads the norm behind a block whose results have frac fraction bits.
func (r *reader) post(name string, frac int) (*model.Norm, error) {
	g, err := r.vector(name+".weight", r.p.dim)
	if err != nil {
		return nil, err
	}
	return r.gained(wide(g), frac, r.frac), nil
}

// bend is tanh(x / c) * c over 16 fraction bits, nil for 0.
func bend(c float64) *model.Curve {
	if c == 0 {
		return nil
	}
	m, e := quantize.Mantissa(1/c, 24-residualBits)
	return &model.Curve{Kind: opset.Tanh, Mult: int64(m), Shift: int64(e), Out: quantize.Fixed(c, residualBits), OutShift: 30}
}

// head sets the output norm and matrix. A tied head shares the embedding's weights, so gamma is
// applied to the activations; an untied one has it folded in.
func (r *reader) head(s *model.DecoderSpec, embed *matrix, out gain) error {
	p := &r.p
	root := math.Sqrt(float64(p.dim))
	if !p.tied {
		in, norm, xq := r.behind(out, "output")
		m, err := r.matrix(part{name: "output", rows: p.vocab, k: p.dim, in: in})
		if err != nil {
			return err
		}
		s.HeadNorm, s.Head = norm, m.finish(xq, residualBits)
		return nil
	}
	if r.coded("token_embd.weight") || r.fits("token_embd.weight") {
		_, norm, xq := r.keeps(out)
		s.HeadNorm, s.Head = norm, embed.finish(xq, residualBits)
		return nil
	}
	xq := quantize.FracBits(root * largest(out.gamma))
	s.HeadNorm = r.normFor(p.dim, r.frac, wideBits)
	s.HeadNorm.Gamma, s.HeadNorm.GammaShift = ints(wide(out.gamma), gammaBits), int64(wideBits+gammaBits-xq)
	s.Head = embed.finish(xq, residualBits)
	return nil
}
