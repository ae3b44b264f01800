"""The PettingZoo environment: its own conformance tests, and that it is the simulator."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pettingzoo")
from pettingzoo.test import parallel_api_test, parallel_seed_test

from netsim import params, simulate
from netsim.envs.pettingzoo_env import GreenParallelEnv
from netsim.systems.green import Green
from phy.parameters import ParameterError


def scenario(**values) -> Green:
    made = params.override(Green(), {"slots": 50, **{k.replace("__", "."): v for k, v in values.items()}})
    assert isinstance(made, Green)
    return made


def test_conforms_to_pettingzoo():
    parallel_api_test(GreenParallelEnv(scenario(slots=120)), num_cycles=300)


def test_seeds_decide_everything():
    parallel_seed_test(lambda: GreenParallelEnv(scenario(slots=30)), num_cycles=40)


def test_fixed_actions_give_the_trace_of_the_same_fixed_policy():
    """Stepping from outside is the run itself: rewards equal those of the scenario's own policy."""
    fixed = scenario(agent__name="fixed", agent__power_level=2, agent__symbols_per_word=6)
    expected = simulate.run_in_memory(fixed, 4).trace()["slots"]["reward"]
    env = GreenParallelEnv(fixed)
    env.reset(seed=4)
    found = []
    while env.agents:
        _, _, _, _, infos = env.step(dict.fromkeys(env.agents, 2 * 20 + 5))
        found += infos["station0"]["rewards"]
    np.testing.assert_array_equal(found, expected[:-1])  # the last reward comes with no further observation


def test_options_change_the_scenario():
    env = GreenParallelEnv(scenario())
    observations, infos = env.reset(
        seed=0, options={"parameters": {"layout.num_cells": 7, "decision.observe_level": True}}
    )
    assert len(observations) == 7 and observations["station6"].shape == (8,)
    assert infos["station0"]["due"] and infos["station0"]["observation_age_slots"] == 0


def test_late_and_lost_observations_leave_stations_undue():
    late = scenario(signalling__observation_delay_ns=20_000_000, signalling__loss=0.3)
    env = GreenParallelEnv(late)
    env.reset(seed=0)
    due, ages = [], []
    while env.agents:
        _, _, _, _, infos = env.step(dict.fromkeys(env.agents, 25))
        due += [info["due"] for info in infos.values()]
        ages += [info["observation_age_slots"] for info in infos.values() if info["due"]]
    assert 0.4 < np.mean(due[:-3]) < 0.9
    assert min(ages) >= 1


def test_an_impossible_action_is_one_line():
    env = GreenParallelEnv(scenario())
    env.reset(seed=0)
    with pytest.raises(ParameterError, match=r"action of station0 = 140: must be in \[0, 140\)"):
        env.step(dict.fromkeys(env.agents, 140))
