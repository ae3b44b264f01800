"""`python -m netsim accuracy`: measures f_s(k, SINR) of a text codec for green (specification green 10.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.table import Table

from netsim.cli import Parser
from netsim.commands.figure_request import console, progress
from netsim.semantics.similarity import METRICS, load_metric, measured_floor
from netsim.semantics.text_codec import SHIPPED, TextCodec, load_text_codec
from netsim.semantics.text_corpora import load_text
from netsim.semantics.text_inference import FEATURES
from netsim.streams import Streams
from netsim.systems.green_accuracy import Fit, Measurement, descents, fit
from netsim.systems.green_interference import PROFILES
from netsim.systems.green_table_file import Part, Point
from netsim.systems.green_words import RateMatched
from netsim.systems.scqos_bank_build import smallest_hashes
from phy.parameters import ParameterError

KS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
QUICK_KS = (2, 5, 10, 20)


@dataclass(frozen=True)
class Work:
    """What a process needs to measure points."""

    codec: str
    metric: str
    sentences: tuple[str, ...]
    interference: str
    seed: int

    def begin(self) -> Measurement:
        """Codec and metric, loaded."""
        link = RateMatched(_codec(self.codec), FEATURES)
        metric, streams = load_metric(self.metric), Streams(self.seed)
        return Measurement(link, metric, self.sentences, self.interference, streams)


def command(arguments: Sequence[str]) -> int:
    """Parses the command line of `accuracy` and runs it; returns 0."""
    options = _parser().parse_args(arguments)
    if not 0.0 < options.step <= 30.0:
        raise ParameterError(f"--step {options.step:g}: must be in (0, 30]")
    if options.jobs < 1:
        raise ParameterError(f"--jobs {options.jobs}: must be >= 1")
    codec, metric = _codec(options.codec), load_metric(options.metric)
    corpus = options.corpus or ("grammar" if options.codec == "grammar" else "europarl")
    held_out = load_text(corpus, "test", codec.vocabulary, max_words=codec.max_words)
    sentences = smallest_hashes(held_out.sentences, options.sentences)
    sinrs_db = [-10.0 + options.step * i for i in range(int(30.0 / options.step + 1e-9) + 1)]
    wanted = [(k, sinr_db) for k in (QUICK_KS if options.quick else KS) for sinr_db in sinrs_db]
    about = {
        "codec": codec.name, "codec_sha256": codec.sha256, "metric": metric.name,
        "metric_version": metric.version, "corpus": held_out.source, "sentences": len(sentences),
        "interference": options.interference, "seed": options.seed,
    }  # fmt: skip
    part = Part(options.out, about)
    missing = [point for point in wanted if point not in part.found]
    work = Work(options.codec, options.metric, tuple(sentences), options.interference, options.seed)
    with progress("accuracy") as advance:
        for point in _measured(work, missing, options.jobs):
            part.add(point)
            advance(len(part.found), len(wanted))
    found = part.complete(wanted)
    out = console(120)
    out.print(_table(found, fit(found), options.interference, options.metric))
    floor = measured_floor(metric, sentences, Streams(options.seed).sequential("accuracy/floor"))
    out.print(f"{len(sentences)} sentences ({held_out.source}); {options.out}", markup=False)
    out.print(f"codec {codec.name} ({codec.sha256[:12]}); {len(missing)} points measured now", markup=False)
    out.print(f"floor of {options.metric}: {floor.mean:.3f} ± {floor.std:.3f} (standard deviation)")
    for line in descents(found):
        out.print(f"not monotonic: {line}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="python -m netsim accuracy",
        description="Sends held-out sentences with k symbols a word through real 16-QAM interference and "
        "averages their similarity: the table that codec.accuracy=measured reads. Killed and called again "
        "it goes on with the points that are missing.",
    )
    parser.add_argument(
        "--codec", default="english", metavar="NAME", help=f"one of {', '.join(SHIPPED)}, or a file"
    )
    parser.add_argument(
        "--corpus", metavar="NAME", help="europarl, sotu, grammar or a text file (default: by codec)"
    )
    parser.add_argument("--sentences", type=int, default=2000, metavar="N", help="sentences (default 2000)")
    parser.add_argument("--metric", default="minilm", metavar="NAME", help=f"one of {', '.join(METRICS)}")
    parser.add_argument(
        "--interference", default="awgn", metavar="KIND", help=f"one of {', '.join(PROFILES)} (default awgn)"
    )
    parser.add_argument("--step", type=float, default=1.0, metavar="DB", help="step in SINR (default 1)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the noise (default 1)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("--quick", action="store_true", help="four values of k instead of eleven")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV to write")
    return parser


def _codec(name: str) -> TextCodec:
    return load_text_codec(name) if name in SHIPPED else load_text_codec(name, Path(name))


def _measured(work: Work, points: Sequence[tuple[int, float]], jobs: int) -> Iterator[Point]:
    """The points as they come, in the order asked for."""
    if jobs == 1 or len(points) < 2:
        measurement = work.begin()
        for k, sinr_db in points:
            yield measurement.point(k, sinr_db)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin, initargs=(work,)) as pool:
        yield from pool.map(_point, points)


_here: list[Measurement] = []  # of a worker process


def _begin(work: Work) -> None:
    _here[:] = [work.begin()]


def _point(point: tuple[int, float]) -> Point:
    return _here[0].point(*point)


def _table(found: list[Point], fits: list[Fit], interference: str, metric: str) -> Table:
    """Similarity at some SINRs and the fitted curve of every k."""
    shown = [x for x in (-10, -4, 0, 2, 4, 6, 8, 10, 14, 20) if any(p.sinr_db == x for p in found)]
    table = Table(title=f"f_s by {metric}, {interference} (largest half-width of 95 % intervals beside)",
                  header_style="bold")  # fmt: skip
    for name in ("k", *(f"{x} dB" for x in shown), "±", "A1", "A2", "midpoint dB", "max error"):
        table.add_column(name, justify="right")
    for curve in fits:
        mine = [p for p in found if p.k == curve.k]
        values = [f"{p.similarity.mean:.3f}" for x in shown for p in mine if p.sinr_db == x]
        half = max((p.similarity.high - p.similarity.low) / 2 for p in mine)
        a1, a2, c1, c2 = curve.coefficients
        midpoint = f"{-c2 / c1:.1f}" if c1 > 0.0 else "none"
        table.add_row(str(curve.k), *values, f"{half:.3f}", f"{a1:.3f}", f"{a2:.3f}", midpoint,
                      f"{curve.largest_error:.3f}")  # fmt: skip
    return table
