"""A fidelity study as files: one JSON, one CSV a table, one page."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netsim import params, simulate
from netsim.studies import charts, fidelity, page, values
from netsim.studies.attribution import Attribution
from netsim.studies.declaration import Mechanism
from netsim.studies.fidelity import ADAPTED, DEPLOYED, Data, Row, by_point
from netsim.studies.verdict import Verdict, number, relative_interval, signed_percent, verdicts
from netsim.studies.version import code_version

SCHEMA = "netsim-fidelity/1"


@dataclass
class Report:
    """Everything a study found."""

    data: Data
    gaps: list[Row]
    scores: list[Row]
    taus: list[Row]
    swaps: list[Row]
    regrets: list[Row]
    attributions: list[Attribution]
    failures: list[str]
    command: str
    sources: list[str]
    versions: list[str] = field(default_factory=list)  # of the code that made the runs
    errors: Row | None = None
    verdicts: list[Verdict] = field(default_factory=list)


def analyse(
    data: Data,
    attributions: list[Attribution],
    failures: Sequence[str],
    command: str,
    sources: Sequence[str],
    versions: Sequence[str],
) -> Report:
    """All tables and sentences of a study; the sentences are about the last level, the closest to reality."""
    gaps = fidelity.gaps(data)
    taus, swaps, regrets = fidelity.rankings(data)
    report = Report(
        data, gaps, fidelity.scores(data), taus, swaps, regrets, attributions, list(failures), command,
        list(sources), list(versions),
    )  # fmt: skip
    design = data.design
    report.verdicts = verdicts(
        design.study.kpi, design.reference, design.levels[-1], gaps, taus, regrets, attributions
    )
    return report


def provenance(report: Report) -> dict[str, Any]:
    """What is needed to judge and to redo the study."""
    data = report.data
    return {
        "scenario": data.design.scenario.name,
        "scenario digest": params.digest(data.design.scenario),
        "seed": data.design.scenario.seed,
        "worlds": len(data.worlds),
        "runs left out": ", ".join(map(str, data.lost)) or "none",
        "slots a run": data.design.scenario.slots,
        "code of the runs": ", ".join(report.versions) or code_version(),
        "commit": simulate.commit() or "no checkout",
        "software": f"netsim {simulate.software_version()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {simulate.installed(name)}" for name in ("numpy", "scipy", "numba")),
        "data": "; ".join(report.sources),
    }


def as_json(report: Report) -> dict[str, Any]:
    """The study as JSON values (schema netsim-fidelity/1)."""
    design = report.data.design
    return {
        "schema": SCHEMA,
        "kpi": design.study.kpi,
        "levels": list(design.levels),
        "policies": list(design.policies),
        "margin": design.margin,
        "verdicts": [dataclasses.asdict(verdict) for verdict in report.verdicts],
        "gaps": report.gaps,
        "scores": report.scores,
        "rankings": report.taus,
        "swaps": report.swaps,
        "regrets": report.regrets,
        "attributions": [_attribution_json(a) for a in report.attributions],
        "absent": dict(design.study.absent),
        "errors": report.errors,
        "failures": report.failures,
        "provenance": provenance(report),
        "parameters": params.as_dict(design.scenario),
        "command": report.command,
    }


def _attribution_json(a: Attribution) -> dict[str, Any]:
    parts = [{"mechanism": p.mechanism.name, **fidelity.as_row(p.effect)} for p in a.parts]
    told = {"title": a.title, "kpi": a.kpi, "formula": a.formula, "real": a.real, "exact": a.exact}
    return {**told, "variants": a.variants, "parts": parts, **fidelity.as_row(a.total, "total_")}


def write(report: Report, folder: Path, with_page: bool = True) -> list[Path]:
    """Writes fidelity.json, CSVs and fidelity.html; returns their paths."""
    document = as_json(report)
    tables = {name: document[name] for name in ("gaps", "scores", "rankings", "swaps", "regrets")}
    tables["attributions"] = [
        {"title": a["title"], **part} for a in document["attributions"] for part in a["parts"]
    ]
    if report.errors is not None:
        tables["errors"] = report.errors["rows"]
    paths = [folder / "fidelity.json"]
    page.write(paths[0], json.dumps(page.plain(document), indent=1, allow_nan=False) + "\n")
    for name, rows in tables.items():
        if rows:
            paths.append(folder / f"{name}.csv")
            values.write_table(rows, paths[-1])
    if with_page:
        paths.append(folder / "fidelity.html")
        page.write(paths[-1], page.render("fidelity.html", context(report)))
    return paths


def context(report: Report) -> dict[str, Any]:
    """What the template fidelity.html shows."""
    data, design = report.data, report.data.design
    kpi, levels = design.study.kpi, design.levels
    gaps = [_readable(row) for row in report.gaps]
    winner = report.regrets[0]["chosen"]
    order = [winner, *(policy for policy in design.policies if policy != winner)]
    kinds = (DEPLOYED, ADAPTED)
    return {
        "title": f"How far are the formulas from the bits? {design.scenario.name}, {' / '.join(levels)}",
        "subtitle": f"{len(data.worlds)} worlds of {design.scenario.slots} slots, {len(design.policies)} "
        f"policies, {len(levels)} levels of fidelity; margin of equivalence ±{100 * design.margin:g} %",
        "verdicts": report.verdicts,
        "kpi": kpi,
        "levels": levels,
        "margin_text": f"±{100 * design.margin:g} %",
        "forest": charts.forest(report.gaps, kpi, design.margin),
        "gap_rows": by_point(gaps, kpi=kpi),
        "slopes": [
            (charts.slopes(report.scores, levels, design.policies, kind), charts.KIND_TEXT[kind])
            for kind in kinds
        ],
        "tau_rows": _ranking_rows(report),
        "swap_rows": [{**row, "kind_text": charts.KIND_TEXT[row["kind"]]} for row in report.swaps],
        "transfers": [(charts.transfer(report.scores, levels, policy), policy) for policy in order],
        "attributions": [_attribution_context(a) for a in report.attributions],
        "absent": design.study.absent if report.attributions else {},
        "errors": report.errors,
        "detail_rows": gaps,
        "parameters": [dataclasses.asdict(row) for row in params.table(design.scenario)],
        "provenance": [{"name": name, "value": value} for name, value in provenance(report).items()],
        "failures": report.failures,
        "command": report.command,
    }


def _readable(row: Row) -> Row:
    boot = {**row, "low": row["bootstrap_low"], "high": row["bootstrap_high"]}
    return {
        **row,
        "kind_text": charts.KIND_TEXT[row["kind"]],
        "relative_text": signed_percent(row["relative"]),
        "interval_text": relative_interval(row),
        "bootstrap_text": relative_interval(boot),
        "class": {"equivalent": "good", "beyond the margin": "bad"}.get(row["verdict"], ""),
    }


def _ranking_rows(report: Report) -> list[Row]:
    rows = []
    for regret in report.regrets:
        tau = by_point(report.taus, level=regret["level"], kind=regret["kind"])
        found = tau[0] if tau else {"mean": float("nan"), "low": float("nan"), "high": float("nan")}
        rows.append(
            {
                "level": regret["level"],
                "kind_text": charts.KIND_TEXT[regret["kind"]],
                **{name: found[name] for name in ("mean", "low", "high")},
                "chosen": regret["chosen"],
                "best_text": f"{regret['best']} (planned at {regret['best_planned']})",
                "regret": regret["mean"],
                "regret_low": regret["low"],
                "regret_high": regret["high"],
                "regret_text": f"{number(100 * regret['relative'])} %",
            }
        )
    return rows


def _attribution_context(a: Attribution) -> dict[str, Any]:
    scale = abs(a.formula) or float("nan")
    rows = [
        {
            "name": part.mechanism.name,
            "meaning": _meaning(part.mechanism),
            "mean": part.effect.mean,
            "low": part.effect.low,
            "high": part.effect.high,
            "share": signed_percent(part.effect.mean / scale),
        }
        for part in a.parts
    ]
    total = {"name": "all", "meaning": "reality − formula", "mean": a.total.mean, "low": a.total.low}
    rows.append({**total, "high": a.total.high, "share": signed_percent(a.total.mean / scale)})
    how = "all subsets" if a.exact else "random orders, each with its reverse, other ones in every world"
    note = (
        f"Shapley values: {how} of {len(a.parts)} mechanisms, {a.variants} different scenarios, {a.worlds} "
        f"worlds; the bars add up to the total (residual {a.residual:.1g}). A part is the mean effect of "
        "switching the mechanism on, over all orders; whiskers are 95 % intervals over the worlds."
    )
    return {"title": a.title, "figure": charts.waterfall(a), "rows": rows, "note": note}


def _meaning(mechanism: Mechanism) -> str:
    needs = f" (acts only with {' and '.join(mechanism.needs)})" if mechanism.needs else ""
    return mechanism.meaning + needs
