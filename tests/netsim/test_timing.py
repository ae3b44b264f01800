"""Stories: which observation each slot acts on, told by the exact event log."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim import checks, simulate

SLOT_NS = 1_000_000
BASE = {"phy": "paper", "slots": 6, "slot_ns": SLOT_NS, "radio.bandwidth_hz": 3e8, "agent.name": "equal"}


def story(**assignments):
    """One line a slot: the slot whose observation was in force, and how old that observation was (us)."""
    trace = simulate.run_in_memory(toscn(**{**BASE, **assignments})).trace()
    assert checks.check(trace) == []
    decisions = {
        name: values[trace["decisions"]["applied_ns"] >= 0] for name, values in trace["decisions"].items()
    }
    order = np.argsort(decisions["applied_ns"], kind="stable")
    applied, observed = decisions["applied_ns"][order], decisions["observed_ns"][order]
    lines = []
    for slot in range(6):
        # with grant_gap=idle a grant may come into force within the slot
        until = (
            (slot + 1) * SLOT_NS - 1 if assignments.get("signalling.grant_gap") == "idle" else slot * SLOT_NS
        )
        known = np.flatnonzero(applied <= until)
        if len(known) == 0:
            lines.append(f"slot {slot}: silent")
            continue
        last = known[-1]
        lines.append(
            f"slot {slot}: observation of slot {observed[last] // SLOT_NS}, taken {observed[last] // 1000} us"
        )
    return lines


def test_zero_inference_acts_on_the_present():
    assert story(**{"signalling.inference_ns": 0}) == [
        f"slot {t}: observation of slot {t}, taken {1000 * t} us" for t in range(6)
    ]


def test_inference_of_400_us_acts_on_the_slot_before():
    assert story(**{"signalling.inference_ns": 400_000}) == ["slot 0: silent"] + [
        f"slot {t}: observation of slot {t - 1}, taken {1000 * (t - 1)} us" for t in range(1, 6)
    ]


def test_inference_of_1200_us_skips_observations_that_were_overtaken():
    """Thinking takes longer than a slot: done at 1200, 2400, 3600, ...; each start takes the newest
    observation.
    """
    assert story(**{"signalling.inference_ns": 1_200_000}) == [
        "slot 0: silent",
        "slot 1: silent",
        "slot 2: observation of slot 0, taken 0 us",
        "slot 3: observation of slot 1, taken 1000 us",
        "slot 4: observation of slot 2, taken 2000 us",
        "slot 5: observation of slot 3, taken 3000 us",
    ]


def test_observation_and_action_delays_add_up():
    delays = {"signalling.observation_delay_ns": 700_000, "signalling.action_delay_ns": 700_000}
    assert story(**delays) == ["slot 0: silent", "slot 1: silent"] + [
        f"slot {t}: observation of slot {t - 2}, taken {1000 * (t - 2)} us" for t in range(2, 6)
    ]


def test_idle_waits_for_the_grant_of_the_slot_itself():
    delays = {"signalling.action_delay_ns": 250_000, "signalling.grant_gap": "idle"}
    assert story(**delays) == [f"slot {t}: observation of slot {t}, taken {1000 * t} us" for t in range(6)]
    trace = simulate.run_in_memory(toscn(**{**BASE, **delays})).trace()
    np.testing.assert_array_equal(trace["decisions"]["applied_ns"] % SLOT_NS, 250_000)
    sent = trace["packets"]["sent_ns"]
    assert np.all(sent[sent >= 0] % SLOT_NS >= 250_000)


def test_idle_devices_are_silent_when_the_grant_does_not_come_in_time():
    """A grant that is under way for longer than its slot serves nobody: no grant, no packet, no reward."""
    delays = {"signalling.action_delay_ns": 1_100_000, "signalling.grant_gap": "idle"}
    trace = simulate.run_in_memory(toscn(**{**BASE, **delays})).trace()
    assert checks.check(trace) == []
    assert trace["grants"]["bandwidth_hz"].sum() == 0.0
    assert (trace["packets"]["fate"] == 1).sum() == 0
    assert trace["decisions"]["applied_ns"].tolist() == [-1] * 5, "the sixth is still under way"
    assert "reward" not in trace["messages"]["kind"]


def test_a_grant_that_comes_late_shortens_the_slot():
    """Just-enough plans sit on the edge: a delay of 1 % of the slot costs packets, planning with it restores
    them.
    """
    base = {"phy": "paper", "semantics.packet_bits": 1_600_000, "slots": 300, "agent.name": "je_qse"}
    late = {"signalling.action_delay_ns": 2_000_000, "signalling.grant_gap": "idle"}
    at_once, unaware, aware = (
        simulate.run_in_memory(toscn(**base, **extra)).trace()["slots"]["reward"].mean()
        for extra in ({}, late, {**late, "agent.margin_ns": 2_000_000})
    )
    assert unaware < 0.97 * at_once
    assert aware > 0.99 * at_once


def test_nothing_is_known_before_its_delay_has_passed():
    delays = {
        "signalling.observation_delay_ns": 1_300_000,
        "signalling.jitter_ns": 400_000.0,
        "signalling.loss": 0.2,
    }
    trace = simulate.run_in_memory(toscn(**{**BASE, **delays, "slots": 400})).trace()
    assert checks.check(trace) == []
    messages, decisions = trace["messages"], trace["decisions"]
    observations = (messages["kind"] == "observation") & (messages["lost"] == 0)
    assert np.all(messages["received_ns"][observations] - messages["sent_ns"][observations] >= 1_300_000)
    assert np.all(decisions["received_ns"] - decisions["observed_ns"] >= 1_300_000)
    lost = messages["lost"].mean()
    assert abs(lost - 0.2) < 4 * np.sqrt(0.2 * 0.8 / len(messages["lost"]))
    jitter = (messages["received_ns"] - messages["sent_ns"])[observations] - 1_300_000
    assert jitter.mean() == pytest.approx(400_000, rel=4 / np.sqrt(len(jitter)))


def test_rewards_reach_the_policy_with_their_own_observation():
    """Every transition holds the observation that the action was computed from, the reward of a slot in which
    that action was in force, and a later observation.
    """
    from netsim.recorder import MemoryTrace

    scenario = toscn(**{**BASE, "slots": 30, "episode_slots": 10, "signalling.inference_ns": 400_000})
    learned = []

    class Pupil:
        def __init__(self, policy):
            self.act, self.learn = policy.act, learned.append

    prepared = simulate.prepare(scenario, 0)
    prepared.policies[0] = Pupil(prepared.policies[0])
    prepared(MemoryTrace(simulate.attributes(scenario, 0))).run()
    assert len(learned) == 28  # the first slot is silent; the last reward comes after the last observation
    for transition in learned:
        assert transition.next_observation.slot > transition.observation.slot
        assert transition.truncated == (transition.observation.episode != transition.next_observation.episode)
    assert any(transition.truncated for transition in learned)
