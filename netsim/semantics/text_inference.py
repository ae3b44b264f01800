"""The text codec's networks in NumPy: what a run needs, without torch.

The same functions as `text_network` (a test compares them), written for decoding word by word: keys and
values of earlier words are kept, sentences that have ended leave the batch. The decoder's source has one
position because all T copies of the inverse embedder's output are equal: attention over equal keys returns
the one value, so each layer's cross-attention is a constant of the sentence.

A decoding step of a few sentences costs what its NumPy calls cost. Hence three rewritings that change nothing
but the last bits: query, key and value are one product; a norm's gain and bias are part of the product behind
it; and what is added to the residual stream is centred beforehand, since every norm takes the mean away, so
that a norm is a division by the root mean square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEATURES = 64
CODE_WIDTH = 128
MAX_TOKENS = 30
PAD, START, END = 0, 1, 2
EPSILON = 1e-5  # of the layer norms
RMS_FLOOR = 1e-6
_ENDED = 0.25  # share of ended sentences at which they leave the batch: leaving copies keys and values


def positions(length: int, width: int) -> np.ndarray:
    """Sinusoidal positions float32[length, width]."""
    rate = np.exp(np.arange(0, width, 2) * (-np.log(10000.0) / width))
    angle = np.arange(length)[:, None] * rate
    return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(length, width).astype(np.float32)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in place."""
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    return scores


@dataclass(frozen=True)
class _Dense:
    """x @ weight + bias; with `normed`, of x divided by its root mean square."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        y = x @ self.weight
        y += self.bias
        return y

    def normed(self, x: np.ndarray) -> np.ndarray:
        """Of x [b, width], each row with mean 0."""
        y = x @ self.weight
        square = np.einsum("ij,ij->i", x, x)
        square *= np.float32(1.0 / x.shape[1])
        square += np.float32(EPSILON)
        y /= np.sqrt(square, out=square)[:, None]
        y += self.bias
        return y


@dataclass(frozen=True)
class _Layer:
    """A decoder layer: `out` and `back` are centred, the others hold the norm before them."""

    query_key_value: _Dense
    out: _Dense
    hidden: _Dense
    back: _Dense


class Inference:
    """Weights of one codec, float32, and the passes through them."""

    def __init__(self, tensors: dict[str, np.ndarray], heads: int) -> None:
        self.heads = heads
        w = {k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}
        self.table = w["tokens.weight"] * np.float32(np.sqrt(CODE_WIDTH))
        self.weights = {
            k: np.ascontiguousarray(v.T) if v.ndim == 2 and k != "tokens.weight" else v for k, v in w.items()
        }
        self.places = positions(MAX_TOKENS, CODE_WIDTH)
        self.encoder_layers = self._count("encoder")
        self.decoder_layers = self._count("decoder")
        predictor = np.ascontiguousarray(w.get("predictor.weight", w["tokens.weight"])[END:].T)
        self._predictor = self._behind("decoder_norm", predictor, w["predictor.bias"][END:])
        self._layers = [self._decoder_layer_of(f"decoder.{i}") for i in range(self.decoder_layers)]
        self._centred_table = _centred(self.table)
        self._centred_places = _centred(self.places)

    def _count(self, part: str) -> int:
        return len({k.split(".")[1] for k in self.weights if k.startswith(f"{part}.")})

    def _behind(self, norm: str, weight: np.ndarray, bias: np.ndarray) -> _Dense:
        """The dense layer behind a norm, its gain and bias included."""
        gain, shift = (self.weights[f"{norm}.{k}"].astype(np.float64) for k in ("weight", "bias"))
        return _Dense((gain[:, None] * weight).astype(np.float32), (shift @ weight + bias).astype(np.float32))

    def _decoder_layer_of(self, name: str) -> _Layer:
        w = self.weights
        parts = [f"{name}.attention.{p}" for p in ("query", "key", "value")]
        weight = np.concatenate([w[f"{p}.weight"] for p in parts], axis=1)
        bias = np.concatenate([w[f"{p}.bias"] for p in parts])
        width = len(weight)
        scale = np.float32(np.sqrt(width // self.heads))
        weight[:, :width] /= scale
        bias[:width] /= scale
        feed = [(w[f"{name}.feed.{k}.weight"], w[f"{name}.feed.{k}.bias"]) for k in (0, 2)]
        out, cross = (f"{name}.attention.out", f"{name}.cross.out")
        return _Layer(
            self._behind(f"{name}.norm_attention", weight, bias),
            # the constant of the cross-attention brings its own bias
            _Dense(_centred(w[f"{out}.weight"]), _centred(w[f"{out}.bias"] + w[f"{cross}.bias"])),
            self._behind(f"{name}.norm_feed", *feed[0]),
            _Dense(_centred(feed[1][0]), _centred(feed[1][1])),
        )

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _feed(self, x: np.ndarray, name: str) -> np.ndarray:
        hidden = self._dense(x, f"{name}.0")
        return self._dense(np.maximum(hidden, 0.0, out=hidden), f"{name}.2")

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        y = x - x.mean(-1, keepdims=True)
        scale = np.float32(1.0) / np.sqrt(np.square(y).mean(-1, keepdims=True) + np.float32(EPSILON))
        return y * scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _split(self, x: np.ndarray) -> np.ndarray:
        """[b, t, width] to [b, heads, t, width / heads]."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)

    def embed(self, tokens: np.ndarray) -> np.ndarray:
        """Token ids int[b, t] (end token included, padded with 0) to features float32[b, 64]."""
        valid = tokens != PAD
        x = self.table[tokens] + self.places[: tokens.shape[1]]
        blocked = np.where(valid, np.float32(0.0), np.float32(-1e9))[:, None, None, :]
        for i in range(self.encoder_layers):
            name = f"encoder.{i}"
            y = self._norm(x, f"{name}.norm_attention")
            q, k, v = (
                self._split(self._dense(y, f"{name}.attention.{p}")) for p in ("query", "key", "value")
            )
            share = softmax(q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(q.shape[3])) + blocked)
            mixed = (share @ v).transpose(0, 2, 1, 3).reshape(x.shape)
            x = x + self._dense(mixed, f"{name}.attention.out")
            x = x + self._feed(self._norm(x, f"{name}.norm_feed"), f"{name}.feed")
        dense = np.maximum(self._feed(self._norm(x, "encoder_norm"), "embedder.0"), 0.0)
        pairs = dense.reshape(*tokens.shape, FEATURES, 2).mean(3)
        pooled = (pairs * valid[:, :, None]).sum(1) / valid.sum(1, keepdims=True)
        rms = np.sqrt(np.square(pooled).mean(1, keepdims=True))
        return (pooled / np.maximum(rms, RMS_FLOOR)).astype(np.float32)

    def compensate(self, received: np.ndarray, bits: int) -> np.ndarray:
        """Received features [b, 64] plus the learned correction for this number of bits."""
        return received + self._feed(received, f"compensators.{bits - 1}")

    def greedy(self, features: np.ndarray) -> np.ndarray:
        """Most likely word after word from features [b, 64]: int64[b, 30], 0 after the end token."""
        spread = np.repeat(features, 2, axis=1)
        source = self._norm(spread + self._feed(spread, "inverse"), "inverse_norm")
        crossed = np.stack([self._crossed(source, i) for i in range(self.decoder_layers)])
        source = _centred(source)
        out = np.zeros((len(features), MAX_TOKENS), np.int64)
        rows, word = np.arange(len(features)), np.full(len(features), START)
        ended = np.zeros(len(features), bool)
        width = source.shape[1] // self.heads
        past = np.empty((self.decoder_layers, 2, len(features), self.heads, MAX_TOKENS, width), np.float32)
        for t in range(MAX_TOKENS):
            x = self._centred_table[word]
            x += self._centred_places[t]
            x += source
            for layer, constant, own in zip(self._layers, crossed, past):
                self._step(layer, x, constant, own, t)
            word = self._predictor.normed(x).argmax(1)
            word += END
            out[rows, t] = np.where(ended, PAD, word)
            ended |= word == END
            count = np.count_nonzero(ended)
            if count == len(ended):
                break
            if count > _ENDED * len(ended):
                alive = ~ended
                rows, word, source, ended = rows[alive], word[alive], source[alive], ended[alive]
                crossed, kept = crossed[:, alive], past[:, :, alive, :, : t + 1]
                past = past[:, :, : len(rows)]
                past[..., : t + 1, :] = kept
        return out

    def _crossed(self, source: np.ndarray, i: int) -> np.ndarray:
        """What the cross-attention of layer i adds to every word, less its bias, centred: [b, 128]."""
        value = self._dense(source, f"decoder.{i}.cross.value")
        return _centred(value @ self.weights[f"decoder.{i}.cross.out.weight"])

    def _step(self, layer: _Layer, x: np.ndarray, crossed: np.ndarray, past: np.ndarray, t: int) -> None:
        """One new position x [b, 128] through a layer, in place; its key and value go into `past` at t."""
        new = layer.query_key_value.normed(x).reshape(len(x), 3, self.heads, -1)
        past[0, :, :, t], past[1, :, :, t] = new[:, 1], new[:, 2]
        keys, values = past[0, :, :, : t + 1], past[1, :, :, : t + 1]
        share = softmax(np.matmul(keys, new[:, 0, :, :, None])[..., 0])
        mixed = np.matmul(share[:, :, None], values).reshape(x.shape)
        x += layer.out(mixed)
        x += crossed
        hidden = layer.hidden.normed(x)
        x += layer.back(np.maximum(hidden, 0.0, out=hidden))


def _centred(x: np.ndarray) -> np.ndarray:
    """x less its mean over the last axis, float32."""
    return (x - x.mean(-1, keepdims=True, dtype=np.float64)).astype(np.float32)
