"""TOSCN Figs. 9 to 12: packets and accuracy of trained agents against bandwidth and power, by the formulas
and on bits.

An agent is trained for every bandwidth and power, at level `paper` with packets of 1.6 Mbit, and judged
without exploration: there, and at level `bit` with the codec's 200,704-bit packets. The planners of the
comparison plan with the rate of the level they run on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats, training
from netsim.figures import toscn_trained as trained
from netsim.figures.learning_curve import over_seeds

BANDWIDTHS_HZ = (2e6, 3e6, 4e6, 6e6, 8e6)
POWERS_W = (0.14, 0.16, 0.18, 0.2)
AGENTS = ("ddpg", "a3c", "greedy_sc", "greedy")
PRESET = "tuned"
LEVELS = ("paper", "bit")
EPISODE_SLOTS = 10
# figure -> what is on its axes
AXES = {
    "toscn-9": ("bandwidth", "packets"),
    "toscn-10": ("bandwidth", "accuracy"),
    "toscn-11": ("power", "packets"),
    "toscn-12": ("power", "accuracy"),
}
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Point:
    """One mark: the mean over training seeds (over nothing for a planner), with its interval."""

    scheme: str
    phy: str
    setting: trained.Setting
    quantity: str
    interval: stats.Interval
    episodes: int


def settings(axis: str, quick: bool) -> list[trained.Setting]:
    """The networks of a figure."""
    if axis == "bandwidth":
        return [trained.Setting(bandwidth_hz=b) for b in ((2e6, 8e6) if quick else BANDWIDTHS_HZ)]
    return [trained.Setting(power_w=p) for p in ((0.14, 0.2) if quick else POWERS_W)]


def points(axis: str, quantity: str, quick: bool, jobs: int, advance: Advance) -> list[Point]:
    """All marks of one figure; trains what is missing."""
    seeds = trained.EVERY_SEED[:1] if quick else trained.EVERY_SEED
    iterations = trained.QUICK_ITERATIONS if quick else trained.ITERATIONS
    keys = [(s, agent, seed) for s in settings(axis, quick) for agent in AGENTS for seed in seeds]
    plans = [trained.plan_of(s, agent, PRESET, seed, iterations) for s, agent, seed in keys]
    results = trained.ensure(plans, jobs, advance)
    return evaluated(list(zip(keys, results)), quantity, quick, jobs, advance)


def evaluated(
    found: Sequence[tuple[tuple[trained.Setting, str, int], training.Result]],
    quantity: str,
    quick: bool,
    jobs: int,
    advance: Advance,
) -> list[Point]:
    """Trained agents and planners at both levels, as marks."""
    judged, wanted = [], []
    episodes = {"paper": training.EVALUATION_EPISODES, "bit": 4 if quick else trained.BIT_EPISODES}
    for phy in LEVELS:
        for (setting, agent, _), result in found:
            name = trained.scheme_name(agent, PRESET)
            if phy == "paper":  # every training ends with this evaluation
                seed = int(result.about["seed"])
                judged.append(trained.Evaluation(name, setting, phy, seed, result.evaluation))
            else:
                wanted.append(trained.trained_job(name, setting, phy, episodes[phy], result))
        for setting in dict.fromkeys(setting for (setting, _, _), _ in found):
            for name in trained.PLANNERS:
                wanted.append(trained.planner_job(name, setting, phy, episodes[phy]))
    groups: dict[tuple[str, str, trained.Setting], list[trained.Evaluation]] = {}
    for e in [*judged, *trained.evaluate_all(wanted, jobs, advance)]:
        groups.setdefault((e.scheme, e.phy, e.setting), []).append(e)
    return [
        Point(scheme, phy, setting, quantity, _interval(mine, quantity), episodes[phy])
        for (scheme, phy, setting), mine in groups.items()
    ]


def _interval(mine: Sequence[trained.Evaluation], quantity: str) -> stats.Interval:
    """Over training seeds; for a planner over episodes (accuracy: a ratio)."""
    if mine[0].seed >= 0:
        return over_seeds([e.accuracy if quantity == "accuracy" else _packets(e).mean() for e in mine])
    (e,) = mine
    if quantity == "accuracy":
        return stats.ratio_interval(e.figures["objective"], e.figures["packets"])
    return stats.mean_interval(_packets(e))


def _packets(e: trained.Evaluation) -> np.ndarray:
    """Packets per episode (iteration), as the paper counts them."""
    return e.figures["packets"] * EPISODE_SLOTS


def write_csv(found: Sequence[Point], path: Path) -> None:
    """One row a mark."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            (
                "scheme",
                "level",
                "bandwidth_hz",
                "power_w",
                "quantity",
                "value",
                "low",
                "high",
                "n",
                "episodes",
            )
        )
        for p in found:
            i = p.interval
            limits = ("" if np.isnan(v) else f"{v:.5g}" for v in (i.mean, i.low, i.high))
            place = (f"{p.setting.bandwidth_hz:g}", f"{p.setting.power_w:g}")
            writer.writerow((p.scheme, p.phy, *place, p.quantity, *limits, i.n, p.episodes))


def draw(found: Sequence[Point], axis: str, path: Path) -> None:
    """The picture: one panel a level."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(12.0, 4.8), sharey=True, layout="constrained")
    quantity = found[0].quantity
    for panel, phy in zip(panels, LEVELS):
        for scheme in dict.fromkeys(p.scheme for p in found):
            mine = [p for p in found if p.scheme == scheme and p.phy == phy]
            x = [p.setting.bandwidth_hz / 1e6 if axis == "bandwidth" else p.setting.power_w for p in mine]
            y = np.array([p.interval.mean for p in mine])
            spread = np.array(
                [[p.interval.mean - p.interval.low, p.interval.high - p.interval.mean] for p in mine]
            ).T
            planner = scheme in trained.PLANNERS
            look = {"color": "black", "linestyle": "--" if scheme == "myopic" else ":"} if planner else {}
            panel.errorbar(
                x, y, yerr=np.nan_to_num(spread), marker="" if planner else "o", markersize=4, capsize=2,
                linewidth=1.3, label=f"{scheme} (no learning)" if planner else scheme, **look,
            )  # fmt: skip
        packets = "1.6 Mbit packets, Shannon's rate" if phy == "paper" else "200,704-bit packets, 16-QAM OFDM"
        panel.set_title(f"level {phy}: {packets}", fontsize=10)
        panel.set_xlabel("bandwidth [MHz] at 0.2 W" if axis == "bandwidth" else "power [W] at 3 MHz")
        panel.grid(alpha=0.35)
    panels[0].set_ylabel(
        "packets per episode of 10 slots" if quantity == "packets" else "accuracy per delivered packet"
    )
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8)
    figure.suptitle("TOSCN: agents trained by the formulas, judged without exploration (95 %)", fontsize=11)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
