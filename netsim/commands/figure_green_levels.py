"""`python -m netsim figure green-levels`: rules, and stations that learned by formulas, up to the bits."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_green import RESULTS
from netsim.commands.figure_request import Request, console, progress
from netsim.figures import green_levels as figure
from netsim.figures.green_learning import write_csv

_FULL, _QUICK = (100_000, 10, 200), (1_000, 2, 20)  # slots of a training, drops, slots of a judgement


def main(request: Request) -> None:
    """Trains and runs what is missing, writes CSV and picture, prints the tables."""
    learn_slots, drops, slots = _QUICK if request.quick else _FULL
    plan = figure.Plan(3, request.episodes or drops, request.slots or learn_slots, slots)
    with progress(f"{request.name}: training") as advance:
        figure.train(plan, request.jobs, advance)
    with progress(request.name) as advance:
        found = figure.collect(plan, request.jobs, RESULTS, advance)
    path = request.out / f"{request.name}.csv"
    write_csv(figure.rows(found), path)
    figure.draw(found, path.with_suffix(".png"))
    out = console(150)
    size = f"{plan.drops} drops, {plan.learn_slots} slots of learning, {plan.slots} slots judged"
    out.print(_table(found, f"green, 3 cells, EE ± 95 %: {size}"))
    orders = figure.orders(found)
    order_path = path.with_name(f"{request.name}-order.csv")
    write_csv(figure.order_rows(orders), order_path)
    for order in orders:
        turned = "; ".join(" > ".join(pair) for pair in order.reversed_pairs) or "none"
        out.print(
            f"{order.level} against {figure.LAST}: Kendall's tau {order.tau.mean:.2f} "
            f"[{order.tau.low:.2f}, {order.tau.high:.2f}]; of {order.separated} pairs that are apart at "
            f"{figure.LAST}, the other way round: {turned}",
            markup=False,
        )
    out.print(f"data: {path}, {order_path}, picture: {path.with_suffix('.png')}", markup=False)


def _table(found: figure.Found, title: str) -> Table:
    table = Table(title=title, header_style="bold")
    table.add_column("policy")
    for level in figure.LEVELS:
        table.add_column(level, justify="right")
    for name in ("QoE", "k", "mW", "paper less bit", "measured f_s less bit", "table less bit"):
        table.add_column(name, justify="right")
    for policy in figure.POLICIES:
        cells = []
        for level in figure.LEVELS:
            ee = figure.stats.mean_interval(found[level, policy].ee)
            cells.append(f"{ee.mean:.3f} ±{(ee.high - ee.low) / 2:.3f}")
        last = found[figure.LAST, policy]
        cells += [f"{last.qoe.mean():.3f}", f"{last.k.mean():.1f}", f"{1e3 * last.power_w.mean():.1f}"]
        for level in figure.LEVELS:
            if level != figure.LAST:
                gap = figure.gap_of(found, level, policy)
                cells.append(f"{gap.mean:+.3f} ±{(gap.high - gap.low) / 2:.3f}")
        table.add_row(policy, *cells)
    return table
