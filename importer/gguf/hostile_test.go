package gguf_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/tokenizer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

func TestHostileFilesAreRefused(t *testing.T) {
	one := []float32{1}
	for _, c := range []struct {
		name string
		edit func(*ggufwrite.Builder)
		want string
	}{
		{"key twice", func(b *ggufwrite.Builder) { b.SetBool("k", true); b.SetBool("k", true) }, `"k" appears twice`},
		{"empty key", func(b *ggufwrite.Builder) { b.SetBool("", true) }, "metadata key 0 at offset 24: empty"},
		{"unknown value type", func(b *ggufwrite.Builder) { b.Set("k", 13, u64(0)) }, "unknown type 13"},
		{"bool of 2", func(b *ggufwrite.Builder) { b.Set("k", gguf.Bool, []byte{2}) }, "bool 2"},
		{"nested array", func(b *ggufwrite.Builder) { b.SetArray("k", gguf.Array, 1, u64(0, 0)) }, "arrays inside arrays"},
		{"unknown element type", func(b *ggufwrite.Builder) { b.SetArray("k", 99, 1, u64(0)) }, "unknown type 99"},
		{"long array", func(b *ggufwrite.Builder) { b.SetArray("k", gguf.Uint8, gguf.MaxArray+1, nil) }, "at most 4194304"},
		{"array beyond the file", func(b *ggufwrite.Builder) { b.SetArray("k", gguf.Uint64, 1000, make([]byte, 1000)) }, "needs 8000 bytes"},
		{"strings beyond the file", func(b *ggufwrite.Builder) { b.SetArray("k", gguf.String, 1000, make([]byte, 1000)) }, "needs 8000 bytes"},
		{"string beyond the file", func(b *ggufwrite.Builder) { b.Set("k", gguf.String, u64(1<<20)) }, "needs 1048576 bytes"},
		{"huge string", func(b *ggufwrite.Builder) { b.Set("k", gguf.String, u64(math.MaxUint64)) }, "at most 16777216"},
		{"alignment 3", func(b *ggufwrite.Builder) { b.SetUint32("general.alignment", 24) }, "power of two"},
		{"alignment 0", func(b *ggufwrite.Builder) { b.SetUint32("general.alignment", 0) }, "power of two"},
		{"huge alignment", func(b *ggufwrite.Builder) { b.SetUint32("general.alignment", 1<<17) }, "power of two"},
		{"name twice", func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{1}, one); b.AddF32("x", []uint64{1}, one) }, `"x" appears twice`},
		{"empty name", func(b *ggufwrite.Builder) { b.AddF32("", []uint64{1}, one) }, "empty"},
		{"long name", func(b *ggufwrite.Builder) { b.AddF32(strings.Repeat("x", 257), []uint64{1}, one) }, "257, at most 256"},
		{"no dimensions", func(b *ggufwrite.Builder) { b.AddF32("x", nil, one) }, "0, want 1..4"},
		{"five dimensions", func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{1, 1, 1, 1, 1}, one) }, "5, want 1..4"},
		{"dimension 0", func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{1, 0}, one) }, "dimension 1"},
		{"long row", func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{gguf.MaxRowLen + 1}, one) }, "dimension 0"},
		{"product overflows", func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{1 << 24, 1 << 16, 1 << 24}, one) }, "dimension 2"},
		{"half a block", func(b *ggufwrite.Builder) { b.Add("x", gguf.Q8_0, []uint64{48}, make([]byte, 51)) }, "do not divide into Q8_0 blocks"},
		{"misaligned", func(b *ggufwrite.Builder) { b.AddAt("x", gguf.F32, []uint64{1}, 4) }, "no multiple of 32"},
		{"beyond the file", func(b *ggufwrite.Builder) { b.AddAt("x", gguf.F32, []uint64{1}, 1<<40) }, "the file has"},
		{"offset overflows", func(b *ggufwrite.Builder) { b.AddAt("x", gguf.F32, []uint64{1}, 1<<63) }, "too large"},
		{"too large for the file", func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{1000}, one) }, "the file has"},
		{"overlap", func(b *ggufwrite.Builder) {
			b.AddF32("x", []uint64{16}, make([]float32, 16))
			b.AddAt("y", gguf.F32, []uint64{8}, 32)
		}, `tensor "y": data at offset`},
		{"same data", func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{1}, one); b.AddAt("y", gguf.F32, []uint64{1}, 0) }, "overlap"},
	} {
		var b ggufwrite.Builder
		c.edit(&b)
		if _, err := parse(b.Bytes()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestHostileHeadersAreRefused(t *testing.T) {
	var b ggufwrite.Builder
	good := b.Bytes()
	for _, c := range []struct {
		name string
		at   int
		with []byte
		want string
	}{
		{"magic", 0, []byte("FUGG"), "not a GGUF file"},
		{"version 1", 4, []byte{1}, "1, want 2 or 3"},
		{"version 4", 4, []byte{4}, "4, want 2 or 3"},
		{"big endian", 4, []byte{0, 0, 0, 3}, "big-endian"},
		{"tensor count", 8, u64(gguf.MaxTensors + 1), "tensor count at offset 8: 65537, at most 65536"},
		{"tensors beyond the file", 8, u64(2), "tensor count at offset 16: needs 66 bytes, the file has 16 left"},
		{"key count", 16, u64(math.MaxUint64), "metadata count at offset 16"},
		{"keys beyond the file", 16, u64(60000), "needs 780000 bytes"},
	} {
		file := slices.Clone(good)
		copy(file[c.at:], c.with)
		if _, err := parse(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	binary.LittleEndian.PutUint32(good[4:], 2)
	if f, err := parse(good); err != nil || f.Version() != 2 {
		t.Errorf("version 2: %v", err)
	}
}

func TestTruncatedFilesAreRefused(t *testing.T) {
	whole := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 32, Hidden: 32, Layers: 1, Heads: 2, KVHeads: 1, Type: gguf.Q8_0})
	for n := 0; n < len(whole); n += 1 + n/64 {
		if _, err := parse(whole[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
}

func TestVocabulariesThatDoNotFitAreRefused(t *testing.T) {
	nan := math.Float32frombits(0x7fc00000)
	texts := []string{"<unk>", "a"}
	for _, c := range []struct {
		name string
		edit func(*ggufwrite.Builder)
		want string
	}{
		{"no model", func(b *ggufwrite.Builder) {}, "tokenizer.ggml.model"},
		{"model of another type", func(b *ggufwrite.Builder) { b.SetUint32("tokenizer.ggml.model", 1) }, "want a string"},
		{"other model", func(b *ggufwrite.Builder) { b.SetString("tokenizer.ggml.model", "rwkv") }, `"rwkv" is not supported`},
		{"no vocabulary", func(b *ggufwrite.Builder) { b.SetString("tokenizer.ggml.model", "no_vocab") }, `"no_vocab" is not supported`},
		{"no pieces", func(b *ggufwrite.Builder) { b.SetString("tokenizer.ggml.model", "llama") }, "tokenizer.ggml.tokens"},
		{"scores for others", spm(texts, func(b *ggufwrite.Builder) { b.SetFloat32s("tokenizer.ggml.scores", []float32{1}) }), "1 elements, want 2"},
		{"score that is no number", spm(texts, func(b *ggufwrite.Builder) { b.SetFloat32s("tokenizer.ggml.scores", []float32{0, nan}) }), "element 1"},
		{"kind 7", spm(texts, func(b *ggufwrite.Builder) { b.SetInt32s("tokenizer.ggml.token_type", []int32{2, 7}) }), "element 1: 7"},
		{"flag of another type", spm(texts, func(b *ggufwrite.Builder) { b.SetUint32("tokenizer.ggml.add_bos_token", 1) }), "want a bool"},
		{"id of another type", spm(texts, func(b *ggufwrite.Builder) { b.SetString("tokenizer.ggml.bos_token_id", "1") }), "bos_token_id"},
		{"piece that is no UTF-8", spm([]string{"<unk>", "\xc3\x28"}, func(b *ggufwrite.Builder) {}), "element 1: \"\\xc3(\" is no UTF-8"},
		{"piece twice", spm([]string{"a", "a"}, func(b *ggufwrite.Builder) {}), "already piece 0"},
	} {
		_, err := build(t, c.edit).Tokenizer()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func spm(texts []string, more func(*ggufwrite.Builder)) func(*ggufwrite.Builder) {
	return func(b *ggufwrite.Builder) {
		b.SetString("tokenizer.ggml.model", "llama")
		b.SetStrings("tokenizer.ggml.tokens", texts)
		more(b)
	}
}

func TestWhatAVocabularyLeavesOutIsAsUsual(t *testing.T) {
	tok, err := build(t, spm([]string{"<unk>", "", "a"}, func(b *ggufwrite.Builder) {
		b.SetUint32("tokenizer.ggml.bos_token_id", math.MaxUint32)
	})).Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	if tok.UnknownID() != 0 || tok.BOS() != 1 || tok.EOS() != 2 || !tok.AddBOS() || tok.AddEOS() || !tok.AddSpacePrefix() {
		t.Errorf("unknown %d, BOS %d, EOS %d, add %v %v %v", tok.UnknownID(), tok.BOS(), tok.EOS(), tok.AddBOS(), tok.AddEOS(), tok.AddSpacePrefix())
	}
	if p, err := tok.Piece(1); err != nil || p.Text != "[EMPTY_1]" || p.Kind != tokenizer.Normal {
		t.Errorf("piece 1 is %+v, %v", p, err)
	}
	small, err := build(t, spm([]string{"<unk>"}, func(*ggufwrite.Builder) {})).Tokenizer()
	if err != nil || small.BOS() != tokenizer.None || small.EOS() != tokenizer.None {
		t.Errorf("one piece: %v", err)
	}
}

func TestScoresKeepTheirOrder(t *testing.T) {
	scores := []float32{float32(math.Inf(-1)), -math.MaxFloat32, -2.5, -1, -1e-40, 0, 1e-40, 1, 2.5, float32(math.Inf(1))}
	texts := make([]string, len(scores))
	for i := range texts {
		texts[i] = strings.Repeat("x", i+1)
	}
	texts = append(texts, "negative zero")
	tok, err := build(t, spm(texts, func(b *ggufwrite.Builder) {
		b.SetFloat32s("tokenizer.ggml.scores", append(scores, float32(math.Copysign(0, -1))))
	})).Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	score := func(id int) int32 {
		p, err := tok.Piece(int32(id))
		if err != nil {
			t.Fatal(err)
		}
		return p.Score
	}
	for i := 1; i < len(scores); i++ {
		if score(i-1) >= score(i) {
			t.Errorf("scores %g and %g became %d and %d", scores[i-1], scores[i], score(i-1), score(i))
		}
	}
	if score(len(scores)) != score(5) {
		t.Error("the two zeros differ")
	}
}

func FuzzNew(f *testing.F) {
	f.Add(ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 4, Hidden: 4, Layers: 1, Heads: 2, KVHeads: 1, Tied: true}))
	var b ggufwrite.Builder
	spm([]string{"<unk>", "a"}, func(b *ggufwrite.Builder) {
		b.SetFloat32s("tokenizer.ggml.scores", []float32{0, -1})
		b.AddQ8("q", []uint64{32, 2}, make([]float32, 64))
	})(&b)
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parse(b)
		if err != nil {
			return
		}
		if _, err := file.Tokenizer(); err != nil && err.Error() == "" {
			t.Fatal("an error without text")
		}
		for _, ten := range file.Tensors() {
			if ten.Offset+ten.Bytes > int64(len(b)) {
				t.Fatalf("%+v ends beyond the %d bytes of the file", ten, len(b))
			}
			if ten.Type.Readable() {
				// The data are in the file, so a row is no larger than it.
				if err := file.ReadRows(ten, ten.Rows()-1, make([]float32, ten.RowLen())); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestReadingAClosedFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 8, Hidden: 8, Layers: 1, Heads: 2, KVHeads: 1}), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ten, ok := f.Tensor("output_norm.weight")
	if !ok {
		t.Fatal("no tensor")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.ReadRows(ten, 0, make([]float32, 8)); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("error %v, want one that says the file is closed", err)
	}
}
