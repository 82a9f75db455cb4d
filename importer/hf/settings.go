package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// key is a key behind the architecture's name.
func (f *Folder) key(s string) string { return f.family.arch + "." + s }

// settings turns config.json into keys.
func (f *Folder) settings() {
	f.put("general.architecture", f.family.arch)
	if abs, err := filepath.Abs(f.dir); err == nil {
		f.put("general.name", filepath.Base(abs))
	}
	for _, x := range f.family.fields {
		f.field(x)
	}
	for _, x := range append(f.family.fixed, fixed{name: "quantization_config"}) {
		if v, ok := f.config[x.name]; ok && v != nil && !slices.ContainsFunc(x.values, func(w any) bool { return same(v, w) }) {
			f.problem("%s: %s is %s, supported is %v or none", configName, x.name, short(v), x.values)
		}
	}
	f.activation()
	for _, more := range f.family.more {
		more(f)
	}
}

// same compares a value of config.json with a wanted one; numbers and lists by their text.
func same(v, want any) bool {
	switch x := v.(type) {
	case json.Number, []any:
		return fmt.Sprint(x) == fmt.Sprint(want)
	case string, bool:
		return x == want
	}
	return false
}

func short(v any) string {
	if s := fmt.Sprint(v); len(s) <= 60 {
		return s
	}
	return fmt.Sprint(v)[:60] + "..."
}

// lookup is the first of the names, separated by blanks, that o has and that is not null.
func lookup(o object, names string) any {
	for _, name := range strings.Fields(names) {
		if v := o[name]; v != nil {
			return v
		}
	}
	return nil
}

func (f *Folder) field(x field) {
	v := lookup(f.config, x.name)
	if v == nil {
		if x.must {
			f.problem("%s: there is no %s", configName, x.name)
		}
		return
	}
	f.keep(x, v)
}

// keep puts a number under the key of a field.
func (f *Folder) keep(x field, v any) {
	if x.real {
		if n, ok := number(v); ok {
			f.put(f.key(x.key), n)
			return
		}
	} else if n, ok := integer(v); ok {
		f.put(f.key(x.key), n)
		return
	}
	f.problem("%s: %s is %s, want a number", configName, x.name, short(v))
}

// activation puts the activation where it is not what the architecture implies.
func (f *Folder) activation() {
	v := lookup(f.config, "hidden_activation hidden_act activation_function")
	if v == nil {
		return
	}
	act, ok := map[any]string{
		"silu": "silu", "swish": "silu", "gelu": "gelu", "relu": "relu",
		"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh",
	}[fmt.Sprint(v)]
	if !ok {
		f.problem("%s: activation %s is not supported", configName, short(v))
	} else if act != f.family.act {
		f.put(f.key("activation"), act)
	}
}

// ropeObject is rope_parameters of newer folders, rope_scaling of older ones; nil if there is none.
func (f *Folder) ropeObject() object {
	v := lookup(f.config, "rope_parameters rope_scaling")
	o, ok := v.(object)
	if v != nil && !ok {
		f.problem("%s: rope_scaling is %s, want an object", configName, short(v))
	}
	return o
}

// rope puts the settings of rotary embeddings.
func (f *Folder) rope() {
	o := f.ropeObject()
	if full, ok := o["full_attention"].(object); ok { // one object for each kind of layer
		local, _ := o["sliding_attention"].(object)
		f.theta("rope.freq_base_swa", "rope_theta", local)
		if kind := lookup(local, "rope_type type"); kind != nil && kind != "default" {
			f.problem("%s: rope_type %s of sliding_attention is not supported", configName, short(kind))
		}
		o = full
	}
	f.theta("rope.freq_base", "rope_theta", f.config, o)
	f.theta("rope.freq_base_swa", "rope_local_base_freq", f.config)
	f.partial(o)
	kind := lookup(o, "rope_type type")
	switch kind {
	case nil, "default", "none":
	case "linear", "llama3", "yarn":
		f.put(f.key("rope.scaling.type"), kind)
		f.scaling(o)
	case "longrope", "su":
		f.put(f.key("rope.scaling.type"), "longrope")
		f.scaling(o)
		f.factors(o, "long_factor", "rope_factors_long.weight")
		f.factors(o, "short_factor", "rope_factors_short.weight")
	default:
		f.problem("%s: rope_scaling of type %s is not supported, supported are linear, llama3, yarn, longrope", configName, short(kind))
	}
}

// theta puts a base under a key, from the last of the objects that has it.
func (f *Folder) theta(key, name string, from ...object) {
	for _, o := range from {
		if v := o[name]; v != nil {
			f.keep(field{name: name, key: key, real: true}, v)
		}
	}
}

// partial puts the number of rotated elements where only a part of a head is.
func (f *Folder) partial(o object) {
	v := lookup(o, "partial_rotary_factor")
	if v == nil {
		v = lookup(f.config, "partial_rotary_factor")
	}
	if v == nil {
		return
	}
	part, ok := number(v)
	n := float64(f.headDim()) * part
	if !ok || n != math.Trunc(n) || n < 1 || n > 1<<20 {
		f.problem("%s: partial_rotary_factor %s of heads of %d", configName, short(v), f.headDim())
		return
	}
	f.put(f.key("rope.dimension_count"), uint64(n))
}

// headDim is the width of a head, 0 if the settings do not tell.
func (f *Folder) headDim() uint64 {
	if n, err := f.Uint(f.key("attention.key_length")); err == nil {
		return n
	}
	width, _ := f.Uint(f.key("embedding_length"))
	heads, _ := f.Uint(f.key("attention.head_count"))
	return width / max(1, heads)
}

// scaling puts the parameters of scaled rotary embeddings.
func (f *Folder) scaling(o object) {
	for _, x := range []field{
		{name: "factor", key: "factor", real: true},
		{name: "low_freq_factor", key: "low_freq_factor", real: true},
		{name: "high_freq_factor", key: "high_freq_factor", real: true},
		{name: "attention_factor", key: "attn_factor", real: true},
		{name: "beta_fast", key: "yarn_beta_fast", real: true},
		{name: "beta_slow", key: "yarn_beta_slow", real: true},
	} {
		if v := o[x.name]; v != nil {
			x.key = "rope.scaling." + x.key
			f.keep(x, v)
		}
	}
	for _, name := range []string{"mscale", "mscale_all_dim", "truncate"} {
		if v := o[name]; v != nil && v != true {
			f.problem("%s: rope_scaling has %s %s, which is not supported", configName, name, short(v))
		}
	}
	original := lookup(o, "original_max_position_embeddings")
	if original == nil {
		original = lookup(f.config, "original_max_position_embeddings max_position_embeddings")
	}
	if original != nil {
		f.keep(field{name: "original_max_position_embeddings", key: "rope.scaling.original_context_length"}, original)
	}
}

// factors adds a tensor of the factors of a list, one for each rotated pair.
func (f *Folder) factors(o object, name, tensor string) {
	list, _ := o[name].([]any)
	data := make([]float32, len(list))
	for i, v := range list {
		x, ok := number(v)
		if !ok {
			f.problem("%s: %s[%d] is %s, want a number", configName, name, i, short(v))
			return
		}
		data[i] = float32(x)
	}
	if len(data) == 0 || len(data) > 1<<16 {
		f.problem("%s: %s is a list of %d factors", configName, name, len(data))
		return
	}
	f.add(tensor, view{kind: constant, rows: 1, rowLen: len(data), data: data})
}

// window puts how far layers attend and which of them.
func (f *Folder) window() {
	v := lookup(f.config, "sliding_window")
	if v == nil {
		return
	}
	f.keep(field{name: "sliding_window", key: "attention.sliding_window"}, v)
	if n := lookup(f.config, "sliding_window_pattern _sliding_window_pattern"); n != nil {
		f.keep(field{name: "sliding_window_pattern", key: "attention.sliding_window_pattern"}, n)
	}
	f.layerTypes()
}

// layerTypes puts a pattern that says of every layer what layer_types says.
func (f *Folder) layerTypes() {
	list, ok := f.config["layer_types"].([]any)
	if !ok {
		return
	}
	layers, _ := f.Uint(f.key("block_count"))
	if uint64(len(list)) != layers {
		f.problem("%s: %d layer_types for %d layers", configName, len(list), layers)
		return
	}
	n := slices.Index(list, "full_attention") + 1 // 0: all layers have windows
	for i, v := range list {
		if want := kindOf(n > 0 && (i+1)%n == 0); v != want {
			f.problem("%s: layer_types[%d] is %s; supported is every nth layer with full_attention, the others with sliding_attention", configName, i, short(v))
			return
		}
	}
	if n > 0 {
		f.put(f.key("attention.sliding_window_pattern"), uint64(n))
	}
}

func kindOf(full bool) any {
	if full {
		return "full_attention"
	}
	return "sliding_attention"
}

// windowIfUsed is window for architectures with a switch for it.
func (f *Folder) windowIfUsed() {
	if f.config["use_sliding_window"] != true {
		return
	}
	if first, _ := integer(f.config["max_window_layers"]); first != 0 {
		f.problem("%s: use_sliding_window from layer %d on is not supported, only for all layers", configName, first)
		return
	}
	f.window()
}

// scale puts the factor of the scores where it is not that of the width of a head.
func (f *Folder) scale() {
	v := f.config["query_pre_attn_scalar"]
	x, ok := number(v)
	if v == nil || ok && x == float64(f.headDim()) {
		return
	}
	if !ok || !(x > 0) {
		f.problem("%s: query_pre_attn_scalar is %s, want a number above 0", configName, short(v))
		return
	}
	f.put(f.key("attention.scale"), float64(float32(1/math.Sqrt(x))))
}

// expertNorm puts whether the weights of the experts that were chosen are brought to the sum 1.
func (f *Folder) expertNorm() {
	if on, ok := f.config["norm_topk_prob"].(bool); ok {
		f.put(f.key("expert_weights_norm"), on)
	}
}

// inner puts the usual feed-forward width where n_inner is null.
func (f *Folder) inner() {
	if n, err := f.Uint(f.key("embedding_length")); err == nil && !f.Has(f.key("feed_forward_length")) {
		f.put(f.key("feed_forward_length"), 4*n)
	}
}

// encoder puts what tells an encoder from a decoder.
func (f *Folder) encoder() {
	f.put(f.key("attention.causal"), false)
	if n, ok := integer(f.config["type_vocab_size"]); ok {
		f.put("tokenizer.ggml.token_type_count", n)
	}
	f.sentence()
}

// texts puts the chat template and the end ids.
func (f *Folder) texts() error {
	config, err := optionalObject(f.dir, textName)
	if err != nil {
		return err
	}
	if err := f.template(config); err != nil {
		return err
	}
	generation, err := optionalObject(f.dir, generationName)
	if err != nil {
		return err
	}
	ends := lookup(generation, "eos_token_id")
	if ends == nil {
		ends = f.config["eos_token_id"]
	}
	list, ok := ends.([]any)
	if !ok && ends != nil {
		list = []any{ends}
	}
	var ids []int64
	for _, v := range list {
		id, ok := integer(v)
		if !ok || id > math.MaxInt32 {
			return fmt.Errorf("eos_token_id %s, want ids", short(v))
		}
		ids = append(ids, int64(id))
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) > 0 {
		f.put(EndIDs, ids)
	}
	return nil
}

// Keys that GGUF files do not have or only this package needs to name.
const (
	// EndIDs are the ids that end an answer, ascending.
	EndIDs = "elenchus.end_ids"
	// ChatTemplate is the text of the chat template.
	ChatTemplate = "tokenizer.chat_template"
)

// template puts the chat template: of its own file, else of tokenizer_config.json, where a list has
// the one named default.
func (f *Folder) template(config object) error {
	if b, err := readFile(f.dir, templateName); err == nil {
		f.put(ChatTemplate, string(b))
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old, err := optionalObject(f.dir, oldTemplate)
	if err != nil {
		return err
	}
	v := lookup(old, "chat_template")
	if v == nil {
		v = lookup(config, "chat_template")
	}
	if list, ok := v.([]any); ok {
		for _, x := range list {
			if o, ok := x.(object); ok && o["name"] == "default" {
				v = o["template"]
			}
		}
	}
	if s, ok := v.(string); ok {
		f.put(ChatTemplate, s)
	}
	return nil
}

// optionalObject is an object of the folder, nil if there is no such file.
func optionalObject(dir, name string) (object, error) {
	o, err := readObject(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return o, err
}
