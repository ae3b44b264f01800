"""LLRs into the decoder's integer columns and hard decisions out of them; arrangement: see `ldpc_kernels`."""

from __future__ import annotations

import numpy as np

from phy.jit import entry, part

TILE = 64  # lanes per step of the vector code: one 512-bit register of 8-bit integers


@entry
def padded_lanes(length):
    """(lanes rounded up to full tiles, entries from one doubled column to the next)."""
    padded = (length + TILE - 1) // TILE * TILE
    return padded, (length + padded + TILE - 1) // TILE * TILE


def memory_size(lifting_size: int, group: int, num_edges: int, num_cols: int) -> int:
    """Entries of scratch that `decode_kernel` needs."""
    padded, stride = padded_lanes(lifting_size * group)
    return num_edges * padded + num_cols * stride + 4 * padded + num_cols * lifting_size


@part(fastmath={"reassoc"})
def mean_transmitted(llr):
    """Mean |llr| of float32[N] over its non-zero entries (each at most 1e6); NaN if one is NaN, 0 if none."""
    limit = np.float32(1e6)
    total, count = np.float32(0.0), np.float32(0.0)
    for i in range(llr.shape[0]):
        size = abs(llr[i])
        total += limit if size > limit else size
        count += np.float32(0.0) if size == np.float32(0.0) else np.float32(1.0)
    return total / max(count, np.float32(1.0))


@part
def quantise(llr, scale, limit, out):
    """out[N] = llr float32[N] times scale, rounded, at most `limit` in magnitude."""
    half = np.float32(0.5)
    for i in range(llr.shape[0]):
        out[i] = np.int32(np.floor(min(max(llr[i] * scale, -limit), limit) + half))


@part
def place(values, group, word, rotation, column):
    """Write one column (Z integers) of code word `word` of `group` into the doubled, rotated `column`."""
    at, source = word, rotation
    while at < column.shape[0]:
        count = min(values.shape[0] - source, (column.shape[0] - at + group - 1) // group)
        piece = values[source : source + count]
        if group == 1:
            target = column[at : at + count]
            for k in range(count):
                target[k] = piece[k]
        else:
            for k in range(count):
                column[at + k * group] = piece[k]
        at += count * group
        source = 0


@part
def load_group(llr, first, count, group, fillers, scales, last_shift, lifting_size, quantised, app):
    """Beliefs `app` [columns * stride] of the code words first .. first + count - 1; False if an LLR is NaN.

    Args:
        fillers: int64[2], first and last-plus-one known bit, counted from column 0.
        scales: float32[3]: integer that a code word's mean |llr| becomes; largest channel value; known bit.
        quantised: [columns * Z], type of app, scratch.
    """
    stride = app.shape[0] // last_shift.shape[0]
    received = quantised.shape[0] - 2 * lifting_size
    valid = True
    for i in range(app.shape[0]):
        app[i] = 0
    for word in range(count):
        soft = llr[first + word]
        mean = mean_transmitted(soft)
        valid = valid and mean == mean
        for i in range(2 * lifting_size):
            quantised[i] = 0
        scale = scales[0] / max(mean, np.float32(1e-30))
        quantise(soft[:received], scale, scales[1], quantised[2 * lifting_size :])
        for i in range(fillers[0], fillers[1]):
            quantised[i] = np.int32(scales[2])
        for c in range(last_shift.shape[0]):
            values = quantised[c * lifting_size : (c + 1) * lifting_size]
            place(values, group, word, last_shift[c], app[c * stride : (c + 1) * stride])
    return valid


@part
def hard_decisions(app, stride, last_shift, lifting_size, group, word, out):
    """Signs of the beliefs of one code word of the group, unrotated, into out uint8[num_bits]."""
    for begin in range(0, out.shape[0], lifting_size):
        c = begin // lifting_size
        count = min(lifting_size, out.shape[0] - begin)
        at = c * stride + ((lifting_size - last_shift[c]) % lifting_size) * group + word
        target, source = out[begin : begin + count], app[at : at + count * group]
        if group == 1:
            for k in range(count):
                target[k] = source[k] < 0
        else:
            for k in range(count):
                target[k] = source[k * group] < 0
