"""Kernels that put bit errors straight into the payload: exact level transitions, and Bernoulli flips by
table.

Level transitions. With noise of standard deviation s (in units of half the level distance) on a rail, the
decision moves by at least j + 1 levels upwards exactly when the noise exceeds 2j + 1, with probability
Q((2j+1)/s), whatever level was sent; the edges clip. Where moves are rare their positions are drawn, as
geometric gaps over the rails (thinned where the gain varies), so the cost follows the errors.
"""

from __future__ import annotations

import math

import numpy as np

from phy.burst_kernels import (
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
    WIDTH,
    combined_gain,
    first_broken,
)
from phy.jit import entry, part, scratch
from phy.philox import LANE_INJECT, LANE_TABLE, philox4x32
from phy.qam import NORM, rail_bits, rail_level

LEFT = -2  # what `transmit_injected` returns if bursts are left for the Gaussian kernel
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_TWO = np.float32(2.0)


@part(forceinline=True)
def tail(x):
    """Q(x) for x >= 0."""
    return 0.5 * math.erfc(x * math.sqrt(0.5))


@part
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


@part(forceinline=True)
def _get_bits(data, bit, m):
    """The m-bit symbol that starts at bit `bit` of packed bytes (m divides 8 or is 6)."""
    byte = bit >> 3
    pair = np.int32(data[byte]) << 8
    if byte + 1 < data.size:
        pair |= np.int32(data[byte + 1])
    return (pair >> (16 - m - (bit & 7))) & ((1 << m) - 1)


@part(forceinline=True)
def _xor_bits(data, bit, m, value):
    byte = bit >> 3
    pair = value << (16 - m - (bit & 7))
    data[byte] = np.uint8(data[byte] ^ (pair >> 8))
    if pair & 255:
        data[byte + 1] = np.uint8(data[byte + 1] ^ (pair & 255))


@part
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
    q_two = tail(3.0 / s_max)
    wrong = np.int64(0)
    position = np.int64(-1)
    draw = np.uint64(0)
    zero = np.uint64(0)
    c = d = zero
    second = False
    while True:
        # two words an event: one for the gap, one for the size (31 bits) and the sign of the move
        if second:
            a, b = c, d
        else:
            a, b, c, d = philox4x32(draw & _LOW, draw >> _SHIFT, zero, zero, key0, key1)
            draw += np.uint64(1)
        second = not second
        gap = math.log((np.float64(a) + 0.5) / 4294967296.0) * scale_log
        if gap >= total - position:
            return wrong
        position += 1 + np.int64(gap)
        if position >= total:
            return wrong
        k = position >> (rails - 1)
        s = scale_of[(re + k) % width] if width > 1 else s_max
        v = q_max * (np.float64(b >> np.uint64(1)) + 0.5) / 2147483648.0
        # at the proposing subcarrier a move is certain, and more than one level is rare
        moves = 1 if s == s_max else 0
        if s < s_max or v < q_two:
            while moves < num_moves and s > 0.0 and v < tail((2 * moves + 1) / s):
                moves += 1
            if moves == 0:
                continue
        bit = first_bit + k * m
        sent = _get_bits(payload, bit, m)
        if m == 1:
            flip = np.int64(1)
        else:
            rail = position & 1
            z = rail_level(m, sent, rail)
            up = (b & np.uint64(1)) == 0
            z = z + _TWO * np.float32(moves) if up else z - _TWO * np.float32(moves)
            of_rail = 0xAA if rail == 0 else 0x55
            flip = np.int64((rail_bits(m, z, rail) ^ sent) & of_rail)
        past = k * m + m - num_bits
        if past > 0:
            flip = (flip >> past) << past
        _xor_bits(received, bit, m, flip)
        while flip:
            flip &= flip - 1
            wrong += 1


@entry
def transmit_injected(payload, h, ints, reals, first, last, sparse_below, received):
    """Bursts first .. last - 1 with injected errors.

    Arguments are those of `phy.burst_kernels.transmit`.

    Args:
        sparse_below: bursts whose largest move probability per rail is not below this are left alone, ERRORS
            -1.

    Returns: -1 if all bursts were sent, LEFT if some were left alone, or the first that breaks a rule.
    """
    broken = first_broken(payload.size, h.shape[2], ints, reals, first, last)
    if broken >= 0:
        return broken
    gain = scratch(h.shape[2], np.float64)
    scale_of = scratch(h.shape[2], np.float64)
    result = -1
    for b in range(first, last):
        row = ints[b]
        m, w, num_bits, re = row[ORDER], row[WIDTH], row[NUM_BITS], row[FIRST_SYMBOL]
        es, n0 = reals[b, ES], reals[b, N0]
        n = (num_bits + m - 1) // m
        mean_gain = combined_gain(h[b], w, re, n, gain)
        reals[b, SNR_DB] = 10.0 * math.log10(es * mean_gain / n0) if n0 > 0.0 and n > 0 else np.inf
        s_max = 0.0
        for f in range(w):
            v = 2.0 * es / NORM[m] * gain[f]
            s = math.sqrt(n0 / v) if v > 0.0 else 1e9
            s = s if s < 1e9 else 1e9
            scale_of[f] = s if n0 > 0.0 else 0.0
            s_max = s_max if s_max > scale_of[f] else scale_of[f]
        noisy = s_max > 0.0 and n > 0
        if noisy and 2.0 * tail(1.0 / s_max) >= sparse_below:
            row[ERRORS] = -1
            result = LEFT
            continue
        sent = payload[row[OFFSET] : row[OFFSET] + ((num_bits + 7) >> 3)]
        got = received[row[OFFSET] :]
        for j in range(sent.size):
            got[j] = sent[j]
        row[ERRORS] = 0
        if noisy:
            k0, k1 = derive_key(np.uint64(row[KEY]), row[SLOT], re, LANE_INJECT)
            k0, k1 = np.uint64(k0), np.uint64(k1)  # an interpreted caller gets Python integers
            row[ERRORS] = _sparse_burst(
                payload, received, row[OFFSET] * 8, num_bits, m, scale_of, w, re, s_max, k0, k1
            )
    return result


@entry
def transmit_flips(payload, offset, num_bits, bits_per_symbol, h, width, es, n0, first_symbol, key, slot, ber,
                   low_db, step_db, received, errors, snr):  # fmt: skip
    """Bernoulli flips of every bit by a table of bit error rates per bit position.

    Each element uses the words of counter blocks 2 * RE and 2 * RE + 1, one word a bit.

    Args:
        ber: float64[G, m], rates on the uniform grid low_db + step_db * i of the SNR per element, linearly
            interpolated in between and clamped outside.
        received: a copy of payload.
    """
    gain = scratch(h.shape[2], np.float64)
    threshold = scratch((h.shape[2], ber.shape[1]), np.uint64)
    for b in range(offset.size):
        m = bits_per_symbol[b]
        w = width[b]
        n = (num_bits[b] + m - 1) // m
        mean_gain = combined_gain(h[b], w, first_symbol[b], n, gain)
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
        wrong = np.int64(0)
        f = re % w
        for k in range(n):
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
        snr[b] = es[b] * mean_gain / n0 if n0 > 0.0 and n > 0 else np.inf
