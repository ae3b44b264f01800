"""Frames of bytes over the link of TOSCN: what JPEG pictures ride on in Fig. 5, uncoded or coded.

All frames of a call have the same length (shorter ones are filled up with zeros). Uncoded frames are
scrambled and sent as Gray QAM with hard decisions, as packets of features are; coded ones are blocks of
`phy.coded_block` (K = 7 convolutional code with soft Viterbi, or the LDPC code of NR), whose own CRC and
termination count as airtime. The channel is AWGN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phy.bursts import Bursts
from phy.coded_block import CodedBlock, transmit_blocks
from phy.link import transmit_bit
from phy.parameters import Checked, ParameterError, one_of, parameter
from phy.scrambling import scramble

CODE_RATE = 0.5


@dataclass(frozen=True)
class Carrier(Checked):
    """Modulation and code of a frame."""

    bits_per_symbol: int = parameter(
        4, meaning="bits per QAM symbol (2 QPSK, 4 16-QAM)", unit="bit", rule=one_of(1, 2, 4, 6, 8)
    )
    code: str = parameter(
        "none",
        meaning="none, or rate 1/2: convolutional (K = 7, 133/171, soft Viterbi), ldpc (NR)",
        source="IEEE 802.11-2020 17.3.5.6; TS 38.212 5.3.2",
        rule=one_of("none", "convolutional", "ldpc"),
    )

    def block(self, num_bytes: int) -> CodedBlock:
        """The coded block that holds a frame of `num_bytes`."""
        return CodedBlock(8 * num_bytes, self.bits_per_symbol, CODE_RATE, self.code)

    def num_symbols(self, num_bytes: int) -> int:
        """Resource elements that a frame takes."""
        if self.code == "none":
            return -(-8 * num_bytes // self.bits_per_symbol)
        return self.block(num_bytes).num_symbols

    def capacity_bytes(self, num_symbols: int) -> int:
        """Longest frame that `num_symbols` resource elements hold, 0 if none does."""
        share = 1.0 if self.code == "none" else CODE_RATE
        most = int(num_symbols * self.bits_per_symbol * share) // 8
        while most > 0 and self.num_symbols(most) > num_symbols:
            most -= 1
        return most

    def send(self, frames: np.ndarray, snr_db: float, key: int, copies: int = 1) -> np.ndarray:
        """Frames uint8[B, num_bytes] as they arrive over AWGN, same shape.

        Args:
            snr_db: Es/N0 per resource element; infinite: nothing is lost.
            key: noise key; row b of it is slot b.
            copies: times that every symbol is sent; the receiver adds them up (maximum-ratio combining), so
                the energy per symbol is `copies` times as large and nothing else changes.
        """
        if copies < 1:
            raise ParameterError(f"copies = {copies}: must be >= 1")
        if np.isinf(snr_db):
            return frames.copy()
        combined_db = snr_db + 10.0 * np.log10(copies)
        if self.code == "none":
            return self._send_uncoded(frames, combined_db, key)
        block, count = self.block(frames.shape[1]), len(frames)
        flat = np.ones((count, 1, 1), np.complex64)
        bits = np.unpackbits(frames, axis=1)
        received = transmit_blocks(bits, block, flat, combined_db, key, np.arange(count))
        return np.packbits(received.bits, axis=1)

    def _send_uncoded(self, frames: np.ndarray, snr_db: float, key: int) -> np.ndarray:
        count, num_bytes = frames.shape
        mask = scramble(np.zeros(frames.size, np.uint8), rnti=1)
        bursts = Bursts(
            payload=frames.ravel() ^ mask,
            offset=np.arange(count, dtype=np.int64) * num_bytes,
            num_bits=np.full(count, 8 * num_bytes, dtype=np.int64),
            bits_per_symbol=np.full(count, self.bits_per_symbol, dtype=np.int64),
            h=np.ones((count, 1, 1), np.complex64),
            es=np.full(count, 10.0 ** (snr_db / 10.0)),
            n0=1.0,
            first_symbol=np.zeros(count, np.int64),
            key=np.full(count, key, np.uint64),
            slot=np.arange(count),
        )
        return (transmit_bit(bursts).payload ^ mask).reshape(count, num_bytes)
