"""`python -m netsim figure toscn-table-3`: the measured background knowledge base beside Table III."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import toscn_table_3 as figure
from netsim.systems.toscn_knowledge import FITTED_SNR_DB


def main(request: Request) -> None:
    """Measures; writes the counts (toscn-table-3.csv), the picture and the file that ships
    (toscn-knowledge.json); prints fits, their errors and covariances.
    """
    request.one_process()
    with progress(request.name) as advance:
        found = figure.entries("embedded" if request.quick else "auto", request.quick, advance)
    report(found, request)


def report(found: list[figure.Entry], request: Request) -> None:
    """Writes and prints what was measured."""
    title = f"TOSCN Table III: A = a1 eta^a2 + a3 at {FITTED_SNR_DB:g} dB (standard errors)"
    table = Table(title=title, header_style="bold")
    for name in ("task", "importance"):
        table.add_column(name)
    for name in ("a1", "a2", "a3", "MSE", "cov a1,a2", "cov a1,a3", "cov a2,a3", "images"):
        table.add_column(name, justify="right")
    for entry in found:
        k, f = entry.knowledge, entry.fit
        cells = [f"{a:.3f} ({d:.3f})" for a, d in zip(f.alpha, f.deviation)]
        if not f.determined:
            cells = ["flat", "no knee", cells[2]]
        mixed = [f"{f.covariance[i][j]:.1e}" for i, j in ((0, 1), (0, 2), (1, 2))]
        table.add_row(k.task, k.mode, *cells, f"{f.mse:.1e}", *mixed, str(k.trials))
        if k.mode == figure.MODES[-1]:
            *alpha, mse = figure.PAPER[k.task]
            numbers = [*(f"{a:.3f}" for a in alpha), f"{mse:.1e}"]
            table.add_row(k.task, "paper", *numbers, *4 * [""], style="dim")
            table.add_section()
    screen = console(140)
    screen.print(table)
    for source in dict.fromkeys(entry.source for entry in found):
        screen.print(source, markup=False)
    out = request.out
    figure.write_csv(found, out / "toscn-table-3.csv")
    figure.write_knowledge(found, out / "toscn-knowledge.json")
    figure.draw(found, out / "toscn-table-3.png")
    screen.print(f"{out}: toscn-table-3.csv (counts), .png, toscn-knowledge.json (semantics.bkb=measured)")
