"""Payloads of sentences through the bit-level link as uncoded 16-QAM, all sentences of a call together.

A block channel and maximum-ratio transmission leave one real gain a sentence, so the channel is AWGN at the
sentence's SNR (specification scqos 4.6). No scrambling: it would undo the Gray labels of 2-bit words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL
from phy.bursts import Bursts
from phy.link import transmit_bit
from phy.modulation import map_bits


def over_awgn(
    payload: np.ndarray,
    num_bits: ArrayLike,
    snr_db: ArrayLike,
    key: int,
    index: np.ndarray,
    energy: float = 1.0,
) -> np.ndarray:
    """What arrives of payloads uint8[S, bytes]: uint8[S, bytes].

    Args:
        num_bits: int or int[S], bits sent of each payload. snr_db: float or float[S], Es/N0; inf leaves a
            payload as it is. key: noise key. index: int64[S] >= 0; equal (key, index) give equal noise.
            energy: mean energy of the payloads' symbols, divided out; 1: that of equiprobable bits, the SNR
            contract.
    """
    num, size = payload.shape
    snr_db = np.broadcast_to(np.asarray(snr_db, np.float64), (num,))
    noisy = np.isfinite(snr_db)
    bursts = Bursts(
        payload=np.ascontiguousarray(payload).ravel(),
        offset=np.arange(num, dtype=np.int64) * size,
        num_bits=np.where(noisy, num_bits, 0).astype(np.int64),
        bits_per_symbol=np.full(num, BITS_PER_SYMBOL, np.int64),
        h=np.ones((num, 1, 1), np.complex64),
        es=10.0 ** (np.where(noisy, snr_db, 0.0) / 10.0) / energy,
        n0=1.0,
        first_symbol=np.zeros(num, np.int64),
        key=np.full(num, key, np.uint64),
        slot=np.ascontiguousarray(index, np.int64),
    )
    return transmit_bit(bursts).payload.reshape(num, size)


def symbol_energy(payload: np.ndarray, num_bits: int) -> float:
    """Mean energy of the 16-QAM symbols of payloads uint8[S, bytes], of num_bits bits each: 1 for
    equiprobable bits.

    Words are not equiprobable, and nothing may scramble them, so a number of bits a feature has an energy of
    its own: at the same nominal SNR one sends more than another.
    """
    bits = np.unpackbits(payload, axis=1)[:, :num_bits]
    symbols = map_bits(np.ascontiguousarray(bits).ravel(), BITS_PER_SYMBOL)
    return float(np.mean(symbols.real.astype(np.float64) ** 2 + symbols.imag.astype(np.float64) ** 2))
