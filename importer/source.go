package importer

import "elenchus/compute/tokenizer"

// Source is a model file of some format, under the keys and names that GGUF files use. *gguf.File is
// one; readers of other formats translate their own. A key that a source does not have is an error of
// every getter, and Has says so before. With A for the architecture (general.architecture: llama, also
// for Mistral and SmolLM2, qwen2, qwen3, phi3, gemma2, gemma3, gpt2), what a decoder is read from is:
//
//	A.context_length A.embedding_length A.block_count A.feed_forward_length A.vocab_size
//	A.attention.head_count A.attention.head_count_kv A.attention.key_length A.attention.value_length
//	A.attention.layer_norm_rms_epsilon (RMS) or A.attention.layer_norm_epsilon (LayerNorm)
//	A.attention.sliding_window          positions attended, the own one included; absent: all
//	A.attention.sliding_window_pattern  n: every nth layer (n-1, 2n-1, ...) attends all positions
//	A.attention.scale                   factor of the scores; absent: 1/sqrt(key_length)
//	A.attn_logit_softcapping A.final_logit_softcapping
//	A.rope.dimension_count A.rope.freq_base A.rope.freq_base_swa (of windowed layers)
//	A.rope.scaling.type                 none, linear, llama3, yarn or longrope, and as the type needs
//	A.rope.scaling.factor .original_context_length .low_freq_factor .high_freq_factor .attn_factor
//	.yarn_beta_fast .yarn_beta_slow
//	A.activation                        of the feed-forward block where it is not the architecture's:
//	                                    silu, gelu (erf), gelu_tanh
//	token_embd position_embd output_norm output rope_freqs rope_factors_long rope_factors_short
//	blk.N.attn_norm attn_q attn_k attn_v attn_qkv attn_output attn_q_norm attn_k_norm
//	blk.N.post_attention_norm ffn_norm ffn_gate ffn_up ffn_down post_ffw_norm, each .weight and .bias
//
// Tensors lie as converters to GGUF leave them: rows of q and k of llama permuted for interleaved
// rotation, 1 added to the norm weights of Gemma, a row for each output in every matrix (Conv1D weights
// of GPT-2 transposed), fused tensors fused: rows q, k, v in attn_qkv, rows gate, up in ffn_up of phi3.
type Source interface {
	Keys() []string
	Has(key string) bool
	Uint(key string) (uint64, error)
	Float(key string) (float64, error)
	Bool(key string) (bool, error)
	String(key string) (string, error)
	Strings(key string) ([]string, error)
	Ints(key string) ([]int64, error)
	Floats(key string) ([]float64, error)
	// Names are the tensors of the source.
	Names() []string
	// Shape is rows and row length of a tensor; a vector has one row.
	Shape(name string) (rows, rowLen int, ok bool)
	// Rows reads whole rows from row first on until dst is full.
	Rows(name string, first int, dst []float32) error
	// Unsupported lists everything that cannot be read, all at once; nil if there is nothing.
	Unsupported() error
	Tokenizer() (*tokenizer.Tokenizer, error)
}
