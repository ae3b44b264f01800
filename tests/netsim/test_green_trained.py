"""Stations that learned in one run and act in another: weights as files, and what figures make of them."""

from __future__ import annotations

import numpy as np
import pytest

from netsim import params, simulate
from netsim.agents.files import load
from netsim.figures import green_levels, green_trained
from netsim.streams import Streams
from netsim.systems.green import Green
from netsim.systems.green_stations import learners
from phy.parameters import ParameterError


def learning(name: str, slots: int = 150, **values) -> Green:
    made = params.override(
        Green(),
        {"agent.name": name, "slots": slots, "episode_slots": slots, "agent.learn_slots": slots, **values},
    )
    assert isinstance(made, Green)
    return made


def chosen(scenario: Green, run: int) -> np.ndarray:
    stations = simulate.run_in_memory(scenario, run).trace()["stations"]
    return np.stack([stations["power_level"], stations["symbols_per_word"]])


@pytest.mark.parametrize("name", ["dqn", "drqn"])
def test_what_was_learned_acts_elsewhere(tmp_path, name):
    """The file holds the weights at the end of the run; with them stations act alike at every level by
    formulas as far as they see the same, do not explore, and stay as they are.
    """
    scenario = learning(name)
    green_trained.ensure([scenario], [3], 1, lambda done, total: None, tmp_path)
    path = green_trained.folder_of(scenario, tmp_path) / "run3.safetensors"
    weights, about = load(path)
    assert (about["agent"], about["run"]) == (name, 3)
    fresh = learners(scenario, Streams(scenario.seed, 3)).weights()
    assert all((weights[part] != fresh[part]).any() for part in fresh)
    frozen = green_trained.frozen(scenario, 60, {}, tmp_path)
    begun = learners(frozen, Streams(frozen.seed, 3))
    for part in weights:
        np.testing.assert_array_equal(begun.weights()[part], weights[part])
    np.testing.assert_array_equal(begun.flat[0], begun.flat[1])
    first = chosen(frozen, 3)
    np.testing.assert_array_equal(first, chosen(frozen, 3))
    changes = (np.diff(first.reshape(2, 60, 3), axis=1) != 0).mean()
    assert changes < 0.5  # drawn at random six of seven levels and 19 of 20 k would change


def test_trained_once(tmp_path):
    scenario, counted = learning("dqn", 120), []
    for _ in range(2):
        green_trained.ensure([scenario], [0, 1], 1, lambda done, total: counted.append(done), tmp_path)
    assert counted == [1, 2]


def test_weights_of_others_are_refused(tmp_path):
    scenario = learning("dqn", 120)
    green_trained.ensure([scenario], [0], 1, lambda done, total: None, tmp_path)
    frozen = green_trained.frozen(scenario, 20, {}, tmp_path)
    with pytest.raises(ParameterError, match=r"run1\.safetensors: no such file"):
        simulate.prepare(frozen, 1)
    other = green_trained.frozen(scenario, 20, {"agent.name": "dqn_woec"}, tmp_path)
    with pytest.raises(ParameterError, match=r"weights of dqn: must be of agent\.name=dqn_woec"):
        simulate.prepare(other, 0)
    wider = green_trained.frozen(scenario, 20, {"layout.num_cells": 7}, tmp_path)
    with pytest.raises(ParameterError, match=r"weights .* must be"):
        simulate.prepare(wider, 0)


def test_orders_name_the_pairs_that_turn():
    """Scores made so that one pair trades places between the first level and the bits."""
    rng = np.random.default_rng(0)
    ranks = {policy: 0.05 * place for place, policy in enumerate(green_levels.POLICIES)}
    one, other = green_levels.POLICIES[:2]
    turned = {**ranks, one: ranks[other], other: ranks[one]}
    found = {}
    for level in green_levels.LEVELS:
        for policy in green_levels.POLICIES:
            ee = (turned if level == "paper" else ranks)[policy] + 1e-3 * rng.random(5)
            found[level, policy] = green_levels.Scores(ee, ee, ee, ee, ee)
    by_level = {order.level: order for order in green_levels.orders(found)}
    assert set(by_level) == set(green_levels.LEVELS) - {"bit"}
    assert by_level["paper"].reversed_pairs == ((other, one),)  # the better one at `bit` first
    assert green_levels.order_rows(list(by_level.values()))[0]["reversed"] == f"{other} > {one}"
    count = len(ranks)
    assert by_level["paper"].tau.mean == pytest.approx(1.0 - 4.0 / (count * (count - 1)))
    assert by_level["table"].tau.mean == 1.0
    assert by_level["table"].separated == count * (count - 1) // 2
    assert green_levels.gap_of(found, "bit", one).mean == 0.0
