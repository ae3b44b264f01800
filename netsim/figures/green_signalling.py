"""What signalling costs the stations of green: efficiency against delay, jitter, loss, clocks.

Two questions of stations that learn: what the imperfections cost those that learned without any and are
frozen (the same weights at every point, so that little but the imperfection is between two of them), and what
they cost those that also learned under them. Beside them stands the rule that does not learn (lowest power,
best k for the newest SINR it has).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from netsim import params, stats
from netsim.figures import green_trained as trained
from netsim.figures.green_runs import Plan, run_all, scenario_of, series_of
from netsim.studies.campaign import Variant
from netsim.systems.green import Green

FROZEN, LEARNING, RULE = "dqn, learned without", "dqn, learned under it", "level1"
SCHEMES = (FROZEN, LEARNING, RULE)
SLOT_NS = 20_000_000
_SETTLED = 20  # slots until messages are under way as they always are; not judged
# panel -> (x axis, points: label and parameters)
_DELAYS = (0, 1, 5)
PANELS: Mapping[str, tuple[str, tuple[tuple[str, Mapping[str, Any]], ...]]] = {
    "observation delay": (
        "slots",
        tuple((str(d), {"signalling.observation_delay_ns": d * SLOT_NS} if d else {}) for d in _DELAYS),
    ),
    "reward delay": (
        "slots",
        tuple((str(d), {"signalling.reward_delay_ns": d * SLOT_NS} if d else {}) for d in _DELAYS),
    ),
    "jitter of every message": (
        "mean in slots",
        tuple((f"{j:g}", {"signalling.jitter_ns": j * SLOT_NS} if j else {}) for j in (0.0, 0.25, 1.0)),
    ),
    "loss of every message": (
        "probability",
        tuple((f"{p:g}", {"signalling.loss": p} if p else {}) for p in (0.0, 0.1, 0.3)),
    ),
    "clocks apart by up to": (
        "slots",
        tuple((f"{s:g}", {"clocks.offset_slots": s} if s else {}) for s in (0.0, 0.5, 1.0)),
    ),
    "clocks drift within": (
        "ppm",
        tuple((f"{d:,}", {"clocks.drift_ppm": float(d)} if d else {}) for d in (0, 1_000, 10_000)),
    ),
}


@dataclass(frozen=True)
class Point:
    """Frozen efficiency of a scheme at one point of a panel: mean over drops, and the paired loss against
    perfect signalling.
    """

    panel: str
    label: str
    scheme: str
    ee: stats.Interval
    loss: stats.Interval


def drops_of(plan: Plan, scheme: str) -> int:
    """On how many drops a scheme is judged: on a third of them where it is trained at every point, which
    costs ten times as much as to judge frozen stations.
    """
    return max(2, plan.drops // 3) if scheme == LEARNING else plan.drops


def teacher(plan: Plan) -> Green:
    """The scenario in which the frozen stations learned: perfect signalling."""
    scenario = scenario_of(plan, plan.presets[0], plan.cells[0], "dqn")
    return _with(scenario, {"slots": plan.learn_slots, "episode_slots": plan.learn_slots})


def train(plan: Plan, jobs: int, advance: Callable[[int, int], None]) -> None:
    """The trainings of the frozen stations that are missing."""
    trained.ensure([teacher(plan)], range(plan.drops), jobs, advance)


def _scenario(plan: Plan, scheme: str, changes: Mapping[str, Any]) -> Green:
    if scheme == FROZEN:
        return trained.frozen(teacher(plan), plan.frozen_slots, changes)
    name = "dqn" if scheme == LEARNING else scheme
    return _with(scenario_of(plan, plan.presets[0], plan.cells[0], name), changes)


def _with(scenario: Green, changes: Mapping[str, Any]) -> Green:
    changed = params.override(scenario, dict(changes))
    assert isinstance(changed, Green)
    return changed


def points(plan: Plan, jobs: int, out: Path, advance: Callable[[int, int], None]) -> list[Point]:
    """All points for the plan's first number of cells and preset; the trainings must be done.

    Raises:
        ParameterError: a run failed (in one line which and why).
    """
    chosen = {
        (panel, label, scheme): Variant((("scheme", scheme),), _scenario(plan, scheme, changes))
        for panel, (_, values) in PANELS.items()
        for label, changes in values
        for scheme in SCHEMES
    }
    learning = [variant for (_, _, scheme), variant in chosen.items() if scheme == LEARNING]
    others = [variant for variant in chosen.values() if variant not in learning]
    files = run_all(others, plan.drops, jobs, out, advance)
    files |= run_all(learning, drops_of(plan, LEARNING), jobs, out, advance)
    means = {}
    for variant in files:
        judged_from = plan.learn_slots if variant.labels[0][1] == LEARNING else _SETTLED
        means[variant] = [series_of(file, judged_from).frozen.mean() for file in files[variant]]
    found = []
    for (panel, label, scheme), variant in chosen.items():
        perfect = chosen[panel, PANELS[panel][1][0][0], scheme]
        lost = stats.paired_interval(means[perfect], means[variant])
        found.append(Point(panel, label, scheme, stats.mean_interval(means[variant]), lost))
    return found


def rows(found: Sequence[Point]) -> list[dict[str, object]]:
    """The points as rows of a CSV file."""
    return [
        {
            "panel": p.panel, "value": p.label, "scheme": p.scheme, "drops": p.ee.n,
            "ee": p.ee.mean, "low": p.ee.low, "high": p.ee.high,
            "lost": p.loss.mean, "lost_low": p.loss.low, "lost_high": p.loss.high,
        }
        for p in found
    ]  # fmt: skip


def draw(found: Sequence[Point], labels: Mapping[str, str], path: Path) -> None:
    """One panel per imperfection: what it costs of the efficiency after learning, paired over drops."""
    figure, grid = plt.subplots(2, len(PANELS) // 2, figsize=(11, 6.5), sharey=True, layout="constrained")
    axes = grid.ravel()
    means = [p.loss.mean for p in found]
    low, high = min(means) - 0.05, max(means) + 0.05  # intervals of few drops would hide the means
    for axis, (panel, (unit, values)) in zip(axes, PANELS.items()):
        for shift, (scheme, colour) in enumerate(zip(SCHEMES, ("#0b6e4f", "#1f77b4", "#444444"))):
            mine = [p for p in found if (p.panel, p.scheme) == (panel, scheme)]
            x = [i + 0.12 * (shift - 1) for i in range(len(mine))]
            lost = [p.loss for p in mine]
            spread = [[q.mean - q.low for q in lost], [q.high - q.mean for q in lost]]
            drawn = axis.errorbar(
                x, [q.mean for q in lost], yerr=spread, fmt="o-", color=colour, capsize=3, lw=1.2,
                label=labels[scheme],
            )  # fmt: skip
            if any(q.low < low or q.high > high for q in lost):
                drawn.lines[2][0].set(linestyle=":", alpha=0.7)  # they leave the frame: no grid lines
        axis.axhline(0.0, color="black", lw=0.8)
        axis.set_xticks(range(len(values)), [label for label, _ in values])
        axis.set(xlabel=f"{panel} ({unit})")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(low, high)
    for line in grid:
        line[0].set_ylabel("energy efficiency lost")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, fontsize=8, loc="outside upper center", ncols=len(SCHEMES))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
