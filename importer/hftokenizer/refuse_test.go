package hftokenizer_test

import (
	"errors"
	"strings"
	"testing"

	"elenchus/importer/hftokenizer"
)

// settings writes a small BPE with sections replaced.
func settings(sections ...string) []byte {
	all := map[string]string{
		"added_tokens": `[{"id":3,"content":"<e>","special":true},{"id":5,"content":"<t>"}]`, "normalizer": `null`,
		"pre_tokenizer": `{"type":"ByteLevel","add_prefix_space":false}`, "post_processor": `null`, "decoder": `{"type":"ByteLevel"}`,
		"model": `{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}`,
	}
	for i := 0; i < len(sections); i += 2 {
		all[sections[i]] = sections[i+1]
	}
	var out []string
	for _, name := range []string{"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"} {
		out = append(out, `"`+name+`":`+all[name])
	}
	return []byte("{" + strings.Join(out, ",") + "}")
}

func TestGapsBecomeUnusedPieces(t *testing.T) {
	tok, err := hftokenizer.Read(settings(), []byte(`{"bos_token":null,"eos_token":{"content":"<e>"},"add_bos_token":true,"add_eos_token":true}`), 8)
	if err != nil {
		t.Fatal(err)
	}
	if tok.Size() != 8 || tok.EOS() != 3 || !tok.AddEOS() || tok.AddBOS() {
		t.Fatalf("%d pieces, EOS %d %v, BOS %v", tok.Size(), tok.EOS(), tok.AddEOS(), tok.AddBOS())
	}
	for id, want := range map[int32]string{4: "[UNUSED_4]", 6: "[UNUSED_6]", 7: "[UNUSED_7]"} {
		if p, err := tok.Piece(id); err != nil || p.Text != want {
			t.Errorf("piece %d is %q, %v, want %q", id, p.Text, err, want)
		}
	}
	if ids := tok.Encode("ab<e><t>"); len(ids) != 2 || ids[0] != 2 || ids[1] != 5 { // letters without a piece vanish, as in the library
		t.Errorf("ids %v", ids)
	}
}

func TestWhatIsNotKnownIsRefusedByName(t *testing.T) {
	deep := strings.Repeat(`{"type":"Sequence","normalizers":[`, 20) + `{"type":"NFC"}` + strings.Repeat(`]}`, 20)
	for _, c := range []struct {
		file []byte
		want string
	}{
		{settings("model", `{"type":"WordLevel","vocab":{"a":0}}`), `"WordLevel"`},
		{settings("model", `{"type":"BPE","dropout":0.1,"vocab":{"a":0},"merges":[]}`), "dropout"},
		{settings("model", `{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0},"merges":[]}`), "end_of_word_suffix"},
		{settings("model", `{"type":"Unigram","vocab":[["a",0]]}`), "without an unknown piece"},
		{settings("model", `{"type":"WordPiece","vocab":{"a":0}}`), "without an unknown piece"},
		{settings("normalizer", `{"type":"Nmt"}`), `normalizer "Nmt"`},
		{settings("normalizer", `{"type":"Replace","pattern":{"Regex":"a+"},"content":"b"}`), `"a+"`},
		{settings("normalizer", deep), "sequences"},
		{settings("pre_tokenizer", `{"type":"UnicodeScripts"}`), `pre-tokenizer "UnicodeScripts"`},
		{settings("pre_tokenizer", `{"type":"Split","pattern":{"Regex":"(x+x+)+y"},"behavior":"Isolated"}`), `(x+x+)+y`},
		{settings("pre_tokenizer", `{"type":"Split","pattern":{"String":" "},"behavior":"Contiguous"}`), `"Contiguous"`},
		{settings("pre_tokenizer", `{"type":"Metaspace","replacement":"_"}`), `"_"`},
		{settings("normalizer", `{"type":"Strip"}`, "pre_tokenizer", `{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}`), "prepends first"},
		{settings("post_processor", `{"type":"Odd"}`), `post-processor "Odd"`},
		{settings("post_processor", `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<e>"}},{"SpecialToken":{"id":"<t>"}},{"Sequence":{"id":"A"}}]}`), "more than one token"},
		{settings("decoder", `{"type":"CTC"}`), `decoder "CTC"`},
		{settings("decoder", `{"type":"WordPiece"}`), `decoder "WordPiece"`},
		{settings("pre_tokenizer", "null", "decoder", "null"), "without a decoder"},
		{settings("pre_tokenizer", "null"), `decoder "ByteLevel"`},
	} {
		if _, err := hftokenizer.Read(c.file, nil, 0); !errors.Is(err, hftokenizer.ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want ErrUnsupported with %s", c.file, err, c.want)
		}
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	for _, c := range []struct {
		file []byte
		want string
	}{
		{[]byte("{"), "tokenizer.json"}, {[]byte("{}"), "no model"}, {[]byte("\xff"), "UTF-8"},
		{settings("model", `{"type":"BPE","vocab":{"a":0,"b":0}}`), "same id 0"},
		{settings("model", `{"type":"BPE","vocab":{"a":-1}}`), "id -1"},
		{settings("model", `{"type":"BPE","vocab":{"a":99999999}}`), "id 99999999"},
		{settings("model", `{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}`), "no pieces"},
		{settings("model", `{"type":"BPE","vocab":{"a":0,"b":1},"merges":["ab"]}`), "no pair"},
		{settings("model", `{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b","a b"]}`), "twice"},
		{settings("model", `{"type":"BPE","vocab":{"a":0},"unk_token":"?"}`), `"?" is no piece`},
		{settings("model", `{"type":"Unigram","unk_id":0,"vocab":[["a",0],["a",1]]}`), "already piece 0"},
		{settings("model", `{"type":"Unigram","unk_id":0,"vocab":[["a","b"]]}`), "pair of text and score"},
		{settings("added_tokens", `[{"id":0,"content":"x"}]`), `which is "a"`},
		{settings("added_tokens", `[{"id":7,"content":"a"}]`), "in the vocabulary 0"},
		{settings("added_tokens", `[{"id":-7,"content":"x"}]`), "id -7"},
		{settings("normalizer", `{"type":"Precompiled","precompiled_charsmap":"!"}`), "precompiled_charsmap"},
		{settings("post_processor", `{"type":"BertProcessing","cls":["<no>",1],"sep":["<e>",3]}`), `"<no>"`},
	} {
		if _, err := hftokenizer.Read(c.file, nil, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s: error %v, want %s", c.file, err, c.want)
		}
	}
	if _, err := hftokenizer.Read(settings(), []byte(`{"bos_token":3}`), 0); err == nil {
		t.Error("a number is a name")
	}
	if _, err := hftokenizer.Read(settings(), nil, 1<<30); err == nil {
		t.Error("2^30 pieces")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(settings(), []byte(`{"eos_token":"<e>"}`), "ab <t>")
	f.Add(settings("model", `{"type":"Unigram","unk_id":0,"vocab":[["u",0],["a",-1.5]]}`, "pre_tokenizer", `{"type":"Metaspace"}`, "decoder", "null"), []byte("{}"), "aa")
	f.Add(settings("model", `{"type":"WordPiece","unk_token":"a","vocab":{"a":0,"##b":1}}`, "pre_tokenizer", `{"type":"BertPreTokenizer"}`, "decoder", "null"), []byte("null"), "ab")
	f.Fuzz(func(t *testing.T, file, config []byte, text string) {
		tok, err := hftokenizer.Read(file, config, 0)
		if err != nil || len(text) > 1000 {
			return
		}
		if _, err := tok.Decode(tok.Prompt(tok.EncodeSpecial(text))); err != nil {
			t.Fatal(err)
		}
	})
}
