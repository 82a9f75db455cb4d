// Package importer turns other people's model files into canonical integer models.
//
// It stands above compute and commitment and is never on the serving path: floats end here. The
// same bytes in give the same model id on every machine. SPEC 04 §2.
//
//	man, err := importer.File("model.gguf", progress)
package importer

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/compute/model"
	"elenchus/compute/tensor"
	"elenchus/importer/chat"
	"elenchus/importer/quantize"
)

// ErrUnsupported marks a file that is well-formed but holds something this version cannot import.
var ErrUnsupported = errors.New("unsupported model")

// Progress is told the tensors done and the tensors in all; nil is silent.
type Progress func(done, all int)

// Options steer an import; the zero value is the default.
type Options struct {
	Progress Progress
	// Bits of a weight: 8 (one int8 digit, the fast path), 16 (two digits, half the speed, for
	// models where it does not matter), 0: 16 up to SmallModel weights, else 8.
	Bits int
	// Context is the number of positions; 0: what the file says, at least MinContext.
	Context int
	// Template is "" or "auto": derive the chat template from the model's own, where it has one; or
	// "concat": the contents of the messages, concatenated.
	Template string
	// Chat runs the model's own chat template; nil runs it in this process, which is for files that
	// are trusted not to be bombs: see chat.Sandbox.
	Chat chat.Runner
	// Notes is told what people should know about the import; nil is silent.
	Notes func(line string)
	// NoText leaves out tokenizer, template and end ids: such a model gives logits for ids, to be
	// compared with another program's.
	NoText bool
}

// SmallModel is the number of weights up to which 16 bits are the default.
const SmallModel = 64 << 20

// MinContext is the least number of positions by default: converters write 128 for models that
// were trained on more, and rotary embeddings need no table in the file.
const MinContext = 512

// Fraction bits of the fixed formats. SPEC 04 §2.
const (
	residualBits = 16 // residual stream, q, k, gate, up, logits: int32
	normBits     = 46 // of the reciprocal in norm_inv: sqrt(d) 2^46 / r stays below 2^55
	gammaBits    = 14
	wideBits     = 20 // of the normalised row before gamma is applied
	headroom     = 16 // standard deviations of a row result that int16 rows must hold
	siluShift    = 16 // gate * up comes back to residualBits
)

// params are the hyperparameters of a llama file.
type params struct {
	vocab, ctx, dim, layers, heads, kv, hd, rd, ff int
	eps, base                                      float64
	tied                                           bool
}

type reader struct {
	f         Source
	p         params
	o         Options
	done, all int
	taken     map[string]bool // names of tensors that are in the model
}

// uint reads an integer key within bounds; def below 0 makes the key required.
func (r *reader) uint(key string, def, top int) (int, error) {
	key = "llama." + key
	if !r.f.Has(key) && def >= 0 {
		return def, nil
	}
	v, err := r.f.Uint(key)
	if err != nil {
		return 0, err
	}
	if v < 1 || v > uint64(top) {
		return 0, fmt.Errorf("%w: %s is %d, want 1..%d", ErrUnsupported, key, v, top)
	}
	return int(v), nil
}

func (r *reader) params() error {
	p := &r.p
	vocab, dim0, ok := r.f.Shape("token_embd.weight")
	if !ok {
		return fmt.Errorf("%w: there is no tensor token_embd.weight", ErrUnsupported)
	}
	p.dim, p.vocab = dim0, vocab
	var errs [8]error
	p.ctx, errs[0] = r.uint("context_length", -1, 1<<20)
	dim, err := r.uint("embedding_length", p.dim, 1<<16)
	errs[1] = err
	p.layers, errs[2] = r.uint("block_count", -1, 1<<10)
	p.heads, errs[3] = r.uint("attention.head_count", -1, 1<<10)
	p.kv, errs[4] = r.uint("attention.head_count_kv", p.heads, 1<<10)
	p.ff, errs[5] = r.uint("feed_forward_length", -1, 1<<16)
	p.hd, errs[6] = r.uint("attention.key_length", max(1, p.dim/max(1, p.heads)), 256)
	p.rd, errs[7] = r.uint("rope.dimension_count", p.hd, 256)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if dim != p.dim || p.hd*p.heads != p.dim && !r.f.Has("llama.attention.key_length") {
		return fmt.Errorf("%w: width %d with %d heads, embedding rows of %d", ErrUnsupported, dim, p.heads, p.dim)
	}
	_, _, untied := r.f.Shape("output.weight")
	p.tied = !untied
	return r.floats()
}

// choose settles the options that the file decides.
func (r *reader) choose() error {
	if r.o.Context == 0 {
		r.o.Context = max(r.p.ctx, MinContext)
	}
	if r.o.Context < 2 || r.o.Context > 1<<20 {
		return fmt.Errorf("%w: context of %d positions, want 2..%d", ErrUnsupported, r.o.Context, 1<<20)
	}
	r.o.Bits = bitsFor(r.o.Bits, int64(r.p.weights()))
	if r.o.Bits != 8 && r.o.Bits != 16 {
		return fmt.Errorf("%w: weights of %d bits, want 8 or 16", ErrUnsupported, r.o.Bits)
	}
	return nil
}

// weights is the number of matrix elements.
func (p *params) weights() int {
	n := p.vocab * p.dim
	if !p.tied {
		n *= 2
	}
	return n + p.layers*p.dim*(2*p.heads*p.hd+2*p.kv*p.hd+3*p.ff)
}

func (r *reader) floats() error {
	r.p.eps, r.p.base = 1e-5, 10000
	for key, dst := range map[string]*float64{"llama.attention.layer_norm_rms_epsilon": &r.p.eps, "llama.rope.freq_base": &r.p.base} {
		if !r.f.Has(key) {
			continue
		}
		v, err := r.f.Float(key)
		if err != nil {
			return err
		}
		*dst = v
	}
	if !(r.p.eps >= 0 && r.p.eps < 1) || !(r.p.base >= 1 && r.p.base <= 1e12) {
		return fmt.Errorf("%w: norm epsilon %g, rope base %g", ErrUnsupported, r.p.eps, r.p.base)
	}
	for _, key := range []string{"llama.rope.scaling.type", "llama.expert_count"} {
		if s, err := r.f.String(key); r.f.Has(key) && (err != nil || s != "none") {
			return fmt.Errorf("%w: %s is set; scaled rotary embeddings and experts are not in this version", ErrUnsupported, key)
		}
	}
	if _, _, ok := r.f.Shape("rope_freqs.weight"); ok {
		return fmt.Errorf("%w: tensor rope_freqs.weight (scaled rotary embeddings)", ErrUnsupported)
	}
	return nil
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
		r.o.Progress(r.done, r.all)
	}
}

// matrix reads and quantises a weight matrix.
func (r *reader) matrix(name string, rows, k int, gamma []float32) (*quantize.Rows, error) {
	have, rowLen, ok := r.f.Shape(name)
	if !ok {
		return nil, fmt.Errorf("%w: there is no tensor %s", ErrUnsupported, name)
	}
	if rowLen != k || have != rows {
		return nil, fmt.Errorf("%w: tensor %s is %d x %d, want %d x %d", ErrUnsupported, name, have, rowLen, rows, k)
	}
	m, err := quantize.Matrix(rows, k, r.o.Bits, func(first int, dst []float32) error {
		if err := r.f.Rows(name, first, dst); err != nil {
			return err
		}
		return finite(name, first*k, dst)
	}, gamma)
	r.take(name)
	r.step()
	return m, err
}

func (r *reader) spec() (*model.DecoderSpec, error) {
	p := &r.p
	s := &model.DecoderSpec{
		Vocab: p.vocab, TMax: r.o.Context, Dim: p.dim, Heads: p.heads, KVHeads: p.kv, HeadDim: p.hd, RopeDim: p.rd, FF: p.ff,
		Rope: quantize.Rotary(r.o.Context, p.rd, p.base), GateBits: residualBits, SiLUShift: siluShift,
		TemperMult: quantize.Fixed(math.Log2E, 16), Layers: make([]model.DecoderLayer, p.layers),
	}
	embed, err := r.matrix("token_embd.weight", p.vocab, p.dim, nil)
	if err != nil {
		return nil, err
	}
	s.Embed = embed.Finish(residualBits)
	for i := range s.Layers {
		if err := r.layer(&s.Layers[i], fmt.Sprintf("blk.%d.", i)); err != nil {
			return nil, err
		}
	}
	return s, r.head(s, embed)
}

// normFor are the constants of a norm over d elements whose i16 output has q fraction bits.
func normFor(d, q int, eps float64) model.Norm {
	k := new(big.Int).Sqrt(new(big.Int).Lsh(big.NewInt(int64(d)), 2*normBits))
	return model.Norm{K: k.Int64(), Eps: quantize.Fixed(eps*float64(d), 2*residualBits), Shift: int64(normBits - q)}
}

func (r *reader) layer(l *model.DecoderLayer, prefix string) error {
	p := &r.p
	root := math.Sqrt(float64(p.dim))
	xq := quantize.FracBits(root) // |normalised x| <= sqrt(d)
	l.AttnNorm, l.FFNNorm = normFor(p.dim, xq, p.eps), normFor(p.dim, xq, p.eps)
	attn, err := r.vector(prefix+"attn_norm.weight", p.dim)
	if err != nil {
		return err
	}
	ffn, err := r.vector(prefix+"ffn_norm.weight", p.dim)
	if err != nil {
		return err
	}
	q, err1 := r.matrix(prefix+"attn_q.weight", p.heads*p.hd, p.dim, attn)
	k, err2 := r.matrix(prefix+"attn_k.weight", p.kv*p.hd, p.dim, attn)
	v, err3 := r.matrix(prefix+"attn_v.weight", p.kv*p.hd, p.dim, attn)
	o, err4 := r.matrix(prefix+"attn_output.weight", p.dim, p.heads*p.hd, nil)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	// A row result is at most norm * sqrt(d), and rotation may bring both parts of a pair together.
	bits := func(m *quantize.Rows, turned float64) int {
		return quantize.FracBits(m.MaxRow * min(root, headroom) * turned)
	}
	qq, kq, vq := bits(q, math.Sqrt2), bits(k, math.Sqrt2), bits(v, 1)
	l.Q, l.K, l.V = q.Finish(residualBits-xq), k.Finish(residualBits-xq), v.FinishNarrow(vq-xq, residualBits-xq)
	l.O = o.Finish(residualBits - vq)
	l.QShift, l.KShift = int64(residualBits-qq), int64(residualBits-kq)
	mult, shift := quantize.Mantissa(math.Log2E/math.Sqrt(float64(p.hd)), 16-qq-kq)
	l.ScoreMult, l.ScoreShift = int64(mult), int64(shift)
	return r.feedForward(l, prefix, ffn, xq)
}

func (r *reader) feedForward(l *model.DecoderLayer, prefix string, gamma []float32, xq int) error {
	gate, err1 := r.matrix(prefix+"ffn_gate.weight", r.p.ff, r.p.dim, gamma)
	up, err2 := r.matrix(prefix+"ffn_up.weight", r.p.ff, r.p.dim, gamma)
	down, err3 := r.matrix(prefix+"ffn_down.weight", r.p.dim, r.p.ff, nil)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	l.Gate, l.Up = gate.Finish(residualBits-xq), up.Finish(residualBits-xq)
	l.Down = down.Finish(0)
	return nil
}

// head sets the output norm and matrix. A tied head shares the embedding's weights, so gamma is
// applied to the activations; an untied one has it folded in.
func (r *reader) head(s *model.DecoderSpec, embed *quantize.Rows) error {
	p := &r.p
	gamma, err := r.vector("output_norm.weight", p.dim)
	if err != nil {
		return err
	}
	root := math.Sqrt(float64(p.dim))
	if !p.tied {
		xq := quantize.FracBits(root)
		s.HeadNorm = normFor(p.dim, xq, p.eps)
		out, err := r.matrix("output.weight", p.vocab, p.dim, gamma)
		if err != nil {
			return err
		}
		s.Head = out.Finish(residualBits - xq)
		return nil
	}
	top := 0.0
	g := tensor.New(tensor.I32, 1, 1, p.dim)
	for j, x := range gamma {
		top = max(top, math.Abs(float64(x)))
		g.I32[j] = int32(tensor.Sat64(quantize.Fixed(float64(x), gammaBits), tensor.I32))
	}
	xq := quantize.FracBits(root * top)
	s.HeadNorm = normFor(p.dim, wideBits, p.eps)
	s.HeadNorm.Gamma, s.HeadNorm.GammaShift = g, int64(wideBits+gammaBits-xq)
	s.Head = embed.Finish(residualBits - xq)
	return nil
}

// Describe is a line about a supported file, for people.
func Describe(m *manifest.Manifest) string {
	return strings.TrimSpace(fmt.Sprintf("kind %d, %d layers, vocabulary %d, context %d", m.Kind, m.Layers, m.Vocab, m.TMax))
}
