"""Similarity of a sentence and what was decoded in its place: one protocol, neural and word-counting metrics.

Every metric gives exactly 1 for equal sentences and 0 for an empty one, remembers the pairs it has judged,
and judges those it has not in one batch. Scores are rounded to 6 decimals, so that the last bit of a matrix
product, which depends on the batch, does not show. A score says little without the metric's floor, the mean
over unrelated pairs: report it next to every figure (specification scqos 3.7).
"""

from __future__ import annotations

import functools
import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from phy.parameters import ParameterError

METRICS = ("minilm", "bleu", "token_f1")
# similarity from which a sentence counts as understood, by metric: thresholds do not carry over
MIN_SIMILARITY = {"minilm": 0.8, "bleu": 0.5, "token_f1": 0.5}
_DECIMALS = 6
_REMEMBERED = 200_000  # pairs
_EMBEDDED = 20_000  # sentences, 1.5 kB each
_BLEU_ORDER = 4
_BLEU_FLOOR = 0.1  # count given to n-grams without a match, so that one missing order does not make it 0


class SimilarityMetric(Protocol):
    """Contract of all metrics (tests/semantics/test_similarity.py)."""

    name: str
    version: str

    def sim(self, refs: list[str], hyps: list[str]) -> np.ndarray:
        """float64[n] in [0, 1]."""


@dataclass(frozen=True)
class Floor:
    """Similarity of unrelated sentences: what a receiver that guesses a sentence of the corpus would get."""

    mean: float
    std: float
    pairs: int


def measured_floor(
    metric: SimilarityMetric, sentences: list[str], rng: np.random.Generator, pairs: int = 500
) -> Floor:
    """Floor of `metric` over random pairs of different sentences of a corpus."""
    distinct = list(dict.fromkeys(sentences))
    if len(distinct) < 2:
        raise ParameterError(f"{len(distinct)} distinct sentences: must be >= 2 for a floor")
    first = rng.integers(0, len(distinct), pairs)
    second = (first + rng.integers(1, len(distinct), pairs)) % len(distinct)
    scores = metric.sim([distinct[i] for i in first], [distinct[i] for i in second])
    return Floor(float(scores.mean()), float(scores.std()), pairs)


class Memory:
    """The newest `size` values by key; the oldest leave first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Any, Any] = OrderedDict()

    def __contains__(self, key: Any) -> bool:
        return key in self._values

    def __getitem__(self, key: Any) -> Any:
        self._values.move_to_end(key)
        return self._values[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._values[key] = value
        if len(self._values) > self._size:
            self._values.popitem(last=False)


class Remembering:
    """What all metrics share: the two exact cases, the memory, one batch for the rest.

    Args:
        judge: similarities float[n] of pairs that are neither equal nor empty.
    """

    def __init__(self, judge: Callable[[list[tuple[str, str]]], np.ndarray]) -> None:
        self._judge = judge
        self._known = Memory(_REMEMBERED)

    def sim(self, refs: list[str], hyps: list[str]) -> np.ndarray:
        """float64[n] in [0, 1]."""
        if len(refs) != len(hyps):
            raise ParameterError(f"{len(refs)} and {len(hyps)} sentences: must be equally many")
        pairs = list(zip(refs, hyps))
        open_ = {pair for pair in pairs if all(pair) and pair[0] != pair[1]}
        scores = {pair: self._known[pair] for pair in open_ if pair in self._known}
        new = sorted(open_ - scores.keys())
        if new:
            found = np.clip(np.asarray(self._judge(new), np.float64), 0.0, 1.0).round(_DECIMALS)
            scores |= zip(new, found.tolist())
            for pair in new:
                self._known[pair] = scores[pair]
        return np.array([scores.get(pair, float(all(pair))) for pair in pairs], np.float64)


class TokenF1:
    """Harmonic mean of precision and recall of the words, whatever their order."""

    name, version = "token_f1", "1"

    def __init__(self) -> None:
        self._memory = Remembering(lambda pairs: np.array([_token_f1(*pair) for pair in pairs]))

    def sim(self, refs: list[str], hyps: list[str]) -> np.ndarray:
        """float64[n] in [0, 1]."""
        return self._memory.sim(refs, hyps)


class Bleu:
    """Sentence BLEU: geometric mean of the n-gram precisions up to 4 (or the shorter sentence's length),
    counts floored at 0.1, with the brevity penalty (Papineni et al., ACL 2002).
    """

    name, version = "bleu", "1"

    def __init__(self) -> None:
        self._memory = Remembering(lambda pairs: np.array([_bleu(*pair) for pair in pairs]))

    def sim(self, refs: list[str], hyps: list[str]) -> np.ndarray:
        """float64[n] in [0, 1]."""
        return self._memory.sim(refs, hyps)


class MiniLmMetric:
    """Cosine of MiniLM sentence embeddings, negative ones counted as 0 (E-24)."""

    name = "minilm"

    def __init__(self) -> None:
        from netsim.semantics.similarity_minilm import PACKAGE, SHA256, MiniLM

        self.version = f"{PACKAGE} {SHA256[:12]}"
        self._model = MiniLM()
        self._vectors = Memory(_EMBEDDED)
        self._memory = Remembering(self._cosine)

    def sim(self, refs: list[str], hyps: list[str]) -> np.ndarray:
        """float64[n] in [0, 1]."""
        return self._memory.sim(refs, hyps)

    def embed(self, sentences: list[str]) -> np.ndarray:
        """float32[n, 384], rows of unit norm; sentences seen lately are not computed again."""
        wanted = list(dict.fromkeys(sentences))
        vectors = {s: self._vectors[s] for s in wanted if s in self._vectors}
        new = [s for s in wanted if s not in vectors]
        if new:
            vectors |= zip(new, self._model.embed(new))
            for s in new:
                self._vectors[s] = vectors[s]
        return np.stack([vectors[s] for s in sentences])

    def _cosine(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        both = self.embed([ref for ref, _ in pairs] + [hyp for _, hyp in pairs])
        return np.einsum("ij,ij->i", both[: len(pairs)], both[len(pairs) :])


class Rescaled:
    """(s - floor) / (1 - floor), clipped: 0 for unrelated sentences and 1 for equal ones."""

    def __init__(self, base: SimilarityMetric, floor: float) -> None:
        if not 0.0 <= floor < 1.0:
            raise ParameterError(f"floor = {floor}: must be in [0, 1)")
        self.name, self.version = f"rescaled_{base.name}", f"{base.version}, floor {floor:.4f}"
        self._base, self._floor = base, floor

    def sim(self, refs: list[str], hyps: list[str]) -> np.ndarray:
        """float64[n] in [0, 1]."""
        return np.clip((self._base.sim(refs, hyps) - self._floor) / (1.0 - self._floor), 0.0, 1.0)


def load_metric(name: str) -> SimilarityMetric:
    """The metric of that name, one of METRICS.

    Raises:
        ParameterError: unknown name. ModuleNotFoundError: `minilm` without its package.
    """
    if name == "bleu":
        return Bleu()
    if name == "token_f1":
        return TokenF1()
    if name == "minilm":
        return _minilm()
    raise ParameterError(f"similarity metric {name!r}: must be one of {', '.join(METRICS)}")


@functools.cache
def _minilm() -> MiniLmMetric:
    """Shared by the runs of a process: loading takes a second, and sentences come again."""
    return MiniLmMetric()


def _token_f1(ref: str, hyp: str) -> float:
    a, b = Counter(ref.split()), Counter(hyp.split())
    return 2.0 * (a & b).total() / max(a.total() + b.total(), 1)


def _bleu(ref: str, hyp: str) -> float:
    a, b = ref.split(), hyp.split()
    order = min(_BLEU_ORDER, len(a), len(b))
    if order == 0:
        return 0.0
    logs = 0.0
    for n in range(1, order + 1):
        have, found = _ngrams(a, n), _ngrams(b, n)
        logs += math.log(max((have & found).total(), _BLEU_FLOOR) / found.total())
    brevity = min(0.0, 1.0 - len(a) / len(b))
    return math.exp(logs / order + brevity)


def _ngrams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
