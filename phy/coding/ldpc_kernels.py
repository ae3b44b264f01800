"""Layered normalised min-sum for quasi-cyclic codes: numba kernels on 8- or 16-bit saturating integers.

A circulant row of checks touches each of its columns as one rotated vector, so checks are lanes and a
rotation is an offset. Three arrangements keep the hot loop free of everything but loads, arithmetic and
stores:

* Each column is stored in the rotation of the last row that used it, twice in a row, so that the next row
reads
  it from one contiguous place `delta` further on and writes it back from the beginning.
* G code words with the same lifting size Z are interleaved (lane k G + g is check k of word g): they act as
one
  code of lifting size Z G, so short codes fill the vectors too. Each word's result is taken at its own stop.
* Lanes are padded to a multiple of 64; padding lanes repeat the first lanes, compute the same and write the
same.

`_update_row` is LLVM vector code when compiled (plain numba loops over the same arrays were several times
slower) and NumPy in Python; tests compare the two.
"""

from __future__ import annotations

import itertools

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

TILE = 64  # lanes per step of the vector code: one 512-bit register of 8-bit integers


def _update_row(app, read, write, messages, first, last, length, padded, scratch):
    """Process one row of `length` checks: messages out, beliefs updated.

    Args:
        app: int8[...] or int16[...], beliefs (a posteriori LLRs), all columns one after the other.
        read: int64[num_edges], where each edge's column begins in `app`, in the rotation of this row.
        write: int64[num_edges], where its updated column goes, twice, `length` apart.
        messages: same type as app, [num_edges * padded], check-to-variable messages by edge.
        first, last: the row's edges are first .. last - 1.
        length: checks of the row. padded: the same rounded up to a multiple of 64.
        scratch: same type as app, [3 * padded].
    """
    low, high = np.iinfo(app.dtype).min, np.iinfo(app.dtype).max
    lanes = np.arange(padded)
    incoming = []
    for e in range(first, last):
        belief = app[read[e] + lanes].astype(np.int64)
        incoming.append(np.clip(belief - messages[e * padded + lanes], low, high))
    sizes = np.sort(np.abs(np.array(incoming)), axis=0)
    least, second = np.minimum(sizes[0], high), np.minimum(sizes[1], high)
    negative = np.logical_xor.reduce(np.array(incoming) < 0, axis=0)
    for e, value in zip(range(first, last), incoming):
        size = np.where(np.abs(value) == least, second, least)
        size = size - ((size + 2) >> 2)  # unbiased rounding: rounding up costs 8 bits 0.2 dB
        message = np.where(negative ^ (value < 0), -size, size)
        messages[e * padded + lanes] = message
        belief = np.clip(value + message, low, high)
        app[write[e] + lanes] = belief
        app[write[e] + length + lanes] = belief


class _Emitter:
    """Vector code of `_update_row` on 64 lanes of `width` bits."""

    def __init__(self, builder, width: int):
        self.builder = builder
        self.width = width
        self.lane = ir.VectorType(ir.IntType(width), TILE)
        self.zero = self.splat(0)

    def splat(self, value: int):
        return ir.Constant(self.lane, [value] * TILE)

    def load(self, base, index):
        pointer = self.builder.bitcast(self.builder.gep(base, [index]), self.lane.as_pointer())
        return self.builder.load(pointer, align=1)

    def store(self, value, base, index):
        pointer = self.builder.bitcast(self.builder.gep(base, [index]), self.lane.as_pointer())
        self.builder.store(value, pointer, align=1)

    def saturating(self, name: str, a, b):
        kind = ir.FunctionType(self.lane, [self.lane, self.lane])
        full = f"llvm.{name}.sat.v{TILE}i{self.width}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, full)
        return self.builder.call(function, [a, b])

    def least(self, a, b):
        return self.builder.select(self.builder.icmp_unsigned("<", a, b), a, b)

    def greatest(self, a, b):
        return self.builder.select(self.builder.icmp_unsigned(">", a, b), a, b)

    def size(self, a):
        """|a| as an unsigned integer."""
        builder = self.builder
        return builder.select(builder.icmp_signed("<", a, self.zero), builder.sub(self.zero, a), a)

    def scaled(self, a):
        """Three quarters of a, rounded (a half down)."""
        quarter = self.builder.lshr(self.builder.add(a, self.splat(2)), self.splat(2))
        return self.builder.sub(a, quarter)


@intrinsic
def _update_row_vector(typingctx, app, read, write, messages, first, last, length, padded, scratch):
    """`_update_row` as vector code; same arguments."""
    signature = types.void(app, read, write, messages, first, last, length, padded, scratch)
    width = app.dtype.bitwidth

    def codegen(context, builder, signature, args):
        def data(i):
            return context.make_array(signature.args[i])(context, builder, args[i]).data

        app, read, write, messages, scratch = (data(i) for i in (0, 1, 2, 3, 8))
        first, last, length, padded = args[4:8]
        emit = _Emitter(builder, width)
        index = padded.type
        tile, twice = ir.Constant(index, TILE), builder.add(padded, padded)
        degree, tiles = builder.sub(last, first), builder.sdiv(padded, tile)

        def each_tile(body):
            with cgutils.for_range(builder, tiles) as loop:
                body(builder.mul(loop.index, tile))

        def each_edge(lane, body):
            with cgutils.for_range(builder, degree) as loop:
                edge = builder.add(first, loop.index)
                body(edge, builder.add(builder.mul(edge, padded), lane))

        def gather(lane):
            high = emit.splat((1 << (width - 1)) - 1)
            least, second, signs = (cgutils.alloca_once_value(builder, v) for v in (high, high, emit.zero))
            for slot, value in ((least, high), (second, high), (signs, emit.zero)):
                builder.store(value, slot)

            def edge_in(edge, message_at):
                start = builder.load(builder.gep(read, [edge]))
                belief = emit.load(app, builder.add(start, lane))
                value = emit.saturating("ssub", belief, emit.load(messages, message_at))
                emit.store(value, messages, message_at)
                size, old = emit.size(value), builder.load(least)
                builder.store(emit.least(builder.load(second), emit.greatest(old, size)), second)
                builder.store(emit.least(old, size), least)
                builder.store(builder.xor(builder.load(signs), value), signs)

            each_edge(lane, edge_in)
            emit.store(builder.load(least), scratch, lane)
            emit.store(builder.load(second), scratch, builder.add(padded, lane))
            emit.store(builder.load(signs), scratch, builder.add(twice, lane))

        def scatter(lane):
            least = emit.load(scratch, lane)
            second = emit.load(scratch, builder.add(padded, lane))
            signs = emit.load(scratch, builder.add(twice, lane))
            scaled_least, scaled_second = emit.scaled(least), emit.scaled(second)

            def edge_out(edge, message_at):
                value = emit.load(messages, message_at)
                is_least = builder.icmp_unsigned("==", emit.size(value), least)
                size = builder.select(is_least, scaled_second, scaled_least)
                negative = builder.icmp_signed("<", builder.xor(signs, value), emit.zero)
                message = builder.select(negative, builder.sub(emit.zero, size), size)
                emit.store(message, messages, message_at)
                belief = emit.saturating("sadd", value, message)
                start = builder.add(builder.load(builder.gep(write, [edge])), lane)
                emit.store(belief, app, start)
                emit.store(belief, app, builder.add(start, length))

            each_edge(lane, edge_out)

        each_tile(gather)
        each_tile(scatter)
        return context.get_dummy_value()

    return signature, codegen


@overload(_update_row)
def _update_row_overload(app, read, write, messages, first, last, length, padded, scratch):
    def run(app, read, write, messages, first, last, length, padded, scratch):
        _update_row_vector(app, read, write, messages, first, last, length, padded, scratch)  # type: ignore[call-arg]

    return run


def _check_rows(app, read, row_start, padded, fails):
    """fails[padded], type of app: negative where some check of that lane is not satisfied by the signs of
    app.

    Args: see `_update_row`; row_start int64[num_rows + 1] holds the first edge of each row.
    """
    lanes = np.arange(padded)
    fails[:] = 0
    for first, last in itertools.pairwise(row_start):
        fails |= np.bitwise_xor.reduce([app[read[e] + lanes] for e in range(first, last)])


@intrinsic
def _check_rows_vector(typingctx, app, read, row_start, padded, fails):
    """`_check_rows` as vector code; same arguments."""
    signature = types.void(app, read, row_start, padded, fails)
    width = app.dtype.bitwidth

    def codegen(context, builder, signature, args):
        arrays = {i: context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 1, 2, 4)}
        app, read, starts, fails = (arrays[i].data for i in (0, 1, 2, 4))
        padded = args[3]
        emit = _Emitter(builder, width)
        tile, one = ir.Constant(padded.type, TILE), ir.Constant(padded.type, 1)
        num_rows = builder.sub(cgutils.unpack_tuple(builder, arrays[2].shape, 1)[0], one)
        parity = cgutils.alloca_once_value(builder, emit.zero)
        failing = cgutils.alloca_once_value(builder, emit.zero)
        with cgutils.for_range(builder, builder.sdiv(padded, tile)) as tiles:
            lane = builder.mul(tiles.index, tile)
            builder.store(emit.zero, failing)
            with cgutils.for_range(builder, num_rows) as rows:
                builder.store(emit.zero, parity)
                first = builder.load(builder.gep(starts, [rows.index]))
                last = builder.load(builder.gep(starts, [builder.add(rows.index, one)]))
                with cgutils.for_range(builder, builder.sub(last, first)) as edges:
                    column = builder.load(builder.gep(read, [builder.add(first, edges.index)]))
                    belief = emit.load(app, builder.add(column, lane))
                    builder.store(builder.xor(builder.load(parity), belief), parity)
                builder.store(builder.or_(builder.load(failing), builder.load(parity)), failing)
            emit.store(builder.load(failing), fails, lane)
        return context.get_dummy_value()

    return signature, codegen


@overload(_check_rows)
def _check_rows_overload(app, read, row_start, padded, fails):
    def run(app, read, row_start, padded, fails):
        _check_rows_vector(app, read, row_start, padded, fails)  # type: ignore[call-arg]

    return run


@njit(cache=True, nogil=True)
def padded_lanes(length):
    """(lanes rounded up to full tiles, entries from one doubled column to the next)."""
    padded = (length + TILE - 1) // TILE * TILE
    return padded, (length + padded + TILE - 1) // TILE * TILE


def memory_size(lifting_size: int, group: int, num_edges: int, num_cols: int) -> int:
    """Entries of scratch that `decode_kernel` needs."""
    padded, stride = padded_lanes(lifting_size * group)
    return num_edges * padded + num_cols * stride + 4 * padded + num_cols * lifting_size


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def mean_transmitted(llr):
    """Mean |llr| of float32[N] over its non-zero entries (each at most 1e6); NaN if one is NaN, 0 if none."""
    limit = np.float32(1e6)
    total, count = np.float32(0.0), np.float32(0.0)
    for i in range(llr.shape[0]):
        size = abs(llr[i])
        total += limit if size > limit else size
        count += np.float32(0.0) if size == np.float32(0.0) else np.float32(1.0)
    return total / max(count, np.float32(1.0))


@njit(cache=True, nogil=True)
def quantise(llr, scale, limit, out):
    """out[N] = llr float32[N] times scale, rounded, at most `limit` in magnitude."""
    half = np.float32(0.5)
    for i in range(llr.shape[0]):
        out[i] = np.int32(np.floor(min(max(llr[i] * scale, -limit), limit) + half))


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def decode_kernel(llr, code, row_start, edges, last_shift, max_iterations, scales, memory, out, used):
    """Decode a batch of code words of one code.

    Args:
        llr: float32[B, N], circular buffer (columns 2 ... of the code), positive = bit 0, 0 = not received.
        code: int64[4]: lifting size; code words decoded together; first and last-plus-one known bit, counted
            from column 0.
        row_start: int64[num_rows + 1], first edge of each row in use.
        edges: int64[3, num_edges]: column; rotation of the row against the column's previous row; and against
            its last row.
        last_shift: int64[num_cols], shift of the last row that uses the column.
        max_iterations: at most so many passes over all rows.
        scales: see `load_group`.
        memory: int8[...] or int16[...], scratch of `memory_size` entries; its type is the precision.
        out: uint8[B, num_bits], written: hard decisions of the first num_bits columns.
        used: int32[B], written: iterations made, or minus that if some parity check still fails.

    Returns:
        False if some LLR was NaN.
    """
    lifting_size, group = code[0], code[1]
    num_rows, num_edges, num_cols = row_start.shape[0] - 1, edges.shape[1], last_shift.shape[0]
    length = lifting_size * group
    padded, stride = padded_lanes(length)
    messages, rest = memory[: num_edges * padded], memory[num_edges * padded :]
    beliefs, rest = rest[: num_cols * stride], rest[num_cols * stride :]
    scratch, rest = rest[: 3 * padded], rest[3 * padded :]
    fails, quantised = rest[:padded], rest[padded : padded + num_cols * lifting_size]
    write, read = np.empty(num_edges, np.int64), np.empty(num_edges, np.int64)
    check = np.empty(num_edges, np.int64)
    for e in range(num_edges):
        write[e] = edges[0, e] * stride
        read[e], check[e] = write[e] + edges[1, e] * group, write[e] + edges[2, e] * group
    open_words = np.empty(group, dtype=np.uint8)
    valid = True
    for first in range(0, llr.shape[0], group):
        count = min(group, llr.shape[0] - first)
        loaded = load_group(
            llr, first, count, group, code[2:], scales, last_shift, lifting_size, quantised, beliefs
        )
        valid = valid and loaded
        for i in range(num_edges * padded):
            messages[i] = 0
        for word in range(group):
            open_words[word] = 1
        num_open, iteration = count, 0
        while num_open > 0:
            iteration += 1
            for r in range(num_rows):
                begin, end = row_start[r], row_start[r + 1]
                _update_row(beliefs, read, write, messages, begin, end, length, padded, scratch)
            _check_rows(beliefs, check, row_start, padded, fails)
            for word in range(count):
                if open_words[word] == 0:
                    continue
                failing = False
                for k in range(word, length, group):
                    failing |= fails[k] < 0
                if not failing or iteration == max_iterations:
                    open_words[word] = 0
                    num_open -= 1
                    used[first + word] = -iteration if failing else iteration
                    hard_decisions(beliefs, stride, last_shift, lifting_size, group, word, out[first + word])
    return valid
