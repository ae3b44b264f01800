"""Resource grid: which elements of a carrier carry data, pilots or nothing, and subchannels as sets of
subcarriers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phy.ofdm import Ofdm
from phy.parameters import Checked, ParameterError, non_negative, parameter

UNUSED, DATA, PILOT = 0, 1, 2


@dataclass(frozen=True)
class Carrier(Checked):
    """A carrier: numerology, guard carriers at the edges, and optionally an empty centre."""

    ofdm: Ofdm = parameter(meaning="numerology", factory=Ofdm)
    guard_low: int = parameter(
        28, unit="subcarriers", meaning="empty subcarriers at the lower edge", rule=non_negative
    )
    guard_high: int = parameter(
        28, unit="subcarriers", meaning="empty subcarriers at the upper edge", rule=non_negative
    )
    null_dc: bool = parameter(False, meaning="leave the subcarrier at the carrier frequency empty")

    def check(self) -> None:
        if self.guard_low + self.guard_high + self.null_dc >= self.ofdm.fft_size:
            raise self.error("guard_low", f"guards must leave some of the {self.ofdm.fft_size} subcarriers")

    def bins(self) -> np.ndarray:
        """FFT bins of the used subcarriers from low to high frequency, int64[U], negative below the
        carrier.
        """
        half = self.ofdm.fft_size // 2
        k = np.arange(-half + self.guard_low, half - self.guard_high, dtype=np.int64)
        return k[k != 0] if self.null_dc else k

    def elements(self, num_symbols: int, pilot_spacing: int = 1) -> np.ndarray:
        """Kind of every element, uint8[num_symbols, fft_size] by FFT bin: UNUSED, DATA or PILOT.

        In a pilot symbol the subcarriers between the pilots stay empty.
        """
        kind = np.full((num_symbols, self.ofdm.fft_size), UNUSED, np.uint8)
        bins = self.bins()
        for symbol in range(num_symbols):
            if self.ofdm.is_pilot(symbol):
                kind[symbol, bins[::pilot_spacing]] = PILOT
            else:
                kind[symbol, bins] = DATA
        return kind

    @property
    def energy_efficiency(self) -> float:
        """Share of the transmitted energy that is in data elements after prefix removal (equal energy
        each).
        """
        return 1.0 - self.ofdm.overhead


def fill(kind: np.ndarray, data: np.ndarray, pilots: np.ndarray) -> np.ndarray:
    """Grid of symbols, complex64 like kind: data and pilots placed in time, then frequency by FFT bin order.

    Args:
        kind: from `Carrier.elements`; data: complex[number of DATA]; pilots: complex[number of PILOT].
    """
    for name, values, code in (("data", data, DATA), ("pilots", pilots, PILOT)):
        want = int(np.count_nonzero(kind == code))
        if values.shape != (want,):
            raise ParameterError(f"{name} of shape {values.shape}: must be ({want},)")
    grid = np.zeros(kind.shape, np.complex64)
    grid[kind == DATA] = data
    grid[kind == PILOT] = pilots
    return grid


def contiguous_subchannels(bins: np.ndarray, shares: np.ndarray, least: int = 1) -> list[np.ndarray]:
    """Blocks of neighbouring subcarriers with widths in proportion to `shares`, in their order.

    Widths are rounded by the largest remainder so that they use every subcarrier; each has at least `least`.
    """
    shares = np.asarray(shares, np.float64)
    if shares.ndim != 1 or np.any(shares < 0.0) or shares.sum() <= 0.0:
        raise ParameterError(f"shares = {shares}: must be >= 0 and not all 0")
    spare = len(bins) - least * shares.size
    if spare < 0:
        raise ParameterError(
            f"{shares.size} subchannels of >= {least} subcarriers: there are only {len(bins)}"
        )
    # each share claims its part of the whole; the minimum is granted first, the claim beyond it in proportion
    beyond = np.maximum(shares / shares.sum() * len(bins) - least, 0.0)
    exact = beyond / beyond.sum() * spare if beyond.sum() > 0.0 else np.full(shares.size, spare / shares.size)
    width = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - width), kind="stable")
    width[order[: spare - int(width.sum())]] += 1
    return np.split(np.asarray(bins), np.cumsum(width + least)[:-1])


def interleaved_subchannels(bins: np.ndarray, num: int) -> list[np.ndarray]:
    """`num` combs: subchannel i takes every num-th subcarrier from the i-th on (frequency diversity)."""
    if not 1 <= num <= len(bins):
        raise ParameterError(f"num = {num}: must be in [1, {len(bins)}]")
    return [np.asarray(bins)[i::num] for i in range(num)]
