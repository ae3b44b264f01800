"""`python -m netsim figure scqos-6|8|9|10`: planners, bounds and agents of SC-QoS over a sweep.

Trainings are kept under results/agents; what is missing is trained first.
"""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_planners as figure
from netsim.figures import scqos_trained as trained
from netsim.figures.scqos_planners import Score, Setting
from netsim.figures.scqos_planners_plot import TABLES, draw, write_csv
from netsim.figures.scqos_trained import Learner, Lines
from netsim.systems.scqos_bank_file import load_bank, suffix
from phy.parameters import ParameterError

PROPOSED, GUIDED = Learner(), Learner(guided=True)
GUIDED_AT = (Setting(min_similarity=0.75), Setting())  # of Fig. 10

TITLES = {
    "scqos-6": "share of 1 / 2 / 3 bits by the minimum similarity",
    "scqos-8": "effective SC-QoS by transmit power",
    "scqos-9": "effective SC-QoS by bandwidth",
}


def main(request: Request) -> None:
    """Computes, prints, writes CSV and picture, for every bank that ships."""
    if request.episodes is not None or request.slots is not None:
        raise ParameterError(f"figure {request.name}: must go without --episodes and --slots")
    for name in request.codecs():
        _make(request, name)


def trained_at(name: str) -> list[Setting]:
    """Settings of a figure at which agents are trained: the lines through the default setting."""
    lines = {s for sweep in ("scqos-6", "scqos-8", "scqos-9") for s in figure.SWEEPS[sweep]}
    return [setting for setting in figure.SWEEPS[name] if setting in lines]


def _make(request: Request, bank_name: str) -> None:
    bank = load_bank(bank_name)
    bank = bank.select(~bank.in_training)
    settings = trained_at(request.name)
    guided = [s for s in settings if s in GUIDED_AT and request.name == "scqos-10"]
    lines = Lines({PROPOSED: settings, GUIDED: guided}, bank_name, request.quick)
    with progress(f"{request.name}: training") as advance:
        trained.ensure(lines.plans(), request.jobs, advance)
    with progress(request.name) as advance:
        found = figure.sweep(request.name, bank, 60 if request.quick else 200, advance, lines)
    out = console(140)
    for table in _losses(found) if request.name == "scqos-10" else [_values(request.name, found)]:
        out.print(table)
    path = request.out / f"{request.name}{suffix(bank_name)}.csv"
    write_csv(found, path)
    draw(request.name, found, path.with_suffix(".png"))
    about = bank.about
    floor = f"{about['metric']}, floor {about['floor']:.3f}; {bank.similarity.shape[3]} realisations"
    out.print(
        f"{bank.num_items} sentences ({about['corpus']}; {floor}), {found[0].slots} slots", markup=False
    )
    out.print(f"{path}, {path.with_suffix('.png')}", markup=False)


def _values(name: str, found: list[Score]) -> Table:
    table = Table(title=f"{TITLES[name]}: Psi ± 95 % over slots; share of 1/2/3 bits", header_style="bold")
    table.add_column("policy")
    for setting in figure.SWEEPS[name]:
        label = {"scqos-6": f"{setting.min_similarity:.2f}", "scqos-8": f"{setting.power_dbm:g} dBm"}
        table.add_column(label.get(name, f"{setting.bandwidth_hz / 1e3:g} kHz"), justify="right")
    for policy in dict.fromkeys(s.policy for s in found):
        cells = [
            f"{s.psi:.3f} ±{(s.high - s.low) / 2:.3f}\n{s.share_1:.2f}/{s.share_2:.2f}/{s.share_3:.2f}"
            for s in found
            if s.policy == policy
        ]
        table.add_row(policy, *cells)
    return table


def _losses(found: list[Score]) -> list[Table]:
    tables = []
    for threshold in figure.THRESHOLDS:
        here = [s for s in found if s.min_similarity == threshold]
        title = f"S_th = {threshold:.2f}: loss against {figure.REFERENCE} in % of it (paired 95 %)"
        table = Table(title=title, header_style="bold")
        table.add_column("policy")
        best = {s.bandwidth_hz: s.psi for s in here if s.policy == figure.REFERENCE}
        for bandwidth_hz, psi in best.items():
            table.add_column(f"{bandwidth_hz / 1e3:g} kHz\n{psi:.3f}", justify="right")
        for policy in dict.fromkeys((*TABLES, GUIDED.name)):
            mine = {s.bandwidth_hz: s for s in here if s.policy == policy}
            table.add_row(policy, *(_loss(mine.get(bandwidth), psi) for bandwidth, psi in best.items()))
        tables.append(table)
    return tables


def _loss(score: Score | None, best: float) -> str:
    """A cell: loss in % of the reference; empty where nobody was trained."""
    if score is None:
        return ""
    return f"{100 * score.loss / best:.1f} ±{50 * (score.loss_high - score.loss_low) / best:.1f}"
