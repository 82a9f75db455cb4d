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
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 640
    context: int = 512
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5
    dropout: float = 0.15

    @property
    def head_dim(self):
        return self.dim // self.heads


class Norm(nn.Module):
    def __init__(self, dim, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.epsilon = epsilon

    def forward(self, x):
        """Computes in float32; returns the type in which matrices are multiplied."""
        y = F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)
        return y.to(torch.bfloat16) if torch.is_autocast_enabled("cpu") else y


class Dropout(nn.Module):
    """Dropout whose masks are slices, at random offsets, of one long random mask.

    Drawing a fresh mask for every use would take a seventh of the training time.
    """

    LENGTH = 1 << 24

    def __init__(self, rate):
        super().__init__()
        keep = torch.rand(self.LENGTH) >= rate
        self.mask = (keep / (1 - rate)).to(torch.bfloat16)

    def forward(self, x):
        if not self.training:
            return x
        start = int(torch.randint(self.LENGTH - x.numel(), ()))
        return x * self.mask[start:start + x.numel()].view(x.shape)


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
        mixed = attend(q.to(v.dtype), k.to(v.dtype), v)
        return self.output(mixed.transpose(1, 2).reshape(batch, time, c.dim))


def attend(q, k, v):
    """Causal attention of heads that share keys; q: [batch, heads, time, head_dim].

    Written out because PyTorch's fused kernel is three times slower on a CPU at
    these sizes.
    """
    batch, heads, time, size = q.shape
    groups = batch * k.shape[1]
    q = q.reshape(groups, -1, size) * size ** -0.5
    future = torch.full((time, time), -torch.inf, dtype=q.dtype).triu(1)
    scores = torch.bmm(q, k.reshape(groups, time, size).transpose(1, 2))
    weights = torch.softmax(scores.view(groups, -1, time, time) + future, -1, dtype=q.dtype)
    mixed = torch.bmm(weights.view(groups, -1, time), v.reshape(groups, time, size))
    return mixed.view(batch, heads, time, size)


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate = nn.Linear(config.dim, config.hidden, bias=False)
        self.up = nn.Linear(config.dim, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.dim, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, config, dropout):
        super().__init__()
        self.attention_norm = Norm(config.dim, config.norm_epsilon)
        self.attention = Attention(config)
        self.feed_forward_norm = Norm(config.dim, config.norm_epsilon)
        self.feed_forward = FeedForward(config)
        self.dropout = dropout

    def forward(self, x, cos, sin):
        x = x + self.dropout(self.attention(self.attention_norm(x), cos, sin))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class Llama(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.dim)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, self.dropout) for _ in range(config.layers))
        self.norm = Norm(config.dim, config.norm_epsilon)
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
