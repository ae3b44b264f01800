"""The link at level `bit`: bursts of bits through Gray QAM, fading, maximum-ratio combining, noise and
slicer.

In the frequency domain an OFDM link whose channel is shorter than its prefix is one complex gain and one
noise sample per resource element, so no FFT is needed; `phy.waveform` computes the same at sample level.

Maximum-ratio combining is used in its collapsed form: with h the vector over the receive antennas, the
combiner output is y = |h| sqrt(es) x + n with n ~ CN(0, n0), so one noise sample is drawn per element after
combining. The waveform level draws this same sample along h/|h| and independent samples orthogonal to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from phy import burst_kernels as kernels
from phy.modulation import demap_soft, map_bits
from phy.parameters import ParameterError
from phy.philox import LANE_RE_NOISE, complex_normals

_DTYPES = {
    "payload": np.dtype(np.uint8),
    "offset": np.dtype(np.int64),
    "num_bits": np.dtype(np.int64),
    "bits_per_symbol": np.dtype(np.int64),
    "h": np.dtype(np.complex64),
    "es": np.dtype(np.float64),
    "first_symbol": np.dtype(np.int64),
    "key": np.dtype(np.uint64),
    "slot": np.dtype(np.int64),
}


@dataclass(frozen=True, eq=False)
class Bursts:
    """B bursts; a burst is the bits of one packet of one user in one slot.

    Arrays must have the dtypes below and be C-contiguous (ParameterError otherwise). Values are checked by
    the functions that transmit them.
    """

    payload: np.ndarray  # uint8[num_bytes], packed bits, MSB first, each burst starts at a byte boundary
    offset: np.ndarray  # int64[B], first byte of each burst
    num_bits: np.ndarray  # int64[B]; a burst takes ceil(num_bits / bits_per_symbol) resource elements
    bits_per_symbol: np.ndarray  # int64[B]: 1, 2, 4, 6, 8
    h: np.ndarray  # complex64[B, num_rx_ant, F], frequency response per subcarrier, E|h|^2 = 1; F = 1 is flat
    es: np.ndarray  # float64[B], received energy per resource element and antenna for |h| = 1, in J
    n0: float  # noise energy per resource element and antenna, in J (= W/Hz)
    first_symbol: np.ndarray  # int64[B], index of the first data resource element within the user's slot
    key: np.ndarray  # uint64[B], noise key of the user
    slot: np.ndarray  # int64[B] >= 0
    num_subcarriers: np.ndarray = None  # type: ignore  # int64[B] <= F; left out: F for all bursts

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            a = getattr(self, name)
            if not isinstance(a, np.ndarray) or a.dtype != dtype or not a.flags.c_contiguous:
                got = f"{a.dtype} array" if isinstance(a, np.ndarray) else type(a).__name__
                raise ParameterError(f"Bursts.{name} is {got}: must be a C-contiguous {dtype} array")
        size = self.offset.shape[0]
        for name in ("num_bits", "bits_per_symbol", "es", "first_symbol", "key", "slot"):
            if getattr(self, name).shape != (size,):
                raise ParameterError(
                    f"Bursts.{name} has shape {getattr(self, name).shape}: must be ({size},)"
                )
        if self.h.ndim != 3 or self.h.shape[0] != size or self.h.shape[1] < 1 or self.h.shape[2] < 1:
            raise ParameterError(f"Bursts.h has shape {self.h.shape}: must be ({size}, num_rx_ant, F)")
        if not 0.0 <= self.n0 < float("inf"):
            raise ParameterError(f"Bursts.n0 = {self.n0}: must be >= 0 and finite")
        if self.num_subcarriers is None:
            object.__setattr__(self, "num_subcarriers", np.full(size, self.h.shape[2], np.int64))
        elif self.num_subcarriers.dtype != np.int64 or self.num_subcarriers.shape != (size,):
            raise ParameterError(f"Bursts.num_subcarriers: must be an int64 array of shape ({size},)")

    @property
    def size(self) -> int:
        """Number of bursts."""
        return int(self.offset.shape[0])

    def num_symbols(self) -> np.ndarray:
        """int64[B], resource elements of each burst."""
        return -(-self.num_bits // self.bits_per_symbol)


@dataclass(frozen=True, eq=False)
class Received:
    """What the receiver decided."""

    payload: np.ndarray  # uint8[num_bytes], same layout as sent; bits that belong to no burst are as sent
    num_bit_errors: np.ndarray  # int64[B]
    snr_db: (
        np.ndarray
    )  # float64[B], SNR per resource element after combining, mean over the elements in linear


@dataclass(frozen=True, eq=False)
class Soft:
    """Log-likelihood ratios of all bursts, one after another."""

    llr: np.ndarray  # float32[sum of num_bits], positive = bit 0
    start: np.ndarray  # int64[B + 1], burst b is llr[start[b] : start[b + 1]]
    snr_db: np.ndarray  # float64[B], as in Received


_RULES = {
    kernels.BAD_BITS: ("bits_per_symbol", "must be one of 1, 2, 4, 6, 8"),
    kernels.BAD_RANGE: ("num_bits", "the burst must lie within the payload"),
    kernels.BAD_SLOT: ("slot", "must be >= 0"),
    kernels.BAD_ES: ("es", "must be >= 0 and finite"),
    kernels.BAD_SYMBOL: ("first_symbol", "must be >= 0"),
    kernels.BAD_WIDTH: ("num_subcarriers", "must be in [1, F = h.shape[2]]"),
}


def check_bursts(b: Bursts) -> None:
    """ParameterError that names the first burst, field, value and rule broken."""
    index, code = kernels.check(
        b.payload.size, b.offset, b.num_bits, b.bits_per_symbol, b.es, b.first_symbol, b.slot,
        b.num_subcarriers, b.h.shape[2],
    )  # fmt: skip
    if index >= 0:
        name, rule = _RULES[code]
        raise ParameterError(f"Bursts.{name}[{index}] = {getattr(b, name)[index]}: {rule}")


def snr_to_db(snr: np.ndarray) -> np.ndarray:
    """10 log10 of non-negative numbers; -inf for 0."""
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(snr)


def transmit_bit(bursts: Bursts, threads: int = 1) -> Received:
    """Hard decisions of level `bit`. The noise of an element depends on (key, slot, element) only.

    Args:
        threads: bursts are split among this many threads; the result does not depend on it.
    """
    check_bursts(bursts)
    b = bursts
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.empty(b.size, np.float64)

    def run(first: int, last: int) -> None:
        kernels.transmit(
            b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.h, b.num_subcarriers, b.es, float(b.n0),
            b.first_symbol, b.key, b.slot, first, last, received, errors, snr,
        )  # fmt: skip

    over_threads(run, b.size, threads)
    return Received(received, errors, snr_to_db(snr))


def transmit_bit_given(bursts: Bursts, noise: np.ndarray) -> Received:
    """`transmit_bit` with the combined noise handed in, for tests.

    Args:
        noise: complex64[sum of num_symbols], CN(0, n0) samples after combining, burst after burst.
    """
    check_bursts(bursts)
    b = bursts
    start = np.concatenate([[0], np.cumsum(b.num_symbols())]).astype(np.int64)
    if noise.dtype != np.complex64 or noise.shape != (start[-1],):
        raise ParameterError(
            f"noise: must be complex64 of shape ({start[-1]},), is {noise.dtype} {noise.shape}"
        )
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.empty(b.size, np.float64)
    kernels.transmit_given(
        b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.h, b.num_subcarriers, b.es, float(b.n0),
        b.first_symbol, noise, start, received, errors, snr,
    )  # fmt: skip
    return Received(received, errors, snr_to_db(snr))


def demap_llr(bursts: Bursts, exact: bool = False, threads: int = 1) -> Soft:
    """Soft variant of `transmit_bit`: same channel, same noise, LLRs instead of decisions.

    Args:
        exact: log-sum-exp LLRs (slow path) instead of max-log.
        threads: as in `transmit_bit`.
    """
    b = bursts
    start = np.concatenate([[0], np.cumsum(b.num_bits)]).astype(np.int64)
    llr = np.empty(int(start[-1]), np.float32)
    if exact:
        y, noise_var, first, snr_db = equalised_symbols(b)
        for i in range(b.size):
            part = slice(first[i], first[i + 1])
            soft = demap_soft(y[part], noise_var[part], int(b.bits_per_symbol[i]), exact=True)
            llr[start[i] : start[i + 1]] = soft[: b.num_bits[i]]
        return Soft(llr, start, snr_db)
    check_bursts(b)
    snr = np.empty(b.size, np.float64)

    def run(first: int, last: int) -> None:
        kernels.transmit_maxlog(
            b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.h, b.num_subcarriers, b.es, float(b.n0),
            b.first_symbol, b.key, b.slot, first, last, llr, start, snr,
        )  # fmt: skip

    over_threads(run, b.size, threads)
    return Soft(llr, start, snr_to_db(snr))


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


def burst_bits(bursts: Bursts, index: int, pad: bool = False) -> np.ndarray:
    """0/1 bits of one burst, uint8[num_bits]; with `pad` as sent, filled up with the byte's rest and
    zeros.
    """
    o, n = int(bursts.offset[index]), int(bursts.num_bits[index])
    bits = np.unpackbits(bursts.payload[o : o + (n + 7) // 8])
    if not pad:
        return bits[:n]
    m = int(bursts.bits_per_symbol[index])
    out = np.zeros(-(-n // m) * m, np.uint8)
    k = min(out.size, bits.size)
    out[:k] = bits[:k]
    return out


def over_threads(run: Callable[[int, int], None], size: int, threads: int) -> None:
    """Call run(first, last) over [0, size) in `threads` contiguous parts; the kernels release the GIL."""
    if threads < 1:
        raise ParameterError(f"threads = {threads}: must be >= 1")
    if threads == 1 or size < 2:
        run(0, size)
        return
    bounds = [size * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(run, a, z) for a, z in itertools.pairwise(bounds)]:
            future.result()
