"""`python -m netsim figure green-bounds`: schemes and bounds of green by the formulas."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import green_bounds as figure


def main(request: Request) -> None:
    """Computes, writes green-bounds.csv, prints the table."""
    drops = request.episodes or (4 if request.quick else 30)
    slots = request.slots or (60 if request.quick else 200)
    with progress(request.name) as advance:
        rows = figure.table(drops, slots, request.jobs, advance)
    path = request.out / "green-bounds.csv"
    figure.write_csv(rows, path)
    table = Table(title="green: EE by the formulas (95 % interval over drops)", header_style="bold")
    for name in ("setting", "scheme", "3 cells", "power index", "7 cells", "power index"):
        table.add_column(name, justify="left" if name in ("setting", "scheme") else "right")
    for setting, scheme in dict.fromkeys((row.preset, row.scheme) for row in rows):
        mine = {row.num_cells: row for row in rows if (row.preset, row.scheme) == (setting, scheme)}
        table.add_row(setting, scheme, *(text for cells in (3, 7) for text in _cell(mine.get(cells))))
    screen = console(130)
    screen.print(table)
    screen.print(f"{drops} drops of {slots} slots, seed {figure.SEED}; data: {path}")


def _cell(row: figure.Row | None) -> tuple[str, str]:
    if row is None:
        return "", ""
    half = (row.ee.high - row.ee.low) / 2
    index = "" if row.power_index != row.power_index else f"{row.power_index:.2f}"
    return f"{row.ee.mean:.4f} ±{half:.4f}", index
