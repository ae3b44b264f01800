"""Confidence intervals for what a simulation estimates.

All are two-sided at the stated level. An interval that the data cannot give (one value) has NaN limits; the
caller says why. `n` is the number of replications: values that are independent of each other, such as runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from phy.parameters import ParameterError

Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits; the limits are NaN when there is no interval."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: Values, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of independent, roughly normal values [n].

    Source: Student, "The probable error of a mean", Biometrika 6 (1908); Law, Simulation Modeling and
        Analysis, 4.5.
    """
    x = _finite("values", values, at_least=1)
    _check_level(level)
    return _around(float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else math.nan, len(x), level)


def paired_interval(a: Values, b: Values, level: float = 0.95) -> Interval:
    """Student's t interval of mean(a - b), a[i] and b[i] [n] measured in the same world (common random
    numbers).

    Source: Law, Simulation Modeling and Analysis, 10.2.1 (paired-t confidence interval).
    """
    x, y = _finite("a", a, at_least=1), _finite("b", b, at_least=1)
    if len(x) != len(y):
        raise ParameterError(f"paired_interval: {len(x)} and {len(y)} values: must be equally many")
    return mean_interval(x - y, level)


def ratio_interval(numerators: Values, denominators: Values, level: float = 0.95) -> Interval:
    """Interval of E(numerator)/E(denominator) from n independent pairs, for "per packet" or "per bit"
    quantities.

    The estimate is sum/sum, so a run with few packets weighs little; its standard error is that of the
    residuals numerator - estimate * denominator (delta method), with a t quantile of n - 1 degrees of
    freedom. With equal denominators it is Student's interval of the mean. Denominators are >= 0 and not all
    0.

    Source: Cochran, Sampling Techniques, 3rd ed., 2.11 and 6.3; Law, Simulation Modeling and Analysis,
        9.5.3 (regenerative).
    """
    x, y = _finite("numerators", numerators, at_least=1), _finite("denominators", denominators, at_least=1)
    if len(x) != len(y):
        raise ParameterError(f"ratio_interval: {len(x)} and {len(y)} values: must be equally many")
    if (y < 0).any() or y.sum() == 0:
        raise ParameterError("ratio_interval: denominators: must be >= 0 and not all 0")
    ratio = float(x.sum() / y.sum())
    n = len(x)
    spread = math.sqrt(float(((x - ratio * y) ** 2).sum()) / (n - 1)) / float(y.mean()) if n > 1 else math.nan
    return _around(ratio, spread, n, _check_level(level))


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion: close to its level on average, also near 0 and 1.

    Source: Wilson, J. Am. Stat. Assoc. 22 (1927); Brown, Cai, DasGupta, Statistical Science 16 (2001).
    """
    _check_counts(successes, trials)
    z = float(stats.norm.ppf(0.5 + _check_level(level) / 2))
    p, q = successes / trials, z * z / trials
    half = z * math.sqrt(p * (1 - p) / trials + q / (4 * trials)) / (1 + q)
    centre = (p + q / 2) / (1 + q)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return Interval(p, low, 1.0 if successes == trials else min(1.0, centre + half), trials)


def clopper_pearson_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The exact interval of a proportion: never below its level, hence wider than Wilson's.

    Source: Clopper, Pearson, Biometrika 26 (1934), with the beta quantiles.
    """
    _check_counts(successes, trials)
    tail = (1 - _check_level(level)) / 2
    low = float(stats.beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(stats.beta.isf(tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return Interval(successes / trials, low, high, trials)


def bootstrap_interval(
    values: Values,
    rng: np.random.Generator,
    level: float = 0.95,
    statistic: Callable[..., np.ndarray] = np.mean,
    resamples: int = 2000,
) -> Interval:
    """Percentile bootstrap interval of `statistic` over independent values [n], drawn with the given
    generator.

    `statistic(samples, axis=1)` maps [resamples, n] to [resamples] (np.mean, np.median, ...).

    Source: Efron, Annals of Statistics 7 (1979); Efron, Tibshirani, An Introduction to the Bootstrap, 13.3.
    """
    x = _finite("values", values, at_least=1)
    _check_level(level)
    if resamples < 100:
        raise ParameterError(f"bootstrap_interval: resamples = {resamples}: must be >= 100")
    estimate = float(statistic(x[None, :], axis=1)[0])
    if len(x) < 2:
        return Interval(estimate, math.nan, math.nan, len(x))
    replicates = statistic(x[rng.integers(0, len(x), (resamples, len(x)))], axis=1)
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), len(x))


def _around(mean: float, deviation: float, n: int, level: float) -> Interval:
    """mean +- t * deviation / sqrt(n) with n - 1 degrees of freedom; NaN limits for n = 1."""
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * deviation / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def _finite(name: str, values: Values, at_least: int) -> np.ndarray:
    x = np.asarray(values, float)
    if x.ndim != 1 or len(x) < at_least:
        raise ParameterError(f"{name}: shape {x.shape}: must be 1-D with at least {at_least} values")
    if not np.isfinite(x).all():
        raise ParameterError(f"{name}[{np.flatnonzero(~np.isfinite(x))[0]}] is not finite: must be")
    return x


def _check_level(level: float) -> float:
    if not 0 < level < 1:
        raise ParameterError(f"level = {level}: must be in (0, 1)")
    return level


def _check_counts(successes: int, trials: int) -> None:
    if trials < 1 or not 0 <= successes <= trials:
        raise ParameterError(
            f"{successes} successes of {trials} trials: must be 0 <= successes <= trials, trials >= 1"
        )
