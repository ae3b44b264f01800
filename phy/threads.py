"""Bursts over threads: kernels release the GIL, so parts of a call run side by side.

The caller takes the first part itself, the others go through one queue to threads that stay. For 64 blocks of
level `bit` (0.2 ms) a hand-over counts: an executor with futures takes 0.1 ms of CPU time, this 0.02
(`python benchmarks/phy.py`, two threads).
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from phy.parameters import ParameterError

_Run = Callable[[int, int], int | None]


class _Workers:
    """Threads that run what is put into their queue."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[tuple[_Run, int, int, SimpleQueue[Any]]] = SimpleQueue()
        self._number = 0
        self._growing = threading.Lock()

    def at_least(self, number: int) -> None:
        """Start threads until there are this many."""
        if self._number < number:
            with self._growing:
                while self._number < number:
                    self._number += 1
                    threading.Thread(target=self._work, name=f"phy-{self._number}", daemon=True).start()

    def _work(self) -> None:
        while True:
            run, first, last, results = self.jobs.get()
            try:
                results.put(run(first, last))
            except BaseException as error:  # raised by the caller
                results.put(error)
            del run, results  # a waiting thread keeps no arrays alive


_workers = _Workers()


def over_threads(run: _Run, size: int, threads: int) -> int:
    """Call run(first, last) over [0, size) in `threads` contiguous parts.

    Returns: what the parts returned, None counting as -1: the least of those >= 0 (the first broken burst),
    or the least.
    """
    if threads < 1:
        raise ParameterError(f"threads = {threads}: must be >= 1")
    if threads == 1 or size < 2:
        code = run(0, size)
        return -1 if code is None else code
    _workers.at_least(threads - 1)
    bounds = [size * i // threads for i in range(threads + 1)]
    results: SimpleQueue[Any] = SimpleQueue()
    for first, last in itertools.pairwise(bounds[1:]):
        _workers.jobs.put((run, first, last, results))
    try:
        mine = run(0, bounds[1])
    finally:  # the others write into the caller's arrays
        others = [results.get() for _ in range(threads - 1)]
    for other in others:
        if isinstance(other, BaseException):
            raise other
    codes = [-1 if code is None else code for code in (mine, *others)]
    return min((code for code in codes if code >= 0), default=min(codes))


def _start_anew() -> None:
    """A forked child has none of the parent's threads."""
    global _workers
    _workers = _Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
