"""Payloads of sentences through the bit-level link as uncoded 16-QAM, all sentences of a call together.

A block channel and maximum-ratio transmission leave one real gain a sentence, so the channel is AWGN at the
sentence's SNR (specification scqos 4.6).

Words are not equiprobable, so the symbols of a constellation of unit mean energy do not radiate the power
that was granted: +1.1 / -0.2 / +1.0 dB at 1 / 2 / 3 bits with the grammar codec. `equal` makes the radiated
power the granted one: words of 1 and 3 bits are scrambled (TS 38.211 5.2.1), which costs them nothing, as no
two of their bits share a rail; a word of 2 bits is a rail, whose order of levels scrambling would break
(error over variance at 10 dB 0.36 instead of 0.21), so its symbols are divided by their root mean square.
`nominal` leaves symbols as they are, as the specification's prototype does (docs/papers/scqos.md).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL, BitMapping
from phy.bursts import Bursts
from phy.link import transmit_bit
from phy.modulation import map_bits
from phy.parameters import ParameterError
from phy.scrambling import gold_bytes

ENERGIES = ("equal", "nominal")
_SCRAMBLING_BYTES = 32_768  # then the sequence begins again


@dataclass(frozen=True)
class OnAir:
    """What is done to payloads so that they radiate what was granted: scrambling, or division by the root of
    their symbols' mean `energy`.
    """

    scrambled: bool = False
    energy: float = 1.0

    def masked(self, payload: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Payloads uint8[S, bytes] scrambled, or descrambled; `index` int64[S] is the number of each among
        all that were sent.
        """
        if not self.scrambled:
            return payload
        size = payload.shape[1]
        at = (np.asarray(index)[:, None] * size + np.arange(size)) % _SCRAMBLING_BYTES
        return payload ^ _mask()[at]


NOMINAL, SCRAMBLED = OnAir(), OnAir(scrambled=True)


@functools.cache
def _mask() -> np.ndarray:
    return gold_bytes(1 << 15, _SCRAMBLING_BYTES)


def on_air(mapping: BitMapping, energy: str, symbol_energy: float) -> OnAir:
    """How words of a mapping go on the air, `energy` one of ENERGIES; symbol_energy: mean of their symbols'
    energies as they are.
    """
    if energy not in ENERGIES:
        raise ParameterError(f"energy = {energy!r}: must be one of {', '.join(ENERGIES)}")
    if energy == "nominal":
        return NOMINAL
    return OnAir(energy=symbol_energy) if mapping.gray else SCRAMBLED


def over_awgn(
    payload: np.ndarray,
    num_bits: ArrayLike,
    snr_db: ArrayLike,
    key: int,
    index: np.ndarray,
    air: OnAir = NOMINAL,
) -> np.ndarray:
    """What arrives of payloads uint8[S, bytes]: uint8[S, bytes].

    Args:
        num_bits: int or int[S], bits sent of each payload. snr_db: float or float[S], Es/N0; inf leaves a
            payload as it is. key: noise key. index: int64[S] >= 0; equal (key, index) give equal noise. air:
            scrambling and scale.
    """
    num, size = payload.shape
    snr_db = np.broadcast_to(np.asarray(snr_db, np.float64), (num,))
    noisy = np.isfinite(snr_db)
    bursts = Bursts(
        payload=np.ascontiguousarray(air.masked(payload, index)).ravel(),
        offset=np.arange(num, dtype=np.int64) * size,
        num_bits=np.where(noisy, num_bits, 0).astype(np.int64),
        bits_per_symbol=np.full(num, BITS_PER_SYMBOL, np.int64),
        h=np.ones((num, 1, 1), np.complex64),
        es=10.0 ** (np.where(noisy, snr_db, 0.0) / 10.0) / air.energy,
        n0=1.0,
        first_symbol=np.zeros(num, np.int64),
        key=np.full(num, key, np.uint64),
        slot=np.ascontiguousarray(index, np.int64),
    )
    return air.masked(transmit_bit(bursts).payload.reshape(num, size), index)


def symbol_energy(payload: np.ndarray, num_bits: int) -> float:
    """Mean energy of the 16-QAM symbols of payloads uint8[S, bytes], of num_bits bits each: 1 for
    equiprobable bits.
    """
    bits = np.unpackbits(payload, axis=1)[:, :num_bits]
    symbols = map_bits(np.ascontiguousarray(bits).ravel(), BITS_PER_SYMBOL)
    return float(np.mean(symbols.real.astype(np.float64) ** 2 + symbols.imag.astype(np.float64) ** 2))
