package importer_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

var small = ggufwrite.Llama{Dim: 32, Hidden: 48, Layers: 2, Heads: 4, KVHeads: 2, Type: gguf.F32, Seed: 3}

func importBuilder(b *ggufwrite.Builder) error {
	f, err := gguf.New(bytes.NewReader(b.Bytes()), int64(len(b.Bytes())))
	if err != nil {
		return err
	}
	_, err = importer.Import(f, importer.Options{})
	return err
}

// TestTensorsWithoutAPlaceAreNamed: none is left out in silence, all are told at once.
func TestTensorsWithoutAPlaceAreNamed(t *testing.T) {
	b := ggufwrite.Model(small)
	b.AddF32("blk.0.attn_sinks.weight", []uint64{4}, make([]float32, 4))
	b.AddF32("blk.1.attn_sinks.weight", []uint64{4}, make([]float32, 4))
	b.AddF32("mystery", []uint64{4}, make([]float32, 4))
	err := importBuilder(b)
	if !errors.Is(err, importer.ErrUnsupported) || !strings.Contains(err.Error(), "tensor blk.N.attn_sinks.weight x2; tensor mystery") {
		t.Errorf("error %v", err)
	}
}

// What the numbers of an architecture say and this version does not do is refused, all of it at once.
func TestSettingsWithoutMeaningAreNamed(t *testing.T) {
	b := ggufwrite.Model(small)
	b.SetString("llama.rope.scaling.type", "dynamic")
	b.SetString("llama.activation", "relu2")
	b.SetUint32("llama.expert_count", 8)
	b.SetUint32("llama.logit_scale", 3)
	b.SetUint32("llama.attention.value_length", 4)
	b.AddF32("blk.7.attn_norm.weight", []uint64{4}, make([]float32, 4))
	err := importBuilder(b)
	for _, want := range []string{`"dynamic"`, `"relu2"`, "llama.expert_count", "key llama.logit_scale", "8 in k and 4 in v", `layer "7" of 2`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestAllThatIsUnsupportedIsToldAtOnce: types of tensors and the tokenizer in one message.
func TestAllThatIsUnsupportedIsToldAtOnce(t *testing.T) {
	var b ggufwrite.Builder
	b.SetString("general.architecture", "mamba")
	b.SetString("tokenizer.ggml.model", "rwkv")
	b.SetStrings("tokenizer.ggml.tokens", []string{"a"})
	b.Add("x", 16, []uint64{256}, make([]byte, 66))
	b.Add("y", 16, []uint64{256}, make([]byte, 66))
	b.Add("z", 24, []uint64{256}, make([]byte, 256))
	err := importBuilder(&b)
	for _, want := range []string{`"mamba"`, "IQ2_XXS x2", "I8 x1", `"rwkv"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestNumbersThatAreNoneAreRefused names tensor and index of NaN and infinities, in matrices and
// vectors, whatever thread meets them.
func TestNumbersThatAreNoneAreRefused(t *testing.T) {
	for _, c := range []struct {
		bits uint16
		at   int
		want string
	}{{0x7c00, 40, "holds +Inf at 40"}, {0xfc00, 1023, "holds -Inf at 1023"}, {0x7e01, 0, "holds NaN at 0"}, {0xfdff, 512, "holds NaN at 512"}} {
		l := small
		l.Type = gguf.F16
		raw := ggufwrite.TinyLlama(l)
		f, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		ten, _ := f.Tensor("blk.1.attn_output.weight")
		raw[ten.Offset+int64(2*c.at)], raw[ten.Offset+int64(2*c.at)+1] = byte(c.bits), byte(c.bits>>8)
		_, err = importer.Bytes(raw, importer.Options{})
		if err == nil || !strings.Contains(err.Error(), "tensor blk.1.attn_output.weight "+c.want) {
			t.Errorf("%#04x: error %v, want %q", c.bits, err, c.want)
		}
	}
	raw := ggufwrite.TinyLlama(small)
	f, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	ten, _ := f.Tensor("output_norm.weight")
	bits := math.Float32bits(float32(math.Inf(1)))
	for i := range 4 {
		raw[ten.Offset+4*7+int64(i)] = byte(bits >> (8 * i))
	}
	if _, err = importer.Bytes(raw, importer.Options{}); err == nil || !strings.Contains(err.Error(), "tensor output_norm.weight holds +Inf at 7") {
		t.Errorf("error %v", err)
	}
}
