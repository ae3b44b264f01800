"""Kernels between packed bytes and symbols of m bits: uint8, the first bit of a symbol most significant."""

from __future__ import annotations

import numpy as np

from phy.jit import part

_I0 = np.int32(0)


@part
def copy_bytes(data, out):
    """out[:data.size] = data, uint8."""
    for j in range(data.size):
        out[j] = data[j]


@part
def unpack_nibbles(data, sym):
    """`unpack_symbols` of all data for 16-QAM."""
    for j in range(data.size):
        b = data[j]
        sym[2 * j] = b >> 4
        sym[2 * j + 1] = b & 15


@part
def unpack_symbols(m, data, first_byte, num_bytes, n, sym):
    """First n symbols of m bits from packed bytes (MSB first); bits past num_bytes read as 0. sym: uint8[>= n
    + 8].
    """
    # a view that begins where the loops do: an index offset would keep them from vectorising safely
    data = data[first_byte : first_byte + num_bytes]
    if m == 8:
        for j in range(num_bytes):
            sym[j] = data[j]
    elif m == 4:
        unpack_nibbles(data, sym)
    elif m == 2:
        for j in range(num_bytes):
            b = data[j]
            for i in range(4):
                sym[4 * j + i] = (b >> (6 - 2 * i)) & 3
    elif m == 1:
        for j in range(num_bytes):
            b = data[j]
            for i in range(8):
                sym[8 * j + i] = (b >> (7 - i)) & 1
    else:
        for j in range(-(-n // 4)):
            p = 3 * j
            b0 = np.int32(data[p])
            b1 = np.int32(data[p + 1]) if p + 1 < num_bytes else _I0
            b2 = np.int32(data[p + 2]) if p + 2 < num_bytes else _I0
            sym[4 * j] = np.uint8(b0 >> 2)
            sym[4 * j + 1] = np.uint8(((b0 & 3) << 4) | (b1 >> 4))
            sym[4 * j + 2] = np.uint8(((b1 & 15) << 2) | (b2 >> 6))
            sym[4 * j + 3] = np.uint8(b2 & 63)


@part
def pack_symbols(m, sym, num_bytes, out, first_byte):
    """Inverse of `unpack_symbols`: num_bytes packed bytes; what lies behind the last symbol fills up the last
    one (`finish_bytes` replaces it).
    """
    out = out[first_byte : first_byte + num_bytes]
    if m == 8:
        for j in range(num_bytes):
            out[j] = sym[j]
    elif m == 4:
        for j in range(num_bytes):
            out[j] = np.uint8((sym[2 * j] << 4) | sym[2 * j + 1])
    elif m == 2:
        for j in range(num_bytes):
            b = (sym[4 * j] << 6) | (sym[4 * j + 1] << 4) | (sym[4 * j + 2] << 2) | sym[4 * j + 3]
            out[j] = np.uint8(b)
    elif m == 1:
        for j in range(num_bytes):
            b = np.int32(0)
            for i in range(8):
                b = np.int32(np.int32(b << 1) | sym[8 * j + i])
            out[j] = np.uint8(b)
    else:
        for j in range(-(-num_bytes // 3)):
            p = 3 * j
            left = num_bytes - 3 * j
            c0, c1, c2, c3 = sym[4 * j], sym[4 * j + 1], sym[4 * j + 2], sym[4 * j + 3]
            out[p] = np.uint8((c0 << 2) | (c1 >> 4))
            if left > 1:
                out[p + 1] = np.uint8(((c1 & 15) << 4) | (c2 >> 2))
            if left > 2:
                out[p + 2] = np.uint8(((c2 & 3) << 6) | c3)
