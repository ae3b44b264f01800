"""Exact bit-error injection: the hard decisions of level `bit` without drawing any Gaussian noise.

The law of the decisions is that of `phy.link.transmit_bit` (uncoded, hard); the draws are others, so single
errors differ. There are no LLRs on this path.
"""

from __future__ import annotations

import numpy as np

from phy import injection_kernels
from phy.bursts import Bursts, Received, check_bursts, over_threads, snr_to_db

SPARSE_BELOW = 0.1  # move probability per rail below which gaps are cheaper than one draw a rail (measured)


def transmit_injected(bursts: Bursts, sparse_below: float = SPARSE_BELOW, threads: int = 1) -> Received:
    """As `transmit_bit`, by exact level transitions put straight into the payload.

    A result depends on (key, slot, first_symbol) of its burst only, not on the other bursts or on `threads`.

    Args:
        sparse_below: bursts whose largest probability that a rail leaves its level is below this draw the
            gaps between moves instead of one uniform a rail; 0 never, 1 always.
    """
    check_bursts(bursts)
    b = bursts
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.empty(b.size, np.float64)

    def run(first: int, last: int) -> None:
        injection_kernels.transmit_injected(
            b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.h, b.num_subcarriers, b.es, float(b.n0),
            b.first_symbol, b.key, b.slot, first, last, float(sparse_below), received, errors, snr,
        )  # fmt: skip

    over_threads(run, b.size, threads)
    return Received(received, errors, snr_to_db(snr))
