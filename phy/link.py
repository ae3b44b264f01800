"""The link at level `bit`: bursts of bits through Gray QAM, fading, maximum-ratio combining, noise and
slicer.

In the frequency domain an OFDM link whose channel is shorter than its prefix is one complex gain and one
noise sample per resource element, so no FFT is needed; `phy.waveform` computes the same at sample level.

Maximum-ratio combining is used in its collapsed form: with h the vector over the receive antennas, the
combiner output is y = |h| sqrt(es) x + n with n ~ CN(0, n0), so one noise sample is drawn per element after
combining. The waveform level draws this same sample along h/|h| and independent samples orthogonal to it.
"""

from __future__ import annotations

import numpy as np

from phy import burst_kernels as kernels
from phy.bursts import (
    Bursts,
    Received,
    Soft,
    burst_bits,
    check_bursts,
    raise_broken,
    snr_to_db,
)
from phy.modulation import demap_soft, map_bits
from phy.parameters import ParameterError
from phy.philox import LANE_RE_NOISE, complex_normals
from phy.threads import over_threads
from phy.waveform import transmit_waveform

__all__ = [
    "Bursts",
    "Received",
    "Soft",
    "demap_llr",
    "equalised_symbols",
    "transmit_bit",
    "transmit_bit_given",
    "transmit_waveform",
]


def transmit_bit(bursts: Bursts, threads: int = 1) -> Received:
    """Hard decisions of level `bit`. The noise of an element depends on (key, slot, element) only.

    Args:
        threads: bursts are split among this many threads; the result does not depend on it.
    """
    b = bursts
    ints, reals = b.tables()
    order = b.any_order()
    received = b.payload.copy()
    broken = over_threads(
        lambda first, last: kernels.transmit(
            b.payload, b.h, ints, reals, first, last, False, order, None, received, None
        ),
        b.size,
        threads,
    )
    raise_broken(b, broken)
    return Received(received, ints[:, kernels.ERRORS].copy(), reals[:, kernels.SNR_DB].copy())


def transmit_bit_given(bursts: Bursts, noise: np.ndarray) -> Received:
    """`transmit_bit` with the combined noise handed in, for tests.

    Args:
        bursts: n0 > 0.
        noise: complex64[sum of num_symbols], CN(0, n0) samples after combining, burst after burst.
    """
    check_bursts(bursts)
    b = bursts
    start = np.concatenate([[0], np.cumsum(b.num_symbols())]).astype(np.int64)
    if noise.dtype != np.complex64 or noise.shape != (start[-1],):
        raise ParameterError(
            f"noise: must be complex64 of shape ({start[-1]},), is {noise.dtype} {noise.shape}"
        )
    if b.n0 <= 0.0:
        raise ParameterError(f"Bursts.n0 = {b.n0}: must be > 0 for given noise")
    ints, reals = b.tables()
    ints[:, kernels.START] = start[:-1]
    received = b.payload.copy()
    unit = noise * np.float32(np.sqrt(2.0 / b.n0))
    kernels.transmit(b.payload, b.h, ints, reals, 0, b.size, False, b.any_order(), unit, received, None)
    return Received(received, ints[:, kernels.ERRORS].copy(), reals[:, kernels.SNR_DB].copy())


def demap_llr(bursts: Bursts, exact: bool = False, threads: int = 1) -> Soft:
    """Soft variant of `transmit_bit`: same channel, same noise, LLRs instead of decisions.

    Args:
        exact: log-sum-exp LLRs (slow path) instead of max-log.
        threads: as in `transmit_bit`.
    """
    b = bursts
    start = np.concatenate([[0], np.cumsum(b.num_bits)]).astype(np.int64)
    llr = np.empty(max(int(start[-1]), 0), np.float32)
    if exact:
        y, noise_var, first, snr_db = equalised_symbols(b)
        for i in range(b.size):
            part = slice(first[i], first[i + 1])
            soft = demap_soft(y[part], noise_var[part], int(b.bits_per_symbol[i]), exact=True)
            llr[start[i] : start[i + 1]] = soft[: b.num_bits[i]]
        return Soft(llr, start, snr_db)
    ints, reals = b.tables()
    ints[:, kernels.START] = start[:-1]
    order = b.any_order()
    broken = over_threads(
        lambda first, last: kernels.transmit(
            b.payload, b.h, ints, reals, first, last, False, order, None, None, llr
        ),
        b.size,
        threads,
    )
    raise_broken(b, broken)
    return Soft(llr, start, reals[:, kernels.SNR_DB].copy())


def equalised_symbols(bursts: Bursts) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The receiver's equalised symbols of the same chain (NumPy, for tests, plots and exact LLRs).

    Returns: y complex64[total], noise_var float32[total] (complex noise energy on y), start int64[B + 1],
    snr_db float64[B].
    """
    check_bursts(bursts)
    b = bursts
    num = b.num_symbols()
    start = np.concatenate([[0], np.cumsum(num)]).astype(np.int64)
    y = np.empty(int(start[-1]), np.complex64)
    noise_var = np.empty(y.size, np.float32)
    snr = np.empty(b.size)
    for i in range(b.size):
        n, m = int(num[i]), int(b.bits_per_symbol[i])
        x = map_bits(burst_bits(b, i, pad=True), m)
        gain = (np.abs(b.h[i, :, : b.num_subcarriers[i]].astype(np.complex128)) ** 2).sum(axis=0)
        g = gain[(int(b.first_symbol[i]) + np.arange(n)) % gain.size] * b.es[i]
        z = complex_normals(int(b.key[i]), int(b.slot[i]), int(LANE_RE_NOISE), int(b.first_symbol[i]), n)
        with np.errstate(divide="ignore", invalid="ignore"):
            y[start[i] : start[i + 1]] = x + z * np.sqrt(b.n0 / 2.0 / g)
            noise_var[start[i] : start[i + 1]] = b.n0 / g
            snr[i] = g.mean() / b.n0 if n else np.inf
    return y, noise_var, start, snr_to_db(snr)
