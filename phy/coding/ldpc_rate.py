"""Rate matching of NR LDPC code blocks (TS 38.212 5.4.2) and its reverse on LLRs.

From the circular buffer of N bits the E sent bits are read from the start position of the redundancy version,
cyclically, jumping over the fillers, and written into the bit interleaver that spreads them over the
constellation bits. The buffer is never limited (N_cb = N: no limited-buffer rate matching).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phy.coding.ldpc import Bits, LdpcCode, encode
from phy.jit import entry
from phy.parameters import ParameterError

# TS 38.212 Table 5.4.2.1-2: start of a redundancy version in columns of the buffer (66 or 50 columns).
_START_COLUMN = {1: (0, 17, 33, 56), 2: (0, 13, 25, 43)}


@lru_cache(maxsize=512)
def positions(code: LdpcCode, num_coded: int, rv: int = 0, bits_per_symbol: int = 1) -> NDArray[np.int64]:
    """int64[num_coded]: the buffer position of each sent bit, in the order of sending (bit interleaver
    included).

    Args:
        code: the code of the block.
        num_coded: E, bits sent; a multiple of bits_per_symbol.
        rv: redundancy version 0 ... 3.
        bits_per_symbol: Q_m, rows of the interleaver; 1 leaves the order of the buffer.
    """
    if rv not in (0, 1, 2, 3):
        raise ParameterError(f"rv = {rv}: must be one of 0, 1, 2, 3")
    if num_coded < 1 or bits_per_symbol < 1 or num_coded % bits_per_symbol:
        raise ParameterError(f"num_coded = {num_coded}: must be a positive multiple of {bits_per_symbol}")
    start = _START_COLUMN[code.base_graph][rv] * code.lifting_size
    ring = (start + np.arange(code.buffer_size)) % code.buffer_size
    first, last = code.fillers
    ring = ring[(ring < first) | (ring >= last)]
    selected = np.resize(ring, num_coded)
    sent = np.ascontiguousarray(selected.reshape(bits_per_symbol, -1).T).ravel()
    sent.flags.writeable = False
    return sent


@lru_cache(maxsize=512)
def rows_used(code: LdpcCode, num_coded: int, rv: int = 0) -> int:
    """Rows of the base graph that one transmission reaches; after several, decode with the largest."""
    return code.rows_for(int(positions(code, num_coded, rv).max()) + 1)


def encode_matched(bits: Bits, code: LdpcCode, num_coded: int, rv: int = 0, bits_per_symbol: int = 1) -> Bits:
    """Sent bits uint8[B, num_coded] of code blocks uint8[B, code.num_bits]."""
    sent = positions(code, num_coded, rv, bits_per_symbol)
    buffer = encode(bits, code, rows_used(code, num_coded, rv))
    return np.take(buffer, sent, axis=1)


@entry
def recover_kernel(llr, sent, soft):
    """Add llr float32[B, E] into soft float32[B, N] at the positions sent int64[E]."""
    for b in range(llr.shape[0]):
        row, target = llr[b], soft[b]
        for i in range(sent.shape[0]):
            target[sent[i]] += row[i]


def recover(
    llr: NDArray[np.float32], code: LdpcCode, rv: int = 0, bits_per_symbol: int = 1
) -> NDArray[np.float32]:
    """Soft buffers float32[B, N] of LLRs float32[B, E]: repeated bits add up, what was not sent is 0."""
    rows = np.require(llr, np.float32, ("C", "W"))
    if rows.ndim != 2:
        raise ParameterError(f"llr.shape = {np.shape(llr)}: must be (blocks, coded bits)")
    soft = np.zeros((len(rows), code.buffer_size), dtype=np.float32)
    recover_kernel(rows, positions(code, rows.shape[1], rv, bits_per_symbol), soft)
    return soft
