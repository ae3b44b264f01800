"""`python -m netsim sweep`: variations x replications; runs what is missing, shows estimates as they come."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from netsim.scenario import Scenario
from netsim.stats import Interval
from netsim.studies import values
from netsim.studies.campaign import Axis, Outcome, Store, Task, Variant, execute, replicated, variants
from netsim.studies.version import code_version
from netsim.studies.workers import workers
from netsim.trace_schema import TraceError

Advance = Callable[[Task | None, str, Outcome, int], None]


@dataclass(frozen=True)
class Request:
    """What the command line asks of a campaign."""

    scenario: Scenario
    axes: tuple[Axis, ...]
    runs: int
    only_list: bool
    jobs: int
    scheduler: str | None
    out: Path
    any_version: bool
    tables: tuple[Path, ...]
    kpi: str


def main(request: Request) -> int:
    """Runs the campaign, prints its table, writes tidy tables; 1 if a run failed."""
    wanted = variants(request.scenario, request.axes)
    values.check_kpi(request.scenario, request.kpi)
    for table in request.tables:
        values.check_table(table)
    store = Store(request.out, request.any_version)
    if request.only_list:
        return _list(request, wanted, store)
    started = time.perf_counter()
    with live(wanted, request.runs, request.kpi, f"sweep of {request.scenario.name}") as advance:
        work = workers(request.jobs, request.scheduler)
        outcome = execute(store, replicated(wanted, range(request.runs)), work, advance)
    rows, damaged = tidy(wanted, outcome)
    console = report_console()
    console.print(estimates_table(wanted, outcome, request.runs, request.kpi))
    made = len(outcome.files) - outcome.found
    console.print(
        f"{outcome.found} runs were there, {made} made in {time.perf_counter() - started:.1f} s; "
        f"code {code_version()}",
        markup=False,
    )
    for table in request.tables or (default_table(request),):
        values.write_table(rows, table)
        console.print(f"{len(rows)} rows: {table}", markup=False)
    return report_failures(console, outcome, damaged)


def default_table(request: Request) -> Path:
    """Where the tidy table goes when none is named."""
    return request.out / request.scenario.name / "sweep.csv"


def report_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def report_failures(console: Console, outcome: Outcome, damaged: Sequence[str] = ()) -> int:
    """Lists what failed; exit status 1 if anything did, else 0."""
    lines = [str(failure) for failure in outcome.failures] + list(damaged)
    if lines:
        console.print(f"[red]{len(lines)} failed, in no average:[/red]")
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    return 1 if lines else 0


def _list(request: Request, wanted: list[Variant], store: Store) -> int:
    """Prints what there is and what would be run."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("variant", "digest", "there", "to run"):
        table.add_column(name)
    missing = 0
    for variant in wanted:
        there = [store.find(variant.scenario, run) is not None for run in range(request.runs)]
        lacking = [str(run) for run, found in enumerate(there) if not found]
        missing += len(lacking)
        table.add_row(variant.text, variant.digest, str(sum(there)), _ranges(lacking))
    console = report_console()
    console.print(table)
    distinct = len({variant.digest for variant in wanted})
    console.print(
        f"{len(wanted)} variants ({distinct} different scenarios) x {request.runs} runs, {missing} to run; "
        f"code {code_version()}",
        markup=False,
    )
    return 0


def _ranges(runs: list[str]) -> str:
    """`0-7` for consecutive runs, else a list; `-` for none."""
    if not runs:
        return "-"
    first, last = int(runs[0]), int(runs[-1])
    if len(runs) == last - first + 1:
        return f"{first}-{last}" if last > first else str(first)
    return ", ".join(runs)


def tidy(wanted: Sequence[Variant], outcome: Outcome) -> tuple[list[dict[str, Any]], list[str]]:
    """One row a variant, run, figure and device; and a line for each file that could not be read."""
    rows, damaged = [], []
    for variant in wanted:
        for run in outcome.runs_of(variant):
            path = outcome.files[variant, run]
            try:
                found = values.values_of_file(path, variant.scenario, each_ue=True)
            except TraceError as error:
                damaged.append(str(error))
                continue
            told = {
                **dict(variant.labels),
                "scenario": variant.scenario.name,
                "phy": variant.scenario.phy,
                "policy": variant.scenario.policy_name,
                "digest": variant.digest,
                "version": path.parent.name,
                "seed": variant.scenario.seed,
                "run": run,
            }
            for value in found:
                figure = {"kpi": value.kpi, "ue": value.ue, "unit": value.unit, "value": value.value}
                parts = {"numerator": value.numerator, "denominator": value.denominator}
                rows.append({**told, **figure, **parts})
    return rows, damaged


def estimates_table(wanted: Sequence[Variant], outcome: Outcome, runs: int, kpi: str) -> Table:
    """Runs done and failed, and the running estimate of one figure, variant by variant."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("variant")
    for name in ("runs", "failed", kpi, "95 % interval"):
        table.add_column(name, justify="right")
    failed: dict[Variant, int] = {}
    for failure in outcome.failures:
        failed[failure.variant] = failed.get(failure.variant, 0) + 1
    for variant in wanted:
        done = outcome.runs_of(variant)
        found = []
        for run in done:
            try:
                path = outcome.files[variant, run]
                found.append(values.figure_of_file(path, variant.scenario, kpi))
            except TraceError:  # listed at the end
                continue
        interval = values.estimate(found)
        bad = Text(str(failed.get(variant, 0)), style="red" if variant in failed else "dim")
        table.add_row(variant.text, f"{len(done)}/{runs}", bad, _number(interval.mean), limits(interval))
    return table


def limits(interval: Interval) -> str:
    """`[low, high]`, or a dash where there is no interval."""
    if math.isnan(interval.low):
        return "-"
    return f"[{interval.low:.4g}, {interval.high:.4g}]"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


@contextmanager
def live(wanted: Sequence[Variant], runs: int, kpi: str, title: str) -> Iterator[Advance]:
    """A table of running estimates with the time left on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda task, reason, outcome, left: None
        return
    started = time.perf_counter()
    done = shown = 0.0
    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as display:

        def advance(task: Task | None, reason: str, outcome: Outcome, left: int) -> None:
            nonlocal done, shown
            done += task is not None
            now = time.perf_counter()
            if left and now - shown < 0.5:
                return
            shown = now
            rate = done / (now - started) if done else 0.0
            rest = f"{left / rate:.0f} s left" if rate else "starting ..."
            head = Text(f"{title}: {left} runs to go, {rest}; {len(outcome.failures)} failed", style="bold")
            most = max(4, display.console.height - 6)
            shown_variants = list(wanted)[:most]
            more = Text(f"... and {len(wanted) - most} variants more" if len(wanted) > most else "")
            table = estimates_table(shown_variants, outcome, runs, kpi)
            display.update(Group(head, table, more), refresh=True)

        yield advance
