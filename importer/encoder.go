package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"elenchus/commitment/manifest"
	"elenchus/compute/model"
	"elenchus/compute/template"
	"elenchus/importer/quantize"
)

// encoderArch is the architecture of encoders; what is read of a source, beside the keys of decoders:
//
//	bert.pooling_type      1 or absent: the mean of all rows; 2: the first row
//	bert.normalize         true: users get vectors scaled to length 1; absent: as they are
//	bert.max_pieces        of a text; absent: bert.context_length
//	token_embd position_embd token_types token_embd_norm
//	blk.N.attn_q attn_k attn_v attn_output attn_output_norm ffn_up ffn_down layer_output_norm
const encoderArch = "bert"

// isEncoder says whether a source is of an encoder.
func isEncoder(f Source) bool {
	arch, err := f.String("general.architecture")
	return err == nil && arch == encoderArch
}

// importEncoder imports an encoder as a graph model for texts of Options.Context pieces. SPEC 04 §2.19.
func importEncoder(f Source, o Options) (*manifest.Manifest, error) {
	r := &reader{f: f, m: family{arch: encoderArch, layerNorm: true, act: "gelu"}, o: o, faults: faults{}, all: len(f.Names()), frac: residualBits}
	s := r.encoderSettings()
	if err := errors.Join(r.faults.err(), unsupported(f)); err != nil {
		return nil, err
	}
	before, err := r.encoderEmbed(s)
	if err != nil {
		return nil, err
	}
	for i := range s.Layers {
		if before, err = r.encoderLayer(&s.Layers[i], fmt.Sprintf("blk.%d.", i), before); err != nil {
			return nil, err
		}
	}
	if err := r.unread(); err != nil {
		return nil, err
	}
	m, err := model.Encoder(s)
	if err != nil {
		return nil, err
	}
	if err := r.encoderText(m); err != nil {
		return nil, err
	}
	return manifest.Bind(m)
}

// encoderText adds the tokenizer and what becomes of vectors. A folder without a tokenizer gives a model
// for ids alone.
func (r *reader) encoderText(m *model.Model) error {
	if r.o.NoText {
		return nil
	}
	tok, err := r.f.Tokenizer()
	if errors.Is(err, fs.ErrNotExist) {
		if r.o.Notes != nil {
			r.o.Notes("there is no tokenizer: the model makes vectors of ids, not of texts")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if m.Tokenizer, err = tok.MarshalBinary(); err != nil {
		return err
	}
	unit := false
	if key := encoderArch + ".normalize"; r.f.Has(key) {
		if unit, err = r.f.Bool(key); err != nil {
			return err
		}
	}
	m.Template = template.NewVectors(unit).Encode()
	return nil
}

// encoderSettings reads the numbers and settles rows and bits.
func (r *reader) encoderSettings() *model.EncoderSpec {
	p, s := &r.p, &model.EncoderSpec{Types: 1}
	vocab, dim, ok := r.f.Shape("token_embd.weight")
	if !ok {
		r.faults.add("there is no tensor token_embd.weight")
		return s
	}
	p.vocab, p.dim, p.ff = vocab, dim, r.uint("feed_forward_length", -1, 1<<14)
	p.heads, p.layers = r.uint("attention.head_count", -1, 64), r.uint("block_count", -1, 1<<9)
	p.ctx, p.eps = r.uint("context_length", -1, 1<<20), r.float("attention.layer_norm_epsilon", 1e-12, 0, 0.999)
	r.activation()
	if p.dim%p.heads != 0 || r.uint("embedding_length", p.dim, 1024) != p.dim || p.dim > 1024 {
		r.faults.add("width %d with %d heads", p.dim, p.heads)
	}
	if c := r.o.Class; c != "" && c != ClassR8 && c != ClassR16 {
		r.faults.add("class %s: encoders are rows, r8 or r16", c)
	}
	if r.o.Context < 0 || r.o.Context > min(p.ctx, model.MaxEncoderRows) {
		r.faults.add("context %d of an encoder, want at most %d", r.o.Context, min(p.ctx, model.MaxEncoderRows))
	}
	if n, _, ok := r.f.Shape("token_types.weight"); ok {
		s.Types = n
	}
	pooling := r.uint("pooling_type", 1, 4)
	if pooling > 2 {
		r.faults.add("pooling %d, want 1 (mean) or 2 (first row)", pooling)
	}
	s.First = pooling == 2
	s.Rows, s.Vocab, s.Dim, s.Heads, s.HeadDim, s.FF = r.o.Context, p.vocab, p.dim, p.heads, p.dim/p.heads, p.ff
	if s.Rows == 0 {
		s.Rows = min(p.ctx, r.uint("max_pieces", p.ctx, 1<<20), model.MaxEncoderRows)
	}
	r.o.Bits = bitsFor(r.o.bits(), int64(vocab)*int64(dim)+int64(p.layers)*2*int64(dim)*int64(2*dim+p.ff))
	if r.o.Bits != 8 && r.o.Bits != 16 {
		r.faults.add("weights of %d bits, want 8 or 16", r.o.Bits)
	}
	s.Layers = make([]model.EncoderLayer, p.layers)
	return s
}

// encoderEmbed reads embeddings and returns how long a row behind their norm can be.
func (r *reader) encoderEmbed(s *model.EncoderSpec) (float64, error) {
	embed, err1 := r.matrix(part{name: "token_embd", rows: s.Vocab, k: s.Dim})
	types, err2 := r.matrix(part{name: "token_types", rows: s.Types, k: s.Dim})
	norm, length, err3 := r.layerNorm("token_embd_norm")
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, err
	}
	s.Embed, s.Type, s.Norm = embed.Finish(residualBits), types.Finish(residualBits), norm
	have, width, ok := r.f.Shape("position_embd.weight")
	if !ok || have < s.Rows || width != s.Dim {
		return 0, fmt.Errorf("%w: learned positions are %d x %d, want at least %d x %d", ErrUnsupported, have, width, s.Rows, s.Dim)
	}
	rows := make([]float32, s.Rows*s.Dim)
	if err := r.f.Rows("position_embd.weight", 0, rows); err != nil {
		return 0, err
	}
	r.take("position_embd.weight")
	r.step()
	s.Positions = ints(wide(rows), residualBits)
	return length, finite("position_embd.weight", 0, rows)
}

// layerNorm reads a layer norm and how long a row behind it can be.
func (r *reader) layerNorm(name string) (model.LayerNorm, float64, error) {
	g, err := r.gain(name, r.p.dim)
	if err != nil {
		return model.LayerNorm{}, 0, err
	}
	beta, square := g.beta, 0.0
	if beta == nil {
		beta = make([]float64, r.p.dim)
	}
	for _, b := range beta {
		square += float64(b * b)
	}
	n := r.gained(wide(g.gamma), residualBits, residualBits)
	out := model.LayerNorm{K: n.K, Eps: n.Eps, Shift: n.Shift, GammaShift: n.GammaShift, Gamma: n.Gamma, Beta: ints(beta, residualBits)}
	return out, math.Sqrt(float64(r.p.dim))*largest(g.gamma) + math.Sqrt(square), nil
}

// encoderLayer reads a layer whose input rows are at most before long, and says the same of its output.
func (r *reader) encoderLayer(l *model.EncoderLayer, prefix string, before float64) (float64, error) {
	d, ff := r.p.dim, r.p.ff
	q, err1 := r.matrix(part{name: prefix + "attn_q", rows: d, k: d})
	k, err2 := r.matrix(part{name: prefix + "attn_k", rows: d, k: d})
	v, err3 := r.matrix(part{name: prefix + "attn_v", rows: d, k: d})
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, err
	}
	out := part{name: prefix + "attn_output", rows: d, k: d}
	out.in.beta, v.bias, k.bias = v.bias, nil, nil
	o, err1 := r.matrix(out)
	up, err2 := r.matrix(part{name: prefix + "ffn_up", rows: ff, k: d})
	down, err3 := r.matrix(part{name: prefix + "ffn_down", rows: d, k: ff})
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, err
	}
	var length float64
	l.AttnNorm, _, err1 = r.layerNorm(prefix + "attn_output_norm")
	l.FFNNorm, length, err2 = r.layerNorm(prefix + "layer_output_norm")
	qq, kq, vq := quantize.FracBits(q.bound(before)), quantize.FracBits(k.bound(before)), quantize.FracBits(v.bound(before))
	row := func(m *matrix) model.Matrix { return m.finish(residualBits, residualBits) }
	l.Q, l.K, l.V, l.O, l.Up, l.Down = row(q), row(k), row(v), o.finish(vq, residualBits), row(up), row(down)
	l.QShift, l.KShift, l.VShift = int64(residualBits-qq), int64(residualBits-kq), int64(residualBits-vq)
	mult, shift := quantize.Mantissa(math.Log2E/math.Sqrt(float64(d/r.p.heads)), 16-qq-kq)
	l.ScoreMult, l.ScoreShift = int64(mult), int64(shift)
	l.Act = model.Curve{Kind: curves()[r.p.act], Mult: 1 << (24 - residualBits), OutShift: 30}
	return length, errors.Join(err1, err2)
}
