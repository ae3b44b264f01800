"""The green scenario in the event loop: equal to the plain slotted loop, with every kind of policy."""

from __future__ import annotations

import numpy as np
import pytest
import slotted_green

from netsim import checks, params, simulate
from netsim.streams import Streams
from netsim.systems.green import Green
from netsim.systems.green_stations import StationPolicy, build

FAST = {"agent.dqn.learning.warm_up": 20, "agent.drqn.learning.warm_up": 20}


def green(name: str, cells: int = 3, **values) -> Green:
    scenario = params.override(
        Green(), {"slots": 200, "layout.num_cells": cells, "agent.name": name, **FAST, **values}
    )
    assert isinstance(scenario, Green)
    return scenario


def of_trace(scenario: Green, run: int) -> dict[str, np.ndarray]:
    trace = simulate.run_in_memory(scenario, run).trace()
    assert checks.check(trace) == []
    stations, m = trace["stations"], scenario.layout.num_cells
    found = {name: stations[name].reshape(-1, m) for name in ("accuracy", "qoe")}
    found["level"] = stations["power_level"].reshape(-1, m)
    found["k"] = stations["symbols_per_word"].reshape(-1, m)
    return found | {"ee": trace["slots"]["objective"], "reward": trace["slots"]["reward"]}


@pytest.mark.parametrize("name", ["random", "greedy", "level1", "silent", "fixed"])
def test_without_delays_rules_equal_the_slotted_loop(name):
    scenario, run = green(name), 2
    streams = Streams(scenario.seed, run)
    loop = slotted_green.Slots(scenario.parameters, streams)
    system, _ = build(scenario, Streams(scenario.seed, run))
    system.begin_episode(0)
    policies = [StationPolicy(scenario, system, Streams(scenario.seed, run), m) for m in range(3)]

    def act(vectors: np.ndarray, slot: int) -> np.ndarray:
        now = loop.observer.newest
        actions = []
        for m, policy in enumerate(policies):
            sinr = float(now.own_w[m] / now.other_w[m])
            action = policy.act(type("Seen", (), {"slot": slot, "vector": vectors[m], "sinr": sinr})())
            actions.append(action.level * 20 + action.k - 1)
        return np.array(actions)

    expected, found = loop.run(scenario.slots, act), of_trace(scenario, run)
    for column, values in found.items():
        np.testing.assert_array_equal(values, expected.array(column), err_msg=column)


@pytest.mark.parametrize(("name", "cells"), [("dqn", 3), ("drqn", 3), ("drqn", 7), ("dqn_woec", 3)])
def test_without_delays_learners_equal_the_slotted_loop(name, cells):
    """Specification 11.3: same actions, rewards and efficiencies, slot by slot, learning all the while."""
    scenario, run = green(name, cells), 1
    trained, _ = slotted_green.train(
        "drqn" if name == "drqn" else "dqn",
        scenario.parameters,
        Streams(scenario.seed, run),
        scenario.slots,
        evaluate=1,
        **{"learning.warm_up": 20},
    )
    for column, values in of_trace(scenario, run).items():
        np.testing.assert_array_equal(values, trained.array(column), err_msg=column)


@pytest.mark.parametrize("reward", ["local", "qoe", "difference"])
def test_every_kind_of_reward_reaches_the_learners(reward):
    """5.3: the reward that the controller sends is the one that the slotted loop pays, whatever its kind."""
    kind = {"decision.reward_difference": True} if reward == "difference" else {"decision.reward": reward}
    scenario, run = green("dqn", **kind, **{"decision.reward_scale": 3.0}), 1
    trained, _ = slotted_green.train(
        "dqn", scenario.parameters, Streams(scenario.seed, run), 200, evaluate=1, **{"learning.warm_up": 20}
    )
    found = of_trace(scenario, run)
    for column in ("level", "k", "ee"):
        np.testing.assert_array_equal(found[column], trained.array(column), err_msg=column)
    if reward != "local":
        np.testing.assert_array_equal(found["reward"], trained.array("reward"))


def test_after_learning_nothing_is_random():
    """Frozen stations act by their networks: two runs of the same world that differ only in what comes after
    the freeze cannot differ before it, and the frozen part does not explore.
    """
    scenario = green("dqn", **{"agent.learn_slots": 100, "slots": 400})
    found = of_trace(scenario, 0)
    changes = (np.diff(found["level"], axis=0) != 0).mean(axis=1)
    assert changes[:90].mean() > 0.5  # random levels change six times of seven
    longer = of_trace(green("dqn", **{"agent.learn_slots": 100, "slots": 450}), 0)
    np.testing.assert_array_equal(found["k"], longer["k"][:400])


def test_a_late_reward_delays_learning_and_nothing_else():
    """The reward carries its slot: before the first update the actions are the same, later they are not."""
    base = of_trace(green("dqn"), 0)
    late = of_trace(green("dqn", **{"signalling.reward_delay_ns": 45_000_000}), 0)
    np.testing.assert_array_equal(base["level"][:20], late["level"][:20])
    assert (base["level"][20:] != late["level"][20:]).any()


def test_the_trace_holds_the_rate_over_resource_elements():
    """10.2: logged beside the ideal rate, 4/5 of it, with the QoE it would give."""
    stations = simulate.run_in_memory(green("level1", slots=30)).trace()["stations"]
    np.testing.assert_allclose(stations["rate_elements_ksuts"], 0.8 * stations["rate_ksuts"])
    assert (stations["qoe_elements"] <= stations["qoe"]).all()


@pytest.mark.parametrize("lost", [0.1, 1.0])
def test_cells_that_wait_for_a_lost_action_are_silent(lost):
    """grant_gap=idle: the cells start together when the last action is there, or not at all."""
    values = {"signalling.grant_gap": "idle", "signalling.loss": lost, "agent.power_level": 3}
    found = of_trace(green("fixed", **values), 0)
    silent = (found["level"] == 0).all(axis=1)
    assert (found["level"][~silent] == 3).all()
    assert (found["qoe"][silent] < 0.501).all()  # what a rate of nothing leaves of the two scores
    # each cell needs its observation and its action: all six arrive with probability (1 - lost)^6
    expected = 1.0 - (1.0 - lost) ** 6
    assert abs(silent.mean() - expected) < 3.3 * np.sqrt(expected * (1.0 - expected) / len(silent)) + 1e-9
