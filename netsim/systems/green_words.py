"""Green at bit level: k channel symbols a word, carried by a codec of whole sentences (specification 10.1).

The published codec turns a word into 2 k numbers; ours turns a sentence into D features of n bits each. What
k means to a user is airtime: a sentence of L words takes k L symbols of 16-QAM, 4 k L bits, so that (M4)
holds. These bits are filled as rate matching does (TS 38.212 5.4.2, a circular buffer):

* n is the largest of 1, 2, 3 whose D n bits fit; with less than D bits the first features are sent, n = 1;
* what is left carries the same bits again, each time round rotated by half a symbol, so that a bit in a weak
  place of its symbol gets a strong one;
* the receiver adds up the log-likelihoods of its hard decisions at the SINR it knows; a feature none of whose
  bits were sent is the middle of its levels.

So more symbols a word buy finer features first and then protection.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from netsim.semantics.sbq import MAX_BITS, Sbq
from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL, mapping_of
from netsim.semantics.similarity import Memory
from phy import theory

_REMEMBERED = 50_000  # decoded sentences, 0.5 kB each
_ROTATION = 2  # bits: exchanges the strong and the weak places of a 16-QAM symbol


class SentenceCodec(Protocol):
    """What a text codec offers (netsim.semantics.text_codec, or any other)."""

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Features float32[n, D], >= 0."""

    def decode(self, received: np.ndarray, bits: int) -> list[str]:
        """Sentences from features that were quantised to `bits` bits."""

    def quantizer(self, bits: int) -> Sbq:
        """Quantiser of 1, 2 or 3 bits a feature."""


class WordLink(Protocol):
    """A codec that spends exactly k symbols on a word; what `green_accuracy` measures."""

    def send(self, sentences: Sequence[str], k: int) -> list[np.ndarray]:
        """Bits uint8[4 k L] of each sentence of L words."""

    def receive(self, bits: Sequence[np.ndarray], k: int, sinr_db: float) -> list[str]:
        """Sentences from as many bits, some of them wrong."""


def bits_a_feature(num_features: int, budget: int) -> int:
    """n: the largest number of bits a feature that fits, at least 1."""
    return min(MAX_BITS, max(1, budget // num_features))


@lru_cache(maxsize=1024)
def rate_match(num_bits: int, budget: int) -> np.ndarray:
    """int64[budget]: which of the codeword's bits each bit on the air carries."""
    place = np.arange(budget)
    turn, within = np.divmod(place, num_bits)
    return (within + _ROTATION * turn) % num_bits


def log_likelihoods(num_bits: int, sinr_db: float) -> np.ndarray:
    """log((1 - p) / p) of hard decisions by place on the air, float64[num_bits]; p for Gaussian noise."""
    return np.resize(_of_symbol(sinr_db), num_bits)


@lru_cache(maxsize=64)
def _of_symbol(sinr_db: float) -> np.ndarray:
    p = theory.ber_awgn(BITS_PER_SYMBOL, 10.0 ** (sinr_db / 10.0), per_bit=True)
    p = np.clip(p, 1e-12, 0.5)
    return np.log((1.0 - p) / p)


class RateMatched:
    """A sentence codec of `num_features` features as a `WordLink`."""

    def __init__(self, codec: SentenceCodec, num_features: int) -> None:
        self.codec, self.num_features = codec, num_features
        self._decoded = Memory(_REMEMBERED)

    def send(self, sentences: Sequence[str], k: int) -> list[np.ndarray]:
        """Code bits of each sentence, as many as its words have at k symbols a word (rate matching)."""
        features = self.codec.encode(sentences)
        return [self.matched(row, sentence, k) for row, sentence in zip(features, sentences)]

    def matched(self, features: np.ndarray, sentence: str, k: int) -> np.ndarray:
        """Code bits uint8[4 k L] of one sentence from its features float32[D]."""
        budget = _budget(sentence.count(" ") + 1, k)
        n = bits_a_feature(self.num_features, budget)
        mapping = mapping_of(self.num_features, n)
        words = self.codec.quantizer(n).encode(features[None])
        codeword = np.unpackbits(mapping.pack(words)[0])[: mapping.num_bits]
        return codeword[rate_match(len(codeword), budget)]

    def receive(self, bits: Sequence[np.ndarray], k: int, sinr_db: float) -> list[str]:
        """Sentences from hard bits of known SINR; what was decoded before is not decoded again."""
        features = np.empty((len(bits), self.num_features), np.float32)
        of_row = np.empty(len(bits), np.int64)
        for row, received in enumerate(bits):
            of_row[row] = bits_a_feature(self.num_features, len(received))
            features[row] = self._features(received, int(of_row[row]), sinr_db)
        keys = [(int(n), row.tobytes()) for n, row in zip(of_row, features)]
        # what arrives without error is the same at every SINR and in every slot: decode it once
        known = {key: self._decoded[key] for key in keys if key in self._decoded}
        new = {key: row for row, key in enumerate(keys) if key not in known}
        for n in sorted({n for n, _ in new}):
            mine = [key for key in new if key[0] == n]
            known |= zip(mine, self.codec.decode(features[[new[key] for key in mine]], n))
        for key in new:
            self._decoded[key] = known[key]
        return [known[key] for key in keys]

    def _features(self, received: np.ndarray, n: int, sinr_db: float) -> np.ndarray:
        mapping, quantizer = mapping_of(self.num_features, n), self.codec.quantizer(n)
        source = rate_match(mapping.num_bits, len(received))
        votes = log_likelihoods(len(received), sinr_db) * (1.0 - 2.0 * received)
        belief = np.bincount(source, votes, mapping.num_bits)
        decided = np.packbits(belief < 0.0)[None]
        features = quantizer.decode(mapping.unpack(decided))[0]
        absent = np.bincount(source, minlength=mapping.num_bits) == 0
        if absent.any():  # n = 1: a bit is a feature
            features[mapping.source[absent]] = quantizer.levels().mean()
        return features


def _budget(num_words: int, k: int) -> int:
    return BITS_PER_SYMBOL * k * num_words
