package gguf_test

import (
	"slices"
	"strings"
	"testing"

	"elenchus/compute/tokenizer"
	"elenchus/importer/gguf/ggufwrite"
)

// preNames are the names of tokenizer.ggml.pre that llama.cpp knew in November 2026.
const preNames = `default minicpm5 llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano deepseek-llm deepseek-coder
	deepseek-v3 spark2_5 youtu falcon mpt starcoder gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jais-2
	gemma4 granite-embed-multi-311m sarvam-moe jina-v1-en jina-v2-code roberta-bpe refact command-r qwen2 deepseek-r1-qwen kormo f2llmv2
	qwen35 stablelm2 olmo dbrx smaug-bpe poro-chat glm4 chatglm-bpe viking jais tekken smollm codeshell bloom gpt3-finnish exaone exaone4
	exaone-moe chameleon minerva-7b megrez gpt-4o llama4 kanana2 talkie granite-embed-multi-97m tiny_aya cohere2moe superbpe trillion
	granite-docling bailingmoe bailingmoe2 llada-moe seed-coder hunyuan hunyuan-dense hy_v4 joyai-llm kimi-k2 ufakzeka grok-2 afmoe laguna
	minimax-m2 solar-open mellum2`

// vocabulary writes a tokenizer model with pieces of kinds.
func vocabulary(model string, texts []string, kinds []int32, more func(*ggufwrite.Builder)) func(*ggufwrite.Builder) {
	return func(b *ggufwrite.Builder) {
		b.SetString("tokenizer.ggml.model", model)
		b.SetStrings("tokenizer.ggml.tokens", texts)
		if kinds != nil {
			b.SetInt32s("tokenizer.ggml.token_type", kinds)
		}
		more(b)
	}
}

// ranked is a small byte-level vocabulary with the name of pre.
func ranked(pre string, more func(*ggufwrite.Builder)) func(*ggufwrite.Builder) {
	texts := []string{"a", "b", "1", "2", "Ġ", "ab", "Ġa", "12", "▁", "<s>", "<|im_end|>", "é", "Ã", "©"}
	kinds := []int32{1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 4, 1, 1, 1}
	return vocabulary("gpt2", texts, kinds, func(b *ggufwrite.Builder) {
		if pre != "" {
			b.SetString("tokenizer.ggml.pre", pre)
		}
		b.SetStrings("tokenizer.ggml.merges", []string{"a b", "Ġ a", "1 2", "1 2"})
		b.SetUint32("tokenizer.ggml.bos_token_id", 9)
		more(b)
	})
}

func nothing(*ggufwrite.Builder) {}

func TestEveryNameOfPreIsKnown(t *testing.T) {
	raw := strings.Fields("gemma4 granite-embed-multi-311m sarvam-moe")
	for _, name := range strings.Fields(preNames) {
		tok, err := build(t, ranked(name, nothing)).Tokenizer()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := "ab|Ġa"
		if slices.Contains(raw, name) {
			want = "ab|▁|a"
		}
		if got := written(t, tok, "ab a"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		back, err := tok.Decode(tok.Encode("ab a12"))
		if err != nil || back != "ab a12" {
			t.Errorf("%s: came back as %q, %v", name, back, err)
		}
	}
	if _, err := build(t, ranked("gpt-9", nothing)).Tokenizer(); err == nil || !strings.Contains(err.Error(), `"gpt-9"`) {
		t.Errorf("unknown name: error %v", err)
	}
	if tok, err := build(t, ranked("", nothing)).Tokenizer(); err != nil || written(t, tok, "12") != "12" {
		t.Errorf("no name: %v", err)
	}
}

func written(t testing.TB, tok *tokenizer.Tokenizer, text string) string {
	t.Helper()
	var out []string
	for _, id := range tok.Encode(text) {
		p, err := tok.Piece(id)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Text)
	}
	return strings.Join(out, "|")
}

func TestNamesOfPreSettleWhatIsAdded(t *testing.T) {
	for _, c := range []struct {
		pre      string
		more     func(*ggufwrite.Builder)
		bos, eos bool
		end      int32
	}{
		{"gpt-2", nothing, false, false, tokenizer.None},
		{"llama-bpe", nothing, true, false, tokenizer.None},
		{"llama-bpe", func(b *ggufwrite.Builder) { b.SetBool("tokenizer.ggml.add_bos_token", false) }, false, false, tokenizer.None},
		{"roberta-bpe", func(b *ggufwrite.Builder) { b.SetUint32("tokenizer.ggml.seperator_token_id", 10) }, false, true, 10},
		{"qwen2", func(b *ggufwrite.Builder) { b.SetUint32("tokenizer.ggml.eos_token_id", 10) }, false, false, 10},
	} {
		tok, err := build(t, ranked(c.pre, c.more)).Tokenizer()
		if err != nil || tok.AddBOS() != c.bos || tok.AddEOS() != c.eos || tok.EOS() != c.end || tok.BOS() != 9 {
			t.Errorf("%s: %v, BOS %d %v, EOS %d %v", c.pre, err, tok.BOS(), tok.AddBOS(), tok.EOS(), tok.AddEOS())
		}
	}
}

// The name whitespace cuts at white space, which goes, and keeps letters: small ones only where the
// file says so.
func TestWhitespaceKeepsLetters(t *testing.T) {
	texts, kinds := []string{"<unk>", "a", "b", "ab", "\u4f60", "\u597d", "\u4f60\u597d"}, []int32{2, 1, 1, 1, 1, 1, 1}
	for _, c := range []struct {
		lower bool
		want  []int32
	}{{false, []int32{3, 6, 0}}, {true, []int32{3, 6, 3}}} {
		tok, err := build(t, vocabulary("gpt2", texts, kinds, func(b *ggufwrite.Builder) {
			b.SetString("tokenizer.ggml.pre", "whitespace")
			b.SetStrings("tokenizer.ggml.merges", []string{"a b", "\u4f60 \u597d"})
			b.SetUint32("tokenizer.ggml.unknown_token_id", 0)
			b.SetBool("tokenizer.ggml.normalizer.lowercase", c.lower)
		})).Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		text := "ab \u4f60\u597d\n\tAB"
		if got := slices.Compact(tok.Encode(text)); !slices.Equal(got, c.want) {
			t.Errorf("lower case %v: %q gives %v, want %v", c.lower, text, got, c.want)
		}
	}
}

// A file that calls the end of a turn user defined would let a user's text end the turn.
func TestControlLookingPiecesAreControl(t *testing.T) {
	tok, err := build(t, ranked("qwen2", nothing)).Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("a<|im_end|>"); slices.Contains(ids, 10) {
		t.Errorf("text gives %v", ids)
	}
	if ids := tok.EncodeSpecial("a<|im_end|>"); !slices.Contains(ids, 10) {
		t.Errorf("a template gives %v", ids)
	}
}

func TestWordPieceOfFiles(t *testing.T) {
	texts := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁un", "able", "▁É", "▁e"}
	kinds := []int32{3, 2, 3, 3, 1, 1, 1, 1}
	ids := func(b *ggufwrite.Builder) {
		b.SetUint32("tokenizer.ggml.cls_token_id", 2)
		b.SetUint32("tokenizer.ggml.seperator_token_id", 3)
		b.SetUint32("tokenizer.ggml.unknown_token_id", 1)
	}
	for _, c := range []struct {
		more func(*ggufwrite.Builder)
		want []int32
	}{
		{ids, []int32{2, 4, 5, 7, 3}},
		{func(b *ggufwrite.Builder) { ids(b); b.SetBool("tokenizer.ggml.normalizer.lowercase", false) }, []int32{2, 1, 6, 3}},
		{func(b *ggufwrite.Builder) { ids(b); b.SetBool("tokenizer.ggml.normalizer.strip_accents", false) }, []int32{2, 4, 5, 1, 3}},
	} {
		tok, err := build(t, vocabulary("bert", texts, kinds, c.more)).Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.Prompt(tok.Encode("Unable É")); !slices.Equal(got, c.want) {
			t.Errorf("ids %v, want %v", got, c.want)
		}
	}
}

func TestUnigramOfFiles(t *testing.T) {
	texts := []string{"<pad>", "</s>", "<unk>", "▁a", "a", "▁", "aa"}
	kinds := []int32{3, 3, 2, 1, 1, 1, 1}
	scores := func(b *ggufwrite.Builder) {
		b.SetFloat32s("tokenizer.ggml.scores", []float32{0, 0, 0, -1, -2, -3, -2.5})
	}
	for _, c := range []struct {
		more func(*ggufwrite.Builder)
		want string
	}{
		{scores, "aa|▁|▁a|<unk>"},
		{func(b *ggufwrite.Builder) { scores(b); b.SetBool("tokenizer.ggml.add_space_prefix", true) }, "▁a|a|▁|▁a|<unk>"},
		{func(b *ggufwrite.Builder) { scores(b); b.SetBool("tokenizer.ggml.remove_extra_whitespaces", true) }, "▁a|a|▁a|<unk>"},
	} {
		tok, err := build(t, vocabulary("t5", texts, kinds, c.more)).Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		if got := written(t, tok, "aa  axy"); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
		if p := tok.Prompt(nil); !slices.Equal(p, []int32{1}) {
			t.Errorf("an empty prompt is %v", p)
		}
	}
}

func TestRankedVocabulariesThatDoNotFitAreRefused(t *testing.T) {
	merges := func(m ...string) func(*ggufwrite.Builder) {
		return vocabulary("gpt2", []string{"a", "b", "ab"}, nil, func(b *ggufwrite.Builder) { b.SetStrings("tokenizer.ggml.merges", m) })
	}
	for _, c := range []struct {
		edit func(*ggufwrite.Builder)
		want string
	}{
		{vocabulary("gpt2", []string{"a"}, nil, nothing), "tokenizer.ggml.merges"},
		{merges("ab"), `"ab" is no pair`},
		{merges("a"), `"a" is no pair`},
		{merges("a c"), "no piece"},
		{merges("b a"), "no piece"},
		{vocabulary("t5", []string{"a"}, nil, nothing), "tokenizer.ggml.scores"},
		{vocabulary("t5", []string{"a"}, nil, func(b *ggufwrite.Builder) {
			b.SetFloat32s("tokenizer.ggml.scores", []float32{1})
		}), "unknown piece"},
		{vocabulary("bert", []string{"a"}, nil, nothing), "unknown piece"},
	} {
		if _, err := build(t, c.edit).Tokenizer(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
