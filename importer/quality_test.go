package importer_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/conformance/oracle"
	"elenchus/importer"
)

func load(t *testing.T, path string) (*manifest.Manifest, *tokenizer.Tokenizer) {
	t.Helper()
	man, err := importer.File(path, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	return man, tok
}

// TestLossAgainstFloat is the gate of DESIGN §3 "Numbers": at most 0.001 nats per token more than
// the float reference of the same weights.
func TestLossAgainstFloat(t *testing.T) {
	dir := oracle.Models(t)
	want := struct {
		NLL float64 `json:"nll_per_token"`
	}{}
	readJSON(t, filepath.Join(dir, "llama/ref/stories260K-ppl.json"), &want)
	text, err := os.ReadFile(filepath.Join(dir, "text/tinystories-60-A.txt"))
	if err != nil {
		t.Fatal(err)
	}
	stories := strings.Split(string(text), "<|endoftext|>")
	if testing.Short() {
		stories = stories[:12]
	}
	man, tok := load(t, filepath.Join(dir, "llama/stories260K-f32.gguf"))
	sum, n := 0.0, 0
	for _, s := range stories {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		ids := template.Prompt(tok, s)
		ids = ids[:min(len(ids), 256)]
		err := decode.Teacher(man.Model, ids, nil, func(at int, logits []int32) {
			if at+1 < len(ids) {
				sum += nll(logits, ids[at+1])
				n++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d tokens, %.6f nats per token, float %.6f, loss %+.6f", n, sum/float64(n), want.NLL, sum/float64(n)-want.NLL)
	if !testing.Short() && sum/float64(n)-want.NLL > 0.001 {
		t.Errorf("the integer model loses %.6f nats per token, the gate is 0.001", sum/float64(n)-want.NLL)
	}
}

// nll is the negative log-likelihood of an id in nats.
func nll(logits []int32, id int32) float64 {
	top := logits[0]
	for _, l := range logits {
		top = max(top, l)
	}
	z := 0.0
	for _, l := range logits {
		z += math.Exp(float64(l-top) / 65536)
	}
	return math.Log(z) - float64(logits[id]-top)/65536
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// statedError bounds the logit error of the integer model on stories260K (measured, see docs).
const statedError = 0.02

// TestLogitsAgainstFloat checks the reference logits of ORIGIN.md.
func TestLogitsAgainstFloat(t *testing.T) {
	dir := oracle.Models(t)
	b, err := os.ReadFile(filepath.Join(dir, "llama/ref/stories260K-logits-A.f32"))
	if err != nil {
		t.Fatal(err)
	}
	ids := []int32{1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426}
	for _, file := range []string{"stories260K-f32.gguf", "stories260K-F16.gguf"} {
		man, _ := load(t, filepath.Join(dir, "llama", file))
		worst := 0.0
		err := decode.Teacher(man.Model, ids, nil, func(at int, logits []int32) {
			for i, l := range logits {
				ref := math.Float32frombits(binary.LittleEndian.Uint32(b[4*(at*512+i):]))
				worst = max(worst, math.Abs(float64(l)/65536-float64(ref)))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: largest logit error %.5f", file, worst)
		if worst > statedError {
			t.Errorf("%s: logit error %.5f, at most %.2f is stated", file, worst, statedError)
		}
	}
}

// TestGreedyAgainstFloat compares greedy ids wherever the float's top-2 gap exceeds the stated error.
func TestGreedyAgainstFloat(t *testing.T) {
	dir := oracle.Models(t)
	man, tok := load(t, filepath.Join(dir, "llama/stories260K-f32.gguf"))
	f, err := os.Open(filepath.Join(dir, "llama/ref/stories260K-greedy.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var ref struct {
			Prompt string  `json:"prompt"`
			IDs    []int32 `json:"ids"`
			Prefix []int32 `json:"prompt_ids"`
			Gap    float64 `json:"min_top2_gap"`
		}
		if err := json.Unmarshal(lines.Bytes(), &ref); err != nil {
			t.Fatal(err)
		}
		if ref.Gap <= 2*statedError {
			t.Logf("%q: smallest gap %.4f is within the stated error", ref.Prompt, ref.Gap)
		}
		ids := template.Prompt(tok, ref.Prompt)
		if ref.Prompt != "" && !equal(ids, ref.Prefix) {
			t.Errorf("%q: prompt ids %v, want %v", ref.Prompt, ids, ref.Prefix)
		}
		run, err := decode.New(man.Model, decode.Job{Prompt: ref.Prefix, MaxNew: uint32(len(ref.IDs))}, nil, decode.Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		for !run.Done() {
			if err := run.Advance(8); err != nil {
				t.Fatal(err)
			}
		}
		if ref.Gap > 2*statedError && !equal(run.Output(), ref.IDs) {
			t.Errorf("%q: greedy ids differ\n got %v\nwant %v", ref.Prompt, run.Output(), ref.IDs)
		}
	}
}

func equal(a, b []int32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
