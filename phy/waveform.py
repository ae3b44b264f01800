"""The link at level `waveform`: the same bursts as samples, every antenna formed explicitly.

IFFT, cyclic prefix, tapped delay line, FFT, maximum-ratio combining, noise, one-tap equaliser, slicer. The
noise of a resource element is that of level `bit` (same keys). With a channel no longer than the prefix and
perfect channel knowledge the decisions therefore equal those of level `bit` up to rounding; a longer one
lets a symbol, and a packet, disturb the next.

With perfect knowledge the noise is added after combining, where it has the same law (see
`phy.waveform_kernels`). With an `Estimator` every sample has its noise (`phy.samples`), the pilot symbols are
sent as well, at their places in the frame, and the receiver combines with what it estimates from them;
`phy.estimation.transmit_bit_estimated` is the same without samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phy.burst_kernels import ERRORS, SNR_DB, WIDTH, mean_snr
from phy.bursts import Bursts, Received, Soft, check_bursts, snr_to_db
from phy.channel import frequency_response
from phy.estimation import Estimator, check_pilots, estimate_frames, frame_of, pilot_noise, pilots
from phy.fft_kernels import output_rows, twiddles
from phy.frame import Frame, decide, frames
from phy.modulation import demap_soft
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.philox import LANE_PILOT_GUARD, LANE_PILOT_PREFIX
from phy.samples import frame_noise, guard_noise, noise_samples, through_samples
from phy.threads import over_threads
from phy.waveform_kernels import send_frames
from phy.waveform_places import Place, placed_bins, places


def transmit_waveform(
    bursts: Bursts,
    ofdm: Ofdm,
    taps: np.ndarray,
    num_subcarriers: np.ndarray | None = None,
    first_subcarrier: np.ndarray | None = None,
    estimator: Estimator | None = None,
    subchannels: Sequence[np.ndarray] | None = None,
    threads: int = 1,
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
        threads: with known channel the frames are split among this many; the result does not depend on it.

    Returns: as `transmit_bit` (snr_db is that of the true channel).
    """
    b = bursts
    widths = _checked_widths(b, ofdm, taps, num_subcarriers)
    received = b.payload.copy()
    if estimator is None:
        link = _Known(b, ofdm, taps, widths, threads)
        for place in places(b, ofdm, taps, widths, first_subcarrier, subchannels):
            link.send(place, received=received)
        return Received(received, link.ints[:, ERRORS].copy(), link.snr_db)
    errors = np.zeros(b.size, np.int64)
    check_pilots(ofdm)
    for place in places(b, ofdm, taps, widths, first_subcarrier, subchannels):
        for frame in frames(b, widths, place.members):
            y, h = _with_pilots(b.n0, frame, ofdm, taps[frame.members[0]], place.bins, estimator)
            decide(b, frame, y, h, received, errors)
    snr = np.empty(b.size)
    in_h = np.minimum(widths, b.h.shape[2])  # a flat channel is one subcarrier wide
    mean_snr(b.h, in_h, b.es, float(b.n0), b.first_symbol, b.num_symbols(), snr)
    return Received(received, errors, snr_to_db(snr))


def equalised_waveform(
    bursts: Bursts,
    ofdm: Ofdm,
    taps: np.ndarray,
    num_subcarriers: np.ndarray | None = None,
    first_subcarrier: np.ndarray | None = None,
    subchannels: Sequence[np.ndarray] | None = None,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The equalised symbols that `transmit_waveform` slices, channel known; arguments as there.

    Returns: y complex64[total] (unit energy sent), noise_var float32[total] (complex noise energy on y),
    start int64[B + 1], snr_db float64[B]; as `phy.link.equalised_symbols`.
    """
    b = bursts
    widths = _checked_widths(b, ofdm, taps, num_subcarriers)
    num = b.num_symbols()
    start = np.concatenate([[0], np.cumsum(num)]).astype(np.int64)
    y = np.zeros(int(start[-1]), np.complex64)
    noise_var = np.zeros(y.size, np.float32)
    link = _Known(b, ofdm, taps, widths, threads)
    for place in places(b, ofdm, taps, widths, first_subcarrier, subchannels):
        grid = np.zeros((2, place.num_rows * place.bins.size), np.float32)
        link.send(place, grid)
        for i, at in place.bursts.T.tolist():
            to, part = slice(start[i], start[i + 1]), slice(at, at + num[i])
            width = min(place.bins.size, b.h.shape[2])
            power = (np.abs(b.h[i, :, :width].astype(np.complex128)) ** 2).sum(axis=0) * b.es[i]
            with np.errstate(divide="ignore"):
                y[to] = (grid[0, part] + np.complex64(1j) * grid[1, part]) / np.sqrt(b.es[i])
                noise_var[to] = (b.n0 / power)[(b.first_symbol[i] + np.arange(num[i])) % width]
    return y, noise_var, start, link.snr_db


def demap_llr_waveform(
    bursts: Bursts,
    ofdm: Ofdm,
    taps: np.ndarray,
    num_subcarriers: np.ndarray | None = None,
    first_subcarrier: np.ndarray | None = None,
    subchannels: Sequence[np.ndarray] | None = None,
    exact: bool = False,
    threads: int = 1,
) -> Soft:
    """LLRs instead of decisions: same samples, same noise, channel known; arguments as `transmit_waveform`.

    Args:
        exact: log-sum-exp LLRs instead of max-log.
    """
    b = bursts
    y, noise_var, first, snr_db = equalised_waveform(
        b, ofdm, taps, num_subcarriers, first_subcarrier, subchannels, threads
    )
    start = np.concatenate([[0], np.cumsum(b.num_bits)]).astype(np.int64)
    llr = np.empty(int(start[-1]), np.float32)
    for i in range(b.size):
        part = slice(first[i], first[i + 1])
        soft = demap_soft(y[part], noise_var[part], int(b.bits_per_symbol[i]), exact)
        llr[start[i] : start[i + 1]] = soft[: b.num_bits[i]]
    return Soft(llr, start, snr_db)


def _checked_widths(
    b: Bursts, ofdm: Ofdm, taps: np.ndarray, num_subcarriers: np.ndarray | None
) -> np.ndarray:
    """The width of each burst, int64[B], after the checks that all entries share."""
    check_bursts(b)
    if taps.ndim != 3 or taps.shape[:2] != b.h.shape[:2] or not 1 <= taps.shape[2] <= ofdm.fft_size:
        raise ParameterError(
            f"taps of shape {taps.shape}: must be ({b.h.shape[0]}, {b.h.shape[1]}, L), 1 <= L <= fft_size"
        )
    return b.num_subcarriers if num_subcarriers is None else num_subcarriers


class _Known:
    """Bursts through samples, the channel known to the receiver."""

    def __init__(self, b: Bursts, ofdm: Ofdm, taps: np.ndarray, widths: np.ndarray, threads: int) -> None:
        self._b, self._ofdm, self._threads = b, ofdm, threads
        self._taps, self._any_order = np.ascontiguousarray(taps, np.complex64), b.any_order()
        self.ints, self._reals = b.tables()
        self.ints[:, WIDTH] = np.minimum(widths, b.h.shape[2])  # a flat channel is one subcarrier wide
        self._reals[:, SNR_DB] = np.inf  # of what sends nothing

    @property
    def snr_db(self) -> np.ndarray:
        """float64[B], as in `Received`, of the bursts in the places so far."""
        return self._reals[:, SNR_DB].copy()

    def send(self, place: Place, grid: np.ndarray | None = None, received: np.ndarray | None = None) -> None:
        """The bursts of a place: equalised symbols with energy es to grid float32[2, rows * F], decisions to
        `received`.
        """
        b, n = self._b, self._ofdm.fft_size
        arrays = b.payload, b.h, self.ints, self._reals, place.bursts, place.frames, self._taps
        numerology = place.bins % n, n, self._ofdm.cp_len, twiddles(n), output_rows(n), self._any_order

        def run(first: int, last: int) -> None:
            send_frames(*arrays, *numerology, first, last, grid, received)

        over_threads(run, place.num_frames, self._threads)


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
            out[i, :, :width] = frequency_response(
                taps[i], ofdm.fft_size, placed_bins(ofdm, int(width), first)
            )
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
    noise = frame_noise(ofdm, frame.h, bins, n0, frame.key, frame.slot, frame.first, frame.last)
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
    spectrum = guard_noise(ofdm, LANE_PILOT_GUARD, frame.key, frame.slot, ants, first_pilot, sent.shape[0])
    spectrum[:, :, bins] = pilot_noise(frame, first_pilot, sent.shape[0], ants)
    more = noise_samples(ofdm, spectrum, LANE_PILOT_PREFIX, n0, frame.key, frame.slot, first_pilot)
    grid = np.concatenate([frame.grid, np.float32(np.sqrt(frame.es)) * sent])
    y = np.empty((len(order), ants, bins.size), np.complex64)
    y[order] = through_samples(ofdm, grid[order], taps, bins, np.concatenate([noise, more])[order])
    num = frame.grid.shape[0]
    return y[:num], estimate_frames(estimator, ofdm, frame, numbers, y[num:], sent, n0)
