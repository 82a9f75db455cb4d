package importer

import "elenchus/compute/opset"

// family is what an architecture means beyond its numbers: a new decoder is a row here.
type family struct {
	arch      string  // general.architecture
	half      bool    // the halves of a head are rotated, else neighbours
	layerNorm bool    // mean and variance, gain and bias; else the root mean square and a gain
	positions bool    // a learned row for each position; nothing is rotated
	width     bool    // embeddings are times sqrt(width)
	postNorm  bool    // what a block adds is normed first
	headNorm  bool    // heads of q and k are normed
	fusedQKV  bool    // q, k and v are rows of one matrix
	fusedUp   bool    // gate and up are rows of one matrix, in that order
	plain     bool    // the feed-forward block has no gate
	experts   bool    // the feed-forward block is a mixture of experts: the file says so
	act       string  // of the feed-forward block, unless the file names one
	pattern   int     // with a window: every nth layer attends to all positions; 0: none does
	localBase float64 // rotary base of windowed layers; 0: that of all
}

// decoders are the architectures that Import knows.
func decoders() []family {
	return []family{
		{arch: "llama", act: "silu"}, // also Mistral and SmolLM2
		{arch: "qwen2", half: true, act: "silu"},
		{arch: "qwen3", half: true, headNorm: true, act: "silu"},
		{arch: "qwen2moe", half: true, act: "silu"},
		{arch: "qwen3moe", half: true, headNorm: true, act: "silu"},
		{arch: "phi3", half: true, fusedQKV: true, fusedUp: true, act: "silu"},
		{arch: "gemma2", half: true, width: true, postNorm: true, act: "gelu_tanh", pattern: 2},
		{arch: "gemma3", half: true, width: true, postNorm: true, headNorm: true, act: "gelu_tanh", pattern: 6, localBase: 10000},
		{arch: "gpt2", layerNorm: true, positions: true, fusedQKV: true, plain: true, act: "gelu_tanh"},
	}
}

// curves are the activations by the names of Source.
func curves() map[string]int64 {
	return map[string]int64{"silu": opset.SiLU, "gelu_tanh": opset.GELUTanh, "gelu": opset.GELUErf}
}

// stems are the tensors of a layer, each with .weight.
func (m *family) stems() []string {
	out := []string{"attn_norm", "attn_output", "ffn_norm"}
	for _, s := range []struct {
		on    bool
		names []string
	}{
		{m.fusedQKV, []string{"attn_qkv"}}, {!m.fusedQKV, []string{"attn_q", "attn_k", "attn_v"}},
		{m.experts, expertStems()}, {!m.experts, []string{"ffn_up", "ffn_down"}},
		{!m.fusedUp && !m.plain && !m.experts, []string{"ffn_gate"}}, {m.headNorm, []string{"attn_q_norm", "attn_k_norm"}},
		{m.postNorm, []string{"post_attention_norm", "post_ffw_norm"}},
	} {
		if s.on {
			out = append(out, s.names...)
		}
	}
	return out
}

// outer are the tensors of no layer, each with .weight.
func (m *family) outer() []string {
	out := []string{"token_embd", "output_norm", "output"}
	if m.positions {
		return append(out, "position_embd")
	}
	return append(out, "rope_freqs", "rope_factors_long", "rope_factors_short")
}

// keys are the numbers of an architecture that Import heeds or that mean nothing to it.
func (m *family) keys() []string {
	return []string{
		"context_length", "embedding_length", "block_count", "feed_forward_length", "vocab_size", "activation",
		"attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length",
		"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon", "attention.scale", "attention.causal",
		"attention.sliding_window", "attention.sliding_window_pattern",
		"attn_logit_softcapping", "final_logit_softcapping",
		"rope.dimension_count", "rope.freq_base", "rope.freq_base_swa", "rope.scaling.type", "rope.scaling.factor",
		"rope.scaling.original_context_length", "rope.scaling.low_freq_factor", "rope.scaling.high_freq_factor",
		"rope.scaling.attn_factor", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
		"rope.scaling.finetuned", "tensor_data_layout", "expert_count", "expert_used_count",
		"expert_weights_norm", "expert_weights_scale", "expert_feed_forward_length", "expert_shared_feed_forward_length",
	}
}
