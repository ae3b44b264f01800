"""Where the bursts of a call lie: grids of OFDM symbols by subcarriers, frame after frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from phy.bursts import Bursts
from phy.ofdm import Ofdm
from phy.parameters import ParameterError


@dataclass(frozen=True, eq=False)
class Place:
    """Bursts on the same subcarriers as one grid, frame after frame."""

    bins: np.ndarray  # int64[F], negative for negative frequencies
    members: np.ndarray  # int64[K], bursts
    position: np.ndarray  # int64[K], first element of each in the grid
    row: np.ndarray  # int64[frames + 1], rows (OFDM symbols) of each frame
    number: np.ndarray  # int64[frames], data symbol number of its first row in the slot
    lead: np.ndarray  # int64[frames], a burst of each: it has the frame's key, slot and channel


def places(
    b: Bursts,
    ofdm: Ofdm,
    taps: np.ndarray,
    widths: np.ndarray,
    first_subcarrier: np.ndarray | None,
    subchannels: Sequence[np.ndarray] | None,
) -> Iterator[Place]:
    """The grids of a call, one for each set of subcarriers in use.

    Args:
        taps: complex[B, R, L]; widths: int64[B], subcarriers of each burst.
        first_subcarrier, subchannels: as `phy.waveform.transmit_waveform`.

    Raises:
        ParameterError: bursts of one key and slot with different channels or places; widths that do not fit
            the carrier, the subchannels or h.
    """
    num = b.num_symbols()
    frame_of_burst, lead_of_frame = _frames_of(b, widths, first_subcarrier)
    for width, start, members in _same_place(b, widths, first_subcarrier, subchannels):
        bins = placed_bins(ofdm, width, start) if subchannels is None else subchannels[int(members[0])]
        if bins.shape != (width,):
            raise ParameterError(f"subchannels[{members[0]}] has {bins.size} bins: must have {width}")
        if b.h.shape[2] < width and (b.h.shape[2] > 1 or taps.shape[2] > 1):
            raise ParameterError(
                f"Bursts.h has {b.h.shape[2]} subcarrier: must have {width} with several taps"
            )
        begin = b.first_symbol[members] // width
        end = -(-(b.first_symbol[members] + num[members]) // width)
        if lead_of_frame.size == b.size:  # every burst is a frame
            frame, lead, first, last = np.arange(members.size), members, begin, end
        else:
            here = np.zeros(lead_of_frame.size, np.int64)
            here[frame_of_burst[members]] = 1
            frame = (np.cumsum(here) - 1)[frame_of_burst[members]]
            lead = lead_of_frame[here > 0]
            first = np.full(lead.size, np.iinfo(np.int64).max)
            last = np.zeros(lead.size, np.int64)
            np.minimum.at(first, frame, begin)
            np.maximum.at(last, frame, end)
        row = np.concatenate([[0], np.cumsum(last - first)])
        position = (row[frame] - first[frame]) * width + b.first_symbol[members]
        yield Place(bins, members, position, row, first, lead)


def _frames_of(
    b: Bursts, widths: np.ndarray, first_subcarrier: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Frame of each burst, int64[B], and first burst of each frame; one frame for each (key, slot)."""
    order = np.lexsort((b.slot, b.key))
    new = np.ones(b.size, bool)
    new[1:] = (np.diff(b.key[order]) != 0) | (np.diff(b.slot[order]) != 0)
    if new.all():
        return np.arange(b.size), np.arange(b.size)
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
    sending = np.flatnonzero(b.num_bits > 0)
    if sending.size and first_subcarrier is None and subchannels is None and np.ptp(widths[sending]) == 0:
        return [(int(widths[sending[0]]), None, sending)]
    groups: dict[tuple, list[int]] = {}
    for i in sending.tolist():
        where = None if first_subcarrier is None else int(first_subcarrier[i])
        which = None if subchannels is None else subchannels[i].tobytes()
        groups.setdefault((int(widths[i]), where, which), []).append(i)
    return [(width, where, np.array(members)) for (width, where, _), members in groups.items()]


def placed_bins(ofdm: Ofdm, width: int, first: int | None) -> np.ndarray:
    """FFT bins of `width` subcarriers from `first` on, counted from the lower edge; None centres them."""
    return ofdm.bins(width, None if first is None else first - ofdm.fft_size // 2)
