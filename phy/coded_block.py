"""A coded block over a link: payload -> CRC -> code -> interleaver -> scrambling -> Gray QAM -> channel per
subcarrier -> max-log LLR -> descrambling -> decoder -> CRC check, in batches of blocks.

Code "ldpc" is a transport block of 5G NR (`phy.coding.transport`: segmentation, rate matching and bit
interleaver of TS 38.212). Code "convolutional" is the K = 7 code of IEEE 802.11, zero-terminated, behind a
CRC of TS 38.212 5.1 and spread over the block by the 32-column interleaver of TS 36.212 5.1.4.2.1. Both are
scrambled as in TS 38.211 6.3.1.1.

Payload and noise of a block depend on (key, index of the block) only, never on the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from phy.bursts import Bursts
from phy.coding import convolutional, crc
from phy.coding.convolutional import ConvolutionalCode
from phy.coding.mcs import Mcs
from phy.coding.transport import (
    TransportBlock,
    decode_transport,
    encode_transport,
    recover_transport,
    transport_rows,
)
from phy.coding.transport_size import transport_block_size
from phy.jit import entry
from phy.link import demap_llr
from phy.parameters import (
    Checked,
    ParameterError,
    Rule,
    at_least_one,
    one_of,
    parameter,
)
from phy.philox import LANE_PAYLOAD, draw_words
from phy.scrambling import gold_sequence

Bits = NDArray[np.uint8]

_CONVOLUTIONAL_RATES = {"1/2": 1 / 2, "2/3": 2 / 3, "3/4": 3 / 4, "5/6": 5 / 6}
_COLUMNS = 32


@dataclass(frozen=True)
class CodedBlock(Checked):
    """What is sent as one block: payload size, modulation, code."""

    num_bits: int = parameter(meaning="payload bits", unit="bit", rule=at_least_one)
    bits_per_symbol: int = parameter(
        meaning="Q_m, Gray QAM", source="TS 38.211 5.1", rule=one_of(1, 2, 4, 6, 8)
    )
    code_rate: float = parameter(
        meaning="target code rate; convolutional: 1/2, 2/3, 3/4 or 5/6",
        source="TS 38.214 Table 5.1.3.1-1",
        rule=Rule(lambda v: 0.0 < v < 1.0, "must be in (0, 1)"),
    )
    code: str = parameter("ldpc", meaning="channel code", rule=one_of("ldpc", "convolutional"))
    num_re: int | None = parameter(
        None, meaning="resource elements (ldpc); nothing: as many as code_rate needs", rule=at_least_one
    )
    max_iterations: int = parameter(20, meaning="passes of the LDPC decoder", rule=at_least_one)
    rnti: int = parameter(
        1,
        meaning="identity that seeds the scrambling",
        source="TS 38.211 6.3.1.1",
        rule=Rule(lambda v: 0 <= v < 1 << 16, "must be in [0, 65536)"),
    )

    def check(self) -> None:
        if self.code == "convolutional":
            if self.num_re is not None:
                raise self.error("num_re", "must be left out for the convolutional code")
            if not any(abs(self.code_rate - rate) < 1e-9 for rate in _CONVOLUTIONAL_RATES.values()):
                raise self.error("code_rate", "must be 1/2, 2/3, 3/4 or 5/6 for the convolutional code")
        elif self.num_symbols < self.transport.num_blocks:
            raise self.error("num_re", f"must be >= {self.transport.num_blocks}, the number of code blocks")

    @cached_property
    def transport(self) -> TransportBlock:
        """Segmentation and code of an LDPC block."""
        return TransportBlock(self.num_bits, self.code_rate)

    @cached_property
    def convolutional(self) -> ConvolutionalCode:
        """The zero-terminated, punctured code of a convolutional block."""
        rate = min(_CONVOLUTIONAL_RATES, key=lambda name: abs(_CONVOLUTIONAL_RATES[name] - self.code_rate))
        return ConvolutionalCode(rate)

    @property
    def crc(self) -> str:
        """CRC of the block, TS 38.212 7.2.1 (both codes)."""
        return self.transport.crc

    @cached_property
    def num_coded(self) -> int:
        """Bits sent."""
        if self.code == "convolutional":
            return self.convolutional.num_coded_bits(self.num_bits + crc.CRCS[self.crc].num_bits)
        if self.num_re is not None:
            return self.num_re * self.bits_per_symbol
        return (
            math.ceil(self.num_bits / (self.bits_per_symbol * self.code_rate) - 1e-9) * self.bits_per_symbol
        )

    @property
    def num_symbols(self) -> int:
        """Resource elements that the block takes."""
        return -(-self.num_coded // self.bits_per_symbol)

    @property
    def spectral_efficiency(self) -> float:
        """Payload bits per resource element, CRC and termination paid for."""
        return self.num_bits / self.num_symbols


def block_of_mcs(scheme: Mcs, num_re: int) -> CodedBlock:
    """The NR transport block that scheme `scheme` sends on `num_re` resource elements (TS 38.214 5.1.3.2)."""
    num_bits = transport_block_size(num_re, scheme)
    return CodedBlock(num_bits, scheme.bits_per_symbol, scheme.code_rate, num_re=num_re)


@lru_cache(maxsize=64)
def interleaver(num_coded: int) -> NDArray[np.int64]:
    """int64[num_coded]: which code bit is sent at each place, for convolutional blocks.

    Written row by row into 32 columns, dummies first; columns permuted by bit reversal, odd ones first; read
    column by column without the dummies (TS 36.212 5.1.4.2.1).
    """
    num_rows = -(-num_coded // _COLUMNS)
    reverse = [int(f"{column:05b}"[::-1], 2) for column in range(_COLUMNS)]
    order = reverse[_COLUMNS // 2 :] + reverse[: _COLUMNS // 2]
    dummies = num_rows * _COLUMNS - num_coded
    table = (np.arange(num_rows * _COLUMNS) - dummies).reshape(num_rows, _COLUMNS)
    sent = table[:, order].T.ravel()
    sent = sent[sent >= 0]
    sent.flags.writeable = False
    return sent


@lru_cache(maxsize=64)
def _scrambling(rnti: int, num_coded: int) -> Bits:
    mask = gold_sequence(rnti << 15, num_coded)
    mask.flags.writeable = False
    return mask


def encode_blocks(bits: Bits, block: CodedBlock) -> Bits:
    """Sent bits uint8[B, block.num_coded] of payloads uint8[B, block.num_bits] (0/1), scrambled."""
    if bits.ndim != 2 or bits.shape[1] != block.num_bits:
        raise ParameterError(f"bits.shape = {bits.shape}: must be (blocks, {block.num_bits})")
    if block.code == "ldpc":
        coded = encode_transport(bits, block.transport, block.num_coded, block.bits_per_symbol)
    else:
        mother = convolutional.encode(crc.attach(bits, block.crc), block.convolutional)
        coded = mother[:, interleaver(block.num_coded)]
    return coded ^ _scrambling(block.rnti, block.num_coded)


def decode_blocks(llr: NDArray[np.float32], block: CodedBlock) -> tuple[Bits, NDArray[np.bool_]]:
    """Payloads uint8[B, num_bits] and CRC verdicts bool[B] from LLRs float32[B, num_coded] as received."""
    if llr.ndim != 2 or llr.shape[1] != block.num_coded:
        raise ParameterError(f"llr.shape = {llr.shape}: must be (blocks, {block.num_coded})")
    sign = np.float32(1.0) - np.float32(2.0) * _scrambling(block.rnti, block.num_coded)
    llr = llr * sign
    if block.code == "ldpc":
        whole, m = block.transport, block.bits_per_symbol
        rows = transport_rows(whole, block.num_coded, m)
        received = decode_transport(recover_transport(llr, whole, m), whole, block.max_iterations, rows)
        return received.bits, received.crc_ok
    ordered = np.empty_like(llr)
    ordered[:, interleaver(block.num_coded)] = llr
    protected = block.num_bits + crc.CRCS[block.crc].num_bits
    bits = convolutional.decode(ordered, protected, block.convolutional)
    return bits[:, : block.num_bits], crc.check(bits, block.crc)


@dataclass(frozen=True, eq=False)
class ReceivedBlocks:
    """What became of B blocks."""

    bits: Bits  # uint8[B, num_bits], the decoder's payload, right or wrong
    crc_ok: NDArray[np.bool_]  # bool[B]
    num_bit_errors: NDArray[np.int64]  # int64[B], wrong payload bits
    snr_db: NDArray[np.float64]  # float64[B], after combining, mean over the resource elements in linear


def transmit_blocks(
    bits: Bits,
    block: CodedBlock,
    h: NDArray[np.complex64],
    snr_db: NDArray[np.float64] | float,
    key: int,
    index: NDArray[np.int64],
    threads: int = 1,
) -> ReceivedBlocks:
    """Send payloads through the chain.

    Args:
        bits: uint8[B, block.num_bits], 0/1.
        h: complex64[B, num_rx_ant, F], response per subcarrier; element k of a block uses subcarrier k mod F.
        snr_db: float or float[B], Es/N0 per element and antenna for |h| = 1.
        key: noise key; index: int64[B] >= 0, the number of each block under this key. Equal (key, index) give
            equal noise.
        threads: as in `phy.link.demap_llr`.
    """
    coded = encode_blocks(bits, block)
    payload = np.packbits(coded, axis=1)
    size = len(bits)
    each = np.ones(size, np.int64)
    bursts = Bursts(
        payload=payload.ravel(),
        offset=np.arange(size, dtype=np.int64) * payload.shape[1],
        num_bits=each * block.num_coded,
        bits_per_symbol=each * block.bits_per_symbol,
        h=np.ascontiguousarray(h, np.complex64),
        es=np.broadcast_to(10.0 ** (np.asarray(snr_db, np.float64) / 10.0), (size,)).copy(),
        n0=1.0,
        first_symbol=0 * each,
        key=np.full(size, key, np.uint64),
        slot=np.ascontiguousarray(index, np.int64),
    )
    soft = demap_llr(bursts, threads=threads)
    decided, crc_ok = decode_blocks(soft.llr.reshape(size, -1), block)
    return ReceivedBlocks(decided, crc_ok, (decided != bits).sum(axis=1), soft.snr_db)


@entry
def payload_kernel(key, index, out):
    """out uint32[B, 4 n]: the words of `phy.philox.random_bytes` for slots index int64[B]."""
    for b in range(index.size):
        draw_words(key, index[b], LANE_PAYLOAD, np.int64(0), np.int64(out.shape[1] // 4), out[b])


def random_payloads(block: CodedBlock, key: int, index: NDArray[np.int64]) -> Bits:
    """Equiprobable payload bits uint8[B, num_bits] of the blocks with these numbers."""
    out = np.empty((len(index), 4 * -(-block.num_bits // 128)), np.uint32)
    payload_kernel(np.uint64(key), np.ascontiguousarray(index, np.int64), out)
    return np.unpackbits(out.view(np.uint8), axis=1)[:, : block.num_bits]
