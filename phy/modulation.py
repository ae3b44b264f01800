"""Modulation: BPSK, QPSK, 16-, 64- and 256-QAM with the Gray mapping and bit order of 3GPP TS 38.211 5.1.

Typed wrappers over the kernels of `phy.qam`, for arrays of bits and symbols. Every constellation has unit
mean energy. LLR sign: positive = bit 0, log P(b=0)/P(b=1).
"""

from __future__ import annotations

import math

import numpy as np

from phy.jit import entry
from phy.parameters import ParameterError
from phy.qam import NORM, interleave, llr_weight, map_levels, rail_level, rails_maxlog, slice_levels

ORDERS = (1, 2, 4, 6, 8)  # bits per symbol
NAMES = {1: "BPSK", 2: "QPSK", 4: "16-QAM", 6: "64-QAM", 8: "256-QAM"}


def check_order(bits_per_symbol: int) -> None:
    """ParameterError unless bits_per_symbol is one of ORDERS."""
    if bits_per_symbol not in ORDERS:
        raise ParameterError(f"bits_per_symbol = {bits_per_symbol}: must be one of 1, 2, 4, 6, 8")


@entry
def map_kernel(m, sym, amplitude, out):
    """out[k] = amplitude / sqrt(NORM[m]) * constellation point of sym[k]; sym uint8[n], out complex64[n]."""
    a = np.float32(amplitude / math.sqrt(NORM[m]) if m != 1 else amplitude * math.sqrt(0.5))
    level = np.empty((2, sym.size), np.float32)
    map_levels(m, sym, a, sym.size, level[0], level[1])
    for k in range(sym.size):
        out[k] = complex(level[0, k], level[1, k])


@entry
def decide_kernel(m, y, sym):
    """Nearest constellation points: y complex64[n] (unit-energy constellation), sym uint8[n]."""
    rail = np.empty((2, y.size), np.float32)
    for k in range(y.size):
        rail[0, k] = y[k].real
        rail[1, k] = y[k].imag
    slice_levels(m, rail[0], rail[1], np.float32(math.sqrt(NORM[m])), y.size, sym)


@entry
def join_kernel(m, bits, sym):
    """sym[k] = bits[m k], ..., bits[m k + m - 1], first bit most significant (uint8)."""
    for k in range(sym.size):
        v = np.int32(0)
        for j in range(m):
            v = np.int32(np.int32(v << 1) | np.int32(bits[m * k + j]))
        sym[k] = np.uint8(v)


@entry
def split_kernel(m, sym, bits):
    """Inverse of `join_kernel`."""
    for k in range(sym.size):
        for j in range(m):
            bits[m * k + j] = np.uint8((sym[k] >> (m - 1 - j)) & 1)


@entry
def maxlog_kernel(m, y, noise_var, out):
    """Max-log LLRs; noise_var float32[n] is the energy of the complex noise on y; out float32[n * m]."""
    a = np.float32(math.sqrt(NORM[m]))
    zi = np.empty(y.size, np.float32)
    zq = np.empty(y.size, np.float32)
    weight = np.empty(y.size, np.float32)
    plane = np.empty((8, y.size), np.float32)
    for k in range(y.size):
        zi[k] = y[k].real * a if m != 1 else (y[k].real + y[k].imag) * np.float32(math.sqrt(0.5))
        zq[k] = y[k].imag * a
        weight[k] = llr_weight(np.float32(math.sqrt(0.5 * noise_var[k])) * a)
    rails_maxlog(m, zi, zq, weight, y.size, plane)
    interleave(m, plane, m * y.size, out)


@entry
def exact_kernel(m, y, noise_var, out):
    """Exact LLRs by the sum over all levels of each rail (log-sum-exp); arguments as `maxlog_kernel`."""
    half = m // 2
    a = math.sqrt(NORM[m])
    for k in range(y.size):
        v = max(np.float64(noise_var[k]), 1e-30)
        if m == 1:
            out[k] = 4.0 * math.sqrt(0.5) / v * (y[k].real + y[k].imag)
            continue
        for rail in range(2):
            z = a * (y[k].real if rail == 0 else y[k].imag)
            for i in range(half):
                top0, top1 = -1e300, -1e300
                for pass_ in range(2):
                    sum0, sum1 = 0.0, 0.0
                    for value in range(1 << half):
                        # spread the rail's bits over every second place of a symbol value
                        s = 0
                        for j in range(half):
                            s |= ((value >> j) & 1) << (2 * j + 1 - rail)
                        d = z - rail_level(m, s, rail)
                        e = -d * d / (NORM[m] * v)
                        one = (value >> (half - 1 - i)) & 1
                        if pass_ == 0:
                            if one:
                                top1 = max(top1, e)
                            else:
                                top0 = max(top0, e)
                        elif one:
                            sum1 += math.exp(e - top1)
                        else:
                            sum0 += math.exp(e - top0)
                out[m * k + 2 * i + rail] = top0 - top1 + math.log(sum0 / sum1)


def symbols_from_bits(bits: np.ndarray, bits_per_symbol: int) -> np.ndarray:
    """uint8[n] symbol values from 0/1 bits[n * m], first bit most significant."""
    check_order(bits_per_symbol)
    b = np.asarray(bits, np.uint8)
    if b.ndim != 1 or b.size % bits_per_symbol:
        raise ParameterError(f"bits of shape {b.shape}: length must be a multiple of {bits_per_symbol}")
    sym = np.empty(b.size // bits_per_symbol, np.uint8)
    join_kernel(bits_per_symbol, np.ascontiguousarray(b), sym)
    return sym


def bits_from_symbols(sym: np.ndarray, bits_per_symbol: int) -> np.ndarray:
    """0/1 bits uint8[n * m] from symbol values uint8[n]."""
    sym = np.ascontiguousarray(sym, np.uint8)
    bits = np.empty(sym.size * bits_per_symbol, np.uint8)
    split_kernel(bits_per_symbol, sym, bits)
    return bits


def constellation(bits_per_symbol: int) -> np.ndarray:
    """complex64[2**m], unit mean energy, indexed by the symbol value (b0 most significant)."""
    check_order(bits_per_symbol)
    out = np.empty(1 << bits_per_symbol, np.complex64)
    map_kernel(bits_per_symbol, np.arange(out.size, dtype=np.uint8), 1.0, out)
    return out


def map_bits(bits: np.ndarray, bits_per_symbol: int) -> np.ndarray:
    """complex64[n] unit-energy symbols from 0/1 bits uint8[n * m]."""
    sym = symbols_from_bits(bits, bits_per_symbol)
    out = np.empty(sym.size, np.complex64)
    map_kernel(bits_per_symbol, sym, 1.0, out)
    return out


def demap_hard(y: np.ndarray, bits_per_symbol: int) -> np.ndarray:
    """0/1 bits uint8[n * m] of the nearest constellation points to y complex[n] (equalised to unit gain)."""
    check_order(bits_per_symbol)
    y = np.ascontiguousarray(y, np.complex64)
    sym = np.empty(y.size, np.uint8)
    decide_kernel(bits_per_symbol, y, sym)
    return bits_from_symbols(sym, bits_per_symbol)


def demap_soft(
    y: np.ndarray, noise_var: np.ndarray | float, bits_per_symbol: int, exact: bool = False
) -> np.ndarray:
    """LLRs float32[n * m] of y complex[n], equalised to unit gain.

    Args:
        noise_var: energy of the complex noise on y (after equalisation), one number or float[n].
        exact: log-sum-exp over all points instead of the max-log approximation.
    """
    check_order(bits_per_symbol)
    y = np.ascontiguousarray(y, np.complex64)
    v = np.ascontiguousarray(np.broadcast_to(np.asarray(noise_var, np.float32), y.shape))
    out = np.empty(y.size * bits_per_symbol, np.float32)
    if exact:
        exact_kernel(bits_per_symbol, y, v, out)
    else:
        maxlog_kernel(bits_per_symbol, y, v, out)
    return out
