"""Bit scrambling with the Gold sequence of 3GPP TS 38.211 5.2.1.

Source bits are seldom equiprobable: 8-bit feature maps behind a ReLU are mostly zeros, and zeros are inner
points of Gray 16-QAM, which carry a fifth of the mean energy and are the easiest to get wrong. Scrambling
makes the symbols equiprobable, so that a grant of power is spent and the closed forms hold; it is what TS
38.211 6.3.1.1 does to every codeword of the uplink."""

from __future__ import annotations

import functools

import numpy as np

from phy.parameters import ParameterError

_ADVANCE = 1600  # N_C: outputs that are thrown away
_CHUNK = 32_768  # bytes, more than the largest image packet
_STEP = 28  # new bits depend on bits at least 28 back, so that many are computed at once


def gold_sequence(c_init: int, length: int) -> np.ndarray:
    """c(0), ..., c(length - 1) of TS 38.211 5.2.1: uint8[length] of 0 and 1.

    c(n) = x1(n + 1600) xor x2(n + 1600), x1(n + 31) = x1(n + 3) xor x1(n),
    x2(n + 31) = x2(n + 3) xor x2(n + 2) xor x2(n + 1) xor x2(n).

    Raises:
        ParameterError: c_init outside [0, 2^31) or a negative length.
    """
    if not 0 <= c_init < 1 << 31:
        raise ParameterError(f"c_init = {c_init}: must be in [0, 2^31)")
    if length < 0:
        raise ParameterError(f"length = {length}: must be >= 0")
    size = _ADVANCE + length + 31 + _STEP
    x1, x2 = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    x1[0] = 1
    x2[:31] = [(c_init >> i) & 1 for i in range(31)]
    for n in range(0, size - 31 - _STEP + 1, _STEP):
        end = n + _STEP
        x1[n + 31 : end + 31] = x1[n + 3 : end + 3] ^ x1[n:end]
        x2[n + 31 : end + 31] = x2[n + 3 : end + 3] ^ x2[n + 2 : end + 2] ^ x2[n + 1 : end + 1] ^ x2[n:end]
    return x1[_ADVANCE : _ADVANCE + length] ^ x2[_ADVANCE : _ADVANCE + length]


@functools.lru_cache(maxsize=64)
def _mask(rnti: int, cell_id: int, num_bytes: int) -> np.ndarray:
    mask = np.packbits(gold_sequence((rnti << 15) + cell_id, 8 * num_bytes))
    mask.flags.writeable = False
    return mask


def scramble(payload: np.ndarray, rnti: int, cell_id: int = 0) -> np.ndarray:
    """A codeword scrambled, or descrambled: the operation is its own inverse.

    Args:
        payload: uint8[n], packed bits, MSB first.
        rnti: identity of the device, c_init = rnti 2^15 + cell_id (TS 38.211 6.3.1.1).
        cell_id: identity of the cell, 0..1007.

    Returns: uint8[n].
    """
    chunks = -(-payload.size // _CHUNK)  # one mask serves all codewords of a device
    return payload ^ _mask(rnti, cell_id, _CHUNK * chunks)[: payload.size]
