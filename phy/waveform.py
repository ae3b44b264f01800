"""The link at level `waveform`: the same bursts as samples, every antenna formed explicitly.

IFFT, cyclic prefix, tapped delay line, noise on every sample, FFT, maximum-ratio combining, one-tap
equaliser, slicer. The noise of a resource element is the noise of level `bit` (same keys): with u = h/|h|
over the antennas, the noise vector is u n + (I - u u^H) w, where n is the collapsed sample of `phy.link` and
w is drawn per antenna, so it is white with n0 per antenna and the combiner output u^H y carries exactly n. It
is brought to the time domain by a unitary IFFT; the noise on the prefix samples is drawn separately. With a
channel no longer than the prefix the decisions therefore equal those of level `bit` up to rounding.

Bursts that share key and slot are packets of one user in one slot: they share one frame of OFDM symbols, so a
channel longer than the prefix lets one packet disturb the next.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from phy.bursts import Bursts, Received, burst_bits, check_bursts, snr_to_db
from phy.channel import frequency_response
from phy.modulation import demap_hard, map_bits
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.philox import LANE_ANTENNA, LANE_GUARD, LANE_PREFIX, LANE_RE_NOISE, complex_normals


def transmit_waveform(
    bursts: Bursts,
    ofdm: Ofdm,
    taps: np.ndarray,
    num_subcarriers: np.ndarray | None = None,
    first_subcarrier: np.ndarray | None = None,
) -> Received:
    """Hard decisions of level `waveform` with perfect channel knowledge (`bursts.h`).

    Args:
        bursts: as for `transmit_bit`; h must be the `response` of the taps (F = 1 with one tap: flat).
        ofdm: numerology; fft_size must hold the widest burst.
        taps: complex[B, num_rx_ant, L], impulse response per sample, L <= fft_size.
        num_subcarriers: int64[B], width of each burst; default `bursts.num_subcarriers`.
        first_subcarrier: int64[B], lowest subcarrier of each burst, counted from the lower edge of the
            carrier (FFT bin -fft_size/2); default centres each burst.

    Returns: as `transmit_bit`.
    """
    check_bursts(bursts)
    b = bursts
    if taps.ndim != 3 or taps.shape[:2] != b.h.shape[:2] or not 1 <= taps.shape[2] <= ofdm.fft_size:
        raise ParameterError(
            f"taps of shape {taps.shape}: must be ({b.h.shape[0]}, {b.h.shape[1]}, L), 1 <= L <= fft_size"
        )
    widths = b.num_subcarriers if num_subcarriers is None else num_subcarriers
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.full(b.size, np.inf)
    frames: dict[tuple[int, int], list[int]] = {}
    for i in range(b.size):
        if b.num_bits[i]:
            frames.setdefault((int(b.key[i]), int(b.slot[i])), []).append(i)
    for members in frames.values():
        lead = members[0]
        for i in members[1:]:
            if widths[i] != widths[lead] or not np.array_equal(b.h[i], b.h[lead]):
                raise ParameterError(f"Bursts.h[{i}]: bursts of one key and slot must share their channel")
        used = _bins(
            ofdm, int(widths[lead]), None if first_subcarrier is None else int(first_subcarrier[lead])
        )
        h = b.h[lead, :, : used.size]
        if h.shape[1] != used.size:
            if h.shape[1] != 1 or taps.shape[2] != 1:
                raise ParameterError(f"Bursts.h[{lead}] has {h.shape[1]} subcarriers: must have {used.size}")
            h = np.repeat(h, used.size, axis=1)
        _transmit_frame(b, members, ofdm, taps[lead], h, used, received, errors, snr)
    return Received(received, errors, snr_to_db(snr))


def _bins(ofdm: Ofdm, width: int, first: int | None) -> np.ndarray:
    return ofdm.bins(width, None if first is None else first - ofdm.fft_size // 2)


def response(
    ofdm: Ofdm,
    taps: np.ndarray,
    num_subcarriers: np.ndarray | int,
    first_subcarrier: np.ndarray | None = None,
) -> np.ndarray:
    """`Bursts.h` for given taps.

    Args:
        taps: complex[B, R, L].
        num_subcarriers: int64[B] or one width for all; first_subcarrier: as in `transmit_waveform`.

    Returns: complex64[B, R, F] with F the largest width; 0 past a link's own width.
    """
    widths = np.broadcast_to(num_subcarriers, taps.shape[:1])
    out = np.zeros((*taps.shape[:2], int(widths.max(initial=1))), np.complex64)
    for i, width in enumerate(widths):
        if width > 0:
            first = None if first_subcarrier is None else int(first_subcarrier[i])
            out[i, :, :width] = frequency_response(taps[i], ofdm.fft_size, _bins(ofdm, int(width), first))
    return out


def _transmit_frame(
    b: Bursts,
    members: list[int],
    ofdm: Ofdm,
    taps: np.ndarray,
    h: np.ndarray,
    bins: np.ndarray,
    received: np.ndarray,
    errors: np.ndarray,
    snr: np.ndarray,
) -> None:
    """All bursts of one user in one slot; writes their entries of the three outputs."""
    lead = members[0]
    num = b.num_symbols()
    width = bins.size
    first = min(int(b.first_symbol[i]) // width for i in members)
    last = max(-(-int(b.first_symbol[i] + num[i]) // width) for i in members)
    grid = np.zeros((last - first) * width, np.complex64)
    sent: dict[int, np.ndarray] = {}
    for i in members:
        m = int(b.bits_per_symbol[i])
        sent[i] = burst_bits(b, i, pad=True)
        at = int(b.first_symbol[i]) - first * width
        grid[at : at + int(num[i])] = np.sqrt(b.es[i]) * map_bits(sent[i], m)
    key, slot = int(b.key[lead]), int(b.slot[lead])
    noise = _frame_noise(ofdm, h, bins, b.n0, key, slot, first, last)
    y = _through_samples(ofdm, grid.reshape(-1, width), taps, bins, noise)
    gain = np.sqrt((np.abs(h) ** 2).sum(axis=0))
    combined = np.einsum("rf,srf->sf", np.conj(h), y).reshape(-1)
    power = np.tile(gain**2, last - first)
    for i in members:
        at = int(b.first_symbol[i]) - first * width
        part = slice(at, at + int(num[i]))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.nan_to_num(combined[part] / (power[part] * np.sqrt(b.es[i])))
        decided = demap_hard(z, int(b.bits_per_symbol[i]))
        n, o = int(b.num_bits[i]), int(b.offset[i])
        whole = np.unpackbits(received[o : o + (n + 7) // 8])
        errors[i] = np.count_nonzero(whole[:n] != decided[:n])
        whole[:n] = decided[:n]
        received[o : o + (n + 7) // 8] = np.packbits(whole)
        snr[i] = b.es[i] * power[part].mean() / b.n0 if b.n0 > 0.0 else np.inf


def _frame_noise(
    ofdm: Ofdm, h: np.ndarray, bins: np.ndarray, n0: float, key: int, slot: int, first: int, last: int
) -> np.ndarray:
    """Noise samples of OFDM symbols first .. last - 1 on every antenna, prefix included.

    Returns: complex64[last - first, R, cp_len + fft_size], white, n0 per sample.
    """
    num, width, ants = last - first, bins.size, h.shape[0]
    scale = np.float32(np.sqrt(n0 / 2.0))
    collapsed = complex_normals(key, slot, int(LANE_RE_NOISE), first * width, num * width).reshape(
        num, 1, width
    )
    norm = np.sqrt((np.abs(h) ** 2).sum(axis=0))
    u = np.where(norm > 0.0, h / np.where(norm > 0.0, norm, 1.0), (np.arange(ants) == 0)[:, None])
    w = np.stack(
        [complex_normals(key, slot, int(LANE_ANTENNA) + r, first * width, num * width) for r in range(ants)]
    )
    w = w.reshape(ants, num, width).transpose(1, 0, 2)
    w = w - u * np.einsum("rf,srf->sf", np.conj(u), w)[:, None, :]
    spectrum = np.empty((num, ants, ofdm.fft_size), np.complex64)
    size = ants * ofdm.fft_size
    spectrum[:] = complex_normals(key, slot, int(LANE_GUARD), first * size, num * size).reshape(
        spectrum.shape
    )
    spectrum[:, :, bins] = u * collapsed + w
    out = np.empty((num, ants, ofdm.cp_len + ofdm.fft_size), np.complex64)
    out[:, :, ofdm.cp_len :] = scipy.fft.ifft(spectrum, axis=-1, norm="ortho")
    size = ants * ofdm.cp_len
    prefix = complex_normals(key, slot, int(LANE_PREFIX), first * size, num * size)
    out[:, :, : ofdm.cp_len] = prefix.reshape(num, ants, ofdm.cp_len)
    return out * scale


def _through_samples(
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
    useful = scipy.fft.ifft(spectrum, axis=-1, norm="ortho")
    samples = np.concatenate([useful[:, ofdm.fft_size - ofdm.cp_len :], useful], axis=1)
    stream = samples.reshape(-1)
    period = ofdm.cp_len + ofdm.fft_size
    y = np.ascontiguousarray(noise.transpose(1, 0, 2)).reshape(taps.shape[0], -1)
    for l in range(taps.shape[1]):
        y[:, l:] += taps[:, l, None].astype(np.complex64) * stream[None, : stream.size - l]
    y = y.reshape(taps.shape[0], num, period)[:, :, ofdm.cp_len :]
    return scipy.fft.fft(y, axis=-1, norm="ortho")[:, :, bins].transpose(1, 0, 2)
