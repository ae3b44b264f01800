"""Runs of SC-QoS side by side are the event loop's, slot by slot and bit for bit; so is what is learned."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from netsim import params, simulate, training
from netsim.agents import files
from netsim.agents.policy import Transition
from netsim.streams import Streams
from netsim.systems import scqos_learning
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_agent_view import KINDS, Decoding
from netsim.systems.scqos_lanes import Lanes, refusal
from netsim.systems.scqos_policies import scenario_bank
from phy.parameters import ParameterError

BANK = {"phy": "paper", "semantics.bank": "synthetic", "semantics.surrogate": "bank"}


def scqos(**values) -> Scqos:
    made = params.override(Scqos(), {**BANK, "episode_slots": 40, "slots": 121, **values})
    assert isinstance(made, Scqos)
    return made


class _Chance:
    """Acts at random by the run's own exploration stream; remembers what it saw, did and learned."""

    def __init__(self, view, streams):
        self.view, self.streams = view, streams
        self.states, self.rewards, self.truncated = [], [], []

    def vectors(self, slot):
        draws = self.streams.at("exploration/agent", slot)
        vector = draws.uniform(-1.0, 1.0, self.view.action_size).astype(np.float32)
        if self.view.decoding.kind != "relaxed":
            most = self.view.space.num_discrete
            vector[0] = draws.integers(most if self.view.decoding.kind == "hybrid" else 2592)
        return vector

    def act(self, observation):
        self.states.append(self.view.state(observation))
        return self.view.action(self.vectors(observation.slot), observation)

    def learn(self, transition: Transition) -> None:
        self.rewards.append(transition.reward)
        self.truncated.append(transition.truncated)


CASES = [
    *((kind, {}) for kind in KINDS),
    ("hybrid", {"interface.beam": "raw"}),
    ("relaxed", {"semantics.surrogate": "mapping", "utility.reward": "paper"}),
    ("hybrid", {"csi.estimation_error": 0.2, "csi.doppler_hz": 5.0}),
    ("relaxed", {"downlink.bandwidth_hz": 3e3, "utility.reward": "penalty"}),  # some sentences are dropped
]


@pytest.mark.parametrize(("kind", "values"), CASES)
def test_lanes_are_the_event_loop_without_delays(kind, values):
    scenario = scqos(**values)
    view = scqos_learning.view(scenario, Decoding(kind))
    runs = (3, 7, 11)
    lanes = Lanes(scenario, view, scenario_bank(scenario), runs, scenario.slots)
    policies = [_Chance(view, Streams(scenario.seed, run)) for run in runs]
    states, slots = [], []
    for slot in range(scenario.slots):
        states.append(lanes.states())
        slots.append(lanes.step(np.stack([policy.vectors(slot) for policy in policies])))
    for lane, run in enumerate(runs):
        policy = _Chance(view, Streams(scenario.seed, run))
        prepared = simulate.prepare(scenario, run, [policy])
        recorded = simulate.MemoryTrace(simulate.attributes(scenario, run), prepared.system.tables)
        prepared(recorded).run()
        trace = recorded.trace()
        np.testing.assert_array_equal([s[lane] for s in states], policy.states)
        rewards = [s.reward[lane] for s in slots]
        np.testing.assert_array_equal(rewards, trace["slots"]["reward"])
        np.testing.assert_array_equal(rewards[:-1], policy.rewards)
        np.testing.assert_array_equal([s.psi[lane] for s in slots], trace["slots"]["objective"])
        sentences = trace["sentences"]
        for name, column in (("bits", "bits"), ("similarity", "similarity"), ("latency", "latency_s")):
            values_ = np.array([getattr(s, name)[lane] for s in slots])
            np.testing.assert_array_equal(values_.ravel(), sentences[column], err_msg=name)
        assert [k for k, t in enumerate(policy.truncated) if t] == [39, 79, 119]
    if values.get("downlink.bandwidth_hz"):
        assert any(s.dropped.any() for s in slots) and not all(s.dropped.all() for s in slots)


def test_the_equality_would_notice_an_old_observation():
    scenario = scqos()
    late = scqos(**{"signalling.observation_delay_ns": scenario.slot_ns})
    assert refusal(scenario) is None and "signalling" in str(refusal(late))
    view = scqos_learning.view(scenario, Decoding("hybrid"))
    found = []
    for each in (scenario, late):
        policy = _Chance(view, Streams(0, 1))
        prepared = simulate.prepare(each, 1, [policy])
        recorded = simulate.MemoryTrace(simulate.attributes(each, 1), prepared.system.tables)
        prepared(recorded).run()
        found.append(recorded.trace()["slots"]["objective"])
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("agent", ["hybrid", "sac", "td3", "ddpg", "d3qn"])
def test_one_lane_learns_what_the_event_loop_learns(agent, tmp_path, monkeypatch):
    """Curves and every array at the end are equal bit for bit; lanes alone are judged on the way."""
    monkeypatch.setattr(training, "SEGMENT", 2)
    monkeypatch.setattr(training, "EVALUATION_EPISODES", 10)
    found = []
    for lanes in ("0", "1"):
        small = {"algorithm.units": "8", "algorithm.learn_from": "20", "algorithm.batch": "16"}
        plan = training.plan(scqos(), agent, "tuned", 4, 0, {**small, "pace.lanes": lanes})
        result = training.train(plan, tmp_path)
        found.append(files.load(result.path)[0])
    assert found[0].keys() == found[1].keys()
    assert [len(arrays.pop("curve.judged")) for arrays in found] == [0, 2]
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name], err_msg=name)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"phy": "bit"}, "phy = bit: must be paper"),
        ({"signalling.inference_ns": 1000}, "signalling: must be without delays"),
        ({"traffic.law": "poisson"}, "traffic: must be saturated"),
    ],
)
def test_what_needs_the_event_loop_is_refused_in_one_line(values, said, tmp_path):
    plan = training.plan(scqos(**values), "td3", "tuned", 10, 0, {"world": "scenario"})
    with pytest.raises(ParameterError, match=said):
        training.train(plan, tmp_path)
