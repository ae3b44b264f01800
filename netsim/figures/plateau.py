"""When a training has stopped rising.

What agents are worth without exploration, in worlds that they did not learn from, is measured after every
segment of a training (`training.Result.judged`). Its second half decides: a line through it (one slope, a
level for each seed) gives the gain over that half. A training stands on its plateau if the gain is not
distinguishable from 0 or is less than 1 % of the level. The plateau begins where the mean over seeds first
reaches 99 % of that level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

CLOSE = 0.01
LEAST_SEGMENTS = 4


@dataclass(frozen=True)
class Plateau:
    """Where a training stands: mean value over its second half, gain over that half as a share of it with its
    95 % interval, and the segment with which the plateau begins (counted from 1).
    """

    level: float
    gain: float
    low: float
    high: float
    begins: int

    @property
    def reached(self) -> bool:
        """Whether the second half is flat."""
        return self.low <= 0.0 or self.gain < CLOSE


def plateau(judged: np.ndarray) -> Plateau:
    """Of float64[seeds, segments], at least LEAST_SEGMENTS of them.

    The interval is Student's t of the slope's least squares estimate.
    """
    num_seeds, num_segments = judged.shape
    if num_segments < LEAST_SEGMENTS:
        raise ValueError(f"{num_segments} segments: must be >= {LEAST_SEGMENTS}")
    late = judged[:, num_segments // 2 :]
    x = np.arange(late.shape[1]) - (late.shape[1] - 1) / 2
    level = float(late.mean())
    residual = late - late.mean(axis=1, keepdims=True)
    weight = num_seeds * float((x**2).sum())
    slope = float((residual * x).sum()) / weight
    freedom = late.size - num_seeds - 1
    variance = float(((residual - slope * x) ** 2).sum()) / freedom if freedom else float("inf")
    half = float(scipy_stats.t.ppf(0.975, freedom)) * np.sqrt(variance / weight) if freedom else float("inf")
    share = (late.shape[1] - 1) / abs(level)
    mean = judged.mean(axis=0)
    begins = int(np.argmax(mean >= level - CLOSE * abs(level))) + 1
    return Plateau(level, slope * share, (slope - half) * share, (slope + half) * share, begins)
