"""`python -m netsim figure toscn-2`: class activation, important and unimportant maps."""

from __future__ import annotations

import math

from rich.table import Table

from netsim.commands.figure_request import Request, console
from netsim.figures import toscn_2 as figure
from netsim.stats import Interval


def main(request: Request) -> None:
    """Writes toscn-2.csv and .png, prints what the 16 most and least important maps are worth."""
    request.one_process()
    examples, numbers = figure.measure()
    out = request.out
    figure.write_csv(numbers, out / "toscn-2.csv")
    figure.draw(examples, out / "toscn-2.png")
    table = Table(title="TOSCN Fig. 2: 16 of 512 maps, list of the class found", header_style="bold")
    table.add_column("task")
    table.add_column("maps")
    columns = (
        "accuracy with these alone",
        "share of the logit",
        "strength",
        "on the object",
        "object's share",
    )
    for name in columns:
        table.add_column(name, justify="right")
    for w in numbers:
        covered = "" if math.isnan(w.object_share) else f"{w.object_share:.3f}"
        cells = (_text(i) for i in (w.accuracy, w.logit_share, w.strength, w.on_object))
        table.add_row(w.task, w.maps, *cells, covered)
    screen = console(140)
    screen.print(table)
    screen.print(f"{numbers[0].accuracy.n} test images a task, 95 % intervals; data: {out}/toscn-2.csv, .png")


def _text(i: Interval) -> str:
    return "" if math.isnan(i.mean) else f"{i.mean:.3f} ±{(i.high - i.low) / 2:.3f}"
