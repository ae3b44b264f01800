"""SC-QoS at every level: what planners and trained agents earn by mean tables, by draws of the bank, on bits.

All runs are event-driven and share their world (directions, fading, sentences), so policies and levels are
compared in pairs. Agents learned from the bank; nobody learns here.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netsim import params, simulate, stats, training
from netsim.figures import scqos_trained as trained
from netsim.figures.scqos_planners import Setting
from netsim.systems.scqos import Scqos

LEVELS: dict[str, dict[str, Any]] = {
    "paper": {"phy": "paper", "semantics.surrogate": "mapping"},
    "bank": {"phy": "paper", "semantics.surrogate": "bank"},
    "bit": {"phy": "bit"},
}
POLICIES: dict[str, dict[str, Any]] = {
    "oracle_snr": {"agent.name": "oracle_snr"},
    "local_probe": {"agent.name": "local_probe"},
    "mapping 3 dB": {"agent.name": "mapping"},
    "mapping_valid 3 dB": {"agent.name": "mapping_valid"},
    "rate_only": {"agent.name": "rate_only"},
    "equal 1": {"agent.name": "equal"},
    "random": {"agent.name": "random"},
}
WORLD_SEED = 123


@dataclass(frozen=True)
class LevelScore:
    """A policy at a setting and level: mean Psi, and how much less it is than oracle_snr's there."""

    min_similarity: float
    power_dbm: float
    bandwidth_hz: float
    level: str
    policy: str
    psi: float
    low: float
    high: float
    loss: float
    loss_low: float
    loss_high: float
    bit_error_rate: float
    slots: int
    seeds: int = 0


def run(scenario: Scqos, values: dict[str, Any], slots: int) -> tuple[np.ndarray, float]:
    """Psi float64[t] and bit error rate of one run."""
    changed = params.override(scenario, {**values, "seed": WORLD_SEED, "slots": slots})
    assert isinstance(changed, Scqos)
    trace = simulate.run_in_memory(changed).trace()
    bits = trace["receptions"]["num_bits"].sum()
    errors = trace["receptions"]["num_bit_errors"]
    rate = float(errors.sum() / bits) if bits and changed.phy != "paper" else float("nan")
    return np.asarray(trace["slots"]["objective"], float), rate


def scores(
    bank: str,
    settings: Sequence[Setting],
    learners: Sequence[trained.Learner],
    slots: int,
    budget: trained.Budget,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> list[LevelScore]:
    """Everybody at every setting and level; the trainings must be done."""
    found: list[LevelScore] = []
    total = len(settings) * len(LEVELS)
    for done, (setting, level) in enumerate(((s, name) for s in settings for name in LEVELS), 1):
        scenario = trained.scenario_of(setting, bank)
        reference = np.zeros(0)
        for policy, values in POLICIES.items():
            psi, rate = run(scenario, {**LEVELS[level], **values}, slots)
            reference = psi if policy == "oracle_snr" else reference
            found.append(_score(setting, level, policy, psi[None], reference, rate))
        for learner in learners:
            parts = [
                run(scenario, {**LEVELS[level], **values}, slots)
                for values in _weights(learner, setting, bank, budget)
            ]
            psi, rate = np.stack([part[0] for part in parts]), float(np.mean([part[1] for part in parts]))
            found.append(_score(setting, level, learner.name, psi, reference, rate, len(parts)))
        advance(done, total)
    return found


def _weights(
    learner: trained.Learner, setting: Setting, bank: str, budget: trained.Budget
) -> Iterator[dict[str, Any]]:
    for plan in trained.wanted([learner], [setting], bank, budget):
        path = training.weights_file(plan, trained.CACHE)
        yield {"agent.name": learner.agent, "agent.weights": str(path)}


def _score(
    setting: Setting,
    level: str,
    policy: str,
    psi: np.ndarray,
    reference: np.ndarray,
    rate: float,
    seeds: int = 0,
) -> LevelScore:
    """Intervals over training seeds if there are several, else over slots."""
    if len(psi) > 1:
        i = stats.mean_interval(psi.mean(axis=1))
        loss = stats.mean_interval((reference - psi).mean(axis=1))
    else:
        i, loss = stats.mean_interval(psi[0]), stats.paired_interval(reference, psi[0])
    return LevelScore(
        setting.min_similarity, setting.power_dbm, setting.bandwidth_hz, level, policy, i.mean, i.low, i.high,
        loss.mean, loss.low, loss.high, rate, psi.shape[1], seeds,
    )  # fmt: skip


def write_csv(found: Sequence[LevelScore], path: Path) -> None:
    """One row per setting, level and policy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f.name for f in dataclasses.fields(LevelScore)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for score in found:
            values = [getattr(score, name) for name in names]
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
