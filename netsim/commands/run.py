"""`python -m netsim SCENARIO`: simulate, then say in one screen what ran and what came out."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from netsim import checks, metrics, simulate
from netsim.scenario import Scenario
from netsim.tables import Trace
from netsim.trace import read_trace


def main(scenario: Scenario, runs: int, jobs: int, out: Path, csv: Path | None) -> int:
    """Simulates `runs` runs, writes their traces, prints the summary; 1 if a trace breaks one of its
    checks.
    """
    folder = simulate.result_folder(scenario, out)
    started = time.perf_counter()
    with _progress(scenario, runs) as advance:
        files = _simulate(scenario, runs, jobs, folder, advance)
    wall_s = time.perf_counter() - started
    traces = [read_trace(file) for file in files]
    records = metrics.summarise(traces, bandwidth_hz=scenario.total_bandwidth_hz)
    if csv is not None:
        with csv.open("w", encoding="utf-8", newline="") as file:
            metrics.write_csv(records, file)
    findings = [f"{file}: {finding}" for file, trace in zip(files, traces) for finding in checks.check(trace)]
    _summary(scenario, traces, records, files, wall_s, findings)
    return 1 if findings else 0


def _simulate(
    scenario: Scenario, runs: int, jobs: int, folder: Path, advance: Callable[[int], None]
) -> list[Path]:
    if jobs == 1 or runs == 1:
        files = []
        for run in range(runs):
            report = partial(_advance_from, advance, run * scenario.slots)
            files.append(simulate.run_to_file(scenario, run, folder, report))
        return files
    # spawn: the parent may hold threads (numba, HDF5) that do not survive a fork
    with ProcessPoolExecutor(min(jobs, runs), mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(simulate.run_to_file, scenario, run, folder): run for run in range(runs)}
        for done, _future in enumerate(as_completed(futures), 1):
            advance(done * scenario.slots)
        return [future.result() for future in futures]


def _advance_from(advance: Callable[[int], None], before: int, slots_done: int) -> None:
    advance(before + slots_done)


class _Rate(ProgressColumn):
    """Slots per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} slots/s" if task.speed else "starting ...", style="cyan")


@contextmanager
def _progress(scenario: Scenario, runs: int):
    """A live line on a terminal, nothing elsewhere; yields a function of the slots done."""
    if not sys.stderr.isatty():
        yield lambda slots_done: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} slots"),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        line = progress.add_task(
            f"{scenario.name} {scenario.phy} {scenario.policy_name}", total=runs * scenario.slots
        )
        yield lambda slots_done: progress.update(line, completed=slots_done)


_ROWS = (
    ("delivered", "delivered per slot", "{:.2f} packets/slot", 1.0),
    ("blocked", "blocked per slot", "{:.2f} captures/slot", 1.0),
    ("accuracy", "accuracy per packet", "{:.3f} per delivered packet", 1.0),
    ("objective", "objective per slot", "{:.4g} per slot", 1.0),
    ("reward", "reward per slot", "{:.4g} per slot", 1.0),
    ("bit errors", "bit error rate", "{:.3g}", 1.0),
    ("delay", "delay mean", "{:.0f} ms, capture to server", 1e3),
    ("bandwidth", "bandwidth utilisation", "{:.1%} granted", 1.0),
)


def _summary(
    scenario: Scenario,
    traces: list[Trace],
    records: list[metrics.Record],
    files: list[Path],
    wall_s: float,
    findings: list[str],
) -> None:
    total = {record.kpi: record for record in records if record.ue == "all"}
    origin = traces[0].attributes["provenance"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    runs = f"{len(files)} run{'s' if len(files) > 1 else ''} x {scenario.slots} slots"
    table.add_row("scenario", f"{scenario.name}, level {scenario.phy}, policy {scenario.policy_text}")
    rate = sum(trace.attributes["provenance"]["slots_per_s"] for trace in traces) / len(traces)
    speed = f"in {wall_s:.1f} s, loading and compiling included; then {rate:.1f} slots/s a process"
    table.add_row("simulated", f"{runs} of {scenario.slot_ns / 1e6:g} ms {speed}")
    table.add_row("data", "\n".join(origin["data"]))
    if "sinr median" in total and total["sinr median"].n:
        snr = [total[f"sinr {q}"].mean for q in ("5 %", "median", "95 %")]
        table.add_row(
            "SNR (Es/N0)", "{:.1f} / {:.1f} / {:.1f} dB per resource element (5 / 50 / 95 %)".format(*snr)
        )
        if scenario.net_bits_per_symbol is not None:
            eb = [value - 10.0 * math.log10(scenario.net_bits_per_symbol) for value in snr]
            table.add_row(
                "SNR (Eb/N0)",
                "{:.1f} / {:.1f} / {:.1f} dB per payload bit, prefix and pilots paid".format(*eb),
            )
    for label, kpi, shape, scale in _ROWS:
        if kpi in scenario.summary_kpis:
            table.add_row(label, _with_interval(total[kpi], shape, scale))
    reward = total["reward per slot"]
    over = (
        f"95 %, Student t over {reward.n} {reward.replication}s" if reward.n > 1 else "none: one replication"
    )
    table.add_row("intervals", over)
    table.add_row(
        "checks",
        "conservation, causality, completeness hold" if not findings else "[red]" + "\n".join(findings[:5]),
    )
    table.add_row(
        "trace", str(files[0]) if len(files) == 1 else f"{files[0].parent}/run0..{len(files) - 1}.h5"
    )
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)


def _with_interval(record: metrics.Record, shape: str, scale: float) -> str:
    if record.mean != record.mean:
        return f"- ({record.note})"
    text = shape.format(record.mean * scale)
    if record.low == record.low:
        text += f"   [{_same(shape, record.low * scale)}, {_same(shape, record.high * scale)}]"
    return text


def _same(shape: str, value: float) -> str:
    return shape[: shape.index("}") + 1].format(value)
