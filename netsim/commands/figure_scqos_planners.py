"""`python -m netsim figure scqos-6|8|9|10`: the planners and bounds of SC-QoS over a sweep."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_planners as figure
from netsim.figures.scqos_planners import Score
from netsim.figures.scqos_planners_plot import TABLES, draw, write_csv
from netsim.systems.scqos_bank_file import load_bank, shipped_banks, suffix

TITLES = {
    "scqos-6": "share of 1 / 2 / 3 bits by the minimum similarity",
    "scqos-8": "effective SC-QoS by transmit power",
    "scqos-9": "effective SC-QoS by bandwidth",
}


def main(request: Request) -> None:
    """Computes, prints, writes CSV and picture, for every bank that ships."""
    request.one_process()
    for name in shipped_banks():
        _make(request, name)


def _make(request: Request, bank_name: str) -> None:
    bank = load_bank(bank_name)
    bank = bank.select(~bank.in_training)
    with progress(request.name) as advance:
        found = figure.sweep(request.name, bank, 60 if request.quick else 200, advance)
    out = console(140)
    for table in _losses(found) if request.name == "scqos-10" else [_values(request.name, found)]:
        out.print(table)
    path = request.out / f"{request.name}{suffix(bank_name)}.csv"
    write_csv(found, path)
    draw(request.name, found, path.with_suffix(".png"))
    about = bank.about
    floor = f"{about['metric']}, floor {about['floor']:.3f}"
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
        best = [s.psi for s in here if s.policy == figure.REFERENCE]
        for bandwidth_hz, psi in zip(figure.BANDWIDTHS_HZ, best):
            table.add_column(f"{bandwidth_hz / 1e3:g} kHz\n{psi:.3f}", justify="right")
        for policy in TABLES:
            mine = [s for s in here if s.policy == policy]
            cells = [
                f"{100 * s.loss / psi:.1f} ±{50 * (s.loss_high - s.loss_low) / psi:.1f}"
                for s, psi in zip(mine, best)
            ]
            table.add_row(policy, *cells)
        tables.append(table)
    return tables
