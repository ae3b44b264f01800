"""What signalling costs the stations of green: efficiency after learning against delay, jitter, loss, clocks.

Agents learn and are judged under the same imperfections. Beside them stands the rule that does not learn
(lowest power, best k for the newest SINR it has).
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
from netsim.figures.green_runs import Plan, Series, scenario_of, series_of
from netsim.studies.campaign import Axis, Outcome, Store, Task, execute, replicated, variants
from netsim.studies.workers import workers
from netsim.systems.green import Green
from phy.parameters import ParameterError

SCHEMES = ("dqn", "level1")
SLOT_NS = 20_000_000
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


def points(plan: Plan, jobs: int, out: Path, advance: Callable[[int, int], None]) -> list[Point]:
    """All points for the plan's first number of cells and preset.

    Raises:
        ParameterError: a run failed (in one line which and why).
    """
    wanted, keys = [], {}
    for panel, (_, values) in PANELS.items():
        for label, changes in values:
            for scheme in SCHEMES:
                base = scenario_of(plan, plan.presets[0], plan.cells[0], scheme)
                changed = params.override(base, dict(changes))
                assert isinstance(changed, Green)
                (variant,) = variants(changed, [Axis.of_path("agent.name", [scheme])])
                keys[panel, label, scheme] = variant
                wanted.append(variant)
    total = len({variant.digest for variant in wanted}) * plan.drops

    def report(task: Task | None, reason: str, outcome: Outcome, left: int) -> None:
        advance(total - left, total)

    outcome = execute(Store(out), replicated(wanted, range(plan.drops)), workers(jobs), report)
    if outcome.failures:
        raise ParameterError(str(outcome.failures[0]))
    read: dict[str, list[Series]] = {}
    for variant in wanted:
        if variant.digest not in read:
            files = [outcome.files[variant, drop] for drop in range(plan.drops)]
            learn_slots = plan.slots_of(variant.scenario.policy_name)
            read[variant.digest] = [series_of(file, learn_slots) for file in files]
    found = []
    for (panel, label, scheme), variant in keys.items():
        first = keys[panel, PANELS[panel][1][0][0], scheme]
        mine = [run.frozen.mean() for run in read[variant.digest]]
        ideal = [run.frozen.mean() for run in read[first.digest]]
        lost = stats.mean_interval([a - b for a, b in zip(ideal, mine)])
        found.append(Point(panel, label, scheme, stats.mean_interval(mine), lost))
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
    figure, grid = plt.subplots(2, len(PANELS) // 2, figsize=(11, 6.2), sharey=True, layout="constrained")
    axes = grid.ravel()
    for axis, (panel, (unit, values)) in zip(axes, PANELS.items()):
        for shift, (scheme, colour) in enumerate(zip(SCHEMES, ("#1f77b4", "#444444"))):
            mine = [p for p in found if (p.panel, p.scheme) == (panel, scheme)]
            x = [i + 0.12 * (shift - 0.5) for i in range(len(mine))]
            lost = [p.loss for p in mine]
            spread = [[q.mean - q.low for q in lost], [q.high - q.mean for q in lost]]
            axis.errorbar(
                x, [q.mean for q in lost], yerr=spread, fmt="o-", color=colour, capsize=3, lw=1.2,
                label=labels[scheme],
            )  # fmt: skip
        axis.axhline(0.0, color="black", lw=0.8)
        axis.set_xticks(range(len(values)), [label for label, _ in values])
        axis.set(xlabel=f"{panel} ({unit})")
        axis.grid(alpha=0.3)
    means = [p.loss.mean for p in found]
    axes[0].set_ylim(min(means) - 0.05, max(means) + 0.05)  # intervals of few drops would hide the means
    for line in grid:
        line[0].set_ylabel("energy efficiency lost")
    axes[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
