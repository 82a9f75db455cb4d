package importer_test

import (
	"errors"
	"strings"
	"testing"

	"elenchus/importer"
	"elenchus/importer/gguf/ggufwrite"
)

// Experts that no model can have are refused by name before a weight is read.
func TestExpertsBeyondTheLimitsAreNamed(t *testing.T) {
	for _, c := range []struct {
		experts, chosen uint32
		rows            uint64
		scale           float32
		want            string
	}{
		{257, 2, 257, 1, "llama.expert_count is 257, want 1..256"},
		{64, 33, 64, 1, "llama.expert_used_count is 33, want 1..32"},
		{4, 5, 4, 1, "llama.expert_count: 5 of 4 experts"},
		{4, 2, 6, 1, "llama.expert_count: 2 of 4 experts with 6 rows"},
		{4, 2, 0, 1, "llama.expert_count: 2 of 4 experts with 0 rows"},
		{4, 2, 4, 17, "llama.expert_weights_scale is 17"},
		{4, 2, 4, 1, "blk.N.ffn_gate.weight x2"}, // a dense part beside experts
	} {
		b := ggufwrite.Model(small)
		b.SetUint32("llama.expert_count", c.experts)
		b.SetUint32("llama.expert_used_count", c.chosen)
		b.SetFloat32("llama.expert_weights_scale", c.scale)
		if c.rows > 0 {
			b.AddF32("blk.0.ffn_gate_exps.weight", []uint64{32, c.rows}, make([]float32, 32*c.rows))
		}
		if err := importBuilder(b); !errors.Is(err, importer.ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
