"""The background knowledge base of TOSCN: accuracy against compression and SNR, measured with the real codec.

Every image of a bank goes through the bit-level link (scrambled, uncoded 16-QAM, AWGN) at every compression
and SNR; counts are kept. What is made of them is in `netsim.systems.toscn_knowledge`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netsim.semantics.bank import ImageBank
from netsim.streams import Streams
from netsim.systems.toscn_knowledge import Knowledge
from phy.bursts import Bursts
from phy.link import transmit_bit
from phy.scrambling import scramble

COMPRESSIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
SNRS_DB = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, np.inf)


def measure(
    bank: ImageBank,
    streams: Streams,
    draws: int = 1,
    bits_per_symbol: int = 4,
    snrs_db: tuple[float, ...] = SNRS_DB,
    compressions: tuple[float, ...] = COMPRESSIONS,
    advance: Callable[[], None] = lambda: None,
) -> Knowledge:
    """Sends every image of `bank` `draws` times through the link at every SNR (Es/N0 in dB) and compression
    ratio.
    """
    items = np.arange(bank.num_items)
    correct = np.zeros((len(snrs_db), len(compressions)), np.int64)
    mask = np.empty(
        0, np.uint8
    )  # shorter masks are the beginnings of longer ones, which take seconds to make
    for column, eta in enumerate(compressions):
        payload, offset, num_bits = bank.encode_batch(items, np.full(len(items), eta))
        if payload.size > mask.size:
            mask = scramble(np.zeros_like(payload), rnti=1)
        kept = np.full(len(items), bank.num_kept(eta))
        for row, snr_db in enumerate(snrs_db):
            for draw in range(draws):
                key = streams.kernel_key(f"bkb/{bank.task}/{eta}/{snr_db}/{draw}")
                packets = (payload, offset, num_bits, mask[: payload.size])
                arrived = _through(*packets, snr_db, bits_per_symbol, key)
                decided = bank.predict(arrived, offset, items, kept)
                correct[row, column] += int((decided == bank.labels).sum())
            advance()
    trials = draws * len(items)
    return Knowledge(bank.task, bank.mode, snrs_db, compressions, correct, trials, bank.classifier)


def _through(
    payload: np.ndarray,
    offset: np.ndarray,
    num_bits: np.ndarray,
    mask: np.ndarray,
    snr_db: float,
    bits_per_symbol: int,
    key: int,
) -> np.ndarray:
    """The packets as they arrive over AWGN at `snr_db`, scrambled with `mask` on the way; as they are at
    infinite SNR.
    """
    if np.isinf(snr_db):
        return payload
    count = len(offset)
    bursts = Bursts(
        payload=payload ^ mask,
        offset=offset,
        num_bits=num_bits,
        bits_per_symbol=np.full(count, bits_per_symbol),
        h=np.ones((count, 1, 1), np.complex64),
        es=np.full(count, 10.0 ** (snr_db / 10.0)),
        n0=1.0,
        first_symbol=np.zeros(count, np.int64),
        key=np.full(count, key, np.uint64),
        slot=np.arange(count),
    )
    return transmit_bit(bursts).payload ^ mask
