"""Who is better, by the formulas and on bits: all schemes of TOSCN at 3 MHz and 0.2 W on the same worlds.

Rewards are per slot. Differences to the best planner are paired by episode; an agent's reward in an episode
is the mean over its training seeds, and its interval over seeds stands beside. At level `paper` the optimum
is the clairvoyant bound of netsim/systems/toscn_oracle.py on the first episodes; bits have no such bound, so
the best planner takes its place.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from netsim import params, stats, training
from netsim.figures import toscn_trained as trained
from netsim.figures.learning_curve import over_seeds
from netsim.simulate import run_in_memory
from netsim.systems import toscn_learning
from netsim.systems.toscn import Model, Toscn
from netsim.systems.toscn_oracle import oracle_bound

LEVELS = ("paper", "bit")
BEST = "myopic"  # the planner that differences are taken to
ORACLE_EPISODES = 40
# policies that do not learn, with the compression that is best on other worlds (figure toscn-policies)
RULES: tuple[tuple[str, dict[str, float | str]], ...] = (
    ("myopic", {}),
    ("je_qse", {}),
    ("je_equal", {}),
    ("prop", {"compression": 0.825}),
    ("equal", {"compression": 0.85}),
    ("random", {}),
    ("sum_packets", {}),
    ("myopic", {"plan": "shannon"}),
    ("je_qse", {"plan": "shannon"}),
)
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Row:
    """One scheme at one level; `reward` over episodes, `seeds` over trainings, `behind` the paired difference
    to the best planner.
    """

    scheme: str
    phy: str
    reward: stats.Interval
    seeds: stats.Interval
    behind: stats.Interval
    share: float  # of the optimum (level paper) or of the best planner (level bit)
    packets: float
    accuracy: float
    violations: float


def rows(quick: bool, jobs: int, advance: Advance) -> list[Row]:
    """All schemes at both levels, best first."""
    setting, wanted = trained.Setting(), []
    episodes = {
        "paper": 20 if quick else training.EVALUATION_EPISODES,
        "bit": 4 if quick else 2 * trained.BIT_EPISODES,
    }
    for phy in LEVELS:
        for name, values in RULES:
            if phy == "bit" or values.get("plan") != "shannon":  # by the formulas the link is Shannon's
                wanted.append(trained.planner_job(name, setting, phy, episodes[phy], **values))
        wanted += [
            trained.Job(scheme, setting, phy, episodes[phy], seed, path)
            for scheme, seed, path in _weights(quick)
        ]
        if phy == "bit":  # the agents that ship for this packet size, trained on the capped rate of the link
            wanted += [
                trained.Job(f"{trained.scheme_name(agent, 'tuned')} on the capped rate", setting, phy,
                            episodes[phy], 0, toscn_learning.shipped(_named(setting, agent, phy)))
                for agent, preset in trained.SCHEMES if preset == "tuned"
            ]  # fmt: skip
    found = trained.evaluate_all(wanted, jobs, advance)
    optimum = clairvoyant(setting, 4 if quick else ORACLE_EPISODES)
    result = []
    for phy in LEVELS:
        mine = [e for e in found if e.phy == phy]
        result += sorted(_judged(mine, optimum if phy == "paper" else None), key=lambda r: -r.reward.mean)
    return result


def _weights(quick: bool) -> list[tuple[str, int, Path]]:
    """The trained agents: cached trainings of both presets where there are any, else the shipped weights
    (preset tuned).
    """
    found = []
    for agent, preset in trained.SCHEMES:
        name = trained.scheme_name(agent, preset)
        for seed in trained.EVERY_SEED[:1] if quick else trained.EVERY_SEED:
            plan = trained.plan_of(trained.Setting(), agent, preset, seed, trained.ITERATIONS)
            path = training.weights_file(plan, trained.CACHE)
            if not path.is_file() and preset == training.AGENT_PRESETS[0]:
                path = toscn_learning.shipped(_named(trained.Setting(), agent, "paper"), seed)
            if path.is_file():
                found.append((name, seed, path))
    return found


def _named(setting: trained.Setting, agent: str, phy: str) -> Toscn:
    """The setting's scenario with an agent's name."""
    scenario = params.override(setting.scenario(phy), {"agent.name": agent})
    assert isinstance(scenario, Toscn)
    return scenario


def clairvoyant(setting: trained.Setting, episodes: int, slack: float = 1.004) -> np.ndarray:
    """Upper bound per slot of the first episodes of the evaluation's worlds, float64[episodes].

    Args:
        slack: factor on the bandwidth; 1.004 is tight, 1.025 rigorous (netsim/systems/toscn_oracle.py).
    """
    values = {"seed": training.EVALUATION_SEED, "slots": 10 * episodes, "agent.name": "random"}
    scenario = params.override(setting.scenario(), values)
    assert isinstance(scenario, Toscn)
    trace = run_in_memory(scenario).trace()
    model, length, shape = Model(scenario), scenario.episode_slots, (-1, scenario.cell.num_ues)
    gain = trace["receptions"]["gain"].reshape(shape)
    buffers, task = trace["buffers"], trace["ues"]["task"].reshape(shape)
    offered = (buffers["arrived"] + buffers["blocked"]).reshape(shape).copy()
    start = buffers["queued_start"].reshape(shape)
    bounds = []
    for e in range(episodes):
        rows = slice(e * length, (e + 1) * length)
        arrivals = offered[rows].copy()
        arrivals[0] -= start[rows][0]  # the initial packets count as arrived in the first slot
        bounds.append(oracle_bound(model, task[e], gain[rows], arrivals, start[rows][0], slack) / length)
    return np.array(bounds)


def _judged(found: Sequence[trained.Evaluation], optimum: np.ndarray | None) -> list[Row]:
    groups: dict[str, list[trained.Evaluation]] = {}
    for e in found:
        groups.setdefault(e.scheme, []).append(e)
    reward = {scheme: np.mean([e.figures["reward"] for e in mine], axis=0) for scheme, mine in groups.items()}
    best = reward[BEST] if optimum is None else optimum
    result = []
    for scheme, mine in groups.items():
        seeds = over_seeds([float(e.figures["reward"].mean()) for e in mine])
        packets = float(np.mean([e.figures["packets"].mean() for e in mine]))
        result.append(
            Row(
                scheme=scheme,
                phy=mine[0].phy,
                reward=stats.mean_interval(reward[scheme]),
                seeds=seeds,
                behind=stats.paired_interval(reward[scheme], reward[BEST]),
                share=float(reward[scheme][: len(best)].sum() / best.sum()),
                packets=packets,
                accuracy=float(np.nanmean([e.accuracy for e in mine])),
                violations=float(np.mean([e.figures["violations"].mean() for e in mine])),
            )
        )
    return result


def agreement(found: Sequence[Row]) -> float:
    """Kendall's tau between the orders of the schemes at the two levels, over those that both have."""
    at = {(row.scheme, row.phy): row.reward.mean for row in found}
    both = [s for s, phy in at if phy == LEVELS[0] and (s, LEVELS[1]) in at]
    return float(kendalltau([at[s, LEVELS[0]] for s in both], [at[s, LEVELS[1]] for s in both]).statistic)


def write_csv(found: Sequence[Row], path: Path) -> None:
    """One row a scheme and level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = (
        "level rank scheme reward low high seeds seed_low seed_high behind behind_low behind_high "
        "share packets accuracy violations episodes"
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split())
        for phy in LEVELS:
            for rank, row in enumerate((r for r in found if r.phy == phy), 1):
                r, s, b = row.reward, row.seeds, row.behind
                numbers = (r.mean, r.low, r.high, s.n, s.low, s.high, b.mean, b.low, b.high)
                rest = (row.share, row.packets, row.accuracy, row.violations)
                texts = ("" if np.isnan(v) else f"{v:.5g}" for v in (*numbers, *rest))
                writer.writerow((phy, rank, row.scheme, *texts, r.n))
