"""`python -m netsim figure scqos-7`: similarity against noise for SBQ and for ASCII, coded and not."""

from __future__ import annotations

import numpy as np
from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_7 as figure
from netsim.semantics.similarity import MIN_SIMILARITY, load_metric, measured_floor
from netsim.semantics.text_codec import load_text_codec
from netsim.systems.scqos_bank_file import judged_and_learned
from netsim.systems.scqos_radio import Downlink


def main(request: Request) -> None:
    """Measures, prints, writes CSV and picture, for the bank of every codec that is asked for."""
    request.one_process()
    for name in request.codecs():
        _make(request, name)


def _make(request: Request, bank_name: str) -> None:
    bank, _ = judged_and_learned(bank_name)
    names = ("token_f1", "bleu") if request.quick else ("minilm", "bleu")
    if request.quick:
        bank = bank.select(np.arange(40))
    metrics = {name: (load_metric(name), MIN_SIMILARITY[name]) for name in names}
    codec = load_text_codec(bank.about["codec"])
    with progress(request.name) as advance:
        found = figure.measure(bank, codec, metrics, Downlink(), advance=advance)
    rng = np.random.default_rng(0)
    floors = {n: measured_floor(metric, list(bank.sentences), rng) for n, (metric, _) in metrics.items()}
    out = console(140)
    for name in names:
        title = f"mean similarity ({name}, 95 % interval), share of exact sentences"
        table = Table(title=title, header_style="bold")
        table.add_column("scheme")
        table.add_column("bits", justify="right")
        for p in dict.fromkeys((p.noise_dbm, p.snr_db) for p in found):
            table.add_column(f"{p[0]:.0f} dBm\n{p[1]:.1f} dB", justify="right")
        for scheme in dict.fromkeys(p.scheme for p in found):
            mine = [p for p in found if p.scheme == scheme and p.metric == name]
            cells = [f"{p.similarity:.3f} ±{(p.high - p.low) / 2:.3f}\n{p.exact:.2f}" for p in mine]
            table.add_row(scheme, f"{mine[0].bits:.0f}", *cells)
        out.print(table)
        out.print(f"floor of {name}: {floors[name].mean:.3f} ± {floors[name].std:.3f} (standard deviation)")
    path = request.out / f"scqos-7-{bank_name}.csv"
    picture = path.with_suffix(".png")
    figure.write_csv(found, path)
    figure.draw(found, {name: floor.mean for name, floor in floors.items()}, picture)
    out.print(f"{bank.num_items} sentences ({bank.about['corpus']}), each to every user", markup=False)
    out.print(f"{path}, {picture}", markup=False)
