"""Injection against noise at a given move probability: where `phy.injection.SPARSE_BELOW` comes from.

    python -m benchmarks.injection

The ratio is time of `LinkPlan.inject` over time of `LinkPlan.transmit`; below 1 injection is the faster way.
"""

from __future__ import annotations

import statistics

import numpy as np
from scipy.stats import norm

from benchmarks.timing import QUICK, race
from phy import channel
from phy.bursts import Bursts
from phy.plan import LinkPlan
from phy.qam import NORM

PROBABILITIES = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08)  # that a rail leaves its level where the gain is least
BURSTS, BITS = 32, 3584


def plan(m: int, width: int, probability: float) -> LinkPlan:
    """Bursts whose weakest subcarrier moves with this probability; width 1: one gain for all elements."""
    rng = np.random.default_rng(1)
    index = np.arange(BURSTS, dtype=np.int64)
    h = np.ones((BURSTS, 1, 1), np.complex64)
    if width > 1:
        h = channel.rician(rng, (BURSTS, 1, width), 10.0).astype(np.complex64)
    least = (np.abs(h) ** 2).sum(axis=1).min(axis=1).astype(np.float64)
    return LinkPlan(
        Bursts(
            payload=rng.integers(0, 256, BURSTS * BITS // 8, dtype=np.uint8),
            offset=index * (BITS // 8),
            num_bits=np.full(BURSTS, BITS),
            bits_per_symbol=np.full(BURSTS, m),
            h=h,
            es=NORM[m] / 2.0 * norm.isf(probability / 2.0) ** 2 / least,
            n0=1.0,
            first_symbol=np.zeros(BURSTS, np.int64),
            key=index.astype(np.uint64),
            slot=np.zeros(BURSTS, np.int64),
        )
    )


def main() -> None:
    """Print the table."""
    print("subcarriers  bits" + "".join(f"{p:8.2f}" for p in PROBABILITIES))
    for width in (1, 12):
        for m in (2, 4, 6, 8):
            row = ""
            for probability in PROBABILITIES:
                link = plan(m, width, probability)
                seconds = race(
                    {"inject": (lambda link=link: link.inject(1.1), 1.0), "noise": (link.transmit, 1.0)},
                    QUICK,
                )
                ratios = [a / b for a, b in zip(seconds["inject"], seconds["noise"])]
                row += f"{statistics.median(ratios):8.2f}"
            print(f"{width:11d}{m:6d}{row}")


if __name__ == "__main__":
    main()
