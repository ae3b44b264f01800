"""FFT of many short vectors at once, for kernels: element n of vector t lies at n * lanes + t.

Stockham radix-4 with a last radix-2 stage, in float32 with separate real and imaginary parts. The inner loops
run over lanes, so they vectorise whatever the length; with some ten vectors or more this is faster than a
library call a vector and needs no object from outside the kernel (measured).
"""

from __future__ import annotations

import numpy as np
from numba import njit


def twiddles(n: int) -> np.ndarray:
    """exp(2j pi k / n) as float32[2, n]: real parts, imaginary parts."""
    phase = 2.0 * np.pi * np.arange(n) / n
    return np.stack([np.cos(phase), np.sin(phase)]).astype(np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def _radix4(ar, ai, br, bi, m, s, step, table, sign):
    for p in range(m):
        w1r, w1i = table[0, p * step], sign * table[1, p * step]
        w2r, w2i = table[0, 2 * p * step], sign * table[1, 2 * p * step]
        w3r, w3i = table[0, 3 * p * step], sign * table[1, 3 * p * step]
        i0 = s * p
        i1 = i0 + s * m
        i2 = i1 + s * m
        i3 = i2 + s * m
        # views that begin where the loop does: no sign check on the index, exact bounds for the overlap test
        a_r, a_i = ar[i0 : i0 + s], ai[i0 : i0 + s]
        b_r, b_i = ar[i1 : i1 + s], ai[i1 : i1 + s]
        c_r, c_i = ar[i2 : i2 + s], ai[i2 : i2 + s]
        d_r, d_i = ar[i3 : i3 + s], ai[i3 : i3 + s]
        o = 4 * s * p
        e_r, e_i = br[o : o + s], bi[o : o + s]
        f_r, f_i = br[o + s : o + 2 * s], bi[o + s : o + 2 * s]
        g_r, g_i = br[o + 2 * s : o + 3 * s], bi[o + 2 * s : o + 3 * s]
        h_r, h_i = br[o + 3 * s : o + 4 * s], bi[o + 3 * s : o + 4 * s]
        for q in range(s):
            sr, si = a_r[q] + c_r[q], a_i[q] + c_i[q]
            er, ei = a_r[q] - c_r[q], a_i[q] - c_i[q]
            ur, ui = b_r[q] + d_r[q], b_i[q] + d_i[q]
            vr, vi = sign * (d_i[q] - b_i[q]), sign * (b_r[q] - d_r[q])
            e_r[q] = sr + ur
            e_i[q] = si + ui
            xr, xi = er + vr, ei + vi
            f_r[q] = xr * w1r - xi * w1i
            f_i[q] = xr * w1i + xi * w1r
            xr, xi = sr - ur, si - ui
            g_r[q] = xr * w2r - xi * w2i
            g_i[q] = xr * w2i + xi * w2r
            xr, xi = er - vr, ei - vi
            h_r[q] = xr * w3r - xi * w3i
            h_i[q] = xr * w3i + xi * w3r


@njit(cache=True, nogil=True, fastmath=True)
def _radix2(ar, ai, br, bi, s):
    for q in range(s):
        br[q] = ar[q] + ar[s + q]
        bi[q] = ai[q] + ai[s + q]
        br[s + q] = ar[q] - ar[s + q]
        bi[s + q] = ai[q] - ai[s + q]


@njit(cache=True, nogil=True, fastmath=True)
def fft_lanes(xr, xi, yr, yi, n, lanes, table, sign):
    """Unnormalised transform over n of `lanes` vectors, in place.

    Args:
        xr, xi: float32[n * lanes], input and output; yr, yi: scratch of the same size.
        n: power of two; table: from `twiddles(n)`.
        sign: float32, -1 forward, +1 inverse.
    """
    size = n
    s = lanes
    step = 1
    there = False
    while size > 1:
        if size >= 4:
            if there:
                _radix4(yr, yi, xr, xi, size // 4, s, step, table, sign)
            else:
                _radix4(xr, xi, yr, yi, size // 4, s, step, table, sign)
            size //= 4
            s *= 4
            step *= 4
        else:
            if there:
                _radix2(yr, yi, xr, xi, s)
            else:
                _radix2(xr, xi, yr, yi, s)
            size = 1
        there = not there
    if there:
        for k in range(n * lanes):
            xr[k] = yr[k]
            xi[k] = yi[k]
