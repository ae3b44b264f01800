"""`python -m netsim figure scqos-2b`: quantisation error of SBQ and of other scalar quantisers."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_2b as figure
from netsim.semantics.sbq_levels import BITS


def main(request: Request) -> None:
    """Measures, prints, writes CSV and picture."""
    request.one_process()
    sets = figure.feature_sets(figure.SAMPLES // (20 if request.quick else 1), request.codecs())
    shapes, found = [], []
    with progress("scqos-2b") as advance:
        for done, (name, x) in enumerate(sets.items(), 1):
            shapes.append(figure.shape_of(name, x))
            found += figure.entries(name, x)
            advance(done, len(sets))
    out = console(170)
    table = Table(title="features (Fig. 2a)", header_style="bold")
    for column in ("features", "values", "mean", "median", "std", "skewness", "zeros", "largest"):
        table.add_column(column, justify="left" if column == "features" else "right")
    for s in shapes:
        numbers = (s.mean, s.median, s.std, s.skewness)
        table.add_row(
            s.features, str(s.count), *(f"{v:.3f}" for v in numbers), f"{s.zeros:.1%}", f"{s.largest:.2f}"
        )
    out.print(table)
    table = Table(title="mean squared error / variance (Fig. 2b)", header_style="bold")
    table.add_column("quantiser")
    for name in sets:
        table.add_column(name, justify="right")
    value = {(e.features, e.quantiser, e.bits): e.error for e in found}
    for quantiser in dict.fromkeys(e.quantiser for e in found):
        cells = [
            " / ".join(
                f"{value[name, quantiser, n]:.3f}" if (name, quantiser, n) in value else "-" for n in BITS
            )
            for name in sets
        ]
        table.add_row(quantiser, *cells)
    out.print(table)
    paths = figure.write_csv(shapes, found, request.out)
    picture = request.out / "scqos-2b.png"
    figure.draw(found, picture)
    half = max((e.high - e.low) / 2 / e.error for e in found if not e.features.startswith("codec"))
    out.print(f"1 / 2 / 3 bits; widest 95 % interval of the distributions: ±{half:.1%}")
    out.print(", ".join(str(p) for p in (*paths, picture)), markup=False)
