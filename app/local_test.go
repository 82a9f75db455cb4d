package app

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"elenchus/conformance/oracle"
	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
	"elenchus/models"
)

// drawnFile writes a drawn GGUF model.
func drawnFile(t *testing.T, seed uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	b := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 32, Hidden: 64, Layers: 1, Heads: 2, KVHeads: 1, Type: gguf.F32, Seed: seed, Tied: true})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSelfTestDigestIsThatOfTheModel: whoever changes the default model or the numerics writes the
// new value into selfTestDigest.
func TestSelfTestDigestIsThatOfTheModel(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := EvalDigest(context.Background(), man, DigestOptions{Prompt: selfTestPrompt, Tokens: selfTestTokens, Kernel: "generic", Threads: 1, Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(d[:]); got != selfTestDigest {
		t.Errorf("the default model's digest is %s, selfTestDigest is %s", got, selfTestDigest)
	}
	if f := selfTest(context.Background(), man); f.State != stateOK {
		t.Errorf("%+v", f)
	}
}

// TestStoreFindsByNameIDAndFile and gives the same model each time.
func TestStoreFindsByNameIDAndFile(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := drawnFile(t, 1)
	steps := 0
	m, err := s.Import(path, ImportOptions{Progress: func(int, int) { steps++ }})
	if err != nil || steps == 0 {
		t.Fatal(err, steps)
	}
	for _, ref := range []string{"tiny", m.ID, m.ID[:8], path, m.Path} {
		man, name, err := s.Load(ref)
		if err != nil || man.ID().String() != m.ID || name != "tiny" {
			t.Errorf("%s: %q, %v", ref, name, err)
		}
	}
	again, err := s.Import(m.Path, ImportOptions{Name: "other"})
	if err != nil || again.ID != m.ID {
		t.Errorf("importing the model file: %v", err)
	}
	if all, err := s.List(); err != nil || len(all) != 1 || all[0].Name != "other" {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := s.Remove("other"); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Load("other"); !errors.Is(err, ErrNoModel) {
		t.Errorf("after rm: %v", err)
	}
}

// TestStoreRefusesNames that mean something else, and names that are taken.
func TestStoreRefusesNames(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	one, two := drawnFile(t, 1), drawnFile(t, 2)
	for _, name := range []string{"default", "a/b", "x.gguf", "x.elm", "0123abcd", "-x", "a b", ".hidden"} {
		if _, err := s.Import(one, ImportOptions{Name: name}); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
	if _, err := s.Import(one, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(two, ImportOptions{}); err == nil {
		t.Error("two models have one name")
	}
}

// TestStoreNamesDamagedFiles: both when listing and when loading.
func TestStoreNamesDamagedFiles(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Import(drawnFile(t, 1), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(m.Path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Load("tiny"); err == nil {
		t.Error("a damaged model is loaded")
	}
	if err := os.WriteFile(m.Path, b[:40], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(); err == nil {
		t.Error("a file that is no model is listed")
	}
}

// TestPerplexityProtocol is the protocol of the reference: 14951 predicted tokens.
func TestPerplexityProtocol(t *testing.T) {
	dir := oracle.Models(t)
	text, err := os.ReadFile(filepath.Join(dir, "text/tinystories-60-A.txt"))
	if err != nil {
		t.Fatal(err)
	}
	man, err := importer.File(filepath.Join(dir, "llama/stories260K-f32.gguf"), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		text = text[:4000]
	}
	p, err := EvalPerplexity(t.Context(), man, string(text), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !testing.Short() && (p.Tokens != 14951 || p.NLL < 1.2533 || p.NLL > 1.2553) {
		t.Errorf("%d tokens, %.6f nats, want 14951 and 1.2543 within 0.001", p.Tokens, p.NLL)
	}
}

// TestPerplexityOfNothingIsAnError rather than NaN.
func TestPerplexityOfNothingIsAnError(t *testing.T) {
	man, err := importer.File(drawnFile(t, 1), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := EvalPerplexity(t.Context(), man, "\n<|endoftext|>\n", 1, nil); err == nil {
		t.Errorf("%+v", p)
	}
}

// TestDoctorNamesProblems: a state directory that cannot be written has a fix.
func TestDoctorNamesProblems(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found := Doctor(t.Context(), DoctorOptions{Dir: filepath.Join(file, "state")})
	if !Problem(found) {
		t.Errorf("%+v", found)
	}
	for _, f := range found {
		if (f.State != stateOK) != (f.Fix != "") || f.Detail == "" {
			t.Errorf("%+v", f)
		}
	}
	if found := Doctor(t.Context(), DoctorOptions{Dir: t.TempDir()}); Problem(found) {
		t.Errorf("%+v", found)
	}
}

// TestDoctorComparesClocks: a chain ahead of this clock is a problem, and one that is hours behind.
func TestDoctorComparesClocks(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for age, want := range map[time.Duration]string{
		0: stateOK, 20 * time.Second: stateOK, -10 * time.Second: stateOK, 5 * time.Minute: stateNote, -time.Minute: stateProblem,
		5 * time.Hour: stateProblem, -5 * time.Hour: stateProblem,
	} {
		if f := findClock(uint64(now.Add(-age).Unix()), now); f.State != want || (f.State != stateOK) != (f.Fix != "") {
			t.Errorf("%s: %+v", age, f)
		}
	}
}
