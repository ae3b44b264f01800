"""Are bit errors just a rate? What the same number of errors does at real and at other places.

Runs are paired twice: same world, and the same number of wrong bits in every packet. If only the rate
mattered, the gaps would be zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netsim.scenario import Scenario
from netsim.stats import mean_interval
from netsim.studies import campaign, charts, fidelity, paired, values
from netsim.studies.campaign import Outcome, Variant
from netsim.studies.declaration import ErrorPlaces
from netsim.studies.verdict import BAD, GOOD, Verdict, number, signed_percent

RATE = "bit error rate"


def points(scenario: Scenario, study: ErrorPlaces, level: str) -> dict[tuple[str, str], Variant]:
    """The variants by (condition, pattern)."""
    found = {}
    for condition, one in study.conditions.items():
        for pattern, other in study.patterns.items():
            labels = (("condition", condition), ("errors", pattern))
            assignments = {**study.policy, **one, **other, "phy": level}
            found[condition, pattern] = Variant(labels, campaign.override(scenario, labels, assignments))
    return found


def analyse(
    scenario: Scenario, study: ErrorPlaces, level: str, outcome: Outcome, runs: Sequence[int]
) -> dict[str, Any]:
    """Rows, columns, figure and note for the page: the figure under each pattern, and its paired gap to the
    first pattern, condition by condition.
    """
    variants = points(scenario, study, level)
    worlds = [run for run in runs if all((variant, run) in outcome.files for variant in variants.values())]
    real, *others = study.patterns
    rows: list[dict[str, Any]] = []
    for condition in study.conditions:
        figures = {p: _values(variants[condition, p], worlds, outcome, study.kpi) for p in study.patterns}
        rate = values.estimate(
            [
                values.figure_of_file(outcome.files[v, run], v.scenario, RATE)
                for v in [variants[condition, real]]
                for run in worlds
            ]
        )
        row: dict[str, Any] = {"condition": condition, "rate": rate.mean, "worlds": len(worlds)}
        for pattern, found in figures.items():
            row[pattern] = float(found.mean())
            interval = mean_interval(found)
            row |= {f"{pattern} low": interval.low, f"{pattern} high": interval.high}
        for pattern in others:
            gap = paired.paired_gap(figures[real], figures[pattern], fidelity.generator("errors"))
            row |= {
                f"{pattern} gap": gap.mean,
                f"{pattern} gap low": gap.t.low,
                f"{pattern} gap high": gap.t.high,
                f"{pattern} pairing": gap.reduction,
            }
        rows.append(row)
    columns = [["condition", "condition", ""], ["rate", RATE, "n"]]
    columns += [[pattern, pattern, "n"] for pattern in study.patterns]
    columns += [[f"{pattern} text", f"{pattern}: gap [95 %]", "n"] for pattern in others]
    shown = [row | {f"{p} text": _gap_text(row, p) for p in others} for row in rows]
    note = (
        f"{study.kpi} ({study.harmed}) at level {level} when every packet has the same number of wrong "
        "bits, at the places where the channel made them and at others; gaps are paired, with "
        f"95 % Student intervals over {len(worlds)} worlds. Patterns other than the "
        "first never change how many bits are wrong."
    )
    told = {"rows": rows, "shown": shown, "columns": columns, "note": note, "figure": _figure(rows, study)}
    return told | {"kpi": study.kpi, "harmed": study.harmed}


def _gap_text(row: dict[str, Any], pattern: str) -> str:
    gap, low, high = (row[f"{pattern} gap{end}"] for end in ("", " low", " high"))
    return f"{gap:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", "−")


def _values(variant: Variant, worlds: Sequence[int], outcome: Outcome, kpi: str):
    found = [values.figure_of_file(outcome.files[variant, run], variant.scenario, kpi) for run in worlds]
    return values.per_world(found)


def _figure(rows: Sequence[dict[str, Any]], study: ErrorPlaces) -> charts.Figure:
    traces = []
    for index, pattern in enumerate(study.patterns):
        mean = [row[pattern] for row in rows]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": pattern,
                "x": [row["rate"] for row in rows],
                "y": mean,
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [row[f"{pattern} high"] - row[pattern] for row in rows],
                    "arrayminus": [row[pattern] - row[f"{pattern} low"] for row in rows],
                    "thickness": 1,
                },
                "line": {"color": charts.COLOURS[index], "dash": ("solid", "dash", "dot")[index % 3]},
                "marker": {"size": 8, "symbol": ("circle", "square", "diamond")[index % 3]},
                "hovertemplate": f"{pattern}<br>BER %{{x:.3g}}: %{{y:.4g}}<extra></extra>",
            }
        )
    xaxis = {"title": {"text": RATE}, "type": "log", "dtick": 1}
    return {
        "data": traces,
        "layout": charts.layout(380, xaxis=xaxis, yaxis={"title": {"text": study.kpi}}),
    }


def verdict(found: dict[str, Any], study: ErrorPlaces) -> Verdict:
    """One sentence: the largest gap of each pattern, and whether any is sure."""
    _, *others = study.patterns
    parts, sure = [], False
    for pattern in others:
        row = max(found["rows"], key=lambda row: abs(row[f"{pattern} gap"]))
        gap, low, high = (row[f"{pattern} gap{end}"] for end in ("", " low", " high"))
        sure |= low > 0 or high < 0
        parts.append(
            f"{pattern} {gap:+.3f} ({signed_percent(gap / row[next(iter(study.patterns))])}) at a rate of "
            f"{number(row['rate'])}"
        )
    opening = "Bit errors are not just a rate" if sure else "No effect of the places of bit errors was seen"
    text = f"{opening}: as many errors elsewhere change the {study.harmed} by up to {'; '.join(parts)}."
    return Verdict(BAD if sure else GOOD, text.replace(" -", " −"))
