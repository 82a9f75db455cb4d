// Package floatref computes Llama models in float64 straight from a GGUF file.
//
// It stands on the importer floor as a yardstick: tests and comparisons ask it
// what the model of the file says before anything was made an integer. Nothing
// that serves, proves or disputes may import it. It is plain on purpose: one
// token at a time, one thread, weights as float32, arithmetic in float64.
//
// The architecture is "llama" as files of that name mean it: RMS norm, rotation
// of neighbouring pairs (2i, 2i+1), grouped query attention, SwiGLU, head tied
// to the embedding where the file has no output matrix. A tensor or setting it
// does not compute with is an error, never ignored.
//
//	m, err := floatref.Load(file)
//	s := m.NewState()
//	logits := s.Step(1)
package floatref

import (
	"errors"
	"fmt"
	"math"

	"elenchus/importer/gguf"
)

// Bounds of a model that Load accepts.
const (
	MaxLayers = 1 << 12
	MaxHeads  = 1 << 12
)

// Model is a loaded model. It is immutable and may be shared by states.
type Model struct {
	Dim     int // width of the residual stream
	Hidden  int // width of the feed-forward layer
	Heads   int
	KVHeads int // Heads is a multiple of it
	HeadDim int
	Vocab   int // number of logits
	Context int // positions the file says the model was made for; not enforced

	epsilon float64
	angles  []float64 // radians per position, one per rotated pair
	embed   matrix
	layers  []layer
	norm    []float32
	head    matrix
}

// matrix has rows of columns numbers each, one row after another.
type matrix struct {
	columns int
	data    []float32
}

type layer struct {
	attnNorm, ffnNorm            []float32
	q, k, v, out, gate, up, down matrix
}

// Load reads all weights of a file of architecture "llama" into memory, four
// bytes for each element.
func Load(f *gguf.File) (*Model, error) {
	m, err := load(f)
	if err != nil {
		return nil, fmt.Errorf("floatref: %w", err)
	}
	return m, nil
}

func load(f *gguf.File) (*Model, error) {
	if arch, err := f.String("general.architecture"); err != nil || arch != "llama" {
		return nil, errors.Join(fmt.Errorf("architecture %q, want %q", arch, "llama"), err)
	}
	if err := f.Unsupported(); err != nil {
		return nil, err
	}
	m := &Model{}
	layers, err := m.readShape(f)
	if err != nil {
		return nil, err
	}
	w := &weights{f: f, used: map[string]bool{}}
	m.readWeights(w, layers)
	m.readAngles(w)
	return m, w.finish()
}

// readShape fills in the sizes and returns the number of layers.
func (m *Model) readShape(f *gguf.File) (layers int, err error) {
	s := settings{f: f}
	m.Dim = s.size("llama.embedding_length", 0, gguf.MaxRowLen)
	m.Hidden = s.size("llama.feed_forward_length", 0, gguf.MaxRowLen)
	m.Heads = s.size("llama.attention.head_count", 0, MaxHeads)
	m.KVHeads = s.size("llama.attention.head_count_kv", m.Heads, MaxHeads)
	m.Context = s.size("llama.context_length", 0, math.MaxInt32)
	layers = s.size("llama.block_count", 0, MaxLayers)
	m.epsilon = s.float("llama.attention.layer_norm_rms_epsilon", 0)
	if s.err != nil {
		return 0, s.err
	}
	if m.Heads%m.KVHeads != 0 {
		return 0, fmt.Errorf("%d heads, want a multiple of the %d key and value heads", m.Heads, m.KVHeads)
	}
	m.HeadDim = s.size("llama.attention.key_length", m.Dim/m.Heads, gguf.MaxRowLen)
	if v := s.size("llama.attention.value_length", m.HeadDim, gguf.MaxRowLen); v != m.HeadDim {
		return 0, fmt.Errorf("keys of %d and values of %d elements, want the same", m.HeadDim, v)
	}
	if e, ok := f.Tensor("token_embd.weight"); ok {
		m.Vocab = e.Rows()
	}
	return layers, errors.Join(s.err, m.readRotation(&s))
}

// readRotation fills in the angles; those of a rope_freqs tensor come later.
func (m *Model) readRotation(s *settings) error {
	base := s.float("llama.rope.freq_base", 10000)
	rotated := s.size("llama.rope.dimension_count", m.HeadDim, m.HeadDim)
	scale := 1.0
	switch kind := s.text("llama.rope.scaling.type", "none"); kind {
	case "none":
	case "linear":
		scale = s.float("llama.rope.scaling.factor", 0)
	default:
		return fmt.Errorf("rope scaling %q, want none or linear", kind)
	}
	if s.err != nil {
		return s.err
	}
	if rotated%2 != 0 || !(base > 0) || !(scale > 0) {
		return fmt.Errorf("rope over %d elements with base %g and factor %g", rotated, base, scale)
	}
	m.angles = make([]float64, rotated/2)
	for i := range m.angles {
		m.angles[i] = math.Pow(base, -2*float64(i)/float64(rotated)) / scale
	}
	return nil
}

func (m *Model) readWeights(w *weights, layers int) {
	m.embed = w.matrix("token_embd.weight", m.Dim, m.Vocab)
	m.norm = w.vector("output_norm.weight", m.Dim)
	m.head = m.embed
	if w.has("output.weight") {
		m.head = w.matrix("output.weight", m.Dim, m.Vocab)
	}
	heads, kv := m.Heads*m.HeadDim, m.KVHeads*m.HeadDim // <= 2^36
	for i := 0; i < layers && w.err == nil; i++ {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", i, s) }
		m.layers = append(m.layers, layer{
			attnNorm: w.vector(name("attn_norm"), m.Dim),
			ffnNorm:  w.vector(name("ffn_norm"), m.Dim),
			q:        w.matrix(name("attn_q"), m.Dim, heads),
			k:        w.matrix(name("attn_k"), m.Dim, kv),
			v:        w.matrix(name("attn_v"), m.Dim, kv),
			out:      w.matrix(name("attn_output"), heads, m.Dim),
			gate:     w.matrix(name("ffn_gate"), m.Dim, m.Hidden),
			up:       w.matrix(name("ffn_up"), m.Dim, m.Hidden),
			down:     w.matrix(name("ffn_down"), m.Hidden, m.Dim),
		})
	}
}

// readAngles divides the angles by the factors of a rope_freqs tensor.
func (m *Model) readAngles(w *weights) {
	if !w.has("rope_freqs.weight") {
		return
	}
	for i, x := range w.vector("rope_freqs.weight", len(m.angles)) {
		m.angles[i] /= float64(x)
	}
}
