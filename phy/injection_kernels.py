"""Kernels that put bit errors straight into the payload, as exact transitions between levels.

With noise of standard deviation s (in units of half the level distance) on a rail, the decision moves by at
least j + 1 levels upwards exactly when the noise exceeds 2j + 1, with probability Q((2j+1)/s), whatever level
was sent; the edges clip. Where moves are rare their positions are drawn, as
geometric gaps over the rails (thinned where the gain varies), so the cost follows the errors.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

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
    ones,
)
from phy.jit import entry, part, same_bits, scratch
from phy.packing import copy_bytes
from phy.philox import LANE_INJECT, log_quotient, philox4x32
from phy.qam import NORM

LEFT = -2  # what `transmit_injected` returns if bursts are left for the Gaussian kernel
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@part(forceinline=True)
def tail(x):
    """Q(x) for x >= 0."""
    return 0.5 * math.erfc(x * math.sqrt(0.5))


@part(forceinline=True)
def several_below(q):
    """A bound of Q(3x) for q = Q(x): only below it a move may go over more levels than one."""
    return q**4 if q < 0.05 else 1.0


@part(glue=True)
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


def _neighbours() -> np.ndarray:
    """uint8[9, 4, 256]: [m, 2 rail + down, symbol], bits that a move by one level flips, 0 at the edge."""
    table = np.zeros((9, 4, 256), np.uint8)
    table[1] = 1  # BPSK: away from the other point nothing changes, and no such move is drawn
    for m in (2, 4, 6, 8):
        symbols = np.arange(1 << m)
        for rail in range(2):
            places = np.arange(m - 1 - rail, -1, -2)  # of the rail's bits, the sign first
            level = np.zeros(symbols.size, int)
            for i, place in enumerate(places[::-1]):  # the formula of phy.qam from the inside
                level = (1 - 2 * ((symbols >> place) & 1)) * ((1 << i) - (level if i else 0))
            top = (1 << (m // 2)) - 1
            bits_of_level = np.zeros(top + 1, int)
            bits_of_level[(level + top) // 2] = symbols & (1 << places).sum()
            for down in range(2):
                moved = np.clip(level + 2 - 4 * down, -top, top)
                flip = bits_of_level[(moved + top) // 2] ^ bits_of_level[(level + top) // 2]
                table[m, 2 * rail + down, : symbols.size] = flip
    return table


_NEIGHBOURS = _neighbours()
_BLOCKS = 16  # counter blocks drawn at a time, two events each
_FEW = 8  # the same where hardly any are expected: one vector of 64-bit numbers
_EVENTS = 2 * _BLOCKS

# double precision: pattern of sqrt(1/2), bits of the fraction
_ROOT_HALF, _FRACTION = np.int64(0x3FE6A09E667F3BCD), np.int64(0x000FFFFFFFFFFFFF)
_LN2 = np.float32(math.log(2.0))


_pattern_of, _double_of = same_bits(types.float64, types.int64), same_bits(types.int64, types.float64)


@part(forceinline=True)
def _log_uniform(word):
    """Natural logarithm of (word + 1/2) / 2^32, float32, relative error 1e-7 (of numbers close to 1, too)."""
    shifted = _pattern_of(np.float64(word) + 0.5) - _ROOT_HALF
    exponent = np.float32((shifted >> 52) - 32)
    f = np.float32(_double_of((shifted & _FRACTION) + _ROOT_HALF) - 1.0)
    return exponent * _LN2 + f * log_quotient(f)


@part
def draw_events(first, num_blocks, key0, key1, scale, raw, gap):
    """Words of events, and their gaps: geometric numbers before rounding down, log(uniform) * scale.

    Event i < num_blocks has words raw[0, i] and raw[1, i] of counter block first + i, event num_blocks + i
    has the others.

    Args:
        first: uint64; num_blocks: at most _BLOCKS.
        raw: uint32[4, _BLOCKS], gap: float64[2 * _BLOCKS], overwritten.
    """
    zero = np.uint64(0)
    for i in range(num_blocks):
        block = first + np.uint64(i)
        a, b, c, d = philox4x32(block & _LOW, block >> _SHIFT, zero, zero, key0, key1)
        raw[0, i] = np.uint32(a)
        raw[1, i] = np.uint32(b)
        raw[2, i] = np.uint32(c)
        raw[3, i] = np.uint32(d)
    for i in range(num_blocks):
        gap[i] = np.float64(_log_uniform(raw[0, i])) * scale
    later = gap[num_blocks:]
    for i in range(num_blocks):
        later[i] = np.float64(_log_uniform(raw[2, i])) * scale


@part(glue=True)
def _sparse_burst(
    payload, received, first_bit, num_bits, m, scale_of, width, re, s_max, q_max, key0, key1, raw, gap
):
    """Moves of one burst at geometrically distributed rails. Returns the number of wrong bits.

    Args:
        scale_of: float64[width], noise scale per subcarrier; s_max: its maximum; q_max = Q(1 / s_max), the
            probability of a move in one direction, which proposes.
        raw, gap: as `draw_events` takes them.
    """
    rails_log = 0 if m == 1 else 1
    total = -(-num_bits // m) << rails_log
    p = q_max if m == 1 else 2.0 * q_max  # BPSK: the move away from the other point changes nothing
    if p <= 0.0:
        return np.int64(0)
    scale = 1.0 / math.log1p(-p)
    several = several_below(q_max)
    most = 1 if m == 1 else (1 << (m // 2)) - 1
    moved_of = _NEIGHBOURS[m]
    wrong = np.int64(0)
    position = np.int64(-1)
    num_blocks = _BLOCKS if p * total > _FEW else _FEW
    event, block = 2 * num_blocks, np.uint64(0)
    while True:
        if event == 2 * num_blocks:
            draw_events(block, num_blocks, key0, key1, scale, raw, gap)
            event, block = 0, block + np.uint64(num_blocks)
        # two words an event: one for the gap, one for the size (31 bits) and the sign of the move
        word = raw[1, event] if event < num_blocks else raw[3, event - num_blocks]
        step = gap[event]
        event += 1
        if step >= total - position:
            return wrong
        position += 1 + np.int64(step)
        if position >= total:
            return wrong
        k = position >> rails_log
        s = scale_of[(re + k) % width] if width > 1 else s_max
        v = q_max * (np.float64(word >> np.uint32(1)) + 0.5) / 2147483648.0
        moves = 1
        if s < s_max or v < several:  # at the proposing subcarrier a move is certain
            moves = 0
            while moves < most and s > 0.0 and v < tail((2 * moves + 1) / s):
                moves += 1
            if s == s_max and moves == 0:
                moves = 1
            if moves == 0:
                continue
        # the symbol may lie in two bytes (m = 6), or end behind the payload, as padding
        bit = first_bit + k * m
        byte, shift = bit >> 3, 16 - m - (bit & 7)
        pair = np.int64(payload[byte]) << 8
        if shift < 8 and byte + 1 < payload.size:
            pair |= np.int64(payload[byte + 1])
        sent = (pair >> shift) & ((1 << m) - 1)
        moved = moved_of[2 * (position & rails_log) + np.int64(word & np.uint32(1))]
        symbol = sent ^ moved[sent]
        for _ in range(moves - 1):
            symbol ^= moved[symbol]
        flip = symbol ^ sent
        past = k * m + m - num_bits
        if past > 0:
            flip = (flip >> past) << past
        pair = flip << shift
        received[byte] = np.uint8(received[byte] ^ (pair >> 8))
        if pair & 255:
            received[byte + 1] = np.uint8(received[byte + 1] ^ (pair & 255))
        wrong += ones(np.uint8(flip))  # type: ignore[call-arg]


@entry(glue=True)
def transmit_injected(payload, h, ints, reals, first, last, flat_below, varying_below, received):
    """Bursts first .. last - 1 with injected errors.

    Arguments are those of `phy.burst_kernels.transmit`.

    Args:
        flat_below, varying_below: bursts whose largest move probability per rail is not below this are left
            alone, ERRORS -1: those with one gain for all subcarriers, and the others.

    Returns: -1 if all bursts were sent, LEFT if some were left alone, or the first that breaks a rule.
    """
    scales = scratch((2, h.shape[2]), np.float64)
    raw = scratch((4, _BLOCKS), np.uint32)
    gap = scratch(_EVENTS, np.float64)
    return _transmit_injected(
        payload, h, ints, reals, first, last, flat_below, varying_below, received, scales, raw, gap
    )


@part(glue=True)
def _transmit_injected(
    payload, h, ints, reals, first, last, flat_below, varying_below, received, scales, raw, gap
):
    broken = first_broken(payload.size, h.shape[2], ints, reals, first, last)
    if broken >= 0:
        return broken
    gain, scale_of = scales[0], scales[1]
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
        q_max = tail(1.0 / s_max) if noisy else 0.0
        if noisy and 2.0 * q_max >= (flat_below if w == 1 else varying_below):
            row[ERRORS] = -1
            result = LEFT
            continue
        copy_bytes(payload[row[OFFSET] : row[OFFSET] + ((num_bits + 7) >> 3)], received[row[OFFSET] :])
        row[ERRORS] = 0
        if noisy:
            k0, k1 = derive_key(np.uint64(row[KEY]), row[SLOT], re, LANE_INJECT)
            k0, k1 = np.uint64(k0), np.uint64(k1)  # an interpreted caller gets Python integers
            row[ERRORS] = _sparse_burst(
                payload,
                received,
                row[OFFSET] * 8,
                num_bits,
                m,
                scale_of,
                w,
                re,
                s_max,
                q_max,
                k0,
                k1,
                raw,
                gap,
            )
    return result
