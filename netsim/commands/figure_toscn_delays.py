"""`python -m netsim figure toscn-delays`: reward against the delay of grants."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import toscn_delays as figure


def main(request: Request) -> None:
    """Runs, writes toscn-delays.csv and .png, prints the table."""
    episodes = request.episodes or (8 if request.quick else 60)
    with progress(request.name) as advance:
        cells = figure.table(episodes, request.jobs, advance)
    out = request.out
    figure.write_csv(cells, out / "toscn-delays.csv")
    figure.draw(cells, out / "toscn-delays.png")
    title = "TOSCN, level paper, 3 MHz: reward per slot (95 % interval); in brackets the change (paired)"
    table = Table(title=title, header_style="bold")
    table.add_column("policy")
    for delay in figure.DELAYS_MS:
        table.add_column(f"{delay:g} ms" if delay < figure.SLOT_MS else "one slot, held", justify="right")
    for policy, aware in dict.fromkeys((c.policy, c.aware) for c in cells):
        mine = {c.delay_ms: c for c in cells if (c.policy, c.aware) == (policy, aware)}
        row = [_text(mine[delay]) if delay in mine else "" for delay in figure.DELAYS_MS]
        table.add_row(policy + (", aware" if aware else ""), *row)
    screen = console(150)
    screen.print(table)
    screen.print(f"{episodes} episodes of {figure.EPISODE_SLOTS} slots; data: {out}/toscn-delays.csv, .png")


def _text(cell: figure.Cell) -> str:
    half = (cell.reward.high - cell.reward.low) / 2
    if cell.delay_ms == 0.0:
        return f"{cell.reward.mean:.2f} ±{half:.2f}"
    spread = (cell.lost.high - cell.lost.low) / 2
    return f"{cell.reward.mean:.2f} ±{half:.2f} ({-cell.lost.mean:+.2f} ±{spread:.2f})"
