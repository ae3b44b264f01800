"""The baseline without semantics: a sentence as ASCII over 16-QAM, uncoded or behind a channel code.

Eight bits a character; what arrives as no printable character becomes `?` (specification scqos 6.3, E-28).
Uncoded bits are decided hard, as those of the semantic chain; the codes see LLRs: K = 7 convolutional of
IEEE 802.11 and NR's LDPC, both with their CRC, whose verdict the receiver ignores: it shows what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL
from netsim.systems.scqos_link import NOMINAL, OnAir, over_awgn
from phy.coded_block import CodedBlock, transmit_blocks
from phy.parameters import ParameterError

CODES = ("uncoded", "convolutional", "ldpc")
_FIRST, _LAST, _UNKNOWN = 0x20, 0x7E, 0x3F


@dataclass(frozen=True, eq=False)
class AsciiReceived:
    """What became of sentences sent as text."""

    sentences: list[str]
    sent_bits: np.ndarray  # int64[n], bits on the air, code included
    num_bit_errors: np.ndarray  # int64[n], wrong bits of the text


def text_bytes(sentence: str) -> np.ndarray:
    """uint8[characters] of an ASCII sentence.

    Raises:
        ParameterError: a character that is not printable ASCII.
    """
    try:
        data = np.frombuffer(sentence.encode("ascii"), np.uint8)
    except UnicodeEncodeError:
        raise ParameterError(f"sentence {sentence!r}: must be ASCII") from None
    if data.size == 0 or np.any((data < _FIRST) | (data > _LAST)):
        raise ParameterError(f"sentence {sentence!r}: must be printable and not empty")
    return data


def text_of(data: np.ndarray) -> str:
    """The characters of received bytes uint8[n]; unprintable ones are `?`."""
    printable = (data >= _FIRST) & (data <= _LAST)
    return np.where(printable, data, _UNKNOWN).astype(np.uint8).tobytes().decode("ascii")


def send_ascii(
    sentences: Sequence[str],
    snr_db: ArrayLike,
    key: int,
    index: np.ndarray,
    code: str = "uncoded",
    code_rate: float = 0.5,
    air: OnAir = NOMINAL,
) -> AsciiReceived:
    """Sends sentences as text over AWGN at Es/N0 = snr_db, a float or float[n].

    Args:
        key: noise key. index: int64[n] >= 0, number of each sentence under the key; equal (key, index) give
            equal noise. code: one of CODES. code_rate: of the codes (convolutional: 1/2, 2/3, 3/4, 5/6).
            air: whether uncoded text is scrambled (codewords always are).
    """
    if code not in CODES:
        raise ParameterError(f"code = {code!r}: must be one of {', '.join(CODES)}")
    data = [text_bytes(s) for s in sentences]
    lengths = np.array([d.size for d in data], np.int64)
    snr_db = np.broadcast_to(np.asarray(snr_db, np.float64), lengths.shape)
    received: list[np.ndarray] = [np.empty(0, np.uint8)] * len(data)
    sent_bits = np.empty(len(data), np.int64)
    for length in np.unique(lengths):  # sentences of one length are one batch
        rows = np.flatnonzero(lengths == length)
        block = np.stack([data[i] for i in rows])
        if code == "uncoded":
            arrived = over_awgn(block, 8 * int(length), snr_db[rows], key, index[rows], air)
            sent_bits[rows] = 8 * length
        else:
            coded = CodedBlock(8 * int(length), BITS_PER_SYMBOL, code_rate, code=code)
            flat = np.ones((len(rows), 1, 1), np.complex64)
            numbers = np.ascontiguousarray(index[rows], np.int64)
            sent = np.unpackbits(block, axis=1)
            bits = transmit_blocks(sent, coded, flat, snr_db[rows], key, numbers).bits
            arrived = np.packbits(bits, axis=1)
            sent_bits[rows] = coded.num_coded
        for i, row in zip(rows, arrived):
            received[i] = row
    errors = [int(np.unpackbits(a ^ b).sum()) for a, b in zip(data, received)]
    return AsciiReceived([text_of(row) for row in received], sent_bits, np.array(errors, np.int64))
