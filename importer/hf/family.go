package hf

import (
	"fmt"
	"slices"
	"strings"
)

// family says how folders of an architecture become GGUF keys and tensors: a new architecture is a
// row here.
type family struct {
	class  string // of "architectures" in config.json
	arch   string // as GGUF files call it
	fields []field
	fixed  []fixed
	tied   bool   // what tie_word_embeddings is where the file leaves it out
	act    string // activation that the architecture implies; "" where it implies none
	more   []func(f *Folder)

	prefix   string            // of tensor names, left out by some folders
	layers   string            // of the tensors of a layer, before its number
	outer    map[string]string // stems of tensors, without .weight or .bias
	block    map[string]string // likewise, of a layer
	expert   map[string]string // likewise, of an expert, after its number; "" before it: see experts
	experts  string            // before the number of an expert
	skip     []string          // ends of names of tensors without effect on logits
	permuted bool              // rows of q and k go to interleaved pairs
	shifted  bool              // norm weights are stored less 1
	conv     bool              // matrices of layers have a row for each input
}

// field is a number of config.json that becomes a key, behind the architecture's name.
type field struct {
	name string // others, that mean the same, after blanks
	key  string
	real bool
	must bool // else the key is left out where the field is absent or null
}

// fixed is a field that must have one of the values, where it is there and not null.
type fixed struct {
	name   string
	values []any
}

var (
	decoder = []field{
		{name: "max_position_embeddings", key: "context_length", must: true},
		{name: "hidden_size", key: "embedding_length", must: true},
		{name: "num_hidden_layers", key: "block_count", must: true},
		{name: "intermediate_size", key: "feed_forward_length", must: true},
		{name: "vocab_size", key: "vocab_size", must: true},
		{name: "num_attention_heads", key: "attention.head_count", must: true},
		{name: "num_key_value_heads", key: "attention.head_count_kv"},
		{name: "head_dim", key: "attention.key_length"},
		{name: "head_dim", key: "attention.value_length"},
		{name: "rms_norm_eps", key: "attention.layer_norm_rms_epsilon", real: true, must: true},
	}
	capped = []field{
		{name: "attn_logit_softcapping", key: "attn_logit_softcapping", real: true},
		{name: "final_logit_softcapping", key: "final_logit_softcapping", real: true},
	}
	mixture = []field{
		{name: "num_experts num_local_experts", key: "expert_count", must: true},
		{name: "num_experts_per_tok", key: "expert_used_count", must: true},
		{name: "moe_intermediate_size", key: "expert_feed_forward_length"},
		{name: "shared_expert_intermediate_size", key: "expert_shared_feed_forward_length"},
	}
	everyLayer = []fixed{{"decoder_sparse_step", []any{"1"}}, {"mlp_only_layers", []any{"[]"}}}
)

var (
	outer = map[string]string{"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
	block = map[string]string{
		"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
		"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
		"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
		"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up",
		"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
		"mlp.gate": "ffn_gate_inp", "block_sparse_moe.gate": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
		"mlp.shared_expert.gate_proj": "ffn_gate_shexp", "mlp.shared_expert.up_proj": "ffn_up_shexp", "mlp.shared_expert.down_proj": "ffn_down_shexp",
	}
	gemmaBlock = map[string]string{
		"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
		"pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
		"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
		"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
		"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
	}
	expert     = map[string]string{"gate_proj": "ffn_gate_exps", "up_proj": "ffn_up_exps", "down_proj": "ffn_down_exps"}
	mixtralExp = map[string]string{"w1": "ffn_gate_exps", "w3": "ffn_up_exps", "w2": "ffn_down_exps"}
	frequency  = []string{"rotary_emb.inv_freq"}
)

// families are the architectures that folders may have, by class.
func families() []family {
	llama := family{class: "LlamaForCausalLM", arch: "llama", fields: decoder, act: "silu", more: []func(*Folder){(*Folder).rope},
		prefix: "model.", layers: "layers.", outer: outer, block: block, skip: frequency, permuted: true}
	mistral := with(llama, "MistralForCausalLM", "llama", (*Folder).window)
	mixtral := with(mistral, "MixtralForCausalLM", "llama")
	mixtral.fields, mixtral.experts, mixtral.expert = slices.Concat(decoder, mixture), "block_sparse_moe.experts.", mixtralExp
	qwen2 := with(llama, "Qwen2ForCausalLM", "qwen2", (*Folder).windowIfUsed)
	qwen2.permuted = false
	qwen3 := with(qwen2, "Qwen3ForCausalLM", "qwen3")
	qwen2moe := with(qwen2, "Qwen2MoeForCausalLM", "qwen2moe", (*Folder).expertNorm)
	qwen2moe.fields, qwen2moe.fixed, qwen2moe.experts, qwen2moe.expert = slices.Concat(decoder, mixture), everyLayer, "mlp.experts.", expert
	qwen3moe := with(qwen2moe, "Qwen3MoeForCausalLM", "qwen3moe")
	phi3 := with(llama, "Phi3ForCausalLM", "phi3", (*Folder).window)
	phi3.permuted = false
	gemma2 := family{class: "Gemma2ForCausalLM", arch: "gemma2", fields: slices.Concat(decoder, capped), act: "gelu_tanh", tied: true,
		fixed:  []fixed{{"use_bidirectional_attention", []any{false}}},
		more:   []func(*Folder){(*Folder).rope, (*Folder).window, (*Folder).scale},
		prefix: "model.", layers: "layers.", outer: outer, block: gemmaBlock, skip: frequency, shifted: true}
	gemma3 := with(gemma2, "Gemma3ForCausalLM", "gemma3")
	return []family{llama, mistral, mixtral, qwen2, qwen3, qwen2moe, qwen3moe, phi3, gemma2, gemma3, gpt2(), bert()}
}

// with is a family like another.
func with(like family, class, arch string, more ...func(*Folder)) family {
	like.class, like.arch, like.more = class, arch, slices.Concat(like.more, more)
	return like
}

func gpt2() family {
	return family{class: "GPT2LMHeadModel", arch: "gpt2", act: "gelu_tanh", tied: true, fields: []field{
		{name: "n_positions n_ctx", key: "context_length", must: true},
		{name: "n_embd", key: "embedding_length", must: true},
		{name: "n_layer", key: "block_count", must: true},
		{name: "vocab_size", key: "vocab_size", must: true},
		{name: "n_head", key: "attention.head_count", must: true},
		{name: "n_inner", key: "feed_forward_length"},
		{name: "layer_norm_epsilon", key: "attention.layer_norm_epsilon", real: true, must: true},
	}, fixed: []fixed{
		{"scale_attn_weights", []any{true}}, {"scale_attn_by_inverse_layer_idx", []any{false}}, {"add_cross_attention", []any{false}},
	}, more: []func(*Folder){(*Folder).inner},
		prefix: "transformer.", layers: "h.", conv: true, skip: []string{".attn.bias", ".attn.masked_bias"},
		outer: map[string]string{"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "lm_head": "output"},
		block: map[string]string{
			"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
			"ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
		}}
}

func bert() family {
	return family{class: "BertModel", arch: "bert", act: "gelu", tied: true, fields: []field{
		{name: "max_position_embeddings", key: "context_length", must: true},
		{name: "hidden_size", key: "embedding_length", must: true},
		{name: "num_hidden_layers", key: "block_count", must: true},
		{name: "intermediate_size", key: "feed_forward_length", must: true},
		{name: "vocab_size", key: "vocab_size", must: true},
		{name: "num_attention_heads", key: "attention.head_count", must: true},
		{name: "layer_norm_eps", key: "attention.layer_norm_epsilon", real: true, must: true},
	}, fixed: []fixed{
		{"position_embedding_type", []any{"absolute"}}, {"is_decoder", []any{false}}, {"add_cross_attention", []any{false}},
	}, more: []func(*Folder){(*Folder).encoder},
		prefix: "bert.", layers: "encoder.layer.", skip: []string{"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"},
		outer: map[string]string{
			"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
			"embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
		},
		block: map[string]string{
			"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
			"attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
			"intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
		}}
}

// findFamily looks up the class that config.json names.
func findFamily(config object) (*family, error) {
	list, _ := config["architectures"].([]any)
	if len(list) != 1 {
		return nil, fmt.Errorf("architectures: %d classes, want the one that the weights are of, as in [\"LlamaForCausalLM\"]", len(list))
	}
	class, _ := list[0].(string)
	var known []string
	for _, f := range families() {
		if f.class == class {
			return &f, nil
		}
		known = append(known, f.class)
	}
	return nil, fmt.Errorf("architecture %q is not supported; supported are %s", class, strings.Join(known, ", "))
}
