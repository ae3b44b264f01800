"""Kernel of level `table`: Bernoulli flips of every bit by a table of bit error rates."""

from __future__ import annotations

import math

import numpy as np

from phy.burst_kernels import combined_gain
from phy.jit import entry, scratch
from phy.philox import LANE_TABLE, philox4x32

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


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
