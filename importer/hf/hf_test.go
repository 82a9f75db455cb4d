package hf_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
	"elenchus/importer/hf"
	"elenchus/importer/safetensors"
	"elenchus/importer/safetensors/safetensorstest"
)

var _ importer.Source = (*hf.Folder)(nil)

// folder writes files into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// weights is a file of tensors of zeros of the shapes, in the order of the names.
func weights(shapes map[string][]int) string {
	var b safetensorstest.Builder
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i)
		}
		b.Add(name, safetensors.F32, shapes[name], v)
	}
	return string(b.Bytes())
}

const llamaConfig = `{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":48,"intermediate_size":80,
"num_hidden_layers":2,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":128,"vocab_size":300,
"rms_norm_eps":1e-05,"rope_theta":10000.0,"hidden_act":"silu","tie_word_embeddings":%v,"torch_dtype":"float32"}`

// TestFolderAndFileGiveTheSameModel: the weights of a GGUF file, laid out as a trainer leaves them,
// give the same id. The rows of q and k are moved by the definition of the permutation, reshape to
// [heads, 2, half] and swap, not by the reader's formula.
func TestFolderAndFileGiveTheSameModel(t *testing.T) {
	for _, c := range []struct {
		file gguf.Type
		ty   safetensors.Type
		tied bool
	}{{gguf.F32, safetensors.F32, false}, {gguf.F16, safetensors.F16, true}} {
		raw := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 48, Hidden: 80, Layers: 2, Heads: 6, KVHeads: 2, Pieces: 300, Type: c.file, Tied: c.tied, Seed: 7})
		f, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		dir := folder(t, map[string]string{"config.json": fmt.Sprintf(llamaConfig, c.tied), "model.safetensors": string(trained(t, f, c.ty))})
		want, err := importer.Import(f, importer.Options{NoText: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := importer.File(dir, importer.Options{NoText: true})
		if err != nil {
			t.Fatal(err)
		}
		if got.ID() != want.ID() {
			t.Errorf("%s: the folder has id %s, the file %s", c.ty, got.ID(), want.ID())
		}
		again, err := importer.File(filepath.Join(dir, "model.safetensors"), importer.Options{NoText: true})
		if err != nil || again.ID() != want.ID() {
			t.Errorf("%s: the safetensors file alone: %v", c.ty, err)
		}
	}
}

// trained is the tensors of a llama file as a trainer names and lays them out.
func trained(t testing.TB, f *gguf.File, ty safetensors.Type) []byte {
	t.Helper()
	names := strings.NewReplacer("token_embd", "model.embed_tokens", "output_norm", "model.norm", "attn_norm", "input_layernorm",
		"ffn_norm", "post_attention_layernorm", "attn_output", "self_attn.o_proj", "output", "lm_head", "blk.", "model.layers.",
		"attn_q", "self_attn.q_proj", "attn_k", "self_attn.k_proj", "attn_v", "self_attn.v_proj",
		"ffn_gate", "mlp.gate_proj", "ffn_up", "mlp.up_proj", "ffn_down", "mlp.down_proj")
	var b safetensorstest.Builder
	for _, ten := range f.Tensors() {
		rows, k := ten.Rows(), ten.RowLen()
		v := make([]float32, rows*k)
		if err := f.ReadRows(ten, 0, v); err != nil {
			t.Fatal(err)
		}
		heads := 0
		if strings.Contains(ten.Name, "attn_q.") {
			heads = 6
		} else if strings.Contains(ten.Name, "attn_k.") {
			heads = 2
		}
		if heads > 0 {
			v = halves(v, heads, k)
		}
		shape := []int{rows, k}
		if rows == 1 {
			shape = []int{k}
		}
		kind := ty
		if rows == 1 {
			kind = safetensors.F32
		}
		b.Add(names.Replace(ten.Name), kind, shape, v)
	}
	return b.Bytes()
}

// halves moves rows [heads, half, 2] to [heads, 2, half].
func halves(v []float32, heads, k int) []float32 {
	half := len(v) / k / heads / 2
	out := make([]float32, len(v))
	for h := range heads {
		for i := range half {
			for j := range 2 {
				from, to := (h*half+i)*2+j, (h*2+j)*half+i
				copy(out[to*k:(to+1)*k], v[from*k:(from+1)*k])
			}
		}
	}
	return out
}
