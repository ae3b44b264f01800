"""`python -m netsim trace FILE`: what a trace holds, whether it passes its checks, one table as CSV."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from netsim import checks
from netsim.tables import Trace
from netsim.trace import describe, read_trace, table_csv


def main(files: list[Path], csv_table: str | None) -> int:
    """Prints the summary of each file, or one table as CSV; 1 if a check fails."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    failed = False
    for file in files:
        trace = read_trace(file)
        if csv_table is not None:
            table_csv(trace, csv_table, sys.stdout)
            continue
        findings = checks.check(trace)
        failed |= bool(findings)
        _print(console, file, trace, findings)
    return 1 if failed else 0


def _print(console: Console, file: Path, trace: Trace, findings: list[checks.Finding]) -> None:
    a = trace.attributes
    policy = a["provenance"].get("scenario", {}).get("agent", {}).get("name", "unknown")
    title = f"{file}  {a['scenario']}, level {a['phy']}, policy {policy}, seed {a['seed']}, run {a['run']}"
    console.print(title, style="bold", markup=False)
    origin = a["provenance"]
    for line in origin.get("data", []):
        console.print(f"  data: {line}", markup=False)
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="bold")
    for title in ("table", "rows", "columns", "from", "to"):
        table.add_column(title, justify="left" if title in ("table", "columns") else "right", overflow="fold")
    for row in describe(trace):
        span = [f"{t / 1e9:.3f} s" if t is not None else "" for t in (row.first_ns, row.last_ns)]
        table.add_row(row.table, f"{row.rows:,}", ", ".join(row.columns), *span)
    console.print(table)
    if findings:
        for finding in findings:
            console.print(f"  broken: {finding}", style="red", markup=False)
    else:
        console.print("  checks: conservation, causality, completeness hold")
