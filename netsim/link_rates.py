"""Rate laws of level `paper`: bits per second and hertz at an SNR.

`shannon`   log2(1 + g), TOSCN (13)
`capped`    e min(m, log2(1 + g / G)): what a link with a largest modulation carries, calibrated
`measured`  the goodput table of the bit-level link itself
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np


class RateLaw(Protocol):
    """Spectral efficiency as a function of the linear SNR per resource element."""

    def efficiency(self, snr: np.ndarray) -> np.ndarray:
        """Net bit/s/Hz, float64, for many SNRs."""

    def efficiency_at(self, snr: float) -> float:
        """Net bit/s/Hz at one SNR."""


class ShannonRate:
    """TOSCN (13)."""

    def efficiency(self, snr: np.ndarray) -> np.ndarray:
        """log2(1 + snr), bit/s/Hz, float64 for many SNRs."""
        return np.log2(1.0 + snr)

    def efficiency_at(self, snr: float) -> float:
        """log2(1 + snr) at one SNR, bit/s/Hz."""
        return math.log2(1.0 + snr)


class CappedRate:
    """e min(m, log2(1 + snr / G)).

    Args:
        overhead_efficiency: e, share of time and band that carries data.
        cap_bits: m, bits of a symbol that the largest modulation carries.
        gap_db: G, loss against Shannon below the cap; negative where packets keep their worth in spite of
            bit errors.
    """

    def __init__(self, overhead_efficiency: float, cap_bits: float, gap_db: float) -> None:
        self.overhead_efficiency, self.cap_bits = overhead_efficiency, cap_bits
        self.gap = 10.0 ** (gap_db / 10.0)

    def efficiency(self, snr: np.ndarray) -> np.ndarray:
        """e min(m, log2(1 + snr / G)), bit/s/Hz, float64 for many SNRs."""
        return self.overhead_efficiency * np.minimum(self.cap_bits, np.log2(1.0 + snr / self.gap))

    def efficiency_at(self, snr: float) -> float:
        """e min(m, log2(1 + snr / G)) at one SNR, bit/s/Hz."""
        return self.overhead_efficiency * min(self.cap_bits, math.log2(1.0 + snr / self.gap))


class MeasuredRate:
    """Linear in dB between measured points, the last one above them, in proportion to the SNR below.

    Args:
        snr_db: float64[G], increasing.
        efficiency: float64[G], net bit/s/Hz measured there.
    """

    def __init__(self, snr_db: np.ndarray, efficiency: np.ndarray) -> None:
        self.snr_db, self.measured = np.asarray(snr_db, float), np.asarray(efficiency, float)
        self._first = 10.0 ** (self.snr_db[0] / 10.0)

    def efficiency(self, snr: np.ndarray) -> np.ndarray:
        """The measured curve, bit/s/Hz, float64 for many SNRs."""
        snr = np.asarray(snr, float)
        inside = np.interp(10.0 * np.log10(np.maximum(snr, self._first)), self.snr_db, self.measured)
        return inside * np.minimum(snr / self._first, 1.0)

    def efficiency_at(self, snr: float) -> float:
        """The measured curve at one SNR, bit/s/Hz."""
        return float(self.efficiency(np.array([snr]))[0])
