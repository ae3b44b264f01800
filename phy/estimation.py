"""Channel estimation from pilot symbols: least squares with interpolation, and linear MMSE.

Pilots are QPSK points of unit energy, sent with the energy of a data element on every `pilot_spacing`-th
subcarrier of the pilot symbols (`Ofdm.pilot_positions`). One estimate is made for each period of the pilot
pattern, from the pilot symbols of that period, and serves its data symbols.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phy.burst_kernels import mean_snr
from phy.bursts import Bursts, Received, Soft, check_bursts, snr_to_db
from phy.frame import Frame, decide, element_noise, equalised, frames
from phy.modulation import demap_soft
from phy.ofdm import Ofdm
from phy.parameters import Checked, Rule, at_least_one, one_of, parameter
from phy.philox import LANE_PILOT, LANE_PILOT_SYMBOLS, complex_normals, words

_POWERS = Rule(lambda p: len(p) > 0 and min(p) >= 0.0, "must be tap powers >= 0")


@dataclass(frozen=True)
class Estimator(Checked):
    """How a receiver learns the channel."""

    method: str = parameter(
        "ls", meaning="ls: least squares, linear interpolation; lmmse", rule=one_of("ls", "lmmse")
    )
    pilot_spacing: int = parameter(
        1,
        unit="subcarriers",
        meaning="a pilot on every so many subcarriers of a pilot symbol",
        rule=at_least_one,
    )
    tap_powers: tuple[float, ...] = parameter(
        (1.0,), meaning="delay profile per sample that lmmse assumes (mean power of each tap)", rule=_POWERS
    )


def interpolate(values: np.ndarray, positions: np.ndarray, num: int) -> np.ndarray:
    """Linear interpolation over the last axis, constant outside: complex[..., P] at positions to complex[...,
    num].
    """
    at = np.arange(num)
    right = np.clip(np.searchsorted(positions, at, side="right"), 1, max(len(positions) - 1, 1))
    if len(positions) == 1:
        return np.repeat(values, num, axis=-1)
    left = right - 1
    share = np.clip((at - positions[left]) / (positions[right] - positions[left]), 0.0, 1.0)
    return values[..., left] * (1.0 - share) + values[..., right] * share


def covariance(tap_powers: np.ndarray, fft_size: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """E[h(a) h(b)*] of subcarriers a, b for independent taps: sum of p_l exp(-2j pi l (a - b) / fft_size)."""
    p = np.asarray(tap_powers, np.float64)
    phase = np.exp(
        -2j * np.pi * (np.subtract.outer(a, b) % fft_size)[..., None] * np.arange(p.size) / fft_size
    )
    return phase @ p


def lmmse_filter(
    tap_powers: np.ndarray, fft_size: int, positions: np.ndarray, num: int, noise: float
) -> np.ndarray:
    """W = R_dp (R_pp + noise I)^-1, complex128[num, P]: from least squares at the pilots to all subcarriers.

    Args:
        noise: variance of the least-squares estimates, n0 / (es * pilot symbols).

    Source: Edfors et al., IEEE Trans. Commun. 46(7), 1998.
    """
    r_pp = covariance(tap_powers, fft_size, positions, positions)
    r_dp = covariance(tap_powers, fft_size, np.arange(num), positions)
    return np.linalg.solve(r_pp.T + noise * np.eye(len(positions)), r_dp.T).T


def lmmse_error(
    tap_powers: np.ndarray, fft_size: int, positions: np.ndarray, num: int, noise: float
) -> np.ndarray:
    """Mean squared error of the LMMSE estimate on each subcarrier, float64[num]: diag(R_dd - W R_pd)."""
    w = lmmse_filter(tap_powers, fft_size, positions, num, noise)
    r_dp = covariance(tap_powers, fft_size, np.arange(num), positions)
    return float(np.sum(tap_powers)) - np.einsum("dp,dp->d", w, np.conj(r_dp)).real


def estimate(
    estimator: Estimator, fft_size: int, y: np.ndarray, x: np.ndarray, es: float, n0: float
) -> np.ndarray:
    """Channel estimate from the P pilot symbols of a period, for one period or many (the leading axes).

    Args:
        y: complex[..., P, R, F], received; x: complex[..., P, F], sent, 0 where no pilot is.
        es, n0: energy per pilot, noise energy.

    Returns: complex128[..., R, F].
    """
    num = x.shape[-1]
    positions = np.arange(0, num, estimator.pilot_spacing)
    sent = x[..., None, positions]
    ls = (y[..., positions] * np.conj(sent)).mean(axis=-3) / np.sqrt(es)
    if estimator.method == "ls":
        return interpolate(ls, positions, num)
    noise = n0 / (es * x.shape[-2])
    w = lmmse_filter(np.asarray(estimator.tap_powers), fft_size, positions, num, noise)
    return ls @ w.T


def frame_of(ofdm: Ofdm, first: int, last: int) -> np.ndarray:
    """Period of the pilot pattern of data symbols first .. last - 1, int64[last - first]."""
    return np.arange(first, last) // (ofdm.symbols_per_frame - ofdm.pilot_symbols_per_frame)


def pilots(ofdm: Ofdm, estimator: Estimator, frame: Frame, numbers: np.ndarray) -> np.ndarray:
    """The pilot symbols of the periods numbers[0] .. numbers[-1], complex64[P total, F], unit energy."""
    per_frame = ofdm.pilot_symbols_per_frame
    num = (int(numbers[-1]) - int(numbers[0]) + 1) * per_frame
    width = frame.h.shape[1]
    blocks = -(-width // 4)
    raw = np.empty((num, 4 * blocks), np.uint32)
    first = int(numbers[0]) * per_frame * blocks
    key, slot = np.uint64(frame.key), np.int64(frame.slot)
    words(key, slot, LANE_PILOT_SYMBOLS, np.int64(first), np.int64(num * blocks), raw.reshape(-1))
    raw = raw[:, :width]
    out = (((1.0 - 2.0 * (raw & 1)) + 1j * (1.0 - (raw & 2))) * np.sqrt(0.5)).astype(np.complex64)
    out[:, np.arange(width) % estimator.pilot_spacing != 0] = 0.0
    return out


def pilot_noise(frame: Frame, first: int, num: int, ants: int) -> np.ndarray:
    """Noise CN(0, 2) of pilot symbols first .. first + num - 1 of the slot, complex64[num, R, F]."""
    size = ants * frame.h.shape[1]
    z = complex_normals(frame.key, frame.slot, int(LANE_PILOT), first * size, num * size)
    return z.reshape(num, ants, frame.h.shape[1])


def estimate_frames(
    estimator: Estimator,
    ofdm: Ofdm,
    frame: Frame,
    numbers: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    n0: float,
) -> np.ndarray:
    """The estimate for each data symbol, complex128[S, R, F], from all received pilot symbols y[P total, R,
    F].
    """
    periods = (-1, ofdm.pilot_symbols_per_frame)
    by_period = y.reshape(*periods, *y.shape[1:]), x.reshape(*periods, x.shape[1])
    each = estimate(estimator, ofdm.fft_size, *by_period, frame.es, n0)
    return each[numbers - numbers[0]]


def transmit_bit_estimated(bursts: Bursts, ofdm: Ofdm, estimator: Estimator) -> Received:
    """Level `bit` with a receiver that estimates the channel from pilots instead of knowing it.

    Frequency domain, every antenna formed explicitly; with the estimate equal to h it decides as
    `transmit_bit`.

    Args:
        bursts: as for `transmit_bit`; ofdm: pilot pattern, at least one pilot symbol in a period.

    Returns: Received; snr_db is that of the true channel.
    """
    check_bursts(bursts)
    check_pilots(ofdm)
    b = bursts
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.empty(b.size)
    mean_snr(b.h, b.num_subcarriers, b.es, float(b.n0), b.first_symbol, b.num_symbols(), snr)
    for frame, y, known in _received_frames(b, ofdm, estimator):
        decide(b, frame, y, known, received, errors)
    return Received(received, errors, snr_to_db(snr))


def demap_llr_estimated(bursts: Bursts, ofdm: Ofdm, estimator: Estimator, exact: bool = False) -> Soft:
    """LLRs of the receiver of `transmit_bit_estimated`; signs of max-log LLRs are its decisions.

    With an estimate g of h the symbol after combining with g suffers from the noise and from the part of the
    channel that the estimate misses. Both count as Gaussian noise: the effective n0 is
    n0 + es `error_variance` on each antenna. For "lmmse" with the true delay profile, Rayleigh fading and
    constant-modulus symbols that is exact, since the error is Gaussian and independent of the estimate.

    Args:
        exact: log-sum-exp LLRs instead of max-log.

    Returns: Soft; snr_db is that of the true channel.
    """
    check_bursts(bursts)
    check_pilots(ofdm)
    b = bursts
    start = np.concatenate([[0], np.cumsum(b.num_bits)]).astype(np.int64)
    llr = np.zeros(int(start[-1]), np.float32)
    snr = np.empty(b.size)
    mean_snr(b.h, b.num_subcarriers, b.es, float(b.n0), b.first_symbol, b.num_symbols(), snr)
    for frame, y, known in _received_frames(b, ofdm, estimator):
        width = frame.h.shape[1]
        missed = error_variance(estimator, ofdm, width, frame.es, b.n0)
        for i, z, power in equalised(b, frame, y, known):
            n0 = b.n0 + b.es[i] * missed[(int(b.first_symbol[i]) + np.arange(z.size)) % width]
            with np.errstate(divide="ignore", invalid="ignore"):
                noise_var = np.where(power > 0.0, n0 / (power * b.es[i]), np.inf)
            soft = demap_soft(z, noise_var, int(b.bits_per_symbol[i]), exact)
            llr[start[i] : start[i + 1]] = soft[: b.num_bits[i]]
    return Soft(llr, start, snr_to_db(snr))


def error_variance(
    estimator: Estimator, ofdm: Ofdm, num_subcarriers: int, es: float, n0: float
) -> np.ndarray:
    """Variance of h minus its estimate per antenna, float64[num_subcarriers], as the receiver expects it.

    lmmse: `lmmse_error` of the assumed delay profile. ls: the noise of the pilots through the interpolation;
    what a straight line between pilots misses of a frequency-selective channel is not in it, since a
    least-squares receiver knows no profile.
    """
    positions = np.arange(0, num_subcarriers, estimator.pilot_spacing)
    noise = n0 / (es * ofdm.pilot_symbols_per_frame) if es > 0.0 else np.inf
    if estimator.method == "lmmse":
        powers = np.asarray(estimator.tap_powers)
        return lmmse_error(powers, ofdm.fft_size, positions, num_subcarriers, noise)
    weights = interpolate(np.eye(positions.size), positions, num_subcarriers)
    return noise * (weights**2).sum(axis=0)


def _received_frames(
    b: Bursts, ofdm: Ofdm, estimator: Estimator
) -> Iterator[tuple[Frame, np.ndarray, np.ndarray]]:
    """(frame, y complex[S, R, F] at the antennas, what the receiver believes the channel to be)."""
    for frame in frames(b, b.num_subcarriers):
        numbers = frame_of(ofdm, frame.first, frame.last)
        sent = pilots(ofdm, estimator, frame, numbers)
        first_pilot = int(numbers[0]) * ofdm.pilot_symbols_per_frame
        noise = pilot_noise(frame, first_pilot, sent.shape[0], frame.h.shape[0])
        y_pilot = np.sqrt(frame.es) * sent[:, None] * frame.h + np.sqrt(b.n0 / 2.0) * noise
        known = estimate_frames(estimator, ofdm, frame, numbers, y_pilot, sent, b.n0)
        y = frame.grid[:, None] * frame.h
        y = y + element_noise(frame.h, b.n0, frame.key, frame.slot, frame.first, frame.last)
        yield frame, y, known


def check_pilots(ofdm: Ofdm) -> None:
    """ParameterError when there is nothing to estimate from."""
    if ofdm.pilot_symbols_per_frame < 1:
        raise ofdm.error("pilot_symbols_per_frame", "must be >= 1 for channel estimation")
