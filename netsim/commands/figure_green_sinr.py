"""`python -m netsim figure green-sinr`: the SINR of the very samples against the formula."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import green_sinr as figure


def main(request: Request) -> None:
    """Measures, writes green-sinr.csv, prints the table."""
    drops = request.episodes or (4 if request.quick else 20)
    slots = request.slots or (20 if request.quick else 50)
    with progress(request.name) as advance:
        found = figure.rows(drops, slots, advance)
    path = request.out / f"{request.name}.csv"
    figure.write_csv(found, path)
    table = Table(title="SINR of the samples less (M2), dB (95 % interval over drops)", header_style="bold")
    for name in ("cells", "k", "symbols in a burst", "bias", "root mean square"):
        table.add_column(name, justify="right")
    for r in found:
        half = (r.bias_db.high - r.bias_db.low) / 2
        bias = f"{r.bias_db.mean:+.4f} ±{half:.4f}"
        table.add_row(str(r.num_cells), str(r.k), str(r.symbols), bias, f"{r.rmse_db:.3f}")
    out = console()
    out.print(table)
    out.print(f"{drops} drops of {slots} slots; data: {path}", markup=False)
