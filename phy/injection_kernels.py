"""Kernels that put bit errors straight into the payload: exact level transitions, and Bernoulli flips by
table.

Level transitions. With noise of standard deviation s (in units of half the level distance) on a rail, the
decision moves by at least j + 1 levels upwards exactly when the noise exceeds 2j + 1, with probability
Q((2j+1)/s), whatever level was sent; the edges clip. So one uniform number a rail reproduces the law of the
Gaussian path. When moves are rare, their positions are drawn instead, as geometric gaps over the rails
(thinned where the gain varies).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from phy.burst_kernels import CHUNK, combined_gain, fill_scale, finish_bytes
from phy.philox import CHUNK_PAIRS, LANE_INJECT, LANE_TABLE, philox4x32
from phy.qam import NORM, pack_symbols, rail_bits, rail_level, slice_symbols, unpack_symbols

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MASK31 = np.uint32(0x7FFFFFFF)
_MAX_MOVES = 15
_TWO = np.float32(2.0)
_ROOT2 = np.float32(math.sqrt(2.0))


@njit(cache=True, nogil=True)
def tail(x):
    """Q(x) for x >= 0."""
    return 0.5 * math.erfc(x * math.sqrt(0.5))


@njit(cache=True, nogil=True)
def derive_key(key, slot, first_symbol, lane):
    """A key of its own for the draws of one burst: one Philox block of (first symbol, slot, lane)."""
    a, b, _, _ = philox4x32(
        np.uint64(first_symbol) & _LOW,
        np.uint64(slot) & _LOW,
        np.uint64(slot) >> _SHIFT,
        lane | ((np.uint64(first_symbol) >> _SHIFT) << np.uint64(8)),
        key & _LOW,
        key >> _SHIFT,
    )
    return a, b


@njit(cache=True, nogil=True)
def _thresholds(s, num_moves, out):
    """out[j] = Q((2j+1)/s) * 2^32 as uint32 for the moves of at least j + 1 levels."""
    for j in range(num_moves):
        q = tail((2 * j + 1) / s) if s > 0.0 else 0.0
        out[j] = np.uint32(min(q * 4294967296.0 + 0.5, 2147483648.0))


@njit(cache=True, nogil=True)
def _moves_flat(key, slot, first_pair, num_pairs, threshold, num_moves, gain, gi, gq):
    """Signed moves (times gain) of the two rails of each element: words as the noise uses them."""
    k0 = key & _LOW
    k1 = key >> _SHIFT
    s0 = np.uint64(slot) & _LOW
    s1 = np.uint64(slot) >> _SHIFT
    first = np.uint64(first_pair)
    w = np.empty((4, CHUNK_PAIRS), np.uint32)
    for n in range(num_pairs):
        a, b, c, d = philox4x32((first + np.uint64(n)) & _LOW, s0, s1, LANE_INJECT, k0, k1)
        w[0, n] = np.uint32(a)
        w[1, n] = np.uint32(b)
        w[2, n] = np.uint32(c)
        w[3, n] = np.uint32(d)
    for half in range(2):
        for rail in range(2):
            row = w[2 * half + rail]
            out = gi if rail == 0 else gq
            for n in range(num_pairs):
                r = np.uint32(row[n] & _MASK31)
                moves = np.int32(0)
                for j in range(num_moves):
                    moves = np.int32(moves + (np.int32(1) if r < threshold[j] else np.int32(0)))
                v = np.float32(moves) * gain
                out[2 * n + half] = v if row[n] < np.uint32(0x80000000) else -v


@njit(cache=True, nogil=True)
def _moves_selective(key, slot, first_pair, num_pairs, odd, n, scale, num_moves, gain, gi, gq):
    """As `_moves_flat` with a noise scale of its own for each element: scale[k] belongs to element odd +
    k.
    """
    k0 = key & _LOW
    k1 = key >> _SHIFT
    s0 = np.uint64(slot) & _LOW
    s1 = np.uint64(slot) >> _SHIFT
    for p in range(num_pairs):
        words = philox4x32((np.uint64(first_pair) + np.uint64(p)) & _LOW, s0, s1, LANE_INJECT, k0, k1)
        for half in range(2):
            k = 2 * p + half - odd
            if k < 0 or k >= n:
                continue
            s = np.float64(scale[k])
            for rail in range(2):
                word = words[2 * half + rail]
                u = (np.float64(word & np.uint64(0x7FFFFFFF)) + 0.5) / 4294967296.0
                moves = 0
                while moves < num_moves and s > 0.0 and u < tail((2 * moves + 1) / s):
                    moves += 1
                v = np.float32(moves) * gain
                if word >= np.uint64(0x80000000):
                    v = -v
                if rail == 0:
                    gi[2 * p + half] = v
                else:
                    gq[2 * p + half] = v


@njit(cache=True, nogil=True)
def _get_bits(data, bit, m):
    """The m-bit symbol that starts at bit `bit` of packed bytes (m divides 8 or is 6)."""
    byte = bit >> 3
    pair = np.int32(data[byte]) << 8
    if byte + 1 < data.size:
        pair |= np.int32(data[byte + 1])
    return (pair >> (16 - m - (bit & 7))) & ((1 << m) - 1)


@njit(cache=True, nogil=True)
def _xor_bits(data, bit, m, value):
    byte = bit >> 3
    pair = value << (16 - m - (bit & 7))
    data[byte] = np.uint8(data[byte] ^ (pair >> 8))
    if pair & 255:
        data[byte + 1] = np.uint8(data[byte + 1] ^ (pair & 255))


@njit(cache=True, nogil=True)
def _sparse_burst(payload, received, first_bit, num_bits, m, scale_of, width, re, s_max, key0, key1):
    """Moves of one burst at geometrically distributed rails. Returns the number of wrong bits.

    scale_of: float64[width], noise scale per subcarrier; s_max its maximum, whose move probability proposes.
    """
    rails = 1 if m == 1 else 2
    num_moves = 1 if m == 1 else (1 << (m // 2)) - 1
    total = -(-num_bits // m) * rails
    q_max = tail(1.0 / s_max)
    p = q_max if rails == 1 else 2.0 * q_max  # BPSK: the move away from the other point changes nothing
    if p <= 0.0:
        return np.int64(0)
    scale_log = 1.0 / math.log1p(-p)
    wrong = np.int64(0)
    position = np.int64(-1)
    draw = np.uint64(0)
    zero = np.uint64(0)
    while True:
        a, b, c, d = philox4x32(draw & _LOW, draw >> _SHIFT, zero, zero, key0, key1)
        draw += np.uint64(1)
        # 53 bits for the gap, 32 for the size of the move, 11 spare bits of b for its sign
        u = (np.float64(a) * 2097152.0 + np.float64(b >> np.uint64(11)) + 0.5) / 9007199254740992.0
        gap = math.log(u) * scale_log
        if gap >= total - position:
            return wrong
        position += 1 + np.int64(gap)
        if position >= total:
            return wrong
        k = position // rails
        s = scale_of[(re + k) % width]
        v = q_max * ((np.float64(c) + 0.5) / 4294967296.0 + np.float64(d)) / 4294967296.0
        moves = 0
        while moves < num_moves and s > 0.0 and v < tail((2 * moves + 1) / s):
            moves += 1
        if moves == 0:
            continue
        bit = first_bit + k * m
        sent = _get_bits(payload, bit, m)
        if m == 1:
            flip = np.int64(1)
        else:
            shift = 1 - (position & 1)  # real rail first
            z = rail_level(m, np.int32(sent), shift)
            up = (b & np.uint64(1)) == 0
            z = z + _TWO * np.float32(moves) if up else z - _TWO * np.float32(moves)
            flip = np.int64(0)
            now = rail_bits(m, z)
            for j in range(m // 2):
                flip |= ((now >> (2 * j)) & 1) << (2 * j + shift)
                flip ^= ((sent >> (2 * j + shift)) & 1) << (2 * j + shift)
        past = k * m + m - num_bits
        if past > 0:
            flip = (flip >> past) << past
        _xor_bits(received, bit, m, flip)
        while flip:
            flip &= flip - 1
            wrong += 1


@njit(cache=True, nogil=True)
def transmit_injected(payload, offset, num_bits, bits_per_symbol, h, width, es, n0, first_symbol, key, slot,
                      first, last, sparse_below, received, errors, snr):  # fmt: skip
    """Bursts first .. last - 1 with injected errors; `received` must hold a copy of `payload`.

    Args:
        sparse_below: bursts whose largest move probability per rail is below this use geometric gaps.
    """
    gi = np.empty(2 * CHUNK_PAIRS, np.float32)
    gq = np.empty(2 * CHUNK_PAIRS, np.float32)
    sym = np.empty(CHUNK + 8, np.uint8)
    scale = np.empty(CHUNK, np.float32)
    ones = np.ones(CHUNK, np.float32)
    gain = np.empty(h.shape[2], np.float64)
    scale_of = np.empty(h.shape[2], np.float64)
    threshold = np.empty(_MAX_MOVES, np.uint32)
    for b in range(first, last):
        m = bits_per_symbol[b]
        w = width[b]
        n = -(-num_bits[b] // m)
        num_moves = 1 if m == 1 else (1 << (m // 2)) - 1
        combined_gain(h, b, w, gain)
        re = first_symbol[b]
        s_max = 0.0
        for f in range(w):
            v = 2.0 * es[b] / NORM[m] * gain[f]
            s = min(math.sqrt(n0 / v), 1e9) if v > 0.0 else 1e9
            scale_of[f] = s if n0 > 0.0 else 0.0
            s_max = max(s_max, scale_of[f])
        if s_max <= 0.0 or 2.0 * tail(1.0 / s_max) < sparse_below:
            total = 0.0
            f = re % w
            if n >= w:
                for i in range(w):
                    total += gain[i]
                total *= n // w
            for _ in range(n % w):
                total += gain[f]
                f = f + 1 if f + 1 < w else 0
            errors[b] = 0
            if s_max > 0.0:
                k0, k1 = derive_key(key[b], slot[b], re, LANE_INJECT)
                errors[b] = _sparse_burst(
                    payload, received, offset[b] * 8, num_bits[b], m, scale_of, w, re, s_max, k0, k1
                )
            snr[b] = es[b] * total / (n0 * n) if n0 > 0.0 and n > 0 else np.inf
            continue
        total = 0.0
        wrong = np.int64(0)
        unit = _ROOT2 * _TWO if m == 1 else _TWO
        _thresholds(scale_of[0], num_moves, threshold)
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            byte = offset[b] + c * m // 8
            bits = min(num_bits[b] - c * m, k * m)
            num_bytes = (bits + 7) // 8
            sym[k : k + 8] = 0
            unpack_symbols(m, payload, byte, num_bytes, k, sym)
            total += fill_scale(gain, w, re + c, k, 2.0 * es[b] / NORM[m], n0, scale)
            odd = (re + c) & 1
            pairs = (k + odd + 1) >> 1
            if w == 1:
                _moves_flat(key[b], slot[b], (re + c) >> 1, pairs, threshold, num_moves, unit, gi, gq)
            else:
                _moves_selective(
                    key[b], slot[b], (re + c) >> 1, pairs, odd, k, scale, num_moves, unit, gi, gq
                )
            if m == 1:
                gq[:] = np.float32(0.0)
            slice_symbols(m, sym, gi, gq, odd, ones, 0, k)
            sym[k : k + 8] = 0
            pack_symbols(m, sym, num_bytes, received, byte)
            mask = 255 if bits % 8 == 0 else (0xFF00 >> (bits % 8)) & 255
            wrong += finish_bytes(payload, received, byte, num_bytes, mask)
        errors[b] = wrong
        snr[b] = es[b] * total / (n0 * n) if n0 > 0.0 and n > 0 else np.inf


@njit(cache=True, nogil=True)
def transmit_flips(payload, offset, num_bits, bits_per_symbol, h, width, es, n0, first_symbol, key, slot, ber,
                   low_db, step_db, received, errors, snr):  # fmt: skip
    """Bernoulli flips of every bit by a table of bit error rates per bit position.

    Each element uses the words of counter blocks 2 * RE and 2 * RE + 1, one word a bit.

    Args:
        ber: float64[G, m], rates on the uniform grid low_db + step_db * i of the SNR per element, linearly
            interpolated in between and clamped outside.
        received: a copy of payload.
    """
    gain = np.empty(h.shape[2], np.float64)
    threshold = np.empty((h.shape[2], ber.shape[1]), np.uint64)
    for b in range(offset.size):
        m = bits_per_symbol[b]
        w = width[b]
        n = -(-num_bits[b] // m)
        combined_gain(h, b, w, gain)
        certain = True
        for f in range(w):
            g = es[b] * gain[f]
            x = ber.shape[0] - 1.0
            if n0 > 0.0:
                x = (10.0 * math.log10(g / n0) - low_db) / step_db if g > 0.0 else 0.0
            x = min(max(x, 0.0), ber.shape[0] - 1.0)
            i = min(np.int64(x), ber.shape[0] - 2)
            for j in range(m):
                p = ber[i, j] + (x - i) * (ber[i + 1, j] - ber[i, j])
                threshold[f, j] = np.uint64(p * 4294967296.0 + 0.5)
                certain = certain and threshold[f, j] == 0
        re = first_symbol[b]
        k0 = key[b] & _LOW
        k1 = key[b] >> _SHIFT
        s0 = np.uint64(slot[b]) & _LOW
        s1 = np.uint64(slot[b]) >> _SHIFT
        total = 0.0
        wrong = np.int64(0)
        f = re % w
        for k in range(n):
            total += gain[f]
            if not certain:
                block = np.uint64(2 * (re + k))
                r = philox4x32(block & _LOW, s0, s1, LANE_TABLE, k0, k1)
                r2 = r
                if m > 4:
                    r2 = philox4x32((block + np.uint64(1)) & _LOW, s0, s1, LANE_TABLE, k0, k1)
                for j in range(min(m, num_bits[b] - k * m)):
                    word = r[j] if j < 4 else r2[j - 4]
                    if word < threshold[f, j]:
                        bit = k * m + j
                        p = offset[b] + (bit >> 3)
                        received[p] = np.uint8(received[p] ^ (128 >> (bit & 7)))
                        wrong += 1
            f = f + 1 if f + 1 < w else 0
        errors[b] = wrong
        snr[b] = es[b] * total / (n0 * n) if n0 > 0.0 and n > 0 else np.inf
