"""Kernels of the Gray-mapped constellations of 3GPP TS 38.211 5.1: bits to symbols to decisions to LLRs.

Symbols are handled as small integers whose most significant bit is b0. The even bits (b0, b2, ...) choose the
level of the real rail, the odd bits that of the imaginary rail; levels are odd integers, a constellation of
unit mean energy is `level / sqrt(NORM[m])`. On a rail with the bits c0, c1, c2, c3:

    level = (1 - 2 c0) (8 - (1 - 2 c1) (4 - (1 - 2 c2) (2 - (1 - 2 c3))))        (256-QAM; shorter ones
    likewise)

so a decision folds: c0 = z < 0, then |z| against 8, then ||z| - 8| against 4, and so on. BPSK lies on the
diagonal (both rails carry the bit, amplitude 1/sqrt(2) each); its decision variable is the projection on it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# energy of the odd-integer constellation, indexed by bits per symbol; BPSK is handled on its own axis
NORM = np.array([0.0, 1.0, 2.0, 0.0, 10.0, 0.0, 42.0, 0.0, 170.0])

_F0, _F1, _F2, _F3 = np.float32(0), np.float32(1), np.float32(2), np.float32(3)
_F4, _F7, _F8, _F15 = np.float32(4), np.float32(7), np.float32(8), np.float32(15)
_HALF = np.float32(0.5)
_R2 = np.float32(math.sqrt(0.5))
_I0, _I1, _I2, _I3, _I4 = np.int32(0), np.int32(1), np.int32(2), np.int32(3), np.int32(4)


@njit(cache=True, nogil=True, forceinline=True)
def _bit(v, n):
    return np.int32(np.int32(v >> n) & _I1)


@njit(cache=True, nogil=True, forceinline=True)
def _level2(c0, c1):
    return np.float32(np.int32(np.int32(_I1 - np.int32(_I2 * c0)) * np.int32(_I1 + np.int32(_I2 * c1))))


@njit(cache=True, nogil=True, forceinline=True)
def _level3(c0, c1, c2):
    return (_F1 - _F2 * np.float32(c0)) * (_F4 - _level2(c1, c2))


@njit(cache=True, nogil=True, forceinline=True)
def _level4(c0, c1, c2, c3):
    return (_F1 - _F2 * np.float32(c0)) * (_F8 - _level3(c1, c2, c3))


@njit(cache=True, nogil=True, forceinline=True)
def _below(z):
    return _I1 if z < _F0 else _I0


@njit(cache=True, nogil=True, forceinline=True)
def _above(a, threshold):
    return _I1 if a > threshold else _I0


@njit(cache=True, nogil=True, forceinline=True)
def rail_level(m, v, shift):
    """Level of one rail, float32: `shift` = 1 for the real rail (b0, b2, ...), 0 for the imaginary one."""
    if m == 2:
        return _F1 - _F2 * np.float32(_bit(v, shift))
    if m == 4:
        return _level2(_bit(v, 2 + shift), _bit(v, shift))
    if m == 6:
        return _level3(_bit(v, 4 + shift), _bit(v, 2 + shift), _bit(v, shift))
    return _level4(_bit(v, 6 + shift), _bit(v, 4 + shift), _bit(v, 2 + shift), _bit(v, shift))


@njit(cache=True, nogil=True, forceinline=True)
def rail_bits(m, z):
    """Decision of one rail at z (in level units): the rail's bits at positions 0, 2, 4, 6 of an int32."""
    c = _below(z)
    if m == 2:
        return c
    if m == 4:
        return np.int32(np.int32(c << _I2) | _above(abs(z), _F2))
    if m == 6:
        a = abs(z)
        c = np.int32(np.int32(c << _I4) | np.int32(_above(a, _F4) << _I2))
        return np.int32(c | _above(abs(a - _F4), _F2))
    a = abs(z)
    c = np.int32(np.int32(c << 6) | np.int32(_above(a, _F8) << _I4))
    a = abs(a - _F8)
    c = np.int32(c | np.int32(_above(a, _F4) << _I2))
    return np.int32(c | _above(abs(a - _F4), _F2))


@njit(cache=True, nogil=True, fastmath=True, forceinline=True)
def _slice_loop(m, sym, gi, gq, g0, scale, s0, n):
    for k in range(n):
        v = np.int32(sym[k])
        s = scale[s0 + k]
        zi = rail_level(m, v, 1) + gi[g0 + k] * s
        zq = rail_level(m, v, 0) + gq[g0 + k] * s
        sym[k] = np.uint8(np.int32(np.int32(rail_bits(m, zi) << _I1) | rail_bits(m, zq)))


@njit(cache=True, nogil=True, fastmath=True)
def slice_symbols(m, sym, gi, gq, g0, scale, s0, n):
    """Replace n sent symbols by the hard decisions after noise.

    Args:
        m: bits per symbol (1, 2, 4, 6, 8).
        sym: uint8[>= n], sent symbols, overwritten by the received ones.
        gi, gq: float32[>= g0 + n], N(0, 1) noise per rail.
        scale: float32[>= s0 + n], noise standard deviation per rail in units of half the level distance; for
            BPSK in units of the symbol amplitude.
        n: int64, number of symbols.
    """
    # constants in the calls let each loop be specialised and vectorised on its own
    if m == 4:
        _slice_loop(4, sym, gi, gq, g0, scale, s0, n)
    elif m == 2:
        _slice_loop(2, sym, gi, gq, g0, scale, s0, n)
    elif m == 6:
        _slice_loop(6, sym, gi, gq, g0, scale, s0, n)
    elif m == 8:
        _slice_loop(8, sym, gi, gq, g0, scale, s0, n)
    else:
        for k in range(n):
            z = _F1 - _F2 * np.float32(sym[k]) + (gi[g0 + k] + gq[g0 + k]) * _R2 * scale[s0 + k]
            sym[k] = np.uint8(_below(z))


@njit(cache=True, nogil=True, fastmath=True, forceinline=True)
def _maxlog_bit(c, top):
    """Max-log metric of the bit 'c > 0' folded at 0 (levels +-1, +-3, ... +-top): positive when c > 0 is
    likely.

    Difference of the squared distances to the nearest level on either side, (|c| + 1)^2 - (|c| - q)^2 with q
    the nearest level on the side of c.
    """
    a = abs(c)
    q = min(_F2 * np.float32(np.int32(a * _HALF)) + _F1, top)
    d = (q + _F1) * (_F2 * a + _F1 - q)
    return d if c >= _F0 else -d


@njit(cache=True, nogil=True, fastmath=True, forceinline=True)
def rail_maxlog(m, z, weight, out, o):
    """Max-log LLRs of one rail: out[o], out[o + 2], ...; weight = 1 / (2 sigma^2) in level units."""
    z = min(max(z, np.float32(-1e6)), np.float32(1e6))
    if m == 2:
        out[o] = _F4 * z * weight
    elif m == 4:
        out[o] = _maxlog_bit(z, _F3) * weight
        out[o + 2] = -_maxlog_bit(abs(z) - _F2, _F1) * weight
    elif m == 6:
        a = abs(z)
        out[o] = _maxlog_bit(z, _F7) * weight
        out[o + 2] = -_maxlog_bit(a - _F4, _F3) * weight
        out[o + 4] = -_maxlog_bit(abs(a - _F4) - _F2, _F1) * weight
    else:
        a = abs(z)
        b = abs(a - _F8)
        out[o] = _maxlog_bit(z, _F15) * weight
        out[o + 2] = -_maxlog_bit(a - _F8, _F7) * weight
        out[o + 4] = -_maxlog_bit(b - _F4, _F3) * weight
        out[o + 6] = -_maxlog_bit(abs(b - _F4) - _F2, _F1) * weight


_MAX_WEIGHT = np.float32(1e30)


@njit(cache=True, nogil=True, fastmath=True, forceinline=True)
def _weight(s):
    """1 / (2 s^2), bounded so that a noise-free channel gives large finite LLRs."""
    v = _F2 * s * s
    return _F1 / v if v > np.float32(1e-30) else _MAX_WEIGHT


@njit(cache=True, nogil=True, fastmath=True, forceinline=True)
def _maxlog_loop(m, sym, gi, gq, g0, scale, s0, n, out, o):
    for k in range(n):
        v = np.int32(sym[k])
        s = scale[s0 + k]
        w = _weight(s)
        rail_maxlog(m, rail_level(m, v, 1) + gi[g0 + k] * s, w, out, o + m * k)
        rail_maxlog(m, rail_level(m, v, 0) + gq[g0 + k] * s, w, out, o + m * k + 1)


@njit(cache=True, nogil=True, fastmath=True)
def maxlog_symbols(m, sym, gi, gq, g0, scale, s0, n, out, o):
    """As `slice_symbols`, but writes the max-log LLRs of the m * n bits to out[o:] (float32, positive = bit
    0).
    """
    if m == 4:
        _maxlog_loop(4, sym, gi, gq, g0, scale, s0, n, out, o)
    elif m == 2:
        _maxlog_loop(2, sym, gi, gq, g0, scale, s0, n, out, o)
    elif m == 6:
        _maxlog_loop(6, sym, gi, gq, g0, scale, s0, n, out, o)
    elif m == 8:
        _maxlog_loop(8, sym, gi, gq, g0, scale, s0, n, out, o)
    else:
        for k in range(n):
            s = scale[s0 + k]
            z = _F1 - _F2 * np.float32(sym[k]) + (gi[g0 + k] + gq[g0 + k]) * _R2 * s
            out[o + k] = _F4 * z * _weight(s)


@njit(cache=True, nogil=True)
def unpack_symbols(m, data, first_byte, num_bytes, n, sym):
    """First n symbols of m bits from packed bytes (MSB first); bits past num_bytes read as 0. sym: uint8[>= n
    + 8].
    """
    end = first_byte + num_bytes
    if m == 8:
        for j in range(min(n, num_bytes)):
            sym[j] = data[first_byte + j]
    elif m == 4:
        for j in range(num_bytes):
            b = data[first_byte + j]
            sym[2 * j] = b >> 4
            sym[2 * j + 1] = b & 15
    elif m == 2:
        for j in range(num_bytes):
            b = data[first_byte + j]
            for i in range(4):
                sym[4 * j + i] = (b >> (6 - 2 * i)) & 3
    elif m == 1:
        for j in range(num_bytes):
            b = data[first_byte + j]
            for i in range(8):
                sym[8 * j + i] = (b >> (7 - i)) & 1
    else:
        for j in range(-(-n // 4)):
            p = first_byte + 3 * j
            b0 = np.int32(data[p])
            b1 = np.int32(data[p + 1]) if p + 1 < end else _I0
            b2 = np.int32(data[p + 2]) if p + 2 < end else _I0
            sym[4 * j] = np.uint8(b0 >> 2)
            sym[4 * j + 1] = np.uint8(((b0 & 3) << 4) | (b1 >> 4))
            sym[4 * j + 2] = np.uint8(((b1 & 15) << 2) | (b2 >> 6))
            sym[4 * j + 3] = np.uint8(b2 & 63)


@njit(cache=True, nogil=True)
def pack_symbols(m, sym, num_bytes, out, first_byte):
    """Inverse of `unpack_symbols`: num_bytes packed bytes from the symbols; sym must hold zeros past its
    end.
    """
    if m == 8:
        for j in range(num_bytes):
            out[first_byte + j] = sym[j]
    elif m == 4:
        for j in range(num_bytes):
            out[first_byte + j] = np.uint8((sym[2 * j] << 4) | sym[2 * j + 1])
    elif m == 2:
        for j in range(num_bytes):
            b = (sym[4 * j] << 6) | (sym[4 * j + 1] << 4) | (sym[4 * j + 2] << 2) | sym[4 * j + 3]
            out[first_byte + j] = np.uint8(b)
    elif m == 1:
        for j in range(num_bytes):
            b = np.int32(0)
            for i in range(8):
                b = np.int32(np.int32(b << 1) | sym[8 * j + i])
            out[first_byte + j] = np.uint8(b)
    else:
        for j in range(num_bytes):
            k = j // 3 * 4
            r = j % 3
            if r == 0:
                b = (sym[k] << 2) | (sym[k + 1] >> 4)
            elif r == 1:
                b = ((sym[k + 1] & 15) << 4) | (sym[k + 2] >> 2)
            else:
                b = ((sym[k + 2] & 3) << 6) | sym[k + 3]
            out[first_byte + j] = np.uint8(b)
