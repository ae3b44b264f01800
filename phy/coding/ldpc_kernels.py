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
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from phy.coding.ldpc_soft import TILE, hard_decisions, load_group, padded_lanes
from phy.jit import entry


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
        # 11/16, measured at BLER 0.1: 3/4 costs up to 0.2 dB at rate 1/3 and below (and wins little at 1e-3),
        # 5/8 as much at 1/2 and above. The rounding must be unbiased: rounding up costs 8 bits 0.2 dB.
        size = size - ((size + (size >> 2) + 2) >> 2)
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
        """A constant on all lanes."""
        return ir.Constant(self.lane, [value] * TILE)

    def load(self, base, index):
        """The lanes at base[index], unaligned."""
        pointer = self.builder.bitcast(self.builder.gep(base, [index]), self.lane.as_pointer())
        return self.builder.load(pointer, align=1)

    def store(self, value, base, index):
        """Writes the lanes to base[index], unaligned."""
        pointer = self.builder.bitcast(self.builder.gep(base, [index]), self.lane.as_pointer())
        self.builder.store(value, pointer, align=1)

    def saturating(self, name: str, a, b):
        """LLVM's saturating `name` (sadd, ssub) of two vectors."""
        kind = ir.FunctionType(self.lane, [self.lane, self.lane])
        full = f"llvm.{name}.sat.v{TILE}i{self.width}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, full)
        return self.builder.call(function, [a, b])

    def least(self, a, b):
        """The smaller of two unsigned vectors, lane by lane."""
        return self.builder.select(self.builder.icmp_unsigned("<", a, b), a, b)

    def greatest(self, a, b):
        """The larger of two unsigned vectors, lane by lane."""
        return self.builder.select(self.builder.icmp_unsigned(">", a, b), a, b)

    def size(self, a):
        """|a| as an unsigned integer."""
        builder = self.builder
        return builder.select(builder.icmp_signed("<", a, self.zero), builder.sub(self.zero, a), a)

    def scaled(self, a):
        """11/16 of a, rounded: a less a quarter of 5/4 a."""
        more = self.builder.add(a, self.builder.lshr(a, self.splat(2)))
        return self.builder.sub(a, self.builder.lshr(self.builder.add(more, self.splat(2)), self.splat(2)))


class _RowEmitter(_Emitter):
    """The two passes of `_update_row` over the edges of one tile of lanes."""

    def __init__(self, builder, width: int, arrays, edges, padded):
        super().__init__(builder, width)
        self.app, self.read, self.write, self.messages, self.scratch = arrays
        self.first, self.last = edges
        self.padded = padded
        high = self.splat((1 << (width - 1)) - 1)
        self.start = (high, high, self.zero)
        # least, second least size; product of signs
        self.state = [cgutils.alloca_once_value(builder, value) for value in self.start]

    def each_edge(self, lane, body):
        """Emits the loop over the row's edges; `body` gets the edge, its message's place and the lane."""
        with cgutils.for_range(self.builder, self.builder.sub(self.last, self.first)) as loop:
            edge = self.builder.add(self.first, loop.index)
            body(edge, self.builder.add(self.builder.mul(edge, self.padded), lane), lane)

    def column(self, starts, edge, lane):
        """Place of an edge's belief."""
        return self.builder.add(self.builder.load(self.builder.gep(starts, [edge])), lane)

    def scratch_at(self, lane):
        """Places of the three state vectors of a tile."""
        second = self.builder.add(lane, self.padded)
        return lane, second, self.builder.add(second, self.padded)

    def gather(self, lane):
        """First pass: what comes in on each edge, the two least sizes, the sign of all."""
        for slot, value in zip(self.state, self.start):
            self.builder.store(value, slot)
        self.each_edge(lane, self.edge_in)
        for slot, place in zip(self.state, self.scratch_at(lane)):
            self.store(self.builder.load(slot), self.scratch, place)

    def edge_in(self, edge, message_at, lane):
        """First pass over one edge."""
        builder = self.builder
        belief = self.load(self.app, self.column(self.read, edge, lane))
        value = self.saturating("ssub", belief, self.load(self.messages, message_at))
        self.store(value, self.messages, message_at)
        least, second, signs = self.state
        size, old = self.size(value), builder.load(least)
        builder.store(self.least(builder.load(second), self.greatest(old, size)), second)
        builder.store(self.least(old, size), least)
        builder.store(builder.xor(builder.load(signs), value), signs)

    def scatter(self, lane, length):
        """Second pass: the message of each edge and the belief it makes."""
        least, second, signs = (self.load(self.scratch, place) for place in self.scratch_at(lane))
        scaled_least, scaled_second = self.scaled(least), self.scaled(second)

        def edge_out(edge, message_at, lane):
            builder = self.builder
            value = self.load(self.messages, message_at)
            is_least = builder.icmp_unsigned("==", self.size(value), least)
            size = builder.select(is_least, scaled_second, scaled_least)
            negative = builder.icmp_signed("<", builder.xor(signs, value), self.zero)
            message = builder.select(negative, builder.sub(self.zero, size), size)
            self.store(message, self.messages, message_at)
            belief = self.saturating("sadd", value, message)
            start = self.column(self.write, edge, lane)
            self.store(belief, self.app, start)
            self.store(belief, self.app, builder.add(start, length))

        self.each_edge(lane, edge_out)


@intrinsic
def _update_row_vector(typingctx, app, read, write, messages, first, last, length, padded, scratch):
    """`_update_row` as vector code; same arguments."""
    signature = types.void(app, read, write, messages, first, last, length, padded, scratch)
    width = app.dtype.bitwidth

    def codegen(context, builder, signature, args):
        kinds = signature.args
        arrays = [context.make_array(kinds[i])(context, builder, args[i]).data for i in (0, 1, 2, 3, 8)]
        first, last, length, padded = args[4:8]
        emit = _RowEmitter(builder, width, arrays, (first, last), padded)
        tile = ir.Constant(padded.type, TILE)
        tiles = builder.sdiv(padded, tile)
        with cgutils.for_range(builder, tiles) as loop:
            emit.gather(builder.mul(loop.index, tile))
        with cgutils.for_range(builder, tiles) as loop:
            emit.scatter(builder.mul(loop.index, tile), length)
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


@entry
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
