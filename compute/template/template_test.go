package template_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

// The canonical bytes of the one form. SPEC 04 §4.
func TestEncoding(t *testing.T) {
	b := template.New(template.Concat).Encode()
	if string(b) != "elenchus/template/1\x01" {
		t.Fatalf("template is %q", b)
	}
	got, err := template.Parse(b)
	if err != nil || !bytes.Equal(got.Encode(), b) {
		t.Errorf("read back as %v, %v", got, err)
	}
}

// Whatever is not exactly a template is refused. SPEC 04 §4.
func TestParseRefuses(t *testing.T) {
	good := string(template.New(template.Concat).Encode())
	for _, b := range []string{"", good[:len(good)-1], good + "\x00", "elenchus/template/2\x01", "elenchus/template/1\x00", "elenchus/template/1\x02"} {
		if _, err := template.Parse([]byte(b)); !errors.Is(err, template.ErrTemplate) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

// FuzzParse wants no panic and one encoding.
func FuzzParse(f *testing.F) {
	f.Add(template.New(template.Concat).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := template.Parse(b); err == nil && !bytes.Equal(got.Encode(), b) {
			t.Fatalf("%q is read as %q", b, got.Encode())
		}
	})
}

// Contents are joined as they are, whoever says them. SPEC 04 §4.
func TestRenderConcatenates(t *testing.T) {
	tp := template.New(template.Concat)
	got := tp.Render([]template.Message{{Role: "system", Content: "a "}, {Role: "user", Content: ""}, {Role: "assistant", Content: "b\n"}})
	if got != "a b\n" || tp.Render(nil) != "" {
		t.Errorf("rendered %q", got)
	}
}

// BOS stands before the text where the tokenizer asks for it, and only there. SPEC 04 §4.
func TestPromptBeginsWithBOS(t *testing.T) {
	for _, bos := range []bool{true, false} {
		tok := letters(t, bos)
		text := tok.Encode("ab")
		want := text
		if bos {
			want = append([]int32{tok.BOS()}, text...)
		}
		if got := template.Prompt(tok, "ab"); !slices.Equal(got, want) || len(text) == 0 {
			t.Errorf("BOS %v: %v, want %v", bos, got, want)
		}
	}
}

// letters is a tokenizer of three pieces.
func letters(t *testing.T, bos bool) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.New(tokenizer.Config{BOS: 1, EOS: tokenizer.None, Unknown: 0, AddBOS: bos, Pieces: []tokenizer.Piece{
		{Text: "<unk>", Kind: tokenizer.Unknown}, {Text: "<s>", Kind: tokenizer.Control}, {Text: "a", Kind: tokenizer.Normal}, {Text: "b", Kind: tokenizer.Normal},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
