"""Kernels of level `waveform` with known channel: samples of LANES OFDM symbols at a time.

A tile holds up to LANES successive OFDM symbols of one frame, one a lane (see phy.fft_kernels): its symbols,
samples and the transforms' work stay in the L1 cache (FFT size 64). Samples are formed for every antenna:
inverse transform, prefix (and the end of the symbol before, where a channel is longer than the prefix),
tapped delay line, transform, maximum-ratio combining.

Noise is added after combining, one number a resource element: the unitary transform of white noise over the
useful part is white, the combined noise has the law of level `bit`, and what the receiver drops (prefix,
empty subcarriers, the part orthogonal to h) cannot reach a decision. `phy.samples` draws all of it, for what
looks at samples, and decides the same (test).
"""

from __future__ import annotations

import math

import numpy as np

from phy.burst_kernels import (
    CHUNK,
    DRAWS,
    ERRORS,
    ES,
    FIRST_SYMBOL,
    KEY,
    N0,
    NUM_BITS,
    OFFSET,
    ORDER,
    SLOT,
    SNR_DB,
    SYMBOLS,
    WIDTH,
    combined_gain,
    finish_bytes,
    finish_nibbles,
)
from phy.fft_kernels import LANES, fft_rows, multiply_add_row, multiply_row
from phy.jit import entry, part, scratch
from phy.packing import pack_symbols, unpack_nibbles, unpack_symbols
from phy.philox import CHUNK_PAIRS, LANE_RE_NOISE, normals
from phy.qam import (
    NORM,
    decide_qam16,
    map_levels,
    map_qam16,
    slice_levels,
)

_DROWNED = 1e18  # noise where the channel is 0


# rows of the table int64[4, frames + 1] of a place: first member and first row in the grid (the last column
# has what lies behind the last frame), data symbol number of that row in the slot, a burst with the channel
FIRST_MEMBER, FIRST_ROW, NUMBER, LEAD = range(4)


@entry(glue=True)
def send_frames(
    payload, h, ints, reals, members, frames, taps, bins, n, cp, table, output, any_order, first, last,
    grid, received,
):  # fmt: skip
    """Frames first .. last - 1 through IFFT, prefix, delay line, FFT, combining and noise; ERRORS and SNR_DB.

    What is None is compiled away.

    Args:
        payload, h, ints, reals, any_order: as `phy.burst_kernels.transmit` takes them; WIDTH: columns of h
            that count, F or 1.
        members: int64[2, K], the bursts, frame after frame, and where each begins in the grid.
        frames: see FIRST_MEMBER.
        taps: complex64[B, R, L], L <= n.
        bins: int64[F] in [0, n); n, cp: FFT size and prefix; table, output: `twiddles`, `output_rows` of n.
        grid: float32[2, S * F], real and imaginary part of the equalised symbols with energy es are written
            (zeros before); or None.
        received: uint8, hard decisions in the layout of payload; or None.
    """
    length, width = taps.shape[2], bins.size
    rows = (n + length - 1) * LANES  # samples, then what precedes them
    noise_size = LANES * width + DRAWS + 2
    most = 0
    for f in range(first, last):
        here = frames[FIRST_ROW, f + 1] - frames[FIRST_ROW, f]
        most = here if here > most else most
    own = most * width if grid is None else 0
    work = scratch(2 * (rows + n * LANES + width * LANES + noise_size + width + length + own), np.float32)
    words_of = scratch((4, CHUNK_PAIRS), np.uint32)
    place = scratch(length - 1 + n, np.int64)
    sym = scratch(SYMBOLS, np.uint8)
    gain = scratch(h.shape[2], np.float64)
    _send(
        payload, h, ints, reals, members, frames, taps, bins, n, cp, table, output, any_order, first, last,
        grid, received, rows, noise_size, work, words_of, place, sym, gain,
    )  # fmt: skip


@part(glue=True)
def _send(payload, h, ints, reals, members, frames, taps, bins, n, cp, table, output, any_order, first, last,
          grid, received, rows, noise_size, work, words_of, place, sym, gain):  # fmt: skip
    length, width = taps.shape[2], bins.size
    for k in range(length - 1):
        place[k] = (n + k) * LANES
    for k in range(n):
        place[length - 1 + k] = output[k] * LANES
    x_r, x_i, work = work, work[rows:], work[2 * rows :]
    y_r, y_i, work = work, work[n * LANES :], work[2 * n * LANES :]
    z_r, z_i, work = work, work[width * LANES :], work[2 * width * LANES :]
    g_i, g_q, work = work, work[noise_size:], work[2 * noise_size :]
    weight, scale, work = work[:width], work[width : 2 * width], work[2 * width :]
    tail, own = work, work[2 * length :]
    for frame in range(first, last):
        begin, end = frames[FIRST_MEMBER, frame], frames[FIRST_MEMBER, frame + 1]
        row, size = frames[FIRST_ROW, frame], frames[FIRST_ROW, frame + 1] - frames[FIRST_ROW, frame]
        at = row * width
        if grid is None:
            grid_i, grid_q = own, own[size * width :]
            clear(own, 2 * size * width)
        else:
            grid_i, grid_q = grid[0, at:], grid[1, at:]
        _fill(payload, h, ints, reals, members, at, any_order, begin, end, grid_i, grid_q, sym, gain)
        b = frames[LEAD, frame]
        _equaliser(h[b], n, reals[b, N0], weight, scale)
        for s in range(0, size, LANES):
            num = size - s if size - s < LANES else LANES
            part_i, part_q = grid_i[s * width :], grid_q[s * width :]
            clear(x_r, n * LANES)
            clear(x_i, n * LANES)
            _to_lanes(part_i, num, bins, x_r)
            _to_lanes(part_q, num, bins, x_i)
            fft_rows(x_i, x_r, n, table)  # parts exchanged: inverse
            _before(x_r, x_i, place, length, cp, s == 0, tail)
            _receive(x_r, x_i, place, taps, h, b, bins, n, table, output, y_r, y_i, z_r, z_i)
            element = (frames[NUMBER, frame] + s) * width
            o = _draw(np.uint64(ints[b, KEY]), ints[b, SLOT], element, num * width, words_of, g_i, g_q)
            _to_symbols(z_r, weight, g_i[o:], scale, num, part_i)
            _to_symbols(z_i, weight, g_q[o:], scale, num, part_q)
        if received is not None:
            _decide(payload, ints, reals, members, at, any_order, begin, end, grid_i, grid_q, received, sym)


@part
def clear(x, size):
    """x[:size] = 0, float32."""
    for i in range(size):
        x[i] = np.float32(0.0)


@part(glue=True)
def _fill(payload, h, ints, reals, members, origin, any_order, first, last, grid_i, grid_q, sym, gain):
    """Symbols with energy es of the members first .. last - 1 to their places less `origin`; SNR_DB."""
    for i in range(first, last):
        b = members[0, i]
        row, es, n0 = ints[b], reals[b, ES], reals[b, N0]
        m, num_bits = row[ORDER], row[NUM_BITS]
        n = (num_bits + m - 1) // m
        mean_gain = combined_gain(h[b], row[WIDTH], row[FIRST_SYMBOL], n, gain)
        reals[b, SNR_DB] = 10.0 * math.log10(es * mean_gain / n0) if n0 > 0.0 and n > 0 else np.inf
        a = np.float32(math.sqrt(es * (0.5 if m == 1 else 1.0 / NORM[m])))
        for c in range(0, n, CHUNK):
            k = n - c if n - c < CHUNK else CHUNK
            bits = num_bits - c * m if num_bits - c * m < k * m else k * m
            byte, num_bytes = row[OFFSET] + ((c * m) >> 3), (bits + 7) >> 3
            o = members[1, i] - origin + c
            if any_order is None:
                unpack_nibbles(payload[byte : byte + num_bytes], sym)
                map_qam16(sym, a, k, grid_i[o:], grid_q[o:])
            else:
                for j in range(8):
                    sym[k + j] = 0
                unpack_symbols(m, payload, byte, num_bytes, k, sym)
                map_levels(m, sym, a, k, grid_i[o:], grid_q[o:])


@part(glue=True)
def _decide(payload, ints, reals, members, origin, any_order, first, last, grid_i, grid_q, received, sym):
    """Slice the members first .. last - 1 and count their wrong bits: ERRORS."""
    for i in range(first, last):
        b = members[0, i]
        row, es = ints[b], reals[b, ES]
        m, num_bits = row[ORDER], row[NUM_BITS]
        n = (num_bits + m - 1) // m
        a = np.float32(math.sqrt(NORM[m] / es)) if es > 0.0 else np.float32(1.0)
        wrong = np.int64(0)
        for c in range(0, n, CHUNK):
            k = n - c if n - c < CHUNK else CHUNK
            bits = num_bits - c * m if num_bits - c * m < k * m else k * m
            byte, num_bytes = row[OFFSET] + ((c * m) >> 3), (bits + 7) >> 3
            o = members[1, i] - origin + c
            if any_order is None:
                decide_qam16(grid_i[o:], grid_q[o:], a, k, sym)
                sym[k] = 0
                wrong += finish_nibbles(payload[byte : byte + num_bytes], sym, received[byte:], bits)
            else:
                slice_levels(m, grid_i[o:], grid_q[o:], a, k, sym)
                for j in range(8):
                    sym[k + j] = 0
                pack_symbols(m, sym, num_bytes, received, byte)
                mask = (0xFF00 >> (((bits - 1) & 7) + 1)) & 255
                wrong += finish_bytes(payload, received, byte, num_bytes, mask)
        row[ERRORS] = wrong


@part(glue=True)
def _draw(key, slot, first, num, words_of, g_i, g_q):
    """N(0, 1) noise of elements first .. first + num - 1 of a slot to g_i, g_q (float32); returns where it
    begins there (0 or 1).
    """
    odd = first & 1
    for c in range(0, num + odd, 2 * CHUNK_PAIRS):
        pairs = (num + odd - c + 1) >> 1
        pairs = pairs if pairs < CHUNK_PAIRS else CHUNK_PAIRS
        normals(key, slot, LANE_RE_NOISE, (first + c) >> 1, pairs, words_of, g_i[c:], g_q[c:])
    return odd


@part
def _equaliser(h, n, n0, weight, scale):
    """Of each subcarrier: weight = 1 / (n |h|^2), noise scale per real dimension sqrt(n0 / 2) / |h|.

    h: complex64[R, >= F or 1].
    """
    known = weight.size if h.shape[1] > 1 else 1
    for f in range(known):
        g = 0.0
        for r in range(h.shape[0]):
            c = h[r, f]
            g += np.float64(c.real) * c.real + np.float64(c.imag) * c.imag
        weight[f] = 1.0 / (n * g) if g > 0.0 else 0.0
        scale[f] = math.sqrt(0.5 * n0 / g) if g > 0.0 else math.sqrt(0.5 * n0) * _DROWNED
    for f in range(known, weight.size):
        weight[f] = weight[0]
        scale[f] = scale[0]


@part
def _to_lanes(symbols, num, bins, x):
    """Lane t of row bins[f] of x = symbols[t * F + f] for t < num <= LANES."""
    width = np.uint64(bins.size)  # unsigned: numba adds no wrap-around to the index
    for f in range(width):
        o = np.uint64(bins[f]) * np.uint64(LANES)
        for t in range(np.uint64(num)):
            x[o + t] = symbols[t * width + f]


@part(fastmath=True)
def _to_symbols(z, weight, noise, scale, num, symbols):
    """symbols[t * F + f] = weight[f] * (lane t of row f of z) + scale[f] * noise[t * F + f] for t < num."""
    width = np.uint64(weight.size)
    for t in range(np.uint64(num)):
        row, g = symbols[t * width :], noise[t * width :]
        for f in range(width):
            row[f] = z[f * np.uint64(LANES) + t] * weight[f] + g[f] * scale[f]


@part(glue=True)
def _before(x_r, x_i, place, length, cp, fresh, tail):
    """The length - 1 rows before the useful part: the prefix, and before it the end of the symbol before.

    Args:
        place: int64, offset in x of each row from there on in time order.
        fresh: whether no symbol of the frame precedes the tile; tail: float32[2 * length], the last lane of
            the tile before, replaced by this one's.
    """
    useful = length - 1
    for j in range(1, length):
        o = place[useful - j]
        if j <= cp:
            p = place[place.size - j]
            for t in range(LANES):
                x_r[o + t] = x_r[p + t]
                x_i[o + t] = x_i[p + t]
            continue
        p, e = place[place.size - (j - cp)], j - cp - 1
        x_r[o] = np.float32(0.0) if fresh else tail[e]
        x_i[o] = np.float32(0.0) if fresh else tail[length + e]
        for t in range(1, LANES):
            x_r[o + t] = x_r[p + t - 1]
            x_i[o + t] = x_i[p + t - 1]
        tail[e] = x_r[p + LANES - 1]
        tail[length + e] = x_i[p + LANES - 1]


@part(glue=True)
def _receive(x_r, x_i, place, taps, h, b, bins, n, table, output, y_r, y_i, z_r, z_i):
    """z[f] = sum over the antennas of conj(h) y, y each antenna's transform of the samples it receives."""
    start = taps.shape[2] - 1
    for r in range(taps.shape[1]):
        c = taps[b, r, 0]
        for k in range(n):
            multiply_row(x_r, x_i, place[start + k], c.real, c.imag, y_r, y_i, k * LANES)  # type: ignore
        for l in range(1, taps.shape[2]):
            c = taps[b, r, l]
            for k in range(n):
                multiply_add_row(x_r, x_i, place[start + k - l], c.real, c.imag, y_r, y_i, k * LANES)  # type: ignore
        fft_rows(y_r, y_i, n, table)
        for f in range(bins.size):
            c = h[b, r, f if h.shape[2] > 1 else 0]
            o = output[bins[f]] * LANES
            if r == 0:
                multiply_row(y_r, y_i, o, c.real, -c.imag, z_r, z_i, f * LANES)  # type: ignore
            else:
                multiply_add_row(y_r, y_i, o, c.real, -c.imag, z_r, z_i, f * LANES)  # type: ignore
