"""A frame: the data symbols of one user in one slot as a grid, for the paths that form every antenna.

Shared by level `waveform` and by the frequency-domain link with channel estimation. Bursts that share key and
slot are packets of one user in one slot and lie in one grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phy.bursts import Bursts, burst_bits
from phy.modulation import demap_hard, map_bits
from phy.parameters import ParameterError
from phy.philox import LANE_ANTENNA, LANE_RE_NOISE, complex_normals


@dataclass(frozen=True, eq=False)
class Frame:
    """Data symbols first .. last - 1 of one user in one slot."""

    members: list[int]  # indices of the bursts
    key: int
    slot: int
    es: float  # energy per element of the first burst: what its pilots are sent with
    h: np.ndarray  # complex64[R, F]
    first: int
    last: int
    grid: np.ndarray  # complex64[last - first, F], symbols with sqrt(es)


def frames(b: Bursts, widths: np.ndarray, members: np.ndarray | None = None) -> list[Frame]:
    """The frames of a call, in the order of their first burst.

    Args:
        members: bursts to look at; None: all.
        widths: int64[B], subcarriers of each burst; h with one subcarrier is repeated.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for i in range(b.size) if members is None else members.tolist():
        if b.num_bits[i]:
            groups.setdefault((int(b.key[i]), int(b.slot[i])), []).append(i)
    return [_frame(b, members, widths) for members in groups.values()]


def _frame(b: Bursts, members: list[int], widths: np.ndarray) -> Frame:
    lead = members[0]
    width = int(widths[lead])
    for i in members[1:]:
        if widths[i] != width or not np.array_equal(b.h[i], b.h[lead]):
            raise ParameterError(f"Bursts.h[{i}]: bursts of one key and slot must share their channel")
    h = b.h[lead, :, :width]
    if h.shape[1] != width:
        if h.shape[1] != 1:
            raise ParameterError(f"Bursts.h[{lead}] has {h.shape[1]} subcarriers: must have {width}")
        h = np.repeat(h, width, axis=1)
    num = b.num_symbols()
    first = min(int(b.first_symbol[i]) // width for i in members)
    last = max(-(-int(b.first_symbol[i] + num[i]) // width) for i in members)
    grid = np.zeros((last - first) * width, np.complex64)
    for i in members:
        at = int(b.first_symbol[i]) - first * width
        symbols = map_bits(burst_bits(b, i, pad=True), int(b.bits_per_symbol[i]))
        grid[at : at + symbols.size] = np.sqrt(b.es[i]) * symbols
    return Frame(
        members,
        int(b.key[lead]),
        int(b.slot[lead]),
        float(b.es[lead]),
        h,
        first,
        last,
        grid.reshape(-1, width),
    )


def element_noise(h: np.ndarray, n0: float, key: int, slot: int, first: int, last: int) -> np.ndarray:
    """Noise of data symbols first .. last - 1 on every antenna and subcarrier: white, n0 each.

    With u = h/|h| over the antennas: u n + (I - u u^H) w, where n is the collapsed sample of level `bit` and
    w is drawn per antenna.

    Args:
        h: complex[R, F].

    Returns: complex64[last - first, R, F].
    """
    num, (ants, width) = last - first, h.shape
    collapsed = complex_normals(key, slot, int(LANE_RE_NOISE), first * width, num * width)
    norm = np.sqrt((np.abs(h) ** 2).sum(axis=0))
    u = np.where(norm > 0.0, h / np.where(norm > 0.0, norm, 1.0), (np.arange(ants) == 0)[:, None])
    u = u.astype(np.complex64)
    out = u * collapsed.reshape(num, 1, width)
    if ants > 1:
        w = np.empty((num, ants, width), np.complex64)
        for r in range(ants):
            row = complex_normals(key, slot, int(LANE_ANTENNA) + r, first * width, num * width)
            w[:, r] = row.reshape(num, width)
        out += w - u * np.einsum("rf,srf->sf", np.conj(u), w)[:, None, :]
    return out * np.float32(np.sqrt(n0 / 2.0))


def decide(
    b: Bursts,
    frame: Frame,
    y: np.ndarray,
    h: np.ndarray,
    received: np.ndarray,
    errors: np.ndarray,
) -> None:
    """Combine with h, slice, and write the bursts of the frame into the outputs of `Received`.

    Args:
        y: complex64[S, R, F], what the antennas see; h: complex[S or 1, R, F], what the receiver believes.
    """
    for i, z, _ in equalised(b, frame, y, h):
        decided = demap_hard(z, int(b.bits_per_symbol[i]))
        n, o = int(b.num_bits[i]), int(b.offset[i])
        whole = np.unpackbits(received[o : o + (n + 7) // 8])
        errors[i] = np.count_nonzero(whole[:n] != decided[:n])
        whole[:n] = decided[:n]
        received[o : o + (n + 7) // 8] = np.packbits(whole)


def equalised(
    b: Bursts, frame: Frame, y: np.ndarray, h: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(burst, z complex[n], power float[n]) of a frame: symbols after combining with h, and sum of |h|^2.

    Arguments as in `decide`; z is scaled to unit energy, 0 where h is 0.
    """
    power = np.broadcast_to((np.abs(h) ** 2).sum(axis=1), y[:, 0].shape).reshape(-1)
    combined = (np.conj(h) * y).sum(axis=1).reshape(-1)
    num = b.num_symbols()
    for i in frame.members:
        at = int(b.first_symbol[i]) - frame.first * frame.grid.shape[1]
        part = slice(at, at + int(num[i]))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.nan_to_num(combined[part] / (power[part] * np.sqrt(b.es[i])))
        yield i, z, power[part]
