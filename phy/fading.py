"""Block fading drawn inside a kernel: Rayleigh and Rician taps over an array, by (key, slot, block).

For measurements that need a new channel for every block: `phy.channel` draws the same laws from a NumPy
Generator, in any shape, at some 60 us a call; here a draw is a pure function of (key, slot, block), whatever
the other blocks of the call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numba import typeof, types

from phy.jit import entry, part, scratch
from phy.parameters import Checked, ParameterError, Rule, at_least_one, non_negative, parameter, positive
from phy.philox import CHUNK_PAIRS, LANE_ANGLE, LANE_FADING, LANE_PAYLOAD, draw_bytes, draw_words, normals

_POWERS = Rule(
    lambda p: len(p) > 0 and min(p) >= 0.0 and abs(sum(p) - 1.0) < 1e-6, "must be powers >= 0, sum 1"
)


_DRAWS = 2 * CHUNK_PAIRS


@entry(glue=True)
def fill_taps(key, slot, first_block, spacing, line, scatter, taps):
    """Independent taps, the first with a line of sight at a uniform angle in [-pi/2, pi/2).

    Args:
        spacing: element spacing of the linear array in wavelengths.
        line: amplitude of the line of sight, 0 for Rayleigh fading.
        scatter: float64[L], standard deviation of each tap per real dimension.
        taps: complex64[B, M, L], written; block b is number first_block + b under (key, slot).
    """
    words_of = scratch((4, CHUNK_PAIRS), np.uint32)
    parts = scratch((2, _DRAWS), np.float32)
    angles = scratch(4 * ((taps.shape[0] >> 2) + 2), np.uint32)
    draw_taps(key, slot, first_block, spacing, line, scatter, taps, words_of, parts, angles)


@part
def draw_taps(key, slot, first_block, spacing, line, scatter, taps, words_of, parts, angles):
    """`fill_taps` with its scratch memory."""
    num_blocks, num_ant, num_taps = taps.shape
    gi, gq = parts[0], parts[1]
    flat = taps.reshape(taps.size)
    per_block = num_ant * num_taps
    start = first_block * per_block
    k = 0
    tap = 0
    while k < flat.size:
        odd = (start + k) & 1
        n = flat.size - k
        n = n if n < 2 * CHUNK_PAIRS - odd else 2 * CHUNK_PAIRS - odd
        normals(key, slot, LANE_FADING, (start + k) >> 1, (n + odd + 1) >> 1, words_of, gi, gq)
        for i in range(n):
            s = scatter[tap]
            flat[k + i] = complex(gi[odd + i] * s, gq[odd + i] * s)
            tap = tap + 1 if tap + 1 < num_taps else 0
        k += n
    if line > 0.0:
        draw_words(key, slot, LANE_ANGLE, first_block >> 2, (num_blocks >> 2) + 2, angles)
        for b in range(num_blocks):
            u = (np.float64(angles[(first_block & 3) + b]) + 0.5) / 4294967296.0
            phase = 2.0 * math.pi * spacing * math.sin(math.pi * (u - 0.5))
            step = complex(math.cos(phase), math.sin(phase))
            a = complex(line, 0.0)
            for r in range(num_ant):
                taps[b, r, 0] += np.complex64(a)
                a *= step


@entry(fastmath=True)
def fill_response(taps, real, imag, h):
    """h[b, r, f] = sum over l of taps[b, r, l] (real + j imag)[l, f]; real, imag float32[L, F]."""
    num_taps, width = real.shape
    x, y = scratch(width, np.float32), scratch(width, np.float32)
    for b in range(taps.shape[0]):
        for r in range(taps.shape[1]):
            for l in range(num_taps):
                z = taps[b, r, l]
                u, v = np.float32(z.real), np.float32(z.imag)
                c, s = real[l], imag[l]
                if l == 0:
                    for f in range(width):
                        x[f] = u * c[f] - v * s[f]
                        y[f] = u * s[f] + v * c[f]
                else:
                    for f in range(width):
                        x[f] += u * c[f] - v * s[f]
                        y[f] += u * s[f] + v * c[f]
            row = h[b, r]
            for f in range(width):
                row[f] = complex(x[f], y[f])


@entry(glue=True)
def renew(key, payload, spacing, line, scatter, taps, slots, slot):
    """Payload and channels of a slot in one call: `fill_bytes` and `fill_taps`; slots int64[B] = slot."""
    words_of = scratch((4, CHUNK_PAIRS), np.uint32)
    parts = scratch((2, _DRAWS), np.float32)
    angles = scratch(4 * ((taps.shape[0] >> 2) + 2), np.uint32)
    draw_bytes(key, slot, LANE_PAYLOAD, payload, words_of.reshape(words_of.size))
    draw_taps(key, slot, 0, spacing, line, scatter, taps, words_of, parts, angles)
    for b in range(slots.size):
        slots[b] = slot


@dataclass(frozen=True)
class BlockFading(Checked):
    """A channel that is drawn anew for every block; E|h|^2 = 1 per antenna and subcarrier."""

    num_ant: int = parameter(
        1, meaning="antennas of the half-wave (or other) linear array", rule=at_least_one
    )
    k_factor: float = parameter(0.0, meaning="Rician factor of the first tap, linear", rule=non_negative)
    tap_powers: tuple[float, ...] = parameter((1.0,), meaning="powers of sample-spaced taps", rule=_POWERS)
    spacing: float = parameter(0.5, unit="wavelengths", meaning="distance of the antennas", rule=positive)
    fft_size: int = parameter(
        64, unit="samples", meaning="useful symbol, for several taps", rule=at_least_one
    )
    bins: tuple[int, ...] = parameter((0,), meaning="FFT bins of the subcarriers, e.g. Ofdm.bins")

    @cached_property
    def _amplitudes(self) -> tuple[float, np.ndarray]:
        """(amplitude of the line of sight, float64[L] deviation of each tap per real dimension)."""
        power = np.array(self.tap_powers, np.float64)
        share = self.k_factor / (1.0 + self.k_factor)
        line = math.sqrt(share * power[0])
        power[0] *= 1.0 - share
        return line, np.sqrt(0.5 * power)

    @cached_property
    def _steering(self) -> tuple[np.ndarray, np.ndarray]:
        """float32[L, F]: real and imaginary part of exp(-2j pi l bin / fft_size)."""
        phase = -2.0 * np.pi * np.outer(np.arange(len(self.tap_powers)), self.bins) / self.fft_size
        return np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32)

    def taps(
        self, key: int, slot: int, num_blocks: int = 1, first_block: int = 0, out: np.ndarray | None = None
    ) -> np.ndarray:
        """complex64[num_blocks, num_ant, L]: blocks first_block and following under this key and slot.

        Args:
            out: complex64 of that shape, contiguous; written instead of a new array, its size decides.
        """
        if out is None:
            out = np.empty((num_blocks, self.num_ant, len(self.tap_powers)), np.complex64)
        elif out.dtype != np.complex64 or out.shape[1:] != (self.num_ant, len(self.tap_powers)):
            shape = f"complex64[B, {self.num_ant}, {len(self.tap_powers)}]"
            raise ParameterError(f"out: must be {shape}, is {out.dtype} {out.shape}")
        line, scatter = self._amplitudes
        fill_taps(np.uint64(key), slot, first_block, self.spacing, line, scatter, out)
        return out

    def response(
        self, key: int, slot: int, num_blocks: int = 1, first_block: int = 0, out: np.ndarray | None = None
    ) -> np.ndarray:
        """complex64[num_blocks, num_ant, F] on the subcarriers `bins`, F = 1 for one tap: `Bursts.h`."""
        if len(self.tap_powers) == 1:
            return self.taps(key, slot, num_blocks, first_block, out)
        return self.at_bins(self.taps(key, slot, num_blocks if out is None else len(out), first_block), out)

    def at_bins(self, taps: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Frequency response complex64[B, num_ant, F] of taps complex64[B, num_ant, L] on the subcarriers."""
        shape = (len(taps), self.num_ant, len(self.bins))
        if out is None:
            out = np.empty(shape, np.complex64)
        elif out.dtype != np.complex64 or out.shape != shape:
            raise ParameterError(f"out: must be complex64{list(shape)}, is {out.dtype} {out.shape}")
        fill_response(taps, *self._steering, out)
        return out

    def renewal(
        self, key: int, payload: np.ndarray, h: np.ndarray, slots: np.ndarray
    ) -> Callable[[int], None]:
        """Prepared call renew(slot): what `random_bytes` and `response` draw for a slot.

        Args:
            payload: uint8[n]; h: complex64[B, num_ant, F]; slots: int64[B]; all written by the call.

        Raises:
            ParameterError: h of another dtype or shape.
        """
        several = len(self.tap_powers) > 1
        shape = (len(slots), self.num_ant, len(self.bins) if several else 1)
        if h.dtype != np.complex64 or h.shape != shape:
            raise ParameterError(f"h: must be complex64{list(shape)}, is {h.dtype} {h.shape}")
        taps = np.empty((len(slots), self.num_ant, len(self.tap_powers)), np.complex64) if several else h
        given = np.uint64(key), payload, self.spacing, *self._amplitudes, taps, slots
        compiled = renew.compile((*(typeof(a) for a in given), types.int64))
        drawn = partial(compiled, *given)
        if not several:
            return drawn

        def renew_taps(slot: int) -> None:
            drawn(slot)
            self.at_bins(taps, h)

        return renew_taps
