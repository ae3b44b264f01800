"""`python -m netsim figure scqos-levels`: planners and agents of SC-QoS by tables, by the bank and on bits.

At the default setting with all agents, and at the ends of Figures 8 and 9 with the proposed one (--quick: the
default setting alone).
"""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_levels as figure
from netsim.figures import scqos_trained as trained
from netsim.figures.scqos_planners import SWEEPS, Setting
from phy.parameters import ParameterError

NUM_SLOTS, QUICK_SLOTS = 200, 20


def main(request: Request) -> None:
    """Trains what is missing, runs, prints, writes CSV, for the bank of every codec."""
    if request.episodes is not None:
        raise ParameterError(f"figure {request.name}: must go without --episodes")
    budget = trained.budget(request.slots, request.quick)
    everyone = [trained.Learner(agent) for agent in trained.AGENTS]
    others = [SWEEPS[name][k] for name in ("scqos-8", "scqos-9") for k in (0, -1)]
    for bank in request.codecs():
        groups = [([Setting()], everyone)] + ([] if request.quick else [(others, everyone[:1])])
        plans = [p for where, who in groups for p in trained.wanted(who, where, bank, budget)]
        with progress(f"{request.name}: training") as advance:
            trained.ensure(plans, request.jobs, advance)
        slots, found = QUICK_SLOTS if request.quick else NUM_SLOTS, []
        with progress(request.name) as advance:
            for where, who in groups:
                found += figure.scores(bank, where, who, slots, budget, advance)
        path = request.out / f"scqos-levels-{bank}.csv"
        figure.write_csv(found, path)
        _print(found, path)


def _print(found: list[figure.LevelScore], path) -> None:
    out = console(140)
    here = [s for s in found if Setting(s.min_similarity, s.power_dbm, s.bandwidth_hz) == Setting()]
    table = Table(title="Psi at the default setting ± 95 %", header_style="bold")
    table.add_column("policy")
    for level in figure.LEVELS:
        table.add_column(level, justify="right")
    for policy in dict.fromkeys(s.policy for s in here):
        mine = {s.level: s for s in here if s.policy == policy}
        cells = [f"{s.psi:.3f} ±{(s.high - s.low) / 2:.3f}" for s in mine.values()]
        table.add_row(policy, *cells)
    out.print(table)
    out.print(
        f"paper: mean similarity at (bits, SNR); bank: draws; {here[0].slots} slots; intervals over slots, "
        "of agents over training seeds",
        markup=False,
    )
    out.print(f"{path}", markup=False)
