"""How many runs: batches are added until an interval is narrow enough, and one more that nobody looked at.

Stopping at the first interval that looks narrow selects runs of small spread, so its coverage falls short
(measured over normal values: 92 to 94 % for a nominal 95 % when 5 runs are added at a time). The rule here
decides on runs 0..n-1 and then adds a *confirmation batch* that took no part in the decision; the interval
over all of them covers 94.3 to 95.6 % for normal values (tests/netsim/test_paired.py measures it again), and
about 91 to 94 % for exponential ones, as skewed as delays get.

Source of the sequential rule: Chow, Robbins, Annals of Mathematical Statistics 36 (1965).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from netsim.stats import Interval, Values, mean_interval
from phy.parameters import ParameterError

BATCH = 10
FEWEST = 10


@dataclass(frozen=True)
class Precision:
    """A wanted half width: a share of |mean| (`relative`) or in the figure's unit."""

    half_width: float
    relative: bool

    def target(self, mean: float) -> float:
        """The half width that is wanted of an interval around `mean`."""
        return self.half_width * abs(mean) if self.relative else self.half_width

    def reached(self, interval: Interval, reference: float) -> bool:
        """Whether the interval is narrow enough; `reference` is the mean that a relative target refers to."""
        half = (interval.high - interval.low) / 2
        return math.isfinite(half) and half <= self.target(reference)


def parse_precision(text: str) -> Precision:
    """`1%` relative to the mean, `0.05` in the unit of the figure.

    Raises:
        ParameterError: not a positive number or percentage.
    """
    relative = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%")) / (100.0 if relative else 1.0)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise ParameterError(f"--precision {text}: must be a positive number or percentage, e.g. 1%")
    return Precision(value, relative)


@dataclass(frozen=True)
class Plan:
    """What to do after n runs: `runs` to have in all; `confirming` when the next batch is the last one."""

    runs: int
    confirming: bool


def next_runs(
    values: Values, precision: Precision, reference: float, most: int, level: float = 0.95
) -> Plan | None:
    """The runs to have before one looks again, after values [n] of runs 0..n-1; None when `most` is reached.

    Args:
        values: one number a run, in the order of the runs.
        reference: mean that a relative target refers to (for a gap: the mean at the reference level).
        most: runs at which one gives up.
    """
    n = len(np.asarray(values))
    if n >= most:
        return None
    wanted = max(n, FEWEST)
    if n >= FEWEST and precision.reached(mean_interval(values, level), reference):
        return Plan(min(most, n + BATCH), True)
    return Plan(min(most, wanted if n < FEWEST else n + BATCH), False)
