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


@entry(glue=True)
def fill_levels(payload, h, ints, reals, place, index, any_order, first, last, grid_i, grid_q):
    """Symbols of the bursts index[first : last] to the flat grid, and their SNR_DB to `reals`.

    Args:
        payload, h, ints, reals, any_order: as `phy.burst_kernels.transmit` takes them.
        place: int64[K], where burst index[i] begins in the grid.
        grid_i, grid_q: float32, symbols with energy es are written, the rest stays.
    """
    sym = scratch(SYMBOLS, np.uint8)
    gain = scratch(h.shape[2], np.float64)
    _fill(payload, h, ints, reals, place, index, any_order, first, last, grid_i, grid_q, sym, gain)


@part(glue=True)
def _fill(payload, h, ints, reals, place, index, any_order, first, last, grid_i, grid_q, sym, gain):
    for i in range(first, last):
        b = index[i]
        row, es, n0 = ints[b], reals[b, ES], reals[b, N0]
        m, num_bits = row[ORDER], row[NUM_BITS]
        n = (num_bits + m - 1) // m
        mean_gain = combined_gain(h[b], row[WIDTH], row[FIRST_SYMBOL], n, gain)
        reals[b, SNR_DB] = 10.0 * math.log10(es * mean_gain / n0) if n0 > 0.0 and n > 0 else np.inf
        a = np.float32(math.sqrt(es * (0.5 if m == 1 else 1.0 / NORM[m])))
        for c in range(0, n, CHUNK):
            k = n - c if n - c < CHUNK else CHUNK
            bits = num_bits - c * m if num_bits - c * m < k * m else k * m
            byte, num_bytes, o = row[OFFSET] + ((c * m) >> 3), (bits + 7) >> 3, place[i] + c
            if any_order is None:
                unpack_nibbles(payload[byte : byte + num_bytes], sym)
                map_qam16(sym, a, k, grid_i[o:], grid_q[o:])
            else:
                for j in range(8):
                    sym[k + j] = 0
                unpack_symbols(m, payload, byte, num_bytes, k, sym)
                map_levels(m, sym, a, k, grid_i[o:], grid_q[o:])


@entry(glue=True)
def decide_levels(payload, ints, reals, place, index, any_order, first, last, grid_i, grid_q, received):
    """Slice the equalised grid of the bursts index[first : last] into `received` and count their wrong bits
    in ERRORS; arguments as `fill_levels`.
    """
    sym = scratch(SYMBOLS, np.uint8)
    _decide(payload, ints, reals, place, index, any_order, first, last, grid_i, grid_q, received, sym)


@part(glue=True)
def _decide(payload, ints, reals, place, index, any_order, first, last, grid_i, grid_q, received, sym):
    for i in range(first, last):
        b = index[i]
        row, es = ints[b], reals[b, ES]
        m, num_bits = row[ORDER], row[NUM_BITS]
        n = (num_bits + m - 1) // m
        a = np.float32(math.sqrt(NORM[m] / es)) if es > 0.0 else np.float32(1.0)
        wrong = np.int64(0)
        for c in range(0, n, CHUNK):
            k = n - c if n - c < CHUNK else CHUNK
            bits = num_bits - c * m if num_bits - c * m < k * m else k * m
            byte, num_bytes, o = row[OFFSET] + ((c * m) >> 3), (bits + 7) >> 3, place[i] + c
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


@part
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
def _equaliser(h, b, n, n0, weight, scale):
    """Of each subcarrier: weight = 1 / (n |h|^2), noise scale per real dimension sqrt(n0 / 2) / |h|."""
    for f in range(weight.size):
        g = 0.0
        for r in range(h.shape[1]):
            c = h[b, r, f if h.shape[2] > 1 else 0]
            g += np.float64(c.real) * c.real + np.float64(c.imag) * c.imag
        weight[f] = 1.0 / (n * g) if g > 0.0 else 0.0
        scale[f] = math.sqrt(0.5 * n0 / g) if g > 0.0 else math.sqrt(0.5 * n0) * _DROWNED


@part
def _to_lanes(symbols, bins, x):
    """Row bins[f] of x = the symbols [:, f]; symbols float32[<= LANES, F]."""
    for f in range(np.uint64(bins.size)):
        o = np.uint64(bins[f]) * np.uint64(LANES)  # unsigned: numba adds no wrap-around to the index
        for t in range(np.uint64(symbols.shape[0])):
            x[o + t] = symbols[t, f]


@part(fastmath=True)
def _to_symbols(z, weight, noise, scale, symbols):
    """symbols[t, f] = weight[f] * (lane t of row f of z) + scale[f] * noise[t * F + f]."""
    width = np.uint64(symbols.shape[1])
    for t in range(np.uint64(symbols.shape[0])):
        row, g = symbols[t], noise[t * width :]
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


@entry(glue=True)
def pass_frames(
    grid_i, grid_q, row, number, lead, ints, h, taps, bins, n, cp, n0, table, output, first, last
):
    """Frames first .. last - 1 through IFFT, prefix, delay line, FFT, combining and noise, in place.

    Args:
        grid_i, grid_q: float32[S, F], sent symbols in, equalised symbols out.
        row: int64[frames + 1], the rows of each frame; number: int64[frames], its first data symbol in the
            slot; lead: int64[frames], the burst that has its key, slot, h and taps.
        ints: `Bursts.tables`; h: complex64[B, R, >= F or 1]; taps: complex64[B, R, L], L <= n.
        bins: int64[F] in [0, n); n, cp: FFT size and prefix; n0: noise energy per element and antenna.
        table, output: `twiddles` and `output_rows` of n.
    """
    length, width = taps.shape[2], bins.size
    rows = (n + length - 1) * LANES  # samples, then what precedes them
    noise_size = LANES * width + 2 * CHUNK_PAIRS + 2
    work = scratch(2 * (rows + n * LANES + width * LANES + noise_size + width + length), np.float32)
    words_of = scratch((4, CHUNK_PAIRS), np.uint32)
    place = scratch(length - 1 + n, np.int64)
    _pass(
        grid_i, grid_q, row, number, lead, ints, h, taps, bins, n, cp, n0, table, output, first, last,
        rows, noise_size, work, words_of, place,
    )  # fmt: skip


@part
def _pass(grid_i, grid_q, row, number, lead, ints, h, taps, bins, n, cp, n0, table, output, first, last,
          rows, noise_size, work, words_of, place):  # fmt: skip
    length, width = taps.shape[2], bins.size
    for k in range(length - 1):
        place[k] = (n + k) * LANES
    for k in range(n):
        place[length - 1 + k] = output[k] * LANES
    x_r, x_i, work = work[:rows], work[rows : 2 * rows], work[2 * rows :]
    y_r, y_i, work = work, work[n * LANES :], work[2 * n * LANES :]
    z_r, z_i, work = work, work[width * LANES :], work[2 * width * LANES :]
    g_i, g_q, work = work, work[noise_size:], work[2 * noise_size :]
    weight, scale, tail = work[:width], work[width : 2 * width], work[2 * width :]
    for frame in range(first, last):
        b = lead[frame]
        _equaliser(h, b, n, n0, weight, scale)
        for s0 in range(row[frame], row[frame + 1], LANES):
            s1 = s0 + LANES if s0 + LANES < row[frame + 1] else row[frame + 1]
            for k in range(n * LANES):
                x_r[k] = np.float32(0.0)
                x_i[k] = np.float32(0.0)
            _to_lanes(grid_i[s0:s1], bins, x_r)
            _to_lanes(grid_q[s0:s1], bins, x_i)
            fft_rows(x_i, x_r, n, table)  # parts exchanged: inverse
            _before(x_r, x_i, place, length, cp, s0 == row[frame], tail)
            _receive(x_r, x_i, place, taps, h, b, bins, n, table, output, y_r, y_i, z_r, z_i)
            at = (number[frame] + s0 - row[frame]) * width
            o = _draw(np.uint64(ints[b, KEY]), ints[b, SLOT], at, (s1 - s0) * width, words_of, g_i, g_q)
            _to_symbols(z_r, weight, g_i[o:], scale, grid_i[s0:s1])
            _to_symbols(z_i, weight, g_q[o:], scale, grid_q[s0:s1])


@part
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
