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
from netsim.figures.scqos_trained import Gain, Learner, Lines
from netsim.systems.scqos_bank_file import judged_and_learned
from phy.parameters import ParameterError

PROPOSED, GUIDED = Learner(), Learner(guided=True)
GUIDED_AT = figure.SWEEPS["scqos-6"][1:4]  # of Fig. 10
OVER = (
    "oracle_snr", "feature_probe", "local_probe", "mapping 1 dB", "mapping 3 dB", "mapping 6 dB",
    "mapping_valid 3 dB", "rate_only",
)  # fmt: skip

TITLES = {
    "scqos-6": "share of 1 / 2 / 3 bits by the minimum similarity",
    "scqos-8": "effective SC-QoS by transmit power",
    "scqos-9": "effective SC-QoS by bandwidth",
}


def main(request: Request) -> None:
    """Computes, prints, writes CSV and picture, for every bank that ships."""
    if request.episodes is not None:
        raise ParameterError(f"figure {request.name}: must go without --episodes")
    for name in request.codecs():
        _make(request, name)


def _make(request: Request, bank_name: str) -> None:
    bank, learned = judged_and_learned(bank_name)
    settings = trained.trained_at(request.name)
    guided = [s for s in settings if s in GUIDED_AT and request.name == "scqos-10"]
    lines = Lines(
        {GUIDED: guided, PROPOSED: settings}, bank_name, trained.budget(request.slots, request.quick)
    )
    with progress(f"{request.name}: training") as advance:
        trained.ensure(lines.plans(), request.jobs, advance)
    with progress(request.name) as advance:
        found = figure.sweep(request.name, bank, 60 if request.quick else 200, advance, lines, learned)
    out = console(140)
    for table in _losses(found) if request.name == "scqos-10" else [_values(request.name, found)]:
        out.print(table)
    for learner in (PROPOSED, GUIDED):
        gains = [g for g in lines.gains if g.policy == learner.name]
        if gains:
            out.print(_gains(learner.name, gains))
    path = request.out / f"{request.name}-{bank_name}.csv"
    write_csv(found, path)
    write_csv(lines.gains, request.out / f"{request.name}-gains-{bank_name}.csv")
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
        mine = {
            Setting(s.min_similarity, s.power_dbm, s.bandwidth_hz): s for s in found if s.policy == policy
        }
        table.add_row(policy, *(_value(mine.get(setting)) for setting in figure.SWEEPS[name]))
    return table


def _value(s: Score | None) -> str:
    """A cell: Psi and shares of bits; empty where nobody was trained."""
    if s is None:
        return ""
    return f"{s.psi:.3f} ±{(s.high - s.low) / 2:.3f}\n{s.share_1:.2f}/{s.share_2:.2f}/{s.share_3:.2f}"


def _gains(name: str, gains: list[Gain]) -> Table:
    title = f"{name}: what it earns more than others on the same slots, in % of theirs (95 %)"
    table = Table(title=title, header_style="bold")
    table.add_column("over")
    settings = dict.fromkeys((g.min_similarity, g.power_dbm, g.bandwidth_hz) for g in gains)
    for threshold, power_dbm, bandwidth_hz in settings:
        label = f"{threshold:.2f}, {power_dbm:g} dBm,\n{bandwidth_hz / 1e3:g} kHz"
        table.add_column(label, justify="right")
    for over in (*OVER, *(learner.name for learner in (PROPOSED, GUIDED))):
        mine = {(g.min_similarity, g.power_dbm, g.bandwidth_hz): g for g in gains if g.over == over}
        if mine:
            table.add_row(over, *(_gain(mine.get(setting)) for setting in settings))
    return table


def _gain(g: Gain | None) -> str:
    if g is None:
        return ""
    return f"{100 * g.gain:+.1f}\n[{100 * g.low:+.1f}, {100 * g.high:+.1f}]"


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
