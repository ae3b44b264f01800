"""Levels, cell edges and threshold of the semantic-bit quantiser (SBQ), as plain tables.

All numbers are in units of the threshold p_th; code word q of a feature is the number of its cell, counted
from below. Half of the 2^n words share [0, p_th], the other half steps by p_th on the tail above. The kernels
(which encode and decode) and the training (which needs the same map in torch) both read these tables.
Source: Adaptive Resource Allocation for Semantic Communication Networks, arXiv 2312.01081, eq. (6)-(9):
`midpoint` floor and centre of the cell in both halves, `levels` the tail rounded as in (8)-(9), `paper` the
equations as printed with P_n = 2^n - 1 (n = 1, where (6) is 0/0, has word 0 for the inside), `paper_fix7` the
same with (7) returning q / P instead of the upper edge of the rounding cell.
"""

from __future__ import annotations

import numpy as np

from phy.parameters import ParameterError

MODES = ("midpoint", "levels", "paper", "paper_fix7")
BITS = (1, 2, 3)
GRID = np.linspace(0.3, 2.4, 85)  # candidates of the MSE rule, in units of the mean
THRESHOLD_FLOOR = 1e-6


def _check(mode: str, bits: int) -> None:
    if mode not in MODES:
        raise ParameterError(f"SBQ mode = {mode!r}: must be one of {', '.join(MODES)}")
    if bits not in BITS:
        raise ParameterError(f"SBQ bits = {bits}: must be 1, 2 or 3")


def levels(mode: str, bits: int) -> np.ndarray:
    """Reconstruction levels of words 0 ... 2^bits - 1 in units of p_th: float64[2^bits], ascending."""
    _check(mode, bits)
    half = 2 ** (bits - 1)
    inside = (2 * np.arange(half) + 1) / (2 * half)
    if mode == "midpoint":
        return np.concatenate([inside, np.arange(half) + 1.5])
    if mode == "levels":
        return np.concatenate([inside, np.arange(half) + 1.0])
    if bits == 1:
        return np.array([0.5, 2.0])
    steps = half - 1  # P_(n-1), the word that both rules share and (9) decodes
    below = np.arange(steps) / steps if mode == "paper_fix7" else (2 * np.arange(steps) + 1) / (2 * steps)
    return np.concatenate([below, np.arange(half + 1) + 1.0])


def edges(mode: str, bits: int) -> np.ndarray:
    """Inner cell edges in units of p_th, ascending: float64[2^bits - 1]; word = number of edges passed."""
    _check(mode, bits)
    half = 2 ** (bits - 1)
    inside = np.arange(1, half + 1) / half
    if mode == "midpoint":
        return np.concatenate([inside, np.arange(1, half) + 1.0])
    if mode == "levels":
        return np.concatenate([inside, np.arange(1, half) + 0.5])
    if bits == 1:
        return np.array([1.5])
    steps = half - 1
    return np.concatenate([(np.arange(steps) + 0.5) / steps, np.arange(half) + 1.5])


def closed_above(mode: str, bits: int) -> np.ndarray:
    """Which edges belong to the cell below them: bool[2^bits - 1].

    The edge p_th does in `midpoint` and `levels` (the inside is closed); where a rule rounds, half goes to
    even. A value on any other edge belongs to the cell above.
    """
    _check(mode, bits)
    half = 2 ** (bits - 1)
    if mode == "midpoint":
        return np.arange(1, 2 * half) == half
    if mode == "levels":
        tail = np.arange(half - 1) % 2 == 0
        return np.concatenate([np.arange(1, half + 1) == half, tail])
    if bits == 1:
        return np.array([True])
    return np.concatenate([np.arange(half - 1) % 2 == 0, np.arange(half) % 2 == 0])


def clip_of(bits: int) -> float:
    """Largest value in units of p_th through which the straight-through gradient passes: 2^(bits-1) + 1."""
    _check("midpoint", bits)
    return 2.0 ** (bits - 1) + 1.0


def threshold(values: np.ndarray, rule: str, mode: str, bits: int) -> float:
    """p_th from feature values by rule 'mean', 'median' or 'mse'; zeros and negatives are left out.

    `mse` searches 0.3 ... 2.4 times the mean for the smallest quantisation error, per number of bits.
    """
    _check(mode, bits)
    positive = np.asarray(values, np.float64).ravel()
    positive = positive[positive > 0]
    if len(positive) == 0:
        raise ParameterError("SBQ threshold: must have positive feature values, has none")
    if rule == "mean":
        return max(float(positive.mean()), THRESHOLD_FLOOR)
    if rule == "median":
        return max(float(np.median(positive)), THRESHOLD_FLOOR)
    if rule != "mse":
        raise ParameterError(f"SBQ threshold rule = {rule!r}: must be one of mean, median, mse")
    table, cells = levels(mode, bits), edges(mode, bits)
    positive.sort()
    mean, sums = positive.mean(), np.concatenate([[0.0], np.cumsum(positive)])
    errors = []
    for scale in GRID * mean:  # sum of (v - level)^2 over a cell from cumulative sums, without sum of v^2
        ends = np.concatenate([[0], np.searchsorted(positive, cells * scale), [len(positive)]])
        level = table * scale
        errors.append(float(np.sum(level**2 * np.diff(ends) - 2 * level * np.diff(sums[ends]))))
    return max(float(GRID[int(np.argmin(errors))] * mean), THRESHOLD_FLOOR)
