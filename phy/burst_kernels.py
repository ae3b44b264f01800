"""Kernels over bursts: the frequency-domain link of level `bit`.

A burst passes in chunks of CHUNK symbols, so the scratch memory (noise, scale, symbols) stays in the L1
cache. What measurement taught, and what an editor of the kernels should keep:

* Separate loops draw the words, the normals, and slice: each of them vectorises, their fusion does not.
* A loop indexes its arrays from 0; what begins elsewhere is passed as a view. With an offset numba adds a
  sign check to the index, the compiler's test for overlapping arrays then covers too much, and whether the
  loop runs as scalar code depends on where malloc put the arrays (six times slower, in one thread and not in
  the other).
* An argument that is None takes its branch out of the compiled code.
* The numbers of a burst lie in a row of two tables (see INTS and REALS), since each array that Python hands
  over costs 0.1 to 0.2 us a call.
* numba's cache looks at the file of the outermost kernel only: after an edit in another kernel module, delete
  phy/__pycache__/*.nb*.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import intrinsic

from phy.jit import entry, part, scratch
from phy.packing import pack_symbols, unpack_nibbles, unpack_symbols
from phy.philox import CHUNK_PAIRS, LANE_RE_NOISE, normals
from phy.qam import (
    NORM,
    interleave,
    llr_weight,
    maxlog_qam16,
    maxlog_symbols,
    slice_qam16,
    slice_symbols,
)

CHUNK = 2 * CHUNK_PAIRS - 8  # symbols; a multiple of 8, so that chunks begin at byte boundaries for every m
SYMBOLS, DRAWS = CHUNK + 8, 2 * CHUNK_PAIRS  # sizes of scratch memory, with room for an odd first symbol
_MAX_SCALE = 1e9  # noise that drowns any constellation; keeps a faded-out burst finite

# columns of the tables int64[B, INTS] and float64[B, REALS]: what is known of a burst, and what comes of it
OFFSET, NUM_BITS, ORDER, WIDTH, FIRST_SYMBOL, KEY, SLOT, START, ERRORS, INTS = range(10)
ES, N0, SNR_DB, REALS = range(4)


@part(glue=True)
def first_broken(num_bytes, max_width, ints, reals, first, last):
    """Index of the first burst of first .. last - 1 that breaks a rule of `phy.bursts.RULES`, or -1."""
    for b in range(first, last):
        r, es, n0 = ints[b], reals[b, ES], reals[b, N0]
        m, offset, width = r[ORDER], r[OFFSET], r[WIDTH]
        known = m == 4 or m == 2 or m == 1 or m == 6 or m == 8
        end = offset + ((r[NUM_BITS] + 7) >> 3)
        least = r[NUM_BITS] | offset | r[SLOT] | r[FIRST_SYMBOL] | (width - 1) | (max_width - width)
        finite = es >= 0.0 and es < np.inf and n0 >= 0.0 and n0 < np.inf
        if not (known and least >= 0 and end <= num_bytes and finite):
            return b
    return -1


@part
def combined_gain(h, width, first, n, gain):
    """What maximum-ratio combining collects: gain[f] = sum over antennas of |h[r, f]|^2 for f < width.

    Returns the mean of gain[(first + k) % width] over k < n; 0 for n = 0.
    """
    for f in range(width):
        gain[f] = 0.0
    for r in range(h.shape[0]):
        row = h[r]
        for f in range(width):
            z = row[f]
            gain[f] += np.float64(z.real) * z.real + np.float64(z.imag) * z.imag
    total, rest = 0.0, n % width
    phase = first % width
    for f in range(width):
        behind = f - phase if f >= phase else f - phase + width
        total += gain[f] * (n // width + (behind < rest))
    return total / n if n > 0 else 0.0


@part(fastmath={"reassoc", "contract", "arcp", "nsz"})
def subcarrier_scale(gain, width, amplitude2, noise, scale):
    """scale[f] = sqrt(noise / (amplitude2 * gain[f])) up to _MAX_SCALE: the noise scale of the slicer."""
    dark = _MAX_SCALE if noise > 0.0 else 0.0
    for f in range(width):
        v = amplitude2 * gain[f]
        s = math.sqrt(noise / v) if v > 0.0 else dark
        scale[f] = np.float32(s if s < _MAX_SCALE else _MAX_SCALE)


@part
def repeat(values, period, size):
    """Continue values[:period] periodically to values[:size], doubling what is there."""
    while period < size:
        to = values[period : size if size < 2 * period else 2 * period]
        for i in range(to.size):
            to[i] = values[i]
        period *= 2


@entry
def mean_snr(h, width, es, n0, first_symbol, num_symbols, snr):
    """snr[b] = mean SNR after combining over the elements of each burst (linear; inf without noise or
    symbols).
    """
    gain = scratch(h.shape[2], np.float64)
    for b in range(es.size):
        mean = combined_gain(h[b], width[b], first_symbol[b], num_symbols[b], gain)
        snr[b] = es[b] * mean / n0 if n0 > 0.0 and num_symbols[b] > 0 else np.inf


@intrinsic
def ones(typingctx, value):
    """Number of ones in a uint8, as uint8."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint8(types.uint8), codegen


@part
def finish_bytes(payload, received, first, num_bytes, last_mask):
    """Restore the padding bits of the last byte and count the wrong bits."""
    if last_mask != 255 and num_bytes > 0:
        p = first + num_bytes - 1
        received[p] = np.uint8((received[p] & last_mask) | (payload[p] & (255 ^ last_mask)))
    errors = np.int64(0)
    sent, got = payload[first : first + num_bytes], received[first : first + num_bytes]
    for j in range(num_bytes):
        errors += ones(np.uint8(sent[j] ^ got[j]))  # type: ignore
    return errors


@part
def finish_nibbles(sent, sym, received, bits):
    """`pack_nibbles` and `finish_bytes` in one: the bytes of sym with the padding as in sent, wrong bits."""
    errors = np.int64(0)
    for j in range(sent.size):
        got = np.uint8((sym[2 * j] << 4) | sym[2 * j + 1])
        received[j] = got
        errors += ones(np.uint8(got ^ sent[j]))  # type: ignore
    if bits & 7:
        j = sent.size - 1
        wrong = np.uint8(received[j] ^ sent[j])
        kept = np.uint8(wrong & (0xFF00 >> (bits & 7)))
        received[j] = np.uint8(sent[j] ^ kept)
        errors -= ones(np.uint8(wrong ^ kept))  # type: ignore
    return errors


@part
def given_normals(noise, n, gi, gq):
    """gi, gq = real and imaginary parts of noise complex64[>= n]."""
    for k in range(n):
        gi[k] = noise[k].real
        gq[k] = noise[k].imag


@part
def put_qam16(sym, gi, gq, scale, weight, num_bits, last, llr):
    """`maxlog_qam16` of num_bits bits: the last symbol may carry padding, which has no place in llr.

    last: float32[4], overwritten.
    """
    n = num_bits >> 2
    maxlog_qam16(sym, gi, gq, scale, weight, n, llr)
    if num_bits & 3:
        maxlog_qam16(sym[n:], gi[n:], gq[n:], scale[n:], weight[n:], 1, last)
        for i in range(num_bits & 3):
            llr[4 * n + i] = last[i]


@entry(glue=True)
def transmit(payload, h, ints, reals, first, last, marked, any_order, noise, received, llr):
    """Bursts first .. last - 1 through channel, noise and receiver; ERRORS and SNR_DB are written.

    What is None is compiled away: one source serves hard and soft decisions, drawn and given noise.

    Args:
        payload, h: see phy.bursts.Bursts; ints, reals: `Bursts.tables`.
        marked: only those bursts whose ERRORS are -1.
        any_order: None: every burst is 16-QAM, which takes half the code and the compile time; else True.
        noise: complex64, N(0, 1) per dimension, burst b from START on; None: drawn from the keys.
        received: uint8, hard decisions in the layout of payload; or None.
        llr: float32, max-log LLRs, burst b from START on; or None.

    Returns: -1, or the first burst that breaks a rule (then nothing was sent).
    """
    gain = scratch(h.shape[2], np.float64)
    scales = scratch(2 * (h.shape[2] + CHUNK), np.float32)
    sym = scratch(SYMBOLS, np.uint8)
    words = scratch((4, CHUNK_PAIRS), np.uint32)
    draws = scratch((2, DRAWS), np.float32)
    plane = scratch((8, CHUNK), np.float32)
    return _transmit(
        payload, h, ints, reals, first, last, marked, any_order, noise, received, llr,
        gain, scales, sym, words, draws, plane,
    )  # fmt: skip


@part(glue=True)
def _transmit(payload, h, ints, reals, first, last, marked, any_order, noise, received, llr,
              gain, scales, sym, words, draws, plane):  # fmt: skip
    """`transmit` with its scratch memory."""
    broken = first_broken(payload.size, h.shape[2], ints, reals, first, last)
    if broken >= 0:
        return broken
    gi, gq = draws[0], draws[1]
    scale, weight = scales, scales[CHUNK + h.shape[2] :]
    for b in range(first, last):
        row = ints[b]
        if marked and row[ERRORS] != -1:
            continue
        m, num_bits, re, width = row[ORDER], row[NUM_BITS], row[FIRST_SYMBOL], row[WIDTH]
        es, n0 = reals[b, ES], reals[b, N0]
        n = (num_bits + m - 1) // m
        mean_gain = combined_gain(h[b], width, re, n, gain)
        reals[b, SNR_DB] = 10.0 * math.log10(es * mean_gain / n0) if n0 > 0.0 and n > 0 else np.inf
        subcarrier_scale(gain, width, 2.0 * es / NORM[m], n0, scale)
        used = width + (n if n < CHUNK else CHUNK)
        if llr is not None:
            for f in range(width):
                weight[f] = llr_weight(scale[f])
            repeat(weight, width, used)
        repeat(scale, width, used)
        wrong = np.int64(0)
        for c in range(0, n, CHUNK):
            k = n - c if n - c < CHUNK else CHUNK
            bits = num_bits - c * m if num_bits - c * m < k * m else k * m
            byte, num_bytes, phase = row[OFFSET] + ((c * m) >> 3), (bits + 7) >> 3, (re + c) % width
            odd = 0
            if noise is None:
                odd = (re + c) & 1
                normals(
                    np.uint64(row[KEY]), row[SLOT], LANE_RE_NOISE, (re + c) >> 1, (k + odd + 1) >> 1,
                    words, gi, gq,
                )  # fmt: skip
            else:
                given_normals(noise[row[START] + c :], k, gi, gq)
            ni, nq, s = gi[odd:], gq[odd:], scale[phase:]
            if any_order is None:
                sent = payload[byte : byte + num_bytes]
                unpack_nibbles(sent, sym)
                if received is not None:
                    slice_qam16(sym, ni, nq, s, k)
                    wrong += finish_nibbles(sent, sym, received[byte:], bits)
                if llr is not None:
                    put_qam16(sym, ni, nq, s, weight[phase:], bits, plane[0], llr[row[START] + c * m :])
            else:
                unpack_symbols(m, payload, byte, num_bytes, k, sym)
                if received is not None:
                    slice_symbols(m, sym, ni, nq, s, k)
                    pack_symbols(m, sym, num_bytes, received, byte)
                    mask = (0xFF00 >> (((bits - 1) & 7) + 1)) & 255
                    wrong += finish_bytes(payload, received, byte, num_bytes, mask)
                if llr is not None:
                    maxlog_symbols(m, sym, ni, nq, s, weight[phase:], k, plane)
                    interleave(m, plane, bits, llr[row[START] + c * m :])
        row[ERRORS] = wrong
    return -1
