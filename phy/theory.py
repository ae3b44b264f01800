"""Closed forms to test against, each with its source. SNR arguments are linear Es/N0 per receive antenna."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chndtr, erfc, expn

from phy.modulation import check_order

_NORM = {1: 1.0, 2: 2.0, 4: 10.0, 6: 42.0, 8: 170.0}
_NODES = 256


def q_function(x: ArrayLike) -> np.ndarray:
    """Gaussian tail probability Q(x) = P(N(0, 1) > x)."""
    return 0.5 * erfc(np.asarray(x, np.float64) / math.sqrt(2.0))


@cache
def _rail_labels(bits: int) -> tuple[tuple[int, ...], ...]:
    """Gray labels of the PAM levels -(2^bits - 1), ..., 2^bits - 1 (step 2) by the folding rule of TS
    38.211.
    """
    out = []
    for level in range(-(1 << bits) + 1, 1 << bits, 2):
        label, a = [1 if level < 0 else 0], abs(level)
        for i in range(bits - 1, 0, -1):
            threshold = 1 << i
            label.append(1 if a > threshold else 0)
            a = abs(a - threshold)
        out.append(tuple(label))
    return tuple(out)


@cache
def _q_weights(bits: int, position: int) -> tuple[tuple[int, float], ...]:
    """The BER of rail bit `position` as sum of weight * Q(odd * d / sigma): pairs (odd, weight).

    d is half the level distance. For each level sent, the bit is wrong on a union of intervals between even
    thresholds; each boundary contributes one Q function.
    """
    labels = _rail_labels(bits)
    num = len(labels)
    total: dict[int, Fraction] = {}
    constant = Fraction(0)
    for i in range(num):
        level = 2 * i - num + 1
        for j in range(num - 1):  # threshold between regions j and j + 1
            wrong_left = labels[j][position] != labels[i][position]
            wrong_right = labels[j + 1][position] != labels[i][position]
            if wrong_left == wrong_right:
                continue
            sign = 1 if wrong_right else -1
            a = (2 * j - num + 2) - level
            if a > 0:
                total[a] = total.get(a, Fraction(0)) + Fraction(sign, num)
            else:  # Q(-a) = 1 - Q(a)
                constant += Fraction(sign, num)
                total[-a] = total.get(-a, Fraction(0)) - Fraction(sign, num)
        if labels[0][position] != labels[i][position]:
            constant += Fraction(1, num)
    if constant != 0:
        raise AssertionError(f"the Q expansion of bit {position} of {num}-PAM leaves a constant {constant}")
    return tuple((a, float(w)) for a, w in sorted(total.items()) if w != 0)


def _ber(m: int, average_q: Callable[[float], np.ndarray], per_bit: bool) -> np.ndarray:
    """Combine the mean Q(sqrt(c * snr)), a function of c, into the BER of m-bit Gray QAM."""
    check_order(m)
    if m == 1:
        p = average_q(2.0)
        return p[..., None] if per_bit else p
    rail = [
        sum(w * average_q(2.0 * a * a / _NORM[m]) for a, w in _q_weights(m // 2, i)) for i in range(m // 2)
    ]
    if per_bit:
        return np.stack([rail[i // 2] for i in range(m)], axis=-1)
    return np.asarray(sum(rail) / (m // 2))


def ber_awgn(bits_per_symbol: int, snr: ArrayLike, per_bit: bool = False) -> np.ndarray:
    """Exact BER of Gray QAM over AWGN at Es/N0 = snr (Cho and Yoon, IEEE Trans. Commun. 50(7), 2002).

    Returns: float[...] mean over the bits, or float[..., m] with `per_bit` (b0 first).
    """
    g = np.asarray(snr, np.float64)
    return _ber(bits_per_symbol, lambda c: q_function(np.sqrt(c * g)), per_bit)


def average_q(mgf: Callable[[np.ndarray], np.ndarray], c: float) -> np.ndarray:
    """E[Q(sqrt(c gamma))] = 1/pi int_0^(pi/2) MGF(c / (2 sin^2 t)) dt (Craig 1991; Simon and Alouini ch. 4).

    Args:
        mgf: s -> E[exp(-s gamma)] for s float[_NODES]; may add leading axes.

    The mid-point rule on a smooth periodic integrand converges exponentially.
    """
    t = (np.arange(_NODES) + 0.5) * (np.pi / 2.0 / _NODES)
    return 0.5 * mgf(c / (2.0 * np.sin(t) ** 2)).mean(axis=-1)


def ber_from_mgf(
    bits_per_symbol: int, mgf: Callable[[np.ndarray], np.ndarray], per_bit: bool = False
) -> np.ndarray:
    """BER of Gray QAM averaged over a fading SNR with moment generating function `mgf` (see `average_q`)."""
    return _ber(bits_per_symbol, lambda c: average_q(mgf, c), per_bit)


def rician_mgf(snr: ArrayLike, k_factor: float, branches: int) -> Callable[[np.ndarray], np.ndarray]:
    """MGF of the SNR after MRC (or MRT) of independent Rician branches with mean SNR `snr` each.

    ((1+K)/(1+K+s g))^L exp(-L K s g/(1+K+s g)) (Simon and Alouini, table 9.1); K = 0 is Rayleigh.
    """
    g = np.asarray(snr, np.float64)[..., None]

    def mgf(s: np.ndarray) -> np.ndarray:
        d = 1.0 + k_factor + s * g
        return ((1.0 + k_factor) / d) ** branches * np.exp(-branches * k_factor * s * g / d)

    return mgf


def ber_rician(
    bits_per_symbol: int, snr: ArrayLike, k_factor: float, branches: int = 1, per_bit: bool = False
) -> np.ndarray:
    """Exact BER of Gray QAM over Rician fading with MRC or MRT of `branches` antennas (any line of sight).

    Args:
        snr: mean Es/N0 per branch, linear. k_factor: linear, 0 for Rayleigh.
    """
    return ber_from_mgf(bits_per_symbol, rician_mgf(snr, k_factor, branches), per_bit)


def ber_rayleigh(
    bits_per_symbol: int, snr: ArrayLike, branches: int = 1, per_bit: bool = False
) -> np.ndarray:
    """`ber_rician` with K = 0."""
    return ber_rician(bits_per_symbol, snr, 0.0, branches, per_bit)


def outdated_mrt_mgf(snr: ArrayLike, rho: float, num_ant: int) -> Callable[[np.ndarray], np.ndarray]:
    """MGF of the SNR when MRT uses a Rayleigh channel of correlation rho with the present one.

    h = rho h_old + sqrt(1 - rho^2) w gives the gain rho |h_old| + sqrt(1 - rho^2) w', a Rician power given
    |h_old|^2 ~ Gamma(M, 1); averaging its MGF yields (1 + (1 - rho^2) s g)^(M-1) / (1 + s g)^M.
    The mean gain is 1 + (M - 1) rho^2.
    """
    g = np.asarray(snr, np.float64)[..., None]
    return lambda s: (1.0 + (1.0 - rho * rho) * s * g) ** (num_ant - 1) / (1.0 + s * g) ** num_ant


def ber_outdated_mrt(bits_per_symbol: int, snr: ArrayLike, rho: float, num_ant: int) -> np.ndarray:
    """BER of Gray QAM with MRT on outdated Rayleigh CSI (see `outdated_mrt_mgf`); snr per antenna, linear."""
    return ber_from_mgf(bits_per_symbol, outdated_mrt_mgf(snr, rho, num_ant))


def gain_cdf(x: ArrayLike, k_factor: float, branches: int = 1) -> np.ndarray:
    """P(sum over branches of |h|^2 <= x) for Rician branches with E|h|^2 = 1: a scaled noncentral
    chi-square.
    """
    x = np.asarray(x, np.float64)
    return chndtr(2.0 * (1.0 + k_factor) * x, 2.0 * branches, 2.0 * k_factor * branches)


def capacity_awgn(snr: ArrayLike) -> np.ndarray:
    """Shannon capacity log2(1 + snr) in bit/s/Hz."""
    return np.log2(1.0 + np.asarray(snr, np.float64))


def capacity_rayleigh(snr: ArrayLike, branches: int = 1) -> np.ndarray:
    """Ergodic capacity of L-branch MRC over Rayleigh fading, channel known to the receiver, in bit/s/Hz.

    log2(e) exp(1/g) sum_{k=1..L} E_k(1/g) (Alouini and Goldsmith, IEEE Trans. Veh. Technol. 48(4), 1999).
    """
    x = 1.0 / np.asarray(snr, np.float64)
    return np.exp(x) * sum(expn(k, x) for k in range(1, branches + 1)) / math.log(2.0)


def capacity_from_mgf(mgf: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Ergodic capacity 1/ln 2 int_0^inf (1 - MGF(s)) exp(-s)/s ds in bit/s/Hz (Hamdi, IEEE Trans. Commun.
    2010).

    The substitution s = exp(x) and the trapezoidal rule resolve mean SNRs from -60 to 100 dB.
    """
    x = np.linspace(-35.0, 4.5, 1600)
    s = np.exp(x)
    return ((1.0 - mgf(s)) * np.exp(-s)).sum(axis=-1) * (x[1] - x[0]) / math.log(2.0)


def capacity_rician(snr: ArrayLike, k_factor: float, branches: int = 1) -> np.ndarray:
    """Ergodic capacity of L-branch MRC or MRT over Rician fading in bit/s/Hz (see `capacity_from_mgf`)."""
    return capacity_from_mgf(rician_mgf(snr, k_factor, branches))


def binomial_z(errors: int, trials: int, probability: float) -> float:
    """Normal score of an error count against its binomial law."""
    return (errors - trials * probability) / math.sqrt(trials * probability * (1.0 - probability))


def ber_qpsk_estimated(snr: ArrayLike, error_var: ArrayLike) -> np.ndarray:
    """BER of QPSK over Rayleigh fading when the receiver decides with h + e, e ~ CN(0, error_var)
    independent.

    Estimate and received symbol are jointly Gaussian with correlation r = 1 / sqrt((1 + 1/snr)(1 +
    error_var)); BER = 1/2 (1 - r / sqrt(2 - r^2)) (Proakis, Digital Communications, appendix B, one branch).
    """
    r2 = 1.0 / ((1.0 + 1.0 / np.asarray(snr, np.float64)) * (1.0 + np.asarray(error_var, np.float64)))
    return 0.5 * (1.0 - np.sqrt(r2 / (2.0 - r2)))


def correlated_mgf(snr: ArrayLike, correlation: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """MGF of the SNR after MRC of correlated Rayleigh branches: product of 1 / (1 + s snr lambda_i).

    lambda_i are the eigenvalues of the branches' correlation matrix (Simon and Alouini, ch. 9.7).
    """
    g = np.asarray(snr, np.float64)[..., None]
    eigenvalues = np.linalg.eigvalsh(correlation)

    def mgf(s: np.ndarray) -> np.ndarray:
        out = np.ones_like(s * g)
        for value in eigenvalues:
            out = out / (1.0 + s * g * value)
        return out

    return mgf
