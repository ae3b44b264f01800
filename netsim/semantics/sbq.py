"""Semantic-bit quantisation (SBQ): half of the code words uniform on [0, p_th], the other half in steps of
p_th on the tail above (SC-QoS (6) to (9)).

Modes (specification scqos 3.2, E-02 to E-06), all with 2^n words and round half to even where they round:

`midpoint`    floor inside and on the tail, every level the middle of its cell: the default
`levels`      as midpoint inside; the tail by the paper's (8) and (9)
`paper`       (6) to (9) as printed, P_n = 2^n - 1, with the patch that n = 1 needs
`paper_fix7`  as paper, but (7) decodes to the value that (6) rounds to

Features are one-sided (the codec ends in a ReLU); values below 0 become word 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from netsim.semantics.sbq_levels import MODES, edges, levels
from phy.parameters import ParameterError

MAX_BITS = 3  # N of the paper
ROUNDING = "half to even"  # stated in the provenance of a trace
_CODE = {mode: code for code, mode in enumerate(MODES)}  # the kernels count on the order of MODES


@dataclass(frozen=True)
class Sbq:
    """Quantiser of `bits` 1..3 a feature with threshold `p_th` (the unit of the features).

    With `signed` (extension, bits >= 2) a word is a sign bit and the word of a quantiser of bits - 1 on |e|.
    """

    mode: str
    bits: int
    p_th: float
    signed: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ParameterError(f"Sbq.mode = {self.mode!r}: must be one of {', '.join(MODES)}")
        if self.bits not in range(1, MAX_BITS + 1):
            raise ParameterError(f"Sbq.bits = {self.bits}: must be an integer in [1, {MAX_BITS}]")
        if not (self.p_th > 0.0 and np.isfinite(self.p_th)):
            raise ParameterError(f"Sbq.p_th = {self.p_th}: must be > 0 and finite")
        if self.signed and self.bits == 1:
            raise ParameterError("Sbq.bits = 1: must be >= 2 for a signed quantiser, the sign takes one")

    @property
    def num_words(self) -> int:
        """2^bits."""
        return 1 << self.bits

    def levels(self) -> np.ndarray:
        """float64[2^bits], what each word decodes to."""
        if not self.signed:
            return self.p_th * np.asarray(levels(self.mode, self.bits))
        positive = self.p_th * np.asarray(levels(self.mode, self.bits - 1))
        return np.concatenate([positive, -positive])

    def edges(self) -> np.ndarray:
        """float64[2^bits - 1], the ends of the cells, increasing (the outermost cells are unbounded)."""
        if not self.signed:
            return self.p_th * np.asarray(edges(self.mode, self.bits))
        positive = self.p_th * np.asarray(edges(self.mode, self.bits - 1))
        return np.concatenate([-positive[::-1], [0.0], positive])

    def encode(self, features: np.ndarray) -> np.ndarray:
        """float of any shape to words uint8 of the same shape."""
        flat = np.ascontiguousarray(features, np.float64).ravel()
        words = np.empty(flat.size, np.uint8)
        encode_kernel(_CODE[self.mode], self.bits, self.p_th, self.signed, flat, words)
        return words.reshape(np.shape(features))

    def decode(self, words: np.ndarray) -> np.ndarray:
        """Words (< 2^bits) to levels, float32 of the same shape."""
        flat = np.ascontiguousarray(words, np.uint8).ravel()
        if flat.size and int(flat.max()) >= self.num_words:
            raise ParameterError(f"word {flat.max()}: must be < {self.num_words}")
        out = np.empty(flat.size, np.float32)
        decode_kernel(flat, self.levels().astype(np.float32), out)
        return out.reshape(np.shape(words))

    def mse(self, features: np.ndarray) -> float:
        """Mean squared quantisation error."""
        flat = np.ascontiguousarray(features, np.float64).ravel()
        return float(mse_kernel(_CODE[self.mode], self.bits, self.p_th, self.signed, flat, self.levels()))


@njit(cache=True, nogil=True)
def word_of(mode, bits, x):  # type: ignore[no-untyped-def]
    """Word of the feature x >= 0 given in units of p_th (float64), as int64; mode as in `_CODE`."""
    m = 1 << (bits - 1)
    if mode <= 1:
        if x <= 1.0:
            return min(m - 1, int(np.floor(m * x)))
        k = np.floor(x - 1.0) if mode == 0 else np.rint(x - 1.0)
        return m + int(min(k, m - 1.0))
    # P_{n-1} = 2^(n-1) - 1 = m - 1 and P_n = 2m - 1; at n = 1 all of [0, p_th] is word 0
    if x <= 1.0:
        return int(np.rint((m - 1.0) * x))
    return int(min(np.rint(x - 1.0) + (m - 1.0), 2.0 * m - 1.0))


@njit(cache=True, nogil=True)
def signed_word_of(mode, bits, signed, x):  # type: ignore[no-untyped-def]
    """Word of any x in units of p_th: below 0 (and NaN) word 0, or with `signed` the word of -x and the sign
    bit.
    """
    if signed:
        if x < 0.0:
            return (1 << (bits - 1)) + word_of(mode, bits - 1, -x)
        return word_of(mode, bits - 1, x) if x > 0.0 else 0
    return word_of(mode, bits, x) if x > 0.0 else 0


@njit(cache=True, nogil=True)
def encode_kernel(mode, bits, p_th, signed, features, words):  # type: ignore[no-untyped-def]
    """words[i] = word of features[i]; features float64[n], words uint8[n]."""
    for i in range(features.size):
        words[i] = signed_word_of(mode, bits, signed, features[i] / p_th)


@njit(cache=True, nogil=True)
def decode_kernel(words, level, out):  # type: ignore[no-untyped-def]
    """out[i] = level[words[i]]; words uint8[n], level float32[2^bits], out float32[n]."""
    for i in range(words.size):
        out[i] = level[words[i]]


@njit(cache=True, nogil=True)
def mse_kernel(mode, bits, p_th, signed, features, level):  # type: ignore[no-untyped-def]
    """Mean of (features - decoded)^2; features, level float64."""
    total = 0.0
    for i in range(features.size):
        d = features[i] - level[signed_word_of(mode, bits, signed, features[i] / p_th)]
        total += d * d
    return total / features.size
