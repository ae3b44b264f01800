"""`python -m netsim figure scqos-table-4`: sentences and what arrives of them."""

from __future__ import annotations

from rich.table import Table

from netsim.commands.figure_request import Request, console, progress
from netsim.figures import scqos_table_4 as figure
from netsim.figures import scqos_trained as trained
from netsim.figures.scqos_planners import Setting, Slots
from netsim.semantics.similarity import MIN_SIMILARITY, load_metric
from netsim.semantics.text_codec import load_text_codec
from netsim.systems.scqos_bank_file import judged_and_learned, load_bank
from netsim.systems.scqos_model import Utility
from netsim.systems.scqos_radio import Downlink
from phy.parameters import ParameterError

NUM_SLOTS = 400  # behind the agent's choices


def main(request: Request) -> None:
    """Decodes, prints and writes CSV, for the bank of every codec that is asked for."""
    if request.episodes is not None:
        raise ParameterError(f"figure {request.name}: must go without --episodes")
    for name in request.codecs():
        _make(request, name)
        if not request.quick:
            _choices(request, name)


def _choices(request: Request, bank_name: str) -> None:
    """How many bits the trained agent and the planners give short and long sentences."""
    plans = trained.wanted(
        [trained.Learner()], [Setting()], bank_name, trained.budget(request.slots, quick=False)
    )
    with progress(f"{request.name}: training") as advance:
        trained.ensure(plans, request.jobs, advance)
    bank, learned = judged_and_learned(bank_name)
    slots = Slots(Downlink(), Utility(), bank, NUM_SLOTS, learned)
    length = bank.length[slots.item]
    rows = figure.choices(trained.PROPOSED, length, trained.judged(slots, plans).bits)
    for policy, _, plan in slots.policies():
        if policy in ("feature_probe", "local_probe", "aware_in"):
            rows += figure.choices(policy, length, plan.bits)
    table = Table(title="share of 1 / 2 / 3 bits by words of the sentence", header_style="bold")
    table.add_column("words")
    for name in dict.fromkeys(r.policy for r in rows):
        table.add_column(name, justify="right")
    for low, high in figure.LENGTHS:
        mine = [r for r in rows if r.shortest == low]
        if mine:
            shares = [f"{r.share_1:.2f} / {r.share_2:.2f} / {r.share_3:.2f}" for r in mine]
            table.add_row(f"{low}-{high}", *shares)
    out = console(140)
    out.print(table)
    path = request.out / f"scqos-table-4-choice-{bank_name}.csv"
    figure.write_choices(rows, path)
    out.print(f"{path}", markup=False)


def _make(request: Request, bank_name: str) -> None:
    bank = load_bank(bank_name)
    name = bank.about["metric"]
    with progress(request.name):
        codec = load_text_codec(bank.about["codec"])
        found = figure.examples(bank, codec, load_metric(name), 5 if request.quick else 8)
    out = console(140)
    table = Table(title=f"Table IV: what is decoded, similarity ({name})", header_style="bold")
    for column in ("sentence", "SNR", "bits", "received", "S"):
        table.add_column(column)
    last = ""
    for e in found:
        shown = "" if e.sentence == last else e.sentence
        received = "=" if e.received == e.sentence else e.received
        table.add_row(shown, f"{e.snr_db:g} dB", str(e.bits), received, f"{e.similarity:.2f}")
        last = e.sentence
    out.print(table)
    threshold = MIN_SIMILARITY[name]
    table = Table(title=f"share with S >= {threshold:g} by length, no bit errors (95 %)", header_style="bold")
    table.add_column("words")
    for n in (1, 2, 3):
        table.add_column(f"{n} bit{'s' if n > 1 else ''}", justify="right")
    rows = figure.by_length(bank, threshold)
    for low, high in figure.LENGTHS:
        mine = [r for r in rows if r.shortest == low]
        if mine:
            cells = [f"{r.valid:.2f} ({r.low:.2f}-{r.high:.2f})" for r in mine]
            table.add_row(f"{low}-{high} ({mine[0].sentences})", *cells)
    out.print(table)
    path = request.out / f"scqos-table-4-{bank_name}.csv"
    figure.write_csv(found, path)
    out.print(f"{bank.about['corpus']}; {path}", markup=False)
