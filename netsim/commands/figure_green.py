"""`python -m netsim figure green-4`, `green-5`, `green-6`: five schemes on the same drops."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import green_learning as drawing
from netsim.figures.green_runs import Plan, bounds, collect
from netsim.systems.green import LEARNERS

RESULTS = Path("results")
_FULL = {"learn_slots": 100_000, "frozen_slots": 2_000, "drops": 10}
_QUICK = {"learn_slots": 4_000, "frozen_slots": 500, "drops": 2}


def plan_of(request: Request) -> Plan:
    """Figs 4 and 5: 3 and 7 cells; Fig. 6: 3 cells, also where the energy term can matter."""
    size = dict(_QUICK if request.quick else _FULL)
    if request.episodes is not None:
        size["drops"] = request.episodes
    if request.slots is not None:
        size["learn_slots"] = request.slots
    levels = request.name == "green-6"
    cells = (3,) if levels or request.quick else (3, 7)
    return Plan(cells, ("literal", "ec_visible") if levels else ("literal",), **size)


def main(request: Request) -> None:
    """Runs what is missing, writes CSV and picture, prints the table."""
    plan = plan_of(request)
    with progress(request.name) as advance:
        found = collect(plan, request.jobs, RESULTS, advance)
    path = request.out / f"{request.name}.csv"
    picture = path.with_suffix(".png")
    lines: dict[tuple[str, int], dict[str, float]] = {}
    for preset in plan.presets:
        for cells in plan.cells:
            each = [bounds(plan, preset, cells, drop) for drop in range(plan.drops)]
            lines[preset, cells] = {name: sum(b[name] for b in each) / len(each) for name in each[0]}
    rows, pairs = drawing.summary(found), drawing.differences(found)
    if request.name == "green-4":
        drawing.write_csv(drawing.curve_rows(found), path)
        drawing.draw_curves(found, lines, picture)
    elif request.name == "green-5":
        drawing.write_csv(rows + pairs, path)
        drawing.draw_boxes(found, picture)
    else:
        drawing.write_csv(rows + pairs, path)
        drawing.draw_levels(found, LEARNERS, picture)
    out = console()
    for (preset, cells), values in lines.items():
        title = (
            f"green, {preset}, {cells} cells: energy efficiency, {plan.drops} drops, {plan.learn_slots} slots"
        )
        table = Table(title=title, header_style="bold")
        names = ("scheme", "learning, last slots", "frozen", "slot std", "power index", "mW", "unmet")
        for name in names:
            table.add_column(name, justify="left" if name == "scheme" else "right")
        for scheme in drawing.SCHEMES:
            mine = {
                r["phase"]: r
                for r in rows
                if (r["preset"], r["cells"], r["scheme"]) == (preset, cells, scheme)
            }
            shown = [
                f"{mine[p]['ee']:.4f} [{mine[p]['low']:.4f}, {mine[p]['high']:.4f}]"
                for p in ("learning", "frozen")
            ]
            frozen = mine["frozen"]
            numbers = (f"{frozen['slot_std']:.3f}", f"{frozen['power_index']:.2f}",
                       f"{frozen['power_mw']:.1f}", f"{frozen['unmet']:.3f}")  # fmt: skip
            table.add_row(drawing.LABELS[scheme], *shown, *numbers)
        for name, value in values.items():
            table.add_row(drawing.LABELS[name], "", f"{value:.4f}", style="dim")
        out.print(table)
        for row in pairs:
            if (row["preset"], row["cells"]) == (preset, cells):
                interval = f"{row['ee']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
                out.print(f"{row['scheme']}, frozen, paired: {interval}", markup=False)
    out.print(f"data: {path}, picture: {picture}", markup=False)
