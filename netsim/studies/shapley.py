"""Shapley values: a total split over mechanisms that are switched on together, whose parts add up exactly.

v(S) is the figure with the mechanisms of S real and all others as in the formula. The part of mechanism i is
its marginal effect v(S + i) - v(S), averaged over all orders in which the mechanisms can be switched on. The
parts sum to v(all) - v(none) by construction (efficiency), a mechanism without effect gets 0, and two that
do the same get the same.

Source: Shapley, "A value for n-person games", 1953; sampling over orders: Castro, Gomez, Tejada, Computers &
    Operations Research 36 (2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from phy.parameters import ParameterError

Subset = frozenset[int]
MOST_EXACT = 6  # 2^6 = 64 variants


def subsets(count: int) -> list[Subset]:
    """All subsets of range(count), small ones first."""
    return [frozenset(s) for size in range(count + 1) for s in combinations(range(count), size)]


def exact(count: int, value: Mapping[Subset, Any]) -> list[Any]:
    """The Shapley value of each of `count` mechanisms from the values of all 2^count subsets.

    Values are numbers, or arrays over worlds: then the parts are arrays over worlds too, and have intervals.
    With fractions the parts add up exactly; with floats to rounding.

    Raises:
        ParameterError: a subset is missing.
    """
    missing = [sorted(s) for s in subsets(count) if s not in value]
    if missing:
        raise ParameterError(f"shapley: no value of subset {missing[0]}: must have all {2**count}")
    parts = []
    for i in range(count):
        total: Any = 0
        for subset in subsets(count):
            if i in subset:
                continue
            ways = math.factorial(len(subset)) * math.factorial(count - len(subset) - 1)
            total = total + (value[subset | {i}] - value[subset]) * ways
        parts.append(total / math.factorial(count))
    return parts


def orders(count: int, draws: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """`draws` random orders of range(count), each followed by its reverse (antithetic: where an order shows a
    mechanism first, the reverse shows it last).
    """
    found: list[tuple[int, ...]] = []
    while len(found) < draws:
        order = tuple(int(i) for i in rng.permutation(count))
        found += [order, order[::-1]]
    return found[:draws]


def chain(order: Sequence[int]) -> list[Subset]:
    """The subsets that an order passes, from none to all."""
    return [frozenset(order[:k]) for k in range(len(order) + 1)]


def sampled(count: int, sample: Sequence[Sequence[int]], value: Callable[[Subset], float]) -> np.ndarray:
    """Estimate of the parts of one world from some orders, float64[count]; an unbiased one.

    Every order's marginal effects telescope to v(all) - v(none), so the estimate adds up as the exact parts
    do. Draw other orders for every world, then Student's interval of the parts over the worlds holds the
    spread between worlds and that of the sampling.
    """
    parts = np.zeros(count)
    for order in sample:
        values = [value(subset) for subset in chain(order)]
        for position, i in enumerate(order):
            parts[i] += values[position + 1] - values[position]
    return parts / len(sample)
