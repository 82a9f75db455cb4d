package app

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/compute/tokenizer"
	"elenchus/importer"
)

// speedShapes are the shapes whose speed bench measures, on weights that are drawn. Embeddings are the head's
// weights too, also where the model of that name has others: a token reads as much.
var speedShapes = []gasShape{
	{"smollm2-135m", 49152, 576, 9, 3, 64, 1536, 30},
	{"llama-3.2-1b", 128256, 2048, 32, 8, 64, 8192, 16},
	{"tinyllama-1.1b", 32000, 2048, 32, 4, 64, 5632, 22},
	{"llama-3.2-3b", 128256, 3072, 24, 8, 128, 8192, 28},
	{"llama-3.1-8b", 128256, 4096, 32, 8, 128, 14336, 32},
	{"stories260k", 512, 64, 8, 4, 8, 172, 5},
}

// SpeedShapes are the names that SpeedOptions.Shape may have.
func SpeedShapes() []string {
	var out []string
	for _, z := range speedShapes {
		out = append(out, z.name)
	}
	return out
}

func speedShapeOf(name string) (gasShape, error) {
	for _, z := range speedShapes {
		if z.name == name {
			return z, nil
		}
	}
	return gasShape{}, fmt.Errorf("%w: shape %q: use one of %s", ErrCannot, name, strings.Join(SpeedShapes(), ", "))
}

// tensors are the matrices of a decoder with tied embeddings, and its norms: rows and row length.
func (z *gasShape) tensors() map[string][2]int {
	q, kv := z.heads*z.headDim, z.kvHeads*z.headDim
	out := map[string][2]int{"token_embd.weight": {z.vocab, z.dim}, "output_norm.weight": {1, z.dim}}
	for i := range z.layers {
		for name, s := range map[string][2]int{
			"attn_norm": {1, z.dim}, "ffn_norm": {1, z.dim}, "attn_q": {q, z.dim}, "attn_k": {kv, z.dim}, "attn_v": {kv, z.dim},
			"attn_output": {z.dim, q}, "ffn_gate": {z.ff, z.dim}, "ffn_up": {z.ff, z.dim}, "ffn_down": {z.dim, z.ff},
		} {
			out[fmt.Sprintf("blk.%d.%s.weight", i, name)] = s
		}
	}
	return out
}

// matrices is the number of weights of the products of a position, the head's among them.
func (z *gasShape) matrices() int64 {
	n := int64(z.vocab) * int64(z.dim)
	return n + int64(z.layers)*int64(z.dim)*int64(2*z.heads*z.headDim+2*z.kvHeads*z.headDim+3*z.ff)
}

// synthetic imports a model of a shape whose weights are drawn: the program that an import of real
// weights gives, with nothing learned in it.
func (z *gasShape) synthetic(context int, class importer.Class) (*manifest.Manifest, error) {
	return importer.Import(&drawn{z, z.tensors()}, importer.Options{Bits: 8, Class: class, Context: context, NoText: true})
}

// speedClass is a class whose speed bench measures; 8 weights take so many bytes, with the mantissas of
// blocks of 32.
type speedClass struct {
	name       importer.Class
	weights    string
	head, rest int64
}

var speedClasses = []speedClass{
	{importer.ClassR8, "int8 with a scale for each row", 8, 8},
	{importer.ClassB, "blocks of 32 int8", 9, 9},
	{importer.ClassG4, "blocks of 32 int4, of int8 in the head", 9, 5},
}

// SpeedClasses are the classes that SpeedOptions may name, the default first.
func SpeedClasses() []string {
	var out []string
	for _, c := range speedClasses {
		out = append(out, string(c.name))
	}
	return out
}

func speedClassOf(name importer.Class) (*speedClass, error) {
	for i, c := range speedClasses {
		if name == c.name || name == "" {
			return &speedClasses[i], nil
		}
	}
	return nil, fmt.Errorf("%w: class %q: use one of %s", ErrCannot, name, strings.Join(SpeedClasses(), ", "))
}

// bytes is what the products of a position read of weights.
func (c *speedClass) bytes(z *gasShape) int64 {
	head := int64(z.vocab) * int64(z.dim)
	return (head*c.head + (z.matrices()-head)*c.rest) / 8
}

// drawn is a model file that nobody wrote. SPEC 04 §2.1: every row follows from its name and number.
type drawn struct {
	z *gasShape
	t map[string][2]int
}

var errDrawn = errors.New("a drawn model has no such key")

func (d *drawn) uints() map[string]int {
	return map[string]int{
		"llama.context_length": 1 << 13, "llama.embedding_length": d.z.dim, "llama.block_count": d.z.layers, "llama.feed_forward_length": d.z.ff,
		"llama.attention.head_count": d.z.heads, "llama.attention.head_count_kv": d.z.kvHeads, "llama.attention.key_length": d.z.headDim,
		"llama.rope.dimension_count": d.z.headDim, "llama.vocab_size": d.z.vocab,
	}
}

// Keys lists what Has knows.
func (d *drawn) Keys() []string {
	out := []string{"general.architecture"}
	for k := range d.uints() {
		out = append(out, k)
	}
	return out
}

// Has knows sizes and the architecture.
func (d *drawn) Has(key string) bool {
	_, ok := d.uints()[key]
	return ok || key == "general.architecture"
}

// Uint is a size.
func (d *drawn) Uint(key string) (uint64, error) {
	v, ok := d.uints()[key]
	if !ok {
		return 0, errDrawn
	}
	return uint64(v), nil
}

// String is the architecture.
func (d *drawn) String(key string) (string, error) {
	if key != "general.architecture" {
		return "", errDrawn
	}
	return "llama", nil
}

// The other getters have nothing.

// Float fails.
func (d *drawn) Float(string) (float64, error) { return 0, errDrawn }

// Bool fails.
func (d *drawn) Bool(string) (bool, error) { return false, errDrawn }

// Strings fails.
func (d *drawn) Strings(string) ([]string, error) { return nil, errDrawn }

// Ints fails.
func (d *drawn) Ints(string) ([]int64, error) { return nil, errDrawn }

// Floats fails.
func (d *drawn) Floats(string) ([]float64, error) { return nil, errDrawn }

// Tokenizer fails: there is no text.
func (d *drawn) Tokenizer() (*tokenizer.Tokenizer, error) { return nil, errDrawn }

// Unsupported is nothing.
func (d *drawn) Unsupported() error { return nil }

// Names are the tensors.
func (d *drawn) Names() []string {
	var out []string
	for n := range d.t {
		out = append(out, n)
	}
	return out
}

// Shape is that of a tensor.
func (d *drawn) Shape(name string) (rows, rowLen int, ok bool) {
	s, ok := d.t[name]
	return s[0], s[1], ok
}

// Rows draws rows: norms are 1, weights uniform with the deviation that keeps the size of what they
// multiply.
func (d *drawn) Rows(name string, first int, dst []float32) error {
	if strings.HasSuffix(name, "_norm.weight") {
		for i := range dst {
			dst[i] = 1
		}
		return nil
	}
	k := d.t[name][1]
	unit := float32(math.Sqrt(3/float64(k)) / (1 << 23))
	h := fnv.New64a()
	for at := 0; at < len(dst); at += k {
		h.Reset()
		_, _ = h.Write([]byte(name))
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(first+at/k)))
		x := h.Sum64() | 1
		for i := range dst[at : at+k] {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			dst[at+i] = float32(int32(x>>40)-1<<23) * unit
		}
	}
	return nil
}
