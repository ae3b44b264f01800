"""Kernels of the Gray-mapped constellations of 3GPP TS 38.211 5.1: symbols to decisions to LLRs.

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

from phy.jit import part

# energy of the odd-integer constellation, indexed by bits per symbol; BPSK is handled on its own axis
NORM = np.array([0.0, 1.0, 2.0, 0.0, 10.0, 0.0, 42.0, 0.0, 170.0])
# thresholds of the folds after the sign. A constellation with fewer folds has 2 in the places past its own:
# with the missing bit 0 such a stage turns the level 1 into 2 - 1 = 1, so one loop serves every order.
_FOLDS = np.array(
    [[2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2], [4, 2, 2], [2, 2, 2], [8, 4, 2]],
    np.float32,
)

# places of the four bits of rail 0 (real) and 1 (imaginary) in the symbol value, 0 where there is none
_WEIGHTS = np.array(
    [
        [[(1 << (m - 1 - 2 * i - rail) if 2 * i + rail < m else 0) for i in range(4)] for rail in range(2)]
        for m in range(9)
    ],
    np.int32,
)

_F0, _F1, _F2 = np.float32(0), np.float32(1), np.float32(2)
_HALF = np.float32(0.5)
_R2 = np.float32(math.sqrt(0.5))
_I0, _I1, _I2, _I4, _I8 = np.int32(0), np.int32(1), np.int32(2), np.int32(4), np.int32(8)
_F4 = np.float32(4)


@part(fastmath=True, forceinline=True)
def _sign(v, weight):
    return -_F1 if np.int32(v & weight) != _I0 else _F1


@part(fastmath=True, forceinline=True)
def _level(v, w0, w1, w2, w3, t1, t2, t3):
    return _sign(v, w0) * (t1 - _sign(v, w1) * (t2 - _sign(v, w2) * (t3 - _sign(v, w3))))


@part(fastmath=True, forceinline=True)
def _decide(z, w0, w1, w2, w3, t1, t2, t3):
    c = w0 if z < _F0 else _I0
    a = abs(z)
    c = np.int32(c | (w1 if a > t1 else _I0))
    a = abs(a - t1)
    c = np.int32(c | (w2 if a > t2 else _I0))
    return np.int32(c | (w3 if abs(a - t2) > t3 else _I0))


@part(forceinline=True)
def rail_level(m, v, rail):
    """Level of rail 0 (real: b0, b2, ...) or 1 (imaginary: b1, b3, ...) of symbol v int32, float32."""
    t, w = _FOLDS[m], _WEIGHTS[m, rail]
    return _level(np.int32(v), w[0], w[1], w[2], w[3], t[0], t[1], t[2])


@part(forceinline=True)
def rail_bits(m, z, rail):
    """Decision of one rail at z (float32, level units): its bits at their places in the symbol, int32."""
    t, w = _FOLDS[m], _WEIGHTS[m, rail]
    return _decide(z, w[0], w[1], w[2], w[3], t[0], t[1], t[2])


@part(fastmath=True)
def slice_qam16(sym, gi, gq, scale, n):
    """`slice_symbols` for 16-QAM alone."""
    for k in range(n):
        v = np.int32(sym[k])
        s = scale[k]
        zi = _sign(v, _I8) * (_F2 - _sign(v, _I2)) + gi[k] * s
        zq = _sign(v, _I4) * (_F2 - _sign(v, _I1)) + gq[k] * s
        i = np.int32((_I8 if zi < _F0 else _I0) | (_I2 if abs(zi) > _F2 else _I0))
        q = np.int32((_I4 if zq < _F0 else _I0) | (_I1 if abs(zq) > _F2 else _I0))
        sym[k] = np.uint8(np.int32(i | q))


@part(fastmath=True)
def slice_symbols(m, sym, gi, gq, scale, n):
    """Replace n sent symbols by the hard decisions after noise.

    Args:
        m: bits per symbol (1, 2, 4, 6, 8).
        sym: uint8[>= n], sent symbols, overwritten by the received ones.
        gi, gq: float32[>= n], N(0, 1) noise per rail (for BPSK gi is overwritten by the projection).
        scale: float32[>= n], noise standard deviation per rail in units of half the level distance; for
            BPSK in units of the symbol amplitude.
        n: int64, number of symbols.
    """
    a, b = _WEIGHTS[m, 0], _WEIGHTS[m, 1]
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    t1, t2, t3 = _FOLDS[m, 0], _FOLDS[m, 1], _FOLDS[m, 2]
    if m == 1:
        for k in range(n):
            gi[k] = (gi[k] + gq[k]) * _R2
    if m <= 4:  # one fold is enough: twice as fast as the general loop
        for k in range(n):
            v = np.int32(sym[k])
            s = scale[k]
            zi = _sign(v, a0) * (_F2 - _sign(v, a1)) + gi[k] * s
            zq = _sign(v, b0) * (_F2 - _sign(v, b1)) + gq[k] * s
            i = np.int32((a0 if zi < _F0 else _I0) | (a1 if abs(zi) > _F2 else _I0))
            q = np.int32((b0 if zq < _F0 else _I0) | (b1 if abs(zq) > _F2 else _I0))
            sym[k] = np.uint8(np.int32(i | q))
        return
    for k in range(n):
        v = np.int32(sym[k])
        s = scale[k]
        zi = _level(v, a0, a1, a2, a3, t1, t2, t3) + gi[k] * s
        zq = _level(v, b0, b1, b2, b3, t1, t2, t3) + gq[k] * s
        i = _decide(zi, a0, a1, a2, a3, t1, t2, t3)
        q = _decide(zq, b0, b1, b2, b3, t1, t2, t3)
        sym[k] = np.uint8(np.int32(i | q))


@part(fastmath=True)
def map_levels(m, sym, amplitude, n, out_i, out_q):
    """Symbols to rails: out = amplitude * level (float32[n]); BPSK has both rails at +-amplitude."""
    a, b = _WEIGHTS[m, 0], _WEIGHTS[m, 1]
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    if m == 1:
        b0 = a0
    t1, t2, t3 = _FOLDS[m, 0], _FOLDS[m, 1], _FOLDS[m, 2]
    for k in range(n):
        v = np.int32(sym[k])
        out_i[k] = amplitude * _level(v, a0, a1, a2, a3, t1, t2, t3)
        out_q[k] = amplitude * _level(v, b0, b1, b2, b3, t1, t2, t3)


@part(fastmath=True)
def slice_levels(m, zi, zq, amplitude, n, sym):
    """Decisions at (zi, zq) * amplitude in level units: sym uint8[n]; BPSK decides on the sum of the
    rails.
    """
    a, b = _WEIGHTS[m, 0], _WEIGHTS[m, 1]
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    t1, t2, t3 = _FOLDS[m, 0], _FOLDS[m, 1], _FOLDS[m, 2]
    if m == 1:
        for k in range(n):
            sym[k] = np.uint8(1 if zi[k] + zq[k] < _F0 else 0)
        return
    for k in range(n):
        i = _decide(zi[k] * amplitude, a0, a1, a2, a3, t1, t2, t3)
        q = _decide(zq[k] * amplitude, b0, b1, b2, b3, t1, t2, t3)
        sym[k] = np.uint8(np.int32(i | q))


@part(fastmath=True)
def map_qam16(sym, amplitude, n, out_i, out_q):
    """`map_levels` for 16-QAM alone."""
    for k in range(n):
        v = np.int32(sym[k])
        out_i[k] = amplitude * (_sign(v, _I8) * (_F2 - _sign(v, _I2)))
        out_q[k] = amplitude * (_sign(v, _I4) * (_F2 - _sign(v, _I1)))


@part(fastmath=True)
def decide_qam16(zi, zq, amplitude, n, sym):
    """`slice_levels` for 16-QAM alone."""
    for k in range(n):
        x, y = zi[k] * amplitude, zq[k] * amplitude
        i = np.int32((_I8 if x < _F0 else _I0) | (_I2 if abs(x) > _F2 else _I0))
        q = np.int32((_I4 if y < _F0 else _I0) | (_I1 if abs(y) > _F2 else _I0))
        sym[k] = np.uint8(np.int32(i | q))


_LARGE = np.float32(1e6)
_TINY = np.float32(1e-30)
_MAX_WEIGHT = np.float32(1e30)


@part(fastmath=True)
def maxlog_qam16(sym, gi, gq, scale, weight, n, out):
    """`maxlog_symbols` and `interleave` for 16-QAM alone; out float32[>= 4 n].

    On a rail the sign bit has 4 w z between the inner levels and twice the slope outside them, the other bit
    4 w (2 - |z|), with w = 1 / (2 sigma^2).
    """
    for k in range(n):
        v = np.int32(sym[k])
        s = scale[k]
        w = _F4 * weight[k]
        zi = _sign(v, _I8) * (_F2 - _sign(v, _I2)) + gi[k] * s
        zq = _sign(v, _I4) * (_F2 - _sign(v, _I1)) + gq[k] * s
        di = abs(zi) - _F2
        dq = abs(zq) - _F2
        # beyond the outer threshold |z| counts twice less the threshold
        ei = di if di > _F0 else _F0
        eq = dq if dq > _F0 else _F0
        out[4 * k] = w * (zi + (ei if zi >= _F0 else -ei))
        out[4 * k + 1] = w * (zq + (eq if zq >= _F0 else -eq))
        out[4 * k + 2] = -w * di
        out[4 * k + 3] = -w * dq


@part(fastmath=True)
def rails_maxlog(m, zi, zq, weight, n, plane):
    """Max-log LLRs of n symbols at (zi, zq), one row of `plane` for each bit position, positive = bit 0.

    The metric of the bit 'c > 0' folded at 0, with the levels +-1, +-3, ... +-top, is the difference of the
    squared distances to the nearest level on either side, (|c| + 1)^2 - (|c| - q)^2, q nearest on c's side.

    Args:
        zi, zq: float32[>= n], decision variables in level units, overwritten.
        weight: float32[>= n], `llr_weight` of the noise.
        plane: float32[8, >= n], overwritten.
    """
    top = np.float32((1 << (m // 2)) - 1) if m > 1 else _F1
    sign = _F1
    for stage in range((m + 1) // 2):
        t = _FOLDS[m, stage if stage < 2 else 2]
        for rail in range(1 if m == 1 else 2):
            z = zi if rail == 0 else zq
            row = plane[2 * stage + rail]
            for k in range(n):
                c = z[k]
                a = abs(c)
                a = a if a < _LARGE else _LARGE
                q = _F2 * np.float32(np.int32(a * _HALF)) + _F1
                q = q if q < top else top
                d = (q + _F1) * (_F2 * a + _F1 - q) * (sign * weight[k])
                row[k] = d if c >= _F0 else -d
                z[k] = abs(c) - t
        top = t - _F1
        sign = -_F1


@part(fastmath=True, forceinline=True)
def llr_weight(scale):
    """1 / (2 scale^2), finite for no noise: what a difference of squared distances is multiplied with."""
    v = _F2 * scale * scale
    return _F1 / v if v > _TINY else _MAX_WEIGHT


@part
def interleave(m, plane, num_bits, out):
    """out[m * k + j] = plane[j, k] for the first num_bits places; out float32[>= num_bits]."""
    n = num_bits // m
    # constant strides let the compiler interleave in vector registers
    if m == 2 or m == 4:
        for j in range(0, m, 2):
            p, q, to = plane[j], plane[j + 1], out[j:]
            if m == 2:
                for k in range(n):
                    to[2 * k] = p[k]
                    to[2 * k + 1] = q[k]
            else:
                for k in range(n):
                    to[4 * k] = p[k]
                    to[4 * k + 1] = q[k]
    else:
        for j in range(m):
            row = plane[j]
            for k in range(n):
                out[m * k + j] = row[k]
    for j in range(num_bits - m * n):
        out[m * n + j] = plane[j, n]


@part(fastmath=True)
def maxlog_symbols(m, sym, gi, gq, scale, weight, n, plane):
    """As `slice_symbols`, but writes the max-log LLRs to the rows of `plane` (`rails_maxlog`); overwrites gi
    and gq.
    """
    a, b = _WEIGHTS[m, 0], _WEIGHTS[m, 1]
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    t1, t2, t3 = _FOLDS[m, 0], _FOLDS[m, 1], _FOLDS[m, 2]
    if m == 1:
        for k in range(n):
            gi[k] = (gi[k] + gq[k]) * _R2
    for k in range(n):
        v = np.int32(sym[k])
        gi[k] = _level(v, a0, a1, a2, a3, t1, t2, t3) + gi[k] * scale[k]
        gq[k] = _level(v, b0, b1, b2, b3, t1, t2, t3) + gq[k] * scale[k]
    rails_maxlog(m, gi, gq, weight, n, plane)
