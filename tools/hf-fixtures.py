"""Writes importer/hf/testdata/*.json: what transformers saves of a tiny model of each class.

    python tools/hf-fixtures.py importer/hf/testdata      (torch, transformers 5.23.0, safetensors)

Each file has the config.json of the class and the names, types and shapes of its tensors; tests make
up the numbers. Run by hand when a class is added, never in CI.
"""
import json, os, sys, tempfile
import torch, transformers as T
from safetensors import safe_open

base = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64)
llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
longrope = dict(type="longrope", short_factor=[1.0] * 4, long_factor=[1.0, 1.5, 2.0, 3.0])
moe = dict(num_experts_per_tok=2)
models = {
    "llama": (T.LlamaConfig(**base), T.LlamaForCausalLM),
    "llama3": (T.LlamaConfig(**base, tie_word_embeddings=True, attention_bias=True, rope_scaling=llama3), T.LlamaForCausalLM),
    "mistral": (T.MistralConfig(**base, sliding_window=16), T.MistralForCausalLM),
    "mixtral": (T.MixtralConfig(**base, num_local_experts=4, **moe), T.MixtralForCausalLM),
    "qwen2": (T.Qwen2Config(**base), T.Qwen2ForCausalLM),
    "qwen3": (T.Qwen3Config(**base, head_dim=16), T.Qwen3ForCausalLM),
    "qwen2moe": (T.Qwen2MoeConfig(**base, num_experts=4, moe_intermediate_size=24, shared_expert_intermediate_size=40, **moe), T.Qwen2MoeForCausalLM),
    "qwen3moe": (T.Qwen3MoeConfig(**base, num_experts=4, moe_intermediate_size=24, head_dim=16, **moe), T.Qwen3MoeForCausalLM),
    "phi3": (T.Phi3Config(**base, pad_token_id=0, original_max_position_embeddings=32, rope_scaling=longrope), T.Phi3ForCausalLM),
    "gemma2": (T.Gemma2Config(**base, head_dim=16, sliding_window=16, query_pre_attn_scalar=32), T.Gemma2ForCausalLM),
    "gemma3": (T.Gemma3TextConfig(**{**base, "num_hidden_layers": 7}, head_dim=16, sliding_window=16, query_pre_attn_scalar=16), T.Gemma3ForCausalLM),
    "gpt2": (T.GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64), T.GPT2LMHeadModel),
    "bert": (T.BertConfig(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64), T.BertModel),
}
for name, (config, cls) in models.items():
    model = cls(config)
    if name in ("mistral", "qwen2", "gemma2"):
        model = model.to(torch.bfloat16)
    with tempfile.TemporaryDirectory() as d:
        model.save_pretrained(d)
        with open(os.path.join(d, "config.json")) as f:
            saved = json.load(f)
        with safe_open(os.path.join(d, "model.safetensors"), "pt") as f:
            tensors = {k: [f.get_slice(k).get_dtype()] + f.get_slice(k).get_shape() for k in sorted(f.keys())}
    with open(os.path.join(sys.argv[1], name + ".json"), "w") as f:
        f.write('{"config": %s,\n"tensors": {\n%s\n}}\n' % (
            json.dumps(saved), ",\n".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in tensors.items())))
