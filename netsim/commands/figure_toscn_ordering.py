"""`python -m netsim figure toscn-ordering`: all schemes at 3 MHz and 0.2 W, by the formulas and on bits."""

from __future__ import annotations

import time

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import toscn_ordering as figure
from phy.parameters import ParameterError


def main(request: Request) -> None:
    """Evaluates, writes toscn-ordering.csv, prints one table a level."""
    if request.episodes is not None:
        raise ParameterError(f"figure {request.name}: must go without --episodes, their number is fixed")
    started = time.perf_counter()
    with progress(request.name) as advance:
        found = figure.rows(request.quick, request.jobs, advance)
    path = request.out / "toscn-ordering.csv"
    figure.write_csv(found, path)
    screen = console(140)
    for phy in figure.LEVELS:
        mine = [row for row in found if row.phy == phy]
        optimum = "clairvoyant bound" if phy == "paper" else figure.BEST
        table = Table(title=f"TOSCN, 3 MHz, 0.2 W, level {phy}: reward per slot", header_style="bold")
        names = (
            "reward",
            "95 % over seeds",
            f"behind {figure.BEST}, paired",
            f"of {optimum}",
            "packets",
            "accuracy",
        )
        table.add_column("scheme")
        for name in names:
            table.add_column(name, justify="right")
        for row in mine:
            b, s = row.behind, row.seeds
            over = f"[{s.low:.2f}, {s.high:.2f}] ({s.n})" if s.low == s.low else ""
            table.add_row(
                row.scheme,
                f"{row.reward.mean:.2f} ±{(row.reward.high - row.reward.low) / 2:.2f}",
                over,
                f"{b.mean:.2f} [{b.low:.2f}, {b.high:.2f}]",
                f"{row.share:.1%}",
                f"{row.packets:.2f}",
                f"{row.accuracy:.3f}",
            )
        screen.print(table)
    screen.print(f"order of the schemes, paper against bit: Kendall's tau {figure.agreement(found):.2f}")
    screen.print(f"data: {path}; {time.perf_counter() - started:.0f} s")
