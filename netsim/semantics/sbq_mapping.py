"""SBQ words to the bits of 16-QAM symbols and back (specification scqos 3.3).

A 16-QAM symbol is two Gray-labelled PAM-4 rails; each has a strong bit (the sign) and a weak one (the
magnitude). One feature of 2 bits is one rail with a Gray label, so that the nearest wrong symbol is one SBQ
level away. A feature of 3 bits does not fit a rail: it has the natural binary label, all most significant
bits come first, then the middle ones, then the least significant ones; the first half of that list takes the
strong positions.

Two orders of the same bits. The specification's symbol is [I sign, I magnitude, Q sign, Q magnitude] with
00 -3, 01 -1, 11 +1, 10 +3; that of `phy` (TS 38.211 5.1.4) is [I sign, Q sign, I magnitude, Q magnitude] with
11 -3, 10 -1, 00 +1, 01 +3. A payload is therefore the specification's bits with the two middle ones of each
four exchanged and all of them inverted: the constellation points are then the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numba import njit

from netsim.semantics.sbq import MAX_BITS
from phy.parameters import ParameterError

BITS_PER_SYMBOL = 4
STRONG = (True, True, False, False)  # by place in a symbol of the payload


@dataclass(frozen=True)
class BitMapping:
    """Which bit of a symbol carries which bit of which word.

    Args:
        num_features: D, words of a sentence. bits: n, bits of a word. gray: Gray instead of natural binary
            labels. planes: bit planes, strong positions first, instead of one word after the other.
    """

    num_features: int
    bits: int
    gray: bool
    planes: bool

    def __post_init__(self) -> None:
        if self.num_features < 1:
            raise ParameterError(f"BitMapping.num_features = {self.num_features}: must be >= 1")
        if self.bits not in range(1, MAX_BITS + 1):
            raise ParameterError(f"BitMapping.bits = {self.bits}: must be an integer in [1, {MAX_BITS}]")

    @property
    def num_bits(self) -> int:
        """Bits sent for a sentence: D n, filled up with zeros to whole symbols."""
        return -(-self.num_features * self.bits // BITS_PER_SYMBOL) * BITS_PER_SYMBOL

    @property
    def num_bytes(self) -> int:
        """Bytes of a payload; a last half byte is not sent."""
        return (self.num_bits + 7) // 8

    @cached_property
    def source(self) -> np.ndarray:
        """int64[num_bits]: place p of the payload carries bit source % n (0 first) of word source // n; -1:
        padding.
        """
        size, n = self.num_features * self.bits, self.bits
        bit = np.full(self.num_bits, -1)
        if self.planes:
            plane, feature = np.divmod(np.arange(size), self.num_features)
            listed = bit.copy()
            listed[:size] = feature * n + plane
            bit[0::2], bit[1::2] = np.split(listed, 2)
        else:
            bit[:size] = np.arange(size)
        return np.ascontiguousarray(_exchanged(bit))

    def pack(self, words: np.ndarray) -> np.ndarray:
        """Words uint8[S, D] (< 2^n) to payloads uint8[S, num_bytes] in the order of `phy`, MSB first."""
        words = np.ascontiguousarray(words, np.uint8)
        if words.ndim != 2 or words.shape[1] != self.num_features:
            raise ParameterError(f"words.shape = {words.shape}: must be (sentences, {self.num_features})")
        if words.size and int(words.max()) >= 1 << self.bits:
            raise ParameterError(f"word {words.max()}: must be < {1 << self.bits}")
        payload = np.zeros((len(words), self.num_bytes), np.uint8)
        pack_kernel(words, self.bits, self.gray, self.source, payload)
        return payload

    def unpack(self, payload: np.ndarray) -> np.ndarray:
        """Inverse of `pack`: words uint8[S, D]; any payload gives words."""
        payload = np.ascontiguousarray(payload, np.uint8)
        if payload.ndim != 2 or payload.shape[1] != self.num_bytes:
            raise ParameterError(f"payload.shape = {payload.shape}: must be (sentences, {self.num_bytes})")
        words = np.zeros((len(payload), self.num_features), np.uint8)
        unpack_kernel(payload, self.bits, self.gray, self.source, words)
        return words


@lru_cache(maxsize=64)
def mapping_of(num_features: int, bits: int) -> BitMapping:
    """The specification's mapping: words of 1 bit in feature order, of 2 bits Gray, of 3 bits in planes."""
    return BitMapping(num_features, bits, gray=bits == 2, planes=bits == 3)


def symbol_bits(payload: np.ndarray, num_bits: int) -> np.ndarray:
    """Payloads uint8[S, bytes] as 0/1 bits uint8[S, num_bits] in the specification's order."""
    bits = 1 - np.unpackbits(payload, axis=-1)[..., :num_bits]
    return _exchanged(bits)


def _exchanged(bits: np.ndarray) -> np.ndarray:
    """The two middle entries of each four of the last axis exchanged: its own inverse."""
    symbols = bits.reshape(*bits.shape[:-1], -1, BITS_PER_SYMBOL)
    return symbols[..., [0, 2, 1, 3]].reshape(bits.shape)


@njit(cache=True, nogil=True)
def gray_of(word):  # type: ignore[no-untyped-def]
    """Gray label of a word, int64."""
    return word ^ (word >> 1)


@njit(cache=True, nogil=True)
def word_of_gray(label):  # type: ignore[no-untyped-def]
    """Inverse of `gray_of` for labels of up to 4 bits, int64."""
    word = label ^ (label >> 1)
    return word ^ (word >> 2)


@njit(cache=True, nogil=True)
def pack_kernel(words, bits, gray, source, payload):  # type: ignore[no-untyped-def]
    """payload |= the inverted label bits; words uint8[S, D], source int64[L], payload uint8[S, ceil(L / 8)]
    of 0.
    """
    for s in range(words.shape[0]):
        for p in range(source.size):
            bit = 0
            if source[p] >= 0:
                word = np.int64(words[s, source[p] // bits])
                label = gray_of(word) if gray else word
                bit = (label >> (bits - 1 - source[p] % bits)) & 1
            payload[s, p >> 3] |= np.uint8((1 - bit) << (7 - (p & 7)))


@njit(cache=True, nogil=True)
def unpack_kernel(payload, bits, gray, source, words):  # type: ignore[no-untyped-def]
    """Inverse of `pack_kernel`; words uint8[S, D] of 0 on entry."""
    for s in range(words.shape[0]):
        for p in range(source.size):
            if source[p] >= 0:
                bit = 1 - ((np.int64(payload[s, p >> 3]) >> (7 - (p & 7))) & 1)
                words[s, source[p] // bits] |= np.uint8(bit << (bits - 1 - source[p] % bits))
        if gray:
            for f in range(words.shape[1]):
                words[s, f] = np.uint8(word_of_gray(np.int64(words[s, f])))
