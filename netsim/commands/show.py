"""`python -m netsim show SCENARIO`: every parameter with value, unit, meaning and source."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from netsim import params
from netsim.scenario import Scenario


def main(scenario: Scenario) -> int:
    """Prints the parameters by group; returns 0."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("parameter", "value", "unit"):
        table.add_column(title, no_wrap=title != "value", overflow="fold")
    table.add_column("meaning", ratio=3)
    table.add_column("must be", ratio=2)
    table.add_column("source", ratio=2, style="dim")
    group = None
    for row in params.table(scenario):
        head = row.path.rpartition(".")[0]
        if group is not None and head != group:
            table.add_section()
            table.add_row()
        group = head
        rule = row.rule.removeprefix("must be ").removesuffix(" and finite")
        table.add_row(row.path, row.value, row.unit, row.meaning, rule, row.source)
    console.print(table)
    console.print(
        f"\nChange any of them with --set parameter=value. Digest of this scenario: {params.digest(scenario)}"
    )
    return 0
