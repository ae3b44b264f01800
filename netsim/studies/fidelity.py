"""How far are the formulas from the bits: the same worlds at several levels, gap by gap, with intervals.

A *point* is a policy, the level at which it planned (or was trained), and the level that judges it. Two gaps
are told apart, because they answer different questions:

* `deployed`: planned at the reference level, judged there and at another level. What was promised against
  what comes out.
* `adapted`: planned and judged at each level. What is left when the planner knows the level.

Everything is paired: run k is the same world at every point. Runs that failed anywhere are left out
everywhere, and counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netsim.scenario import Scenario
from netsim.stats import Interval, mean_interval
from netsim.streams import Streams
from netsim.studies import campaign, paired, ranking, values
from netsim.studies.campaign import Outcome, Variant
from netsim.studies.declaration import Study
from netsim.studies.precision import Precision
from phy.parameters import ParameterError

Row = dict[str, Any]
ADAPTED, DEPLOYED = "adapted", "deployed"


@dataclass(frozen=True)
class Point:
    """A policy that planned at one level and is judged at another."""

    policy: str
    planned: str
    level: str


@dataclass(frozen=True)
class Design:
    """A study: what is compared and how sure it must be. `levels[0]` is the reference, the formulas."""

    scenario: Scenario
    study: Study
    levels: tuple[str, ...]
    policies: tuple[str, ...]
    runs: int
    margin: float  # relative to the reference level's mean
    precision: Precision | None = None
    most_runs: int = 200

    def __post_init__(self) -> None:
        for name, chosen, least in (("levels", self.levels, 2), ("policies", self.policies, 1)):
            if len(chosen) < least or len(set(chosen)) < len(chosen):
                raise ParameterError(
                    f"--{name} {','.join(chosen)}: must name {least} or more, each of them once"
                )
        if not 0 < self.margin < 1:
            raise ParameterError(f"--margin {self.margin}: must be in (0, 1), a share of the reference mean")

    @property
    def reference(self) -> str:
        """The level that the others are compared with: the first."""
        return self.levels[0]

    def points(self) -> dict[Point, Variant]:
        """Every policy, planned at every level, judged at every level; equal scenarios share their runs."""
        found = {}
        for policy in self.policies:
            for planned in self.levels:
                for level in self.levels:
                    point = Point(policy, planned, level)
                    labels = (("policy", policy), ("planned", planned), ("level", level))
                    assignments = {
                        **self.study.judged.get(level, {}),
                        **self.study.planned.get(planned, {}),
                        **self.study.policy(policy),
                        "phy": level,
                    }
                    found[point] = Variant(labels, campaign.override(self.scenario, labels, assignments))
        return found


@dataclass
class Data:
    """Figures of all points over the worlds that every point has: arrays [worlds] by point and figure."""

    design: Design
    worlds: list[int]
    figures: dict[Point, dict[str, np.ndarray]]
    units: dict[str, str]
    lost: list[int] = field(default_factory=list)  # runs that failed at some point

    def kpi(self, point: Point) -> np.ndarray:
        """The deciding figure of a point, float64[worlds]."""
        return self.figures[point][self.design.study.kpi]

    def score(self, policies: Sequence[tuple[str, str]], level: str) -> np.ndarray:
        """The deciding figure [worlds, (policy, planned)] judged at `level`."""
        return np.stack([self.kpi(Point(policy, planned, level)) for policy, planned in policies], axis=1)


def gather(design: Design, outcome: Outcome, runs: Sequence[int]) -> Data:
    """Reads the figures of every point; a world counts if every point has a result in it.

    Raises:
        ParameterError: fewer than two such worlds, or the deciding figure is missing somewhere.
        TraceError: a file is damaged.
    """
    points = design.points()
    worlds = [run for run in runs if all((variant, run) in outcome.files for variant in points.values())]
    if len(worlds) < 2:
        why = f" (first failure: {outcome.failures[0]})" if outcome.failures else ""
        raise ParameterError(f"{len(worlds)} runs have a result at every point: must be 2 or more{why}")
    figures: dict[Point, dict[str, np.ndarray]] = {}
    units: dict[str, str] = {}
    for point, variant in points.items():
        by_kpi: dict[str, list[values.Value]] = {}
        for run in worlds:
            for value in values.values_of_file(outcome.files[variant, run], variant.scenario):
                if value.ue == "all":
                    by_kpi.setdefault(value.kpi, []).append(value)
                    units[value.kpi] = value.unit
        figures[point] = {
            kpi: values.per_world(found)
            for kpi, found in by_kpi.items()
            if sum(value.denominator for value in found) > 0
        }
        if design.study.kpi not in figures[point]:
            raise ParameterError(f"figure '{design.study.kpi}': has no value at {variant.text}")
    lost = [run for run in runs if run not in worlds]
    return Data(design, worlds, figures, units, lost)


def generator(name: str) -> np.random.Generator:
    """Random numbers of the bootstrap: the same for every study, so that equal data give equal intervals."""
    return Streams(0).sequential(f"studies/{name}")


def gaps(data: Data) -> list[Row]:
    """Paired gap to the reference level of every policy, level, figure and kind, with its verdict.

    The margin is `design.margin` of the reference mean (taken as known); figures whose reference mean is 0
    have no relative margin and no verdict. `p_holm` adjusts the deciding figure's p over all its gaps.
    """
    design, rows = data.design, []
    for policy in design.policies:
        for level in design.levels[1:]:
            for kind, planned in ((DEPLOYED, design.reference), (ADAPTED, level)):
                before = data.figures[Point(policy, design.reference, design.reference)]
                after = data.figures[Point(policy, planned, level)]
                for kpi in before:
                    if kpi in after:
                        about = {"policy": policy, "level": level, "kind": kind, "kpi": kpi}
                        rows.append(_gap_row(about, data, before[kpi], after[kpi]))
    deciding = [row for row in rows if row["kpi"] == design.study.kpi]
    for row, p in zip(deciding, paired.holm([row["p"] for row in deciding])):
        row["p_holm"] = float(p)
    return rows


def _gap_row(about: Row, data: Data, before: np.ndarray, after: np.ndarray) -> Row:
    gap = paired.paired_gap(before, after, generator("gap"))
    margin = data.design.margin * abs(gap.mean_a)
    row = {
        **about,
        "unit": data.units[about["kpi"]],
        "reference": gap.mean_a,
        "mean": gap.mean_b,
        "gap": gap.mean,
        "low": gap.t.low,
        "high": gap.t.high,
        "bootstrap_low": gap.bootstrap.low,
        "bootstrap_high": gap.bootstrap.high,
        "relative": gap.relative,
        "worlds": gap.t.n,
        "correlation": gap.correlation,
        "variance_reduction": gap.reduction,
        "margin": margin or math.nan,
        "p": math.nan,
        "p_holm": math.nan,
        "verdict": "no margin: the reference is 0",
    }
    if margin:
        found = paired.equivalence(after - before, margin)
        row |= {"p": found.p, "verdict": found.verdict}
    return row


def scores(data: Data) -> list[Row]:
    """The deciding figure of every point with Student's interval: the transfer matrices, policy by policy."""
    rows = []
    for point in data.figures:
        interval = mean_interval(data.kpi(point))
        told = {"policy": point.policy, "planned": point.planned, "level": point.level}
        rows.append({**told, "kpi": data.design.study.kpi, **as_row(interval)})
    return rows


def as_row(interval: Interval, prefix: str = "") -> Row:
    """Mean, bounds and number of worlds of an interval, as columns."""
    return {
        f"{prefix}mean": interval.mean,
        f"{prefix}low": interval.low,
        f"{prefix}high": interval.high,
        f"{prefix}worlds": interval.n,
    }


def rankings(data: Data) -> tuple[list[Row], list[Row], list[Row]]:
    """Kendall's tau, swaps of pairs and regret of choosing by the reference, for every other level.

    Returns rows of the three tables. Both kinds are judged: `adapted` compares the orders when every policy
    plans with the level's own law; `deployed` those of policies that planned at the reference level.
    """
    design = data.design
    taus: list[Row] = []
    swapped: list[Row] = []
    regrets: list[Row] = []
    reference = data.score([(policy, design.reference) for policy in design.policies], design.reference)
    for level in design.levels[1:]:
        for kind, planned in ((DEPLOYED, design.reference), (ADAPTED, level)):
            mine = data.score([(policy, planned) for policy in design.policies], level)
            about = {"level": level, "kind": kind}
            if len(design.policies) > 1:
                tau = ranking.kendall(reference, mine, generator("kendall"))
                taus.append({**about, **as_row(tau)})
                for swap in ranking.swaps(reference, mine, generator("swaps")):
                    swapped.append({**about, **_swap_row(swap, design.policies)})
            regrets.append(_regret_row(about, data, reference, level, planned))
    return taus, swapped, regrets


def _swap_row(swap: ranking.Swap, policies: Sequence[str]) -> Row:
    return {
        "first": policies[swap.first],
        "second": policies[swap.second],
        "swap_of_means": swap.means,
        "certain": swap.certain,
        **as_row(swap.worlds, "worlds_swapped_"),
        **as_row(swap.gap_a, "gap_reference_"),
        **as_row(swap.gap_b, "gap_level_"),
    }


def _regret_row(about: Row, data: Data, reference: np.ndarray, level: str, planned: str) -> Row:
    """What the policy that looks best at the reference level costs at `level`, against all policies that
    could have been run there: planned at the reference level, or at the level itself.
    """
    design = data.design
    best_by_formula = int(reference.mean(axis=0).argmax())
    rivals = [(policy, plan) for plan in dict.fromkeys((planned, level)) for policy in design.policies]
    found = ranking.regret_of(data.score(rivals, level), best_by_formula)
    best_policy, best_plan = rivals[found.best]
    return {
        **about,
        "chosen": design.policies[best_by_formula],
        "chosen_planned": planned,
        "best": best_policy,
        "best_planned": best_plan,
        **as_row(found.interval),
        "relative": found.relative,
    }


def widest(data: Data, wanted: Precision) -> tuple[np.ndarray, float]:
    """The deciding figure's gap that is furthest from the wanted precision, [worlds], and its reference mean:
    if this one is narrow enough, all are.
    """
    worst, chosen, reference_mean = -1.0, np.zeros(0), 1.0
    design = data.design
    for policy in design.policies:
        before = data.kpi(Point(policy, design.reference, design.reference))
        mean = float(before.mean())
        for level in design.levels[1:]:
            for planned in (design.reference, level):
                difference = data.kpi(Point(policy, planned, level)) - before
                interval = mean_interval(difference)
                half, target = (interval.high - interval.low) / 2, wanted.target(mean)
                ratio = half / target if target else (math.inf if half else 0.0)
                if ratio > worst:
                    worst, chosen, reference_mean = ratio, difference, mean
    return chosen, reference_mean


def by_point(rows: Sequence[Mapping[str, Any]], **wanted: Any) -> list[Row]:
    """The rows whose columns have the wanted values."""
    return [dict(row) for row in rows if all(row[name] == value for name, value in wanted.items())]
