"""Tables of bit error rates per bit position, measured with the bit-level link, and the link that uses
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betaincinv

from phy.bursts import Bursts, Received, check_bursts, snr_to_db
from phy.flip_kernels import transmit_flips
from phy.link import transmit_bit
from phy.modulation import check_order
from phy.parameters import ParameterError
from phy.philox import random_bytes

_STEP_DB = 0.02  # grid of the resampled table; linear interpolation between is exact to 1e-4 of the rate


@dataclass(frozen=True, eq=False)
class BerTable:
    """Counts of bit errors over AWGN at a grid of SNRs, by bit position."""

    bits_per_symbol: int
    snr_db: np.ndarray  # float64[G], increasing, Es/N0 per resource element
    errors: np.ndarray  # int64[G, m], wrong bits at each position
    trials: np.ndarray  # int64[G], symbols sent at each SNR

    def __post_init__(self) -> None:
        check_order(self.bits_per_symbol)
        shape = (self.snr_db.size, self.bits_per_symbol)
        if self.snr_db.ndim != 1 or self.snr_db.size < 2 or not np.all(np.diff(self.snr_db) > 0.0):
            raise ParameterError("BerTable.snr_db: must be increasing and have at least 2 points")
        if self.errors.shape != shape or self.trials.shape != shape[:1] or np.any(self.trials < 1):
            raise ParameterError(f"BerTable.errors: must have shape {shape}, trials {shape[:1]} and be >= 1")

    def interval(self, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Clopper-Pearson limits of the bit error rates, two float64[G, m]."""
        tail = (1.0 - confidence) / 2.0
        k, n = self.errors, self.trials[:, None]
        low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
        high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1.0 - tail), 1.0)
        return low, high

    def ber(self, snr_db: np.ndarray | float) -> np.ndarray:
        """Bit error rates at any SNR, float64[..., m].

        Monotone: PCHIP on the logarithm of the rates, which are first made non-increasing. Constant below the
        grid; 0 above the highest SNR at which errors were counted (their limit is in `interval`).
        """
        from scipy.interpolate import PchipInterpolator  # half a second that the other levels need not wait

        x = np.asarray(snr_db, np.float64)
        out = np.zeros((*x.shape, self.bits_per_symbol))
        for j in range(self.bits_per_symbol):
            seen = self.errors[:, j] > 0
            if not seen.any():
                continue
            last = int(np.flatnonzero(seen)[-1]) + 1
            grid = self.snr_db[:last][seen[:last]]
            rate = np.minimum.accumulate((self.errors[:last, j] / self.trials[:last])[seen[:last]])
            inside = np.clip(x, grid[0], grid[-1])
            value = PchipInterpolator(grid, np.log(rate))(inside) if grid.size > 1 else np.log(rate[0])
            out[..., j] = np.where(x <= grid[-1], np.exp(value), 0.0)
        return out

    @cached_property
    def resampled(self) -> np.ndarray:
        """`ber` on the uniform grid snr_db[0] + 0.02 dB * i that the kernel reads, float64[n, m]."""
        num = int(np.ceil((self.snr_db[-1] - self.snr_db[0]) / _STEP_DB)) + 2
        return np.ascontiguousarray(self.ber(self.snr_db[0] + _STEP_DB * np.arange(num)))


def measure_ber_table(bits_per_symbol: int, snr_db: np.ndarray, num_bits: int, key: int) -> BerTable:
    """Count bit errors of the bit-level link over AWGN.

    Args:
        snr_db: float[G], increasing SNRs (Es/N0 per resource element).
        num_bits: bits to send at each SNR, rounded up to whole groups of symbols.
        key: noise key; slot i of this key is SNR i.
    """
    check_order(bits_per_symbol)
    m = bits_per_symbol
    grid = np.asarray(snr_db, np.float64)
    group = 24 * m  # whole bytes and whole symbols
    size = -(-num_bits // group) * group
    errors = np.zeros((grid.size, m), np.int64)
    for i, snr in enumerate(grid):
        payload = random_bytes(key, i, size // 8)
        one = np.zeros(1, np.int64)
        bursts = Bursts(
            payload=payload,
            offset=one,
            num_bits=one + size,
            bits_per_symbol=one + m,
            h=np.ones((1, 1, 1), np.complex64),
            es=np.array([10.0 ** (snr / 10.0)]),
            n0=1.0,
            first_symbol=one,
            key=np.array([key], np.uint64),
            slot=one + i,
        )
        wrong = np.unpackbits(transmit_bit(bursts).payload ^ payload).reshape(-1, m)
        errors[i] = wrong.sum(axis=0)
    return BerTable(m, grid, errors, np.full(grid.size, size // m, np.int64))


def transmit_table(bursts: Bursts, table: BerTable) -> Received:
    """Level `table`: real bits, flipped independently at the rates of `table`.

    The rate is looked up at the SNR of each subcarrier after combining. The draws of an element depend on
    (key, slot, element) only. All bursts must use the table's bits_per_symbol.
    """
    check_bursts(bursts)
    b = bursts
    if np.any(b.bits_per_symbol != table.bits_per_symbol):
        raise ParameterError(
            f"Bursts.bits_per_symbol: the table holds {table.bits_per_symbol} bits per symbol only"
        )
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.empty(b.size, np.float64)
    transmit_flips(*b.arguments(table.resampled, float(table.snr_db[0]), _STEP_DB, received, errors, snr))
    return Received(received, errors, snr_to_db(snr))
