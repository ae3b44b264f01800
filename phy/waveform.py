"""The link at level `waveform`: the same bursts as samples, every antenna formed explicitly.

IFFT, cyclic prefix, tapped delay line, noise on every sample, FFT, maximum-ratio combining, one-tap
equaliser, slicer. The noise of a resource element is the noise of level `bit` (same keys, see
`phy.frame.element_noise`), brought to the time domain by a unitary IFFT; the noise on the prefix samples is
drawn separately. With a channel no longer than the prefix and perfect channel knowledge the decisions
therefore equal those of level `bit` up to rounding; a longer one lets a symbol, and a packet, disturb the
next.

With an `Estimator` the pilot symbols are sent as well, at their places in the frame, and the receiver
combines with what it estimates from them; `phy.estimation.transmit_bit_estimated` is the same without
samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phy.burst_kernels import mean_snr
from phy.bursts import Bursts, Received, check_bursts, snr_to_db
from phy.channel import frequency_response
from phy.estimation import Estimator, check_pilots, estimate_frames, frame_of, pilot_noise, pilots
from phy.fft_kernels import twiddles
from phy.frame import Frame, decide, element_noise, frames
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.philox import LANE_GUARD, LANE_PILOT_GUARD, LANE_PILOT_PREFIX, LANE_PREFIX, complex_normals
from phy.waveform_kernels import decide_levels, fill_levels, through_samples


def transmit_waveform(
    bursts: Bursts,
    ofdm: Ofdm,
    taps: np.ndarray,
    num_subcarriers: np.ndarray | None = None,
    first_subcarrier: np.ndarray | None = None,
    estimator: Estimator | None = None,
    subchannels: Sequence[np.ndarray] | None = None,
) -> Received:
    """Hard decisions of level `waveform`.

    Args:
        bursts: as for `transmit_bit`; h must be the `response` of the taps (F = 1 with one tap: flat).
        ofdm: numerology; fft_size must hold the widest burst.
        taps: complex[B, num_rx_ant, L], impulse response per sample, L <= fft_size.
        num_subcarriers: int64[B], width of each burst; default `bursts.num_subcarriers`.
        first_subcarrier: int64[B], lowest subcarrier of each burst, counted from the lower edge of the
            carrier (FFT bin -fft_size/2); default centres each burst.
        estimator: how the receiver learns the channel from the pilots; None: it knows `bursts.h`.
        subchannels: FFT bins of each burst, any set of its width (`phy.grid`), instead of first_subcarrier; h
            must be the response there.

    Returns: as `transmit_bit` (snr_db is that of the true channel).
    """
    check_bursts(bursts)
    b = bursts
    if taps.ndim != 3 or taps.shape[:2] != b.h.shape[:2] or not 1 <= taps.shape[2] <= ofdm.fft_size:
        raise ParameterError(
            f"taps of shape {taps.shape}: must be ({b.h.shape[0]}, {b.h.shape[1]}, L), 1 <= L <= fft_size"
        )
    if estimator is not None:
        check_pilots(ofdm)
    widths = b.num_subcarriers if num_subcarriers is None else num_subcarriers
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    num = b.num_symbols()
    frame_of_burst, lead = _frames_of(b, widths, first_subcarrier)
    for width, first, members in _same_place(b, widths, first_subcarrier, subchannels):
        bins = _bins(ofdm, width, first) if subchannels is None else subchannels[int(members[0])]
        if bins.shape != (width,):
            raise ParameterError(f"subchannels[{members[0]}] has {bins.size} bins: must have {width}")
        if b.h.shape[2] < width and (b.h.shape[2] > 1 or taps.shape[2] > 1):
            raise ParameterError(
                f"Bursts.h has {b.h.shape[2]} subcarrier: must have {width} with several taps"
            )
        if estimator is None:
            place = _Place(ofdm, taps, bins, members, frame_of_burst[members], lead)
            _transmit_known(b, place, num, received, errors)
        else:
            for frame in frames(b, widths, members):
                y, known = _with_pilots(b.n0, frame, ofdm, taps[frame.members[0]], bins, estimator)
                decide(b, frame, y, known, received, errors)
    snr = np.empty(b.size)
    # a flat channel is one subcarrier wide whatever the width of the burst
    in_h = np.minimum(widths, b.h.shape[2])
    mean_snr(b.h, in_h, b.es, float(b.n0), b.first_symbol, num, snr)
    return Received(received, errors, snr_to_db(snr))


def _frames_of(
    b: Bursts, widths: np.ndarray, first_subcarrier: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Frame of each burst, int64[B], and first burst of each frame; one frame for each (key, slot)."""
    order = np.lexsort((b.slot, b.key))
    new = np.ones(b.size, bool)
    new[1:] = (np.diff(b.key[order]) != 0) | (np.diff(b.slot[order]) != 0)
    frame = np.empty(b.size, np.int64)
    frame[order] = np.cumsum(new) - 1
    lead = order[new]
    rest = np.flatnonzero((lead[frame] != np.arange(b.size)) & (b.num_bits > 0))
    for i in rest:
        of = lead[frame[i]]
        moved = first_subcarrier is not None and first_subcarrier[i] != first_subcarrier[of]
        if widths[i] != widths[of] or moved or not np.array_equal(b.h[i], b.h[of]):
            raise ParameterError(f"Bursts.h[{i}]: bursts of one key and slot must share their channel")
    return frame, lead


def _same_place(
    b: Bursts,
    widths: np.ndarray,
    first_subcarrier: np.ndarray | None,
    subchannels: Sequence[np.ndarray] | None,
) -> list[tuple[int, int | None, np.ndarray]]:
    """Bursts with something to send, by the subcarriers they use: (width, first subcarrier, indices)."""
    groups: dict[tuple, list[int]] = {}
    for i in np.flatnonzero(b.num_bits > 0).tolist():
        where = None if first_subcarrier is None else int(first_subcarrier[i])
        which = None if subchannels is None else subchannels[i].tobytes()
        groups.setdefault((int(widths[i]), where, which), []).append(i)
    return [(width, where, np.array(members)) for (width, where, _), members in groups.items()]


@dataclass(frozen=True, eq=False)
class _Place:
    """Bursts on the same subcarriers, and the frames they belong to."""

    ofdm: Ofdm
    taps: np.ndarray
    bins: np.ndarray
    members: np.ndarray  # int64[K], bursts
    frame: np.ndarray  # int64[K], frame number of each in the whole call
    lead: np.ndarray  # first burst of each frame of the whole call


def _transmit_known(
    b: Bursts, place: _Place, num: np.ndarray, received: np.ndarray, errors: np.ndarray
) -> None:
    """Level `waveform` with known channel for the bursts of one place, in the kernels."""
    ofdm, members, width = place.ofdm, place.members, place.bins.size
    numbers, frame = np.unique(place.frame, return_inverse=True)
    lead = place.lead[numbers]
    begin = b.first_symbol[members] // width
    end = -(-(b.first_symbol[members] + num[members]) // width)
    first = np.full(numbers.size, np.iinfo(np.int64).max)
    last = np.zeros(numbers.size, np.int64)
    np.minimum.at(first, frame, begin)
    np.maximum.at(last, frame, end)
    count = last - first
    row = np.concatenate([[0], np.cumsum(count)])
    owner = np.repeat(np.arange(numbers.size), count)
    number = np.arange(row[-1]) - row[owner] + first[owner]
    position = (row[frame] - first[frame]) * width + b.first_symbol[members]
    grid = np.zeros((2, row[-1], width), np.float32)
    flat = grid.reshape(2, -1)
    index = (b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.es, position, members)
    fill_levels(*index, flat[0], flat[1])
    h = np.broadcast_to(b.h[lead, :, :width], (lead.size, b.h.shape[1], width))
    n = ofdm.fft_size
    lanes = min(max(16, min(64, 4096 // n)), -(-int(row[-1]) // 8) * 8)
    through_samples(
        grid[0], grid[1], owner, number, number == first[owner], b.key[lead], b.slot[lead],
        np.ascontiguousarray(h.real), np.ascontiguousarray(h.imag),
        np.ascontiguousarray(place.taps[lead], np.complex64), place.bins % n, n, ofdm.cp_len, float(b.n0),
        twiddles(n), lanes,
    )  # fmt: skip
    decide_levels(*index, flat[0], flat[1], received, errors)


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


def _with_pilots(
    n0: float, frame: Frame, ofdm: Ofdm, taps: np.ndarray, bins: np.ndarray, estimator: Estimator
) -> tuple[np.ndarray, np.ndarray]:
    """Data and pilot symbols in their order in time; what the data symbols see and the estimate for each of
    them.

    Returns: complex64[S, R, F] twice.
    """
    numbers = frame_of(ofdm, frame.first, frame.last)
    sent = pilots(ofdm, estimator, frame, numbers)
    noise = _frame_noise(ofdm, frame.h, bins, n0, frame.key, frame.slot, frame.first, frame.last)
    ants = taps.shape[0]
    order: list[int] = []  # rows of (data, then pilots) in time
    per_frame = ofdm.symbols_per_frame - ofdm.pilot_symbols_per_frame
    row = frame.grid.shape[0]
    for number in range(int(numbers[0]), int(numbers[-1]) + 1):
        data = number * per_frame
        for position in range(ofdm.symbols_per_frame):
            if ofdm.is_pilot(position):
                order.append(row)
                row += 1
            else:
                if frame.first <= data < frame.last:
                    order.append(data - frame.first)
                data += 1
    first_pilot = int(numbers[0]) * ofdm.pilot_symbols_per_frame
    spectrum = _guard(ofdm, LANE_PILOT_GUARD, frame.key, frame.slot, ants, first_pilot, sent.shape[0])
    spectrum[:, :, bins] = pilot_noise(frame, first_pilot, sent.shape[0], ants)
    more = _samples(ofdm, spectrum, LANE_PILOT_PREFIX, n0, frame.key, frame.slot, first_pilot)
    grid = np.concatenate([frame.grid, np.float32(np.sqrt(frame.es)) * sent])
    y = np.empty((len(order), ants, bins.size), np.complex64)
    y[order] = _through_samples(ofdm, grid[order], taps, bins, np.concatenate([noise, more])[order])
    num = frame.grid.shape[0]
    return y[:num], estimate_frames(estimator, ofdm, frame, numbers, y[num:], sent, n0)


def _frame_noise(
    ofdm: Ofdm, h: np.ndarray, bins: np.ndarray, n0: float, key: int, slot: int, first: int, last: int
) -> np.ndarray:
    """Noise samples of data symbols first .. last - 1 on every antenna, prefix included.

    Returns: complex64[last - first, R, cp_len + fft_size], white, n0 per sample.
    """
    spectrum = _guard(ofdm, LANE_GUARD, key, slot, h.shape[0], first, last - first)
    spectrum[:, :, bins] = element_noise(h, 2.0, key, slot, first, last)
    return _samples(ofdm, spectrum, LANE_PREFIX, n0, key, slot, first)


def _guard(ofdm: Ofdm, lane: np.uint64, key: int, slot: int, ants: int, first: int, num: int) -> np.ndarray:
    """Noise for all bins of `num` symbols from `first` on, complex64[num, ants, fft_size], CN(0, 2)."""
    size = ants * ofdm.fft_size
    z = complex_normals(key, slot, int(lane), first * size, num * size)
    return z.reshape(num, ants, ofdm.fft_size)


def _samples(
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
    useful = np.fft.ifft(spectrum, axis=-1, norm="ortho")
    samples = np.concatenate([useful[:, ofdm.fft_size - ofdm.cp_len :], useful], axis=1)
    stream = samples.reshape(-1)
    period = ofdm.cp_len + ofdm.fft_size
    y = np.ascontiguousarray(noise.transpose(1, 0, 2)).reshape(taps.shape[0], -1)
    for l in range(taps.shape[1]):
        y[:, l:] += taps[:, l, None].astype(np.complex64) * stream[None, : stream.size - l]
    y = y.reshape(taps.shape[0], num, period)[:, :, ofdm.cp_len :]
    return np.fft.fft(y, axis=-1, norm="ortho")[:, :, bins].transpose(1, 0, 2)
