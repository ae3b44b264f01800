"""Trainings that figures share: kept under results/agents, read again by every figure that needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from netsim import training

CACHE = Path("results/agents")


def ensure(
    plans: Sequence[training.Plan], cache: Path, jobs: int, advance: Callable[[int, int], None]
) -> list[training.Result]:
    """The trained agents of the plans, in their order; trains those that are missing, resumes the broken
    off.
    """
    missing = [plan for plan in plans if training.finished(plan, cache) is None]
    each(partial(training.train, out=cache), missing, jobs, advance)
    found = [training.finished(plan, cache) for plan in plans]
    return [result for result in found if result is not None]


def each(work: Callable, arguments: Sequence, jobs: int, advance: Callable[[int, int], None]) -> list:
    """`work` on every argument, in processes; results in the order of the arguments."""
    results: list = []
    if jobs == 1 or len(arguments) < 2:
        for argument in arguments:
            results.append(work(argument))
            advance(len(results), len(arguments))
        return results
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for result in pool.map(work, arguments):
            results.append(result)
            advance(len(results), len(arguments))
    return results
