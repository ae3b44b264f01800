"""SC-QoS Fig. 5: reward of each user and of each algorithm while agents learn; Table III as trained here.

Curves are rewards with exploration on the training sentences; what agents are worth without it is measured on
the slots and test sentences of Figures 6 to 10, beside the planners and the bracket of the best
(specification scqos 4.7).
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats, training
from netsim.agents import files
from netsim.figures import scqos_trained as trained
from netsim.figures.scqos_planners import REFERENCE, Score, Setting, Slots
from netsim.figures.scqos_trained import Learner
from netsim.systems.scqos_bank import Bank
from netsim.systems.scqos_model import Utility
from netsim.systems.scqos_radio import Downlink

LEARNERS = tuple(Learner(agent) for agent in trained.AGENTS)
PLANNERS = (
    "aware_in",
    "aware_cf",
    "local_probe",
    "oracle_snr",
    "equal 1",
    "mapping 3 dB",
    "rate_only",
    "random",
)
NUM_SLOTS, QUICK_SLOTS = 400, 100


def scores(bank: Bank, bank_name: str, learners: Sequence[Learner], quick: bool) -> list[Score]:
    """Everybody at the default setting, planners first; the trainings must be done."""
    setting = Setting()
    slots = Slots(Downlink(), Utility(), bank, QUICK_SLOTS if quick else NUM_SLOTS)
    found, reference = [], np.zeros(0)
    for policy, psi, plan in slots.policies():
        reference = psi if policy == REFERENCE else reference
        i, loss = stats.mean_interval(psi), stats.paired_interval(reference, psi)
        one, two, three = (float(np.mean(plan.bits == n)) for n in (1, 2, 3))
        found.append(
            Score(
                setting.min_similarity, setting.power_dbm, setting.bandwidth_hz, policy, i.mean, i.low,
                i.high, loss.mean, loss.low, loss.high, one, two, three, slots.num_slots,
            )
        )  # fmt: skip
    lines = trained.Lines(dict.fromkeys(learners, (setting,)), bank_name, quick)
    return found + lines(setting, slots, reference)


@dataclass(frozen=True)
class Recipe:
    """A row of Table III: an agent's networks and settings, and what a training of it is."""

    agent: str
    networks: str
    actions: str
    learning_rate: str
    weights: int  # of the network that acts
    transitions: int
    updates: int


def recipes(results: Mapping[str, Sequence[training.Result]]) -> list[Recipe]:
    """Table III of the trainings behind the figure."""
    found = []
    for name, mine in results.items():
        about = mine[0].about
        settings, iterations = about["parameters"], about["iterations"]
        algorithm, pace = settings["algorithm"], settings["pace"]
        transitions = iterations * max(1, pace["lanes"]) * 100
        arrays, _ = files.load(mine[0].path)
        acting = sum(a.size for n, a in arrays.items() if not n.startswith(("curve.", "evaluation.")))
        rates = {algorithm["actor_rate"], algorithm["critic_rate"]}
        updates = (transitions - algorithm["learn_from"]) // pace["update_every"] + 1
        kind = {"hybrid": "discrete and continuous", "templated": "discrete, 2592 templates"}
        found.append(
            Recipe(
                name, f"{pace['layers']} x {algorithm['units']}, batch {algorithm['batch']}",
                kind.get(about["decoding"]["kind"], "continuous, relaxed"),
                " / ".join(f"{rate:g}" for rate in sorted(rates)), acting, transitions, updates,
            )
        )  # fmt: skip
    return found


def write_recipes(found: Sequence[Recipe], path: Path) -> None:
    """One row per agent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f.name for f in dataclasses.fields(Recipe)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(recipe, name) for name in names] for recipe in found)


def smoothed(curve: np.ndarray) -> np.ndarray:
    """Trailing mean over a tenth of the iterations."""
    window = max(1, len(curve) // 10)
    total = np.concatenate([[0.0], np.cumsum(curve)])
    ends = np.arange(1, len(curve) + 1)
    starts = np.maximum(ends - window, 0)
    return (total[ends] - total[starts]) / (ends - starts)


def write_csv(results: Mapping[str, Sequence[training.Result]], found: Sequence[Score], path: Path) -> None:
    """Unsmoothed curves with intervals over seeds (reward, and Psi of each user), then everybody's score."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("policy", "quantity", "iteration", "value", "low", "high", "seeds"))
        for name, mine in results.items():
            users = sorted(key for key in mine[0].curve if key.startswith("user"))
            for quantity in ("reward", *users):
                curves = np.array([result.curve[quantity] for result in mine])
                for k in range(curves.shape[1]):
                    writer.writerow((name, quantity, k + 1, *_interval(curves[:, k]), len(mine)))
        for s in found:
            row = (f"{s.psi:.5g}", f"{s.low:.5g}", f"{s.high:.5g}", s.seeds or "")
            writer.writerow((s.policy, "psi", "no exploration", *row))


def _interval(values: np.ndarray) -> tuple[str, str, str]:
    i = stats.mean_interval(values)
    return (
        f"{i.mean:.5g}",
        "" if np.isnan(i.low) else f"{i.low:.5g}",
        "" if np.isnan(i.high) else f"{i.high:.5g}",
    )


def draw(results: Mapping[str, Sequence[training.Result]], found: Sequence[Score], path: Path) -> None:
    """(a) Psi of each user under the proposed agent, (b) reward of each algorithm, planners as lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12.5, 4.8), layout="constrained")
    proposed = results[trained.PROPOSED]
    for name in sorted(key for key in proposed[0].curve if key.startswith("user")):
        _band(left, proposed, name, f"user {int(name[4:]) + 1}")
    left.set(title="(a) proposed agent, by user", ylabel="effective SC-QoS of a user")
    for name, mine in results.items():
        _band(right, mine, "reward", name)
    for k, s in enumerate(s for s in found if s.policy in PLANNERS):
        right.axhline(s.psi, color="0.3", linestyle=("--", ":", "-.")[k % 3], linewidth=0.9)
        right.annotate(s.policy, (1.0, s.psi), xycoords=("axes fraction", "data"), fontsize=7, va="center")
    marks = [s for s in found if s.seeds]
    for k, s in enumerate(marks):
        place = len(proposed[0].curve["reward"]) * (0.90 + 0.025 * k)
        spread = None if np.isnan(s.low) else [[s.psi - s.low], [s.high - s.psi]]
        right.errorbar(place, s.psi, yerr=spread, fmt="D", markersize=5, capsize=3, color=f"C{k}")
    right.set(
        title="(b) algorithms; diamonds: without exploration, test sentences", ylabel="reward of a slot"
    )
    for panel in (left, right):
        panel.set_xlabel("iteration (100 slots of every lane)")
        panel.grid(alpha=0.35)
        panel.legend(fontsize=8, loc="lower right" if panel is left else "lower center")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _band(panel, mine: Sequence[training.Result], quantity: str, label: str) -> None:
    """Mean over seeds, from the smallest to the largest."""
    curves = np.array([smoothed(result.curve[quantity]) for result in mine])
    x = np.arange(1, curves.shape[1] + 1)
    (line,) = panel.plot(x, curves.mean(axis=0), label=label, linewidth=1.6)
    panel.fill_between(x, curves.min(axis=0), curves.max(axis=0), color=line.get_color(), alpha=0.18, lw=0)
