package hftokenizer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"elenchus/compute/pattern"
	"elenchus/compute/tokenizer"
	"elenchus/importer/hftokenizer"
)

// fixture is what tools/fixtures/tokenizer/generate.py writes with the tokenizers library.
type fixture struct {
	Tokenizer json.RawMessage    `json:"tokenizer"`
	Size      int                `json:"size"`
	IDs       string             `json:"ids"`     // eight digits of each text
	Special   map[string]string  `json:"special"` // the same where control pieces may be named
	Prompt    []int32            `json:"prompt"`
	Decoded   []string           `json:"decoded"` // texts 10..23
	Shown     map[string][]int32 `json:"shown"`
}

func read(t testing.TB, name string, to any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatal(err)
	}
}

func digest(t testing.TB, x any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(x); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return hex.EncodeToString(sum[:4])
}

func ids(a []int32) []int32 {
	if a == nil {
		return []int32{}
	}
	return a
}

func names(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	var out []string
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		if name != "texts" && name != "cuts" {
			out = append(out, name)
		}
	}
	return out
}

func TestIdsAreThoseOfTheLibrary(t *testing.T) {
	var texts []string
	read(t, "texts", &texts)
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			var f fixture
			read(t, name, &f)
			tok, err := hftokenizer.Read(f.Tokenizer, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if tok.Size() != f.Size || len(f.IDs) != 8*len(texts) {
				t.Fatalf("%d pieces, want %d; %d digests", tok.Size(), f.Size, len(f.IDs)/8)
			}
			for at, want := range f.Shown {
				i, _ := strconv.Atoi(at)
				if got := tok.Encode(texts[i]); !slices.Equal(got, want) {
					t.Errorf("%q:\n got %v\nwant %v", texts[i], got, want)
				}
			}
			for i, text := range texts {
				got := ids(tok.Encode(text))
				if want := f.IDs[8*i : 8*i+8]; want != "--------" && digest(t, got) != want {
					t.Errorf("text %d %q gives %v, %s", i, text, got, pieces(tok, got))
				}
				if want, ok := f.Special[strconv.Itoa(i)]; ok && digest(t, ids(tok.EncodeSpecial(text))) != want {
					t.Errorf("text %d %q with specials gives %v", i, text, tok.EncodeSpecial(text))
				}
			}
			if got := tok.Prompt(tok.Encode("hello world")); !slices.Equal(got, f.Prompt) {
				t.Errorf("prompt %v, want %v", got, f.Prompt)
			}
			checkDecoded(t, tok, texts, f.Decoded)
			checkCanonical(t, tok, texts)
		})
	}
}

func pieces(tok *tokenizer.Tokenizer, ids []int32) string {
	var out []string
	for _, id := range ids {
		p, _ := tok.Piece(id)
		out = append(out, p.Text)
	}
	return strings.Join(out, "|")
}

// checkDecoded compares texts without what the library's WordPiece decoder cleans up.
func checkDecoded(t *testing.T, tok *tokenizer.Tokenizer, texts, want []string) {
	t.Helper()
	if tok.Algorithm() == tokenizer.WordPiece {
		return
	}
	for i, w := range want {
		got, err := tok.Decode(tok.Encode(texts[10+i]))
		if got = string([]rune(got)); err != nil || got != w {
			t.Errorf("text %d decodes to %q, %v, want %q", 10+i, got, err, w)
		}
	}
}

// checkCanonical: the canonical bytes make the same tokenizer.
func checkCanonical(t *testing.T, tok *tokenizer.Tokenizer, texts []string) {
	t.Helper()
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
		t.Fatalf("canonical bytes differ after parsing: %v", err)
	}
	for _, text := range texts {
		if !slices.Equal(tok.Encode(text), again.Encode(text)) {
			t.Fatalf("%q has other ids after parsing", text)
		}
	}
}

func TestCutsAreThoseOfTheLibrary(t *testing.T) {
	var texts []string
	var cuts map[string]string
	read(t, "texts", &texts)
	read(t, "cuts", &cuts)
	if len(cuts) < 40 {
		t.Fatalf("%d patterns", len(cuts))
	}
	const group = 8
	for source, want := range cuts {
		p, err := pattern.Compile(source)
		if err != nil {
			t.Error(err)
			continue
		}
		for at := 0; at < len(texts); at += group {
			all := ""
			for _, text := range texts[at:min(at+group, len(texts))] {
				all += strings.Join(isolate(p, text), "\x1f") + "\x1e"
			}
			if sum := sha256.Sum256([]byte(all)); hex.EncodeToString(sum[:4]) != want[at:at+8] {
				t.Errorf("%s cuts texts from %d on otherwise: %q", source, at, all)
			}
		}
	}
}

func isolate(p *pattern.Pattern, text string) []string {
	r, out, at := []rune(text), []string{}, 0
	m := p.On(pattern.NewText(r))
	put := func(from, to int) {
		if from < to {
			out = append(out, string(r[from:to]))
		}
	}
	for at < len(r) {
		start, stop, ok := m.Find(at, len(r))
		if !ok {
			break
		}
		put(at, start)
		put(start, stop)
		at = stop
	}
	put(at, len(r))
	return out
}
