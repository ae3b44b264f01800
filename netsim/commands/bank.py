"""`python -m netsim bank`: measures a similarity bank of a text codec over the bit-level link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.table import Table

from netsim.cli import Parser
from netsim.commands.figure_request import console, progress
from netsim.semantics.similarity import METRICS, MIN_SIMILARITY, load_metric
from netsim.semantics.text_codec import SHIPPED, TextCodec, load_text_codec
from netsim.semantics.text_corpora import MIN_WORDS, covered_spans, load_text
from netsim.streams import Streams
from netsim.systems.scqos_bank import Bank, moments
from netsim.systems.scqos_bank_build import build_bank, smallest_hashes
from netsim.systems.scqos_bank_file import load_bank, save_bank
from phy.parameters import ParameterError


def command(arguments: Sequence[str]) -> int:
    """Parses the command line of `bank` and runs it; returns 0."""
    parser = Parser(
        prog="python -m netsim bank",
        description="Sends held-out sentences through codec, quantiser and bit-level link many times, keeps "
        "their similarities: what agents of SC-QoS learn on, and the tables of the mapping-guided ones.",
    )
    parser.add_argument(
        "--codec", default="english", metavar="NAME", help=f"one of {', '.join(SHIPPED)}, or a file"
    )
    parser.add_argument(
        "--corpus", metavar="NAME", help="europarl, sotu, grammar or a text file (default: by codec)"
    )
    parser.add_argument("--sentences", type=int, default=300, metavar="N", help="sentences (default 300)")
    parser.add_argument("--realisations", type=int, default=32, metavar="R", help="noise draws (default 32)")
    parser.add_argument("--metric", default="minilm", metavar="NAME", help=f"one of {', '.join(METRICS)}")
    parser.add_argument("--mode", default="midpoint", metavar="MODE", help="of SBQ (default midpoint)")
    radiated = "symbols radiate what was granted (equal, default), or what words make them (nominal)"
    parser.add_argument("--energy", default="equal", metavar="NAME", help=radiated)
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the noise (default 1)")
    parser.add_argument(
        "--learning-for", metavar="BANK",
        help="sentences for agents to learn on that are judged on BANK: of the corpus' val and test splits, "
        "whole ones first, then stretches of others; none on which BANK judges",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write, *.bank.npz")
    options = parser.parse_args(arguments)
    for name in ("sentences", "realisations"):
        if getattr(options, name) < 2:
            raise ParameterError(f"--{name} {getattr(options, name)}: must be >= 2")
    file = None if options.codec in SHIPPED else Path(options.codec)
    codec = load_text_codec(options.codec if file is None else file.stem, file)
    corpus = options.corpus or ("grammar" if codec.name == "grammar" else "europarl")
    if options.learning_for is None:
        held_out = load_text(corpus, "test", codec.vocabulary, max_words=codec.max_words)
        sentences, source = smallest_hashes(held_out.sentences, options.sentences), held_out.source
    else:
        sentences, source = _for_learning(corpus, codec, load_bank(options.learning_for), options.sentences)
    with progress("bank") as advance:
        bank = build_bank(
            codec, sentences, load_metric(options.metric), Streams(options.seed), options.realisations,
            mode=options.mode, energy=options.energy, corpus=source, advance=advance,
        )  # fmt: skip
    if options.learning_for is not None:
        bank = replace(bank, about={**bank.about, "learning_for": options.learning_for})
    save_bank(bank, options.out)
    _report(bank, options.out)
    return 0


def _for_learning(corpus: str, codec: TextCodec, judge: Bank, count: int) -> tuple[list[str], str]:
    """Sentences that the codec never saw and on which nobody is judged, and where they come from."""
    whole: list[str] = []
    parts: list[str] = []
    for split in ("val", "test"):
        whole += load_text(corpus, split, codec.vocabulary, max_words=codec.max_words).sentences
        spans = covered_spans(corpus, codec.vocabulary, split=split)
        parts += [s for s in spans if len(s.split()) <= codec.max_words]
    judged = set(judge.select(~judge.in_training).sentences)
    chosen = smallest_hashes([s for s in whole if s not in judged], count)
    barred = judged | set(whole)
    lengths = range(MIN_WORDS, codec.max_words + 1)
    each = -(-(count - len(chosen)) // len(lengths))  # of every length as many: most stretches are short
    found = list(chosen)
    for words in lengths:
        here = [s for s in parts if s not in barred and len(s.split()) == words]
        found += smallest_hashes(here, min(each, count - len(found)))
    return found, (
        f"{corpus}, val and test by sentence hash, {MIN_WORDS} to {codec.max_words} words of the vocabulary "
        f"of {len(codec.vocabulary)}: {len(chosen)} whole sentences, {len(found) - len(chosen)} stretches"
    )


def _report(bank: Bank, path: Path) -> None:
    """Mean similarity and share of valid sentences at each number of bits and SNR."""
    about = bank.about
    threshold = MIN_SIMILARITY[about["metric"]]
    mean = moments(bank, threshold, by_sentence=False)
    table = Table(title=f"mean similarity / share >= {threshold:g} ({about['metric']})", header_style="bold")
    table.add_column("bits")
    for snr_db in bank.grid_db:
        table.add_column(f"{snr_db:g} dB", justify="right")
    table.add_column("no errors", justify="right")
    for n in range(bank.max_bits):
        cells = [f"{s:.3f} / {p:.3f}" for s, p in zip(mean.mean[n], mean.probability[n])]
        clean = bank.clean[:, n]
        table.add_row(str(n + 1), *cells, f"{clean.mean():.3f} / {(clean >= threshold).mean():.3f}")
    out = console(140)
    out.print(table)
    out.print(
        f"{bank.num_items} sentences ({about['corpus']}), {bank.similarity.shape[3]} realisations",
        markup=False,
    )
    energy = ", ".join(f"{10 * np.log10(e):+.2f} dB" for e in about["symbol_energy"])
    done = "radiated as it is" if about["energy"] == "nominal" else "made 0 dB on the air"
    out.print(f"mean symbol energy of the words at 1, 2, 3 bits: {energy}, {done}")
    out.print(
        f"floor of {about['metric']}: {about['floor']:.3f} ± {about['floor_std']:.3f} (standard deviation)"
    )
    out.print(f"{path}, {path.stat().st_size} bytes", markup=False)
