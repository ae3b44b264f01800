"""Reference policies of TOSCN at level `paper`: reward, packets and accuracy against bandwidth (specification
toscn 8.1).

All policies see the same worlds; the fixed compression of `equal` and `prop` is chosen on other seeds.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from netsim import params, simulate, stats
from netsim.systems.toscn import Toscn

BANDWIDTHS_HZ = (2e6, 3e6, 4e6, 6e6, 8e6)
SEED = 123
_SEARCH_SEED = 1123
_GRID = tuple(round(0.625 + 0.025 * i, 3) for i in range(12))
_NAN = float("nan")

# rewards per slot that the specification's prototype measured (200 episodes), in the order of BANDWIDTHS_HZ
REFERENCE = {
    "random": (4.71, 6.58, 8.20, 10.60, 11.85),
    "equal 0": (0.15, 2.41, 4.57, 7.09, 9.99),
    "sum_packets": (4.16, 6.06, 7.80, 10.89, 13.59),
    "equal best": (17.43, 18.69, 19.36, 19.94, 20.15),
    "prop best": (18.11, 19.27, 19.77, 20.15, 20.27),
    "je_equal": (18.79, 19.72, 20.09, 20.33, 20.39),
    "je_qse": (19.34, 20.08, 20.31, 20.41, 20.42),
    "myopic": (19.44, 20.13, 20.33, 20.41, 20.42),
}


@dataclass(frozen=True)
class Cell:
    """One number of the table: a policy at a bandwidth."""

    policy: str
    bandwidth_hz: float
    compression: float  # fixed compression, NaN where the policy chooses
    reward: float
    low: float
    high: float
    packets: float
    accuracy: float
    episodes: int
    reference: float


def scenario_of(bandwidth_hz: float, policy: str, compression: float, seed: int, episodes: int) -> Toscn:
    """The paper's regime (preset mbyte) with one policy."""
    name, _, _ = policy.partition(" ")
    values = {
        "phy": "paper",
        "semantics.packet_bits": 1_600_000,
        "radio.bandwidth_hz": bandwidth_hz,
        "agent.name": name,
        "slots": 10 * episodes,
        "seed": seed,
    }
    if not np.isnan(compression):
        values["agent.compression"] = compression
    scenario = params.override(Toscn(), values)
    assert isinstance(scenario, Toscn)
    return scenario


def _measure(job: tuple[str, float, float, int, int]) -> tuple[np.ndarray, float, float]:
    """Reward of each episode (mean per slot), packets per slot, accuracy per packet."""
    policy, bandwidth_hz, compression, seed, episodes = job
    scenario = scenario_of(bandwidth_hz, policy, compression, seed, episodes)
    trace = simulate.run_in_memory(scenario).trace()
    reward = trace["slots"]["reward"].reshape(episodes, -1).mean(axis=1)
    packets, delivered = trace["packets"], trace["packets"]["fate"] == 1
    accuracy = float(packets["score"][delivered].mean()) if delivered.any() else _NAN
    return reward, float(delivered.sum() / scenario.slots), accuracy


def table(episodes: int, jobs: int, advance: Callable[[int, int], None]) -> list[Cell]:
    """All cells; `advance(done, total)` is called as they come."""
    search = [
        (policy, bandwidth, eta, _SEARCH_SEED, max(20, episodes // 4))
        for policy in ("equal best", "prop best") for bandwidth in BANDWIDTHS_HZ for eta in _GRID
    ]  # fmt: skip
    total = len(search) + len(REFERENCE) * len(BANDWIDTHS_HZ)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        rewards: dict[tuple[str, float], list[float]] = {}
        for done, (job, (reward, _, _)) in enumerate(zip(search, pool.map(_measure, search)), 1):
            rewards.setdefault(job[:2], []).append(float(reward.mean()))
            advance(done, total)
        best = {key: _GRID[int(np.argmax(values))] for key, values in rewards.items()}
        fixed = {("equal 0", bandwidth): 0.0 for bandwidth in BANDWIDTHS_HZ} | best
        wanted = [
            (policy, bandwidth, fixed.get((policy, bandwidth), _NAN), SEED, episodes)
            for policy in REFERENCE for bandwidth in BANDWIDTHS_HZ
        ]  # fmt: skip
        cells = []
        for job, (reward, packets, accuracy) in zip(wanted, pool.map(_measure, wanted)):
            policy, bandwidth, compression, _, _ = job
            interval = stats.mean_interval(reward)
            reference = REFERENCE[policy][BANDWIDTHS_HZ.index(bandwidth)]
            key = (policy, bandwidth, compression, interval.mean, interval.low, interval.high)
            cells.append(Cell(*key, packets, accuracy, episodes, reference))
            advance(len(search) + len(cells), total)
    return cells


def write_csv(cells: list[Cell], path: Path) -> None:
    """The cells as CSV, one row each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(Cell.__dataclass_fields__)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_number(getattr(cell, name)) for name in names] for cell in cells)


def _number(value):
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return value
