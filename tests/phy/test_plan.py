"""A prepared link decides bit for bit as the functions it prepares."""

from __future__ import annotations

import numpy as np
import pytest

from phy import channel
from phy.bursts import Bursts
from phy.fading import BlockFading
from phy.injection import transmit_injected
from phy.link import demap_llr, transmit_bit
from phy.parameters import ParameterError
from phy.philox import random_bytes
from phy.plan import LinkPlan


def bursts_of(rng, orders, num_bits, slot):
    size = len(orders)
    num_bytes = (num_bits + 7) // 8
    return Bursts(
        payload=rng.integers(0, 256, num_bytes.sum() + 3, dtype=np.uint8),
        offset=np.concatenate([[0], np.cumsum(num_bytes)[:-1]]).astype(np.int64),
        num_bits=num_bits,
        bits_per_symbol=np.array(orders, np.int64),
        h=channel.rayleigh(rng, (size, 2, 24)).astype(np.complex64),
        es=rng.uniform(5.0, 200.0, size),
        n0=1.0,
        first_symbol=rng.integers(0, 100, size),
        key=rng.integers(0, 2**63, size).astype(np.uint64),
        slot=np.full(size, slot),
        num_subcarriers=rng.integers(1, 25, size),
    )


@pytest.mark.parametrize("orders", [(4, 4, 4, 4), (4, 1, 6, 8)])
@pytest.mark.parametrize("threads", [1, 2])
def test_plan_equals_the_functions(orders, threads):
    rng = np.random.default_rng(1)
    num_bits = np.array([1003, 8, 0, 20_001])
    first = bursts_of(rng, orders, num_bits, 0)
    plan = LinkPlan(first, threads)
    for slot in range(3):
        b = bursts_of(rng, orders, num_bits, slot)
        b = Bursts(**{**vars(b), "num_subcarriers": first.num_subcarriers})
        for name in ("payload", "h", "es", "first_symbol", "key", "slot"):
            getattr(plan, name)[:] = getattr(b, name)
        for run, expected in (
            (plan.transmit, transmit_bit(b)),
            (plan.inject, transmit_injected(b)),
            (lambda: plan.inject(1.1), transmit_injected(b, 1.1)),
        ):
            errors = run()
            assert errors is plan.num_bit_errors
            assert np.array_equal(errors, expected.num_bit_errors)
            assert np.array_equal(plan.received[:-3], expected.payload[:-3])
            assert np.array_equal(plan.snr_db, expected.snr_db)
        soft = demap_llr(b)
        assert np.array_equal(plan.demap(), soft.llr)
        assert np.array_equal(plan.llr_start, soft.start)
    assert not plan.received[-3:].any()


@pytest.mark.parametrize("tap_powers", [(1.0,), (0.5, 0.3, 0.2)])
def test_renewal_draws_what_the_functions_draw(make_bursts, tap_powers):
    bins = tuple(range(-12, 12)) if len(tap_powers) > 1 else (0,)
    fading = BlockFading(2, 3.0, tap_powers, bins=bins)
    plan = LinkPlan(make_bursts(4, 3.0, 80, num_bursts=3, h=np.ones((3, 2, len(bins)))))
    renew = plan.renewal(fading, 9)
    for slot in (0, 1 << 33):
        renew(slot)
        assert np.array_equal(plan.payload, random_bytes(9, slot, plan.payload.size))
        assert np.array_equal(plan.h, fading.response(9, slot, 3))
        assert (plan.slot == slot).all()
    with pytest.raises(ParameterError, match="h: must be complex64"):
        plan.renewal(BlockFading(3, 3.0, tap_powers, bins=bins), 9)


def test_new_values_are_checked_and_named(make_bursts):
    plan = LinkPlan(make_bursts(4, 3.0, 80, num_bursts=2))
    plan.payload[:] = random_bytes(1, 5, plan.payload.size)
    plan.slot[1] = -1
    for call in (plan.transmit, plan.inject, plan.demap):
        with pytest.raises(ParameterError, match=r"Bursts.slot\[1\] = -1: must be >= 0"):
            call()
    plan.slot[1] = 0
    plan.n0[0] = np.nan
    with pytest.raises(ParameterError, match=r"Bursts\.n0 = nan: must be >= 0 and finite"):
        plan.transmit()
    bad = make_bursts(4, 3.0, 80)
    with pytest.raises(ParameterError, match="bits_per_symbol"):
        LinkPlan(Bursts(**{**vars(bad), "bits_per_symbol": np.array([3])}))
