"""Uniform quantiser of features on [0, c], and its bits: natural binary, most significant bit first.

Spec toscn 10.2: c is the 99.9 % quantile of the training activations and travels with the codec. With q
bits there are 2^q levels 0, step, ..., c with step = c / (2^q - 1), so that a feature the ReLU made 0 stays
exactly 0; values above c are clipped. The error of a value in [0, c] is at most step / 2.

8 bits a feature are one byte, so a packet is the codes themselves. Other widths are packed without gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from phy.parameters import ParameterError


@dataclass(frozen=True)
class Quantizer:
    """Quantiser with upper end `clip` (the unit of the features) and `bits` 1..8 a feature."""

    clip: float
    bits: int = 8

    def __post_init__(self) -> None:
        if not (self.clip > 0 and np.isfinite(self.clip)):
            raise ParameterError(f"Quantizer.clip = {self.clip}: must be > 0 and finite")
        if self.bits not in range(1, 9):
            raise ParameterError(f"Quantizer.bits = {self.bits}: must be an integer in [1, 8]")

    @property
    def step(self) -> float:
        """Distance of two levels."""
        return self.clip / (2**self.bits - 1)

    def encode(self, features: np.ndarray) -> np.ndarray:
        """float32 of any shape to codes uint8 of the same shape; values outside [0, c] are clipped."""
        scaled = features * np.float32(1.0 / self.step)
        np.rint(scaled, out=scaled)
        return np.clip(scaled, 0, 2**self.bits - 1).astype(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes to the levels they stand for, float32 of the same shape."""
        return codes * np.float32(self.step)

    def narrowed(self, codes: np.ndarray, bits: int) -> np.ndarray:
        """Codes of this quantiser as codes of one with fewer `bits` and the same clip (via the levels)."""
        narrow = Quantizer(self.clip, bits)
        table = narrow.encode(self.decode(np.arange(2**self.bits, dtype=np.uint8)))
        return table[codes]


def clip_of(features: np.ndarray, quantile: float = 0.999) -> float:
    """The quantiser's upper end: a quantile of all (training) features."""
    return float(np.quantile(features, quantile))


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes uint8[...] to their bits, `bits` each, MSB first, without gaps: uint8[ceil(size * bits / 8)].

    With 8 bits this is the codes, flat. The last byte is filled with zeros.
    """
    flat = np.ascontiguousarray(codes).reshape(-1)
    if bits == 8:
        return flat
    out = np.zeros((flat.size * bits + 7) // 8, np.uint8)
    _pack(flat, bits, out)
    return out


def unpack(payload: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Inverse of `pack`: the first `count` codes, uint8[count]."""
    if payload.size * 8 < count * bits:
        raise ParameterError(f"payload of {payload.size} bytes: must hold {count} codes of {bits} bits")
    if bits == 8:
        return payload[:count]
    out = np.empty(count, np.uint8)
    _unpack(np.ascontiguousarray(payload), bits, out)
    return out


@njit(cache=True, nogil=True)
def _pack(codes, bits, out):  # type: ignore[no-untyped-def]
    """Shift each code into an accumulator, write whole bytes. codes uint8[n], out uint8[ceil(n bits / 8)]."""
    held = np.uint32(0)
    num_held = 0
    position = 0
    for code in codes:
        held = np.uint32((held << np.uint32(bits)) | np.uint32(code))
        num_held += bits
        while num_held >= 8:
            num_held -= 8
            out[position] = np.uint8((held >> np.uint32(num_held)) & np.uint32(255))
            position += 1
        held &= np.uint32((1 << num_held) - 1)
    if num_held > 0:
        out[position] = np.uint8((held << np.uint32(8 - num_held)) & np.uint32(255))


@njit(cache=True, nogil=True)
def _unpack(payload, bits, out):  # type: ignore[no-untyped-def]
    """Inverse of `_pack`. payload uint8, out uint8[n]."""
    held = np.uint32(0)
    num_held = 0
    position = 0
    for i in range(out.size):
        while num_held < bits:
            held = np.uint32((held << np.uint32(8)) | np.uint32(payload[position]))
            position += 1
            num_held += 8
        num_held -= bits
        out[i] = np.uint8((held >> np.uint32(num_held)) & np.uint32((1 << bits) - 1))
        held &= np.uint32((1 << num_held) - 1)


@njit(cache=True, nogil=True)
def map_sums(codes, cells, out):  # type: ignore[no-untyped-def]
    """Sum of each map's codes: all the server needs of a packet, because it averages over the map.

    codes uint8[k * cells] (maps one after the other), cells (49), out float32[k] (written). Sums are exact:
    at most 49 * 255 = 12495 < 2^24.
    """
    for i in range(out.size):
        one = codes[i * cells : (i + 1) * cells]  # the slice lets the compiler use vector instructions: 5x
        total = np.uint32(0)
        for j in range(cells):
            total += np.uint32(one[j])
        out[i] = np.float32(total)
