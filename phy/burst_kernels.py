"""Kernels over bursts: the frequency-domain link of level `bit`.

A burst passes in chunks of CHUNK symbols, so the scratch memory (noise, scale, symbols) stays in the L1
cache. What measurement taught, and what an editor of the kernels should keep:

* Separate loops draw the words, the normals, and slice: each of them vectorises, their fusion does not.
* A loop indexes its arrays from 0; what begins elsewhere is passed as a view. With an offset numba adds a
  sign check to the index, the compiler's test for overlapping arrays then covers too much, and whether the
  loop runs as scalar code depends on where malloc put the arrays (six times slower, in one thread and not in
  the other).
* An argument that is None takes its branch out of the compiled code.
* numba's cache looks at the file of the outermost kernel only: after an edit in another kernel module, delete
  phy/__pycache__/*.nb*.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from phy.philox import CHUNK_PAIRS, LANE_RE_NOISE, normals
from phy.qam import NORM, maxlog_symbols, pack_symbols, slice_symbols, unpack_symbols

CHUNK = 2 * CHUNK_PAIRS - 8  # symbols; a multiple of 8, so that chunks begin at byte boundaries for every m
MIN_PERIOD = 128  # shortest run of noise scales that is copied at once
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


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nsz"})
def subcarrier_scale(gain, width, amplitude2, noise, base):
    """base[f] = sqrt(noise / (amplitude2 * gain[f])), bounded by _MAX_SCALE: the noise scale of the slicer.

    Short periods are repeated until they fill a vector loop; returns the length filled, a multiple of width.
    """
    for f in range(width):
        v = amplitude2 * gain[f]
        s = math.sqrt(noise / v) if v > 0.0 else _MAX_SCALE
        base[f] = np.float32(min(s, _MAX_SCALE))
    if noise <= 0.0:
        for f in range(width):
            base[f] = np.float32(0.0)
    period = width
    while period < MIN_PERIOD:
        for f in range(period):
            base[period + f] = base[f]
        period *= 2
    return period


@njit(cache=True, nogil=True)
def spread(base, period, first, n, scale):
    """scale[k] = base[(first + k) % period] for k < n."""
    f = first % period
    k = 0
    while k < n:
        part = min(period - f, n - k)
        to, source = scale[k : k + part], base[f : f + part]
        for i in range(part):
            to[i] = source[i]
        k += part
        f = 0


@njit(cache=True, nogil=True)
def mean_gain(gain, width, first, n):
    """Mean of gain[(first + k) % width] over k < n; 0 for n = 0."""
    total = 0.0
    if n >= width:
        for f in range(width):
            total += gain[f]
        total *= n // width
    f = first % width
    for _ in range(n % width):
        total += gain[f]
        f = f + 1 if f + 1 < width else 0
    return total / n if n > 0 else 0.0


@njit(cache=True, nogil=True)
def mean_snr(h, width, es, n0, first_symbol, num_symbols, snr):
    """snr[b] = mean SNR after combining over the elements of each burst (linear; inf without noise or
    symbols).
    """
    gain = np.empty(h.shape[2], np.float64)
    for b in range(es.size):
        combined_gain(h, b, width[b], gain)
        mean = mean_gain(gain, width[b], first_symbol[b], num_symbols[b])
        snr[b] = es[b] * mean / n0 if n0 > 0.0 and num_symbols[b] > 0 else np.inf


@njit(cache=True, nogil=True)
def finish_bytes(payload, received, first, num_bytes, last_mask):
    """Restore the padding bits of the last byte and count the wrong bits."""
    if last_mask != 255 and num_bytes > 0:
        p = first + num_bytes - 1
        received[p] = np.uint8((received[p] & last_mask) | (payload[p] & (255 ^ last_mask)))
    errors = np.int64(0)
    sent, got = payload[first : first + num_bytes], received[first : first + num_bytes]
    for j in range(num_bytes):
        x = np.int32(sent[j] ^ got[j])
        x = np.int32(x - np.int32(np.int32(x >> 1) & np.int32(0x55)))
        x = np.int32(np.int32(x & np.int32(0x33)) + np.int32(np.int32(x >> 2) & np.int32(0x33)))
        errors += np.int32(np.int32(x + np.int32(x >> 4)) & np.int32(0x0F))
    return errors


@njit(cache=True, nogil=True)
def soft_chunk(m, sym, gi, gq, scale, n, bits, plane, llr):
    """LLRs of the first `bits` bits of n symbols: the last symbol may carry padding, which has no place in
    llr.
    """
    whole = bits // m
    last_scale = scale[n - 1]
    last_i, last_q = gi[n - 1], gq[n - 1]
    maxlog_symbols(m, sym, gi, gq, scale, whole, plane, llr)
    if whole < n:
        tail = np.empty(8, np.float32)
        sym[0] = sym[whole]
        gi[0] = last_i
        gq[0] = last_q
        scale[0] = last_scale
        maxlog_symbols(m, sym, gi, gq, scale, 1, plane, tail)
        for i in range(bits - whole * m):
            llr[whole * m + i] = tail[i]


@njit(cache=True, nogil=True)
def transmit(payload, offset, num_bits, bits_per_symbol, h, width, es, n0, first_symbol, key, slot,
             first, last, noise, noise_start, received, errors, llr, llr_start, snr):  # fmt: skip
    """Bursts first .. last - 1 through channel, noise and receiver (see phy.bursts.Bursts for the arrays).

    What is None is compiled away: one source serves hard and soft decisions, drawn and given noise.

    Args:
        noise: complex64, N(0, 1) per dimension, burst b from noise_start[b] on; None: drawn from the keys.
        received: uint8, hard decisions in the layout of payload, with errors int64[B]; or None.
        llr: float32, max-log LLRs, burst b from llr_start[b] on; or None.
        snr: float64[B], linear SNR after combining, mean over the resource elements.
    """
    gi = np.empty(2 * CHUNK_PAIRS, np.float32)
    gq = np.empty(2 * CHUNK_PAIRS, np.float32)
    sym = np.empty(CHUNK + 8, np.uint8)
    scale = np.empty(CHUNK, np.float32)
    gain = np.empty(h.shape[2], np.float64)
    base = np.empty(h.shape[2] + 2 * MIN_PERIOD, np.float32)
    scratch = np.empty((4, CHUNK_PAIRS), np.uint32)
    plane = np.empty((8, 0 if llr is None else CHUNK), np.float32)
    for b in range(first, last):
        m = bits_per_symbol[b]
        n = -(-num_bits[b] // m)
        re = first_symbol[b]
        combined_gain(h, b, width[b], gain)
        snr[b] = es[b] * mean_gain(gain, width[b], re, n) / n0 if n0 > 0.0 and n > 0 else np.inf
        period = subcarrier_scale(gain, width[b], 2.0 * es[b] / NORM[m], n0, base)
        wrong = np.int64(0)
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            bits = min(num_bits[b] - c * m, k * m)
            byte = offset[b] + c * m // 8
            sym[k : k + 8] = 0
            unpack_symbols(m, payload, byte, (bits + 7) // 8, k, sym)
            spread(base, period, re + c, k, scale)
            odd = 0
            if noise is None:
                odd = (re + c) & 1
                normals(key[b], slot[b], LANE_RE_NOISE, (re + c) >> 1, (k + odd + 1) >> 1, scratch, gi, gq)
            else:
                for i in range(k):
                    z = noise[noise_start[b] + c + i]
                    gi[i] = z.real
                    gq[i] = z.imag
            if received is not None:
                slice_symbols(m, sym, gi[odd:], gq[odd:], scale, k)
                sym[k : k + 8] = 0
                pack_symbols(m, sym, (bits + 7) // 8, received, byte)
                mask = 255 if bits % 8 == 0 else (0xFF00 >> (bits % 8)) & 255
                wrong += finish_bytes(payload, received, byte, (bits + 7) // 8, mask)
            if llr is not None:
                soft_chunk(m, sym, gi[odd:], gq[odd:], scale, k, bits, plane, llr[llr_start[b] + c * m :])
        if errors is not None:
            errors[b] = wrong
