"""Bit scrambling with the Gold sequence of 3GPP TS 38.211 5.2.1.

Source bits are seldom equiprobable: 8-bit feature maps behind a ReLU are mostly zeros, and zeros are inner
points of Gray 16-QAM, which carry a fifth of the mean energy and are the easiest to get wrong. Scrambling
makes the symbols equiprobable, so that a grant of power is spent and the closed forms hold; it is what TS
38.211 6.3.1.1 does to every codeword of the uplink."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from phy.parameters import ParameterError

_ADVANCE = 200  # N_C / 8: bytes of output that are thrown away
_CHUNK = 32_768  # bytes, more than the largest image packet
_TAPS = (31, 28), (31, 30, 29, 28)  # x1(n) and x2(n) from the bits this far back


def gold_bytes(c_init: int, num_bytes: int) -> np.ndarray:
    """`gold_sequence` of 8 num_bytes bits, packed: uint8[num_bytes], first bit most significant.

    A recurrence over GF(2) holds for every 2^k-th bit as well (the square of its polynomial has the squares
    of its terms), so it runs over bits up to 31 bytes, then over bytes, and in ever longer steps.

    Raises:
        ParameterError: c_init outside [0, 2^31).
    """
    if not 0 <= c_init < 1 << 31:
        raise ParameterError(f"c_init = {c_init}: must be in [0, 2^31)")
    first, second = (
        _continued(np.packbits(_continued(start, taps, 31 * 8)), taps, _ADVANCE + num_bytes)
        for start, taps in zip(([1] + 30 * [0], [(c_init >> i) & 1 for i in range(31)]), _TAPS)
    )
    return first[_ADVANCE:] ^ second[_ADVANCE:]


def _continued(start: Sequence[int] | np.ndarray, taps: tuple[int, ...], size: int) -> np.ndarray:
    """x[n] = xor of x[n - t] over the taps, from the values in `start` (at least 31) to `size` of them."""
    x = np.empty(max(size, len(start)), np.uint8)
    x[: len(start)] = start
    done, stride = len(start), 1
    while done < size:
        while done >= 62 * stride:
            stride *= 2
        end = min(done + 28 * stride, size)
        np.bitwise_xor.reduce([x[done - t * stride : end - t * stride] for t in taps], out=x[done:end])
        done = end
    return x[:size]


def gold_sequence(c_init: int, length: int) -> np.ndarray:
    """c(0), ..., c(length - 1) of TS 38.211 5.2.1: uint8[length] of 0 and 1.

    c(n) = x1(n + 1600) xor x2(n + 1600), x1(n + 31) = x1(n + 3) xor x1(n),
    x2(n + 31) = x2(n + 3) xor x2(n + 2) xor x2(n + 1) xor x2(n).

    Raises:
        ParameterError: c_init outside [0, 2^31) or a negative length.
    """
    if length < 0:
        raise ParameterError(f"length = {length}: must be >= 0")
    return np.unpackbits(gold_bytes(c_init, -(-length // 8)))[:length]


@functools.lru_cache(maxsize=64)
def _mask(rnti: int, cell_id: int, num_bytes: int) -> np.ndarray:
    mask = gold_bytes((rnti << 15) + cell_id, num_bytes)
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
