"""Small-scale fading: every model has E|h|^2 = 1 per antenna pair, whatever its parameters.

Randomness comes from the `numpy.random.Generator` that is handed in. Shapes are free unless stated; the last
axis is the antenna axis where a line of sight is involved.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from phy.parameters import ParameterError


def complex_normal(rng: Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    """CN(0, 1), complex128: variance 1/2 per real dimension."""
    z = rng.standard_normal((*np.atleast_1d(shape), 2))
    return (z[..., 0] + 1j * z[..., 1]) * math.sqrt(0.5)


def awgn(rng: Generator, x: np.ndarray, n0: float) -> np.ndarray:
    """x plus CN(0, n0) noise: n0/2 per real dimension."""
    return x + math.sqrt(n0) * complex_normal(rng, np.shape(x))


def rayleigh(rng: Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    """Rayleigh fading, h ~ CN(0, 1), complex128."""
    return complex_normal(rng, shape)


def array_response(angle_rad: ArrayLike, num_ant: int, spacing: float = 0.5) -> np.ndarray:
    """Uniform linear array: a_m = exp(2j pi spacing m sin(angle)), |a_m| = 1.

    Args:
        angle_rad: angle from broadside, any shape.
        num_ant: number of antennas.
        spacing: element spacing in wavelengths; 0.5 gives exp(j pi m sin(angle)).

    Returns: complex128[..., num_ant].
    """
    phase = 2.0 * np.pi * spacing * np.sin(np.asarray(angle_rad, np.float64))
    return np.exp(1j * phase[..., None] * np.arange(num_ant))


def rician_mix(scatter: np.ndarray, k_factor: float, los: ArrayLike) -> np.ndarray:
    """sqrt(K/(K+1)) los + sqrt(1/(K+1)) scatter, for |los| = 1 and E|scatter|^2 = 1 per entry.

    Args:
        scatter: CN(0, 1) samples, e.g. the state of a Gauss-Markov process.
        k_factor: Rician factor, linear, >= 0 (inf: line of sight only).
        los: unit-modulus response, broadcast against scatter.
    """
    if not k_factor >= 0.0:
        raise ParameterError(f"k_factor = {k_factor}: must be >= 0 (linear, not dB)")
    share = 1.0 if math.isinf(k_factor) else k_factor / (1.0 + k_factor)
    return math.sqrt(share) * np.asarray(los) + math.sqrt(1.0 - share) * scatter


def rician(rng: Generator, shape: int | tuple[int, ...], k_factor: float, los: ArrayLike = 1.0) -> np.ndarray:
    """Rician fading of the given shape; `los` is the unit-modulus line-of-sight response (e.g.
    `array_response`).
    """
    return rician_mix(complex_normal(rng, shape), k_factor, los)


def gauss_markov_step(rng: Generator, scatter: np.ndarray, rho: float) -> np.ndarray:
    """One step of the stationary AR(1) process: rho h + sqrt(1 - rho^2) e with e ~ CN(0, 1).

    Args:
        scatter: the current state, CN(0, 1) in every entry.
        rho: correlation of successive states, in [-1, 1] (`jakes_correlation` for a Doppler frequency).
    """
    if not -1.0 <= rho <= 1.0:
        raise ParameterError(f"rho = {rho}: must be in [-1, 1]")
    return rho * scatter + math.sqrt(1.0 - rho * rho) * complex_normal(rng, scatter.shape)


def jakes_correlation(doppler_hz: float, interval_s: float) -> float:
    """Correlation of Clarke's model after `interval_s`: J0(2 pi f_d tau) (Clarke 1968; Jakes 1974)."""
    from scipy.special import j0  # 0.14 s that a start without Doppler need not wait

    return float(j0(2.0 * np.pi * doppler_hz * interval_s))


def jakes(
    rng: Generator,
    times_s: ArrayLike,
    doppler_hz: float,
    shape: int | tuple[int, ...] = (),
    num_paths: int = 32,
) -> np.ndarray:
    """Rayleigh fading with the autocorrelation J0(2 pi f_d tau): sum of sinusoids with random angles and
    phases.

    Every path has an arrival angle drawn uniformly within its sector of 2 pi / num_paths and a uniform phase,
    so mean power and autocorrelation over realisations are exact; the distribution of one sample is that of a
    sum of num_paths unit phasors (Zheng and Xiao, IEEE Trans. Commun. 51(6), 2003).

    Args:
        times_s: float[T], sample times in s.
        doppler_hz: maximum Doppler frequency.
        shape: independent processes.

    Returns: complex128[*shape, T].
    """
    dims = tuple(np.atleast_1d(shape).astype(int)) if shape != () else ()
    u = rng.random((*dims, num_paths, 2))
    angle = 2.0 * np.pi * (np.arange(num_paths) + u[..., 0]) / num_paths
    omega = 2.0 * np.pi * doppler_hz * np.cos(angle)
    t = np.asarray(times_s, np.float64)
    phase = omega[..., None] * t + 2.0 * np.pi * u[..., 1, None]
    return np.exp(1j * phase).sum(axis=-2) / math.sqrt(num_paths)


def exponential_profile(num_taps: int, decay_db: float) -> np.ndarray:
    """Powers of a sample-spaced delay profile that falls by `decay_db` per tap; float64[num_taps], sum 1."""
    if num_taps < 1:
        raise ParameterError(f"num_taps = {num_taps}: must be >= 1")
    p = np.power(10.0, -decay_db * np.arange(num_taps) / 10.0)
    return p / p.sum()


def tapped_delay_line(
    rng: Generator,
    shape: int | tuple[int, ...],
    powers: np.ndarray,
    k_factor: float = 0.0,
    los: ArrayLike = 1.0,
) -> np.ndarray:
    """Independent taps with the given powers; the first is Rician, the others Rayleigh.

    Args:
        shape: links and antennas, e.g. (B, num_rx_ant).
        powers: float[L], tap powers (sum 1 for the SNR contract).
        k_factor: Rician factor of the first tap, linear.
        los: unit-modulus response of the first tap, broadcast against `shape`.

    Returns: complex128[*shape, L].
    """
    dims = tuple(np.atleast_1d(shape))
    taps = complex_normal(rng, (*dims, len(powers)))
    taps[..., 0] = rician_mix(taps[..., 0], k_factor, los)
    return taps * np.sqrt(np.asarray(powers, np.float64))


def frequency_response(taps: np.ndarray, fft_size: int, bins: np.ndarray) -> np.ndarray:
    """h at FFT bins: sum over l of taps[..., l] exp(-2j pi bins l / fft_size).

    Args:
        taps: complex[..., L], one per sample.
        bins: int[F], FFT bins (negative ones count from the top), e.g. `Ofdm.bins(F)`.

    Returns: complex128[..., F].
    """
    l = np.arange(taps.shape[-1])
    steering = np.exp(-2j * np.pi * np.outer(l, np.asarray(bins)) / fft_size)
    return taps @ steering


def exponential_correlation(num_ant: int, rho: complex) -> np.ndarray:
    """Correlation matrix of a linear array, R[i, j] = rho^(j-i) for j >= i, Hermitian (Loyka 2001).

    Args:
        rho: correlation of neighbours, |rho| < 1.

    Returns: complex128[num_ant, num_ant], unit diagonal.
    """
    if not abs(rho) < 1.0:
        raise ParameterError(f"rho = {rho}: must have modulus < 1")
    distance = np.subtract.outer(np.arange(num_ant), np.arange(num_ant))
    upper = np.power(complex(rho), np.abs(distance))
    return np.where(distance <= 0, upper, np.conj(upper))


def correlate(scatter: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Give independent CN(0, 1) entries of the last axis the covariance E[h h^H] = correlation.

    Args:
        scatter: complex[..., M]; correlation: Hermitian, positive semidefinite, complex[M, M], unit diagonal.

    For both ends of a link (Kronecker model) apply it to either axis in turn.
    """
    value, vector = np.linalg.eigh(correlation)
    if value[0] < -1e-9 or not np.allclose(np.diag(correlation), 1.0):
        raise ParameterError("correlation: must be positive semidefinite with unit diagonal")
    root = vector * np.sqrt(np.maximum(value, 0.0))
    return scatter @ root.T
