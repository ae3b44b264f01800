"""The text codec as torch modules: encoder, sentence embedder, compensators, inverse embedder, decoder.

Shapes follow Table II of arXiv 2312.01081: encoder output T x 128, embedding of 64 features >= 0 with
root mean square 1, decoder output T x 128, softmax over the vocabulary. Imported only when a text codec is
trained or run, since torch takes seconds to load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from phy.parameters import Checked, at_least_one, parameter

FEATURES = 64  # D, Table II
CODE_WIDTH = 128  # width of encoder and decoder output, Table II
MAX_TOKENS = 30  # T, Table II, end token included
PAD, START, END, UNKNOWN = 0, 1, 2, 3
RMS_FLOOR = 1e-6
BLOCKED = -1e9  # score of a position that may not be seen


@dataclass(frozen=True)
class TextShape(Checked):
    """Sizes of the networks; the defaults are Table II as the specification resolves it."""

    vocabulary: int = parameter(408, meaning="words and the four marks", rule=at_least_one)
    heads: int = parameter(4, meaning="attention heads, a divisor of 128", rule=at_least_one)
    hidden: int = parameter(512, meaning="hidden units of a transformer layer", rule=at_least_one)
    encoder_layers: int = parameter(2, meaning="transformer layers of the encoder", rule=at_least_one)
    decoder_layers: int = parameter(2, meaning="transformer layers of the decoder", rule=at_least_one)
    tied: bool = parameter(False, meaning="predictor uses the token embedding as its matrix")

    def check(self) -> None:
        if CODE_WIDTH % self.heads:
            raise self.error("heads", f"must divide the width {CODE_WIDTH}")


def positions(length: int, width: int) -> Tensor:
    """Sinusoidal positions float32[length, width]."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = torch.arange(length)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).reshape(length, width)


class Attention(nn.Module):
    """Multi-head attention with four matrices; keys and values may be given from an earlier call."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def split(self, x: Tensor) -> Tensor:
        """[b, t, width] to [b, heads, t, width / heads]."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def memory(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of `source` [b, s, width]."""
        return self.split(self.key(source)), self.split(self.value(source))

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Attend from x [b, t, width]; `mask` is True where attention is allowed.

        Plain products: torch's fused attention takes ten times as long backwards at these sizes in bfloat16.
        """
        keys, values = memory
        if keys.shape[2] == 1 and mask is None:  # one key has all the weight, whatever the query
            mixed = values.expand(-1, -1, x.shape[1], -1)
        else:
            scores = self.split(self.query(x)) @ keys.transpose(2, 3) / math.sqrt(keys.shape[3])
            if mask is not None:
                scores = scores.masked_fill(~mask, BLOCKED)
            mixed = scores.softmax(3).to(values.dtype) @ values
        return self.out(mixed.transpose(1, 2).flatten(2))


def feed_forward(width: int, hidden: int, out: int) -> nn.Sequential:
    """Two dense layers with ReLU between."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.attention = Attention(CODE_WIDTH, shape.heads)
        self.feed = feed_forward(CODE_WIDTH, shape.hidden, CODE_WIDTH)
        self.norm_attention, self.norm_feed = nn.LayerNorm(CODE_WIDTH), nn.LayerNorm(CODE_WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.norm_attention(x)
        x = x + self.attention(y, self.attention.memory(y), mask)
        return x + self.feed(self.norm_feed(x))


class DecoderLayer(nn.Module):
    """Pre-norm causal self-attention, cross-attention and feed-forward."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.attention = Attention(CODE_WIDTH, shape.heads)
        self.cross = Attention(CODE_WIDTH, shape.heads)
        self.feed = feed_forward(CODE_WIDTH, shape.hidden, CODE_WIDTH)
        self.norm_attention, self.norm_cross, self.norm_feed = (nn.LayerNorm(CODE_WIDTH) for _ in range(3))

    def forward(
        self,
        x: Tensor,
        source: tuple[Tensor, Tensor],
        mask: Tensor | None,
        past: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One layer; `past` holds keys and values of earlier positions, which are returned extended."""
        y = self.norm_attention(x)
        own = self.attention.memory(y)
        if past is not None:
            own = (torch.cat([past[0], own[0]], 2), torch.cat([past[1], own[1]], 2))
        x = x + self.attention(y, own, mask)
        x = x + self.cross(self.norm_cross(x), source, None)
        return x + self.feed(self.norm_feed(x)), own


class TextNetwork(nn.Module):
    """All trained parts. `embed` runs at the transmitter, `compensate` and what follows at the receiver."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocabulary, CODE_WIDTH)
        nn.init.normal_(self.tokens.weight, std=CODE_WIDTH**-0.5)
        self.encoder = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.encoder_layers))
        self.encoder_norm = nn.LayerNorm(CODE_WIDTH)
        self.embedder = nn.Sequential(feed_forward(CODE_WIDTH, 512, CODE_WIDTH), nn.ReLU())
        self.compensators = nn.ModuleList(feed_forward(FEATURES, 512, FEATURES) for _ in range(3))
        self.inverse = feed_forward(CODE_WIDTH, 512, CODE_WIDTH)
        self.inverse_norm = nn.LayerNorm(CODE_WIDTH)
        self.decoder = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.decoder_layers))
        self.decoder_norm = nn.LayerNorm(CODE_WIDTH)
        self.predictor = nn.Linear(CODE_WIDTH, shape.vocabulary)
        if shape.tied:
            self.predictor.weight = self.tokens.weight
        for name, weight in self.compensators.named_parameters():
            if name.split(".")[1] == "2":  # the last layer: at the start nothing is corrected
                nn.init.zeros_(weight)
        self.register_buffer("where", positions(MAX_TOKENS, CODE_WIDTH), persistent=False)

    def _looked_up(self, tokens: Tensor, start: int = 0) -> Tensor:
        place = self.where[start : start + tokens.shape[1]]  # type: ignore[index]
        return self.tokens(tokens) * math.sqrt(CODE_WIDTH) + place

    def embed(self, tokens: Tensor) -> Tensor:
        """Token ids int64[b, t] (end token included, padded with 0) to features float32[b, 64].

        Features are >= 0 and have root mean square 1 in every row (E-05, E-07).
        """
        valid = tokens != PAD
        x = self._looked_up(tokens)
        mask = valid[:, None, None, :]
        for layer in self.encoder:
            x = layer(x, mask)
        dense = self.embedder(self.encoder_norm(x)).float()
        pairs = dense.unflatten(2, (FEATURES, 2)).mean(3)
        pooled = (pairs * valid[:, :, None]).sum(1) / valid.sum(1, keepdim=True)
        rms = pooled.square().mean(1, keepdim=True).sqrt()
        return pooled / rms.clamp_min(RMS_FLOOR)

    def compensate(self, received: Tensor, bits: Tensor) -> Tensor:
        """Received features [b, 64] plus the learned correction of each row's number of bits int64[b]."""
        result = received
        for n, compensator in enumerate(self.compensators, 1):
            result = torch.where((bits == n)[:, None], received + compensator(received).float(), result)
        return result

    def unpool(self, features: Tensor) -> Tensor:
        """Features [b, 64] to the decoder's source [b, 1, 128].

        All T copies are equal and one stands for them: attention over equal keys and values gives that value.
        """
        spread = features.repeat_interleave(2, dim=1)[:, None]
        return self.inverse_norm(spread + self.inverse(spread))

    def sources(self, source: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the source for every decoder layer."""
        return [layer.cross.memory(source) for layer in self.decoder]  # type: ignore[union-attr, operator]

    def decode(self, tokens: Tensor, source: Tensor) -> Tensor:
        """Decoder output [b, t, 128] after each of `tokens` [b, t] (teacher forcing)."""
        length = tokens.shape[1]
        x = self._looked_up(tokens) + source
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        for layer, memory in zip(self.decoder, self.sources(source)):
            x, _ = layer(x, memory, mask)
        return self.decoder_norm(x)
