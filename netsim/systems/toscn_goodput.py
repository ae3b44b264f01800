"""Goodput of the bit-level link, and the capped rate law calibrated from it (specification toscn 10.6).

Feature packets are not retransmitted: bits arrive wrong and the server decides on them. So a packet counts
for the goodput as far as it keeps its worth, (A(eta, SNR) - guess) / (A(eta, no errors) - guess), averaged
over the three tasks and all measured compressions up to 0.9; times the bits that the resource elements carry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.systems.toscn_knowledge import GUESS, Knowledge, shipped

TASKS = ("mnist", "fashion-mnist", "cifar10")
BITS_PER_SYMBOL = 4  # of the link that the knowledge base was measured with
UP_TO = 0.9  # of the measured compressions; beyond, accuracy without errors is close to a guess
_START = (4.0, 0.0)


def worth(tables: list[Knowledge]) -> tuple[np.ndarray, np.ndarray]:
    """Share of their worth that packets keep, by SNR: (snr_db float64[G] without the infinite one, share)."""
    shares = []
    for known in tables:
        used = np.array(known.compression) <= UP_TO
        accuracy = known.accuracy[:, used] - GUESS
        shares.append((accuracy / accuracy[-1]).mean(axis=1))
    return np.array(tables[0].snr_db[:-1]), np.minimum(np.mean(shares, axis=0)[:-1], 1.0)


def measured_bits(mode: str = "task_avg", classifier: str = "compressed") -> tuple[np.ndarray, np.ndarray]:
    """Goodput per data symbol of uncoded 16-QAM: (snr_db float64[G], bit float64[G])."""
    base = shipped()
    snr_db, share = worth([base.tables[base.of(task, mode, classifier)] for task in TASKS])
    return snr_db, BITS_PER_SYMBOL * share


@dataclass(frozen=True)
class Calibration:
    """min(m, log2(1 + g / G)) fitted to measured bits per symbol."""

    cap_bits: float
    gap_db: float
    rms_bits: float  # fit error over the measured SNRs
    worst_bits: float


def calibrate(snr_db: np.ndarray, bits: np.ndarray) -> Calibration:
    """Least squares over the points with the cap and the gap free."""
    from scipy.optimize import least_squares

    snr = 10.0 ** (np.asarray(snr_db) / 10.0)

    def residual(p: np.ndarray) -> np.ndarray:
        return np.minimum(p[0], np.log2(1.0 + snr / 10.0 ** (p[1] / 10.0))) - bits

    starts = [(float(np.max(bits)), gap) for gap in (-6.0, 0.0, 6.0)]
    found = min((least_squares(residual, start) for start in starts), key=lambda r: r.cost)
    error = np.abs(found.fun)
    return Calibration(
        float(found.x[0]), float(found.x[1]), float(np.sqrt(np.mean(error**2))), float(error.max())
    )
