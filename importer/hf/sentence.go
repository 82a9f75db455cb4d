package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Files of sentence-transformers beside those of the encoder.
const (
	modulesName  = "modules.json"
	sentenceName = "sentence_bert_config.json"
	promptsName  = "config_sentence_transformers.json"
)

// Keys of encoders that GGUF files do not have: Normalize says that vectors are scaled to length 1,
// MaxPieces is the most pieces of a text.
const (
	Normalize = "normalize"
	MaxPieces = "max_pieces"
)

// module is a row of modules.json.
type module struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

// sentence reads what sentence-transformers says of the way from hidden states to a vector, if the
// folder is one of its models: an encoder, a pooling and perhaps a scaling to length 1, in this order.
func (f *Folder) sentence() {
	b, err := readFile(f.dir, modulesName)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []module
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil || len(list) > 16 {
		f.problem("%s: %v, want at most 16 modules", modulesName, err)
		return
	}
	var kinds []string
	for _, m := range list {
		kinds = append(kinds, m.Type[strings.LastIndex(m.Type, ".")+1:])
	}
	want := []string{"Transformer", "Pooling", "Normalize"}
	for i, k := range kinds {
		if !slices.Contains(want, k) || !strings.HasPrefix(list[i].Type, "sentence_transformers.") {
			f.problem("%s: module %q: only Transformer, Pooling and Normalize are computed", modulesName, list[i].Type)
		}
	}
	if len(kinds) < 2 || !slices.Equal(kinds, want[:min(len(kinds), 3)]) {
		f.problem("%s: modules %v, want Transformer, Pooling and perhaps Normalize", modulesName, kinds)
		return
	}
	if list[0].Path != "" {
		f.problem("%s: the encoder lies in %q, want this folder", modulesName, list[0].Path)
	}
	f.pooling(list[1].Path)
	f.put(f.key(Normalize), len(kinds) == 3)
	f.pieces()
	f.prompts()
}

// poolings are what hidden states can be pooled by, under the number that GGUF has for it; 0: not computed.
func poolings() map[string]uint64 {
	return map[string]uint64{
		"mean": 1, "cls": 2, "max": 0, "mean_sqrt_len_tokens": 0, "weightedmean": 0, "lasttoken": 0,
		"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2, "pooling_mode_max_tokens": 0,
		"pooling_mode_mean_sqrt_len_tokens": 0, "pooling_mode_weightedmean_tokens": 0, "pooling_mode_lasttoken": 0,
	}
}

// pooling reads the pooling's folder: a name, or one switch among several.
func (f *Folder) pooling(dir string) {
	if dir == "" || strings.ContainsAny(dir, `/\`) || strings.HasPrefix(dir, ".") {
		f.problem("%s: the pooling lies in %q, want a folder beside it", modulesName, dir)
		return
	}
	name := dir + "/config.json"
	o, err := readObject(f.dir, name)
	if err != nil {
		f.problem("%s: %v", name, err)
		return
	}
	var on []string
	for k, v := range o {
		switch mode, isText := v.(string); {
		case k == "pooling_mode" && isText:
			on = append(on, mode)
		case strings.HasPrefix(k, "pooling_mode_") && v == true:
			on = append(on, k)
		case k == "include_prompt" && v != true:
			f.problem("%s: include_prompt %s, want true", name, short(v))
		}
	}
	slices.Sort(on)
	n := uint64(0)
	if len(on) == 1 {
		n = poolings()[on[0]]
	}
	if n == 0 {
		f.problem("%s: pooling by %s: the mean or the first row (cls) alone are computed", name, strings.Join(on, " and "))
		return
	}
	f.put(f.key("pooling_type"), n)
}

// pieces puts the most pieces of a text: the least that a file says.
func (f *Folder) pieces() {
	most := uint64(0)
	for _, at := range []struct{ file, name string }{{sentenceName, "max_seq_length"}, {textName, "model_max_length"}} {
		o, err := optionalObject(f.dir, at.file)
		if err != nil {
			f.problem("%s: %v", at.file, err)
			continue
		}
		if n, ok := integer(lookup(o, at.name)); ok && n > 0 && (most == 0 || n < most) {
			most = n
		}
	}
	if most > 0 && most < 1<<20 {
		f.put(f.key(MaxPieces), most)
	}
}

// prompts refuses a text that would be put before every other.
func (f *Folder) prompts() {
	o, err := optionalObject(f.dir, promptsName)
	if err != nil {
		f.problem("%s: %v", promptsName, err)
		return
	}
	name, _ := lookup(o, "default_prompt_name").(string)
	all, _ := lookup(o, "prompts").(object)
	if text, _ := all[name].(string); text != "" {
		f.problem("%s: the default prompt %q stands before every text: it is not added here, send it with the text", promptsName, fmt.Sprintf("%.64s", text))
	}
}
