"""Counter-based random numbers inside kernels: Philox4x32-10 and a polynomial Box-Muller transform in
float32.

A draw is a pure function of (key, counter), so a result depends neither on the order of the calls nor on the
number of threads. The counter of the noise kernels is (block, slot low, slot high, lane): `lane` separates
the uses that one slot has for randomness (see the LANE_ constants), `block` counts blocks of four 32-bit
words.

Sources: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11 (Philox4x32, ten
rounds, Weyl key schedule); Box and Muller 1958. The polynomials are minimax fits made for this module
(relative error of the logarithm 2.6e-8, of sine and cosine 2.8e-8, before rounding to float32).
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from phy.jit import entry, part, same_bits, scratch

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)

# What a draw is for: the last word of the counter. Values are part of the reproducibility contract.
LANE_RE_NOISE = np.uint64(0)  # collapsed noise of a data resource element
LANE_INJECT = np.uint64(1)  # uniforms of the exact error injection
LANE_TABLE = np.uint64(2)  # uniforms of the table level
LANE_PREFIX = np.uint64(3)  # noise on the samples of the cyclic prefix
LANE_PILOT = np.uint64(4)  # noise of pilot resource elements
LANE_GUARD = np.uint64(5)  # noise of subcarriers without data
LANE_PAYLOAD = np.uint64(6)  # random bits of measurements
LANE_PILOT_SYMBOLS = np.uint64(7)  # which QPSK point a pilot is
LANE_PILOT_GUARD = np.uint64(8)  # as LANE_GUARD, in pilot symbols
LANE_PILOT_PREFIX = np.uint64(9)  # as LANE_PREFIX, in pilot symbols
LANE_FADING = np.uint64(10)  # scattered taps of a block (phy.fading)
LANE_ANGLE = np.uint64(11)  # angle of its line of sight
LANE_ANTENNA = np.uint64(1 << 16)  # + antenna index: noise orthogonal to the combiner

_TWO_M32 = np.float32(2.0**-32)
_TWO_M29 = np.float32(2.0**-29)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)
_MINUS_TWO_LN2 = np.float32(-2.0 * math.log(2.0))
_MINUS_TWO = np.float32(-2.0)
# ln(1 + f) = f * P(f) for f in [sqrt(1/2) - 1, sqrt(2) - 1]
_L0, _L1, _L2 = np.float32(1.0), np.float32(-0.49999988), np.float32(0.33334187)
_L3, _L4, _L5 = np.float32(-0.25002074), np.float32(0.19956833), np.float32(-0.16562393)
_L6, _L7, _L8 = np.float32(0.14952266), np.float32(-0.14366843), np.float32(0.08722355)
# sin and cos of x * pi / 4 for x in [0, 1], as polynomials in x squared
_S0, _S1 = np.float32(0.7853981852531433), np.float32(-0.08074543625)
_S2, _S3 = np.float32(0.0024900070857), np.float32(-3.595450834836811e-05)
_C1, _C2, _C3 = np.float32(-0.30842426419), np.float32(0.01584991440177), np.float32(-0.0003188805130776)


_bits_of, _float_of = same_bits(types.float32, types.int32), same_bits(types.int32, types.float32)


@part(forceinline=True)
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox4x32. All words are uint64 scalars below 2**32, in and out (four of them)."""
    for _ in range(10):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _LOW, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@part(fastmath=True, forceinline=True)
def log_quotient(f):
    """ln(1 + f) / f for float32 f in [sqrt(1/2) - 1, sqrt(2) - 1]."""
    p = _L8
    p = p * f + _L7
    p = p * f + _L6
    p = p * f + _L5
    p = p * f + _L4
    p = p * f + _L3
    p = p * f + _L2
    p = p * f + _L1
    return p * f + _L0


@part(fastmath=True, forceinline=True)
def box_muller(word_r, word_t):
    """Two independent N(0, 1) float32 from two 32-bit words held in uint32 scalars.

    The radius uses all 32 bits (largest value 6.76 standard deviations). The angle is drawn in the first
    octant with 29 bits; three further bits choose the octant.
    """
    u = (np.float32(word_r) + _HALF) * _TWO_M32
    bits = _bits_of(u)
    # u = m * 2**e with m in [sqrt(1/2), sqrt(2)): 0x3F3504F3 is sqrt(1/2)
    shifted = np.int32(bits - np.int32(0x3F3504F3))
    exponent = np.int32(shifted >> np.int32(23))
    f = _float_of(np.int32(np.int32(shifted & np.int32(0x007FFFFF)) + np.int32(0x3F3504F3))) - _ONE
    r2 = np.float32(exponent) * _MINUS_TWO_LN2 + _MINUS_TWO * (f * log_quotient(f))
    r = np.float32(math.sqrt(r2 if r2 > _ZERO else _ZERO))
    t = np.int32(word_t)
    x = (np.float32(np.int32(t & np.int32(0x1FFFFFFF))) + _HALF) * _TWO_M29
    x2 = x * x
    s = x * (_S0 + x2 * (_S1 + x2 * (_S2 + x2 * _S3)))
    c = _ONE + x2 * (_C1 + x2 * (_C2 + x2 * _C3))
    swap = (t & np.int32(0x20000000)) != 0
    a = s if swap else c
    b = c if swap else s
    # the two top bits become the sign bits of the two results
    sign_a = np.int32(np.int32(t & np.int32(0x40000000)) << np.int32(1))
    sign_b = np.int32(t & np.int32(-0x80000000))
    a = _float_of(np.int32(_bits_of(a) ^ sign_a))
    b = _float_of(np.int32(_bits_of(b) ^ sign_b))
    return r * a, r * b


CHUNK_PAIRS = 512  # pairs of elements that a kernel draws at a time: its scratch stays in the L1 cache
_DRAWS, _WORDS = 2 * CHUNK_PAIRS, 4 * CHUNK_PAIRS


@part(fastmath=True)
def normals(key, slot, lane, first_pair, num_pairs, raw, out_i, out_q):
    """Complex noise of a run of resource elements: N(0, 1) per real dimension.

    Elements 2 * n and 2 * n + 1 use the words (0, 1) and (2, 3) of counter block n.

    Args:
        key: uint64 noise key; slot: int64 >= 0; lane: uint64, one of LANE_.
        first_pair: int64, index of the first pair of elements; num_pairs: int64.
        raw: uint32[4, >= num_pairs], overwritten.
        out_i, out_q: float32[>= 2 * num_pairs], real and imaginary part.
    """
    k0 = key & _LOW
    k1 = key >> _SHIFT
    s0 = np.uint64(slot) & _LOW
    s1 = np.uint64(slot) >> _SHIFT
    first = np.uint64(first_pair)
    # separate loops for words and normals: either one vectorises, the fusion does not (measured)
    for n in range(num_pairs):
        a, b, c, d = philox4x32((first + np.uint64(n)) & _LOW, s0, s1, lane, k0, k1)
        raw[0, n] = np.uint32(a)
        raw[1, n] = np.uint32(b)
        raw[2, n] = np.uint32(c)
        raw[3, n] = np.uint32(d)
    for n in range(num_pairs):
        x, y = box_muller(raw[0, n], raw[1, n])
        out_i[2 * n] = x
        out_q[2 * n] = y
        x, y = box_muller(raw[2, n], raw[3, n])
        out_i[2 * n + 1] = x
        out_q[2 * n + 1] = y


@part
def draw_words(key, slot, lane, first_block, num_blocks, out):
    """Raw 32-bit words of consecutive counter blocks: out uint32[>= 4 * num_blocks], block after block."""
    k0 = key & _LOW
    k1 = key >> _SHIFT
    s0 = np.uint64(slot) & _LOW
    s1 = np.uint64(slot) >> _SHIFT
    for n in range(num_blocks):
        a, b, c, d = philox4x32(np.uint64(first_block + n) & _LOW, s0, s1, lane, k0, k1)
        out[4 * n] = np.uint32(a)
        out[4 * n + 1] = np.uint32(b)
        out[4 * n + 2] = np.uint32(c)
        out[4 * n + 3] = np.uint32(d)


@entry(glue=True)
def words(key, slot, lane, first_block, num_blocks, out):
    """`draw_words` for Python."""
    draw_words(key, slot, lane, first_block, num_blocks, out)


@entry
def fill_normals(key, slot, lane, first, out):
    """out[k] = noise of element first + k, CN(0, 2); out complex64[n]."""
    words_of = scratch((4, CHUNK_PAIRS), np.uint32)
    gi, gq = scratch(_DRAWS, np.float32), scratch(_DRAWS, np.float32)
    k = 0
    while k < out.size:
        odd = (first + k) & 1
        n = out.size - k
        if n > 2 * CHUNK_PAIRS - odd:
            n = 2 * CHUNK_PAIRS - odd
        normals(key, slot, lane, (first + k) >> 1, (n + odd + 1) >> 1, words_of, gi, gq)
        to, real, imag = out[k : k + n], gi[odd:], gq[odd:]
        for i in range(n):
            to[i] = complex(real[i], imag[i])
        k += n


def complex_normals(key: int, slot: int, lane: int, first: int, count: int) -> np.ndarray:
    """The noise that the kernels give to elements first .. first + count - 1, for tests and slow paths.

    Returns: complex64[count], CN(0, 2): N(0, 1) per real dimension.
    """
    out = np.empty(count, np.complex64)
    fill_normals(np.uint64(key), slot, np.uint64(lane), first, out)
    return out


@entry(glue=True)
def fill_bytes(key, slot, lane, out):
    """out[j] = byte j of the words of this key, slot and lane, least significant byte first; out uint8[n]."""
    draw_bytes(key, slot, lane, out, scratch(_WORDS, np.uint32))


@part
def draw_bytes(key, slot, lane, out, block):
    """`fill_bytes`; block: uint32[4 * CHUNK_PAIRS], overwritten."""
    raw = block.view(np.uint8)
    for first in range(0, out.size, raw.size):
        n = out.size - first if out.size - first < raw.size else raw.size
        draw_words(key, slot, lane, first >> 4, (n + 15) >> 4, block)
        to = out[first:]
        for j in range(n):
            to[j] = raw[j]


def random_bytes(key: int, slot: int, num_bytes: int, out: np.ndarray | None = None) -> np.ndarray:
    """uint8[num_bytes], uniform: payloads for measurements, from the same generator as the noise.

    Args:
        out: uint8[num_bytes], contiguous, is filled instead of a new array.
    """
    if out is None:
        out = np.empty(num_bytes, np.uint8)
    fill_bytes(np.uint64(key), slot, LANE_PAYLOAD, out)
    return out
