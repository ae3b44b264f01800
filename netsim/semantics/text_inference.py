"""The text codec's networks in NumPy: what a run needs, without torch.

The same functions as `text_network` (a test compares them), written for decoding word by word: keys and
values of earlier words are kept, sentences that have ended leave the batch. The decoder's source has one
position because all T copies of the inverse embedder's output are equal: attention over equal keys returns
the one value, so each layer's cross-attention is a constant of the sentence.
"""

from __future__ import annotations

import numpy as np

FEATURES = 64
CODE_WIDTH = 128
MAX_TOKENS = 30
PAD, START, END = 0, 1, 2
EPSILON = 1e-5  # of the layer norms
RMS_FLOOR = 1e-6


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


class Inference:
    """Weights of one codec, float32, and the passes through them."""

    def __init__(self, tensors: dict[str, np.ndarray], heads: int) -> None:
        self.heads = heads
        w = {k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}
        self.table = w["tokens.weight"] * np.float32(np.sqrt(CODE_WIDTH))
        self.predictor = np.ascontiguousarray(w.get("predictor.weight", w["tokens.weight"]).T)
        self.weights = {
            k: np.ascontiguousarray(v.T) if v.ndim == 2 and k != "tokens.weight" else v for k, v in w.items()
        }
        self.places = positions(MAX_TOKENS, CODE_WIDTH)
        self.encoder_layers = self._count("encoder")
        self.decoder_layers = self._count("decoder")

    def _count(self, part: str) -> int:
        return len({k.split(".")[1] for k in self.weights if k.startswith(f"{part}.")})

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
        crossed = [
            self._dense(self._dense(source, f"decoder.{i}.cross.value"), f"decoder.{i}.cross.out")
            for i in range(self.decoder_layers)
        ]
        out = np.zeros((len(features), MAX_TOKENS), np.int64)
        rows = np.arange(len(features))
        word = np.full(len(features), START)
        width = source.shape[1] // self.heads
        past = np.empty((self.decoder_layers, 2, len(features), self.heads, MAX_TOKENS, width), np.float32)
        for t in range(MAX_TOKENS):
            x = self.table[word] + self.places[t] + source
            for i in range(self.decoder_layers):
                x = self._decoder_layer(i, x, crossed[i], past[i], t)
            scores = self._norm(x, "decoder_norm") @ self.predictor + self.weights["predictor.bias"]
            word = scores[:, END:].argmax(1) + END
            out[rows, t] = word
            alive = word != END
            if not alive.all():
                if not alive.any():
                    break
                rows, word, source = rows[alive], word[alive], source[alive]
                crossed = [c[alive] for c in crossed]
                past = past[:, :, alive]
        return out

    def _decoder_layer(
        self, i: int, x: np.ndarray, crossed: np.ndarray, past: np.ndarray, t: int
    ) -> np.ndarray:
        """One new position [b, 128] through layer i; its key and value go into `past` at t."""
        name = f"decoder.{i}"
        y = self._norm(x, f"{name}.norm_attention")
        shape = (len(x), self.heads, past.shape[4])
        query = self._dense(y, f"{name}.attention.query").reshape(shape)
        past[0, :, :, t] = self._dense(y, f"{name}.attention.key").reshape(shape)
        past[1, :, :, t] = self._dense(y, f"{name}.attention.value").reshape(shape)
        keys, values = past[:, :, :, : t + 1]
        scores = np.matmul(keys, query[..., None])[..., 0] / np.float32(np.sqrt(shape[2]))
        mixed = np.matmul(softmax(scores)[:, :, None, :], values)[:, :, 0]
        x = x + self._dense(mixed.reshape(x.shape), f"{name}.attention.out")
        x = x + crossed
        return x + self._feed(self._norm(x, f"{name}.norm_feed"), f"{name}.feed")
