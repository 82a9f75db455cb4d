package ggufwrite

import (
	"fmt"
	"math"
	"math/rand/v2"

	"elenchus/importer/gguf"
)

// Llama describes a random model for TinyLlama. Dim is a multiple of Heads, the
// head size Dim/Heads even, Heads a multiple of KVHeads; with Type Q8_0, Dim
// and Hidden are multiples of gguf.BlockLen.
type Llama struct {
	Dim, Hidden, Layers, Heads, KVHeads int

	Context int       // 0: 128
	Pieces  int       // vocabulary; at least MinPieces and the control pieces, 0: just these
	Type    gguf.Type // of the matrices: F32, F16 or Q8_0
	Tied    bool      // no output matrix: the embedding serves as head
	Seed    uint64

	Controls []string // control pieces at the end of the vocabulary
}

// MinPieces is the size of the smallest vocabulary TinyLlama writes: unknown,
// BOS, EOS, the bytes, the space and the letters a to z.
const MinPieces = 3 + 256 + 1 + 26

// TinyLlama returns a complete GGUF file with weights drawn from the seed and a
// SentencePiece vocabulary. Equal arguments give equal bytes.
func TinyLlama(l Llama) []byte { return Model(l).Bytes() }

// Model returns the builder that holds what TinyLlama writes, to add to.
func Model(l Llama) *Builder {
	if l.Context == 0 {
		l.Context = 128
	}
	if l.Pieces == 0 {
		l.Pieces = MinPieces + len(l.Controls)
	}
	var b Builder
	b.SetString("general.architecture", "llama")
	b.SetString("general.name", fmt.Sprintf("tiny-%d", l.Seed))
	b.SetUint32("llama.context_length", uint32(l.Context))
	b.SetUint32("llama.embedding_length", uint32(l.Dim))
	b.SetUint32("llama.feed_forward_length", uint32(l.Hidden))
	b.SetUint32("llama.attention.head_count", uint32(l.Heads))
	b.SetUint32("llama.attention.head_count_kv", uint32(l.KVHeads))
	b.SetUint32("llama.block_count", uint32(l.Layers))
	b.SetUint32("llama.rope.dimension_count", uint32(l.Dim/l.Heads))
	b.SetFloat32("llama.attention.layer_norm_rms_epsilon", 1e-5)
	b.Vocabulary(l.Pieces, l.Controls...)
	r := rand.New(rand.NewPCG(l.Seed, 0x6c6c616d61))
	kv := l.Dim / l.Heads * l.KVHeads
	b.matrix(r, l.Type, "token_embd.weight", l.Dim, l.Pieces)
	b.norm(r, "output_norm.weight", l.Dim)
	if !l.Tied {
		b.matrix(r, l.Type, "output.weight", l.Dim, l.Pieces)
	}
	for i := range l.Layers {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", i, s) }
		b.norm(r, name("attn_norm"), l.Dim)
		b.matrix(r, l.Type, name("attn_q"), l.Dim, l.Dim)
		b.matrix(r, l.Type, name("attn_k"), l.Dim, kv)
		b.matrix(r, l.Type, name("attn_v"), l.Dim, kv)
		b.matrix(r, l.Type, name("attn_output"), l.Dim, l.Dim)
		b.norm(r, name("ffn_norm"), l.Dim)
		b.matrix(r, l.Type, name("ffn_gate"), l.Dim, l.Hidden)
		b.matrix(r, l.Type, name("ffn_up"), l.Dim, l.Hidden)
		b.matrix(r, l.Type, name("ffn_down"), l.Hidden, l.Dim)
	}
	return &b
}

// Vocabulary adds tokenizer metadata with n pieces, the last of which are the control pieces; the others are at
// least MinPieces, and those beyond are pairs and then triples of letters, n <= 18000.
func (b *Builder) Vocabulary(n int, controls ...string) {
	texts, kinds := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}
	for i := range 256 {
		texts, kinds = append(texts, fmt.Sprintf("<0x%02X>", i)), append(kinds, 6)
	}
	texts, kinds = append(texts, "\u2581"), append(kinds, 1)
	scores := make([]float32, n)
	for i := 0; len(texts) < n-len(controls); i++ {
		s := string(rune('a' + i%26))
		for j := i / 26; j > 0; j = (j - 1) / 26 {
			s += string(rune('a' + (j-1)%26))
		}
		scores[len(texts)] = -float32(i)
		texts, kinds = append(texts, s), append(kinds, 1)
	}
	for _, c := range controls {
		texts, kinds = append(texts, c), append(kinds, 3)
	}
	b.SetString("tokenizer.ggml.model", "llama")
	b.SetStrings("tokenizer.ggml.tokens", texts)
	b.SetFloat32s("tokenizer.ggml.scores", scores)
	b.SetInt32s("tokenizer.ggml.token_type", kinds)
	b.SetUint32("tokenizer.ggml.bos_token_id", 1)
	b.SetUint32("tokenizer.ggml.eos_token_id", 2)
	b.SetUint32("tokenizer.ggml.unknown_token_id", 0)
}

// matrix adds rows of normal numbers with variance 1/columns.
func (b *Builder) matrix(r *rand.Rand, t gguf.Type, name string, columns, rows int) {
	v := make([]float32, columns*rows)
	for i := range v {
		v[i] = float32(r.NormFloat64() / math.Sqrt(float64(columns)))
	}
	dims := []uint64{uint64(columns), uint64(rows)}
	switch t {
	case gguf.F32:
		b.AddF32(name, dims, v)
	case gguf.F16:
		b.AddF16(name, dims, v)
	case gguf.Q8_0:
		b.AddQ8(name, dims, v)
	default:
		panic(fmt.Sprintf("ggufwrite: matrices of type %s cannot be written", t))
	}
}

// norm adds a vector of numbers near 1, in F32 as in real files.
func (b *Builder) norm(r *rand.Rand, name string, n int) {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(1 + 0.1*r.NormFloat64())
	}
	b.AddF32(name, []uint64{uint64(n)}, v)
}
