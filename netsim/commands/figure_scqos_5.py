"""`python -m netsim figure scqos-5` and `scqos-table-3`: the learning agents of SC-QoS.

Trainings are kept under results/agents and shared by the figures; what is missing is trained first.
"""

from __future__ import annotations

from rich.table import Table

from netsim import training
from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_5 as figure
from netsim.figures import scqos_trained as trained
from netsim.figures.scqos_planners import Setting
from phy.parameters import ParameterError


def main(request: Request) -> None:
    """Trains what is missing, judges, prints, writes CSV and picture, for the bank of every codec."""
    if request.episodes is not None:
        raise ParameterError(f"figure {request.name}: must go without --episodes")
    for name in request.codecs():
        _make(request, name)


def _make(request: Request, bank_name: str) -> None:
    budget = trained.budget(request.slots, request.quick)
    plans = {
        learner.name: trained.wanted([learner], [Setting()], bank_name, budget) for learner in figure.LEARNERS
    }
    with progress(f"{request.name}: training") as advance:
        trained.ensure([plan for mine in plans.values() for plan in mine], request.jobs, advance)
    results = {name: _done(mine) for name, mine in plans.items()}
    if request.name == "scqos-table-3":
        _table_3(request, bank_name, results)
        return
    num_slots = figure.QUICK_SLOTS if request.quick else figure.NUM_SLOTS
    found = figure.scores(bank_name, figure.LEARNERS, budget, num_slots)
    path = request.out / f"scqos-5-{bank_name}.csv"
    figure.write_csv(results, found, path)
    figure.draw(results, found, path.with_suffix(".png"))
    title = f"Fig. 5 and spec 4.7: Psi without exploration, {found[0].slots} slots, test sentences"
    table = Table(title=title, header_style="bold")
    names = ("policy", "Psi", "95 %", "loss against oracle_snr", "95 %", "1/2/3 bits", "seeds")
    for name in names:
        table.add_column(name, justify="left" if name == "policy" else "right")
    for s in found:
        shares = f"{s.share_1:.2f}/{s.share_2:.2f}/{s.share_3:.2f}"
        spans = f"[{s.low:.3f}, {s.high:.3f}]", f"[{s.loss_low:.3f}, {s.loss_high:.3f}]"
        seeds = str(s.seeds) if s.seeds else ""
        table.add_row(s.policy, f"{s.psi:.3f}", spans[0], f"{s.loss:.3f}", spans[1], shares, seeds)
    out = console(140)
    out.print(table)
    out.print("intervals: over slots; of agents: Student's t over training seeds", markup=False)
    out.print(_plateaus(results))
    out.print(f"{path}, {path.with_suffix('.png')}", markup=False)


def _plateaus(results: dict[str, list[training.Result]]) -> Table:
    title = "unseen sentences over the last half of the training: flat if the gain may be 0 or is below 1 %"
    table = Table(title=title, header_style="bold")
    names = ("agent", "Psi", "gain", "95 %", "flat", "99 % of it after slots", "CPU min", "whole training")
    for name in names:
        table.add_column(name, justify="left" if name == "agent" else "right")
    for name, flat in figure.plateaus(results).items():
        mine = results[name]
        each, count = figure.segment_slots(mine), len(mine[0].judged)
        spans = f"{100 * flat.gain:+.1f} %", f"[{100 * flat.low:+.1f}, {100 * flat.high:+.1f}]"
        spent = f"{figure.cpu_minutes(mine, flat.begins):.1f}", f"{figure.cpu_minutes(mine, count):.1f}"
        whole = f"{each * count:,} slots, {spent[1]}"
        begins = f"{each * flat.begins:,}"
        flat_text = "yes" if flat.reached else "no"
        table.add_row(name, f"{flat.level:.3f}", *spans, flat_text, begins, spent[0], whole)
    return table


def _done(plans: list[training.Plan]) -> list[training.Result]:
    found = [training.finished(plan, trained.CACHE) for plan in plans]
    return [result for result in found if result is not None]


def _table_3(request: Request, bank_name: str, results: dict[str, list[training.Result]]) -> None:
    rows = figure.recipes(results)
    path = request.out / f"scqos-table-3-{bank_name}.csv"
    figure.write_recipes(rows, path)
    table = Table(title="Table III: agents as trained here", header_style="bold")
    for name in ("agent", "networks", "actions", "learning rate", "weights", "transitions", "updates"):
        table.add_column(name)
    for r in rows:
        numbers = (f"{r.weights:,}", f"{r.transitions:,}", f"{r.updates:,}")
        table.add_row(r.agent, r.networks, r.actions, r.learning_rate, *numbers)
    out = console(140)
    out.print(table)
    out.print(f"{path}", markup=False)
