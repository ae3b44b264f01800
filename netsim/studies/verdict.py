"""A study in sentences: what a reader of one minute should take away. Every number comes from the tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from netsim.studies.attribution import Attribution
from netsim.studies.fidelity import ADAPTED, DEPLOYED, Row, by_point
from netsim.studies.paired import BEYOND, EQUIVALENT

GOOD, BAD, OPEN = "good", "bad", "open"


@dataclass(frozen=True)
class Verdict:
    """One sentence and how it reads for the formulas: good, bad or open."""

    kind: str
    text: str


def number(value: float) -> str:
    """Four significant digits; a dash for NaN, 0 for what rounding has left."""
    if not math.isfinite(value):
        return "–"
    return "0" if abs(value) < 1e-12 else f"{value:.4g}"


def signed_percent(value: float) -> str:
    """`+3.1 %`, `−12 %`; a dash for NaN."""
    if not math.isfinite(value):
        return "–"
    digits = 1 if abs(value) < 0.1 else 0
    return f"{100 * value:+.{digits}f} %".replace("-", "−")


def relative_interval(row: Row) -> str:
    """The interval of a gap as shares of the reference."""
    scale = abs(row["reference"])
    if not scale or not math.isfinite(row["low"]):
        return "no interval"
    return f"{signed_percent(row['low'] / scale)} to {signed_percent(row['high'] / scale)}"


def verdicts(
    kpi: str,
    reference: str,
    level: str,
    gaps: Sequence[Row],
    taus: Sequence[Row],
    regrets: Sequence[Row],
    attributions: Sequence[Attribution],
) -> list[Verdict]:
    """The sentences about one level against the reference."""
    (deployed_regret,) = by_point(regrets, level=level, kind=DEPLOYED)
    winner = deployed_regret["chosen"]
    found = []
    for kind in (DEPLOYED, ADAPTED):
        (row,) = by_point(gaps, level=level, kind=kind, kpi=kpi, policy=winner)
        found.append(_gap_sentence(row, reference, kind))
    found.append(_winner_sentence(deployed_regret, reference, level))
    (adapted_regret,) = by_point(regrets, level=level, kind=ADAPTED)
    if adapted_regret["chosen"] != adapted_regret["best"]:
        found.append(_winner_sentence(adapted_regret, reference, level))
    for row in by_point(taus, level=level):
        found.append(_tau_sentence(row, reference))
    found += [_attribution_sentence(attribution) for attribution in attributions]
    return found


def _gap_sentence(row: Row, reference: str, kind: str) -> Verdict:
    what = {
        DEPLOYED: f"{row['policy']}, planned at level {reference} and run at level {row['level']}, brings",
        ADAPTED: f"{row['policy']}, planned at the level that judges it, brings at level {row['level']}",
    }[kind]
    text = (
        f"{what} {number(row['mean'])} instead of {number(row['reference'])} {row['kpi']}: "
        f"{signed_percent(row['relative'])} (95 %: {relative_interval(row)}), {row['verdict']}"
    )
    share = row["margin"] / abs(row["reference"]) if row["reference"] else math.nan
    text += f" (margin ±{100 * share:g} %)." if math.isfinite(share) else "."
    return Verdict({EQUIVALENT: GOOD, BEYOND: BAD}.get(row["verdict"], OPEN), text)


def _winner_sentence(row: Row, reference: str, level: str) -> Verdict:
    chosen = f"{row['chosen']} (planned at level {row['chosen_planned']})"
    if (row["chosen"], row["chosen_planned"]) == (row["best"], row["best_planned"]):
        return Verdict(
            GOOD,
            f"The winner at level {reference}, {chosen}, is the best at level {level}, too; "
            f"95 % limit of what another could add: {number(row['high'])}.",
        )
    text = (
        f"Choosing by level {reference} means {chosen}; at level {level} the best is {row['best']} "
        f"(planned at level {row['best_planned']}), and the choice costs {number(row['mean'])} "
        f"({number(100 * row['relative'])} %), simultaneous 95 % interval {number(row['low'])} to "
        f"{number(row['high'])}."
    )
    return Verdict(BAD if row["low"] > 0 else OPEN, text)


def _tau_sentence(row: Row, reference: str) -> Verdict:
    planned = f"planned at level {reference}" if row["kind"] == DEPLOYED else "planned at that level"
    text = (
        f"Order of the policies at level {reference} against level {row['level']} ({planned}): Kendall's tau "
        f"{row['mean']:.2f} (bootstrap 95 %: {row['low']:.2f} to {row['high']:.2f})."
    )
    return Verdict(GOOD if row["low"] > 0.9 else BAD if row["high"] < 0.9 else OPEN, text.replace("-", "−"))


def _attribution_sentence(attribution: Attribution) -> Verdict:
    biggest = sorted(attribution.parts, key=lambda part: -abs(part.effect.mean))[:2]
    scale = abs(attribution.formula) or math.nan
    parts = " and ".join(
        f"{part.mechanism.name} ({signed_percent(part.effect.mean / scale)})" for part in biggest
    )
    total = signed_percent(attribution.total.mean / scale)
    text = f"Where it comes from ({attribution.title}): of {total} in all, mostly {parts}."
    return Verdict(OPEN, text)
