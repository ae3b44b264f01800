"""SC-QoS Fig. 5: reward of each user and of each algorithm while agents learn; Table III as trained here.

Thick curves: what agents are worth without exploration on sentences that they do not learn from, after every
segment; thin ones: reward with exploration on those that they learn from. The last agents are also measured
on the slots and test sentences of Figures 6 to 10, in expectation over the noise, beside the planners and the
bracket of the best (specification scqos 4.7).
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats, training
from netsim.agents import files
from netsim.figures import scqos_trained as trained
from netsim.figures.plateau import LEAST_SEGMENTS, Plateau, plateau
from netsim.figures.scqos_planners import Score, Setting, Slots, planners
from netsim.figures.scqos_trained import Learner
from netsim.systems.scqos_bank_file import judged_and_learned
from netsim.systems.scqos_model import Utility
from netsim.systems.scqos_radio import Downlink

LEARNERS = tuple(Learner(agent) for agent in trained.AGENTS)
PLANNERS = (
    "aware_in",
    "aware_cf",
    "local_probe",
    "feature_probe",
    "oracle_snr",
    "equal 1",
    "equal 2",
    "mapping 3 dB",
    "rate_only",
    "random",
)
NUM_SLOTS, QUICK_SLOTS = 400, 100
SLOTS_PER_ITERATION = 100  # of a lane


def scores(
    bank_name: str, learners: Sequence[Learner], budget: trained.Budget, num_slots: int
) -> list[Score]:
    """Everybody at the default setting, planners first; the trainings must be done."""
    setting = Setting()
    judged, learned = judged_and_learned(bank_name)
    slots = Slots(Downlink(), Utility(), judged, num_slots, learned)
    found, earned = planners(setting, slots)
    lines = trained.Lines(dict.fromkeys(learners, (setting,)), bank_name, budget)
    return found + lines(setting, slots, earned)


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
        algorithm, pace = about["parameters"]["algorithm"], about["parameters"]["pace"]
        transitions = slots_learned(mine)
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


def plateaus(results: Mapping[str, Sequence[training.Result]]) -> dict[str, Plateau]:
    """Where the trainings of each agent stand; of trainings too short to say nothing."""
    long = {name: mine for name, mine in results.items() if len(mine[0].judged) >= LEAST_SEGMENTS}
    return {name: plateau(np.stack([r.judged for r in mine])) for name, mine in long.items()}


def slots_learned(mine: Sequence[training.Result]) -> int:
    """Slots of a whole training, all lanes."""
    about = mine[0].about
    return about["iterations"] * SLOTS_PER_ITERATION * max(1, about["parameters"]["pace"]["lanes"])


def segment_slots(mine: Sequence[training.Result]) -> int:
    """Slots between two judgements of a training."""
    return slots_learned(mine) // len(mine[0].judged)


def cpu_minutes(mine: Sequence[training.Result], segments: int) -> float:
    """CPU time of a training up to the end of a segment, mean over seeds."""
    share = segments / len(mine[0].judged)
    return share * float(np.mean([result.about["cpu_s"] for result in mine])) / 60.0


def write_csv(results: Mapping[str, Sequence[training.Result]], found: Sequence[Score], path: Path) -> None:
    """Unsmoothed curves with intervals over seeds (reward, Psi of each user, Psi judged on unseen sentences),
    the plateaus, then everybody's score.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("policy", "quantity", "iteration", "value", "low", "high", "seeds"))
        for name, mine in results.items():
            users = sorted(key for key in mine[0].curve if key.startswith("user"))
            curves = {
                quantity: np.array([r.curve[quantity] for r in mine]) for quantity in ("reward", *users)
            }
            if all(len(result.judged) for result in mine):
                curves["judged"] = np.stack([result.judged for result in mine])
            for quantity, values in curves.items():
                every = curves["reward"].shape[1] // values.shape[1]
                for k in range(values.shape[1]):
                    writer.writerow((name, quantity, every * (k + 1), *_interval(values[:, k]), len(mine)))
        for name, flat in plateaus(results).items():
            mine, end = results[name], "last half"
            gain = (f"{value:.5g}" for value in (flat.gain, flat.low, flat.high))
            writer.writerow((name, "relative gain", end, *gain, len(mine)))
            begins = segment_slots(mine) * flat.begins
            writer.writerow((name, "slots to plateau", end, begins, "", "", len(mine)))
            spent = f"{cpu_minutes(mine, flat.begins):.3g}"
            writer.writerow((name, "CPU minutes to plateau", end, spent, "", "", len(mine)))
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
    """(a) Psi of each user under the proposed agent, (b) Psi of each algorithm, planners as lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12.5, 4.8), layout="constrained", width_ratios=(1.0, 1.25)
    )
    proposed = results[trained.PROPOSED]
    for name in sorted(key for key in proposed[0].curve if key.startswith("user")):
        _band(left, proposed, [smoothed(r.curve[name]) for r in proposed], label=f"user {int(name[4:]) + 1}")
    left.set(title="(a) proposed agent while it explores, by user", ylabel="effective SC-QoS of a user")
    for k, (name, mine) in enumerate(results.items()):
        reward = [smoothed(r.curve["reward"]) for r in mine]
        _band(right, mine, reward, color=f"C{k}", linewidth=0.7, shade=0.0)
        if all(len(r.judged) for r in mine):
            judged = [r.judged for r in mine]
            _band(right, mine, judged, label=name, color=f"C{k}", marker="o", markersize=3)
    lines = [s for s in found if s.policy in PLANNERS]
    for k, s in enumerate(lines):
        right.axhline(s.psi, color="0.3", linestyle=("--", ":", "-.")[k % 3], linewidth=0.9)
    for s, y in zip(lines, _apart([s.psi for s in lines], 0.05)):
        right.annotate(s.policy, (1.01, y), xycoords=("axes fraction", "data"), fontsize=7, va="center")
    title = "(b) agents; thick: unseen sentences, no exploration; thin: while learning"
    right.set(title=title, ylabel="effective SC-QoS of a slot")
    right.set_ylim(bottom=min(s.psi for s in lines) - 0.05)
    for panel in (left, right):
        panel.set_xlabel("slots learned from [thousands]")
        panel.grid(alpha=0.35)
    left.legend(fontsize=8, loc="lower right")
    right.legend(fontsize=8, loc="lower center", ncols=2)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _apart(wanted: Sequence[float], least: float) -> list[float]:
    """Heights of labels near the wanted ones, at least so far apart."""
    order = np.argsort(wanted)
    placed = np.array(wanted, float)
    for before, here in itertools.pairwise(order):
        placed[here] = max(placed[here], placed[before] + least)
    return placed.tolist()


def _band(
    panel, mine: Sequence[training.Result], curves: Sequence[np.ndarray], shade: float = 0.18, **style
) -> None:
    """Mean over seeds, from the smallest to the largest, over thousands of slots."""
    values = np.stack(curves)
    x = slots_learned(mine) / 1e3 * np.arange(1, values.shape[1] + 1) / values.shape[1]
    (line,) = panel.plot(x, values.mean(axis=0), **{"linewidth": 1.6, **style})
    panel.fill_between(x, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=shade, lw=0)
