"""`python -m netsim figure NAME`: reproduces one published table or figure and writes its data."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from netsim.commands.figure_request import Request
from netsim.commands.figure_request import progress as _progress
from phy.parameters import ParameterError


def main(request: Request) -> int:
    """Makes the figure that is asked for; returns 0."""
    name = request.name
    if name not in FIGURES:
        near = difflib.get_close_matches(name, FIGURES, 1)
        hint = f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(FIGURES)
        raise ParameterError(f"figure {name}: no such figure ({hint})")
    for option, value, least in (
        ("jobs", request.jobs, 1), ("episodes", request.episodes, 2), ("slots", request.slots, 200)
    ):  # fmt: skip
        if value is not None and value < least:
            raise ParameterError(f"--{option} {value}: must be >= {least}")
    if request.codec is not None and not name.startswith("scqos-"):
        raise ParameterError(f"--codec {request.codec}: must go with a figure of scqos, not {name}")
    make = FIGURES[name]
    if isinstance(make, str):
        make = importlib.import_module(make).main
    make(request)
    return 0


def _toscn_policies(request: Request) -> None:
    from netsim.figures import toscn_policies as figure

    with _progress("toscn-policies") as advance:
        cells = figure.table(request.episodes or (20 if request.quick else 200), request.jobs, advance)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    title = "TOSCN, level paper: reward per slot (95 % interval over episodes), packets per slot, accuracy"
    table = Table(title=title, header_style="bold")
    table.add_column("policy")
    for bandwidth in figure.BANDWIDTHS_HZ:
        table.add_column(f"{bandwidth / 1e6:g} MHz", justify="right")
    for policy in figure.REFERENCE:
        mine = [cell for cell in cells if cell.policy == policy]
        table.add_row(policy, *(_cell(cell) for cell in mine))
    console.print(table)
    path = request.out / "toscn-policies.csv"
    figure.write_csv(cells, path)
    console.print(f"{cells[0].episodes} episodes of 10 slots, seed {figure.SEED}; data: {path}")
    console.print("in brackets: what the specification's prototype measured (200 episodes of its own)")


def _cell(cell) -> str:
    eta = "" if cell.compression != cell.compression else f"\neta {cell.compression:g}"
    half = (cell.high - cell.low) / 2
    return (
        f"{cell.reward:.2f} ±{half:.2f} ({cell.reference:.2f})\n{cell.packets:.2f} · {cell.accuracy:.3f}{eta}"
    )


def _phy_ber(request: Request) -> None:
    from netsim.figures import phy_ber as figure

    request.one_process()
    with _progress("phy-ber") as advance:
        found = figure.points(advance, repeats=1 if request.quick else 10)
    out = request.out
    out.mkdir(parents=True, exist_ok=True)
    figure.write_csv(found, out / "phy-ber.csv")
    figure.draw(found, out / "phy-ber.png")
    inside = sum(p.low <= p.theory <= p.high for p in found)
    print(f"{inside} of {len(found)} 95 % intervals hold the closed form; {out}/phy-ber.csv, .png")


# a function, or the module (imported when asked for) whose `main` takes the request
FIGURES: dict[str, Callable[[Request], None] | str] = {
    "green-signalling": "netsim.commands.figure_green_signalling",
    **dict.fromkeys(("green-4", "green-5", "green-6"), "netsim.commands.figure_green"),
    "green-bounds": "netsim.commands.figure_green_bounds",
    "green-interference": "netsim.commands.figure_green_interference",
    "green-levels": "netsim.commands.figure_green_levels",
    "green-sinr": "netsim.commands.figure_green_sinr",
    "phy-ber": _phy_ber,
    "scqos-2b": "netsim.commands.figure_scqos_2b",
    "scqos-4": "netsim.commands.figure_scqos_4",
    **dict.fromkeys(("scqos-5", "scqos-table-3"), "netsim.commands.figure_scqos_5"),
    "scqos-7": "netsim.commands.figure_scqos_7",
    "scqos-levels": "netsim.commands.figure_scqos_levels",
    "scqos-table-4": "netsim.commands.figure_scqos_table_4",
    **dict.fromkeys((f"scqos-{k}" for k in (6, 8, 9, 10)), "netsim.commands.figure_scqos_planners"),
    "toscn-2": "netsim.commands.figure_toscn_2",
    "toscn-5": "netsim.commands.figure_toscn_5",
    **dict.fromkeys((f"toscn-{k}" for k in range(6, 13)), "netsim.commands.figure_toscn_agents"),
    "toscn-delays": "netsim.commands.figure_toscn_delays",
    "toscn-ordering": "netsim.commands.figure_toscn_ordering",
    "toscn-policies": _toscn_policies,
    "toscn-rate-gap": "netsim.commands.figure_toscn_rate_gap",
    "toscn-table-3": "netsim.commands.figure_toscn_table_3",
}
