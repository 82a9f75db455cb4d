package hf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/importer/safetensors"
)

// TestHostileConfigsAreRefused has a text for each rule that only this rule rejects.
func TestHostileConfigsAreRefused(t *testing.T) {
	const ok = `"architectures":["LlamaForCausalLM"]`
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "unexpected EOF"},
		{"cut", `{"a":[1`, "EOF"},
		{"list", "[1]", "want one object"},
		{"two objects", "{}{}", "nothing after it"},
		{"key twice", `{"a":1,"a":2}`, `"a" appears twice`},
		{"inner key twice", `{"a":[{"b":1,"b":1}]}`, `"b" appears twice`},
		{"deep", strings.Repeat(`{"a":`, 1<<18), "nest deeper than 16"},
		{"deep lists", `{"a":` + strings.Repeat("[", 1<<18), "nest deeper than 16"},
		{"no UTF-8", "{\"a\":\"\xff\"}", "no UTF-8"},
		{"large", "{" + strings.Repeat(" ", maxJSON) + "}", "more than 16777216 bytes"},
		{"no class", "{}", "0 classes"},
		{"two classes", `{"architectures":["a","b"]}`, "2 classes"},
		{"class of another kind", `{"architectures":[1]}`, `architecture "" is not supported`},
		{"unknown class", `{"architectures":["MambaForCausalLM"]}`, "supported are LlamaForCausalLM, Mistral"},
		{"no weights", "{" + ok + "}", "no safetensors file"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, configName), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "give a GGUF file or the whole folder") {
		t.Errorf("an empty folder: %v", err)
	}
}

// TestSettingsThatCannotBeAreProblems wants one problem for each fault, and none without it.
func TestSettingsThatCannotBeAreProblems(t *testing.T) {
	const good = `"architectures":["Gemma3ForCausalLM"],"max_position_embeddings":64,"hidden_size":32,"num_hidden_layers":2,
"intermediate_size":48,"vocab_size":96,"num_attention_heads":4,"rms_norm_eps":1e-6,"head_dim":8,"sliding_window":16`
	for _, c := range []struct{ text, want string }{
		{`"num_key_value_heads":-1`, "num_key_value_heads is -1, want a number"},
		{`"num_key_value_heads":1.5`, "num_key_value_heads is 1.5"},
		{`"num_key_value_heads":1e300`, "num_key_value_heads is 1e300"},
		{`"num_key_value_heads":"2"`, "num_key_value_heads is 2"},
		{`"final_logit_softcapping":1e39`, "final_logit_softcapping is 1e39"},
		{`"use_bidirectional_attention":true`, "use_bidirectional_attention is true"},
		{`"query_pre_attn_scalar":0`, "query_pre_attn_scalar is 0"},
		{`"layer_types":["full_attention"]`, "1 layer_types for 2 layers"},
		{`"layer_types":["full_attention","sliding_attention"]`, "layer_types[1] is sliding_attention"},
		{`"layer_types":["sliding_attention","chunked_attention"]`, "layer_types[1] is chunked_attention"},
		{`"rope_scaling":7`, "rope_scaling is 7, want an object"},
		{`"rope_scaling":{"type":"yarn","factor":2,"mscale":0.7}`, "mscale 0.7"},
		{`"rope_scaling":{"type":"longrope","long_factor":["x"],"short_factor":[1]}`, "long_factor[0] is x"},
		{`"rope_scaling":{"type":"longrope","long_factor":[1]}`, "short_factor is a list of 0"},
		{`"rope_parameters":{"full_attention":{},"sliding_attention":{"rope_type":"yarn"}}`, "rope_type yarn of sliding_attention"},
		{`"partial_rotary_factor":0.3`, "partial_rotary_factor 0.3 of heads of 8"},
	} {
		f := settingsOf(t, "{"+good+","+c.text+"}")
		if len(f.problems) != 1 || !strings.Contains(f.problems[0].Error(), c.want) {
			t.Errorf("%s: problems %v, want %q", c.text, f.problems, c.want)
		}
	}
	if f := settingsOf(t, "{"+good+"}"); len(f.problems) != 0 {
		t.Errorf("problems %v", f.problems)
	}
}

func settingsOf(t *testing.T, text string) *Folder {
	t.Helper()
	config, err := parseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	family, err := findFamily(config)
	if err != nil {
		t.Fatal(err)
	}
	f := &Folder{config: config, family: family, values: map[string]any{}, views: map[string]view{}}
	f.settings()
	return f
}

// FuzzConfig wants no panic of anything that reads config.json.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"architectures":["Phi3ForCausalLM"],"hidden_size":32,"num_attention_heads":4,"partial_rotary_factor":0.5,"layer_types":["full_attention"],
"rope_scaling":{"type":"longrope","long_factor":[1,2],"short_factor":[1,1]},"sliding_window":7}`))
	f.Add([]byte(`{"architectures":["Qwen2MoeForCausalLM"],"use_sliding_window":true,"max_window_layers":0,"sliding_window":4,"norm_topk_prob":true,"hidden_act":[1]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		config, err := parseObject(b)
		if err != nil {
			return
		}
		family, err := findFamily(config)
		if err != nil {
			return
		}
		x := &Folder{config: config, family: family, set: &safetensors.Set{}, values: map[string]any{}, views: map[string]view{}}
		x.settings()
		x.tensors()
		for _, key := range x.Keys() {
			if !x.Has(key) {
				t.Fatalf("key %q is not there", key)
			}
		}
	})
}
