"""`python -m netsim fidelity`: levels over the same worlds; gaps, ranking, attribution, a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from netsim.commands.sweep import live, report_console, report_failures
from netsim.studies import error_study, fidelity, fidelity_report, page
from netsim.studies.attribution import Attribution, Game, play
from netsim.studies.campaign import Outcome, Store, Wanted, Workers, execute, replicated
from netsim.studies.declaration import Mechanism
from netsim.studies.fidelity import ADAPTED, DEPLOYED, Data, Design
from netsim.studies.precision import next_runs
from netsim.studies.shapley import MOST_EXACT
from netsim.studies.workers import workers
from netsim.trace import read_trace

SAMPLED_ORDERS = 4


@dataclass(frozen=True)
class Request:
    """What the command line asks of a study."""

    design: Design
    mechanisms: tuple[Mechanism, ...]  # empty: no attribution
    attributed: str  # policy whose gap is attributed
    errors: bool  # study the places of bit errors, where the system declares how
    orders: int | None  # random orders a world; None: all subsets of few, some orders of many
    jobs: int
    scheduler: str | None
    out: Path
    any_version: bool
    report: Path
    command: str


def main(request: Request) -> int:
    """Runs what is missing, analyses, writes; 1 if a run failed."""
    page.check_installed()
    store = Store(request.out, request.any_version)
    work = workers(request.jobs, request.scheduler)
    outcome, data = _comparison(request, store, work)
    games, design = _games(request), request.design
    places = design.study.errors if request.errors else None
    level = "bit" if "bit" in design.levels else design.levels[-1]  # where errors are moved
    wanted = [point for game in games for point in game.wanted(data.worlds)]
    if places is not None:
        wanted += replicated(list(error_study.points(design.scenario, places, level).values()), data.worlds)
    rest = _execute(store, wanted, work, design.study.kpi, "where it comes from") if wanted else Outcome()
    outcome.failures += rest.failures
    attributions = [play(game, rest, data.worlds) for game in games]
    failures = [str(failure) for failure in outcome.failures]
    versions = sorted({path.parent.name for runs in (outcome, rest) for path in runs.files.values()})
    report = fidelity_report.analyse(
        data, attributions, failures, request.command, _sources(outcome), versions
    )
    if places is not None:
        report.errors = error_study.analyse(design.scenario, places, level, rest, data.worlds)
        report.verdicts.append(error_study.verdict(report.errors, places))
    paths = fidelity_report.write(report, request.report)
    console = report_console()
    _print(console, report, attributions)
    for path in paths:
        console.print(str(path), markup=False)
    return report_failures(console, outcome)


def _comparison(request: Request, store: Store, work: Workers) -> tuple[Outcome, Data]:
    """Runs all points; with a precision, batch by batch until it is reached (netsim.studies.precision)."""
    design = request.design
    points = list(design.points().values())
    runs = design.runs
    while True:
        wanted = replicated(points, range(runs))
        outcome = _execute(store, wanted, work, design.study.kpi, f"fidelity of {design.scenario.name}")
        data = fidelity.gather(design, outcome, range(runs))
        if design.precision is None:
            return outcome, data
        difference, mean = fidelity.widest(data, design.precision)
        plan = next_runs(difference, design.precision, mean, design.most_runs - len(data.lost))
        if plan is None:
            return outcome, data
        runs = plan.runs + len(data.lost)
        if plan.confirming:
            wanted = replicated(points, range(runs))
            outcome = _execute(store, wanted, work, design.study.kpi, "confirmation")
            return outcome, fidelity.gather(design, outcome, range(runs))


def _execute(store: Store, wanted: Sequence[Wanted], work: Workers, kpi: str, title: str) -> Outcome:
    variants = list(dict.fromkeys(variant for variant, _ in wanted))
    runs = len({run for _, run in wanted})
    with live(variants, runs, kpi, title) as advance:
        return execute(store, wanted, work, advance)


def _games(request: Request) -> list[Game]:
    """One attribution with what the policy plans at the reference level, and, where the system declares that
    levels plan differently, one that plans with what each world offers.
    """
    design, study = request.design, request.design.study
    if not request.mechanisms:
        return []
    orders = request.orders
    if orders is None:
        orders = 0 if len(request.mechanisms) <= MOST_EXACT else SAMPLED_ORDERS
    policy = study.policy(request.attributed)
    by_formula = {**study.planned.get(design.reference, {}), **policy}
    adapted = {**study.planned.get(design.levels[-1], {}), **policy}
    plans = {DEPLOYED: by_formula} if adapted == by_formula else {DEPLOYED: by_formula, ADAPTED: adapted}
    titles = {
        DEPLOYED: f"{request.attributed}, planned by the formula",
        ADAPTED: f"{request.attributed}, planned with what the world offers",
    }
    return [
        Game(design.scenario, study, plan, titles[kind], request.mechanisms, orders)
        for kind, plan in plans.items()
    ]


def _sources(outcome: Outcome) -> list[str]:
    """Which data the scores rest on, from the traces of run 0."""
    found: dict[str, None] = {}
    for (_, run), path in outcome.files.items():
        if run == 0:
            found.update(dict.fromkeys(read_trace(path).attributes["provenance"].get("data", [])))
    return list(found)


def _print(console: Console, report: fidelity_report.Report, attributions: Sequence[Attribution]) -> None:
    style = {"good": "green", "bad": "red", "open": ""}
    for verdict in report.verdicts:
        console.print(f"- {verdict.text}", style=style[verdict.kind], markup=False)
    for a in attributions:
        console.print(f"{a.title}: formula {a.formula:.4g}", markup=False, style="bold")
        for part in a.parts:
            e = part.effect
            line = f"  {part.mechanism.name:24} {e.mean:+.4g}  [{e.low:+.4g}, {e.high:+.4g}]"
            console.print(line, markup=False)
        console.print(f"  {'reality':24} {a.real:.4g}", markup=False)
