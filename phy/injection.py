"""Exact bit-error injection: the hard decisions of level `bit` without drawing Gaussian noise where errors
are rare.

The law of the decisions is that of `phy.link.transmit_bit` (uncoded, hard); the draws are others, so single
errors differ. There are no LLRs on this path.
"""

from __future__ import annotations

import numpy as np

from phy import burst_kernels, injection_kernels
from phy.bursts import Bursts, Received, check_bursts, over_threads, snr_to_db

SPARSE_BELOW = 0.02  # move probability per rail below which drawing the gaps is the faster way (measured)


def transmit_injected(bursts: Bursts, sparse_below: float = SPARSE_BELOW, threads: int = 1) -> Received:
    """As `transmit_bit`, with the errors of rarely hit bursts put straight into the payload.

    A result depends on (key, slot, first_symbol) of its burst only, not on the other bursts or on `threads`.

    Args:
        sparse_below: bursts whose largest probability that a rail leaves its level is below this are
            corrupted by geometric gaps between level transitions; the others go through the Gaussian kernel,
            which is then the faster one. 0 never injects, a number above 1 always.
    """
    check_bursts(bursts)
    b = bursts
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.empty(b.size, np.float64)

    def run(first: int, last: int) -> None:
        injection_kernels.transmit_injected(
            *b.arguments(first, last, float(sparse_below), received, errors, snr)
        )
        for i in first + np.flatnonzero(errors[first:last] < 0):
            burst_kernels.transmit(
                *b.arguments(int(i), int(i) + 1, None, None, received, errors, None, None, snr)
            )

    over_threads(run, b.size, threads)
    return Received(received, errors, snr_to_db(snr))
