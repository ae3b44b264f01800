"""Modulation and coding schemes of NR, choice by SINR, and outer-loop link adaptation.

Tables: TS 38.214 5.1.3.1. Link adaptation: an inner loop picks the highest scheme whose threshold lies under
the reported SINR plus an offset; the outer loop moves the offset with every acknowledgement so that the block
error rate settles at its target (K. I. Pedersen et al., "Frequency domain scheduling for OFDMA with limited
and noisy channel feedback", VTC 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phy.parameters import Checked, ParameterError, Rule, finite, non_negative, parameter, positive


@dataclass(frozen=True)
class Mcs:
    """One scheme: bits per constellation symbol (Q_m) and code rate."""

    index: int
    bits_per_symbol: int
    code_rate: float

    @property
    def spectral_efficiency(self) -> float:
        """Information bits per resource element."""
        return self.bits_per_symbol * self.code_rate


def _table(*rows: tuple[int, tuple[float, ...]]) -> tuple[Mcs, ...]:
    schemes = [(order, rate / 1024) for order, rates in rows for rate in rates]
    return tuple(Mcs(i, order, rate) for i, (order, rate) in enumerate(schemes))


# Rows: (Q_m, code rates x 1024).
MCS_64QAM = _table(  # TS 38.214 Table 5.1.3.1-1
    (2, (120, 157, 193, 251, 308, 379, 449, 526, 602, 679)),
    (4, (340, 378, 434, 490, 553, 616, 658)),
    (6, (438, 466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948)),
)
MCS_256QAM = _table(  # TS 38.214 Table 5.1.3.1-2
    (2, (120, 193, 308, 449, 602)),
    (4, (378, 434, 490, 553, 616, 658)),
    (6, (466, 517, 567, 616, 666, 719, 772, 822, 873)),
    (8, (682.5, 711, 754, 797, 841, 885, 916.5, 948)),
)
TABLES = {"64qam": MCS_64QAM, "256qam": MCS_256QAM}


def mcs_table(name: str) -> tuple[Mcs, ...]:
    """The table "64qam" (5.1.3.1-1) or "256qam" (5.1.3.1-2)."""
    if name not in TABLES:
        raise ParameterError(f"mcs table = {name!r}: must be one of " + ", ".join(TABLES))
    return TABLES[name]


def gap_thresholds_db(table: tuple[Mcs, ...], gap_db: float = 2.0) -> NDArray[np.float64]:
    """SINR in dB that each scheme needs if it stays `gap_db` from capacity: 2^SE - 1 plus the gap.

    A start where no measured table is at hand; thresholds measured on the link replace it.

    Returns:
        float64[len(table)], increasing (a scheme that needs more than a more efficient one gets that one's).
    """
    efficiency = np.array([m.spectral_efficiency for m in table])
    needed = 10 * np.log10(2**efficiency - 1) + gap_db
    return np.minimum.accumulate(needed[::-1])[::-1]


def select(
    sinr_db: NDArray[np.float64] | float, thresholds_db: NDArray[np.float64], offset_db: float = 0.0
) -> NDArray[np.int64]:
    """Index of the highest scheme with threshold <= sinr_db + offset_db, or 0; shape of sinr_db."""
    effective = np.asarray(sinr_db, dtype=float) + offset_db
    return np.maximum(np.searchsorted(thresholds_db, effective, side="right") - 1, 0)


@dataclass(frozen=True)
class Olla(Checked):
    """Parameters of the outer loop."""

    bler_target: float = parameter(
        0.1,
        meaning="block error rate at which the offset stands still",
        source="TS 38.214 5.1.3.1 (CQI definition)",
        rule=Rule(lambda v: 0 < v < 1, "must be in (0, 1)"),
    )
    step_down_db: float = parameter(
        0.5, meaning="offset change after a lost block", unit="dB", source="Pedersen 2007", rule=positive
    )
    limit_db: float = parameter(10.0, meaning="largest magnitude of the offset", unit="dB", rule=non_negative)
    initial_db: float = parameter(0.0, meaning="offset before the first block", unit="dB", rule=finite)

    @property
    def step_up_db(self) -> float:
        """Offset change after a received block: in balance with `step_down_db` at the target."""
        return self.step_down_db * self.bler_target / (1 - self.bler_target)


def update_offset(offset_db: float, acknowledged: bool, olla: Olla) -> float:
    """The offset in dB after one more acknowledgement (True: the block was received)."""
    moved = offset_db + (olla.step_up_db if acknowledged else -olla.step_down_db)
    return min(max(moved, -olla.limit_db), olla.limit_db)
