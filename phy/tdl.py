"""Tapped delay line models TDL-A, TDL-C and TDL-D of 3GPP TR 38.901, tables 7.7.2-1, -3 and -4.

A model is a list of paths with delays in units of the RMS delay spread and powers in dB; TDL-D begins with a
line of sight of K = 13.3 dB. Powers are normalised to sum 1 (SNR contract).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from phy.channel import complex_normal, rician_mix
from phy.parameters import ParameterError

# (delay / RMS delay spread, power in dB)
_TDL_A = (
    (0.0000, -13.4), (0.3819, 0.0), (0.4025, -2.2), (0.5868, -4.0), (0.4610, -6.0), (0.5375, -8.2),
    (0.6708, -9.9), (0.5750, -10.5), (0.7618, -7.5), (1.5375, -15.9), (1.8978, -6.6), (2.2242, -16.7),
    (2.1718, -12.4), (2.4942, -15.2), (2.5119, -10.8), (3.0582, -11.3), (4.0810, -12.7), (4.4579, -16.2),
    (4.5695, -18.3), (4.7966, -18.9), (5.0066, -16.6), (5.3043, -19.9), (9.6586, -29.7),
)  # fmt: skip
_TDL_C = (
    (0.0000, -4.4), (0.2099, -1.2), (0.2219, -3.5), (0.2329, -5.2), (0.2176, -2.5), (0.6366, 0.0),
    (0.6448, -2.2), (0.6560, -3.9), (0.6584, -7.4), (0.7935, -7.1), (0.8213, -10.7), (0.9336, -11.1),
    (1.2285, -5.1), (1.3083, -6.8), (2.1704, -8.7), (2.7105, -13.2), (4.2589, -13.9), (4.6003, -13.9),
    (5.4902, -15.8), (5.6077, -17.1), (6.3065, -16.0), (6.6374, -15.7), (7.0427, -21.6), (8.6523, -22.8),
)  # fmt: skip
# the first path is the Rayleigh part of the first tap; the line of sight has -0.2 dB, K = 13.3 dB
_TDL_D = (
    (0.0000, -13.5), (0.0350, -18.8), (0.6120, -21.0), (1.3630, -22.8), (1.4050, -17.9), (1.8040, -20.1),
    (2.5960, -21.9), (1.7750, -22.9), (4.0420, -27.8), (7.9370, -23.6), (9.4240, -24.8), (9.7080, -30.0),
    (12.5250, -27.7),
)  # fmt: skip
_MODELS = {"A": (_TDL_A, None), "C": (_TDL_C, None), "D": (_TDL_D, -0.2)}


@dataclass(frozen=True, eq=False)
class Profile:
    """Paths of a model at a given delay spread."""

    delay_s: np.ndarray  # float64[P]
    power: np.ndarray  # float64[P], sum 1; the first entry includes the line of sight
    k_factor: float  # Rician factor of the first path, linear; 0: none

    @property
    def rms_delay_spread_s(self) -> float:
        """sqrt of the power-weighted variance of the delays, in s."""
        mean = float(self.power @ self.delay_s)
        return float(np.sqrt(self.power @ (self.delay_s - mean) ** 2))


def profile(name: str, delay_spread_s: float) -> Profile:
    """TDL model "A", "C" or "D" scaled to an RMS delay spread (TR 38.901 7.7.3), paths in the table's
    order.
    """
    if name not in _MODELS:
        raise ParameterError(f"TDL model {name!r}: must be one of {', '.join(_MODELS)}")
    if not delay_spread_s >= 0.0:
        raise ParameterError(f"delay_spread_s = {delay_spread_s}: must be >= 0")
    table, los_db = _MODELS[name]
    delay, power_db = np.array(table).T
    power = 10.0 ** (power_db / 10.0)
    k_factor = 0.0
    if los_db is not None:
        los = 10.0 ** (los_db / 10.0)
        k_factor = los / power[0]
        power[0] += los
    return Profile(delay * delay_spread_s, power / power.sum(), float(k_factor))


def path_gains(
    rng: Generator, shape: int | tuple[int, ...], model: Profile, los: ArrayLike = 1.0
) -> np.ndarray:
    """Complex gains of the paths, complex128[*shape, P], E|sum|^2 = 1.

    Args:
        los: unit-modulus response of the line of sight, broadcast against `shape` (antennas, phase).
    """
    dims = tuple(np.atleast_1d(shape))
    return mix_paths(complex_normal(rng, (*dims, model.power.size)), model, los)


def mix_paths(scatter: np.ndarray, model: Profile, los: ArrayLike = 1.0) -> np.ndarray:
    """As `path_gains` for given CN(0, 1) scatter[..., P], e.g. the state of a Gauss-Markov process."""
    out = scatter.copy()
    out[..., 0] = rician_mix(scatter[..., 0], model.k_factor, los)
    return out * np.sqrt(model.power)


def path_response(gains: np.ndarray, delay_s: np.ndarray, frequency_hz: np.ndarray) -> np.ndarray:
    """Frequency response sum of g_p exp(-2j pi f tau_p), complex128[..., F], with the exact delays."""
    return gains @ np.exp(-2j * np.pi * np.outer(delay_s, frequency_hz))


def sample_taps(gains: np.ndarray, delay_s: np.ndarray, sample_rate_hz: float) -> np.ndarray:
    """Paths moved to the nearest sample, complex128[..., L]: the impulse response for level `waveform`.

    Paths that fall on one sample add up; total mean power is kept.
    """
    at = np.rint(np.asarray(delay_s) * sample_rate_hz).astype(np.int64)
    out = np.zeros((*gains.shape[:-1], int(at.max()) + 1), np.complex128)
    for p, l in enumerate(at):
        out[..., l] += gains[..., p]
    return out
