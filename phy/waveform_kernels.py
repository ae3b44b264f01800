"""Kernels of level `waveform` with known channel: samples of many OFDM symbols at a time.

A tile is a run of OFDM symbols, of one or several frames, in time order; its samples lie with the symbol
index innermost, so that transforms and delay lines are loops over symbols. Work per resource element (noise,
combining) runs over the subcarriers of one symbol instead, and the two layouts are transposed into each
other.

Samples that cannot reach a decision are not formed: the receiver drops the prefix of what it receives and the
bins without data, so no noise is drawn there (`phy.waveform` draws it where samples are asked for).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from phy.burst_kernels import CHUNK, finish_bytes
from phy.fft_kernels import fft_lanes
from phy.philox import CHUNK_PAIRS, LANE_ANTENNA, LANE_RE_NOISE, normals
from phy.qam import NORM, map_levels, pack_symbols, slice_levels, unpack_symbols


@njit(cache=True, nogil=True)
def fill_levels(payload, offset, num_bits, bits_per_symbol, es, place, index, grid_i, grid_q):
    """Symbols with energy es of the bursts index[...] to the flat grid at place[...] (float32, zero
    elsewhere).
    """
    sym = np.empty(CHUNK + 8, np.uint8)
    for i in range(index.size):
        b = index[i]
        m = bits_per_symbol[b]
        n = -(-num_bits[b] // m)
        a = np.float32(math.sqrt(es[b] * (0.5 if m == 1 else 1.0 / NORM[m])))
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            bits = min(num_bits[b] - c * m, k * m)
            sym[k : k + 8] = 0
            unpack_symbols(m, payload, offset[b] + c * m // 8, (bits + 7) // 8, k, sym)
            o = place[i] + c
            map_levels(m, sym, a, k, grid_i[o : o + k], grid_q[o : o + k])


@njit(cache=True, nogil=True)
def decide_levels(
    payload, offset, num_bits, bits_per_symbol, es, place, index, grid_i, grid_q, received, errors
):
    """Slice the equalised grid (symbols with energy es) of the bursts index[...] and count their wrong
    bits.
    """
    sym = np.empty(CHUNK + 8, np.uint8)
    for i in range(index.size):
        b = index[i]
        m = bits_per_symbol[b]
        n = -(-num_bits[b] // m)
        a = np.float32(math.sqrt(NORM[m] / es[b])) if es[b] > 0.0 else np.float32(1.0)
        wrong = np.int64(0)
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            bits = min(num_bits[b] - c * m, k * m)
            byte = offset[b] + c * m // 8
            o = place[i] + c
            slice_levels(m, grid_i[o : o + k], grid_q[o : o + k], a, k, sym)
            sym[k : k + 8] = 0
            pack_symbols(m, sym, (bits + 7) // 8, received, byte)
            mask = 255 if bits % 8 == 0 else (0xFF00 >> (bits % 8)) & 255
            wrong += finish_bytes(payload, received, byte, (bits + 7) // 8, mask)
        errors[b] = wrong


@njit(cache=True, nogil=True)
def _draw(key, slot, lane, first, n, scratch, gi, gq):
    """N(0, 1) noise of elements first .. first + n - 1 to gi, gq (float32[>= n + 2]); returns where it
    begins.
    """
    odd = first & 1
    for c in range(0, n + odd, 2 * CHUNK_PAIRS):
        pairs = min(CHUNK_PAIRS, (n + odd - c + 1) >> 1)
        normals(key, slot, lane, (first + c) >> 1, pairs, scratch, gi[c:], gq[c:])
    return odd


@njit(cache=True, nogil=True, fastmath=True)
def _symbol_noise(key, slot, first, u_r, u_i, amplitude, scratch, gi, gq, wi, wq, sum_r, sum_i, out_r, out_i):
    """Noise of one OFDM symbol on all antennas, out_r, out_i float32[R, F] (see phy.frame.element_noise)."""
    ants, width = u_r.shape
    o = _draw(key, slot, LANE_RE_NOISE, first, width, scratch, gi, gq)
    if ants == 1:
        for f in range(width):
            x, y = gi[o + f] * amplitude, gq[o + f] * amplitude
            out_r[0, f] = u_r[0, f] * x - u_i[0, f] * y
            out_i[0, f] = u_r[0, f] * y + u_i[0, f] * x
        return
    for f in range(width):
        sum_r[f] = gi[o + f]
        sum_i[f] = gq[o + f]
    for r in range(ants):
        o = _draw(key, slot, LANE_ANTENNA + np.uint64(r), first, width, scratch, wi, wq)
        for f in range(width):
            x, y = wi[o + f], wq[o + f]
            out_r[r, f] = x
            out_i[r, f] = y
            sum_r[f] -= u_r[r, f] * x + u_i[r, f] * y
            sum_i[f] -= u_r[r, f] * y - u_i[r, f] * x
    for r in range(ants):
        for f in range(width):
            x = out_r[r, f] + u_r[r, f] * sum_r[f] - u_i[r, f] * sum_i[f]
            y = out_i[r, f] + u_r[r, f] * sum_i[f] + u_i[r, f] * sum_r[f]
            out_r[r, f] = x * amplitude
            out_i[r, f] = y * amplitude


@njit(cache=True, nogil=True, fastmath=True)
def _delay_line(xr, xi, tail_r, tail_i, coef_r, coef_i, old_r, old_i, n, cp, lanes, yr, yi):
    """y += taps * x with cyclic prefix: coef[l, t] for the symbol itself, old[l, t] for what reaches back
    further.
    """
    for l in range(coef_r.shape[0]):
        cr, ci = coef_r[l], coef_i[l]
        for k in range(n):
            y_r, y_i = yr[k * lanes : (k + 1) * lanes], yi[k * lanes : (k + 1) * lanes]
            source = k - l
            if source >= -cp:
                o = (source if source >= 0 else source + n) * lanes
                x_r, x_i = xr[o : o + lanes], xi[o : o + lanes]
                for t in range(lanes):
                    y_r[t] += cr[t] * x_r[t] - ci[t] * x_i[t]
                    y_i[t] += cr[t] * x_i[t] + ci[t] * x_r[t]
            else:  # the last samples of the symbol before
                row = source + cp + n
                a, b = old_r[l, 0], old_i[l, 0]
                y_r[0] += a * tail_r[row] - b * tail_i[row]
                y_i[0] += a * tail_i[row] + b * tail_r[row]
                for t in range(1, lanes):
                    a, b = old_r[l, t], old_i[l, t]
                    x, y = xr[row * lanes + t - 1], xi[row * lanes + t - 1]
                    y_r[t] += a * x - b * y
                    y_i[t] += a * y + b * x


@njit(cache=True, nogil=True)
def _to_lanes(grid_i, grid_q, s0, num, bins, unit, lanes, out_r, out_i):
    """Symbols s0 .. s0 + num - 1 to the tile: out[bins[f] * lanes + t] = unit * grid[s0 + t, f]."""
    for t in range(num):
        row_i, row_q = grid_i[s0 + t], grid_q[s0 + t]
        for f in range(bins.size):
            o = bins[f] * lanes + t
            out_r[o] = row_i[f] * unit
            out_i[o] = row_q[f] * unit


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _directions(h_r, h_i, u_r, u_i, inverse):
    """u = h/|h| over the antennas (the first antenna where h = 0) and inverse = 1/|h| (0 there)."""
    ants, width = h_r.shape
    for f in range(width):
        g = np.float32(0.0)
        for r in range(ants):
            g += h_r[r, f] * h_r[r, f] + h_i[r, f] * h_i[r, f]
        inverse[f] = np.float32(1.0) / np.float32(math.sqrt(g)) if g > np.float32(0.0) else np.float32(0.0)
    for r in range(ants):
        for f in range(width):
            u_r[r, f] = h_r[r, f] * inverse[f]
            u_i[r, f] = h_i[r, f] * inverse[f]
            if inverse[f] == np.float32(0.0) and r == 0:
                u_r[r, f] = np.float32(1.0)


@njit(cache=True, nogil=True, fastmath=True)
def _combine(y_r, y_i, bins, lanes, t, unit, u_r, u_i, inverse, sums, out_i, out_q):
    """Maximum-ratio combining and division by |h| of symbol t of the tile."""
    width = bins.size
    for f in range(width):
        sums[0, f] = np.float32(0.0)
        sums[1, f] = np.float32(0.0)
    for r in range(u_r.shape[0]):
        for f in range(width):
            a, b = y_r[r, bins[f] * lanes + t], y_i[r, bins[f] * lanes + t]
            sums[0, f] += u_r[r, f] * a + u_i[r, f] * b
            sums[1, f] += u_r[r, f] * b - u_i[r, f] * a
    for f in range(width):
        out_i[f] = sums[0, f] * inverse[f] * unit
        out_q[f] = sums[1, f] * inverse[f] * unit


@njit(cache=True, nogil=True)
def through_samples(
    grid_i, grid_q, owner, number, start, key, slot, h_r, h_i, taps, bins, n, cp, n0, table, lanes
):
    """All OFDM symbols of a call through IFFT, prefix, delay line, noise, FFT and combining; in place.

    Args:
        grid_i, grid_q: float32[S, F], sent symbols in, equalised symbols out.
        owner: int64[S], frame of each symbol; number: int64[S], data symbol number within its slot; start:
            bool[S], whether no symbol of the frame comes before.
        key: uint64[frames]; slot: int64[frames]; h_r, h_i: float32[frames, R, F]; taps: complex64[frames, R,
            L].
        bins: int64[F] in [0, n); n, cp: FFT size and prefix; n0: noise energy; table: twiddles(n).
        lanes: symbols in a tile; L - 1 <= n.
    """
    total, width = grid_i.shape
    ants, length = taps.shape[1], taps.shape[2]
    scratch = np.empty((4, CHUNK_PAIRS), np.uint32)
    run = np.empty((4, width + 2 * CHUNK_PAIRS + 2), np.float32)  # noise of one symbol, two draws
    sums = np.empty((2, width), np.float32)
    u_r = np.empty((ants, width), np.float32)
    u_i = np.empty((ants, width), np.float32)
    inverse = np.empty(width, np.float32)
    w_r = np.empty((ants, width), np.float32)
    w_i = np.empty((ants, width), np.float32)
    x = np.zeros((4, n * lanes), np.float32)  # samples, and the transform's scratch
    y_r = np.zeros((ants, n * lanes), np.float32)
    y_i = np.zeros((ants, n * lanes), np.float32)
    tail = np.zeros((2, n), np.float32)
    coef = np.zeros((4, length, lanes), np.float32)
    amplitude = np.float32(math.sqrt(0.5 * n0 / n))
    unit = np.float32(1.0 / math.sqrt(n))
    one = np.float32(1.0)
    current = -1
    for s0 in range(0, total, lanes):
        num = min(lanes, total - s0)
        x[:2] = np.float32(0.0)
        y_r[:] = np.float32(0.0)
        y_i[:] = np.float32(0.0)
        _to_lanes(grid_i, grid_q, s0, num, bins, unit, lanes, x[0], x[1])
        fft_lanes(x[0], x[1], x[2], x[3], n, lanes, table, one)
        for t in range(num):
            frame = owner[s0 + t]
            if frame != current:
                _directions(h_r[frame], h_i[frame], u_r, u_i, inverse)
                current = frame
            _symbol_noise(
                key[frame], slot[frame], number[s0 + t] * width, u_r, u_i, amplitude, scratch,
                run[0], run[1], run[2], run[3], sums[0], sums[1], w_r, w_i,
            )  # fmt: skip
            for r in range(ants):
                for f in range(width):
                    o = bins[f] * lanes + t
                    y_r[r, o] = w_r[r, f]
                    y_i[r, o] = w_i[r, f]
        for r in range(ants):
            for l in range(length):
                for t in range(num):
                    c = taps[owner[s0 + t], r, l]
                    before = np.float32(0.0) if start[s0 + t] else one
                    coef[0, l, t] = c.real
                    coef[1, l, t] = c.imag
                    coef[2, l, t] = c.real * before
                    coef[3, l, t] = c.imag * before
            fft_lanes(y_r[r], y_i[r], x[2], x[3], n, lanes, table, one)
            _delay_line(
                x[0], x[1], tail[0], tail[1], coef[0], coef[1], coef[2], coef[3], n, cp, lanes, y_r[r], y_i[r]
            )
            fft_lanes(y_r[r], y_i[r], x[2], x[3], n, lanes, table, -one)
        for k in range(n):
            tail[0, k] = x[0, k * lanes + num - 1]
            tail[1, k] = x[1, k * lanes + num - 1]
        for t in range(num):
            frame = owner[s0 + t]
            if t == 0 or frame != owner[s0 + t - 1]:
                _directions(h_r[frame], h_i[frame], u_r, u_i, inverse)
                current = frame
            _combine(y_r, y_i, bins, lanes, t, unit, u_r, u_i, inverse, sums, grid_i[s0 + t], grid_q[s0 + t])
