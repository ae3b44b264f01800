"""What SBQ is compared with in Fig. 2(b): uniform quantisers, and the best of all scalar quantisers.

All are given by their levels; the cells are those of the nearest level.
"""

from __future__ import annotations

import numpy as np

from phy.parameters import ParameterError

_TOLERANCE = 1e-9  # relative change of the levels at which the iteration of Lloyd and Max has converged
_MAX_STEPS = 10_000


def uniform_levels(top: float, bits: int, bottom: float = 0.0) -> np.ndarray:
    """float64[2^bits]: middles of 2^bits equal cells of [bottom, top]."""
    if not top > bottom:
        raise ParameterError(f"top = {top}: must be > {bottom}")
    num = 1 << bits
    return bottom + (top - bottom) * (np.arange(num) + 0.5) / num


def lloyd_max_levels(features: np.ndarray, bits: int) -> np.ndarray:
    """float64[2^bits] (fewer for fewer distinct values): each level the mean of its cell, each cell what is
    nearest to its level.

    A fixed point of the iteration that starts from quantiles of the distinct values (zeros after a ReLU
    count once); for log-concave densities it is the optimum (Lloyd, IEEE Trans. Inf. Theory 28, 1982; Max,
    IRE Trans. Inf. Theory 6, 1960).
    """
    x = np.sort(np.asarray(features, np.float64).ravel())
    if x.size == 0 or not np.isfinite(x).all():
        raise ParameterError("features: must be finite and at least one")
    sums = np.concatenate([[0.0], np.cumsum(x)])
    start = np.quantile(np.unique(x), (np.arange(1 << bits) + 0.5) / (1 << bits))
    level = np.unique(start)
    for _ in range(_MAX_STEPS):
        inner = np.searchsorted(x, 0.5 * (level[1:] + level[:-1]))
        ends = np.concatenate([[0], inner, [x.size]])
        count = np.diff(ends)
        mean = np.where(count > 0, np.diff(sums[ends]) / np.maximum(count, 1), level)
        moved = np.abs(mean - level).max()
        level = mean
        if moved <= _TOLERANCE * max(np.abs(level).max(), 1e-300):
            return level
    raise ParameterError(f"Lloyd-Max: must converge within {_MAX_STEPS} steps")


def nearest_mse(features: np.ndarray, level: np.ndarray) -> float:
    """Mean squared error of quantising to the nearest of the increasing `level`."""
    x = np.asarray(features, np.float64).ravel()
    index = np.searchsorted(0.5 * (level[1:] + level[:-1]), x)
    return float(np.mean((x - level[index]) ** 2))
