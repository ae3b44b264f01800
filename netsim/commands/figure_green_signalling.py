"""`python -m netsim figure green-signalling`: what delay, jitter and loss of messages and clocks that are
apart cost."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_green import RESULTS
from netsim.commands.figure_request import Request, console, progress
from netsim.figures import green_signalling as figure
from netsim.figures.green_learning import write_csv
from netsim.figures.green_runs import Plan

LABELS = {
    figure.FROZEN: "DQN, learned without, frozen",
    figure.LEARNING: "DQN, learned under it, frozen",
    figure.RULE: "lowest power, best k for the SINR it has",
}


def main(request: Request) -> None:
    """Runs what is missing, writes CSV and picture, prints the table."""
    slots = request.slots or (2_000 if request.quick else 30_000)
    drops = request.episodes or (2 if request.quick else 10)
    plan = Plan((3,), ("literal",), drops, slots, 500 if request.quick else 1_000, rule_slots=0)
    with progress(f"{request.name}: training") as advance:
        figure.train(plan, request.jobs, advance)
    with progress(request.name) as advance:
        found = figure.points(plan, request.jobs, RESULTS, advance)
    path = request.out / f"{request.name}.csv"
    write_csv(figure.rows(found), path)
    figure.draw(found, LABELS, path.with_suffix(".png"))
    fewer = figure.drops_of(plan, figure.LEARNING)
    table = Table(
        title=f"green, 3 cells, {drops} drops ({fewer} of stations that learned under it), {slots} slots of "
        "learning: frozen EE, and what is lost (95 %, paired)",
        header_style="bold",
    )
    for name in ("imperfection", "value", "scheme", "EE", "lost"):
        table.add_column(name)
    for p in found:
        lost = f"{p.loss.mean:+.4f} [{p.loss.low:+.4f}, {p.loss.high:+.4f}]"
        table.add_row(p.panel, p.label, p.scheme, f"{p.ee.mean:.4f}", lost)
    out = console()
    out.print(table)
    out.print(f"data: {path}, picture: {path.with_suffix('.png')}", markup=False)
