"""Where the bursts of a call lie: grids of OFDM symbols by subcarriers, frame after frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from phy.bursts import Bursts
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.waveform_kernels import FIRST_MEMBER, FIRST_ROW, LEAD, NUMBER


@dataclass(frozen=True, eq=False)
class Place:
    """Bursts on the same subcarriers as one grid, frame after frame."""

    bins: np.ndarray  # int64[F], negative for negative frequencies
    bursts: (
        np.ndarray
    )  # int64[2, K], the bursts, frame after frame, and the first element of each in the grid
    frames: np.ndarray  # int64[4, frames + 1], see phy.waveform_kernels.FIRST_MEMBER

    @property
    def members(self) -> np.ndarray:
        """int64[K], bursts."""
        return self.bursts[0]

    @property
    def num_frames(self) -> int:
        """Frames of the grid."""
        return self.frames.shape[1] - 1

    @property
    def num_rows(self) -> int:
        """OFDM symbols of the grid."""
        return int(self.frames[FIRST_ROW, -1])


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
            frame = np.arange(members.size)
            lead, first, last = members, begin, end
            counts = np.ones(members.size, np.int64)
        else:
            here = np.zeros(lead_of_frame.size, np.int64)
            here[frame_of_burst[members]] = 1
            frame = (np.cumsum(here) - 1)[frame_of_burst[members]]
            order = np.argsort(frame, kind="stable")
            members, frame, begin, end = members[order], frame[order], begin[order], end[order]
            lead = lead_of_frame[here > 0]
            first = np.full(lead.size, np.iinfo(np.int64).max)
            last = np.zeros(lead.size, np.int64)
            np.minimum.at(first, frame, begin)
            np.maximum.at(last, frame, end)
            counts = np.bincount(frame, minlength=lead.size)
        frames = np.zeros((4, lead.size + 1), np.int64)
        np.cumsum(counts, out=frames[FIRST_MEMBER, 1:])
        np.cumsum(last - first, out=frames[FIRST_ROW, 1:])
        frames[NUMBER, :-1] = first
        frames[LEAD, :-1] = lead
        bursts = np.empty((2, members.size), np.int64)
        bursts[0] = members
        bursts[1] = (frames[FIRST_ROW, :-1] - first)[frame] * width + b.first_symbol[members]
        yield Place(bins, bursts, frames)


def _frames_of(
    b: Bursts, widths: np.ndarray, first_subcarrier: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Frame of each burst, int64[B], and first burst of each frame; one frame for each (key, slot)."""
    if (b.key[1:] > b.key[:-1]).all():
        return np.arange(b.size), np.arange(b.size)
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
