package importer_test

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
	"elenchus/importer"
)

// A folder of sentence-transformers gives its ids and its vectors: pooling and scaling are those of its
// modules. See tools/fixtures/sentences.py.
func TestSentencesFollowTheirLibrary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		unit  bool
		error float64 // of an element
	}{{"sentence", true, 0.0005}, {"first", false, encoderError}} {
		dir := "testdata/encoders/" + c.name
		var ref []struct {
			Text   string    `json:"text"`
			IDs    []int32   `json:"ids"`
			Vector []float64 `json:"vector"`
		}
		readJSON(t, dir+"/reference.json", &ref)
		man, err := importer.File(dir, importer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if rows, dim, ok := man.Model.EncoderRows(); !ok || rows != 24 || dim != 32 {
			t.Errorf("%s: %d pieces, vectors of %d, encoder %v; the tokenizer's settings say 24", c.name, rows, dim, ok)
		}
		tok, err1 := tokenizer.Parse(man.Model.Tokenizer)
		tmpl, err2 := template.Parse(man.Model.Template)
		if err := errors.Join(err1, err2); err != nil || tmpl.Unit() != c.unit || tmpl.Form() != template.Vectors {
			t.Fatalf("%s: %v, unit %v", c.name, err, tmpl.Unit())
		}
		worst := 0.0
		for _, r := range ref {
			ids := template.Prompt(tok, r.Text)
			if !slices.Equal(ids, r.IDs) {
				t.Errorf("%s: %q is %v, the library has %v", c.name, r.Text, ids, r.IDs)
				continue
			}
			v, err := (&engine.Encoder{Manifest: man}).Embed(context.Background(), ids, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := engine.Floats(v, tmpl.Unit())
			for i, w := range r.Vector {
				worst = max(worst, math.Abs(float64(got[i])-w))
			}
		}
		t.Logf("%s: largest error %.6f of %d vectors", c.name, worst, len(ref))
		if worst > c.error || len(ref) == 0 {
			t.Errorf("%s: error %.6f, %.4f is stated", c.name, worst, c.error)
		}
	}
}

// What would give other vectors is refused, and named.
func TestSentenceModulesRefuse(t *testing.T) {
	t.Parallel()
	const (
		transformer = `{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}`
		pooling     = `{"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}`
	)
	old := func(on string) string { return `{"pooling_mode_mean_tokens": false, "pooling_mode_` + on + `": true}` }
	for _, c := range []struct{ file, text, want string }{
		{"modules.json", "[" + transformer + "," + pooling + `,{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]`, "models.Dense"},
		{"modules.json", "[" + transformer + "," + pooling + `,{"path": "2", "type": "evil.Normalize"}]`, "evil.Normalize"},
		{"modules.json", "[" + transformer + "]", "want Transformer, Pooling"},
		{"modules.json", "[" + pooling + "," + transformer + "]", "want Transformer, Pooling"},
		{"modules.json", "[" + transformer + "," + strings.Replace(pooling, "1_Pooling", "../1_Pooling", 1) + "]", "../1_Pooling"},
		{"modules.json", "{", "modules.json"},
		{"1_Pooling/config.json", old("max_tokens"), "pooling_mode_max_tokens"},
		{"1_Pooling/config.json", `{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}`, "pooling_mode_cls_token and pooling_mode_mean_tokens"},
		{"1_Pooling/config.json", `{"pooling_mode": "lasttoken"}`, "lasttoken"},
		{"1_Pooling/config.json", `{"pooling_mode": "mean", "include_prompt": false}`, "include_prompt"},
		{"config_sentence_transformers.json", `{"default_prompt_name": "q", "prompts": {"q": "query: "}}`, "query: "},
		{"1_Pooling/config.json", old("cls_token"), ""},
		{"sentence_bert_config.json", `{"max_seq_length": 9}`, ""},
	} {
		dir := copied(t, "testdata/encoders/sentence")
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		man, err := importer.File(dir, importer.Options{})
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s %s: %v, want an error about %q", c.file, c.text, err, c.want)
		case c.want == "" && err != nil:
			t.Errorf("%s %s: %v", c.file, c.text, err)
		case c.file == "sentence_bert_config.json":
			if rows, _, _ := man.Model.EncoderRows(); rows != 9 {
				t.Errorf("%d pieces, the file says 9", rows)
			}
		}
	}
}

// copied is a copy of a folder.
func copied(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return to
}
