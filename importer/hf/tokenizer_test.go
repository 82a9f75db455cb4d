package hf_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/tokenizer"
	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
	"elenchus/importer/hf"
	"elenchus/importer/safetensors"
)

const bpe = `{"added_tokens":[{"id":3,"content":"<s>","special":true},{"id":4,"content":"</s>","special":true}],"normalizer":null,
"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}]},
"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`

// A folder gives a whole model: the tokenizer has a piece for each row of the embedding, and is the
// one whose canonical bytes the model id binds.
func TestFolderGivesItsTokenizer(t *testing.T) {
	raw := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 48, Hidden: 80, Layers: 2, Heads: 6, KVHeads: 2, Pieces: 300, Type: gguf.F32, Seed: 7})
	f, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string]string{
		"config.json": fmt.Sprintf(llamaConfig, false), "model.safetensors": string(trained(t, f, safetensors.F32)),
		"tokenizer.json": bpe, "tokenizer_config.json": `{"eos_token":"</s>"}`,
	})
	man, err := importer.File(dir, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	if tok.Size() != 300 || tok.EOS() != 4 || !slices.Equal(man.Model.EndIDs, []int32{4}) {
		t.Errorf("%d pieces, EOS %d, end ids %v", tok.Size(), tok.EOS(), man.Model.EndIDs)
	}
	if got := tok.Prompt(tok.Encode("abba</s>")); !slices.Equal(got, []int32{3, 2, 1, 0}) {
		t.Errorf("prompt %v", got)
	}
	if text, err := tok.Decode([]int32{2, 299, 4}); err != nil || text != "ab" {
		t.Errorf("decoded %q, %v", text, err)
	}
}

func TestFoldersWithoutAKnownTokenizerSayWhy(t *testing.T) {
	files := map[string]string{"config.json": fmt.Sprintf(llamaConfig, true), "model.safetensors": weights(map[string][]int{"model.embed_tokens.weight": {300, 48}})}
	open := func(more string) error {
		dir := folder(t, files)
		if more != "" {
			if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(more), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := hf.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = f.Tokenizer()
		return err
	}
	for more, want := range map[string]string{"": "has no tokenizer.json", `{"model":{"type":"WordLevel"}}`: `"WordLevel"`} {
		if err := open(more); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", more, err, want)
		}
	}
}
