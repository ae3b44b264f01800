"""A prepared link: many calls over bursts of one layout, without the cost of a call.

`transmit_bit` takes new arrays at every call, checks them and gives new ones back; for one burst that costs
several times the link itself. A plan is made once, from bursts that fix the layout; it owns the arrays of
sent and received bits, and between calls the caller writes new values into them. Decisions and LLRs are those
of the functions in `phy.link` and `phy.injection`, bit for bit.

    plan = LinkPlan(bursts)
    renew = plan.renewal(fading, key=1)
    for slot in range(1000):
        renew(slot)  # or any values written to plan.payload, plan.h, plan.slot
        wrong += plan.transmit().sum()
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import typeof

from phy import burst_kernels as kernels
from phy import injection_kernels
from phy.bursts import Bursts, check_bursts, raise_broken
from phy.fading import BlockFading
from phy.injection import thresholds
from phy.threads import over_threads


class LinkPlan:
    """Level `bit` over B bursts whose offsets, lengths, orders and widths stay as in `bursts`.

    Write into these between calls (checked at every call); units and meaning as in `Bursts`:
        payload: uint8[num_bytes]; h: complex64[B, num_rx_ant, F]; es, n0: float64[B];
        first_symbol, slot: int64[B]; key: uint64[B].
    Read these after a call; the next one overwrites them:
        received: uint8[num_bytes], bytes of no burst are 0; num_bit_errors: int64[B]; snr_db: float64[B].

    Args:
        bursts: the layout and the first values, copied.
        threads: bursts are split among this many threads; the results do not depend on it.
    """

    def __init__(self, bursts: Bursts, threads: int = 1) -> None:
        check_bursts(bursts)
        ints, reals = bursts.tables()
        self.payload, self.h = bursts.payload.copy(), bursts.h.copy()
        self.received = np.zeros_like(self.payload)
        self.es, self.n0, self.snr_db = (reals[:, i] for i in (kernels.ES, kernels.N0, kernels.SNR_DB))
        self.first_symbol, self.slot = ints[:, kernels.FIRST_SYMBOL], ints[:, kernels.SLOT]
        self.key = ints.view(np.uint64)[:, kernels.KEY]
        self.num_bit_errors = ints[:, kernels.ERRORS]
        self.llr_start = np.concatenate([[0], np.cumsum(bursts.num_bits)]).astype(np.int64)
        ints[:, kernels.START] = self.llr_start[:-1]
        # the arrays stay the same, so the arguments of a call are put together once
        self._arrays = self.payload, self.h, ints, reals
        self._order, self._threads = bursts.any_order(), threads
        self._below: tuple[float, float] | None = None

    def renewal(self, fading: BlockFading, key: int) -> Callable[[int], None]:
        """A call for measurements, renew(slot): new payload, new channels and the slot of every burst.

        The values are those of `phy.philox.random_bytes` and `fading.response` for this key and slot.

        Raises:
            ParameterError: the fading has another number of antennas or subcarriers than the bursts.
        """
        return fading.renewal(key, self.payload, self.h, self.slot)

    def _prepared(self, kernel: Any, *rest: Any) -> Callable[[], int]:
        """Call without arguments of a kernel over all bursts."""
        size = int(self.num_bit_errors.size)
        if self._threads > 1:
            return lambda: over_threads(
                lambda first, last: kernel(*self._arrays, first, last, *rest), size, self._threads
            )
        # past numba's choice among argument types, which are always these: 1.1 us of 5.5 for one burst
        arguments = *self._arrays, 0, size, *rest
        compiled = kernel.compile(tuple(typeof(a) for a in arguments))
        return functools.partial(compiled, *arguments)

    @functools.cached_property
    def _hard(self) -> Callable[[], int]:
        return self._prepared(kernels.transmit, False, self._order, None, self.received, None)

    @functools.cached_property
    def _marked(self) -> Callable[[], int]:
        return self._prepared(kernels.transmit, True, self._order, None, self.received, None)

    @functools.cached_property
    def _llr(self) -> np.ndarray:
        return np.empty(int(self.llr_start[-1]), np.float32)

    @functools.cached_property
    def _soft(self) -> Callable[[], int]:
        return self._prepared(kernels.transmit, False, self._order, None, None, self._llr)

    def transmit(self) -> np.ndarray:
        """Hard decisions, as `phy.link.transmit_bit`. Returns: `num_bit_errors`."""
        broken = self._hard()
        if broken >= 0:
            self._raise(broken)
        return self.num_bit_errors

    def inject(self, sparse_below: float | None = None) -> np.ndarray:
        """As `phy.injection.transmit_injected`. Returns: `num_bit_errors`."""
        below = thresholds(sparse_below)
        if below != self._below:
            self._sparse = self._prepared(injection_kernels.transmit_injected, *below, self.received)
            self._below = below
        broken = self._sparse()
        if broken >= 0:
            self._raise(broken)
        if broken == injection_kernels.LEFT:
            self._marked()
        return self.num_bit_errors

    def demap(self) -> np.ndarray:
        """Max-log LLRs, as `phy.link.demap_llr`.

        Returns: float32[sum of num_bits], positive = bit 0, burst b from llr_start[b] on; overwritten by the
            next call.
        """
        broken = self._soft()
        if broken >= 0:
            self._raise(broken)
        return self._llr

    def _raise(self, broken: int) -> None:
        """ParameterError that names the value of burst `broken` that the kernel refused."""
        ints = np.ascontiguousarray(self._arrays[2].T)
        bursts = Bursts(
            payload=self.payload,
            offset=ints[kernels.OFFSET],
            num_bits=ints[kernels.NUM_BITS],
            bits_per_symbol=ints[kernels.ORDER],
            h=self.h,
            es=self.es.copy(),
            n0=float(self.n0[broken]),
            first_symbol=ints[kernels.FIRST_SYMBOL],
            key=self.key.copy(),
            slot=ints[kernels.SLOT],
            num_subcarriers=ints[kernels.WIDTH],
        )
        raise_broken(bursts, broken)
