"""DQN and DRQN of the stations: equal to torch learners and to themselves one at a time, and able to learn.

Acceptance check 6 of the green specification, its schedules (5.5) and its ring (windows).
"""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from netsim.agents.dqn import DqnParameters, dqn
from netsim.agents.drqn import DrqnParameters, drqn
from netsim.agents.policy import DeferredPolicy, Transition
from netsim.agents.q_learning import QLearning
from netsim.agents.rings import Rings, Windows
from netsim.agents.stacked import views
from netsim.agents.stations import StationAgent
from netsim.streams import Streams

INPUTS, ACTIONS = 7, 140
ADAM = QLearning(optimiser="adam", rate_decay=1e-4)
KINDS = {
    "dqn": (dqn, DqnParameters()),
    "dqn adam": (dqn, DqnParameters(learning=ADAM)),
    "drqn": (drqn, DrqnParameters()),
    "drqn last": (drqn, DrqnParameters(batch="32x8_last")),
    "drqn adam": (drqn, DrqnParameters(learning=ADAM)),
}


class Renamed:
    """Streams of station 0 are those of station `number` elsewhere: a stack of one out of a stack of many."""

    def __init__(self, streams, number):
        self.streams, self.number = streams, number

    def sequential(self, name):
        return self.streams.sequential(name.replace("station0", f"station{self.number}"))

    def at(self, name, slot):
        return self.streams.at(name.replace("station0", f"station{self.number}"), slot)


def make(kind, num_agents, streams=None, num_inputs=INPUTS, num_actions=ACTIONS):
    function, parameters = KINDS[kind]
    return function(parameters, num_agents, num_inputs, num_actions, streams or Streams(3))


def experience(num_agents, slots, seed=0):
    """Observations [T + 1, M, inputs] and rewards [T, M]."""
    rng = np.random.default_rng(seed)
    return rng.random((slots + 1, num_agents, INPUTS), dtype=np.float32), rng.random((slots, num_agents))


def drive(stations, observations, rewards, agents=None):
    """The slots of 5.5 without physics; returns actions [T, M]."""
    agents = np.arange(stations.num_agents) if agents is None else agents
    taken = []
    for t in range(len(rewards)):
        if t:
            for i, m in enumerate(agents):
                before, reward = observations[t - 1, i], rewards[t - 1, i]
                stations.push(m, before, taken[-1][i], reward, observations[t, i])
        taken.append(stations.act(agents, observations[t], t))
    return np.array(taken)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_weights(kind):
    """5.4: 7,212 weights of DQN, 17,548 of DRQN with one bias a gate."""
    assert make(kind, 2).flat.shape == (2, 2, 17_548 if "drqn" in kind else 7_212)


@pytest.mark.parametrize("kind", KINDS)
def test_stack_equals_stacks_of_one(kind):
    """Check 6: four stations together and one at a time, bit for bit: actions, weights, losses."""
    slots = 230
    observations, rewards = experience(4, slots)
    together = make(kind, 4)
    actions = drive(together, observations, rewards)
    assert together.updates.tolist() == [slots - 100] * 4
    for m in range(4):
        alone = make(kind, 1, Renamed(Streams(3), m))
        own = drive(alone, observations[:, m : m + 1], rewards[:, m : m + 1])
        np.testing.assert_array_equal(own[:, 0], actions[:, m])
        np.testing.assert_array_equal(alone.flat[:, 0], together.flat[:, m])
        np.testing.assert_array_equal(alone.loss[0], together.loss[m])


class TorchLearner:
    """One station's learner in plain torch: autograd, nn.LSTM, torch's optimisers."""

    def __init__(self, kind, weights):
        import torch
        from torch import nn

        self.torch, self.kind = torch, kind
        t = {name: torch.tensor(np.array(part)) for name, part in weights.items()}
        self.networks = [self._network(nn, t) for _ in range(2)]
        self.trained = [p for p in self.networks[0].parameters() if p.requires_grad]
        if "adam" in kind:
            self.optimiser = torch.optim.Adam(self.trained)
        else:
            self.optimiser = torch.optim.RMSprop(self.trained, alpha=0.9, eps=1e-7)

    def _network(self, nn, t):
        if "drqn" not in self.kind:
            parts = [nn.Linear(7, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, ACTIONS)]
            for k, part in enumerate(parts[::2], 1):
                part.weight.data, part.bias.data = t[f"w{k}"].T.clone(), t[f"b{k}"][0].clone()
            return nn.Sequential(*parts)
        first, lstm, head = nn.Linear(7, 64), nn.LSTM(64, 32), nn.Linear(32, ACTIONS)
        first.weight.data, first.bias.data = t["w1"].T.clone(), t["b1"][0].clone()
        lstm.weight_ih_l0.data, lstm.weight_hh_l0.data = t["wx"].T.clone(), t["wh"].T.clone()
        lstm.bias_ih_l0.data, lstm.bias_hh_l0.data = t["b"][0].clone(), self.torch.zeros(128)
        lstm.bias_hh_l0.requires_grad = False  # one bias a gate
        head.weight.data, head.bias.data = t["w2"].clone(), t["b2"].clone()
        return nn.ModuleList([first, lstm, head])

    def _values(self, network, x):
        if "drqn" not in self.kind:
            return network(x)
        first, lstm, head = network
        return head(lstm(first(x).relu())[0])

    def update(self, windows, rate):
        torch = self.torch
        seen, action, reward, after = (
            torch.tensor(np.array(x[0])).swapaxes(0, 1)  # steps, windows
            for x in (windows.observation, windows.action, windows.reward, windows.next_observation)
        )
        with torch.no_grad():
            long = torch.cat([seen[:1], after]) if "drqn" in self.kind else after
            best = self._values(self.networks[1], long).max(-1).values[-len(seen) :]
        values = self._values(self.networks[0], seen).gather(-1, action[..., None])[..., 0]
        error = reward + 0.5 * best - values
        if "last" in self.kind:
            error = error[-1]
        loss = error.square().mean()
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def copy_to_target(self):
        self.networks[1].load_state_dict(self.networks[0].state_dict())

    def flat(self, names):
        """The weights of the online network in the order of the stack."""
        if "drqn" not in self.kind:
            parts = {}
            for k, part in enumerate(list(self.networks[0])[::2], 1):
                parts[f"w{k}"], parts[f"b{k}"] = part.weight.T, part.bias
        else:
            first, lstm, head = self.networks[0]
            parts = {"w1": first.weight.T, "b1": first.bias, "w2": head.weight, "b2": head.bias}
            parts |= {"wx": lstm.weight_ih_l0.T, "wh": lstm.weight_hh_l0.T, "b": lstm.bias_ih_l0}
        return np.concatenate([parts[name].detach().numpy().ravel() for name in names])


SLOW_KINDS = ("drqn last", "dqn adam")
EACH_KIND = [pytest.param(k, marks=pytest.mark.slow if k in SLOW_KINDS else ()) for k in KINDS]


@pytest.mark.parametrize("kind", EACH_KIND)
def test_batched_learner_equals_torch(kind):
    """Check 6: after 200 updates within 1e-5 of a torch learner for each station, fed the same batches."""
    import torch

    torch.set_num_threads(1)
    stations = make(kind, 2)
    weights = views(stations.flat[0], stations.network.shapes)
    plain = [TorchLearner(kind, {name: part[m] for name, part in weights.items()}) for m in range(2)]
    gather, descend = stations.rings.windows, stations._optimiser.descend
    batches, steps = [], []

    def keep_batch(agents, first, window):
        batches.append(gather(agents, first, window))
        return batches[-1]

    def keep_step(rows, w, gradient, step):
        steps.append(step.copy())
        descend(rows, w, gradient, step)

    stations.rings.windows, stations._optimiser.descend = keep_batch, keep_step
    observations, rewards = experience(2, 300)
    drive(stations, observations, rewards)
    assert len(batches) == 200
    decay = (lambda t: 5e-4 * (1 - 1e-4) ** t) if "adam" in kind else (lambda t: 5e-4 / (1 + 1e-4 * t))
    losses = np.zeros(2)
    for number, (batch, step) in enumerate(zip(batches, steps)):
        for m, learner in enumerate(plain):
            own = Windows(*(getattr(batch, part.name)[m : m + 1] for part in fields(Windows)))
            losses[m] = learner.update(own, decay(int(step[m])))
            if number % 100 == 0:
                learner.copy_to_target()
    for m, learner in enumerate(plain):
        np.testing.assert_allclose(stations.flat[0, m], learner.flat(stations.network.shapes), atol=1e-5)
        assert stations.loss[m] == pytest.approx(losses[m], rel=1e-3)


def test_windows_never_cross_the_write_position():
    """5.5: windows are successive in time, before and after the ring has been filled."""
    rings = Rings(2, 50, 1)
    for t in range(137):
        rings.add(1, np.array([t]), t, float(t), np.array([t + 1]))
        count = rings.num_windows(1, 8)
        assert count == min(t + 1, 50) - 7
        if count > 0:
            w = rings.windows(np.array([1]), np.arange(count)[None], 8)
            assert w.action.min() == max(0, t - 49) and w.action.max() == t
            assert np.all(np.diff(w.action, axis=2) == 1)
            np.testing.assert_array_equal(w.next_observation[..., 0], w.observation[..., 0] + 1)
    assert rings.num_windows(0, 8) < 1


def test_schedules():
    """5.5: exploration 1 in the warm-up, 0.6 (1 - 1e-4)^t, 0.1 from slot 17,917 on."""
    settings = QLearning()
    assert [settings.exploration(t) for t in (0, 99)] == [1.0, 1.0]
    assert settings.exploration(100) == pytest.approx(0.6 * (1 - 1e-4) ** 100)
    assert settings.exploration(17_915) > 0.1 == settings.exploration(17_918)


def test_targets_follow_every_100_updates():
    """5.5: the target network is the online one at slots 100, 200, ... and stays between."""
    stations = make("dqn", 1)
    observations, rewards = experience(1, 320)
    taken, equal = None, []
    for t in range(320):
        if t:
            stations.push(0, observations[t - 1, 0], int(taken[0]), rewards[t - 1, 0], observations[t, 0])
        taken = stations.act(np.array([0]), observations[t], t)
        equal.append(bool(np.array_equal(stations.flat[0], stations.flat[1])))
    assert [t for t in range(100, 320) if equal[t]] == [100, 200, 300]


def test_late_transitions_delay_learning_alone():
    """Without rewards a station explores as ever and does not learn; the others are not affected."""
    observations, rewards = experience(2, 160)
    both, one = make("dqn", 2), make("dqn", 2)
    drive(both, observations, rewards)
    agents, taken = np.arange(2), None
    for t in range(160):
        if t:
            one.push(1, observations[t - 1, 1], int(taken[1]), rewards[t - 1, 1], observations[t, 1])
        taken = one.act(agents, observations[t], t)
    assert one.updates.tolist() == [0, 60]
    np.testing.assert_array_equal(one.flat[:, 1], both.flat[:, 1])


@pytest.mark.parametrize("kind", ["dqn", "drqn adam"])
def test_save_and_restore(kind):
    """A restored training continues bit for bit; frozen stations neither learn nor explore."""
    observations, rewards = experience(2, 260)
    whole = make(kind, 2)
    drive(whole, observations[:130], rewards[:130])
    saved = {name: array.copy() for name, array in whole.arrays().items()}
    again = make(kind, 2, Streams(99))
    again.streams = whole.streams
    again.restore(saved)
    for stations in (whole, again):
        drive(stations, observations[130:], rewards[130:])
    np.testing.assert_array_equal(whole.flat, again.flat)
    whole.frozen = True
    before = whole.flat.copy()
    first, second = (drive(whole, observations[:60], rewards[:60]) for _ in range(2))
    np.testing.assert_array_equal(first[8:], second[8:])
    np.testing.assert_array_equal(whole.flat, before)


class View:
    """Observations are namespaces with `vector`, actions are their numbers."""

    def state(self, observation):
        return observation.vector

    def action(self, index):
        return index

    def index(self, action):
        return action


@pytest.mark.parametrize("kind", ["dqn", "drqn"])
def test_as_policies_of_the_simulator(kind):
    """Policies of an instant, submitted in any order, act as the stack does."""
    observations, rewards = experience(3, 180)
    wanted = drive(make(kind, 3), observations, rewards)
    stations = make(kind, 3)
    agents = [StationAgent(stations, m, View()) for m in range(3)]
    assert all(isinstance(agent, DeferredPolicy) for agent in agents)
    rng, old, taken = np.random.default_rng(1), None, []
    for t in range(180):
        new = [SimpleNamespace(slot=t, vector=observations[t, m]) for m in range(3)]
        row = np.zeros(3, int)
        order = rng.permutation(3)
        for m in order:
            if old is not None:
                reward = float(rewards[t - 1, m])
                agents[m].learn(Transition(old[m], int(taken[-1][m]), reward, new[m], False))
        for m in order:
            agents[m].submit(new[m])
        for m in order[::-1]:
            row[m] = agents[m].take()
        taken.append(row)
        old = new
    np.testing.assert_array_equal(np.array(taken), wanted)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["dqn", "drqn"])
def test_two_arms(kind, seed):
    """Check 6: which of two arms pays is told by the observation; DRQN is told one slot earlier only."""
    stations = make(kind, 2, Streams(seed), num_inputs=1, num_actions=2)
    rng = np.random.default_rng(seed)
    hint, agents, taken = rng.integers(0, 2, (1001, 2)), np.arange(2), None
    delay = 1 if kind == "drqn" else 0
    right, before = [], None
    for t in range(1, 1000):
        observation = hint[t][:, None].astype(np.float32)
        if before is not None:
            for m in agents:
                stations.push(m, before[m], int(taken[m]), float(right[-1][m]), observation[m])
        taken, before = stations.act(agents, observation, t), observation
        right.append(taken == hint[t - delay])
    # exploration leaves 0.6 (1 - 1e-4)^900 / 2 = 0.27 wrong even with the best policy
    assert np.array(right)[-300:].mean() > 0.65
    stations.frozen = True
    frozen = []
    for t in range(1, 300):
        taken = stations.act(agents, hint[t][:, None].astype(np.float32), t)
        frozen.append(taken == hint[t - delay])
    assert np.array(frozen)[10:].mean() > 0.95
