"""The reference chain with scikit-commpy (import name `commpy`): its modem, its Rician channel, its noise.

Its `ofdm_tx` and `ofdm_rx` raise TypeError on every NumPy, so the FFT pair is numpy.fft. Its channel draws
new gains for each vector it propagates, so one vector is propagated and the gains are kept for the block. One
block a call, as its interfaces take one-dimensional arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from commpy.channels import MIMOFlatChannel
from commpy.modulation import QAMModem
from numpy.typing import NDArray

from benchmarks.reference import BLOCK_BITS, FFT, K_FACTOR, PERIOD, PREFIX, SYMBOLS, Contender, Work


class CommpyChain:
    """Stages of the flat MRT chain, one block at a time."""

    def __init__(self, work: Work, seed: int = 8) -> None:
        if work.num_blocks != 1 or work.num_taps != 1:
            raise ValueError("the commpy chain takes one block over a flat channel")
        self.work = work
        self.rng = np.random.default_rng(seed)
        self.modem = QAMModem(16)
        self.amplitude = math.sqrt(work.es / self.modem.Es)
        self.channel = MIMOFlatChannel(work.num_ant, 1)
        # the library's complex noise has variance noise_std^2 / 2
        self.channel.noise_std = math.sqrt(2.0)

    def bits(self) -> NDArray[np.int64]:
        return self.rng.integers(0, 2, BLOCK_BITS)

    def modulate(self, bits: NDArray[np.int64]) -> NDArray[np.complex128]:
        return self.amplitude * self.modem.modulate(bits).reshape(SYMBOLS, FFT)

    def fade(self) -> tuple[NDArray, NDArray, float]:
        """(h, w, |h|) of a block."""
        angle = self.rng.uniform(-math.pi / 2, math.pi / 2)
        # the library measures the angle from the axis of the array
        line = self.channel.specular_compo(math.pi / 2 - angle, 0.5, 0.0, 0.0)
        self.channel.uncorr_rician_fading(line, K_FACTOR)
        self.channel.propagate(np.zeros(self.work.num_ant, complex))
        h = self.channel.channel_gains[0, 0]
        gain = float(np.linalg.norm(h))
        return h, h.conj() / gain, gain

    def with_prefix(self, x: NDArray) -> NDArray:
        useful = np.fft.ifft(x, axis=-1, norm="ortho")
        return np.concatenate([useful[:, FFT - PREFIX :], useful], axis=1).reshape(-1)

    def antennas(self, samples: NDArray, h: NDArray, w: NDArray) -> NDArray:
        return h @ (w[:, None] * samples)

    def noise(self) -> NDArray:
        self.channel.generate_noises(SYMBOLS * PERIOD)
        return self.channel.noises

    def demodulate(self, samples: NDArray) -> NDArray:
        return np.fft.fft(samples.reshape(SYMBOLS, PERIOD)[:, PREFIX:], axis=-1, norm="ortho").reshape(-1)

    def decide(self, y: NDArray, gain: float) -> NDArray:
        return self.modem.demodulate(y / (gain * self.amplitude), "hard")

    def llr(self, y: NDArray, gain: float) -> NDArray:
        """Exact LLRs; the library's sign is positive = 1."""
        scale = gain * self.amplitude
        return self.modem.demodulate(y / scale, "soft", 1.0 / scale**2)

    def received(self, bits: NDArray) -> tuple[NDArray, float]:
        h, w, gain = self.fade()
        samples = self.antennas(self.with_prefix(self.modulate(bits)), h, w)
        return self.demodulate(samples + self.noise()), gain


def hard(name: str, work: Work) -> Contender:
    """Uncoded chain with hard decisions."""
    chain = CommpyChain(work)

    def run() -> NDArray[np.int64]:
        bits = chain.bits()
        return np.array([np.count_nonzero(bits != chain.decide(*chain.received(bits)))])

    return Contender(name, work, run, lambda errors: errors)


def soft(name: str, work: Work) -> Contender:
    """Uncoded chain that ends at the (exact) LLRs."""
    chain = CommpyChain(work)

    def run() -> tuple[NDArray, NDArray]:
        bits = chain.bits()
        return bits, chain.llr(*chain.received(bits))

    return Contender(
        name, work, run, lambda result: np.array([np.count_nonzero((result[1] > 0) != result[0])])
    )


def stages(work: Work) -> dict[str, Callable[[], Any]]:
    """Each stage alone, on data drawn once."""
    c = CommpyChain(work)
    bits, (h, w, gain) = c.bits(), c.fade()
    x = c.modulate(bits)
    samples = c.with_prefix(x)
    mixed = c.antennas(samples, h, w)
    y = c.demodulate(mixed + c.noise())
    got = c.decide(y, gain)
    return {
        "bits": c.bits,
        "modulate": lambda: c.modulate(bits),
        "fading, beam": c.fade,
        "ifft, prefix": lambda: c.with_prefix(x),
        "antennas": lambda: c.antennas(samples, h, w),
        "noise": c.noise,
        "fft": lambda: c.demodulate(mixed),
        "decide": lambda: c.decide(y, gain),
        "count": lambda: np.count_nonzero(bits != got),
    }
