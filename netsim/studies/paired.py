"""Paired comparison of two variants over the same worlds: gap, its intervals, equivalence, what pairing
saved.

Every figure enters as one number a world (`linearised` turns a ratio of sums into such numbers), so that all
intervals here are those of the mean of independent values. `rng` is the caller's generator: equal data and
equal generator give equal intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from netsim.stats import Interval, Values, mean_interval
from phy.parameters import ParameterError

RESAMPLES = 2000
EQUIVALENT, BEYOND, UNDECIDED = "equivalent", "beyond the margin", "undecided"


@dataclass(frozen=True)
class Gap:
    """mean(b - a) over n worlds.

    `t` is Student's interval, `bootstrap` the percentile-t interval; `reduction` is the factor by which
    pairing shrank the variance of the difference, (var a + var b) / var(b - a), as measured: above 1 pairing
    saved that factor of runs; NaN where the difference does not vary.
    """

    mean_a: float
    mean_b: float
    t: Interval
    bootstrap: Interval
    reduction: float
    correlation: float

    @property
    def mean(self) -> float:
        """The mean gap."""
        return self.t.mean

    @property
    def relative(self) -> float:
        """Gap over |mean a|; NaN when that mean is 0."""
        return self.mean / abs(self.mean_a) if self.mean_a else math.nan


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests of |gap| < margin: p of the worse side, and what follows at level alpha.

    `equivalent`: the 1 - 2 alpha interval lies inside the margins. `beyond the margin`: the 1 - alpha
    interval lies outside of them. `undecided`: neither; more runs would tell.
    """

    margin: float
    alpha: float
    p: float
    verdict: str


def linearised(numerators: Values, denominators: Values) -> np.ndarray:
    """A ratio of sums as one value a world, float64[n], with mean sum/sum: r + (x - r y) / mean(y).

    The mean and the Student interval of these values are `stats.ratio_interval`, and values of two variants
    in the same worlds may be subtracted (delta method). Equal denominators give x / y.

    Source: Cochran, Sampling Techniques, 3rd ed., 6.3; Taylor linearisation of a ratio.
    """
    x, y = np.asarray(numerators, float), np.asarray(denominators, float)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ParameterError(f"linearised: shapes {x.shape} and {y.shape}: must be equal, 1-D and not empty")
    if (y < 0).any() or y.sum() == 0:
        raise ParameterError("linearised: denominators: must be >= 0 and not all 0")
    ratio = x.sum() / y.sum()
    return ratio + (x - ratio * y) / y.mean()


def paired_gap(a: Values, b: Values, rng: np.random.Generator, level: float = 0.95) -> Gap:
    """The gap b - a of two variants, a[i] and b[i] [n] measured in world i.

    Raises:
        ParameterError: lengths differ, no value, a value is not finite.
    """
    x, y = np.asarray(a, float), np.asarray(b, float)
    if x.shape != y.shape:
        raise ParameterError(f"paired_gap: {len(x)} and {len(y)} values: must be equally many")
    difference = y - x
    t = mean_interval(difference, level)
    bootstrap = percentile_t_interval(difference, rng, level)
    reduction = correlation = math.nan
    if len(x) > 2:
        spread = float(difference.var(ddof=1))
        apart = float(x.var(ddof=1) + y.var(ddof=1))
        reduction = apart / spread if spread > 1e-24 * apart and spread > 0 else math.nan
        if x.std() > 0 and y.std() > 0:
            correlation = float(np.corrcoef(x, y)[0, 1])
    return Gap(float(x.mean()), float(y.mean()), t, bootstrap, reduction, correlation)


def percentile_t_interval(
    values: Values, rng: np.random.Generator, level: float = 0.95, resamples: int = RESAMPLES
) -> Interval:
    """Bootstrap-t interval of the mean of independent values [n]: second-order correct, so it follows skew.

    Each resample's mean is studentised with its own standard error; resamples without spread (they happen
    with few distinct values) are left out. NaN limits for fewer than 3 values; a point for equal values.

    Source: Hall, The Bootstrap and Edgeworth Expansion, 3.5; Efron, Tibshirani, An Introduction to the
        Bootstrap, 12.5.
    """
    point = mean_interval(values, level)  # checks values and level
    x = np.asarray(values, float)
    n = len(x)
    if n < 3:
        return Interval(point.mean, math.nan, math.nan, n)
    deviation = float(x.std(ddof=1))
    if deviation == 0.0:
        return Interval(point.mean, point.mean, point.mean, n)
    samples = x[rng.integers(0, n, (resamples, n))]
    spread = samples.std(axis=1, ddof=1)
    kept = spread > 1e-12 * deviation
    studentised = (samples.mean(axis=1)[kept] - point.mean) / (spread[kept] / math.sqrt(n))
    low, high = np.quantile(studentised, [(1 - level) / 2, (1 + level) / 2])
    error = deviation / math.sqrt(n)
    return Interval(point.mean, float(point.mean - high * error), float(point.mean - low * error), n)


def equivalence(differences: Values, margin: float, alpha: float = 0.05) -> Equivalence:
    """Is |mean of the differences| [n] below `margin` (same unit, > 0)?

    Source: Schuirmann, J. Pharmacokin. Biopharm. 15 (1987): two one-sided t tests at level alpha each.
    """
    if not (margin > 0 and math.isfinite(margin)):
        raise ParameterError(f"margin = {margin}: must be > 0 and finite")
    if not 0 < alpha < 0.5:
        raise ParameterError(f"alpha = {alpha}: must be in (0, 0.5)")
    interval = mean_interval(differences, 1 - alpha)
    d = np.asarray(differences, float)
    n = len(d)
    if n < 2:
        return Equivalence(margin, alpha, math.nan, UNDECIDED)
    error = float(d.std(ddof=1)) / math.sqrt(n)
    if error == 0.0:
        p = 0.0 if abs(interval.mean) < margin else 1.0
    else:
        above = float(stats.t.sf((interval.mean + margin) / error, n - 1))  # H0: mean <= -margin
        below = float(stats.t.cdf((interval.mean - margin) / error, n - 1))  # H0: mean >= +margin
        p = max(above, below)
    if p <= alpha:
        verdict = EQUIVALENT
    elif interval.low > margin or interval.high < -margin:
        verdict = BEYOND
    else:
        verdict = UNDECIDED
    return Equivalence(margin, alpha, p, verdict)


def holm(p_values: Values) -> np.ndarray:
    """p values [m] adjusted for m tests at once, float64[m]; NaN stay NaN and do not count.

    Source: Holm, Scand. J. Statistics 6 (1979).
    """
    p = np.asarray(p_values, float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted
