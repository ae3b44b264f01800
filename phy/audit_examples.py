"""Well-known normalisation faults, written for this module, each with the offset that an audit must show.

`python -m phy audit --examples` measures them all; any one of them alone, e.g.
`python -m phy audit phy.audit_examples:rician_power_two --kind channel`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from phy.audit_claim import Claim

_RNG = np.random.default_rng(20260101)


def _normal(shape: tuple[int, ...]) -> np.ndarray:
    """N(0, 1) + j N(0, 1): energy 2."""
    return _RNG.standard_normal(shape) + 1j * _RNG.standard_normal(shape)


def _snr(snr_db: float) -> float:
    return 10.0 ** (snr_db / 10.0)


def awgn(x: np.ndarray, snr_db: float) -> np.ndarray:
    """Right: N0 = 1 / SNR, half of it on each real dimension."""
    return x + math.sqrt(0.5 / _snr(snr_db)) * _normal(x.shape)


def noise_per_dimension(x: np.ndarray, snr_db: float) -> np.ndarray:
    """N0 on each real dimension instead of N0/2."""
    return x + math.sqrt(1.0 / _snr(snr_db)) * _normal(x.shape)


def real_noise(x: np.ndarray, snr_db: float) -> np.ndarray:
    """Noise of variance N0/2 on the real part, none on the imaginary part."""
    return x + math.sqrt(0.5 / _snr(snr_db)) * _RNG.standard_normal(x.shape)


def variance_as_deviation(x: np.ndarray, snr_db: float) -> np.ndarray:
    """N0/2, a variance, taken as the standard deviation of a real dimension."""
    return x + 0.5 / _snr(snr_db) * _normal(x.shape)


def deviation_as_variance(x: np.ndarray, snr_db: float) -> np.ndarray:
    """sqrt(N0/2), a standard deviation, taken as the variance of a real dimension."""
    return x + math.sqrt(math.sqrt(0.5 / _snr(snr_db))) * _normal(x.shape)


def snr_twice(x: np.ndarray, snr_db: float) -> np.ndarray:
    """The signal scaled up by the SNR, and the noise scaled down by it as well."""
    snr = _snr(snr_db)
    return math.sqrt(snr) * x + math.sqrt(0.5 / snr) * _normal(x.shape)


def half_the_decibels(x: np.ndarray, snr_db: float) -> np.ndarray:
    """10^(dB/20), an amplitude ratio, taken as a ratio of energies."""
    return x + math.sqrt(0.5 / 10.0 ** (snr_db / 20.0)) * _normal(x.shape)


def prefix_charged(x: np.ndarray, snr_db: float) -> np.ndarray:
    """SNR per transmitted sample with a prefix of 16 to 64 samples, taken for the SNR per element."""
    return x + math.sqrt(0.5 * (64 + 16) / 64 / _snr(snr_db)) * _normal(x.shape)


def es_for_eb(x: np.ndarray, ebn0_db: float) -> np.ndarray:
    """Claims Eb/N0, makes Es/N0 of the same number."""
    return awgn(x, ebn0_db)


def _rician(shape: tuple[int, ...], k_factor: float, scatter_energy: float) -> np.ndarray:
    line_of_sight = math.sqrt(k_factor / (1.0 + k_factor))
    scatter = math.sqrt(scatter_energy / 2.0 / (1.0 + k_factor)) * _normal(shape)
    return line_of_sight + scatter


def rician(x: np.ndarray, snr_db: float) -> tuple[np.ndarray, np.ndarray]:
    """Right: Rician fading, K = 1, E|h|^2 = 1, a fade for each symbol."""
    h = _rician(x.shape, 1.0, 1.0)
    return awgn(h * x, snr_db), h


def rician_power_two(x: np.ndarray, snr_db: float) -> tuple[np.ndarray, np.ndarray]:
    """K = 1 with line of sight 1/sqrt(2) and scatter of deviation 1/sqrt(2) on EACH real dimension, twice:
    E|h|^2 = 2.
    """
    mean = deviation = math.sqrt(0.5)
    h = (mean + deviation * _RNG.standard_normal(x.shape)) + 1j * (
        mean + deviation * _RNG.standard_normal(x.shape)
    )
    return awgn(h * x, snr_db), h


def rician_power_two_alone(x: np.ndarray, snr_db: float) -> np.ndarray:
    """The same branch, but what it drew stays hidden: only y comes back."""
    return rician_power_two(x, snr_db)[0]


def rician_equalised(x: np.ndarray, noise_std: float) -> np.ndarray:
    """The same branch on I/Q pairs, one fade for the whole call, divided out again; takes the deviation of
    the noise on a real dimension.
    """
    mean = deviation = math.sqrt(0.5)
    h = complex(*(mean + deviation * _RNG.standard_normal(2)))
    symbols = x[..., 0::2] + 1j * x[..., 1::2]
    equalised = symbols + noise_std * _normal(symbols.shape) / h
    return np.stack([equalised.real, equalised.imag], axis=-1).reshape(x.shape)


def rayleigh(shape: int | tuple[int, ...]) -> np.ndarray:
    """Right: CN(0, 1)."""
    return math.sqrt(0.5) * _normal(tuple(np.atleast_1d(shape)))


def rayleigh_power_two(shape: int | tuple[int, ...]) -> np.ndarray:
    """Variance 1 on each real dimension."""
    return _normal(tuple(np.atleast_1d(shape)))


def qam16(bits: np.ndarray) -> np.ndarray:
    """Right: 16-QAM levels -3, -1, 1, 3 over sqrt(10)."""
    return qam16_bare(bits) / math.sqrt(10.0)


def qam16_bare(bits: np.ndarray) -> np.ndarray:
    """Levels -3, -1, 1, 3 as they are."""
    b = bits.reshape(-1, 4).astype(float)
    levels = (1.0 - 2.0 * b[:, 0::2][:, :2]) * np.stack([1.0 + 2.0 * b[:, 1], 1.0 + 2.0 * b[:, 3]], axis=1)
    return levels[:, 0] + 1j * levels[:, 1]


def codec(features: np.ndarray, snr_db: float) -> np.ndarray:
    """Right: features scaled to unit energy per symbol, then noise."""
    return awgn(features / math.sqrt(np.mean(np.abs(features) ** 2)), snr_db)


def codec_bare(features: np.ndarray, snr_db: float) -> np.ndarray:
    """No power normalisation: the SNR is declared for unit energy, the features have rms 3."""
    return awgn(features, snr_db)


def codec_pairs(features: np.ndarray, snr_db: float) -> np.ndarray:
    """Unit energy on each real entry, noise 1/(2 SNR) on each: the energy of a pair is 2, its N0 is 1/SNR."""
    sent = features / math.sqrt(np.mean(features**2))
    return sent + math.sqrt(0.5 / _snr(snr_db)) * _RNG.standard_normal(sent.shape)


def real_dimensions(x: np.ndarray, snr_db: float) -> np.ndarray:
    """Right in the per-dimension convention: energy 1 and noise 1/SNR on each real entry."""
    return x + math.sqrt(1.0 / _snr(snr_db)) * _RNG.standard_normal(x.shape)


@dataclass(frozen=True)
class Example:
    """A function, what it claims, and the offset in dB that it must show: constant_db + slope * SNR in dB."""

    function: Callable[..., Any]
    claim: Claim
    constant_db: float
    slope: float = 0.0

    @property
    def name(self) -> str:
        """`module:function`, as for the command."""
        return f"{self.function.__module__}:{self.function.__name__}"

    def offset_db(self, snr_db: float | None) -> float:
        """The offset at one claimed SNR."""
        return self.constant_db + (0.0 if snr_db is None else self.slope * snr_db)


_TWO_DB = 10.0 * math.log10(2.0)

EXAMPLES = (
    Example(awgn, Claim("awgn"), 0.0),
    Example(real_dimensions, Claim("awgn", convention="real", layout="pairs"), 0.0),
    Example(rician, Claim("channel"), 0.0),
    Example(rayleigh, Claim("fading"), 0.0),
    Example(qam16, Claim("modulator"), 0.0),
    Example(codec, Claim("codec"), 0.0),
    Example(rician_power_two, Claim("channel"), _TWO_DB),
    Example(rician_power_two_alone, Claim("channel"), _TWO_DB),
    Example(
        rician_equalised,
        Claim("equalised", layout="pairs", argument="noise-std", k_factor=1.0),
        _TWO_DB,
    ),
    Example(rayleigh_power_two, Claim("fading"), _TWO_DB),
    Example(noise_per_dimension, Claim("awgn"), -_TWO_DB),
    Example(real_noise, Claim("awgn"), _TWO_DB),
    Example(variance_as_deviation, Claim("awgn"), _TWO_DB, 1.0),
    Example(deviation_as_variance, Claim("awgn"), -_TWO_DB / 2.0, -0.5),
    Example(snr_twice, Claim("awgn"), 0.0, 1.0),
    Example(half_the_decibels, Claim("awgn"), 0.0, -0.5),
    Example(prefix_charged, Claim("awgn"), -10.0 * math.log10(1.25)),
    Example(es_for_eb, Claim("awgn", convention="eb/n0"), -10.0 * math.log10(4.0)),
    Example(qam16_bare, Claim("modulator"), 10.0),
    Example(codec_bare, Claim("codec"), 20.0 * math.log10(3.0)),
    Example(codec_pairs, Claim("codec", layout="pairs"), _TWO_DB),
)
