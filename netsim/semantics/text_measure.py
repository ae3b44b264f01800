"""What a text codec reproduces: `python -m netsim.semantics.text_measure --codec english --corpus europarl`.

Held-out sentences go through encoder, SBQ, the specification's bits with independent errors of a given rate,
inverse SBQ, compensator and decoder. Printed for each number of bits a feature (`-`: not quantised) and
error rate: share of sentences reproduced exactly, share of words right in their place, mean similarity and
share of sentences above the metric's threshold, with the standard error of the exact share.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim.semantics.sbq_mapping import mapping_of
from netsim.semantics.similarity import METRICS, MIN_SIMILARITY, SimilarityMetric, load_metric, measured_floor
from netsim.semantics.text_codec import TextCodec, load_text_codec
from netsim.semantics.text_corpora import load_text
from netsim.streams import Streams
from phy.parameters import ParameterError

LENGTHS = ((4, 6), (7, 9), (10, 12), (13, 16), (17, 29))  # words


@dataclass(frozen=True)
class Quality:
    """Means over sentences; `tokens` over words."""

    bits: int | None
    error_rate: float
    count: int
    exact: float
    tokens: float
    similarity: float
    valid: float


def over_bits(
    codec: TextCodec, features: np.ndarray, bits: int, error_rate: float, rng: np.random.Generator
) -> np.ndarray:
    """Features float32[n, 64] after SBQ, bits with independent errors, inverse SBQ: float32[n, 64]."""
    quantizer, mapping = codec.quantizer(bits), mapping_of(features.shape[1], bits)
    payload = np.unpackbits(mapping.pack(quantizer.encode(features)), axis=1)
    if error_rate > 0:
        payload ^= (rng.random(payload.shape) < error_rate).astype(np.uint8)
    return quantizer.decode(mapping.unpack(np.packbits(payload, axis=1)))


def words_right(sent: str, received: str) -> tuple[int, int]:
    """Words of `sent` that `received` has in the same place, and how many there are."""
    wanted = sent.split()
    return sum(a == b for a, b in zip(wanted, received.split())), len(wanted)


def judged(
    sentences: Sequence[str],
    received: Sequence[str],
    bits: int | None,
    error_rate: float,
    metric: SimilarityMetric,
) -> Quality:
    """Quality of received sentences against those sent."""
    right = np.array([words_right(a, b) for a, b in zip(sentences, received)])
    score = metric.sim(list(sentences), list(received))
    return Quality(
        bits,
        error_rate,
        len(sentences),
        float(np.mean([a == b for a, b in zip(sentences, received)])),
        float(right[:, 0].sum() / right[:, 1].sum()),
        float(score.mean()),
        float((score >= MIN_SIMILARITY[metric.name]).mean()),
    )


def measured(
    codec: TextCodec,
    sentences: Sequence[str],
    rates: Sequence[float],
    metric: SimilarityMetric,
    seed: int = 1,
) -> tuple[list[Quality], list[tuple[str, Quality]]]:
    """Quality without quantiser, at 1, 2, 3 bits and each error rate; and error-free by sentence length."""
    features = codec.encode(sentences)
    streams = Streams(seed)
    found: list[Quality] = []
    by_length: list[tuple[str, Quality]] = []
    for bits in (None, 1, 2, 3):
        for rate in (0.0,) if bits is None else (0.0, *rates):
            sent = features
            if bits is not None:
                sent = over_bits(codec, features, bits, rate, streams.sequential(f"errors/{bits}/{rate}"))
            received = codec.decode(sent, bits)
            found.append(judged(sentences, received, bits, rate, metric))
            if rate == 0.0:
                by_length += _by_length(sentences, received, bits, metric)
    return found, by_length


def _by_length(
    sentences: Sequence[str], received: Sequence[str], bits: int | None, metric: SimilarityMetric
) -> list[tuple[str, Quality]]:
    found = []
    for low, high in LENGTHS:
        chosen = [i for i, s in enumerate(sentences) if low <= s.count(" ") + 1 <= high]
        if chosen:
            pair = [sentences[i] for i in chosen], [received[i] for i in chosen]
            found.append((f"{low}-{high}", judged(*pair, bits, 0.0, metric)))
    return found


def line(quality: Quality, label: str) -> str:
    """One row of the printed table."""
    error = np.sqrt(quality.exact * (1 - quality.exact) / quality.count)
    bits = "-" if quality.bits is None else str(quality.bits)
    return (
        f"{bits:>4} {label:>8} {quality.count:5d} {quality.exact:7.3f} ±{error:.3f} {quality.tokens:7.3f} "
        f"{quality.similarity:7.3f} {quality.valid:7.3f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 done, 2 the user's mistake in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m netsim.semantics.text_measure", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--codec", default="english", help="english, grammar or a file")
    parser.add_argument("--corpus", default="sotu", help="grammar, europarl, sotu or a text file")
    parser.add_argument("--sentences", type=int, default=300, help="first so many of the test split")
    parser.add_argument("--max-words", type=int, help="longest sentence (default: the codec's)")
    parser.add_argument("--rates", type=float, nargs="*", default=[0.01, 0.05], help="bit-error rates")
    parser.add_argument("--metric", default="bleu", help=f"one of {', '.join(METRICS)}")
    parser.add_argument("--show", type=int, default=0, help="print so many sentences and what came out")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="look for text here only")
    given = parser.parse_args(arguments)
    try:
        run(given)
    except ParameterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(given: argparse.Namespace) -> None:
    """Load, measure, print."""
    path = Path(given.codec)
    codec = load_text_codec(path.stem, path) if path.suffix else load_text_codec(given.codec)
    data = load_text(given.corpus, "test", codec.vocabulary, given.data, given.max_words or codec.max_words)
    if given.sentences < 2:
        raise ParameterError(f"--sentences {given.sentences}: must be >= 2")
    sentences = data.sentences[: given.sentences]
    metric = load_metric(given.metric)
    floor = measured_floor(metric, list(sentences), Streams(1).sequential("floor"))
    write = sys.stdout.write
    write(f"codec {codec.name} ({codec.sha256[:12]}); {data.source}; first {len(sentences)}\n")
    write(f"{metric.name}: floor {floor.mean:.3f}, valid from {MIN_SIMILARITY[metric.name]:g}\n")
    found, by_length = measured(codec, sentences, given.rates, metric)
    write("bits      BER     n   exact   s.e.   words     sim   valid\n")
    write("".join(line(q, f"{q.error_rate:g}") + "\n" for q in found))
    write("bits    words     n   exact   s.e.   words     sim   valid   (no errors)\n")
    write("".join(line(q, label) + "\n" for label, q in by_length))
    for sentence in sentences[: given.show]:
        features = codec.encode([sentence])
        write(f"    {sentence}\n")
        for bits in (1, 2, 3):
            quantizer = codec.quantizer(bits)
            write(f"  {bits} {codec.decode(quantizer.decode(quantizer.encode(features)), bits)[0]}\n")


if __name__ == "__main__":
    sys.exit(main())
