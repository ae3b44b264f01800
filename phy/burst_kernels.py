"""Kernels over bursts: the frequency-domain link of level `bit`.

A burst passes in chunks of CHUNK symbols, so the scratch memory (noise, scale, symbols) stays in the L1
cache. Separate loops draw the noise, slice, and count: fused they run slower (measured, docs/phy.md).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from phy.philox import CHUNK_PAIRS, LANE_RE_NOISE, normals
from phy.qam import NORM, maxlog_symbols, pack_symbols, slice_symbols, unpack_symbols

CHUNK = 2 * CHUNK_PAIRS - 8  # symbols; a multiple of 8, so that chunks begin at byte boundaries for every m
_MAX_SCALE = 1e9  # noise that drowns any constellation; keeps a faded-out burst finite

OK, BAD_BITS, BAD_RANGE, BAD_SLOT, BAD_ES, BAD_SYMBOL, BAD_WIDTH = 0, 1, 2, 3, 4, 5, 6


@njit(cache=True, nogil=True)
def check(num_bytes, offset, num_bits, bits_per_symbol, es, first_symbol, slot, width, max_width):
    """First burst that breaks a rule of `Bursts`: (index, code), or (-1, OK)."""
    for b in range(offset.size):
        m = bits_per_symbol[b]
        if m != 1 and m != 2 and m != 4 and m != 6 and m != 8:
            return b, BAD_BITS
        if num_bits[b] < 0 or offset[b] < 0 or offset[b] + (num_bits[b] + 7) // 8 > num_bytes:
            return b, BAD_RANGE
        if slot[b] < 0:
            return b, BAD_SLOT
        if not (es[b] >= 0.0 and es[b] < np.inf):
            return b, BAD_ES
        if first_symbol[b] < 0:
            return b, BAD_SYMBOL
        if width[b] < 1 or width[b] > max_width:
            return b, BAD_WIDTH
    return -1, OK


@njit(cache=True, nogil=True)
def combined_gain(h, b, width, gain):
    """gain[f] = sum over antennas of |h[b, r, f]|^2 for f < width: what maximum-ratio combining collects."""
    for f in range(width):
        gain[f] = 0.0
    for r in range(h.shape[1]):
        for f in range(width):
            z = h[b, r, f]
            gain[f] += np.float64(z.real) * z.real + np.float64(z.imag) * z.imag


@njit(cache=True, nogil=True)
def fill_scale(gain, width, first, n, amplitude2, noise, scale):
    """Noise scale of n consecutive symbols from RE `first` on, and the sum of gain over them.

    scale[k] = sqrt(noise / (amplitude2 * gain[(first + k) % width])), bounded by _MAX_SCALE.
    """
    m = min(n, width)
    f = first % width
    total = 0.0
    for k in range(m):
        g = gain[f]
        v = amplitude2 * g
        s = math.sqrt(noise / v) if v > 0.0 else _MAX_SCALE
        scale[k] = np.float32(min(s, _MAX_SCALE) if noise > 0.0 else 0.0)
        f += 1
        if f == width:
            f = 0
    for k in range(m, n):
        scale[k] = scale[k - width]
    f = first % width
    if n >= width:
        for k in range(width):
            total += gain[k]
        total *= n // width
    for _ in range(n % width):
        total += gain[f]
        f += 1
        if f == width:
            f = 0
    return total


@njit(cache=True, nogil=True)
def finish_bytes(payload, received, first, num_bytes, last_mask):
    """Restore the padding bits of the last byte and count the wrong bits."""
    if last_mask != 255 and num_bytes > 0:
        p = first + num_bytes - 1
        received[p] = np.uint8((received[p] & last_mask) | (payload[p] & (255 ^ last_mask)))
    errors = np.int64(0)
    for j in range(first, first + num_bytes):
        x = np.uint8(payload[j] ^ received[j])
        x = np.uint8(x - np.uint8(np.uint8(x >> 1) & np.uint8(0x55)))
        x = np.uint8(np.uint8(x & np.uint8(0x33)) + np.uint8(np.uint8(x >> 2) & np.uint8(0x33)))
        errors += np.uint8(np.uint8(x + np.uint8(x >> 4)) & np.uint8(0x0F))
    return errors


@njit(cache=True, nogil=True)
def transmit(payload, offset, num_bits, bits_per_symbol, h, width, es, n0, first_symbol, key, slot,
             first, last, received, errors, snr):  # fmt: skip
    """Hard decisions of bursts first .. last - 1 (see phy.link.Bursts for the arrays).

    Writes received uint8 (same layout as payload), errors int64[B], snr float64[B] (linear mean over the
    REs).
    """
    scratch = np.empty((4, CHUNK_PAIRS), np.uint32)
    gi = np.empty(2 * CHUNK_PAIRS, np.float32)
    gq = np.empty(2 * CHUNK_PAIRS, np.float32)
    sym = np.empty(CHUNK + 8, np.uint8)
    scale = np.empty(CHUNK, np.float32)
    gain = np.empty(h.shape[2], np.float64)
    for b in range(first, last):
        m = bits_per_symbol[b]
        w = width[b]
        n = -(-num_bits[b] // m)
        combined_gain(h, b, w, gain)
        re = first_symbol[b]
        total = 0.0
        wrong = np.int64(0)
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            byte = offset[b] + c * m // 8
            bits = min(num_bits[b] - c * m, k * m)
            num_bytes = (bits + 7) // 8
            sym[k : k + 8] = 0
            unpack_symbols(m, payload, byte, num_bytes, k, sym)
            total += fill_scale(gain, w, re + c, k, 2.0 * es[b] / NORM[m], n0, scale)
            odd = (re + c) & 1
            normals(key[b], slot[b], LANE_RE_NOISE, (re + c) >> 1, (k + odd + 1) >> 1, scratch, gi, gq)
            slice_symbols(m, sym, gi, gq, odd, scale, 0, k)
            sym[k : k + 8] = 0
            pack_symbols(m, sym, num_bytes, received, byte)
            mask = 255 if bits % 8 == 0 else (0xFF00 >> (bits % 8)) & 255
            wrong += finish_bytes(payload, received, byte, num_bytes, mask)
        errors[b] = wrong
        snr[b] = es[b] * total / (n0 * n) if n0 > 0.0 and n > 0 else np.inf


@njit(cache=True, nogil=True)
def transmit_given(payload, offset, num_bits, bits_per_symbol, h, width, es, n0, first_symbol, noise,
                   noise_start, received, errors, snr):  # fmt: skip
    """As `transmit`, with the noise handed in: complex64, CN(0, n0), burst b from noise_start[b] on."""
    gi = np.empty(CHUNK, np.float32)
    gq = np.empty(CHUNK, np.float32)
    sym = np.empty(CHUNK + 8, np.uint8)
    scale = np.empty(CHUNK, np.float32)
    gain = np.empty(h.shape[2], np.float64)
    for b in range(offset.size):
        m = bits_per_symbol[b]
        w = width[b]
        n = -(-num_bits[b] // m)
        combined_gain(h, b, w, gain)
        re = first_symbol[b]
        total = 0.0
        wrong = np.int64(0)
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            byte = offset[b] + c * m // 8
            bits = min(num_bits[b] - c * m, k * m)
            num_bytes = (bits + 7) // 8
            sym[k : k + 8] = 0
            unpack_symbols(m, payload, byte, num_bytes, k, sym)
            total += fill_scale(gain, w, re + c, k, es[b] / NORM[m], 1.0, scale)
            for i in range(k):
                z = noise[noise_start[b] + c + i]
                gi[i] = z.real
                gq[i] = z.imag
            slice_symbols(m, sym, gi, gq, 0, scale, 0, k)
            sym[k : k + 8] = 0
            pack_symbols(m, sym, num_bytes, received, byte)
            mask = 255 if bits % 8 == 0 else (0xFF00 >> (bits % 8)) & 255
            wrong += finish_bytes(payload, received, byte, num_bytes, mask)
        errors[b] = wrong
        snr[b] = es[b] * total / (n0 * n) if n0 > 0.0 and n > 0 else np.inf


@njit(cache=True, nogil=True)
def transmit_maxlog(payload, offset, num_bits, bits_per_symbol, h, width, es, n0, first_symbol, key, slot,
                    first, last, llr, llr_start, snr):  # fmt: skip
    """Max-log LLRs of bursts first .. last - 1: llr float32, burst b from llr_start[b] on (num_bits[b]
    values).
    """
    scratch = np.empty((4, CHUNK_PAIRS), np.uint32)
    gi = np.empty(2 * CHUNK_PAIRS, np.float32)
    gq = np.empty(2 * CHUNK_PAIRS, np.float32)
    sym = np.empty(CHUNK + 8, np.uint8)
    scale = np.empty(CHUNK, np.float32)
    gain = np.empty(h.shape[2], np.float64)
    tail = np.empty(8, np.float32)
    for b in range(first, last):
        m = bits_per_symbol[b]
        w = width[b]
        n = -(-num_bits[b] // m)
        combined_gain(h, b, w, gain)
        re = first_symbol[b]
        total = 0.0
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            byte = offset[b] + c * m // 8
            bits = min(num_bits[b] - c * m, k * m)
            sym[k : k + 8] = 0
            unpack_symbols(m, payload, byte, (bits + 7) // 8, k, sym)
            total += fill_scale(gain, w, re + c, k, 2.0 * es[b] / NORM[m], n0, scale)
            odd = (re + c) & 1
            normals(key[b], slot[b], LANE_RE_NOISE, (re + c) >> 1, (k + odd + 1) >> 1, scratch, gi, gq)
            whole = bits // m
            o = llr_start[b] + c * m
            maxlog_symbols(m, sym, gi, gq, odd, scale, 0, whole, llr, o)
            if whole < k:  # the last symbol carries padding: only its first bits have a place in llr
                sym[0] = sym[whole]
                maxlog_symbols(m, sym, gi, gq, odd + whole, scale, whole, 1, tail, 0)
                for i in range(bits - whole * m):
                    llr[o + whole * m + i] = tail[i]
        snr[b] = es[b] * total / (n0 * n) if n0 > 0.0 and n > 0 else np.inf
