"""Similarity metrics: CPU time a sentence by batch, floor of unrelated pairs, and what wrong words cost.

    python -m benchmarks.similarity [--corpus europarl] [--sentences 500]

CPU time of one thread (OMP_NUM_THREADS=1); sentences are new to the metric, references are not counted.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from netsim.semantics.similarity import METRICS, load_metric, measured_floor
from netsim.semantics.text_corpora import MAX_WORDS, MIN_WORDS, part

BATCHES = (1, 3, 64)
WRONG = (1, 2, 3, 5)


def sentences_of(corpus: str, count: int) -> list[str]:
    """Test sentences of a length that the codec takes."""
    longest = 29 if corpus == "grammar" else MAX_WORDS
    found = [s for s in part(corpus, "test") if MIN_WORDS <= len(s.split()) <= longest]
    rng = np.random.default_rng(0)
    return [found[i] for i in rng.permutation(len(found))[:count]]


def with_wrong_words(sentence: str, count: int, words: list[str], rng: np.random.Generator) -> str:
    """`count` words (all of a shorter sentence) replaced by words of the corpus."""
    own = sentence.split()
    for i in rng.permutation(len(own))[:count]:
        own[i] = words[rng.integers(len(words))]
    return " ".join(own)


def cost_ms(name: str, sentences: list[str], batch: int) -> float:
    """CPU ms a sentence, new hypotheses against known references."""
    metric, rng = load_metric(name), np.random.default_rng(1)
    words = sorted({w for s in sentences for w in s.split()})
    refs = sentences[: 192 if batch > 3 else 48]
    hyps = [with_wrong_words(s, 2, words, rng) for s in refs]
    metric.sim(refs, refs[1:] + refs[:1])  # embeds the references
    start = time.process_time()
    for i in range(0, len(refs), batch):
        metric.sim(refs[i : i + batch], hyps[i : i + batch])
    return (time.process_time() - start) / len(refs) * 1e3


def main() -> None:
    """Prints cost, floor and wrong words of every metric."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", default="europarl")
    parser.add_argument("--sentences", type=int, default=500)
    given = parser.parse_args()
    sentences = sentences_of(given.corpus, given.sentences)
    words = sorted({w for s in sentences for w in s.split()})
    mean = np.mean([len(s.split()) for s in sentences])
    print(f"{given.corpus}: {len(sentences)} sentences, {mean:.1f} words on average")
    for name in METRICS:
        costs = ", ".join(f"{cost_ms(name, sentences, b):.2f} (batch {b})" for b in BATCHES)
        metric = load_metric(name)
        floor = measured_floor(metric, sentences, np.random.default_rng(2))
        print(f"{name}: CPU ms a sentence {costs}; floor {floor.mean:.3f} ± {floor.std:.3f} (std)")
        for count in WRONG:
            rng = np.random.default_rng(count)
            s = metric.sim(sentences, [with_wrong_words(x, count, words, rng) for x in sentences])
            low, reached = np.quantile(s, 0.1), np.mean(s >= 0.8)
            print(f"  {count} wrong: mean {s.mean():.3f}, 10th percentile {low:.3f}, >= 0.8: {reached:.2f}")


if __name__ == "__main__":
    main()
