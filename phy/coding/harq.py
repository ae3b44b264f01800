"""Hybrid ARQ on soft buffers: Chase combining and incremental redundancy as pure functions on LLR arrays.

A receiver keeps one soft buffer per process (`ldpc_rate.recover` or `transport.recover_transport` of the
first transmission) and adds each further transmission to it. Chase combining sends the same redundancy
version again, so every LLR grows; incremental redundancy sends another one, so the buffer also fills. Both
are the same addition: LLRs of independent observations of one bit add up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phy.parameters import ParameterError

RV_INCREMENTAL = (0, 2, 3, 1)  # the order with the most new parity first, TS 38.214 Table 5.1.2.1-2 (rv_id 0)
RV_CHASE = (0, 0, 0, 0)
MAX_LLR = np.float32(1e6)


def combine(soft: NDArray[np.float32], received: NDArray[np.float32]) -> NDArray[np.float32]:
    """The soft buffer after one more transmission: a new array soft + received, at most 1e6 in magnitude.

    Args:
        soft: float32[..., N], what was collected so far; positive = bit 0, 0 = nothing received.
        received: float32[..., N], the new transmission at its places of the buffer. For Chase combining the
            LLRs in order of sending may be combined as well.
    """
    if soft.shape != received.shape:
        raise ParameterError(f"received.shape = {received.shape}: must equal the buffer's, {soft.shape}")
    left = np.clip(soft, -MAX_LLR, MAX_LLR)
    return np.clip(left + np.clip(received, -MAX_LLR, MAX_LLR), -MAX_LLR, MAX_LLR)


def redundancy_version(transmission: int, order: tuple[int, ...] = RV_INCREMENTAL) -> int:
    """Redundancy version of the transmission with this number (0 = first); the order repeats."""
    if transmission < 0:
        raise ParameterError(f"transmission = {transmission}: must be >= 0")
    return order[transmission % len(order)]
