"""Exact bit-error injection: the hard decisions of level `bit` without drawing Gaussian noise where errors
are rare.

The law of the decisions is that of `phy.link.transmit_bit` (uncoded, hard); the draws are others, so single
errors differ. There are no LLRs on this path.
"""

from __future__ import annotations

from phy import burst_kernels, injection_kernels
from phy.bursts import Bursts, Received, raise_broken
from phy.threads import over_threads

# Move probability per rail below which drawing the gaps is the faster way. Break-even for QPSK to 256-QAM
# (`python -m benchmarks.injection`): 0.06 to 0.1 where all subcarriers fade alike, 0.022 to 0.04 where not
# (rejected proposals).
SPARSE_BELOW = (0.06, 0.022)


def thresholds(sparse_below: float | None) -> tuple[float, float]:
    """Threshold for bursts with one gain for all subcarriers, and for the others; None: SPARSE_BELOW."""
    return SPARSE_BELOW if sparse_below is None else (float(sparse_below), float(sparse_below))


def transmit_injected(bursts: Bursts, sparse_below: float | None = None, threads: int = 1) -> Received:
    """As `transmit_bit`, with the errors of rarely hit bursts put straight into the payload.

    A result depends on (key, slot, first_symbol) of its burst only, not on the other bursts or on `threads`.

    Args:
        sparse_below: bursts whose largest probability that a rail leaves its level is below this are
            corrupted by geometric gaps between level transitions; the others go through the Gaussian kernel,
            which is then the faster one. 0 never injects, a number above 1 always; None: SPARSE_BELOW.
    """
    b = bursts
    ints, reals = b.tables()
    order = b.any_order()
    received = b.payload.copy()
    below = thresholds(sparse_below)

    def run(first: int, last: int) -> int:
        broken: int = injection_kernels.transmit_injected(
            b.payload, b.h, ints, reals, first, last, *below, received
        )
        if broken == injection_kernels.LEFT:
            burst_kernels.transmit(
                b.payload, b.h, ints, reals, first, last, True, order, None, received, None
            )
        return broken

    raise_broken(b, over_threads(run, b.size, threads))
    return Received(received, ints[:, burst_kernels.ERRORS].copy(), reals[:, burst_kernels.SNR_DB].copy())
