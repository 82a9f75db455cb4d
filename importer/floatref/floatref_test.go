package floatref_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/conformance/oracle"
	"elenchus/importer/floatref"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

func stories(t testing.TB, name string) (*gguf.File, *floatref.Model) {
	t.Helper()
	f, err := gguf.Open(filepath.Join(oracle.Models(t), "llama", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	m, err := floatref.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return f, m
}

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{oracle.Models(t)}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The reference is llama2.c's float32 computation of the same weights.
func TestLogitsMatchTheReference(t *testing.T) {
	raw := read(t, "llama", "ref", "stories260K-logits-A.f32")
	tokens := []int{1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426}
	for file, bound := range map[string]float64{"stories260K-f32.gguf": 1e-4, "stories260K-F16.gguf": 0.05} {
		_, m := stories(t, file)
		if len(raw) != 4*len(tokens)*m.Vocab {
			t.Fatalf("%d bytes of reference", len(raw))
		}
		s := m.NewState()
		var worst float64
		for p, token := range tokens {
			for i, x := range s.Step(token) {
				want := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*(p*m.Vocab+i):]))
				worst = max(worst, math.Abs(x-float64(want)))
			}
		}
		t.Logf("%s: largest difference %.3g", file, worst)
		if !(worst <= bound) {
			t.Errorf("%s: logits differ by %g, want at most %g", file, worst, bound)
		}
	}
}

func TestGreedyRunsMatchTheReference(t *testing.T) {
	_, m := stories(t, "stories260K-f32.gguf")
	scan := bufio.NewScanner(bytes.NewReader(read(t, "llama", "ref", "stories260K-greedy.jsonl")))
	scan.Buffer(nil, 1<<20)
	runs := 0
	for ; scan.Scan(); runs++ {
		var g struct {
			PromptIDs []int   `json:"prompt_ids"`
			IDs       []int   `json:"ids"`
			LogProb   float64 `json:"sum_logprob"`
		}
		if err := json.Unmarshal(scan.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		s := m.NewState()
		var logits []float64
		for _, id := range g.PromptIDs {
			logits = s.Step(id)
		}
		var ids []int
		var sum float64
		for range g.IDs {
			best := argmax(logits)
			ids = append(ids, best)
			sum += logProb(logits, best)
			logits = s.Step(best)
		}
		if !slices.Equal(ids, g.IDs) {
			t.Errorf("prompt %v: got %v, want %v", g.PromptIDs, ids, g.IDs)
		}
		if math.Abs(sum-g.LogProb) > 1e-3 {
			t.Errorf("prompt %v: log-probabilities sum to %f, want %f", g.PromptIDs, sum, g.LogProb)
		}
	}
	if runs == 0 {
		t.Fatal("no reference runs")
	}
}

func TestPerplexityMatchesTheReference(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of arithmetic")
	}
	var want struct {
		Predicted int     `json:"predicted"`
		NLL       float64 `json:"nll_per_token"`
	}
	if err := json.Unmarshal(read(t, "llama", "ref", "stories260K-ppl.json"), &want); err != nil {
		t.Fatal(err)
	}
	f, m := stories(t, "stories260K-f32.gguf")
	tok, err := f.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(string(read(t, "text", "tinystories-60-A.txt")), "\n")
	var sum float64
	n := 0
	for _, story := range strings.Split(text, "\n<|endoftext|>\n") {
		ids := append([]int32{tok.BOS()}, tok.Encode(story)...)
		ids = ids[:min(len(ids), 256)]
		s := m.NewState()
		for i := 1; i < len(ids); i++ {
			sum -= logProb(s.Step(int(ids[i-1])), int(ids[i]))
			n++
		}
	}
	if n != want.Predicted {
		t.Fatalf("%d tokens predicted, want %d", n, want.Predicted)
	}
	if got := sum / float64(n); math.Abs(got-want.NLL) > 1e-5 {
		t.Errorf("%.8f per token, want %.8f", got, want.NLL)
	}
}

func argmax(x []float64) int {
	best := 0
	for i := range x {
		if x[i] > x[best] {
			best = i
		}
	}
	return best
}

func logProb(logits []float64, id int) float64 {
	largest := slices.Max(logits)
	var sum float64
	for _, x := range logits {
		sum += math.Exp(x - largest)
	}
	return logits[id] - largest - math.Log(sum)
}

func loadBytes(t testing.TB, b []byte) (*floatref.Model, error) {
	t.Helper()
	f, err := gguf.New(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return floatref.Load(f)
}

func TestRandomModelsOfEveryShapeRun(t *testing.T) {
	for _, l := range []ggufwrite.Llama{
		{Dim: 32, Hidden: 64, Layers: 2, Heads: 4, KVHeads: 2, Type: gguf.Q8_0, Tied: true},
		{Dim: 24, Hidden: 40, Layers: 1, Heads: 3, KVHeads: 3, Type: gguf.F16},
		{Dim: 64, Hidden: 32, Layers: 3, Heads: 8, KVHeads: 1, Type: gguf.F32, Pieces: 1000},
	} {
		m, err := loadBytes(t, ggufwrite.TinyLlama(l))
		if err != nil {
			t.Fatal(err)
		}
		s := m.NewState()
		first, second := s.Step(1), s.Step(1)
		if len(first) != m.Vocab || slices.Equal(first, second) {
			t.Errorf("%+v: %d logits, equal at both positions: %v", l, len(first), slices.Equal(first, second))
		}
		for _, x := range second {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("%+v: logit %g", l, x)
			}
		}
	}
}

// shaped writes the metadata of a model of width 4 with one head and no layer's
// weights, then whatever edit adds.
func shaped(edit func(*ggufwrite.Builder)) []byte {
	var b ggufwrite.Builder
	b.SetString("general.architecture", "llama")
	for key, n := range map[string]uint32{
		"embedding_length": 4, "feed_forward_length": 4, "context_length": 8, "block_count": 1, "attention.head_count": 1,
	} {
		b.SetUint32("llama."+key, n)
	}
	b.SetFloat32("llama.attention.layer_norm_rms_epsilon", 1e-5)
	edit(&b)
	return b.Bytes()
}

func TestLoadRefusesWhatItDoesNotCompute(t *testing.T) {
	raw := func(edit func(*ggufwrite.Builder)) []byte {
		var b ggufwrite.Builder
		edit(&b)
		return b.Bytes()
	}
	whole := func(edit func(*ggufwrite.Builder)) []byte {
		return shaped(func(b *ggufwrite.Builder) {
			b.AddF32("token_embd.weight", []uint64{4, 3}, make([]float32, 12))
			b.AddF32("output_norm.weight", []uint64{4}, make([]float32, 4))
			edit(b)
		})
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"no architecture", raw(func(b *ggufwrite.Builder) {}), "general.architecture"},
		{"other architecture", raw(func(b *ggufwrite.Builder) { b.SetString("general.architecture", "gpt2") }), `architecture "gpt2"`},
		{"no sizes", raw(func(b *ggufwrite.Builder) { b.SetString("general.architecture", "llama") }), "llama.embedding_length"},
		{"unsupported type", raw(func(b *ggufwrite.Builder) {
			b.SetString("general.architecture", "llama")
			b.Add("x", 18, []uint64{256}, make([]byte, 98))
		}), "IQ3_XXS x1"},
		{"no embedding", shaped(func(b *ggufwrite.Builder) {}), `no tensor "token_embd.weight"`},
		{"no layer", whole(func(b *ggufwrite.Builder) {}), `no tensor "blk.0.attn_norm.weight"`},
		{"wrong shape", whole(func(b *ggufwrite.Builder) {
			b.AddF32("blk.0.attn_norm.weight", []uint64{5}, make([]float32, 5))
		}), `tensor "blk.0.attn_norm.weight" has rows of 5`},
		{"odd head groups", shaped(func(b *ggufwrite.Builder) { b.SetUint32("llama.attention.head_count_kv", 3) }), "multiple of the 3"},
		{"values of another size", shaped(func(b *ggufwrite.Builder) { b.SetUint32("llama.attention.value_length", 2) }), "values of 2"},
		{"rope scaling", shaped(func(b *ggufwrite.Builder) { b.SetString("llama.rope.scaling.type", "yarn") }), `"yarn"`},
		{"rope of odd width", shaped(func(b *ggufwrite.Builder) { b.SetUint32("llama.rope.dimension_count", 3) }), "rope over 3"},
		{"negative base", shaped(func(b *ggufwrite.Builder) { b.SetFloat32("llama.rope.freq_base", -1) }), "base -1"},
	} {
		if _, err := loadBytes(t, c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestLoadRefusesATensorItHasNoUseFor(t *testing.T) {
	b := ggufwrite.Model(ggufwrite.Llama{Dim: 8, Hidden: 8, Layers: 1, Heads: 2, KVHeads: 1})
	b.AddF32("blk.0.attn_q.bias", []uint64{8}, make([]float32, 8))
	if _, err := loadBytes(t, b.Bytes()); err == nil || !strings.Contains(err.Error(), "attn_q.bias") {
		t.Errorf("error %v", err)
	}
}

// Factors of 1 change nothing; a linear factor f equals factors of f.
func TestRotationFactorsDivideTheAngles(t *testing.T) {
	run := func(edit func(*ggufwrite.Builder)) []float64 {
		b := ggufwrite.Model(ggufwrite.Llama{Dim: 8, Hidden: 8, Layers: 1, Heads: 2, KVHeads: 1, Seed: 3})
		edit(b)
		m, err := loadBytes(t, b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		s := m.NewState()
		s.Step(7)
		if s.Step(8); s.Position() != 2 {
			t.Fatalf("position %d", s.Position())
		}
		return s.Step(9)
	}
	factors := func(v ...float32) func(*ggufwrite.Builder) {
		return func(b *ggufwrite.Builder) { b.AddF32("rope_freqs.weight", []uint64{2}, v) }
	}
	plain := run(func(*ggufwrite.Builder) {})
	linear := run(func(b *ggufwrite.Builder) {
		b.SetString("llama.rope.scaling.type", "linear")
		b.SetFloat32("llama.rope.scaling.factor", 4)
	})
	if !slices.Equal(run(factors(1, 1)), plain) {
		t.Error("factors of 1 change the logits")
	}
	if !slices.Equal(run(factors(4, 4)), linear) || slices.Equal(linear, plain) {
		t.Error("a linear factor is not what factors are")
	}
}
