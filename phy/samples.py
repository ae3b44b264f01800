"""OFDM samples in NumPy, noise on every one of them: for what looks at samples.

Channel estimation, the checks of energies and peaks, and several cells use it; with known channel level
`waveform` decides the same in `phy.waveform_kernels`, which forms no noise that cannot reach a decision.
"""

from __future__ import annotations

import numpy as np

from phy.frame import element_noise
from phy.ofdm import Ofdm
from phy.philox import LANE_GUARD, LANE_PREFIX, complex_normals


def frame_noise(
    ofdm: Ofdm, h: np.ndarray, bins: np.ndarray, n0: float, key: int, slot: int, first: int, last: int
) -> np.ndarray:
    """Noise samples of data symbols first .. last - 1 on every antenna, prefix included.

    On the subcarriers with data it is the noise of level `bit` (`phy.frame.element_noise`), brought to the
    time domain by the unitary inverse transform; other subcarriers and the prefix have draws of their own.

    Args:
        h: complex[R, F], the channel, which tells what part of the noise the combiner sees.
        bins: int64[F], FFT bins with data; n0: noise energy per sample; key, slot: of the frame's noise.

    Returns: complex64[last - first, R, cp_len + fft_size], white, n0 per sample.
    """
    spectrum = guard_noise(ofdm, LANE_GUARD, key, slot, h.shape[0], first, last - first)
    spectrum[:, :, bins] = element_noise(h, 2.0, key, slot, first, last)
    return noise_samples(ofdm, spectrum, LANE_PREFIX, n0, key, slot, first)


def guard_noise(
    ofdm: Ofdm, lane: np.uint64, key: int, slot: int, ants: int, first: int, num: int
) -> np.ndarray:
    """Noise for all bins of `num` symbols from `first` on, complex64[num, ants, fft_size], CN(0, 2)."""
    size = ants * ofdm.fft_size
    z = complex_normals(key, slot, int(lane), first * size, num * size)
    return z.reshape(num, ants, ofdm.fft_size)


def noise_samples(
    ofdm: Ofdm, spectrum: np.ndarray, lane: np.uint64, n0: float, key: int, slot: int, first: int
) -> np.ndarray:
    """Noise spectrum CN(0, 2) to samples of energy n0, with a prefix drawn from `lane`."""
    num, ants, _ = spectrum.shape
    out = np.empty((num, ants, ofdm.cp_len + ofdm.fft_size), np.complex64)
    out[:, :, ofdm.cp_len :] = np.fft.ifft(spectrum, axis=-1, norm="ortho")
    size = ants * ofdm.cp_len
    prefix = complex_normals(key, slot, int(lane), first * size, num * size)
    out[:, :, : ofdm.cp_len] = prefix.reshape(num, ants, ofdm.cp_len)
    return out * np.float32(np.sqrt(n0 / 2.0))


def through_samples(
    ofdm: Ofdm, grid: np.ndarray, taps: np.ndarray, bins: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """Grid of symbols through OFDM modulator, delay line, noise and OFDM demodulator.

    Args:
        grid: complex64[S, F]; taps: complex[R, L]; noise: complex64[S, R, cp_len + fft_size].

    Returns: complex64[S, R, F], what each antenna sees on each data subcarrier.
    """
    num = grid.shape[0]
    spectrum = np.zeros((num, ofdm.fft_size), np.complex64)
    spectrum[:, bins] = grid
    useful = np.fft.ifft(spectrum, axis=-1, norm="ortho")
    samples = np.concatenate([useful[:, ofdm.fft_size - ofdm.cp_len :], useful], axis=1)
    stream = samples.reshape(-1)
    period = ofdm.cp_len + ofdm.fft_size
    y = np.ascontiguousarray(noise.transpose(1, 0, 2)).reshape(taps.shape[0], -1)
    for l in range(taps.shape[1]):
        y[:, l:] += taps[:, l, None].astype(np.complex64) * stream[None, : stream.size - l]
    y = y.reshape(taps.shape[0], num, period)[:, :, ofdm.cp_len :]
    return np.fft.fft(y, axis=-1, norm="ortho")[:, :, bins].transpose(1, 0, 2)
