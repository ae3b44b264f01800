"""Green: the semantic accuracy f_s(k, SINR) measured with a codec and 16-QAM that really interferes
(specification 10.4).

For every k and SINR held-out sentences go through codec, bits, `green_interference.superpose` and back; the
similarity of what arrives is averaged. The table is what `codec.accuracy=measured` reads
(`green_table_file`), and the logistic form (M3) is fitted to each k beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from netsim import stats
from netsim.semantics.similarity import SimilarityMetric
from netsim.streams import Streams
from netsim.systems.green_curves import LogisticAccuracy
from netsim.systems.green_interference import PROFILES, superpose
from netsim.systems.green_table_file import Point
from netsim.systems.green_words import WordLink
from phy.parameters import ParameterError
from phy.scrambling import scramble

_RNTI = 1
_TOLERANCE = 0.01  # 10.4: a mean of three neighbours may fall by this much and count as non-decreasing


class Measurement:
    """Similarity point by point; every point has noise of its own, so that their order does not matter.

    Args:
        link: a codec that spends k symbols on a word. interference: one of PROFILES.

    Raises:
        ParameterError: unknown interference, fewer than two sentences.
    """

    def __init__(
        self,
        link: WordLink,
        metric: SimilarityMetric,
        sentences: Sequence[str],
        interference: str,
        streams: Streams,
    ) -> None:
        if interference not in PROFILES:
            raise ParameterError(f"interference {interference!r}: must be one of {', '.join(PROFILES)}")
        if len(sentences) < 2:
            raise ParameterError(f"{len(sentences)} sentences: must be >= 2")
        self._link, self._metric, self._sentences = link, metric, list(sentences)
        self._interference, self._streams = interference, streams
        self._sent: tuple[int, list[np.ndarray]] = (0, [])

    def point(self, k: int, sinr_db: float) -> Point:
        """All sentences once."""
        if self._sent[0] != k:
            self._sent = (k, self._link.send(self._sentences, k))
        name = f"accuracy/{self._interference}/k{k}/{sinr_db:g}"
        received = over_the_air(self._sent[1], sinr_db, self._interference, self._streams, name)
        decoded = self._link.receive(received, k, sinr_db)
        scores = self._metric.sim(self._sentences, decoded)
        exact = float(np.mean([a == b for a, b in zip(self._sentences, decoded)]))
        return Point(k, sinr_db, stats.mean_interval(scores), float(scores.std(ddof=1)), exact)


def over_the_air(
    sent: Sequence[np.ndarray], sinr_db: float, interference: str, streams: Streams, name: str
) -> list[np.ndarray]:
    """Bits uint8[...] of many sentences through the same cells, one after another.

    The stream is scrambled (TS 38.211 6.3.1.1): the codec's bits are not equally likely, and symbols closer
    to the origin than they should be would miss the SINR (docs/papers/toscn.md).
    """
    bits = np.concatenate(sent)
    key, draws = streams.kernel_key(name), streams.sequential(name)
    air = scramble(np.packbits(bits), _RNTI)
    received = scramble(superpose(air, sinr_db, PROFILES[interference], key, draws), _RNTI)
    ends = np.cumsum([len(part) for part in sent])
    return np.split(np.unpackbits(received)[: len(bits)], ends[:-1])


@dataclass(frozen=True)
class Fit:
    """(M3) for one k: A1, A2, C1 (1/dB), C2; largest error and root mean square over the points."""

    k: int
    coefficients: tuple[float, float, float, float]
    largest_error: float
    rmse: float


def fit(found: Sequence[Point]) -> list[Fit]:
    """Least squares of (M3) for every k, A1 and A2 within [0, 1]."""
    fits = []
    for k in sorted({p.k for p in found}):
        x, y = np.array([(p.sinr_db, p.similarity.mean) for p in found if p.k == k]).T

        def error(c: np.ndarray, x: np.ndarray = x, y: np.ndarray = y) -> np.ndarray:
            return LogisticAccuracy(c[None]).at_db(np.array(1), x) - y

        start = np.array([y.min(), min(y.max(), 1.0), 0.6, -0.6 * float(x[np.abs(y - y.mean()).argmin()])])
        limits = ([-0.01, -0.01, 0.0, -60.0], [1.01, 1.01, 20.0, 60.0])
        best = least_squares(error, np.clip(start, *limits), bounds=limits)
        residual = np.abs(best.fun)
        coefficients = (float(best.x[0]), float(best.x[1]), float(best.x[2]), float(best.x[3]))
        fits.append(Fit(k, coefficients, float(residual.max()), float(np.sqrt((residual**2).mean()))))
    return fits


def descents(found: Sequence[Point]) -> list[str]:
    """Where the table falls although SINR or k grows (10.4), one line each: by more than 0.01 and more than
    both half-widths together, between points two steps apart in SINR, between neighbours in k.
    """
    table = {(p.k, p.sinr_db): p.similarity for p in found}
    ks, sinrs = sorted({p.k for p in found}), sorted({p.sinr_db for p in found})
    pairs = [((k, a), (k, b)) for k in ks for a, b in zip(sinrs, sinrs[2:])]
    pairs += [((a, x), (b, x)) for x in sinrs for a, b in itertools.pairwise(ks)]
    lines = []
    for low, high in pairs:
        before, after = table[low], table[high]
        noise = (before.high - before.low + after.high - after.low) / 2
        if before.mean - after.mean > max(_TOLERANCE, noise):
            places = (f"k {k} at {x:g} dB: {p.mean:.3f}" for (k, x), p in ((low, before), (high, after)))
            lines.append(", ".join(places))
    return lines
