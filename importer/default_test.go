package importer_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/conformance/oracle"
	"elenchus/importer"
	"elenchus/models"
)

// TestDefaultModelFollowsItsFloatReference holds the shipped model against the references that its
// training scripts wrote: greedy ids wherever the gap is wide enough, and the loss.
func TestDefaultModelFollowsItsFloatReference(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("../models/default/ref/greedy.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	compared := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var ref struct {
			Prompt string  `json:"prompt"`
			Prefix []int32 `json:"prompt_ids"`
			IDs    []int32 `json:"ids"`
			Gap    float64 `json:"min_top2_gap"`
		}
		if err := json.Unmarshal(lines.Bytes(), &ref); err != nil {
			t.Fatal(err)
		}
		if ref.Gap <= 2*statedError {
			continue
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
		compared++
		if !equal(run.Output(), ref.IDs) {
			t.Errorf("%q: greedy ids differ\n got %v\nwant %v", ref.Prompt, run.Output(), ref.IDs)
		}
	}
	if compared == 0 {
		t.Error("no reference has a gap wide enough to compare")
	}
}

// TestDefaultModelLoss is the gate of TestLossAgainstFloat for the shipped model: 0.000004 nats per token when it was shipped.
func TestDefaultModelLoss(t *testing.T) {
	if os.Getenv("ELENCHUS_SOAK") == "" {
		t.Skip("60 stories take minutes: set ELENCHUS_SOAK=1")
	}
	dir := oracle.Models(t)
	var want struct {
		NLL    float64 `json:"nll_per_token"`
		Tokens int     `json:"predicted"`
	}
	readJSON(t, "../models/default/ref/ppl.json", &want)
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "text/tinystories-60-A.txt"))
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0
	for _, s := range strings.Split(string(text), "<|endoftext|>") {
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
	loss := sum/float64(n) - want.NLL
	t.Logf("%d tokens, %.6f nats per token, float %.6f, loss %+.6f", n, sum/float64(n), want.NLL, loss)
	if math.Abs(loss) > 0.001 || want.Tokens != 0 && n != want.Tokens {
		t.Errorf("loss %+.6f over %d tokens, the gate is 0.001 over %d", loss, n, want.Tokens)
	}
}
