"""One call of a function under audit, as sums: what was received over what was claimed.

A sampler calls the function once (twice where energy and noise need separate calls) and returns the pair
(numerator, denominator) of the ratio whose value is the offset, and pairs for the details of the report.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.optimize import brentq

from phy.audit_call import AuditError, Subject
from phy.audit_claim import Claim, Effort, symbols
from phy.checks_row import decibel
from phy.theory import rician_mgf

Sums = dict[str, tuple[float, float]]
Sampler = Callable[[Generator], Sums]

_QUIET_DB = 120.0  # an SNR at which noise is out of sight
_SILENCE = 1e-12  # noise below this share of the signal is rounding: float32 leaves 1e-14


def half_point(k_factor: float, num_ant: int) -> tuple[float, Callable[[float], float]]:
    """For errors n/h behind an equaliser with G = sum |h|^2: (s with E exp(-s G) = 1/2, its inverse in dB).

    |n|^2/G exceeds u with probability E exp(-u G/N0), the moment generating function; mean and variance of
    n/h do not exist for Rayleigh fading. The inverse maps such a probability to the SNR offset in dB that
    gives it at u = s N0.
    """
    mgf = rician_mgf(1.0, k_factor, num_ant)

    def excess(log_s: float, probability: float) -> float:
        return float(mgf(np.array([math.exp(log_s)]))[0]) - probability

    log_half = float(brentq(excess, -30.0, 30.0, args=(0.5,)))

    def offset_db(probability: float) -> float:
        p = min(max(probability, 1e-9), 1.0 - 1e-9)
        return decibel(math.exp(float(brentq(excess, -60.0, 60.0, args=(p,))) - log_half))

    return math.exp(log_half), offset_db


def ratio_db(ratio: float) -> float:
    """10 log10; -inf for 0 and below (an end of an interval may fall there)."""
    return -math.inf if ratio <= 0.0 else decibel(ratio)


def sampler_for(
    subject: Subject, claim: Claim, effort: Effort, snr_db: float | None, rng: Generator
) -> tuple[Sampler, Callable[[float], float]]:
    """The sampler of the claim's kind at one claimed SNR, and the map from its ratio to the offset in dB."""
    call = _Caller(subject, claim, effort.shape_for(claim.kind), effort, snr_db)
    if claim.layout == "real" and claim.kind in ("fading", "equalised"):
        raise AuditError(f"kind {claim.kind} has no layout real: a gain is complex")
    if claim.kind == "modulator":
        return call.modulator, ratio_db
    call.refuse_fixed_seed(rng)
    if claim.kind == "fading":
        return call.fading, ratio_db
    if claim.kind == "equalised":
        half, offset_db = half_point(claim.k_factor, claim.num_ant)
        return partial(call.equalised, half), offset_db
    if claim.kind == "channel":
        return call.channel(rng), ratio_db
    return call.additive, ratio_db


class _Caller:
    """The calls of one function at one claimed SNR."""

    def __init__(
        self, subject: Subject, claim: Claim, shape: tuple[int, ...], effort: Effort, snr_db: float | None
    ) -> None:
        self.subject, self.claim, self.shape, self.effort = subject, claim, shape, effort
        self.snr_db = 0.0 if snr_db is None else snr_db
        self.n0 = claim.n0(self.snr_db)
        self.snr = claim.input_energy / self.n0

    def _call(self, rng: Generator, *arguments: Any) -> Any:
        return self.subject(*([rng] if self.claim.generator else []), *arguments)

    def _sent(self, rng: Generator) -> np.ndarray:
        if self.claim.kind != "codec":
            return symbols(self.claim, self.shape, rng)
        dimensions = 1 if self.claim.layout == "real" else 2
        parts = rng.standard_normal((*self.shape, dimensions)) * self.effort.scale / math.sqrt(dimensions)
        return parts[..., 0] if dimensions == 1 else parts[..., 0] + 1j * parts[..., 1]

    def _through(self, rng: Generator, x: np.ndarray, snr_db: float | None = None) -> Any:
        return self._call(rng, x, self.claim.value(self.snr_db if snr_db is None else snr_db))

    def _received(self, rng: Generator, x: np.ndarray, snr_db: float | None = None) -> np.ndarray:
        y = self.subject.array(self._through(rng, x, snr_db), "y")
        if y.shape != x.shape:
            raise AuditError(f"{self.subject.name} returned shape {y.shape}: must be {x.shape}, as given")
        return y

    def _faded(self, rng: Generator, x: np.ndarray) -> np.ndarray:
        """y of a channel, whether h comes with it or not."""
        answer = self._through(rng, x)
        return self.subject.array(answer[0] if _is_pair(answer) else answer, "y")

    def refuse_fixed_seed(self, rng: Generator) -> None:
        """AuditError if two calls draw the same random numbers."""
        if self.claim.kind == "fading":
            first, second = (self._gains(rng) for _ in range(2))
            silent = False
        else:
            x = self._sent(rng)
            receive = self._faded if self.claim.kind == "channel" else self._received
            first, second = (receive(rng, x) for _ in range(2))
            # without any noise both equal x up to a gain: that is a finding, not a seed
            silent = first.shape == x.shape and _residual(x, first)[2] == 0.0
        if not silent and np.array_equal(first, second):
            raise AuditError(
                f"{self.subject.name} drew the same random numbers in two calls (a seed is set inside?): "
                "no interval can be given"
            )

    def additive(self, rng: Generator) -> Sums:
        """awgn, codec: y = g x + n with g from least squares over the call."""
        x = self._sent(rng)
        y = self._received(rng, x)
        noise, signal, energy = _residual(x, y)
        count = float(x.size)
        sums = {
            "offset": (signal, energy * self.snr),
            "signal energy": (signal, count * self.claim.input_energy),
            "noise energy": (energy, count * self.n0),
        }
        if self.claim.layout != "real":
            sums["noise on I over Q"] = float((noise.real**2).sum()), float((noise.imag**2).sum())
        return sums

    def channel(self, rng: Generator) -> Sampler:
        """The sampler for y with h, or for y alone with noise seen at zero input, or else by difference."""
        answer = self._through(rng, self._sent(rng))
        if _is_pair(answer):
            return self._with_gain
        try:
            silent = np.zeros(self.shape, np.float64 if self.claim.layout == "real" else np.complex128)
            noise = self.subject.array(self._through(rng, silent), "y for x = 0")
        except AuditError:
            return self._by_difference
        return self._by_silence if np.any(noise) else self._by_difference

    def _with_gain(self, rng: Generator) -> Sums:
        x = self._sent(rng)
        answer = self._through(rng, x)
        if not _is_pair(answer):
            raise AuditError(f"{self.subject.name} returned (y, h) first and something else later")
        y = self.subject.array(answer[0], "y")
        h = self.subject.array(answer[1], "h", scalar=True)
        try:
            faded = np.broadcast_to(h, y.shape) * _spread(x, y.shape)
        except ValueError:
            raise AuditError(
                f"{self.subject.name}: x {x.shape}, y {y.shape} and h {h.shape} do not fit y = h x + n"
            ) from None
        noise = y - faded
        signal, energy = float((np.abs(faded) ** 2).sum()), float((np.abs(noise) ** 2).sum())
        energy = 0.0 if energy <= _SILENCE * signal else energy
        return {
            "offset": (signal, energy * self.snr),
            "E|h|^2": (float((np.abs(h) ** 2).sum()), float(h.size)),
            "noise energy": (energy, y.size * self.n0),
        }

    def _by_silence(self, rng: Generator) -> Sums:
        x = self._sent(rng)
        noise = float((np.abs(self.subject.array(self._through(rng, 0.0 * x), "y")) ** 2).mean())
        total = float((np.abs(self.subject.array(self._through(rng, x), "y")) ** 2).mean())
        return {
            "offset": (total - noise, noise * self.snr),
            "E|h|^2": (total - noise, self.claim.input_energy),
            "noise energy": (noise, self.n0),
        }

    def _by_difference(self, rng: Generator) -> Sums:
        x = self._sent(rng)
        signal = float((np.abs(self.subject.array(self._through(rng, x, _QUIET_DB), "y")) ** 2).mean())
        total = float((np.abs(self.subject.array(self._through(rng, x), "y")) ** 2).mean())
        return {
            "offset": (signal, (total - signal) * self.snr),
            "E|h|^2": (signal, self.claim.input_energy),
            "noise energy": (total - signal, self.n0),
        }

    def equalised(self, half: float, rng: Generator) -> Sums:
        """Share of errors |y - x|^2 above the median that the claim has."""
        x = self._sent(rng)
        error = np.abs(self._received(rng, x) - x) ** 2
        return {"offset": (float(np.count_nonzero(error > half * self.n0)), float(error.size))}

    def _gains(self, rng: Generator) -> np.ndarray:
        shape: Any = self.effort.shape if self.effort.shape else self.shape[0]
        return self.subject.array(self._call(rng, shape), "h", scalar=True)

    def fading(self, rng: Generator) -> Sums:
        """E|h|^2 over all entries."""
        h = self._gains(rng)
        energy = (float((np.abs(h) ** 2).sum()), float(h.size))
        return {"offset": energy, "E|h|^2": energy}

    def modulator(self, rng: Generator) -> Sums:
        """Energy of the symbols of random bits."""
        m, count = self.claim.bits_per_symbol, math.prod(self.shape)
        bits = rng.integers(0, 2, count * m, dtype=np.uint8)
        x = self.subject.array(self._call(rng, bits), "symbols")
        if x.size != count:
            raise AuditError(
                f"{self.subject.name} returned {x.size} symbols for {bits.size} bits: "
                f"must be {count} at {m} bits per symbol"
            )
        energy = (float((np.abs(x) ** 2).sum()), count * self.claim.input_energy)
        return {"offset": energy, "symbol energy": energy}


def _is_pair(answer: Any) -> bool:
    return isinstance(answer, tuple | list) and len(answer) == 2 and hasattr(answer[0], "shape")


def _residual(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, float]:
    """(noise, signal energy, noise energy) of y = g x + noise, free of the bias of estimating g."""
    power = float((np.abs(x) ** 2).sum())
    gain = np.vdot(x, y) / power
    noise = y - gain * x
    energy = float((np.abs(noise) ** 2).sum()) * x.size / (x.size - 1)
    whole = float(np.abs(gain) ** 2) * power
    if energy <= _SILENCE * whole:
        return noise, whole, 0.0
    return noise, whole - energy / x.size, energy


def _spread(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """x over the axes of y: antennas may come before or after."""
    if len(shape) > x.ndim and shape[: x.ndim] == x.shape and shape[-x.ndim :] != x.shape:
        x = x.reshape(x.shape + (1,) * (len(shape) - x.ndim))
    return np.broadcast_to(x, shape)
