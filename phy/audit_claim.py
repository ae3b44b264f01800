"""What a function under audit is claimed to do, and how long it is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from phy.audit_call import LAYOUTS
from phy.modulation import check_order, constellation
from phy.parameters import Checked, Rule, at_least_one, finite, one_of, parameter, positive

KINDS = ("awgn", "channel", "equalised", "fading", "modulator", "codec")
CONVENTIONS = ("es/n0", "eb/n0", "real")
ARGUMENTS = ("snr-db", "snr", "n0", "noise-std", "noise-var")
_SHAPE = Rule(
    lambda s: all(n >= 1 for n in s) and 8 <= math.prod(s) <= 10_000_000, "must hold 8 to 10 million numbers"
)
_SNRS = Rule(lambda s: len(s) > 0 and all(-30.0 <= x <= 60.0 for x in s), "must be SNRs in [-30, 60] dB")


@dataclass(frozen=True)
class Claim(Checked):
    """What the function is claimed to do; the declared convention."""

    kind: str = parameter("awgn", meaning="calling convention", rule=one_of(*KINDS))
    convention: str = parameter(
        "es/n0",
        meaning="es/n0: energy per complex symbol over noise energy per complex symbol, symbols of energy 1; "
        "eb/n0: per information bit; real: energy 1 per real dimension over its noise variance",
        rule=one_of(*CONVENTIONS),
    )
    argument: str = parameter("snr-db", meaning="what the second argument is", rule=one_of(*ARGUMENTS))
    layout: str = parameter("complex", meaning="form of complex numbers", rule=one_of(*LAYOUTS))
    bits_per_symbol: int = parameter(4, meaning="of the symbols sent, and for Eb/N0")
    code_rate: float = parameter(1.0, meaning="for Eb/N0", rule=positive)
    k_factor: float = parameter(0.0, meaning="Rician factor behind an equaliser, linear")
    num_ant: int = parameter(1, meaning="antennas combined before the equaliser", rule=at_least_one)
    generator: bool = parameter(False, meaning="the first argument is a numpy Generator")

    def check(self) -> None:
        check_order(self.bits_per_symbol)
        if not 0.0 <= self.k_factor < math.inf:
            raise self.error("k_factor", "must be >= 0 and finite (linear, not dB)")

    @property
    def input_energy(self) -> float:
        """Energy per symbol of what the function is given: 1, or 2 for unit energy in two real dimensions."""
        return 2.0 if self.convention == "real" and self.layout != "real" else 1.0

    @property
    def bits_db(self) -> float:
        """Es/N0 minus Eb/N0 in dB."""
        return 10.0 * math.log10(self.bits_per_symbol * self.code_rate)

    def n0(self, snr_db: float) -> float:
        """Claimed noise energy per symbol: both real dimensions, or the one of layout `real`."""
        es_db = snr_db + self.bits_db if self.convention == "eb/n0" else snr_db
        both = self.input_energy * 10.0 ** (-es_db / 10.0)
        return both / 2.0 if self.layout == "real" and self.convention != "real" else both

    def value(self, snr_db: float) -> float:
        """The second argument that stands for `snr_db`."""
        if self.argument == "snr-db":
            return snr_db
        if self.argument == "snr":
            return 10.0 ** (snr_db / 10.0)
        per_dimension = self.n0(snr_db) / (1.0 if self.layout == "real" else 2.0)
        if self.argument == "n0":
            return 2.0 * per_dimension
        return per_dimension if self.argument == "noise-var" else math.sqrt(per_dimension)


@dataclass(frozen=True)
class Effort(Checked):
    """How long to measure."""

    shape: tuple[int, ...] = parameter((), meaning="shape of the symbols in a call; () by kind")
    snr_db: tuple[float, ...] = parameter((0.0, 10.0), unit="dB", meaning="SNRs claimed", rule=_SNRS)
    tolerance_db: float = parameter(0.1, unit="dB", meaning="offset that is still agreement", rule=positive)
    confidence: float = parameter(
        0.999, meaning="of each interval", rule=Rule(lambda p: 0.5 <= p < 1.0, "must be in [0.5, 1)")
    )
    seconds: float = parameter(5.0, unit="s", meaning="limit for each SNR", rule=positive)
    scale: float = parameter(3.0, meaning="rms of the features that a codec is given", rule=positive)
    seed: int = parameter(1, meaning="of the inputs", rule=Rule(lambda s: s >= 0, "must be >= 0"))

    def check(self) -> None:
        if self.shape and not _SHAPE.holds(self.shape):
            raise self.error("shape", _SHAPE.text)
        if not finite.holds(self.seconds):
            raise self.error("seconds", finite.text)

    def shape_for(self, kind: str) -> tuple[int, ...]:
        """The shape asked for, or one vector: short where a call may hold one fade, long elsewhere."""
        if self.shape:
            return self.shape
        return (512,) if kind in ("channel", "equalised", "fading") else (4096,)


def symbols(claim: Claim, shape: tuple[int, ...], rng: Generator) -> np.ndarray:
    """Random symbols of the claimed energy; layout `real` gets +-1."""
    if claim.layout == "real":
        return 2.0 * rng.integers(0, 2, shape) - 1.0
    points = constellation(claim.bits_per_symbol).astype(np.complex128)
    return rng.choice(points, shape) * math.sqrt(claim.input_energy)
