"""How many bits a sentence needs: `python -m netsim.semantics.text_entropy --corpus europarl`.

A trigram model with interpolated absolute discounting is fitted to the training text and spends, on held-out
sentences, -log2 P bits including the end mark. An ideal code for that model would need as many, so a codec
whose idea of the language is no better cannot reproduce a sentence through fewer: 64 n bits at n bits a
feature. Printed: bits a word, and the share of held-out sentences that need at most 64, 128 and 192 bits.
Source of the model: Ney, Essen, Kneser, Computer Speech and Language 8 (1994) 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netsim.semantics.text_codec import load_text_codec
from netsim.semantics.text_corpora import covered_spans, load_text
from phy.parameters import ParameterError

DISCOUNT = 0.75
BUDGETS = (64, 128, 192)


class Trigram:
    """P(word | two words before), each order discounted and interpolated with the next lower one."""

    def __init__(self, sentences: Sequence[str], num_words: int) -> None:
        self.num_words = num_words  # end mark included
        self.counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(3)]
        for sentence in sentences:
            words = ["<", "<", *sentence.split(), ">"]
            for i in range(2, len(words)):
                for order in range(3):
                    self.counts[order][tuple(words[i - order : i + 1])] += 1
        self.totals: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(3)]
        self.kinds: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(3)]
        for order in range(3):
            for gram, count in self.counts[order].items():
                self.totals[order][gram[:-1]] += count
                self.kinds[order][gram[:-1]] += 1

    def probability(self, gram: tuple[str, ...]) -> float:
        """P(last | those before) for 1 to 3 words."""
        order, before = len(gram) - 1, gram[:-1]
        lower = 1.0 / self.num_words if order == 0 else self.probability(gram[1:])
        total = self.totals[order][before]
        if total == 0:
            return lower
        kept = max(self.counts[order][gram] - DISCOUNT, 0.0) / total
        return kept + DISCOUNT * self.kinds[order][before] / total * lower

    def bits(self, sentence: str) -> float:
        """-log2 P of the sentence with its end mark."""
        words = ["<", "<", *sentence.split(), ">"]
        return -float(
            sum(np.log2(self.probability(tuple(words[i - 2 : i + 1]))) for i in range(2, len(words)))
        )


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 done, 2 the user's mistake in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m netsim.semantics.text_entropy", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--corpus", default="sotu", help="grammar, europarl, sotu or a text file")
    parser.add_argument("--codec", default="english", help="whose vocabulary counts: english or grammar")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="look for text here only")
    given = parser.parse_args(arguments)
    try:
        codec = load_text_codec(given.codec)
        vocabulary, longest = codec.vocabulary, codec.max_words
        text = list(load_text(given.corpus, "train", vocabulary, given.data, longest).sentences)
        text += covered_spans(given.corpus, vocabulary, given.data) if given.corpus != "grammar" else []
        test = load_text(given.corpus, "test", vocabulary, given.data, longest)
    except ParameterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    model = Trigram(text, len(vocabulary) - 3)
    needed = np.array([model.bits(s) for s in test.sentences])
    words = np.array([s.count(" ") + 1 for s in test.sentences])
    sys.stdout.write(
        f"{test.source}\n{needed.sum() / words.sum():.2f} bits a word, {needed.mean():.0f} a sentence\n"
    )
    for budget in BUDGETS:
        sys.stdout.write(f"at most {budget} bits: {(needed <= budget).mean():.3f} of the sentences\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
