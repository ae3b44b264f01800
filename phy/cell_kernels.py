"""Kernel of co-channel cells: every receiver sees the actual symbols of all transmitters."""

from __future__ import annotations

import math

import numpy as np

from phy.burst_kernels import CHUNK, DRAWS, SYMBOLS, finish_bytes
from phy.jit import entry, part, scratch
from phy.packing import pack_symbols, unpack_symbols
from phy.philox import CHUNK_PAIRS, LANE_RE_NOISE, normals
from phy.qam import (
    NORM,
    interleave,
    llr_weight,
    maxlog_symbols,
    rail_level,
    slice_symbols,
)


@entry
def fill_grids(payload, offset, num_bits, bits_per_symbol, first_symbol, cell, grid):
    """Unit-energy symbols of every cell: grid complex64[M, >= resource elements], 0 where a cell is
    silent.
    """
    sym = scratch(SYMBOLS, np.uint8)
    for b in range(offset.size):
        m = bits_per_symbol[b]
        n = -(-num_bits[b] // m)
        a = np.float32(math.sqrt(0.5) if m == 1 else 1.0 / math.sqrt(NORM[m]))
        row = grid[cell[b]]
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            bits = min(num_bits[b] - c * m, k * m)
            sym[k : k + 8] = 0
            unpack_symbols(m, payload, offset[b] + c * m // 8, (bits + 7) // 8, k, sym)
            o = first_symbol[b] + c
            for i in range(k):
                x = a * rail_level(m, sym[i], 0)
                row[o + i] = complex(x, x if m == 1 else a * rail_level(m, sym[i], 1))


@part(fastmath=True)
def _disturb(grid, ratio, own, width, first, n, noise_scale, unit, gi, gq):
    """Add the other cells' symbols to the noise: gi, gq become the disturbance in level units.

    ratio: complex64[M, width], amplitude of each cell over that of the wanted one; noise_scale
    float32[width]. Returns the disturbance energy relative to a unit-energy symbol, summed over the elements.
    """
    start = first % width
    f = start
    for k in range(n):
        gi[k] *= noise_scale[f]
        gq[k] *= noise_scale[f]
        f = f + 1 if f + 1 < width else 0
    for j in range(grid.shape[0]):
        if j == own:
            continue
        f = start
        for k in range(n):
            z = ratio[j, f] * grid[j, first + k]
            gi[k] += z.real
            gq[k] += z.imag
            f = f + 1 if f + 1 < width else 0
    energy = 0.0
    for k in range(n):
        x, y = gi[k], gq[k]
        energy += np.float64(x * x + y * y)
        gi[k] = x * unit
        gq[k] = y * unit
    return energy


@part
def _effective_weight(grid, ratio, own, width, first, n, noise_scale, norm, weight):
    """weight[k] = 1 / (norm v): `llr_weight` for a disturbance of energy v relative to a unit-energy symbol.

    v = (n0 + powers of the cells that send on the element) / wanted power, as if all of it were Gaussian.
    """
    f = first % width
    for k in range(n):
        v = 2.0 * np.float64(noise_scale[f]) * noise_scale[f]
        for j in range(grid.shape[0]):
            if j != own and grid[j, first + k] != 0:
                z = ratio[j, f]
                v += np.float64(z.real) * z.real + np.float64(z.imag) * z.imag
        weight[k] = llr_weight(np.float32(math.sqrt(0.5 * norm * v)))
        f = f + 1 if f + 1 < width else 0


@entry(glue=True)
def transmit_cells(payload, offset, num_bits, bits_per_symbol, n0, first_symbol, key, slot, cell,
                   amplitude, grid, received, errors, sinr, measured, llr, llr_start):  # fmt: skip
    """Bursts of co-channel cells (see phy.cells.transmit_cells).

    What is None is compiled away.

    Args:
        amplitude: complex64[M, M, F], of transmitter j at receiver i: amplitude[i, j, f].
        grid: complex64[M, N], from `fill_grids`.
        received, errors: as in phy.bursts.Received; or None.
        sinr, measured: float64[B], linear: expected (mean powers of the active cells) and from the samples.
        llr: float32, max-log LLRs, burst b from llr_start[b] on; or None.
    """
    width = amplitude.shape[2]
    words_of = scratch((4, CHUNK_PAIRS), np.uint32)
    rows = scratch((4, DRAWS), np.float32)
    sym = scratch(SYMBOLS, np.uint8)
    plane = scratch((8, CHUNK), np.float32)
    ratio = scratch(amplitude.shape[1:], np.complex64)
    noise_scale = scratch(width, np.float32)
    _transmit_cells(
        payload, offset, num_bits, bits_per_symbol, n0, first_symbol, key, slot, cell, amplitude, grid,
        received, errors, sinr, measured, llr, llr_start, words_of, rows, sym, plane, ratio, noise_scale,
    )  # fmt: skip


@part(glue=True)
def _transmit_cells(payload, offset, num_bits, bits_per_symbol, n0, first_symbol, key, slot, cell, amplitude,
                    grid, received, errors, sinr, measured, llr, llr_start, words_of, rows, sym, plane, ratio,
                    noise_scale):  # fmt: skip
    """`transmit_cells` with its scratch memory."""
    width = amplitude.shape[2]
    gi, gq, ones, weight = rows[0], rows[1], rows[2], rows[3]
    for k in range(CHUNK):
        ones[k] = np.float32(1.0)
    for b in range(offset.size):
        m = bits_per_symbol[b]
        n = -(-num_bits[b] // m)
        own = cell[b]
        re = first_symbol[b]
        _relative_to(own, amplitude[own], n0, ratio, noise_scale)
        sinr[b] = _expected_sinr(own, amplitude[own], n0, grid, re, n)
        energy = 0.0
        wrong = np.int64(0)
        unit = np.float32(math.sqrt(NORM[m]))
        for c in range(0, n, CHUNK):
            k = min(CHUNK, n - c)
            bits = min(num_bits[b] - c * m, k * m)
            byte = offset[b] + c * m // 8
            for i in range(8):
                sym[k + i] = 0
            unpack_symbols(m, payload, byte, (bits + 7) // 8, k, sym)
            odd = (re + c) & 1
            normals(key[b], slot[b], LANE_RE_NOISE, (re + c) >> 1, (k + odd + 1) >> 1, words_of, gi, gq)
            energy += _disturb(grid, ratio, own, width, re + c, k, noise_scale, unit, gi[odd:], gq[odd:])
            if received is not None:
                slice_symbols(m, sym, gi[odd:], gq[odd:], ones, k)
                pack_symbols(m, sym, (bits + 7) // 8, received, byte)
                mask = 255 if bits % 8 == 0 else (0xFF00 >> (bits % 8)) & 255
                wrong += finish_bytes(payload, received, byte, (bits + 7) // 8, mask)
            if llr is not None:
                _effective_weight(grid, ratio, own, width, re + c, k, noise_scale, NORM[m], weight)
                maxlog_symbols(m, sym, gi[odd:], gq[odd:], ones, weight, k, plane)
                interleave(m, plane, bits, llr[llr_start[b] + c * m :])
        if errors is not None:
            errors[b] = wrong
        measured[b] = n / energy if energy > 0.0 else np.inf


@part
def _relative_to(own, amplitude, n0, ratio, noise_scale):
    """Every cell's amplitude (complex64[M, F], at one receiver) and the noise, over that of its own cell."""
    for f in range(amplitude.shape[1]):
        a = np.complex128(amplitude[own, f])
        power = a.real * a.real + a.imag * a.imag
        noise_scale[f] = np.float32(min(math.sqrt(0.5 * n0 / power), 1e9) if power > 0.0 else 1e9)
        for j in range(amplitude.shape[0]):
            other = np.complex128(amplitude[j, f])
            ratio[j, f] = np.complex64(other / a if power > 0.0 else 0.0)


@part
def _expected_sinr(own, amplitude, n0, grid, first, n):
    """Wanted power over that of the cells that send and the noise, on elements first .. first + n - 1."""
    wanted, unwanted = 0.0, 0.0
    width = amplitude.shape[1]
    f = first % width
    for k in range(n):
        for j in range(amplitude.shape[0]):
            a = np.complex128(amplitude[j, f])
            power = a.real * a.real + a.imag * a.imag
            if j == own:
                wanted += power
            elif grid[j, first + k] != 0:
                unwanted += power
        f = f + 1 if f + 1 < width else 0
    return wanted / (unwanted + n * n0) if unwanted + n * n0 > 0.0 else np.inf
