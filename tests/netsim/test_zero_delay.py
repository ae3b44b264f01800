"""With zero delays the event-driven run equals the slotted model of the paper, table by table, bit for
bit.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import slotted
from scenarios_for_tests import toscn

from netsim import simulate
from netsim.link import PaperLink
from netsim.streams import Streams
from netsim.systems import toscn_system
from netsim.systems.toscn import Model

POLICIES = ("random", "equal", "prop", "je_equal", "je_qse", "myopic", "sum_packets")


@pytest.mark.parametrize("name", POLICIES)
def test_event_driven_run_equals_the_plain_loop(name):
    scenario = toscn(**{"phy": "paper", "semantics.packet_bits": 1_600_000, "slots": 205, "agent.name": name})
    trace = simulate.run_in_memory(scenario, run=3).trace()
    model = Model(scenario)
    policy = toscn_system.make_policy(scenario, PaperLink(scenario.radio), model, Streams(scenario.seed, 3))
    expected = slotted.simulate(scenario, 3, policy)
    for table in ("slots", "buffers", "grants"):
        for column, values in getattr(expected, table).items():
            np.testing.assert_array_equal(trace[table][column], values, err_msg=f"{table}.{column}")
    np.testing.assert_array_equal(trace["receptions"]["gain"], expected.gain)
    packets = trace["packets"]
    delivered = packets["fate"] == 1
    ours = zip(*(packets[c][delivered].tolist() for c in ("ue", "created_ns", "delivered_ns", "score")))
    assert sorted(ours) == sorted(expected.packets)
    assert len(expected.packets) > 100


def test_the_slotted_loop_would_notice_a_stale_observation():
    """The equality above is not vacuous: one slot of observation delay breaks it."""
    base = {"phy": "paper", "semantics.packet_bits": 1_600_000, "slots": 60, "agent.name": "je_qse"}
    fresh = simulate.run_in_memory(toscn(**base)).trace()
    stale = simulate.run_in_memory(toscn(**base, **{"signalling.observation_delay_ns": 200_000_000})).trace()
    assert (fresh["slots"]["objective"] != stale["slots"]["objective"]).any()


@pytest.mark.parametrize("order", [tuple(reversed(range(7))), (3, 6, 0, 5, 1, 4, 2)])
@pytest.mark.parametrize("instants", ["batch", "async"])
def test_order_of_process_creation_does_not_matter(order, instants):
    scenario = toscn(**{"phy": "paper", "slots": 40, "traffic.instants": instants})
    first = simulate.run_in_memory(scenario)
    assert simulate.run_in_memory(scenario, process_order=order).digest == first.digest


def test_same_seed_same_digests_and_runs_differ():
    scenario = toscn(phy="paper", slots=30)
    once, twice, other = (simulate.run_in_memory(scenario, run).digest for run in (0, 0, 1))
    assert once == twice
    assert all(once[table] != other[table] for table in ("slots", "packets", "receptions", "ues"))


def test_world_ignores_the_policy():
    """Arrivals offered, gains and placements are bit-identical under all policies."""
    worlds = []
    for name in POLICIES:
        trace = simulate.run_in_memory(toscn(**{"phy": "paper", "slots": 25, "agent.name": name})).trace()
        buffers = trace["buffers"]
        worlds.append(
            (buffers["arrived"] + buffers["blocked"], trace["receptions"]["gain"], trace["ues"]["gain_db"])
        )
    for one, other in itertools.pairwise(worlds):
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)
