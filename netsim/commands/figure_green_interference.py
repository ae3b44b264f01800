"""`python -m netsim figure green-interference`: real 16-QAM interference against the Gaussian formula."""

from __future__ import annotations

import math

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import green_interference as figure
from netsim.figures import green_interference_ee as effect


def main(request: Request) -> None:
    """Measures, writes green-interference.csv and .png and green-interference-ee.csv, prints both tables."""
    request.one_process()
    with progress(request.name) as advance:
        found = figure.points(advance, num_symbols=40_000 if request.quick else 400_000)
    rows = effect.effects(found, num_drops=6 if request.quick else 30)
    out = request.out
    figure.write_csv(found, out / "green-interference.csv")
    figure.draw(found, out / "green-interference.png")
    effect.write_csv(rows, out / "green-interference-ee.csv")
    screen = console(150)
    screen.print(_rates(found))
    screen.print(_effects(rows))
    screen.print(f"{found[0].symbols} symbols a point; data: {out}/green-interference.csv, .png, -ee.csv")


def _rates(found: list[figure.Point]) -> Table:
    table = Table(title="16-QAM: BER (SINR shift that makes the formula right, dB)", header_style="bold")
    table.add_column("SINR dB", justify="right")
    table.add_column("formula", justify="right")
    for label in figure.LABELS.values():
        table.add_column(label, justify="right")
    for sinr_db in sorted({p.sinr_db for p in found if p.sinr_db % 2 == 0}):
        mine = {p.interference: p for p in found if p.sinr_db == sinr_db}
        cells = [_rate(mine[name]) for name in figure.LABELS]
        table.add_row(f"{sinr_db:g}", f"{mine['awgn'].formula_ber:.4f}", *cells)
    return table


def _rate(p: figure.Point) -> str:
    half = (p.ber_high - p.ber_low) / 2
    shift = "error-free" if math.isinf(p.shift_db) else f"{p.shift_db:+.2f}"
    return f"{p.ber:.4f} ±{half:.4f} ({shift})"


def _effects(rows: list[effect.Effect]) -> Table:
    title = "EE at the lowest power, k chosen by the formula (95 % interval over drops; loss paired)"
    table = Table(title=title, header_style="bold")
    for name in ("cells", "interference", "EE", "lost against the formula", "another k is best"):
        table.add_column(name, justify="left" if name == "interference" else "right")
    for row in rows:
        half, lost = (row.ee.high - row.ee.low) / 2, (row.lost.high - row.lost.low) / 2
        label = figure.LABELS.get(row.interference, row.interference)
        loss = "" if row.interference == "formula" else f"{row.lost.mean:.4f} ±{lost:.4f}"
        other = "" if row.interference == "formula" else f"{row.other_k.mean:.3f}"
        table.add_row(str(row.num_cells), label, f"{row.ee.mean:.4f} ±{half:.4f}", loss, other)
    return table
