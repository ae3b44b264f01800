"""Transport blocks of NR data channels: CRC, base graph, segmentation, LDPC, rate matching, and back.

TS 38.212 5.2.2, 5.4.2.1, 7.2.1 - 7.2.5, one layer. Sizes that the standard's tables would not produce are
allowed: where the segments come out unequal, zeros follow the block's CRC (at most one per segment less one).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from phy.coding import crc
from phy.coding.ldpc import MAX_BLOCK_BITS, Bits, LdpcCode, decode
from phy.coding.ldpc_rate import encode_matched, recover, rows_used
from phy.parameters import Checked, ParameterError, Rule, at_least_one, parameter


@dataclass(frozen=True)
class TransportBlock(Checked):
    """Size and code rate of a transport block, and all that follows from them."""

    num_bits: int = parameter(meaning="information bits (A)", unit="bit", rule=at_least_one)
    code_rate: float = parameter(
        meaning="target code rate, which with the size decides the base graph",
        source="TS 38.214 Table 5.1.3.1-1",
        rule=Rule(lambda v: 0 < v < 1, "must be in (0, 1)"),
    )

    @cached_property
    def base_graph(self) -> int:
        """TS 38.212 7.2.2."""
        small = self.num_bits <= 292 or (self.num_bits <= 3824 and self.code_rate <= 0.67)
        return 2 if small or self.code_rate <= 0.25 else 1

    @cached_property
    def crc(self) -> str:
        """CRC of the whole block, TS 38.212 7.2.1."""
        return "24A" if self.num_bits > 3824 else "16"

    @cached_property
    def num_blocks(self) -> int:
        """C, code blocks (TS 38.212 5.2.2)."""
        most, total = MAX_BLOCK_BITS[self.base_graph], self.num_bits + crc.CRCS[self.crc].num_bits
        return 1 if total <= most else -(-total // (most - 24))

    @cached_property
    def code(self) -> LdpcCode:
        """The code that all code blocks share."""
        total = self.num_bits + crc.CRCS[self.crc].num_bits
        per_block = -(-total // self.num_blocks) + (24 if self.num_blocks > 1 else 0)
        return LdpcCode(self.base_graph, per_block)

    def num_coded(self, bits_per_symbol: int) -> int:
        """Coded bits in the fewest whole constellation symbols that keep the rate at or under the target."""
        symbols = math.ceil(self.num_bits / (bits_per_symbol * self.code_rate))
        return bits_per_symbol * max(symbols, self.num_blocks)

    def coded_sizes(self, num_coded: int, bits_per_symbol: int) -> NDArray[np.int64]:
        """int64[C]: E_r, how the sent bits divide among the code blocks (TS 38.212 5.4.2.1)."""
        if num_coded % bits_per_symbol or num_coded < bits_per_symbol * self.num_blocks:
            raise ParameterError(
                f"num_coded = {num_coded}: must be a multiple of {bits_per_symbol},"
                f" at least {bits_per_symbol * self.num_blocks}"
            )
        symbols, blocks = num_coded // bits_per_symbol, self.num_blocks
        sizes = np.full(blocks, symbols // blocks)
        sizes[blocks - symbols % blocks :] += 1
        return sizes * bits_per_symbol


@dataclass(frozen=True)
class ReceivedBlocks:
    """bits uint8[B, A]; crc_ok bool[B]; block_ok bool[B, C]; iterations int32[B, C].

    A CRC with zero register accepts the all-zero word, which is also what a decoder that learned nothing puts
    out; so an all-zero code block counts as received only if its parity checks hold.
    """

    bits: Bits
    crc_ok: NDArray[np.bool_]
    block_ok: NDArray[np.bool_]
    iterations: NDArray[np.int32]


def segment(bits: Bits, block: TransportBlock) -> Bits:
    """Code blocks uint8[B, C, K'] with their CRCs of transport blocks uint8[B, A]."""
    if bits.ndim != 2 or bits.shape[1] != block.num_bits:
        raise ParameterError(f"bits.shape = {bits.shape}: must be (blocks, {block.num_bits})")
    whole = crc.attach(np.require(bits, np.uint8, ("C", "W")), block.crc)
    if block.num_blocks == 1:
        return whole[:, None, :]
    size = block.code.num_bits - 24
    padded = np.zeros((len(whole), block.num_blocks * size), dtype=np.uint8)
    padded[:, : whole.shape[1]] = whole
    return crc.attach(padded.reshape(len(whole), block.num_blocks, size), "24B")


def join(blocks: Bits, block: TransportBlock) -> tuple[Bits, NDArray[np.bool_], NDArray[np.bool_]]:
    """Reverse of `segment`: (bits uint8[B, A], CRC of the whole bool[B], CRC of each block bool[B, C])."""
    stop = block.num_bits + crc.CRCS[block.crc].num_bits
    if block.num_blocks == 1:
        whole = blocks[:, 0]
        ok = crc.check(whole, block.crc)
        return whole[:, : block.num_bits], ok, ok[:, None]
    whole = np.ascontiguousarray(blocks[:, :, :-24]).reshape(len(blocks), -1)[:, :stop]
    return whole[:, : block.num_bits], crc.check(whole, block.crc), crc.check(blocks, "24B")


def encode_transport(
    bits: Bits, block: TransportBlock, num_coded: int, bits_per_symbol: int, rv: int = 0
) -> Bits:
    """Sent bits uint8[B, num_coded] of transport blocks uint8[B, A]."""
    blocks = segment(bits, block)
    sizes = block.coded_sizes(num_coded, bits_per_symbol)
    ends = np.cumsum(sizes)
    out = np.empty((len(bits), num_coded), dtype=np.uint8)
    for size in np.unique(sizes):
        which = np.flatnonzero(sizes == size)
        rows = blocks[:, which].reshape(-1, block.code.num_bits)
        coded = encode_matched(rows, block.code, int(size), rv, bits_per_symbol)
        for i, r in enumerate(which):
            out[:, ends[r] - size : ends[r]] = coded[i :: len(which)]
    return out


def recover_transport(
    llr: NDArray[np.float32], block: TransportBlock, bits_per_symbol: int, rv: int = 0
) -> NDArray[np.float32]:
    """Soft buffers float32[B, C, N] of received LLRs float32[B, num_coded] of one transmission."""
    sizes = block.coded_sizes(llr.shape[1], bits_per_symbol)
    begins = np.cumsum(sizes) - sizes
    soft = np.empty((len(llr), block.num_blocks, block.code.buffer_size), dtype=np.float32)
    for r, (begin, size) in enumerate(zip(begins, sizes)):
        soft[:, r] = recover(llr[:, begin : begin + size], block.code, rv, bits_per_symbol)
    return soft


def transport_rows(block: TransportBlock, num_coded: int, bits_per_symbol: int, rv: int = 0) -> int:
    """Rows of the base graph that one transmission reaches; after several, give the decoder the largest."""
    sizes = block.coded_sizes(num_coded, bits_per_symbol)
    return max(rows_used(block.code, int(size), rv) for size in np.unique(sizes))


def decode_transport(
    soft: NDArray[np.float32],
    block: TransportBlock,
    max_iterations: int = 20,
    num_rows: int | None = None,
    metric: str = "int16",
) -> ReceivedBlocks:
    """Decode soft buffers float32[B, C, N] (of one transmission or of several combined, see `harq`).

    Args:
        soft: positive = bit 0, 0 where nothing was received.
        block: size and rate. max_iterations, metric: see `ldpc.decode`.
        num_rows: from `transport_rows`; all rows if None (correct, but slower at high rates).
    """
    batch = soft.reshape(-1, block.code.buffer_size)
    decoded = decode(batch, block.code, max_iterations, num_rows, metric)
    blocks = decoded.bits.reshape(len(soft), block.num_blocks, -1)
    bits, crc_ok, block_ok = join(blocks, block)
    block_ok = block_ok & (decoded.parity_ok.reshape(len(soft), -1) | blocks.any(axis=2))
    return ReceivedBlocks(
        bits, crc_ok & block_ok.all(axis=1), block_ok, decoded.iterations.reshape(len(soft), -1)
    )
