"""Large-scale gain: path loss in dB, log-normal shadowing. The gain enters the received energy once, as
`es`.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from phy.parameters import ParameterError


def _distance(distance_m: ArrayLike) -> np.ndarray:
    d = np.asarray(distance_m, np.float64)
    if not np.all(d > 0.0):
        raise ParameterError(f"distance_m = {d.min()}: must be > 0")
    return d


def macro_db(distance_m: ArrayLike) -> np.ndarray:
    """128.1 + 37.6 log10(d / km): macro cell at 2 GHz, 3GPP TR 36.942 4.5.2 / TR 36.814 A.2.1.1 (model 1)."""
    return 128.1 + 37.6 * np.log10(_distance(distance_m) / 1000.0)


def macro_900_db(distance_m: ArrayLike) -> np.ndarray:
    """120.9 + 37.6 log10(d / km): macro cell at 900 MHz, 3GPP TR 36.942 4.5.2."""
    return 120.9 + 37.6 * np.log10(_distance(distance_m) / 1000.0)


def log_distance_db(distance_m: ArrayLike, exponent: float, reference_db: float = 30.0) -> np.ndarray:
    """reference_db + 10 exponent log10(d / m): log-distance law with the loss at one metre."""
    return reference_db + 10.0 * exponent * np.log10(_distance(distance_m))


def shadowing_db(rng: Generator, std_db: float, shape: int | tuple[int, ...]) -> np.ndarray:
    """Log-normal shadowing: N(0, std_db^2) in dB, to be added to the path loss."""
    if not std_db >= 0.0:
        raise ParameterError(f"std_db = {std_db}: must be >= 0")
    return std_db * rng.standard_normal(shape)


def correlated_shadowing_db(
    rng: Generator, previous_db: ArrayLike, std_db: float, moved_m: ArrayLike, decorrelation_m: float
) -> np.ndarray:
    """Shadowing after a move: exponential correlation exp(-d / decorrelation_m) (Gudmundson 1991)."""
    previous = np.asarray(previous_db, np.float64)
    r = np.exp(-np.asarray(moved_m, np.float64) / decorrelation_m)
    return r * previous + np.sqrt(1.0 - r * r) * shadowing_db(rng, std_db, previous.shape)
