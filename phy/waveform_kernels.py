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
def _rotate(z_i, z_q, u_r, u_i, amplitude, out_r, out_i):
    """out = amplitude * u * z, all float32[F]."""
    for f in range(u_r.size):
        x, y = z_i[f] * amplitude, z_q[f] * amplitude
        out_r[f] = u_r[f] * x - u_i[f] * y
        out_i[f] = u_r[f] * y + u_i[f] * x


@njit(cache=True, nogil=True, fastmath=True)
def _subtract_projection(w_i, w_q, u_r, u_i, z_i, z_q):
    """z -= conj(u) * w, all float32[F]."""
    for f in range(u_r.size):
        x, y = w_i[f], w_q[f]
        z_i[f] -= u_r[f] * x + u_i[f] * y
        z_q[f] -= u_r[f] * y - u_i[f] * x


@njit(cache=True, nogil=True, fastmath=True)
def _add_scaled(w_i, w_q, amplitude, out_r, out_i):
    for f in range(w_i.size):
        out_r[f] += amplitude * w_i[f]
        out_i[f] += amplitude * w_q[f]


@njit(cache=True, nogil=True)
def _run_noise(key, slot, first, num, t0, u_r, u_i, amplitude, scratch, z, w, out_r, out_i):
    """Noise of `num` consecutive OFDM symbols of a frame on all antennas (see phy.frame.element_noise).

    Args:
        first: data symbol number of the first; t0: its place in the tile.
        z, w: float32[2 * (1 + R), >= num * F + padding], scratch: rows 0, 1 of z the collapsed noise, two
            rows of w for each antenna.
        out_r, out_i: float32[R, lanes, F], written at [:, t0 : t0 + num].
    """
    ants, width = u_r.shape
    o = _draw(key, slot, LANE_RE_NOISE, first * width, num * width, scratch, z[0], z[1])
    z_i, z_q = z[0, o:], z[1, o:]
    if ants > 1:
        for r in range(ants):
            lane = LANE_ANTENNA + np.uint64(r)
            _draw(key, slot, lane, first * width, num * width, scratch, w[2 * r], w[2 * r + 1])
            for t in range(num):
                p = slice(o + t * width, o + (t + 1) * width)
                q = slice(t * width, (t + 1) * width)
                _subtract_projection(w[2 * r, p], w[2 * r + 1, p], u_r[r], u_i[r], z_i[q], z_q[q])
    for r in range(ants):
        for t in range(num):
            q = slice(t * width, (t + 1) * width)
            _rotate(z_i[q], z_q[q], u_r[r], u_i[r], amplitude, out_r[r, t0 + t], out_i[r, t0 + t])
            if ants > 1:
                p = slice(o + t * width, o + (t + 1) * width)
                _add_scaled(w[2 * r, p], w[2 * r + 1, p], amplitude, out_r[r, t0 + t], out_i[r, t0 + t])


_BLOCK = 16


@njit(cache=True, nogil=True)
def _to_lanes(rows, bins, unit, lanes, out):
    """out[bins[f] * lanes + t] = unit * rows[t, f], in blocks that keep 16 rows in the cache."""
    num = rows.shape[0]
    for t0 in range(0, num, _BLOCK):
        if t0 + _BLOCK <= num:
            block = rows[t0 : t0 + _BLOCK]
            for f in range(bins.size):
                o = bins[f] * lanes + t0
                place = out[o : o + _BLOCK]
                for t in range(_BLOCK):
                    place[t] = block[t, f] * unit
        else:
            for f in range(bins.size):
                for t in range(t0, num):
                    out[bins[f] * lanes + t] = rows[t, f] * unit


@njit(cache=True, nogil=True)
def _to_rows(y, bins, lanes, rows):
    """rows[t, f] = y[bins[f] * lanes + t], in blocks as `_to_lanes`."""
    num = rows.shape[0]
    for t0 in range(0, num, _BLOCK):
        if t0 + _BLOCK <= num:
            block = rows[t0 : t0 + _BLOCK]
            for f in range(bins.size):
                o = bins[f] * lanes + t0
                place = y[o : o + _BLOCK]
                for t in range(_BLOCK):
                    block[t, f] = place[t]
        else:
            for f in range(bins.size):
                for t in range(t0, num):
                    rows[t, f] = y[bins[f] * lanes + t]


@njit(cache=True, nogil=True, fastmath=True)
def _multiply_add(c_r, c_i, x_r, x_i, y_r, y_i, rows, lanes):
    """y[k, t] += c[t] * x[k, t] for `rows` samples: c float32[lanes], x and y float32[rows * lanes]."""
    for k in range(rows):
        o = np.uint64(k) * np.uint64(lanes)  # unsigned: numba then adds no wrap-around to the index
        for t in range(np.uint64(lanes)):
            y_r[o + t] += c_r[t] * x_r[o + t] - c_i[t] * x_i[o + t]
            y_i[o + t] += c_r[t] * x_i[o + t] + c_i[t] * x_r[o + t]


@njit(cache=True, nogil=True)
def _delay_line(x_r, x_i, tail, coef, n, cp, lanes, y_r, y_i):
    """y += taps * x with cyclic prefix.

    Args:
        coef: float32[4, L, lanes]: taps (real, imaginary) for the symbol itself, and for the symbol before.
        tail: float32[2, n], the samples of the symbol before the tile.
    """
    for l in range(coef.shape[1]):
        c_r, c_i = coef[0, l], coef[1, l]
        o = l * lanes
        _multiply_add(c_r, c_i, x_r, x_i, y_r[o:], y_i[o:], n - l, lanes)
        # samples before the symbol: first the prefix, which is its own end ...
        wrapped = min(l, cp)
        p, o = (n - wrapped) * lanes, (l - wrapped) * lanes
        _multiply_add(c_r, c_i, x_r[p:], x_i[p:], y_r[o:], y_i[o:], wrapped, lanes)
        for k in range(l - wrapped):  # ... and beyond the prefix the end of the symbol before
            row = k - l + cp + n
            o, p = k * lanes, row * lanes
            d_r, d_i = coef[2, l], coef[3, l]
            y_r[o] += d_r[0] * tail[0, row] - d_i[0] * tail[1, row]
            y_i[o] += d_r[0] * tail[1, row] + d_i[0] * tail[0, row]
            _multiply_add(d_r[1:], d_i[1:], x_r[p:], x_i[p:], y_r[o + 1 :], y_i[o + 1 :], 1, lanes - 1)


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
def _combine(a_r, a_i, u_r, u_i, weight, out_i, out_q):
    """out += conj(u) * a * weight, all float32[F]: one antenna's part of maximum-ratio combining."""
    for f in range(u_r.size):
        x, y = a_r[f] * weight[f], a_i[f] * weight[f]
        out_i[f] += u_r[f] * x + u_i[f] * y
        out_q[f] += u_r[f] * y - u_i[f] * x


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
        lanes: symbols in a tile; L <= n.
    """
    total, width = grid_i.shape
    ants, length = taps.shape[1], taps.shape[2]
    zero, one = np.float32(0.0), np.float32(1.0)
    amplitude = np.float32(math.sqrt(0.5 * n0 / n))
    unit = np.float32(1.0 / math.sqrt(n))
    scratch = np.empty((4, CHUNK_PAIRS), np.uint32)
    size = lanes * width + 2 * CHUNK_PAIRS + 2
    z = np.empty((2, size), np.float32)
    w = np.empty((2 * ants if ants > 1 else 0, size), np.float32)
    u_r = np.empty((ants, width), np.float32)
    u_i = np.empty((ants, width), np.float32)
    inverse = np.empty(width, np.float32)
    rows_r = np.empty((ants, lanes, width), np.float32)
    rows_i = np.empty((ants, lanes, width), np.float32)
    x = np.zeros((4, n * lanes), np.float32)  # samples, and the transforms' scratch
    y_r = np.zeros((ants, n * lanes), np.float32)
    y_i = np.zeros((ants, n * lanes), np.float32)
    tail = np.zeros((2, n), np.float32)
    coef = np.zeros((4, length, lanes), np.float32)
    for s0 in range(0, total, lanes):
        num = min(lanes, total - s0)
        x[:2] = zero
        y_r[:] = zero
        y_i[:] = zero
        _to_lanes(grid_i[s0 : s0 + num], bins, unit, lanes, x[0])
        _to_lanes(grid_q[s0 : s0 + num], bins, unit, lanes, x[1])
        fft_lanes(x[0], x[1], x[2], x[3], n, lanes, table, one)
        t = 0
        while t < num:  # runs of symbols of one frame
            frame = owner[s0 + t]
            run = 1
            while t + run < num and owner[s0 + t + run] == frame:
                run += 1
            _directions(h_r[frame], h_i[frame], u_r, u_i, inverse)
            _run_noise(
                key[frame], slot[frame], number[s0 + t], run, t, u_r, u_i, amplitude, scratch, z, w,
                rows_r, rows_i,
            )  # fmt: skip
            t += run
        for r in range(ants):
            _to_lanes(rows_r[r, :num], bins, one, lanes, y_r[r])
            _to_lanes(rows_i[r, :num], bins, one, lanes, y_i[r])
            fft_lanes(y_r[r], y_i[r], x[2], x[3], n, lanes, table, one)
            for t in range(num):
                before = zero if start[s0 + t] else one
                for l in range(length):
                    c = taps[owner[s0 + t], r, l]
                    coef[0, l, t] = c.real
                    coef[1, l, t] = c.imag
                    coef[2, l, t] = c.real * before
                    coef[3, l, t] = c.imag * before
            _delay_line(x[0], x[1], tail, coef, n, cp, lanes, y_r[r], y_i[r])
            fft_lanes(y_r[r], y_i[r], x[2], x[3], n, lanes, table, -one)
            _to_rows(y_r[r], bins, lanes, rows_r[r, :num])
            _to_rows(y_i[r], bins, lanes, rows_i[r, :num])
        for k in range(n):
            tail[0, k] = x[0, k * lanes + num - 1]
            tail[1, k] = x[1, k * lanes + num - 1]
        frame = -1
        for t in range(num):
            if owner[s0 + t] != frame:
                frame = owner[s0 + t]
                _directions(h_r[frame], h_i[frame], u_r, u_i, inverse)
                for f in range(width):
                    inverse[f] *= unit
            grid_i[s0 + t] = zero
            grid_q[s0 + t] = zero
            for r in range(ants):
                _combine(rows_r[r, t], rows_i[r, t], u_r[r], u_i[r], inverse, grid_i[s0 + t], grid_q[s0 + t])
