"""Units: decibels, thermal noise, and the two ways to state a signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

BOLTZMANN = 1.380649e-23  # J/K, exact in the SI since 2019
THERMAL_NOISE_DBM_PER_HZ = -174.0  # k * 290 K rounded as in 3GPP TR 36.814 and most papers
SPEED_OF_LIGHT = 299_792_458.0  # m/s, exact


def db_to_linear(value_db: ArrayLike) -> np.ndarray:
    """10^(x/10), float64, any shape."""
    return np.power(10.0, np.asarray(value_db, np.float64) / 10.0)


def linear_to_db(value: ArrayLike) -> np.ndarray:
    """10 log10 x, float64, any shape; -inf for 0."""
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(np.asarray(value, np.float64))


def dbm_to_watt(value_dbm: ArrayLike) -> np.ndarray:
    """Power in W from dBm, any shape."""
    return db_to_linear(np.asarray(value_dbm, np.float64) - 30.0)


def watt_to_dbm(value_w: ArrayLike) -> np.ndarray:
    """Power in dBm from W, any shape."""
    return linear_to_db(value_w) + 30.0


def noise_density_w_per_hz(
    noise_figure_db: float = 0.0, density_dbm_per_hz: float = THERMAL_NOISE_DBM_PER_HZ
) -> float:
    """One-sided noise power density n0 in W/Hz = J: the mean noise energy of one complex symbol."""
    return float(dbm_to_watt(density_dbm_per_hz + noise_figure_db))


def es_to_eb_db(
    es_n0_db: ArrayLike, bits_per_symbol: float, code_rate: float = 1.0, overhead: float = 0.0
) -> np.ndarray:
    """Eb/N0 in dB from Es/N0 in dB.

    Args:
        es_n0_db: energy per data resource element after prefix removal, over n0, in dB.
        bits_per_symbol: coded bits per resource element.
        code_rate: information bits per coded bit.
        overhead: share of the transmitted energy that goes into prefix and pilots, in [0, 1); the information
            bits have to pay for it, so Eb grows by 1 / (1 - overhead).
    """
    bits = bits_per_symbol * code_rate * (1.0 - overhead)
    return np.asarray(es_n0_db, np.float64) - 10.0 * math.log10(bits)


def eb_to_es_db(
    eb_n0_db: ArrayLike, bits_per_symbol: float, code_rate: float = 1.0, overhead: float = 0.0
) -> np.ndarray:
    """Inverse of `es_to_eb_db`."""
    bits = bits_per_symbol * code_rate * (1.0 - overhead)
    return np.asarray(eb_n0_db, np.float64) + 10.0 * math.log10(bits)
