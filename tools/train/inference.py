"""Runs a `llama` GGUF file in numpy, from nothing but the file itself.

This shares no code with the training network: it reads the metadata, expands
the stored weights and evaluates the definition in float64. It is what the
reference files and the checks are computed with.
"""

import gguf
import numpy as np

import bpe


class Llama:
    """A model read from a file, with a key/value cache for one sequence."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        get = {name: field.contents() for name, field in reader.fields.items()}
        if get["general.architecture"] != "llama":
            raise ValueError(f"{path}: architecture {get['general.architecture']!r}, not 'llama'")
        self.context = get["llama.context_length"]
        self.layers = get["llama.block_count"]
        self.heads = get["llama.attention.head_count"]
        self.kv_heads = get["llama.attention.head_count_kv"]
        self.epsilon = get["llama.attention.layer_norm_rms_epsilon"]
        self.head_dim = get["llama.rope.dimension_count"]
        self.rope_base = get.get("llama.rope.freq_base", 10000.0)
        self.weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float64)
                        for t in reader.tensors}
        self.head = self.weights.get("output.weight", self.weights["token_embd.weight"])
        self.tokenizer = bpe.Tokenizer(get["tokenizer.ggml.tokens"][bpe.FIRST_PIECE:])
        scores = get["tokenizer.ggml.scores"][bpe.FIRST_PIECE:]
        if any(a < b for a, b in zip(scores, scores[1:])):
            raise ValueError(f"{path}: pieces are not stored in falling order of score")
        self.reset()

    def reset(self):
        shape = (0, self.kv_heads, self.head_dim)
        self.keys = [np.zeros(shape) for _ in range(self.layers)]
        self.values = [np.zeros(shape) for _ in range(self.layers)]

    def forward(self, ids):
        """Appends ids to the sequence; returns their logits, [len(ids), vocabulary]."""
        start = len(self.keys[0])
        if start + len(ids) > self.context:
            raise ValueError(f"{start + len(ids)} positions, context is {self.context}")
        x = self.weights["token_embd.weight"][list(ids)]
        for layer in range(self.layers):
            x = x + self._attention(layer, self._norm(x, f"blk.{layer}.attn_norm"), start)
            x = x + self._feed_forward(layer, self._norm(x, f"blk.{layer}.ffn_norm"))
        return self._norm(x, "output_norm") @ self.head.T

    def _norm(self, x, name):
        scale = np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon)
        return x / scale * self.weights[name + ".weight"]

    def _project(self, x, layer, name):
        return x @ self.weights[f"blk.{layer}.{name}.weight"].T

    def _rotate(self, x, start):
        """Turns the consecutive pairs of every head; x: [time, heads, head_dim]."""
        frequency = self.rope_base ** (-np.arange(0, self.head_dim, 2) / self.head_dim)
        angle = np.arange(start, start + len(x))[:, None, None] * frequency
        even, odd = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2] = even * np.cos(angle) - odd * np.sin(angle)
        out[..., 1::2] = even * np.sin(angle) + odd * np.cos(angle)
        return out

    def _attention(self, layer, x, start):
        time = len(x)
        q = self._project(x, layer, "attn_q").reshape(time, self.heads, self.head_dim)
        k = self._project(x, layer, "attn_k").reshape(time, self.kv_heads, self.head_dim)
        v = self._project(x, layer, "attn_v").reshape(time, self.kv_heads, self.head_dim)
        self.keys[layer] = np.concatenate([self.keys[layer], self._rotate(k, start)])
        self.values[layer] = np.concatenate([self.values[layer], v])
        share = self.heads // self.kv_heads
        keys = np.repeat(self.keys[layer], share, axis=1)
        values = np.repeat(self.values[layer], share, axis=1)
        scores = np.einsum("thd,shd->hts", self._rotate(q, start), keys)
        scores /= np.sqrt(self.head_dim)
        hidden = np.arange(len(keys))[None, :] > np.arange(start, start + time)[:, None]
        scores[:, hidden] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = np.einsum("hts,shd->thd", weights, values)
        return self._project(mixed.reshape(time, -1), layer, "attn_output")

    def _feed_forward(self, layer, x):
        gate = self._project(x, layer, "ffn_gate")
        up = self._project(x, layer, "ffn_up")
        return self._project(gate / (1 + np.exp(-gate)) * up, layer, "ffn_down")


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
