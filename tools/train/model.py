"""The network: a small Llama.

RMSNorm before each half of a block, rotary positions, grouped-query attention,
SwiGLU, no biases, one matrix for embedding and head. Rotary positions turn the
CONSECUTIVE pairs (2i, 2i+1) of each head by position * base^(-2i/head_dim),
the pairing of llama2.c and of GGUF files with architecture `llama`; the weights
are therefore exported as they are, without a permutation of rows.
"""

import dataclasses

import torch
from torch import nn
from torch.nn import functional as F


@dataclasses.dataclass
class Config:
    vocabulary: int = 2048
    dim: int = 256
    layers: int = 4
    heads: int = 8
    kv_heads: int = 4
    hidden: int = 640
    context: int = 512
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5
    dropout: float = 0.1

    @property
    def head_dim(self):
        return self.dim // self.heads


class Norm(nn.Module):
    def __init__(self, dim, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.epsilon = epsilon

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotary_table(config):
    """cos and sin, each [context, head_dim / 2]."""
    steps = torch.arange(0, config.head_dim, 2, dtype=torch.float64)
    angles = torch.arange(config.context, dtype=torch.float64)[:, None] \
        * config.rope_base ** (-steps / config.head_dim)
    return angles.cos().float(), angles.sin().float()


def rotate(x, cos, sin):
    """x: [batch, heads, time, head_dim]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        kv_dim = config.kv_heads * config.head_dim
        self.q = nn.Linear(config.dim, config.dim, bias=False)
        self.k = nn.Linear(config.dim, kv_dim, bias=False)
        self.v = nn.Linear(config.dim, kv_dim, bias=False)
        self.output = nn.Linear(config.dim, config.dim, bias=False)

    def forward(self, x, cos, sin):
        c, (batch, time, _) = self.config, x.shape

        def heads(y, n):
            return y.view(batch, time, n, c.head_dim).transpose(1, 2)

        q = rotate(heads(self.q(x), c.heads), cos, sin)
        k = rotate(heads(self.k(x), c.kv_heads), cos, sin)
        v = heads(self.v(x), c.kv_heads)
        share = c.heads // c.kv_heads
        k, v = (y.repeat_interleave(share, dim=1) for y in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v.to(q.dtype), is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(batch, time, c.dim))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate = nn.Linear(config.dim, config.hidden, bias=False)
        self.up = nn.Linear(config.dim, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.dim, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention_norm = Norm(config.dim, config.norm_epsilon)
        self.attention = Attention(config)
        self.feed_forward_norm = Norm(config.dim, config.norm_epsilon)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x, cos, sin):
        x = x + self.dropout(self.attention(self.attention_norm(x), cos, sin))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class Llama(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = Norm(config.dim, config.norm_epsilon)
        self.dropout = nn.Dropout(config.dropout)
        cos, sin = rotary_table(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._initialise()

    def _initialise(self):
        nn.init.normal_(self.embedding.weight, std=0.02)
        for name, weight in self.named_parameters():
            if name.startswith("blocks") and weight.dim() == 2:
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5 * 0.6)
            if name.endswith(("attention.output.weight", "feed_forward.down.weight")):
                nn.init.zeros_(weight)

    def forward(self, ids):
        """ids: [batch, time]; returns the hidden state before the head."""
        time = ids.shape[1]
        cos, sin = self.cos[:time], self.sin[:time]
        x = self.dropout(self.embedding(ids))
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.embedding.weight)
