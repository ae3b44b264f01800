"""The slotted loop of green: its order (5.5), reproducibility, and that agents do not move the world."""

from __future__ import annotations

import numpy as np
import pytest
from green_drops import green
from slotted_green import Slots, train

from netsim.streams import Streams


def constant(action, num_cells=3):
    return lambda observation, slot: np.full(num_cells, action)


def test_agents_do_not_move_the_world():
    """Gains are the same under another policy; a run repeats itself bit for bit."""
    system = green()
    runs = [Slots(system, Streams(4)).run(80, constant(action)) for action in (0, 139, 139)]
    np.testing.assert_array_equal(runs[0].array("gain"), runs[1].array("gain"))
    for name in ("ee", "qoe", "sinr"):
        np.testing.assert_array_equal(runs[1].array(name), runs[2].array(name))
    assert runs[0].array("ee").mean() == pytest.approx(0.5, abs=1e-6)  # silent, k = 1


def test_transitions_link_observation_action_reward_and_next_observation():
    """5.5 step 3: what is pushed at slot t is (O(t-1), a(t-1), r(t-1), O(t))."""
    pushed, seen, chosen = [], [], []

    class Learner:
        loss = np.zeros(3)

        def push(self, *row):
            pushed.append(row)

    def act(observation, slot):
        seen.append(observation)
        chosen.append(np.array([slot % 140, 0, 139]))
        return chosen[-1]

    out = Slots(green(), Streams(4)).run(30, act, Learner())
    assert len(pushed) == 29 * 3
    for t in range(1, 30):
        for m in range(3):
            agent, old, action, reward, new = pushed[3 * (t - 1) + m]
            assert (agent, action, reward) == (m, chosen[t - 1][m], out.ee[t - 1])
            np.testing.assert_array_equal(old, seen[t - 1][m])
            np.testing.assert_array_equal(new, seen[t][m])


@pytest.mark.parametrize("name", ["dqn", "drqn"])
def test_training_repeats_itself(name):
    one, two = (train(name, green(), Streams(4), 180, 20) for _ in range(2))
    for a, b in zip(one, two):
        for column in ("level", "k", "ee", "loss"):
            np.testing.assert_array_equal(a.array(column), b.array(column))
    assert np.isfinite(one[0].array("loss")[101:]).all() and np.isnan(one[0].array("loss")[:100]).all()


@pytest.mark.slow
def test_dqn_learns_the_model():
    """Section 8: after 8,000 slots DQN is far above greedy (0.600 at M = 3) and below the bound (0.980)."""
    frozen = [train("dqn", green(), Streams(4, run), 8000, 1000)[1].array("ee").mean() for run in range(3)]
    assert 0.72 < np.mean(frozen) < 0.98
