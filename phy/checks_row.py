"""Rows of the check and the normal scores they carry.

A row is one measurement against one expectation. Statistical rows carry z, a standard normal score when the
contract holds; exact rows carry a tolerance instead. A measurement that is not a number fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, rel_entr
from scipy.stats import kstwo

FAMILY_WISE_LEVEL = 1e-4  # probability that a correct simulator fails, over all rows of one run


@dataclass(frozen=True)
class Row:
    """One measurement. `group` orders the report, `subject` names the field of `Subjects` under test."""

    group: str
    name: str
    subject: str
    measured: float
    expected: float
    unit: str = ""
    z: float | None = None  # None: an exact row, judged by `tolerance`
    tolerance: float = 0.0  # largest |measured - expected| of an exact row
    samples: int = 0  # independent samples behind a statistical row
    details: dict[str, float | int | str] = field(default_factory=dict)  # SNRs, counts: for JSON and CSV

    @property
    def exact(self) -> bool:
        """Whether the row is judged by its tolerance."""
        return self.z is None

    @property
    def size(self) -> float:
        """|z|; infinite where z is not a number, 0 for an exact row."""
        return 0.0 if self.z is None else math.inf if math.isnan(self.z) else abs(self.z)

    def passes(self, bound: float) -> bool:
        """Whether the row agrees: |z| <= bound, or the deviation within the tolerance. NaN does not."""
        if self.z is None:
            return abs(self.measured - self.expected) <= self.tolerance
        return abs(self.z) <= bound


def family_bound(num_rows: int, level: float = FAMILY_WISE_LEVEL) -> float:
    """Largest |z| that a correct simulator exceeds in any of num_rows rows with probability <= level.

    Bonferroni: two-sided tail level / num_rows for each row; it holds whatever the dependence between rows.
    """
    return float(-ndtri(level / (2.0 * max(1, num_rows))))


def mean_z(samples: ArrayLike, expected: float) -> tuple[float, float]:
    """(mean, normal score of the mean) of independent samples, spread estimated from them."""
    x = np.asarray(samples, np.float64)
    mean = float(x.mean())
    return mean, _ratio(mean - expected, float(x.std(ddof=1)) / math.sqrt(x.size))


def energy_ratio_z(signal: ArrayLike, noise: ArrayLike, expected: float) -> tuple[float, float]:
    """(sum(signal) / sum(noise), z) for independent pairs of energies: the score of the mean of s - r n."""
    s, n = np.asarray(signal, np.float64), np.asarray(noise, np.float64)
    return float(s.sum() / n.sum()), mean_z(s - expected * n, 0.0)[1]


def counts_z(counts: np.ndarray, bits: int, probability: float) -> tuple[float, float, float]:
    """Bit errors of independent symbols against a bit error rate.

    Args:
        counts: int[n], wrong bits of each symbol, 0 .. bits. Bits of one symbol depend on each other (two
            bits of a rail, all bits of a fade); symbols do not.
        bits: bits per symbol. probability: expected rate.

    Returns: (rate, z, design effect). The design effect is the variance of a symbol's count over that of as
    many independent bits; trials / design effect is the effective number of trials. z is the signed root of
    the binomial deviance at that number, which keeps normal tails where the count is small and skewed.
    """
    n = counts.size
    rate = float(counts.mean()) / bits
    spread = rate * (1.0 - rate)
    design = float(counts.var(ddof=1)) / (bits * spread) if spread > 0.0 else 1.0
    return rate, signed_root(rate, probability, n * bits / max(design, 1e-9)), design


def signed_root(rate: float, probability: float, trials: float) -> float:
    """Signed root of the binomial deviance: +-sqrt(2 n KL(rate || p)); NaN for NaN."""
    deviance = rel_entr(rate, probability) + rel_entr(1.0 - rate, 1.0 - probability)
    return math.copysign(math.sqrt(max(0.0, 2.0 * trials * float(deviance))), rate - probability)


def wilson(rate: float, trials: float, quantile: float = 1.959964) -> tuple[float, float]:
    """Score interval of a rate (Wilson 1927), 95 % by default; `trials` may be an effective number."""
    q2 = quantile * quantile / trials
    centre = (rate + q2 / 2.0) / (1.0 + q2)
    half = math.sqrt(q2 * (rate * (1.0 - rate) + q2 / 4.0)) / (1.0 + q2)
    return max(0.0, centre - half), min(1.0, centre + half)


def residual_z(counts: ArrayLike, expected: ArrayLike) -> float:
    """Score of counts against their conditional expectations: sum r / sqrt(sum r^2), r = count - expected.

    Each residual has mean zero and is independent of the others given the channel; no law of the counts is
    assumed.
    """
    r = np.asarray(counts, np.float64) - np.asarray(expected, np.float64)
    return _ratio(float(r.sum()), math.sqrt(float((r * r).sum())))


def law_z(samples: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """(Kolmogorov-Smirnov distance to a continuous law, |z| of its exact two-sided p-value)."""
    x = np.sort(np.asarray(samples, np.float64))
    n = x.size
    f = cdf(x)
    distance = float(max((np.arange(1, n + 1) / n - f).max(), (f - np.arange(n) / n).max()))
    p = max(float(kstwo.sf(distance, n)), 1e-300)
    return distance, float(-ndtri(p / 2.0)) if p < 1.0 else 0.0


def correlation_z(a: np.ndarray, b: np.ndarray, expected: float = 0.0) -> tuple[float, float]:
    """(correlation coefficient of zero-mean samples about `expected`, z); pairs (a[k], b[k]) independent."""
    scale = math.sqrt(float((a * a).mean()) * float((b * b).mean()))
    products = a * b / scale if scale > 0.0 else np.full(a.shape, np.nan)
    return mean_z(products, expected)


def decibel(ratio: float) -> float:
    """10 log10 of a ratio, NaN where it is not positive."""
    return 10.0 * math.log10(ratio) if ratio > 0.0 else math.nan


def _ratio(difference: float, spread: float) -> float:
    """difference / spread; a constant that equals its expectation scores 0, one that does not, inf."""
    if spread > 0.0 or math.isnan(spread) or math.isnan(difference):
        return difference / spread if spread else math.nan
    return math.copysign(math.inf, difference) if abs(difference) > 1e-9 else 0.0
