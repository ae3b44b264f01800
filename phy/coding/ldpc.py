"""The LDPC codes of 5G NR (TS 38.212 5.3.2): encoder and layered min-sum decoder of one code block.

A code block of K' bits (information and CRC) is filled up with F known zeros to K = 22 Z (base graph 1) or 10
Z (base graph 2) bits and encoded; the first 2 Z are never sent. What remains is the circular buffer of N = 66
Z or 50 Z bits that `ldpc_rate` sends from. Bits are uint8, LLRs float32 with positive = bit 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from phy.coding.ldpc_kernels import decode_kernel
from phy.coding.ldpc_soft import memory_size
from phy.coding.ldpc_tables import LIFTING_SIZES, BaseGraph, base_graph, lifting_set
from phy.jit import entry, part
from phy.parameters import Checked, ParameterError, at_least_one, one_of, parameter

Bits = NDArray[np.uint8]
MAX_BLOCK_BITS = {1: 8448, 2: 3840}  # TS 38.212 5.2.2


@dataclass(frozen=True)
class LdpcCode(Checked):
    """The code of a block of `num_bits` bits (K' of the standard) on a base graph."""

    base_graph: int = parameter(meaning="base graph", source="TS 38.212 5.3.2", rule=one_of(1, 2))
    num_bits: int = parameter(meaning="bits of a code block, CRC included", unit="bit", rule=at_least_one)

    def check(self) -> None:
        """The block must fit the largest lifting size."""
        if self.num_bits > MAX_BLOCK_BITS[self.base_graph]:
            raise self.error(
                "num_bits", f"must be <= {MAX_BLOCK_BITS[self.base_graph]} on base graph {self.base_graph}"
            )

    @cached_property
    def lifting_size(self) -> int:
        """Z: the least lifting size whose K_b Z holds the block; K_b as in TS 38.212 5.2.2."""
        if self.base_graph == 1:
            columns = 22
        else:
            columns = (
                10 if self.num_bits > 640 else 9 if self.num_bits > 560 else 8 if self.num_bits > 192 else 6
            )
        return next(z for z in LIFTING_SIZES if columns * z >= self.num_bits)

    @property
    def graph(self) -> BaseGraph:
        """The base graph's edges."""
        return base_graph(self.base_graph)

    @cached_property
    def num_systematic(self) -> int:
        """K: block bits and fillers."""
        return self.graph.num_info_cols * self.lifting_size

    @cached_property
    def buffer_size(self) -> int:
        """N: bits of the circular buffer (K, its fillers and the parity bits, less the first 2 Z)."""
        return (self.graph.num_cols - 2) * self.lifting_size

    @property
    def fillers(self) -> tuple[int, int]:
        """First and last-plus-one filler bit, counted in the buffer; may begin before it (negative)."""
        return self.num_bits - 2 * self.lifting_size, self.num_systematic - 2 * self.lifting_size

    def rows_for(self, buffer_stop: int) -> int:
        """Parity checks that matter when only the first `buffer_stop` bits of the buffer are in use."""
        columns = 2 + -(-buffer_stop // self.lifting_size)
        return min(max(columns - self.graph.num_info_cols, 4), self.graph.num_rows)


@entry
def encode_kernel(col, shift, row_start, num_info_cols, lifting_size, words):
    """Fill the parity columns, zero so far, of words uint8[B, num_cols * Z] with information columns set.

    The first four rows: their sum holds the first parity column alone, once, with the odd shift of the three
    it has in them; the others follow row by row. Every later row adds one parity column of its own.
    """
    z = lifting_size
    total = np.empty(z, dtype=np.uint8)
    first = num_info_cols
    for b in range(words.shape[0]):
        word = words[b]
        for k in range(z):
            total[k] = 0
        odd_shift = 0
        for e in range(row_start[4]):
            if col[e] < first:
                add_rotated(word[col[e] * z : (col[e] + 1) * z], shift[e], total)
            elif col[e] == first:
                odd_shift ^= shift[e]  # two of the three are equal
        add_rotated(total, (z - odd_shift) % z, word[first * z : (first + 1) * z])
        for r in range(row_start.shape[0] - 1):
            own = first + 1 + r if r < 3 else first + r
            if r == 3:
                continue  # holds because the sum of the four does
            target = word[own * z : (own + 1) * z]
            for e in range(row_start[r], row_start[r + 1]):
                if col[e] != own:
                    add_rotated(word[col[e] * z : (col[e] + 1) * z], shift[e], target)


@part
def add_rotated(source, shift, target):
    """target[k] ^= source[(k + shift) mod Z]."""
    split = source.shape[0] - shift
    head, tail = source[shift:], source[:shift]
    near, far = target[:split], target[split:]
    for k in range(split):
        near[k] ^= head[k]
    for k in range(shift):
        far[k] ^= tail[k]


@dataclass(frozen=True)
class Schedule:
    """What the decoder needs of the first `num_rows` rows at one lifting size; see `decode_kernel`."""

    row_start: NDArray[np.int64]
    edges: NDArray[np.int64]
    last_shift: NDArray[np.int64]


@lru_cache(maxsize=256)
def schedule(graph_number: int, lifting_size: int, num_rows: int) -> Schedule:
    """Rotations of each edge against the column's previous use and its last use."""
    graph = base_graph(graph_number)
    row_start = graph.row_start[: num_rows + 1]
    col = graph.col[: row_start[-1]]
    shift = graph.shift[lifting_set(lifting_size), : row_start[-1]] % lifting_size
    last = np.zeros(graph.num_info_cols + num_rows, dtype=np.int64)
    last[col] = shift  # the last assignment of a repeated index stays
    current, previous = last.copy(), np.empty_like(shift)
    for e, c in enumerate(col):
        previous[e], current[c] = current[c], shift[e]
    edges = np.stack([col, (shift - previous) % lifting_size, (shift - last[col]) % lifting_size])
    return Schedule(row_start, edges, last)


def _checked_rows(code: LdpcCode, num_rows: int | None) -> int:
    """Rows to use; the first four belong together and are always needed."""
    if num_rows is None:
        return code.graph.num_rows
    if not 4 <= num_rows <= code.graph.num_rows:
        raise ParameterError(f"num_rows = {num_rows}: must be in [4, {code.graph.num_rows}]")
    return num_rows


def encode(bits: Bits, code: LdpcCode, num_rows: int | None = None) -> Bits:
    """Circular buffers of code blocks.

    Args:
        bits: uint8[B, code.num_bits].
        code: base graph and block length.
        num_rows: parity columns to compute (all if None); the buffer ends behind them.

    Returns:
        uint8[B, N'] with N' = (22 or 10 + num_rows - 2) Z; fillers are 0 and are not to be sent.
    """
    rows = np.require(bits, np.uint8, ("C", "W"))
    if rows.ndim != 2 or rows.shape[1] != code.num_bits:
        raise ParameterError(f"bits.shape = {np.shape(bits)}: must be (blocks, {code.num_bits})")
    graph, z = code.graph, code.lifting_size
    num_rows = _checked_rows(code, num_rows)
    row_start = graph.row_start[: num_rows + 1]
    words = np.zeros((len(rows), (graph.num_info_cols + num_rows) * z), dtype=np.uint8)
    words[:, : code.num_bits] = rows
    shift = graph.shift[lifting_set(z)] % z
    encode_kernel(graph.col, shift, row_start, graph.num_info_cols, z, words)
    return words[:, 2 * z :]


@dataclass(frozen=True)
class Decoded:
    """Decoder output: bits uint8[B, num_bits], iterations int32[B], parity_ok bool[B]."""

    bits: Bits
    iterations: NDArray[np.int32]
    parity_ok: NDArray[np.bool_]


# Mean |llr|, largest channel value and value of a known bit, in steps of the integers.
_SCALES = {"int8": (12.0, 63.0, 127.0), "int16": (512.0, 8191.0, 32767.0)}


def decode(
    llr: NDArray[np.float32],
    code: LdpcCode,
    max_iterations: int = 20,
    num_rows: int | None = None,
    metric: str = "int16",
) -> Decoded:
    """Layered normalised min-sum (factor 11/16) with early stopping when all parity checks hold.

    Args:
        llr: float32[B, N], N = code.buffer_size, the soft buffer: positive = bit 0, 0 where nothing was
            received. Fillers are known to the decoder; what stands in their place is not read. The scale does
            not matter.
        code: base graph and block length.
        max_iterations: passes over all rows.
        num_rows: rows of the base graph to use (`LdpcCode.rows_for`); all if None.
        metric: "int16", or "int8": 1.3 times as fast and as good where all LLRs are of one strength (AWGN),
            but 8 bits do not span a faded block: at rate 3/4 with fading from bit to bit they cost 0.6 dB.
    """
    rows = np.require(llr, np.float32, ("C", "W"))
    if rows.ndim != 2 or rows.shape[1] != code.buffer_size:
        raise ParameterError(f"llr.shape = {np.shape(llr)}: must be (blocks, {code.buffer_size})")
    if metric not in _SCALES:
        raise ParameterError(f"metric = {metric!r}: must be one of " + ", ".join(_SCALES))
    if max_iterations < 1:
        raise ParameterError(f"max_iterations = {max_iterations}: must be >= 1")
    z = code.lifting_size
    num_rows = _checked_rows(code, num_rows)
    plan = schedule(code.base_graph, z, num_rows)
    group = group_size(z, len(rows))
    out = np.empty((len(rows), code.num_bits), dtype=np.uint8)
    used = np.empty(len(rows), dtype=np.int32)
    shape = np.array([z, group, code.num_bits, code.num_systematic])
    scales = np.array(_SCALES[metric], dtype=np.float32)
    size = memory_size(z, group, plan.edges.shape[1], len(plan.last_shift))
    memory = _aligned(size, np.dtype(metric))
    if not decode_kernel(
        rows, shape, plan.row_start, plan.edges, plan.last_shift, max_iterations, scales, memory, out, used
    ):
        raise ParameterError("llr = nan: must be a number or infinite")
    return Decoded(out, np.abs(used), used > 0)


def _aligned(size: int, kind: np.dtype) -> NDArray[np.signedinteger]:
    """Uninitialised array that begins at a multiple of 64 bytes: aligned vectors cross no cache line."""
    raw = np.empty(size * kind.itemsize + 64, dtype=np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size * kind.itemsize].view(kind)


@lru_cache(maxsize=256)
def group_size(lifting_size: int, num_blocks: int) -> int:
    """Code words decoded together: the vectors of 64 lanes are filled best, with at most 256 lanes."""
    candidates = range(1, max(1, min(num_blocks, 256 // lifting_size)) + 1)
    return max(candidates, key=lambda g: g * lifting_size / (-(-g * lifting_size // 64) * 64))
