"""Bursts: the arrays that every level of the link takes and gives, and their checks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from phy import burst_kernels as kernels
from phy.parameters import ParameterError

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

    def arguments(self, *rest: Any) -> tuple[Any, ...]:
        """The fields in the order in which the kernels of `table` take them, then the kernel's own."""
        return (
            self.payload, self.offset, self.num_bits, self.bits_per_symbol, self.h, self.num_subcarriers,
            self.es, float(self.n0), self.first_symbol, self.key, self.slot, *rest,
        )  # fmt: skip

    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """(int64[B, INTS], float64[B, REALS]): the numbers of each burst as the burst kernels take them."""
        ints = np.zeros((self.size, kernels.INTS), np.int64)
        ints[:, kernels.OFFSET] = self.offset
        ints[:, kernels.NUM_BITS] = self.num_bits
        ints[:, kernels.ORDER] = self.bits_per_symbol
        ints[:, kernels.WIDTH] = self.num_subcarriers
        ints[:, kernels.FIRST_SYMBOL] = self.first_symbol
        ints[:, kernels.KEY] = self.key.view(np.int64)
        ints[:, kernels.SLOT] = self.slot
        reals = np.zeros((self.size, kernels.REALS))
        reals[:, kernels.ES] = self.es
        reals[:, kernels.N0] = self.n0
        return ints, reals

    def any_order(self) -> bool | None:
        """None if all bursts are 16-QAM, else True: the argument of that name of `burst_kernels.transmit`."""
        return None if (self.bits_per_symbol == 4).all() else True

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


# what `burst_kernels.first_broken` checks: field, rule, which bursts break it
RULES: tuple[tuple[str, str, Callable[[Bursts], np.ndarray]], ...] = (
    ("bits_per_symbol", "must be one of 1, 2, 4, 6, 8", lambda b: _unknown(b.bits_per_symbol)),
    ("num_bits", "the burst must lie within the payload", lambda b: _outside(b)),
    ("slot", "must be >= 0", lambda b: b.slot < 0),
    ("es", "must be >= 0 and finite", lambda b: ~((b.es >= 0.0) & (b.es < np.inf))),
    ("first_symbol", "must be >= 0", lambda b: b.first_symbol < 0),
    (
        "num_subcarriers",
        "must be in [1, F = h.shape[2]]",
        lambda b: (b.num_subcarriers < 1) | (b.num_subcarriers > b.h.shape[2]),
    ),
)


def _unknown(m: np.ndarray) -> np.ndarray:
    return (m != 4) & (m != 2) & (m != 6) & (m != 1) & (m != 8)


def _outside(b: Bursts) -> np.ndarray:
    return (b.num_bits < 0) | (b.offset < 0) | (b.offset + ((b.num_bits + 7) >> 3) > b.payload.size)


def check_bursts(b: Bursts) -> None:
    """ParameterError that names the first burst, field, value and rule broken."""
    if b.size and not _plainly_right(b):
        broken = functools.reduce(np.logical_or, (breaks(b) for _, _, breaks in RULES))
        if broken.any():
            raise_broken(b, int(broken.argmax()))


def _plainly_right(b: Bursts) -> bool:
    """Whether the extremes of the fields keep all rules: a third of the time of the rules one by one."""
    ints, reals = b.tables()
    low, high = ints.min(axis=0).tolist(), ints.max(axis=0).tolist()
    fields = kernels.OFFSET, kernels.NUM_BITS, kernels.FIRST_SYMBOL, kernels.SLOT
    end = high[kernels.OFFSET] + (high[kernels.NUM_BITS] + 7) // 8
    order, width = kernels.ORDER, kernels.WIDTH
    es = reals[:, kernels.ES]
    return (
        all(low[field] >= 0 for field in fields)
        and end <= b.payload.size
        and low[order] == high[order] in (4, 2, 6, 1, 8)
        and 1 <= low[width] <= high[width] <= b.h.shape[2]
        and bool(es.min() >= 0.0 and es.max() < np.inf)
    )


def raise_broken(b: Bursts, broken: int) -> None:
    """ParameterError for the burst that a kernel reported, unless that is -1."""
    if broken >= 0:
        for name, rule, breaks in RULES:
            if breaks(b)[broken]:
                value = getattr(b, name)[broken]
                raise ParameterError(f"Bursts.{name}[{broken}] = {value}: {rule}")


def snr_to_db(snr: np.ndarray) -> np.ndarray:
    """10 log10 of non-negative numbers; -inf for 0."""
    out = np.full(snr.shape, -np.inf)
    np.log10(snr, out=out, where=snr > 0.0)
    out *= 10.0
    return out


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
