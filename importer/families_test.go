package importer_test

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/importer"
)

// reference is what the library of a model says: see tools/fixtures/families.py.
type reference struct {
	Prompt []int32              `json:"prompt"`
	Logits map[string][]float64 `json:"logits"` // by position
	Greedy []int32              `json:"greedy"`
	Gaps   []float64            `json:"gaps"` // between the two largest logits of each greedy step

	Context int `json:"context"` // positions to import with; 0: the file's
}

// familyErrors bounds the largest logit error of 16-bit imports of the random models of
// testdata/families; docs/models.md has what is measured.
func familyErrors() map[string]float64 {
	return map[string]float64{
		"gemma2": 0.004, "gemma3": 0.013, "gpt2": 0.0025, "llama-linear": 0.008, "llama-yarn": 0.007, "llama2": 0.004, "llama3": 0.004,
		"mistral": 0.008, "phi3": 0.003, "phi3-longrope": 0.005, "phi3-shortrope": 0.0045, "qwen2": 0.011, "qwen3": 0.004, "smollm2": 0.013,
		"mixtral": 0.005, "qwen2moe": 0.006, "qwen3moe": 0.003,
	}
}

// Every decoder family gives the logits and the greedy ids of its library, at positions inside and
// beyond its windows. SPEC 04 §2.
func TestFamiliesFollowTheirLibraries(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir("testdata/families")
	if err != nil {
		t.Fatal(err)
	}
	stated := familyErrors()
	if len(folders) != len(stated) {
		t.Errorf("%d folders, %d stated errors", len(folders), len(stated))
	}
	for _, f := range folders {
		t.Run(f.Name(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata/families", f.Name())
			var ref reference
			readJSON(t, filepath.Join(dir, "reference.json"), &ref)
			man, err := importer.File(dir, importer.Options{Context: ref.Context})
			if err != nil {
				t.Fatal(err)
			}
			compareLogits(t, man, &ref, stated[f.Name()])
			compareGreedy(t, man, &ref, stated[f.Name()])
		})
	}
}

func compareLogits(t *testing.T, man *manifest.Manifest, ref *reference, stated float64) {
	t.Helper()
	worst, top, seen := 0.0, 0.0, 0
	err := decode.Teacher(man.Model, ref.Prompt, nil, func(at int, logits []int32) {
		want := ref.Logits[strconv.Itoa(at)]
		if want == nil {
			return
		}
		seen++
		for i, l := range logits {
			worst, top = max(worst, math.Abs(float64(l)/65536-want[i])), max(top, math.Abs(want[i]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("largest logit error %.5f, largest logit %.2f, %d positions", worst, top, seen)
	if worst > stated || seen != len(ref.Logits) || seen == 0 {
		t.Errorf("logit error %.5f at %d of %d positions, %.5f is stated", worst, seen, len(ref.Logits), stated)
	}
}

// compareGreedy compares ids up to the first step whose gap the error may close.
func compareGreedy(t *testing.T, man *manifest.Manifest, ref *reference, stated float64) {
	t.Helper()
	sure := 0
	for sure < len(ref.Gaps) && ref.Gaps[sure] > 2*stated {
		sure++
	}
	if sure == 0 {
		t.Fatal("no greedy step is sure")
	}
	run, err := decode.New(man.Model, decode.Job{Prompt: ref.Prompt, MaxNew: uint32(sure)}, nil, decode.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	for !run.Done() {
		if err := run.Advance(8); err != nil {
			t.Fatal(err)
		}
	}
	if !equal(run.Output(), ref.Greedy[:sure]) {
		t.Errorf("greedy ids %v, want %v", run.Output(), ref.Greedy[:sure])
	}
	t.Logf("%d greedy ids", sure)
}
