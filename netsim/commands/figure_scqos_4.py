"""`python -m netsim figure scqos-4`: how the text codec learns, for three step sizes."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_4 as figure
from phy.parameters import ParameterError


def main(request: Request) -> None:
    """Trains, prints, writes CSV and picture."""
    if request.episodes is not None or request.slots is not None:
        raise ParameterError(f"figure {request.name}: has no episodes and no slots")
    if request.codec not in (None, "grammar"):
        raise ParameterError(f"--codec {request.codec}: must be grammar, figure {request.name} trains that")
    steps = figure.QUICK_STEPS if request.quick else figure.STEPS
    with progress("scqos-4") as advance:
        found = figure.curves(steps, min(request.jobs, len(figure.RATES)), advance)
    out = console(150)
    table = Table(title="text codec, reference grammar: losses while it learns (Fig. 4)", header_style="bold")
    losses = ("step size", "end of Alg. 1", "end of Alg. 2 and 3", "feature error")
    for column in (*losses, "exact, no quantiser", "1 bit", "2 bits", "3 bits"):
        table.add_column(column, justify="right")
    for curve in found:
        clean = curve.ce[curve.clean_steps // figure.BLOCK - 1]
        table.add_row(
            f"{curve.step_size:g}", f"{clean:.3f} nats", f"{curve.ce[-1]:.3f} nats",
            f"{curve.feature_mse[-1]:.4f}", f"{curve.plain:.3f}", *(f"{e:.3f}" for e in curve.exact),
        )  # fmt: skip
    out.print(table)
    path, picture = request.out / "scqos-4.csv", request.out / "scqos-4.png"
    figure.write_csv(found, path)
    figure.draw(found, picture)
    out.print(
        f"{steps} steps, half of them Algorithm 1; one seed; exact: share of {found[0].sentences} held-out "
        f"sentences, error-free; {path}, {picture}",
        markup=False,
    )
