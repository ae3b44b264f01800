"""The Gymnasium adapter: conformance, the same world as a run, delays seen as any agent sees them."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios_for_tests import toscn

pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env

from netsim import simulate
from netsim.envs.gymnasium_env import ScenarioEnv
from netsim.systems.toscn import Model
from netsim.systems.toscn_agent_view import Decoding, ToscnView
from phy.parameters import ParameterError

PAPER = {"phy": "paper", "semantics.packet_bits": 1_600_000}


@pytest.mark.filterwarnings("error")
def test_conforms_to_gymnasium():
    check_env(ScenarioEnv(toscn(**PAPER)), skip_render_check=True)


def test_conforms_to_stable_baselines3():
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(ScenarioEnv(toscn(**PAPER)))


def _actions(count, seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 18)).astype(np.float32)


class _Replay:
    """A policy inside the simulation that plays given action vectors."""

    def __init__(self, view, vectors):
        self.view, self.vectors, self.seen = view, list(vectors), []

    def act(self, observation):
        self.seen.append(self.view.state(observation))
        return self.view.action(self.vectors[observation.slot], observation)

    def learn(self, transition):
        pass


def test_steps_are_the_slots_of_a_run():
    """An episode of the environment is run number `seed`, reward by reward and state by state."""
    scenario = toscn(**PAPER)
    env = ScenarioEnv(scenario)
    vectors = _actions(11)
    states, rewards = [env.reset(seed=7)[0]], []
    for vector in vectors[:10]:
        state, reward, terminated, truncated, info = env.step(vector)
        states.append(state)
        rewards.append(reward)
        assert not terminated and len(info["rewards"]) == 1 and info["age_slots"] == 0
    assert truncated
    longer = toscn(**PAPER, slots=11, episode_slots=11)
    inside = _Replay(ToscnView(Model(longer), Decoding("feasible", 3.0)), vectors)
    prepared = simulate.prepare(longer, 7, [inside])
    trace = simulate.MemoryTrace(simulate.attributes(longer, 7))
    prepared(trace).run()
    np.testing.assert_array_equal(states, inside.seen)
    np.testing.assert_array_equal(rewards, trace.trace()["slots"]["reward"][:10])
    assert len(set(rewards)) > 5


def test_resets_go_through_the_runs_and_come_back():
    env = ScenarioEnv(toscn(**PAPER))
    first, second, again = env.reset(seed=3)[0], env.reset()[0], env.reset(seed=3)[0]
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    np.testing.assert_array_equal(second, env.reset(seed=4)[0])


def test_delays_make_observations_old_and_rewards_late():
    slot_ns = 200_000_000
    delays = {"signalling.observation_delay_ns": slot_ns + 1, "signalling.reward_delay_ns": 2 * slot_ns}
    env = ScenarioEnv(toscn(**PAPER, **delays))
    _, info = env.reset(seed=0)
    ages, rewards, truncated = [info["age_slots"]], [], False
    for vector in _actions(20):
        _, _, _, truncated, info = env.step(vector)
        ages.append(info["age_slots"])
        rewards.append(info["rewards"])
        if truncated:
            break
    assert truncated
    assert set(ages[:-1]) == {1}, "one slot is over since the observation was taken"
    assert rewards[0] == [] and sum(map(len, rewards)) < 10
    with pytest.raises(ParameterError, match="must be reset"):
        env.step(_actions(1)[0])


def test_reward_can_be_scaled():
    plain, scaled = ScenarioEnv(toscn(**PAPER)), ScenarioEnv(toscn(**PAPER), None, 20.0, 0.8)
    for env in (plain, scaled):
        env.reset(seed=1)
    vector = _actions(1)[0]
    assert scaled.step(vector)[1] == pytest.approx(plain.step(vector)[1] / 20.0 - 0.8)
