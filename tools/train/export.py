"""Writes a trained checkpoint as a GGUF file: Q8_0 matrices, F32 norms.

    python export.py --run DIR --out MODEL.gguf

Keys and tensor names are those of llama.cpp's converter for `llama`. The head
is the embedding, so there is no `output.weight`. Rotary positions pair
consecutive rows (2i, 2i+1), as in the checkpoint; no row is moved.
"""

import argparse
import os

import gguf
import torch

import bpe

NAME = "elenchus default"
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

BLOCK_TENSORS = {
    "attention_norm": "attn_norm",
    "attention.q": "attn_q",
    "attention.k": "attn_k",
    "attention.v": "attn_v",
    "attention.output": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "feed_forward.gate": "ffn_gate",
    "feed_forward.up": "ffn_up",
    "feed_forward.down": "ffn_down",
}


def tensors(config, weights, temperature):
    """(GGUF name, float32 array) in file order; logits are divided by temperature."""
    yield "token_embd.weight", weights["embedding.weight"]
    for layer in range(config["layers"]):
        for ours, theirs in BLOCK_TENSORS.items():
            yield f"blk.{layer}.{theirs}.weight", weights[f"blocks.{layer}.{ours}.weight"]
    yield "output_norm.weight", weights["norm.weight"] / temperature


def add_metadata(writer, config, tokenizer):
    writer.add_type("model")
    writer.add_name(NAME)
    writer.add_license("CC0-1.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config["vocabulary"])
    writer.add_context_length(config["context"])
    writer.add_embedding_length(config["dim"])
    writer.add_block_count(config["layers"])
    writer.add_feed_forward_length(config["hidden"])
    writer.add_head_count(config["heads"])
    writer.add_head_count_kv(config["kv_heads"])
    writer.add_layer_norm_rms_eps(config["norm_epsilon"])
    writer.add_rope_dimension_count(config["dim"] // config["heads"])
    writer.add_rope_freq_base(config["rope_base"])
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokenizer.tokens())
    writer.add_token_scores(tokenizer.scores())
    writer.add_token_types(tokenizer.token_types())
    writer.add_bos_token_id(bpe.BOS)
    writer.add_eos_token_id(bpe.EOS)
    writer.add_unk_token_id(bpe.UNK)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)
    writer.add_chat_template(TEMPLATE)


def export(run, path, temperature):
    checkpoint = torch.load(os.path.join(run, "model.pt"), weights_only=True)
    config, weights = checkpoint["config"], checkpoint["weights"]
    tokenizer = bpe.Tokenizer.load(os.path.join(run, "tokenizer.json"))
    if len(tokenizer) != config["vocabulary"]:
        raise ValueError(f"tokenizer has {len(tokenizer)} pieces, model {config['vocabulary']}")
    writer = gguf.GGUFWriter(path, "llama")
    add_metadata(writer, config, tokenizer)
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, weight in tensors(config, weights, temperature):
        data = weight.float().contiguous().numpy()
        if data.ndim == 1:
            writer.add_tensor(name, data)
        else:
            writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--run", required=True, help="folder that train.py wrote")
    p.add_argument("--out", required=True, help="the GGUF file to write")
    p.add_argument("--temperature", type=float, default=1.0,
                   help="divides all logits; calibrate.py finds the best")
    arguments = p.parse_args()
    export(arguments.run, arguments.out, arguments.temperature)
