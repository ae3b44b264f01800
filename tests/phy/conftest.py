"""Fixtures of the PHY tests: bursts over a given channel, and the BER gate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from phy.bursts import Bursts
from phy.philox import random_bytes


def build_bursts(
    bits_per_symbol: int,
    snr_db: float,
    num_symbols: int,
    *,
    h: np.ndarray | None = None,
    num_bursts: int = 1,
    key: int = 1,
    slot: int = 0,
) -> Bursts:
    """num_bursts equal bursts of num_symbols symbols (a multiple of 8) at es/n0 = snr_db; AWGN unless h is
    given.
    """
    num_bytes = num_symbols * bits_per_symbol // 8
    index = np.arange(num_bursts, dtype=np.int64)
    return Bursts(
        payload=random_bytes(key, slot, num_bytes * num_bursts),
        offset=index * num_bytes,
        num_bits=0 * index + 8 * num_bytes,
        bits_per_symbol=0 * index + bits_per_symbol,
        h=np.ones((num_bursts, 1, 1), np.complex64) if h is None else np.ascontiguousarray(h, np.complex64),
        es=np.full(num_bursts, 10.0 ** (snr_db / 10.0)),
        n0=1.0,
        first_symbol=0 * index,
        key=np.uint64(key) + index.astype(np.uint64),
        slot=0 * index + slot,
    )


@pytest.fixture
def make_bursts() -> Callable[..., Bursts]:
    return build_bursts


@pytest.fixture
def one_bit_per_symbol() -> Callable[[np.ndarray, int], int]:
    """Count errors in one bit per symbol (position k mod m of symbol k): independent trials, unlike all m
    bits.
    """

    def count(wrong: np.ndarray, bits_per_symbol: int) -> int:
        table = np.unpackbits(wrong).reshape(-1, bits_per_symbol)
        k = np.arange(table.shape[0])
        return int(table[k, k % bits_per_symbol].sum())

    return count


@pytest.fixture
def inside_binomial() -> Callable[[int, int, float, float], bool]:
    """Whether an error count lies in the central interval of its binomial law."""

    def inside(errors: int, trials: int, probability: float, confidence: float = 0.999) -> bool:
        low, high = binom.interval(confidence, trials, probability)
        return bool(low <= errors <= high)

    return inside
