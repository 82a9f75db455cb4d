package hf_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/importer"
	"elenchus/importer/hf"
	"elenchus/importer/safetensors"
	"elenchus/importer/safetensors/safetensorstest"
)

// saved is what transformers saves of a model of a class; tools/hf-fixtures.py wrote it.
type saved struct {
	Config  map[string]any
	Tensors map[string][]any // type and shape
}

func readSaved(t testing.TB, name string) saved {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var s saved
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// folder makes up numbers: element i of a tensor is i/8, which every type holds up to 32.
func (s saved) folder(t testing.TB) string {
	t.Helper()
	var names []string
	for name := range s.Tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	var b safetensorstest.Builder
	for _, name := range names {
		var shape []int
		n := 1
		for _, d := range s.Tensors[name][1:] {
			shape = append(shape, int(d.(float64)))
			n *= int(d.(float64))
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i%256) / 8
		}
		b.Add(name, safetensors.Type(s.Tensors[name][0].(string)), shape, v)
	}
	config, err := json.Marshal(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	return folder(t, map[string]string{"config.json": string(config), "model.safetensors": string(b.Bytes())})
}

func families(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) < 13 {
		t.Fatalf("%d fixtures (%v)", len(paths), err)
	}
	var out []string
	for _, p := range paths {
		out = append(out, strings.TrimSuffix(filepath.Base(p), ".json"))
	}
	return out
}

// TestEveryClassHasItsKeysAndTensors holds keys and tensors of a model of each class against
// testdata/*.txt, which was compared with the converter's tables by hand. ELENCHUS_UPDATE=1 writes it.
func TestEveryClassHasItsKeysAndTensors(t *testing.T) {
	for _, name := range families(t) {
		f, err := hf.Open(readSaved(t, name).folder(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := f.Unsupported(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		golden(t, "testdata/"+name+".txt", describe(t, f))
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func describe(t testing.TB, f *hf.Folder) string {
	t.Helper()
	var lines []string
	for _, key := range f.Keys() {
		if key == "general.name" { // a random folder
			continue
		}
		lines = append(lines, key+" = "+value(f, key))
	}
	names := f.Names()
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, "blk.") && !strings.HasPrefix(name, "blk.0.") {
			continue
		}
		rows, k, _ := f.Shape(name)
		lines = append(lines, fmt.Sprintf("%s %d x %d", name, rows, k))
	}
	return strings.Join(lines, "\n") + "\n"
}

func value(f *hf.Folder, key string) string {
	if v, err := f.Uint(key); err == nil {
		return fmt.Sprint(v)
	}
	if v, err := f.Float(key); err == nil {
		return fmt.Sprintf("%.9g float", v)
	}
	if v, err := f.Bool(key); err == nil {
		return fmt.Sprint(v)
	}
	if v, err := f.Ints(key); err == nil {
		return fmt.Sprint(v)
	}
	v, err := f.String(key)
	return fmt.Sprintf("%q%v", v, map[bool]any{true: "", false: err}[err == nil])
}

func golden(t testing.TB, path, got string) {
	t.Helper()
	if os.Getenv("ELENCHUS_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// TestRowsAreWhereConvertersLeaveThem reads tensors of each special layout and compares them with
// the definition: rows of halves of heads, 1 added, transposed, stacked.
func TestRowsAreWhereConvertersLeaveThem(t *testing.T) {
	raw := func(i int) float32 { return float32(i%256) / 8 }
	for _, c := range []struct {
		model, tensor string
		rows, k       int
		at            func(row, j int) float32
	}{
		// Heads of 8: row 2j is j, row 2j + 1 is 4 + j.
		{"llama", "blk.1.attn_q.weight", 32, 32, func(row, j int) float32 { return raw((row/8*8+row%2*4+row%8/2)*32 + j) }},
		{"llama", "blk.1.attn_k.weight", 16, 32, func(row, j int) float32 { return raw((row/8*8+row%2*4+row%8/2)*32 + j) }},
		{"llama", "blk.1.attn_v.weight", 16, 32, func(row, j int) float32 { return raw(row*32 + j) }},
		{"llama3", "blk.0.attn_q.bias", 1, 32, func(_, j int) float32 { return raw(j/8*8 + j%2*4 + j%8/2) }},
		{"llama3", "blk.0.attn_v.bias", 1, 16, func(_, j int) float32 { return raw(j) }},
		{"qwen2", "blk.0.attn_q.weight", 32, 32, func(row, j int) float32 { return raw(row*32 + j) }},
		{"gemma2", "blk.1.post_ffw_norm.weight", 1, 32, func(_, j int) float32 { return raw(j) + 1 }},
		{"gemma3", "blk.6.attn_q_norm.weight", 1, 16, func(_, j int) float32 { return raw(j) + 1 }},
		{"gemma3", "token_embd.weight", 96, 32, func(row, j int) float32 { return raw(row*32 + j) }},
		{"gpt2", "blk.1.ffn_up.weight", 128, 32, func(row, j int) float32 { return raw(j*128 + row) }},
		{"gpt2", "blk.1.attn_qkv.bias", 1, 96, func(_, j int) float32 { return raw(j) }},
		{"gpt2", "position_embd.weight", 64, 32, func(row, j int) float32 { return raw(row*32 + j) }},
		{"mixtral", "blk.1.ffn_down_exps.weight", 4 * 32, 48, func(row, j int) float32 { return raw(row%32*48 + j) }},
		{"qwen3moe", "blk.0.ffn_gate_exps.weight", 4 * 24, 32, func(row, j int) float32 { return raw(row%24*32 + j) }},
		{"phi3", "rope_factors_long.weight", 1, 4, func(_, j int) float32 { return []float32{1, 1.5, 2, 3}[j] }},
	} {
		f, err := hf.Open(readSaved(t, c.model).folder(t))
		if err != nil {
			t.Fatal(err)
		}
		rows, k, ok := f.Shape(c.tensor)
		if !ok || rows != c.rows || k != c.k {
			t.Errorf("%s %s is %d x %d (%v), want %d x %d", c.model, c.tensor, rows, k, ok, c.rows, c.k)
			continue
		}
		all, some := make([]float32, rows*k), make([]float32, (rows+1)/2*k)
		if err := f.Rows(c.tensor, 0, all); err != nil {
			t.Fatal(err)
		}
		if err := f.Rows(c.tensor, rows/2, some); err != nil || !slices.Equal(some, all[rows/2*k:]) {
			t.Errorf("%s %s: the second half differs read alone (%v)", c.model, c.tensor, err)
		}
		for i, x := range all {
			if want := c.at(i/k, i%k); x != want {
				t.Errorf("%s %s: row %d element %d is %g, want %g", c.model, c.tensor, i/k, i%k, x, want)
				break
			}
		}
		if f.Rows(c.tensor, rows, some) == nil || f.Rows(c.tensor, -1, some) == nil {
			t.Errorf("%s %s: rows beyond the tensor are read", c.model, c.tensor)
		}
		_ = f.Close()
	}
}

// TestExpertsAreStackedByNumber puts the experts in the file in another order.
func TestExpertsAreStackedByNumber(t *testing.T) {
	var b safetensorstest.Builder
	for _, e := range []int{10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9} {
		b.Add(fmt.Sprintf("model.layers.0.block_sparse_moe.experts.%d.w1.weight", e), safetensors.F32, []int{1, 1}, []float32{float32(e)})
	}
	s := readSaved(t, "mixtral")
	s.Config["num_local_experts"] = 11
	config, _ := json.Marshal(s.Config)
	f, err := hf.Open(folder(t, map[string]string{"config.json": string(config), "model.safetensors": string(b.Bytes())}))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 11)
	if err := f.Rows("blk.0.ffn_gate_exps.weight", 0, got); err != nil || !slices.IsSorted(got) {
		t.Errorf("%v %v", got, err)
	}
}

// TestWhatCannotBeImportedIsListedAtOnce has a folder with several faults.
func TestWhatCannotBeImportedIsListedAtOnce(t *testing.T) {
	s := readSaved(t, "llama")
	s.Config["quantization_config"] = map[string]any{"quant_method": "gptq"}
	s.Config["hidden_act"] = "quick_gelu"
	s.Config["rope_parameters"] = map[string]any{"rope_type": "dynamic"}
	s.Tensors["model.layers.0.self_attn.sinks"] = []any{"F32", 4.0}
	delete(s.Config, "rms_norm_eps")
	delete(s.Tensors, "lm_head.weight")
	dir := s.folder(t)
	f, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Unsupported()
	for _, want := range []string{"quantization_config is", "quick_gelu", "of type dynamic", "no rms_norm_eps",
		"1 tensors have no place in the architecture LlamaForCausalLM: model.layers.0.self_attn.sinks", "no tensor lm_head.weight"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := importer.File(dir, importer.Options{}); err == nil || !strings.Contains(err.Error(), "quick_gelu") {
		t.Errorf("the import fails with %v", err)
	}
}
