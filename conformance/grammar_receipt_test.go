package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/models"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemas are drawn from these parts.
func drawnSchema(r *rand.Rand, depth int) map[string]any {
	leaves := []map[string]any{
		{"type": "string", "maxLength": 6}, {"type": "integer", "minimum": -20, "maximum": 300}, {"type": "boolean"}, {"enum": []any{"red", 7, nil}},
		{"type": "string", "pattern": "^[A-Z][a-z]{1,5}$"}, {"type": "string", "format": "date"}, {"type": []any{"null", "boolean"}},
	}
	if depth == 0 || r.IntN(4) == 0 {
		return leaves[r.IntN(len(leaves))]
	}
	switch r.IntN(3) {
	case 0:
		return map[string]any{"type": "array", "items": drawnSchema(r, depth-1), "minItems": r.IntN(2), "maxItems": 2}
	case 1:
		return map[string]any{"anyOf": []any{drawnSchema(r, depth-1), drawnSchema(r, depth-1)}}
	}
	props, required := map[string]any{}, []any{}
	for _, name := range []string{"name", "age", "größe"}[:1+r.IntN(3)] {
		props[name] = drawnSchema(r, depth-1)
		if r.IntN(3) > 0 {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": props, "required": required, "additionalProperties": false}
}

// Whatever a tiny model of stories is forced to write satisfies the schema, or its length ended it. With
// ELENCHUS_SOAK=1 100 schemas are tried.
func TestAnswersSatisfyTheirSchema(t *testing.T) {
	t.Parallel()
	man, tok := stories(t)
	n := 12
	if os.Getenv("ELENCHUS_SOAK") != "" {
		n = 100
	}
	r := rand.New(rand.NewPCG(37, 1))
	c := engine.Computer{Manifest: man, Grammars: &engine.Grammars{}}
	ended := 0
	for range n {
		schema, err := json.Marshal(drawnSchema(r, 2))
		if err != nil {
			t.Fatal(err)
		}
		a, err := grammar.Schema(schema)
		if err != nil {
			t.Fatal(err)
		}
		job := decode.Job{Prompt: template.Prompt(tok, "Tom has"), MaxNew: 60, StopIDs: man.Model.EndIDs, Temperature: uint32(r.IntN(2)) << 16, Seed: r.Uint64(),
			Sampler: decode.Sampler{Grammar: &grammar.Grammar{Source: a.Encode(), Root: rootOf(t, man, a)}}}
		answer, finish, err := c.Generate(t.Context(), job, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := receipt.AnswerText(tok, job, answer.Outputs)
		if err != nil {
			t.Fatal(err)
		}
		if finish == opset.FinishLength {
			continue
		}
		ended++
		if finish != opset.FinishEnd || !a.Allows(text) {
			t.Fatalf("%s: %q ends with %d", schema, text, finish)
		}
		satisfies(t, schema, text)
	}
	if ended < n/3 {
		t.Errorf("%d of %d answers ended by themselves", ended, n)
	}
}

// satisfies asks another implementation of schemas.
func satisfies(t *testing.T, schema []byte, text string) {
	t.Helper()
	var s jsonschema.Schema
	var v any
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	judge, err := s.Resolve(nil)
	if err == nil {
		err = json.Unmarshal([]byte(text), &v)
	}
	if err == nil {
		err = judge.Validate(v)
	}
	if err != nil {
		t.Fatalf("%s: %q: %v", schema, text, err)
	}
}

func stories(t *testing.T) (*manifest.Manifest, *tokenizer.Tokenizer) {
	t.Helper()
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	return man, tok
}

func rootOf(t *testing.T, man *manifest.Manifest, a *grammar.Automaton) [32]byte {
	t.Helper()
	v, err := trace.Vocabulary(man.Model)
	if err != nil {
		t.Fatal(err)
	}
	g, err := trace.BindGrammar(v, &grammar.Grammar{Source: a.Encode()}, man.Model.EndIDs)
	if err != nil {
		t.Fatal(err)
	}
	return g.Root
}

// A receipt of an answer with a grammar holds, and each lie about the grammar is told: another root, another
// automaton, none; what the user asked for decides. The second implementation makes the same table.
// SPEC 05 §7.5, 07 §9.2.
func TestReceiptsOfGrammars(t *testing.T) {
	t.Parallel()
	man, tok := stories(t)
	a, err := grammar.Schema([]byte(`{"type":"object","properties":{"name":{"enum":["Tom","Lily"]},"age":{"type":"integer","minimum":1,"maximum":9}},"required":["name"]}`))
	if err != nil {
		t.Fatal(err)
	}
	other, err := grammar.Schema([]byte(`{"type":"boolean"}`))
	if err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: template.Prompt(tok, "Tom has"), MaxNew: 40, StopIDs: man.Model.EndIDs, Sampler: decode.Sampler{Grammar: &grammar.Grammar{Source: a.Encode()}}}
	if job, err = trace.Bound(man.Model, job); err != nil {
		t.Fatal(err)
	}
	honest := answered(t, man, job)
	text, err := receipt.AnswerText(tok, job, honest.Output)
	if err != nil || !a.Allows(text) {
		t.Fatalf("%q, %v", text, err)
	}
	again := decodedAgain(t, honest)
	prompt, zero, most := "Tom has", uint32(0), uint32(40)
	asked := receipt.Asked{Text: &prompt, Temperature: &zero, MaxNew: &most, Sampler: decode.Sampler{Grammar: &grammar.Grammar{Source: a.Encode()}}}
	for name, c := range map[string]struct {
		change func(r *receipt.Receipt)
		want   receipt.Outcome
	}{
		"honest": {func(*receipt.Receipt) {}, receipt.Holds},
		"another automaton": {func(r *receipt.Receipt) {
			r.Sampler.Grammar = &grammar.Grammar{Source: other.Encode(), Root: rootOf(t, man, other)}
		}, receipt.False},
		"another root": {func(r *receipt.Receipt) { r.Sampler.Grammar = &grammar.Grammar{Source: a.Encode(), Root: [32]byte{1}} }, receipt.False},
		"no grammar":   {func(r *receipt.Receipt) { r.Sampler.Grammar = nil }, receipt.False},
	} {
		r := *again
		c.change(&r)
		r.Request.Extras = trace.Settings(&r.Sampler).Extras()
		resign(t, &r)
		for _, check := range receipt.Verify(&r, receipt.Facts{Model: man, Asked: &asked}).Checks {
			if check.Name == "request" && check.Outcome != c.want {
				t.Errorf("%s: %v, %s", name, check.Outcome, check.Detail)
			}
		}
	}
	secondOnGrammars(t, man, honest, text)
}

// decodedAgain is a receipt as its reader has it: without the table.
func decodedAgain(t *testing.T, r *receipt.Receipt) *receipt.Receipt {
	t.Helper()
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := receipt.Decode(b)
	if err != nil || again.Sampler.Grammar == nil || again.Sampler.Grammar.Table != nil || !again.Sampler.Equal(&r.Sampler) {
		t.Fatalf("%+v, %v", again, err)
	}
	return again
}

// secondOnGrammars asks the second implementation, which knows no schemas but makes the table and the answer.
func secondOnGrammars(t *testing.T, man *manifest.Manifest, r *receipt.Receipt, text string) {
	dist, dir := typescript(t), t.TempDir()
	var file bytes.Buffer
	if err := man.Encode(&file, "default"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "default.elm"), file.Bytes())
	request := `{"model":"default","prompt":"Tom has","temperature":0,"max_tokens":40,"response_format":{"type":"json_object"}}`
	for _, s := range askSecond(t, dist, dir, request, text, r).Statements {
		want := "holds"
		if s.Name == "request" {
			want = "cannot"
		}
		if fmt.Sprint(s.Outcome) != want && s.Outcome != "pending" && s.Outcome != "unasked" {
			t.Errorf("%+v, want %s", s, want)
		}
	}
}
