"""`python -m netsim figure toscn-5`: accuracy over SNR, features beside JPEG."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import toscn_5 as figure
from phy.parameters import ParameterError


def main(request: Request) -> None:
    """Measures, writes toscn-5.csv and .png, prints accuracies at a few SNRs and the cliffs of JPEG."""
    if request.episodes is not None:
        raise ParameterError(
            f"figure {request.name}: has no episodes, it sends 400 images (100 with --quick)"
        )
    with progress(request.name) as advance:
        found = figure.points(100 if request.quick else 400, request.quick, request.jobs, advance)
    out = request.out
    figure.write_csv(found, out / "toscn-5.csv")
    figure.draw(found, out / "toscn-5.png")
    snrs = [snr for snr in (0.0, 4.0, 8.0, 12.0, 16.0, 20.0) if snr in {p.snr_db for p in found}]
    table = Table(title="TOSCN Fig. 5: accuracy over AWGN", header_style="bold")
    for name in ("task", "row", "scheme"):
        table.add_column(name)
    for name in ("symbols", *(f"{snr:g} dB" for snr in snrs), "10-90 % of pictures [dB]"):
        table.add_column(name, justify="right")
    for key in dict.fromkeys((p.task, p.row, p.scheme) for p in found):
        mine = [p for p in found if (p.task, p.row, p.scheme) == key]
        at = {p.snr_db: f"{p.correct / p.trials:.3f}" for p in mine}
        cliff = "{:.1f} to {:.1f}".format(*figure.cliff_db(mine)) if "JPEG" in key[2] else ""
        table.add_row(*key, f"{mine[0].symbols:,.0f}", *(at.get(snr, "") for snr in snrs), cliff)
    screen = console(150)
    screen.print(table)
    screen.print(f"{found[0].trials} test images a task; data: {out}/toscn-5.csv, .png")
    screen.print("a lost picture counts as wrong; a guess would be right once in ten (column of the CSV)")
