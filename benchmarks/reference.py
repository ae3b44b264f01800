"""The reference chain that every contender of `benchmarks/phy.py` runs, and what its bit error rate must be.

64 subcarriers that all carry data, prefix of 16, blocks of 14 OFDM symbols = 3584 bits, Gray 16-QAM, Rician
K = 6 dB with a line of sight at a random angle, a new channel for every block, perfect channel knowledge,
Es/N0 8 dB before the array gain. `num_taps` 1 is frequency-flat, 4 has taps that fall by 3 dB each, the first
of them Rician. Energy per symbol is ES, noise energy per symbol and antenna is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phy.channel import array_response, tapped_delay_line
from phy.theory import ber_awgn, ber_rician

FFT, PREFIX, SYMBOLS, ORDER = 64, 16, 14, 4
BLOCK_SYMBOLS = FFT * SYMBOLS
BLOCK_BITS = BLOCK_SYMBOLS * ORDER
BLOCK_BYTES = BLOCK_BITS // 8
CODED_BITS = BLOCK_BITS // 2 - 6  # information bits of a block behind the zero-terminated K = 7 code
PERIOD = FFT + PREFIX
ES_N0_DB = 8.0
K_FACTOR = 10 ** (6.0 / 10)
DECAY_DB = 3.0


@dataclass(frozen=True)
class Work:
    """One job for all contenders."""

    num_blocks: int = 64  # blocks a call
    num_ant: int = 6
    num_taps: int = 1
    es_n0_db: float = ES_N0_DB

    @property
    def es(self) -> float:
        """Energy per symbol in units of the noise energy per symbol."""
        return 10.0 ** (self.es_n0_db / 10.0)

    @property
    def tap_powers(self) -> NDArray[np.float64]:
        """Mean powers of the taps, sum 1."""
        p = 10.0 ** (-DECAY_DB * np.arange(self.num_taps) / 10.0)
        return p / p.sum()

    @property
    def expected_ber(self) -> float:
        """Exact BER: on every subcarrier the taps add up to Rician fading with the K below."""
        line = self.tap_powers[0] * K_FACTOR / (1.0 + K_FACTOR)
        return float(ber_rician(ORDER, self.es, line / (1.0 - line), self.num_ant))

    @cached_property
    def block_deviation(self) -> float:
        """Standard deviation of the BER of a block: spread of the channels (sampled) and of the bits."""
        rng = np.random.default_rng(0)
        draws = 4000
        angle = rng.uniform(-math.pi / 2, math.pi / 2, draws)
        line = array_response(angle, self.num_ant)
        taps = tapped_delay_line(rng, (draws, self.num_ant), self.tap_powers, K_FACTOR, line)
        gain = (np.abs(np.fft.fft(taps, FFT if self.num_taps > 1 else 1, axis=-1)) ** 2).sum(axis=1)
        ber = ber_awgn(ORDER, self.es * gain).mean(axis=1)
        return math.sqrt(ber.var() + ber.mean() * (1.0 - ber.mean()) / BLOCK_BITS)


@dataclass(frozen=True)
class Contender:
    """A chain ready to run: every call of `run` draws bits, channels and noise anew."""

    name: str
    work: Work
    run: Callable[[], Any]  # the timed work, from the payload to the error count (soft: to the LLRs)
    errors: Callable[[Any], NDArray]  # wrong bits of each block from what `run` returned; not timed
    block_bits: int = BLOCK_BITS  # information bits of a block

    @property
    def num_bits(self) -> int:
        """Information bits of one call."""
        return self.work.num_blocks * self.block_bits


def ber_score(contender: Contender, num_blocks: int) -> tuple[float, float]:
    """(BER over at least num_blocks blocks, z-score against theory).

    The blocks are independent, the bits within one are not (they share a channel), so the spread is that of
    blocks. It is not estimated from the counts: few blocks in a deep fade make most of the errors.
    """
    counts: list[NDArray] = []
    while len(counts) * contender.work.num_blocks < num_blocks:
        counts.append(np.asarray(contender.errors(contender.run()), np.float64))
    wrong = np.concatenate(counts) / BLOCK_BITS
    error = contender.work.block_deviation / math.sqrt(wrong.size)
    return float(wrong.mean()), float((wrong.mean() - contender.work.expected_ber) / error)


def gray_points() -> NDArray[np.complex128]:
    """complex128[16]: 16-QAM of TS 38.211 5.1.4 by symbol value (b0 most significant), written from its
    formula and independent of `phy`.
    """
    v = np.arange(16)
    sign = [1 - 2 * ((v >> (3 - i)) & 1) for i in range(4)]
    return (sign[0] * (2 - sign[2]) + 1j * sign[1] * (2 - sign[3])) / math.sqrt(10.0)


def wrong_bits(sent: NDArray[np.uint8], llr: NDArray) -> NDArray[np.int64]:
    """Wrong signs per block of LLRs [B, 3584] (positive = bit 0) against packed bits uint8[B, 448]."""
    decided = np.packbits(np.asarray(llr).reshape(len(sent), -1) < 0, axis=1)
    return np.bitwise_count(decided ^ sent).sum(axis=1, dtype=np.int64)


def convolutional_encode(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8[B, 2 (n + 6)] code bits A1 B1 A2 B2 ... of uint8[B, n] by the K = 7 code (133, 171), in NumPy."""
    n = bits.shape[1]
    padded = np.zeros((len(bits), n + 12), np.uint8)
    padded[:, 6:-6] = bits
    delayed = [padded[:, 6 - d : 6 - d + n + 6] for d in range(7)]
    common = delayed[0] ^ delayed[2] ^ delayed[3] ^ delayed[6]
    pairs: NDArray[np.uint8] = np.stack([common ^ delayed[5], common ^ delayed[1]], axis=2)
    return pairs.reshape(len(bits), -1)
