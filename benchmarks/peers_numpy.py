"""The reference chain in plain NumPy and scipy.fft, as one writes it who vectorises over blocks and cares.

Table look-up for the constellation, scipy.fft (it keeps single precision), arithmetic in place, thresholds
scaled instead of symbols divided, errors counted on packed bits. Either all blocks of a call at once, the
baseline that the goals were set against, or CHUNK blocks at a time, so that the arrays stay in the cache (1.5
times as fast as 64 at a time).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from benchmarks.coding import numpy_viterbi
from benchmarks.reference import (
    BLOCK_BYTES,
    CODED_BITS,
    FFT,
    K_FACTOR,
    ORDER,
    PERIOD,
    PREFIX,
    SYMBOLS,
    Contender,
    Work,
    convolutional_encode,
    gray_points,
    wrong_bits,
)

CHUNK = 8


class NumpyChain:
    """Stages of the chain for one `Work`; MRT (one receive antenna) unless `combine` is "mrc".

    Arrays: payload uint8[B, 448], x complex[B, 14, 64], taps complex[B, M, L], h complex[B, M, 64 or 1].
    """

    def __init__(self, work: Work, double: bool = True, combine: str = "mrt", seed: int = 1) -> None:
        self.work, self.combine = work, combine
        self.real: Any = np.float64 if double else np.float32
        self.complex = np.complex128 if double else np.complex64
        self.rng = np.random.default_rng(seed)
        points = math.sqrt(work.es) * gray_points()
        byte = np.arange(256)
        self.pairs = np.stack([points[byte >> 4], points[byte & 15]], axis=1).astype(self.complex)
        self.distance = self.real(math.sqrt(work.es / 10.0))  # half the distance between levels at |h| = 1

    def normal(self, *shape: int) -> NDArray:
        """CN(0, 2): N(0, 1) per real dimension."""
        return self.rng.standard_normal((*shape[:-1], 2 * shape[-1]), self.real).view(self.complex)

    def bits(self) -> NDArray[np.uint8]:
        return self.rng.integers(0, 256, (self.work.num_blocks, BLOCK_BYTES), np.uint8)

    def modulate(self, payload: NDArray[np.uint8]) -> NDArray:
        return self.pairs.take(payload, axis=0).reshape(-1, SYMBOLS, FFT)

    def fade(self) -> tuple[NDArray, NDArray]:
        """(taps, h): Rician first tap over a half-wave linear array, Rayleigh others."""
        b, m, l = self.work.num_blocks, self.work.num_ant, self.work.num_taps
        taps = self.normal(b, m, l) * self.real(math.sqrt(0.5))
        angle = self.rng.uniform(-math.pi / 2, math.pi / 2, (b, 1))
        line = np.exp(1j * math.pi * np.sin(angle) * np.arange(m)).astype(self.complex)
        taps[..., 0] *= self.real(math.sqrt(1 / (1 + K_FACTOR)))
        taps[..., 0] += self.real(math.sqrt(K_FACTOR / (1 + K_FACTOR))) * line
        taps *= np.sqrt(self.work.tap_powers).astype(self.real)
        return taps, taps if l == 1 else scipy.fft.fft(taps, FFT, axis=-1)

    def beam(self, h: NDArray) -> tuple[NDArray, NDArray]:
        """(|h| real[B, 1, 64 or 1], w complex[B, M, 64 or 1] = conj(h) / |h|)."""
        gain = np.sqrt((h.real**2 + h.imag**2).sum(axis=1, keepdims=True))
        return gain, h.conj() / gain

    def with_prefix(self, x: NDArray) -> NDArray:
        """Samples complex[B, 14, 80] of symbols x."""
        out = np.empty((len(x), SYMBOLS, PERIOD), self.complex)
        out[:, :, PREFIX:] = scipy.fft.ifft(x, axis=-1, norm="ortho")
        out[:, :, :PREFIX] = out[:, :, FFT:]
        return out

    def antennas(self, x: NDArray, taps: NDArray, w: NDArray) -> NDArray:
        """What the one receive antenna gets from all transmit antennas, complex[B, 14 * 80], noiseless."""
        b, m, l = taps.shape
        if l == 1:
            sent = self.with_prefix(x).reshape(b, 1, -1) * w
        else:
            weighted = x[:, None] * w[:, :, None, :]
            sent = self.with_prefix(weighted.reshape(b * m, SYMBOLS, FFT)).reshape(b, m, -1)
        mixed = np.matmul(taps.transpose(0, 2, 1), sent)  # [B, L, samples]: each tap's share
        out = mixed[:, 0]
        for i in range(1, l):
            out[:, i:] += mixed[:, i, :-i]
        return out

    def array(self, x: NDArray, taps: NDArray) -> NDArray:
        """What every receive antenna gets from one transmit antenna, complex[B, M, 14 * 80], noiseless."""
        sent = self.with_prefix(x).reshape(len(x), -1)
        delayed = np.zeros((len(x), taps.shape[2], sent.shape[1]), self.complex)
        for i in range(taps.shape[2]):
            delayed[:, i, i:] = sent[:, : sent.shape[1] - i]
        return np.matmul(taps, delayed)

    def noise(self, *shape: int) -> NDArray:
        z = self.normal(*shape)
        z *= self.real(math.sqrt(0.5))
        return z

    def demodulate(self, samples: NDArray) -> NDArray:
        return scipy.fft.fft(samples.reshape(-1, SYMBOLS, PERIOD)[:, :, PREFIX:], axis=-1, norm="ortho")

    def received_mrt(self, x: NDArray, taps: NDArray, h: NDArray) -> tuple[NDArray, NDArray]:
        """(y complex[B, 14, 64], its gain real[B, 1, 64 or 1]) at sample level behind a matched beam."""
        gain, w = self.beam(h)
        samples = self.antennas(x, taps, w)
        samples += self.noise(*samples.shape)
        return self.demodulate(samples), gain

    def received_mrc(self, x: NDArray, taps: NDArray, h: NDArray) -> tuple[NDArray, NDArray]:
        """As `received_mrt` with the array at the receiver: a noise and an FFT for every antenna."""
        gain, w = self.beam(h)
        samples = self.array(x, taps)
        samples += self.noise(*samples.shape)
        y = self.demodulate(samples).reshape(*h.shape[:2], SYMBOLS, FFT)
        y *= w[:, :, None, :]
        return y.sum(axis=1), gain

    def received_fd(self, x: NDArray, taps: NDArray, h: NDArray) -> tuple[NDArray, NDArray]:
        """The same law without samples: one gain and one noise per symbol."""
        gain, _ = self.beam(h)
        y = self.noise(*x.shape)
        y += x * gain
        return y, gain

    def decide(self, y: NDArray, gain: NDArray) -> NDArray[np.uint8]:
        """Packed decisions uint8[B, 448]."""
        threshold = 2 * self.distance * gain
        symbol = np.less(y.real, 0).view(np.uint8) << 3
        symbol |= np.less(y.imag, 0).view(np.uint8) << 2
        symbol |= np.greater(np.abs(y.real), threshold).view(np.uint8) << 1
        symbol |= np.greater(np.abs(y.imag), threshold).view(np.uint8)
        flat = symbol.reshape(len(y), -1)
        return flat[:, 0::2] << 4 | flat[:, 1::2]

    def count(self, sent: NDArray[np.uint8], got: NDArray[np.uint8]) -> NDArray[np.int64]:
        return np.bitwise_count(sent ^ got).sum(axis=1, dtype=np.int64)

    def llr(self, y: NDArray, gain: NDArray) -> NDArray:
        """Max-log LLRs real[B, 3584], positive = bit 0."""
        a = self.distance * gain
        out = np.empty((*y.shape, ORDER), self.real)
        for rail, z in enumerate((y.real, y.imag)):
            size = np.abs(z)
            out[..., rail] = 4 * a * (z + np.copysign(np.maximum(size - 2 * a, 0), z))
            out[..., 2 + rail] = 4 * a * (2 * a - size)
        return out.reshape(len(y), -1)

    def received(self, payload: NDArray[np.uint8], domain: str) -> tuple[NDArray, NDArray]:
        """(y, gain) of a payload over fresh channels at level `domain`: "td" samples or "fd" symbols."""
        taps, h = self.fade()
        x = self.modulate(payload)
        if domain == "fd":
            return self.received_fd(x, taps, h)
        return (self.received_mrc if self.combine == "mrc" else self.received_mrt)(x, taps, h)


def parts(work: Work, double: bool, chunk: int | None, combine: str = "mrt") -> tuple[NumpyChain, int]:
    """(chain over `chunk` blocks, chunks per call); None: all blocks at once."""
    size = min(chunk or work.num_blocks, work.num_blocks)
    if work.num_blocks % size:
        raise ValueError(f"num_blocks = {work.num_blocks}: must be below or a multiple of {chunk}")
    return NumpyChain(replace(work, num_blocks=size), double, combine), work.num_blocks // size


def hard(
    name: str,
    work: Work,
    domain: str = "td",
    double: bool = True,
    combine: str = "mrt",
    chunk: int | None = None,
) -> Contender:
    """Uncoded chain with hard decisions."""
    chain, chunks = parts(work, double, chunk, combine)

    def part() -> NDArray[np.int64]:
        payload = chain.bits()
        return chain.count(payload, chain.decide(*chain.received(payload, domain)))

    return Contender(name, work, lambda: [part() for _ in range(chunks)], np.concatenate)


def soft(
    name: str, work: Work, domain: str = "td", double: bool = True, chunk: int | None = None
) -> Contender:
    """Uncoded chain that ends at the max-log LLRs."""
    chain, chunks = parts(work, double, chunk)

    def part() -> tuple[NDArray, NDArray]:
        payload = chain.bits()
        return payload, chain.llr(*chain.received(payload, domain))

    def errors(result: list[tuple[NDArray, NDArray]]) -> NDArray:
        return np.concatenate([wrong_bits(*p) for p in result])

    return Contender(name, work, lambda: [part() for _ in range(chunks)], errors)


def coded(name: str, work: Work, domain: str = "td", double: bool = False) -> Contender:
    """Rate 1/2, K = 7 coded chain, the decoder vectorised over all blocks of the call.

    `errors` counts the wrong code bits in front of the decoder.
    """
    chain = NumpyChain(work, double)

    def run() -> tuple[Any, ...]:
        bits = chain.rng.integers(0, 2, (work.num_blocks, CODED_BITS), np.uint8)
        payload = np.packbits(convolutional_encode(bits), axis=1)
        llr = chain.llr(*chain.received(payload, domain)).astype(np.float32, copy=False)
        got = numpy_viterbi(llr)
        return payload, llr, (got != bits).sum(axis=1)

    return Contender(name, work, run, lambda result: wrong_bits(*result[:2]), CODED_BITS)


def stages(work: Work, double: bool) -> dict[str, Callable[[], Any]]:
    """Each stage of the MRT chain alone, on data drawn once."""
    c = NumpyChain(work, double)
    payload, (taps, h) = c.bits(), c.fade()
    x = c.modulate(payload)
    gain, w = c.beam(h)
    samples = c.antennas(x, taps, w)
    noise = c.noise(*samples.shape)
    y = c.demodulate(samples + noise)
    got = c.decide(y, gain)
    return {
        "bits": c.bits,
        "modulate": lambda: c.modulate(payload),
        "fading, beam": lambda: c.beam(c.fade()[1]),
        "ifft, prefix": lambda: c.with_prefix(x),
        "antennas": lambda: c.antennas(x, taps, w),
        "noise": lambda: c.noise(*samples.shape),
        "fft": lambda: c.demodulate(samples),
        "decide": lambda: c.decide(y, gain),
        "llr": lambda: c.llr(y, gain),
        "count": lambda: c.count(payload, got),
    }
