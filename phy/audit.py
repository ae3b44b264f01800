"""The SNR contract measured on somebody else's function: its offset in dB from what it claims.

Calling conventions by kind (x, y, h: arrays or tensors in the declared layout; a: the declared argument):

    awgn       f(x, a) -> y                noise alone: y = g x + n; g is estimated
    channel    f(x, a) -> y or (y, h)      fading and noise: y = h x + n
    equalised  f(x, a) -> x + n / h        fading, noise, and division by the channel inside
    fading     f(n) or f(shape) -> h       fading alone
    modulator  f(bits) -> x                constellation
    codec      f(features, a) -> z         power normalisation and noise: z = g x + n

A positive offset means better than claimed. The unit of replication is the call: whatever is dependent inside
a call (block fading, normalisation by the batch) costs width of the interval, not its truth. A pilot run
fixes the number of calls; the figures come from fresh calls (Student t interval of a ratio of means over
calls).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.stats import t as student

from phy.audit_call import Subject
from phy.audit_claim import Claim, Effort
from phy.audit_kinds import Sums, sampler_for

_PILOT_CALLS = 48
_LEAST_CALLS = 8  # however slow the function is


@dataclass(frozen=True)
class Interval:
    """An estimate in dB with its confidence interval."""

    value_db: float
    low_db: float
    high_db: float

    @property
    def half_width_db(self) -> float:
        """Half the length, inf where an end is not finite."""
        width = (self.high_db - self.low_db) / 2.0
        return width if math.isfinite(width) else math.inf


@dataclass(frozen=True)
class Point:
    """The measurement at one claimed SNR (None where the kind has none)."""

    snr_db: float | None
    offset: Interval
    details: dict[str, float]  # energies and their ratios, linear
    calls: int
    verdict: str  # "agrees", "off", "undecided"


@dataclass(frozen=True)
class Audit:
    """All points of one function."""

    name: str
    claim: Claim
    effort: Effort
    points: tuple[Point, ...]
    tensors: bool

    @property
    def agrees(self) -> bool:
        """Whether every point agrees with the claim."""
        return all(point.verdict == "agrees" for point in self.points)


def ratio_interval(sums: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """(ratio, low, high) of sum(num) / sum(den) over calls, float[C, 2]: Student t on the residuals."""
    num, den = sums[:, 0], sums[:, 1]
    total = float(den.sum())
    if total == 0.0:
        return (math.inf,) * 3 if num.sum() > 0.0 else (math.nan,) * 3
    ratio, count = float(num.sum()) / total, len(sums)
    residual = num - ratio * den
    error = math.sqrt(float((residual * residual).sum()) * count / (count - 1)) / abs(total)
    half = float(student.ppf(0.5 + confidence / 2.0, count - 1)) * error
    return ratio, ratio - half, ratio + half


def audit(subject: Subject, claim: Claim, effort: Effort | None = None) -> Audit:
    """Measures `subject` against `claim`.

    Raises: AuditError when the function cannot be measured (exception, shape, NaN, a fixed seed inside).
    """
    effort = effort or Effort()
    with_snr = claim.kind not in ("fading", "modulator")
    points = []
    for index, snr_db in enumerate(effort.snr_db if with_snr else (None,)):
        rng = np.random.default_rng([effort.seed, index])
        points.append(_point(subject, claim, effort, snr_db, rng))
    return Audit(subject.name, claim, effort, tuple(points), subject.tensors)


def _point(subject: Subject, claim: Claim, effort: Effort, snr_db: float | None, rng: Generator) -> Point:
    sampler, to_db = sampler_for(subject, claim, effort, snr_db, rng)

    def run(calls: int, seconds: float) -> tuple[Interval, list[Sums]]:
        stop = time.perf_counter() + seconds
        drawn: list[Sums] = []
        while len(drawn) < calls and (len(drawn) < _LEAST_CALLS or time.perf_counter() < stop):
            drawn.append(sampler(rng))
        sums = np.array([d["offset"] for d in drawn])
        ends = [to_db(r) for r in ratio_interval(sums, effort.confidence)]
        return Interval(ends[0], min(ends), max(ends)), drawn

    start = time.perf_counter()
    pilot, tried = run(_PILOT_CALLS, effort.seconds)
    per_call = max((time.perf_counter() - start) / len(tried), 1e-6)
    wanted = 1.3 * len(tried) * (pilot.half_width_db / (0.5 * effort.tolerance_db)) ** 2
    limit = max(_LEAST_CALLS, int(effort.seconds / per_call))
    if pilot.value_db == math.inf:  # no noise: more calls would not show any
        wanted = _PILOT_CALLS
    calls = int(min(max(wanted, _PILOT_CALLS), limit)) if math.isfinite(wanted) else limit
    offset, drawn = run(calls, 2.0 * effort.seconds)
    details = {
        name: ratio_interval(np.array([d[name] for d in drawn]), 0.5)[0]
        for name in drawn[0]
        if name != "offset"
    }
    return Point(snr_db, offset, details, len(drawn), _verdict(offset, effort.tolerance_db))


def _verdict(offset: Interval, tolerance_db: float) -> str:
    if offset.low_db >= -tolerance_db and offset.high_db <= tolerance_db:
        return "agrees"
    if offset.low_db > tolerance_db or offset.high_db < -tolerance_db:
        return "off"
    return "undecided"
