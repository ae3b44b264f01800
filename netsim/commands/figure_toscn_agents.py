"""`python -m netsim figure toscn-6` to `toscn-12`: the learning agents of TOSCN.

Trainings are kept under results/agents and shared by the figures; what is missing is trained first.
"""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import toscn_learning_curves, toscn_resources
from netsim.figures.learning_curve import noise_free, over_seeds
from phy.parameters import ParameterError


def main(request: Request) -> None:
    """Makes the figure `request.name`: CSV, picture, table."""
    if request.episodes is not None:
        raise ParameterError(f"figure {request.name}: must go without --episodes, their number is fixed")
    if request.name in toscn_learning_curves.QUANTITY:
        _curves(request)
    else:
        _resources(request)


def _curves(request: Request) -> None:
    quantity = toscn_learning_curves.QUANTITY[request.name]
    with progress(f"{request.name}: training") as advance:
        found = toscn_learning_curves.curves(request.quick, request.jobs, advance)
        levels = toscn_learning_curves.lines(quantity, request.jobs, advance)
    path = request.out / f"{request.name}.csv"
    toscn_learning_curves.write_csv(found, levels, quantity, path)
    toscn_learning_curves.draw(found, levels, quantity, path.with_suffix(".png"))
    table = Table(title=f"TOSCN Fig. {request.name[6:]}: {quantity}, 3 MHz, 0.2 W", header_style="bold")
    for name in (
        "scheme",
        "last 100 iterations",
        "without exploration",
        "95 % over seeds",
        "seeds",
    ):
        table.add_column(name, justify="left" if name == "scheme" else "right")
    for scheme, mine in found.items():
        last = [_last(result, quantity) for result in mine]
        over = over_seeds([noise_free(result, quantity) for result in mine])
        texts = (f"{over_seeds(last).mean:.3f}", f"{over.mean:.3f}", f"[{over.low:.3f}, {over.high:.3f}]")
        table.add_row(scheme, *texts, str(over.n))
    for name, value in levels.items():
        table.add_row(name, "", f"{value:.3f}", "", "")
    screen = console()
    screen.print(table)
    screen.print(f"data: {path}, .png")


def _last(result, quantity: str) -> float:
    curve = {name: values[-100:] for name, values in result.curve.items()}
    if quantity == "accuracy":
        packets = curve["packets"].sum()
        return float(curve["objective"].sum() / packets) if packets else float("nan")
    return float(curve[quantity].mean())


def _resources(request: Request) -> None:
    axis, quantity = toscn_resources.AXES[request.name]
    with progress(f"{request.name}: training and evaluation") as advance:
        found = toscn_resources.points(axis, quantity, request.quick, request.jobs, advance)
    path = request.out / f"{request.name}.csv"
    toscn_resources.write_csv(found, path)
    toscn_resources.draw(found, axis, path.with_suffix(".png"))
    settings = list(dict.fromkeys(p.setting for p in found))
    table = Table(title=f"TOSCN Fig. {request.name[6:]}: {quantity}", header_style="bold")
    for name in ("scheme", "level", *(_label(axis, s) for s in settings)):
        table.add_column(name, justify="left" if name in ("scheme", "level") else "right")
    shape = "{:.1f}" if quantity == "packets" else "{:.3f}"
    for scheme, phy in dict.fromkeys((p.scheme, p.phy) for p in found):
        at = {p.setting: p.interval.mean for p in found if (p.scheme, p.phy) == (scheme, phy)}
        table.add_row(scheme, phy, *(shape.format(at[s]) if s in at else "" for s in settings))
    screen = console()
    screen.print(table)
    screen.print(f"data, with intervals: {path}, .png")


def _label(axis: str, setting) -> str:
    return f"{setting.bandwidth_hz / 1e6:g} MHz" if axis == "bandwidth" else f"{setting.power_w:g} W"
