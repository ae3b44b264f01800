"""Check 21 of the TOSCN specification: what late grants cost, and what a planner that knows of them saves."""

from __future__ import annotations

import itertools

import pytest

from netsim.figures import toscn_delays as figure

EPISODES = 2  # of 50 slots; all cells see the same world


@pytest.fixture(scope="module")
def reward():
    """Mean reward per slot of (policy, delay in ms, aware)."""
    wanted = [("je_qse", delay, False) for delay in (0.0, 2.0, 20.0, 50.0)]
    wanted += [("je_qse", delay, True) for delay in (2.0, 20.0)]
    wanted += [("equal", delay, False) for delay in (0.0, 2.0)]
    return {cell: float(figure._measure((*cell, EPISODES))[0].mean()) for cell in wanted}


def test_a_later_grant_is_never_better_for_a_planner_that_does_not_know(reward):
    """The first millisecond costs a packet per device; within +-0.5 %, what arrivals make of the rest."""
    curve = [reward["je_qse", delay, False] for delay in (0.0, 2.0, 20.0, 50.0)]
    assert all(later <= 1.005 * earlier for earlier, later in itertools.pairwise(curve))
    assert curve[1] < 0.97 * curve[0]
    assert curve[3] < 0.95 * curve[1]


def test_a_fixed_compression_loses_next_to_nothing_at_2_ms(reward):
    assert reward["equal", 2.0, False] > 0.99 * reward["equal", 0.0, False]


def test_a_planner_that_knows_the_delay_recovers(reward):
    assert reward["je_qse", 2.0, True] >= 0.99 * reward["je_qse", 0.0, False]
    assert reward["je_qse", 20.0, True] >= 0.98 * reward["je_qse", 0.0, False]


def test_one_slot_means_the_action_of_the_slot_before():
    """At a whole slot the grant would leave nothing of the slot: the old action is held instead."""
    scenario = figure.scenario_of("equal", figure.SLOT_MS, False, 1)
    assert scenario.signalling.grant_gap == "hold"
    assert scenario.signalling.action_delay_ns == scenario.slot_ns
    assert figure.scenario_of("equal", 2.0, False, 1).signalling.grant_gap == "idle"
