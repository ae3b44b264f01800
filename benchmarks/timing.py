"""Round-robin timing in process CPU seconds, and the ratios that come of it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Seconds = dict[str, list[float]]


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int  # rounds of all contenders
    sample_s: float  # least CPU time of one sample
    budget_s: float  # wall time after which a race ends early, but never before three rounds
    check_blocks: int  # blocks of the BER check


FULL = Effort(rounds=7, sample_s=0.03, budget_s=120.0, check_blocks=768)
QUICK = Effort(rounds=5, sample_s=0.005, budget_s=1.0, check_blocks=192)


def race(runs: Mapping[str, tuple[Callable[[], Any], float]], effort: Effort) -> Seconds:
    """CPU seconds per unit of work of each contender, one figure a round (A B C A B C ...).

    Args:
        runs: name to (call, units of work that one call does). The first call of each warms up, untimed, and
            sets how often a sample repeats it.
    """
    repeats = {}
    for name, (run, _) in runs.items():
        run()
        start = time.process_time()
        run()
        took = time.process_time() - start
        repeats[name] = max(1, round(effort.sample_s / max(took, 1e-7)))
    result: Seconds = {name: [] for name in runs}
    begin = time.perf_counter()
    for number in range(effort.rounds):
        if number >= 3 and time.perf_counter() - begin > effort.budget_s:
            break
        for name, (run, units) in runs.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                run()
            result[name].append((time.process_time() - start) / repeats[name] / units)
    return result


@dataclass(frozen=True)
class Ratio:
    """Median and quartiles of the ratios within a round."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g}-{self.high:.3g})"


def ratio(slow: list[float], fast: list[float]) -> Ratio:
    """How many times as fast `fast` is (seconds per unit of both, round by round)."""
    low, median, high = np.percentile(np.array(slow) / np.array(fast), [25, 50, 75])
    return Ratio(float(median), float(low), float(high))


def median(values: list[float]) -> float:
    """Median as a Python number."""
    return float(np.median(values))


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    versions = {}
    for name in ("numpy", "scipy", "numba", "torch", "scikit-commpy", "sionna-no-rt", "simpy", "h5py"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "python": platform.python_version(),
        "versions": versions,
    }
