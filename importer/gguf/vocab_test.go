package gguf_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/tokenizer"
	"elenchus/conformance/oracle"
	"elenchus/importer/gguf"
)

func openModel(t testing.TB, elem ...string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(filepath.Join(append([]string{oracle.Models(t)}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func loadTokenizer(t testing.TB, elem ...string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := openModel(t, elem...).Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// The expected ids are llama.cpp's own test vectors for these vocabularies.
func TestEncodeGivesTheReferenceIds(t *testing.T) {
	for _, v := range []struct {
		name    string
		decodes bool // to the text itself
	}{{"llama-spm", true}, {"gpt-2", true}, {"bert-bge", false}} {
		tok := loadTokenizer(t, "tokenizer", "ggml-vocab-"+v.name+".gguf")
		base := filepath.Join(oracle.Models(t), "tokenizer", "ggml-vocab-"+v.name+".gguf")
		const end = "\n__ggml_vocab_test__\n"
		texts := strings.Split(strings.TrimSuffix(readFile(t, base+".inp"), end), end)
		lines := strings.Split(strings.TrimSuffix(readFile(t, base+".out"), "\n"), "\n")
		if len(texts) != 46 || len(lines) != 46 {
			t.Fatalf("%s: %d texts and %d lines, want 46 of each", v.name, len(texts), len(lines))
		}
		for i, text := range texts {
			ids := tok.Encode(text)
			if got := join(ids); got != strings.TrimSpace(lines[i]) {
				t.Errorf("%s: text %d %q:\n got %s\nwant %s", v.name, i, text, got, lines[i])
			}
			back, err := tok.Decode(ids)
			if err != nil || v.decodes && back != text {
				t.Errorf("%s: text %d: decoded %q, %v, want %q", v.name, i, back, err, text)
			}
		}
	}
}

type greedy struct {
	Prompt    string  `json:"prompt"`
	PromptIDs []int32 `json:"prompt_ids"`
	IDs       []int32 `json:"ids"`
	Text      string  `json:"text"`
}

func greedyRuns(t testing.TB) []greedy {
	t.Helper()
	var runs []greedy
	s := bufio.NewScanner(strings.NewReader(readFile(t, filepath.Join(oracle.Models(t), "llama", "ref", "stories260K-greedy.jsonl"))))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var g greedy
		if err := json.Unmarshal(s.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, g)
	}
	if len(runs) == 0 {
		t.Fatal("no reference runs")
	}
	return runs
}

func TestStoriesPromptsAndOutputsMatchTheReference(t *testing.T) {
	tok := loadTokenizer(t, "llama", "stories260K-f32.gguf")
	for _, g := range greedyRuns(t) {
		ids := append([]int32{tok.BOS()}, tok.Encode(g.Prompt)...)
		if !slices.Equal(ids, g.PromptIDs) {
			t.Errorf("prompt %q: got %v, want %v", g.Prompt, ids, g.PromptIDs)
		}
		at := tokenizer.Continuation
		if g.Prompt == "" {
			at = tokenizer.Start
		}
		d := tok.NewDecoder(at)
		var text string
		for _, id := range g.IDs {
			s, err := d.Next(id)
			if err != nil {
				t.Fatal(err)
			}
			text += s
		}
		if text += d.Flush(); text != g.Text {
			t.Errorf("prompt %q: decoded %q, want %q", g.Prompt, text, g.Text)
		}
	}
}

func TestRealTextSurvivesEncodingAndDecoding(t *testing.T) {
	tok := loadTokenizer(t, "tokenizer", "ggml-vocab-llama-spm.gguf")
	text := readFile(t, filepath.Join(oracle.Models(t), "text", "wikitext2-valid.txt"))
	back, err := tok.Decode(tok.Encode(text))
	if err != nil || back != text {
		t.Fatalf("%d bytes came back as %d, %v", len(text), len(back), err)
	}
}

func TestRealVocabularyHasOneEncoding(t *testing.T) {
	tok := loadTokenizer(t, "tokenizer", "ggml-vocab-llama-spm.gguf")
	b, err := tok.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := tokenizer.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	c, err := again.MarshalBinary()
	if err != nil || !bytes.Equal(b, c) {
		t.Fatalf("encoding differs after parsing: %v", err)
	}
}

func BenchmarkEncodeOneCharacterAMillionTimes(b *testing.B) {
	tok := loadTokenizer(b, "tokenizer", "ggml-vocab-llama-spm.gguf")
	for _, c := range []string{"a", " ", "\x80", "é"} {
		text := strings.Repeat(c, 1_000_000/len(c))
		b.Run(fmt.Sprintf("%q", c), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text)
			}
		})
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func join(ids []int32) string {
	return strings.Trim(fmt.Sprint(ids), "[]")
}
