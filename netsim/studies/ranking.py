"""Does the winner change? Policies x levels: rank correlation, swaps, and the regret of choosing by formula.

`scores` are arrays [worlds, policies], the same worlds at both levels; larger is better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from netsim.stats import Interval, mean_interval, wilson_interval
from phy.parameters import ParameterError

RESAMPLES = 2000


@dataclass(frozen=True)
class Swap:
    """Two policies (indices) at two levels.

    `worlds`: share of worlds in which their order is reversed between the levels, Wilson's interval; a tie
    at one level is half a swap. `means`: share of resampled studies in which the order of the means is
    reversed. `gap_a`, `gap_b`: mean of first - second at each level, Student's interval over the worlds.
    `certain`: both gaps exclude zero with opposite signs.
    """

    first: int
    second: int
    worlds: Interval
    means: float
    gap_a: Interval
    gap_b: Interval

    @property
    def certain(self) -> bool:
        """Whether the two swap places and both gaps are clear of 0."""
        opposite = self.gap_a.mean * self.gap_b.mean < 0
        return opposite and all(g.low > 0 or g.high < 0 for g in (self.gap_a, self.gap_b))


@dataclass(frozen=True)
class Regret:
    """What choosing by level a costs at level b: best - chosen, in the unit of the figure.

    The interval is simultaneous over all rivals of the chosen policy (Bonferroni), so that having picked the
    best of them after the fact does not make it too short; it never goes below 0.
    """

    chosen: int
    best: int
    interval: Interval
    relative: float


def kendall(
    scores_a: np.ndarray, scores_b: np.ndarray, rng: np.random.Generator, level: float = 0.95
) -> Interval:
    """Kendall's tau-b between the orders of the policies' means; percentile bootstrap over the worlds.

    tau takes few values (steps of 4 / (k (k - 1))), so the interval is one of steps and covers at least its
    level when the true means differ; NaN with fewer than two policies or if all tie at a level.

    Source: Kendall, "The treatment of ties in ranking problems", Biometrika 33 (1945).
    """
    a, b = _check(scores_a, scores_b)
    n, k = a.shape
    tau = _tau(a.mean(axis=0)[None], b.mean(axis=0)[None])[0]
    if n < 3 or k < 2 or not math.isfinite(tau):
        return Interval(float(tau), math.nan, math.nan, n)
    means_a, means_b = _resampled_means(a, b, rng)
    taus = _tau(means_a, means_b)
    taus = taus[np.isfinite(taus)]
    low, high = np.quantile(taus, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Interval(float(tau), float(low), float(high), n)


def _tau(means_a: np.ndarray, means_b: np.ndarray) -> np.ndarray:
    """tau-b of rows [r, k] against rows [r, k]; equals scipy.stats.kendalltau (test)."""
    first, second = np.triu_indices(means_a.shape[1], 1)
    sign_a = np.sign(means_a[:, first] - means_a[:, second])
    sign_b = np.sign(means_b[:, first] - means_b[:, second])
    pairs = (np.abs(sign_a).sum(axis=1) * np.abs(sign_b).sum(axis=1)).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, (sign_a * sign_b).sum(axis=1) / np.sqrt(pairs), np.nan)


def _resampled_means(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Means [resamples, k] at both levels over the same resampled worlds."""
    n = len(a)
    weights = rng.multinomial(n, np.full(n, 1.0 / n), RESAMPLES) / n
    return weights @ a, weights @ b


def swaps(
    scores_a: np.ndarray, scores_b: np.ndarray, rng: np.random.Generator, level: float = 0.95
) -> list[Swap]:
    """Every pair of policies: whether they trade places between the levels."""
    a, b = _check(scores_a, scores_b)
    n = len(a)
    means_a, means_b = _resampled_means(a, b, rng)
    found = []
    for i, j in combinations(range(a.shape[1]), 2):
        product = np.sign(a[:, i] - a[:, j]) * np.sign(b[:, i] - b[:, j])
        reversed_worlds = float((product < 0).sum() + 0.5 * (product == 0).sum())
        wilson = wilson_interval(round(reversed_worlds), n, level)
        share = Interval(reversed_worlds / n, wilson.low, wilson.high, n)
        resampled = (means_a[:, i] - means_a[:, j]) * (means_b[:, i] - means_b[:, j])
        flipped = float(np.mean(resampled < 0) + 0.5 * np.mean(resampled == 0))
        gaps = [mean_interval(scores[:, i] - scores[:, j], level) for scores in (a, b)]
        found.append(Swap(i, j, share, flipped, *gaps))
    return found


def regret(scores_a: np.ndarray, scores_b: np.ndarray, level: float = 0.95) -> Regret:
    """Loss at level b of the policy that is best at level a, against the best at level b."""
    a, b = _check(scores_a, scores_b)
    return regret_of(b, int(a.mean(axis=0).argmax()), level)


def regret_of(scores: np.ndarray, chosen: int, level: float = 0.95) -> Regret:
    """Loss of the policy `chosen` against the best of the policies, scores [worlds, policies].

    Source of the simultaneous interval: Hsu, Multiple Comparisons: Theory and Methods, ch. 4 (comparisons
        with the best), with Bonferroni's t quantiles for paired differences.
    """
    b, _ = _check(scores, scores)
    n, k = b.shape
    best = int(b.mean(axis=0).argmax())
    difference = b - b[:, [chosen]]
    loss = float(difference[:, best].mean())
    scale = abs(float(b[:, best].mean()))
    relative = loss / scale if scale else math.nan
    if n < 2 or k < 2:
        return Regret(chosen, best, Interval(loss, math.nan, math.nan, n), relative)
    rivals = [p for p in range(k) if p != chosen]
    t = float(stats.t.ppf(1 - (1 - level) / (2 * len(rivals)), n - 1))
    error = difference.std(axis=0, ddof=1) / math.sqrt(n)
    mean = difference.mean(axis=0)
    low = max(0.0, *(float(mean[p] - t * error[p]) for p in rivals))
    high = max(0.0, *(float(mean[p] + t * error[p]) for p in rivals))
    return Regret(chosen, best, Interval(loss, low, high, n), relative)


def _check(scores_a: np.ndarray, scores_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(scores_a, float), np.asarray(scores_b, float)
    if a.ndim != 2 or a.shape != b.shape or 0 in a.shape:
        raise ParameterError(f"scores: shapes {a.shape} and {b.shape}: must be equal, [worlds, policies]")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ParameterError("scores: must all be finite")
    return a, b
