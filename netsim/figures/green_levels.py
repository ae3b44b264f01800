"""Green at every level: what rules and stations that learned by formulas earn on the same drops, up to the
bits (specification 10.6).

Learners are trained at level `paper`, one training a drop, and then frozen: on the published f_s, or on the
one that was measured with the codec whose sentences are sent (the model of 10.6). Policies and levels share
drops, fading and sentences, so all differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from netsim import params, stats
from netsim.figures import green_trained as trained
from netsim.figures.green_runs import run_all
from netsim.studies import ranking
from netsim.studies.campaign import Variant
from netsim.systems.green import Green
from netsim.systems.green_parameters import PRESETS
from netsim.trace import read_trace

_MEASURED = {"codec.accuracy": "measured"}
LEVELS: Mapping[str, Mapping[str, Any]] = {
    "paper": {"phy": "paper"},
    "paper, measured f_s": {"phy": "paper", **_MEASURED},
    "table": {"phy": "table"},
    "bit": {"phy": "bit"},
}
RULES: Mapping[str, Mapping[str, Any]] = {
    "lowest power, best k": {"agent.name": "level1"},
    "lowest power, best k by the published f_s": {"agent.name": "level1", "agent.plan": "published"},
    "full power, random k": {"agent.name": "greedy"},
    "random": {"agent.name": "random"},
}
LEARNED: Mapping[str, Mapping[str, Any]] = {  # name -> scenario of the training
    "DRQN": {"agent.name": "drqn", **_MEASURED},
    "DQN": {"agent.name": "dqn", **_MEASURED},
    "DQN without energy term": {"agent.name": "dqn_woec", **_MEASURED},
    "DRQN of the published f_s": {"agent.name": "drqn"},
    "DQN of the published f_s": {"agent.name": "dqn"},
}
POLICIES = (*LEARNED, *RULES)
LAST = "bit"


@dataclass(frozen=True)
class Plan:
    """What is run: cells, drops, slots of a training and of a judgement."""

    cells: int
    drops: int
    learn_slots: int
    slots: int
    seed: int = 1

    def base(self, values: Mapping[str, Any], slots: int) -> Green:
        """The scenario with preset `literal` and other values by path."""
        own = {"layout.num_cells": self.cells, "seed": self.seed, "slots": slots, "episode_slots": slots}
        made = params.override(Green(), {**PRESETS["literal"], **own, **values})
        assert isinstance(made, Green)
        return made

    def learned(self, name: str) -> Green:
        """The scenario in which a learner is trained."""
        return self.base({**LEARNED[name], "agent.learn_slots": self.learn_slots}, self.learn_slots)

    def judged(self, policy: str, level: str) -> Green:
        """The scenario in which a policy is judged."""
        if policy in RULES:
            return self.base({**RULES[policy], **LEVELS[level]}, self.slots)
        changes = {"codec.accuracy": "auto", **LEVELS[level]}
        return trained.frozen(self.learned(policy), self.slots, changes)


@dataclass(frozen=True)
class Scores:
    """Means over the slots of each drop, float64[drops], of one policy at one level."""

    ee: np.ndarray
    qoe: np.ndarray
    accuracy: np.ndarray
    k: np.ndarray
    power_w: np.ndarray


Found = Mapping[tuple[str, str], Scores]  # level, policy


def train(plan: Plan, jobs: int, advance: Callable[[int, int], None]) -> None:
    """The trainings that are missing."""
    trained.ensure([plan.learned(name) for name in LEARNED], range(plan.drops), jobs, advance)


def collect(plan: Plan, jobs: int, out: Path, advance: Callable[[int, int], None]) -> Found:
    """Everybody at every level; the trainings must be done.

    Raises:
        ParameterError: a run failed (in one line which and why).
    """
    chosen = {
        (level, policy): Variant((("policy", policy),), plan.judged(policy, level))
        for level in LEVELS
        for policy in POLICIES
    }
    files = run_all(list(chosen.values()), plan.drops, jobs, out, advance)
    return {key: _scores(files[variant]) for key, variant in chosen.items()}


def _scores(files: Sequence[Path]) -> Scores:
    columns = []
    for file in files:
        trace = read_trace(file)
        stations = trace["stations"]
        of_stations = (stations[name].mean() for name in ("qoe", "accuracy", "symbols_per_word"))
        columns.append((trace["slots"]["objective"].mean(), *of_stations, trace["grants"]["power_w"].mean()))
    return Scores(*np.array(columns, float).T)


def rows(found: Found) -> list[dict[str, object]]:
    """A row a level and policy: EE, its difference to level `bit` paired over drops, QoE, what was chosen."""
    lines = []
    for (level, policy), mine in found.items():
        ee, qoe = stats.mean_interval(mine.ee), stats.mean_interval(mine.qoe)
        gap = gap_of(found, level, policy)
        lines.append(
            {
                "level": level, "policy": policy, "drops": ee.n,
                "ee": ee.mean, "ee_low": ee.low, "ee_high": ee.high,
                "gap": gap.mean, "gap_low": gap.low, "gap_high": gap.high,
                "qoe": qoe.mean, "qoe_low": qoe.low, "qoe_high": qoe.high,
                "accuracy": float(mine.accuracy.mean()), "k": float(mine.k.mean()),
                "power_mw": 1e3 * float(mine.power_w.mean()),
            }
        )  # fmt: skip
    return lines


def gap_of(found: Found, level: str, policy: str) -> stats.Interval:
    """EE at a level less that at `bit`, paired over drops; 0 for `bit` itself."""
    return stats.mean_interval(found[level, policy].ee - found[LAST, policy].ee)


@dataclass(frozen=True)
class Order:
    """How the ranking at a level agrees with that at `bit`: Kendall's tau; pairs of policies whose difference
    excludes 0 at `bit`, and those of them, the better one at `bit` first, that are the other way round in
    the mean of the level.
    """

    level: str
    tau: stats.Interval
    separated: int
    reversed_pairs: tuple[tuple[str, str], ...]


def orders(found: Found) -> list[Order]:
    """Of every level but the last."""
    last = np.stack([found[LAST, policy].ee for policy in POLICIES], axis=1)
    made = []
    for level in LEVELS:
        if level == LAST:
            continue
        here = np.stack([found[level, policy].ee for policy in POLICIES], axis=1)
        rng = np.random.default_rng(1)
        tau = ranking.kendall(here, last, rng)
        pairs = ranking.swaps(here, last, rng)
        clear = [p for p in pairs if p.gap_b.low > 0.0 or p.gap_b.high < 0.0]
        turned = [p for p in clear if p.gap_a.mean * p.gap_b.mean < 0.0]
        by_rank = [(p.first, p.second) if p.gap_b.mean > 0.0 else (p.second, p.first) for p in turned]
        names = tuple((POLICIES[a], POLICIES[b]) for a, b in by_rank)
        made.append(Order(level, tau, len(clear), names))
    return made


def order_rows(found: Sequence[Order]) -> list[dict[str, object]]:
    """A row a level; pairs as text."""
    return [
        {
            "level": o.level, "tau": o.tau.mean, "low": o.tau.low, "high": o.tau.high, "drops": o.tau.n,
            "pairs_apart_at_bit": o.separated, "reversed": "; ".join(" > ".join(p) for p in o.reversed_pairs),
        }
        for o in found
    ]  # fmt: skip


_COLOURS = dict(zip(LEVELS, ("#d95f02", "#7a5195", "#1f77b4", "#0b6e4f")))


def draw(found: Found, path: Path) -> None:
    """EE of every policy at every level; beside it what the levels promise beyond the bits, paired."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.2), sharey=True, layout="constrained")
    y = np.arange(len(POLICIES))[::-1]
    for i, (level, colour) in enumerate(_COLOURS.items()):
        at = y + 0.18 * (1.5 - i)
        for axis, intervals in (
            (left, [stats.mean_interval(found[level, policy].ee) for policy in POLICIES]),
            (right, [gap_of(found, level, policy) for policy in POLICIES]),
        ):
            if axis is right and level == LAST:
                continue
            mean = [q.mean for q in intervals]
            spread = [[q.mean - q.low for q in intervals], [q.high - q.mean for q in intervals]]
            axis.errorbar(mean, at, xerr=spread, fmt="o", ms=4, capsize=2, lw=1.1, color=colour, label=level)
    right.axvline(0.0, color="black", lw=0.8)
    left.set_yticks(y, POLICIES, fontsize=8)
    left.set_xlabel("energy efficiency (normalised), 95 % over drops")
    right.set_xlabel("level less bit, paired, 95 %")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    for axis, means in (
        (left, [found[key].ee.mean() for key in found]),
        (right, [gap_of(found, *key).mean for key in found]),
    ):
        axis.set_xlim(min(means) - 0.08, max(means) + 0.08)  # intervals of few drops would hide the means
    figure.legend(
        *left.get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=len(LEVELS)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
