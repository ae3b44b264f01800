"""Learning algorithms on vectors: gradients against autograd, toys with known optimum, files."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from netsim.agents import a3c, ddpg, files, greedy, greedy_sc  # noqa: E402
from netsim.agents.networks import Adam, Mlp, use_one_thread  # noqa: E402
from netsim.agents.replay import Replay  # noqa: E402
from phy.parameters import ParameterError  # noqa: E402

use_one_thread()


def test_chain_rule_equals_autograd():
    generator = torch.Generator().manual_seed(1)
    network = Mlp((5, 16, 16, 3), generator, extra=2, extra_value=-1.0)
    x = torch.randn(7, 5, generator=generator).requires_grad_()
    slope = torch.randn(7, 3, generator=generator)
    loss = (network(x) * slope).sum() + network.extra.sum() * 0.0
    by_input = torch.autograd.grad(loss, x, retain_graph=True)[0]
    kept = network.forward(x.detach())
    torch.testing.assert_close(kept[-1], network(x).detach())
    torch.testing.assert_close(network.backward(kept, slope, weights=False), by_input)
    torch.testing.assert_close(network.backward(kept, slope), network.gradient(loss))


def test_adam_equals_torch():
    generator = torch.Generator().manual_seed(2)
    flat, ours = torch.randn(20, generator=generator), Adam(20, 1e-2)
    theirs = flat.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=1e-2)
    for _ in range(30):
        gradient = torch.randn(20, generator=generator)
        ours.descend(flat, gradient)
        theirs.grad = gradient.clone()
        optimiser.step()
    torch.testing.assert_close(flat, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_a3c_gradient_equals_autograd():
    """The written-out policy gradient against the loss of specification toscn 4.4."""
    parameters = a3c.A3cParameters(value_weight=0.3, entropy_weight=0.01)
    worker = a3c.A3c(4, 3, parameters, seed=5).workers[0]
    rng = np.random.default_rng(0)
    states, actions = rng.standard_normal((6, 4), np.float32), rng.standard_normal((6, 3), np.float32)
    rewards = rng.standard_normal(6)
    worker._rollout = list(zip(states, actions, rewards))
    last = rng.standard_normal(4, np.float32)
    ours = [g.clone() for g in worker._gradients(last)]

    value = worker.critic(torch.from_numpy(states))
    following = float(worker.critic(torch.from_numpy(last)[None]).detach())
    returns = []
    for reward in rewards[::-1]:
        following = reward + parameters.discount * following
        returns.insert(0, following)
    advantage = torch.tensor(returns, dtype=torch.float32)[:, None] - value
    mean = torch.tanh(worker.actor(torch.from_numpy(states)))
    law = torch.distributions.Normal(mean, torch.exp(worker.actor.extra))
    log_probability = law.log_prob(torch.from_numpy(actions)).sum(1, keepdim=True)
    entropy = law.entropy().sum(1).mean()
    policy_loss = -(log_probability * advantage.detach()).mean() - parameters.entropy_weight * entropy
    torch.testing.assert_close(ours[0], worker.actor.gradient(policy_loss), rtol=1e-4, atol=1e-6)
    value_loss = parameters.value_weight * advantage.square().mean()
    torch.testing.assert_close(ours[1], worker.critic.gradient(value_loss), rtol=1e-4, atol=1e-6)


def _regulator(act, learn, steps, rng):
    """A linear-quadratic task: s' = 0.8 s + 0.5 a[0], reward 1 - s^2 - (a[1] - 0.5 sign)^2, context sign.

    Returns the states and contexts seen; `act(state vector)` and `learn(...)` are the agent's.
    """
    s, sign = 0.0, 1.0
    rewards = []
    for k in range(steps):
        state = np.array([s, sign], np.float32)
        action = act(state, k)
        a = np.clip(action, -1.0, 1.0)
        reward = 1.0 - s**2 - (a[1] - 0.5 * sign) ** 2
        s = float(np.clip(0.8 * s + 0.5 * a[0] + 0.3 * rng.standard_normal(), -2.0, 2.0))
        sign = float(rng.choice([-1.0, 1.0]))
        truncated = (k + 1) % 20 == 0
        learn(state, action, reward, np.array([s, sign], np.float32), truncated, k)
        rewards.append(reward)
    return np.array(rewards)


def _tested(act, seed):
    """Mean reward without exploration over 2000 steps of the regulator."""
    return _regulator(lambda s, k: act(s), lambda *_: None, 2000, np.random.default_rng(1000 + seed)).mean()


# the optimum pushes a[0] = clip(-1.6 s) so that s' is noise alone: E[1 - s^2] = 1 - 0.09; without it the
# stationary variance is 0.09 / (1 - 0.64) = 0.25
OPTIMUM, PASSIVE = 0.91, 0.75


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ddpg_solves_a_regulator(seed):
    """Context and state feedback are both found: within 0.04 of the optimum, on each of 3 seeds."""
    parameters = ddpg.DdpgParameters(
        actor_rate=1e-3, critic_rate=3e-3, replay=0, noise_first=0.4, noise_last=0.1,
        actor_gradient="inverting", units=32, learn_from=100,
    )  # fmt: skip
    agent = ddpg.ddpg(2, 2, parameters, 1500, seed)
    rng, draws = np.random.default_rng(seed), np.random.default_rng(100 + seed)

    def act(state):
        return agent.rule.act(state[None])[0]

    before = _tested(act, seed)
    _regulator(
        lambda s, k: agent.explore(s, draws),
        lambda s, a, r, n, t, k: agent.learn(s, a, r, n, t, draws),
        1500,
        rng,
    )
    after = _tested(act, seed)
    assert before < PASSIVE - 0.2
    assert OPTIMUM - 0.04 < after < OPTIMUM + 0.02


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a3c_solves_a_regulator(seed):
    """As for DDPG, with four workers in turns; the context is found fully, the feedback mostly."""
    parameters = a3c.A3cParameters(actor_rate=3e-3, critic_rate=1e-2, rollout=20, reward_divisor=1.0)
    agent = a3c.A3c(2, 2, parameters, seed)
    worlds = [np.random.default_rng([seed, k]) for k in range(4)]
    for turn in range(1500):
        k = turn % 4
        worker, rng = agent.workers[k], worlds[k]
        _regulator(
            lambda s, i, w=worker, g=rng: w.explore(s, g),
            lambda s, a, r, n, t, i, w=worker, g=rng: w.learn(s, a, r, n, t, g),
            20,
            rng,
        )

    def act(state):
        return np.tanh(agent.shared.actor.forward(torch.from_numpy(state)[None])[-1][0].numpy())

    assert OPTIMUM - 0.06 < _tested(act, seed) < OPTIMUM + 0.02


def test_presets_are_those_of_the_specification():
    paper, tuned = ddpg.preset("paper"), ddpg.preset("tuned")
    assert (paper.discount, paper.target_rate, paper.batch, paper.replay) == (0.9, 0.01, 64, 150)
    assert (paper.actor_rate, paper.critic_rate, paper.noise_first, paper.noise_last) == (
        3e-4,
        5e-4,
        0.1,
        0.1,
    )
    assert (tuned.actor_rate, tuned.critic_rate, tuned.noise_first, tuned.noise_last) == (
        1e-4,
        1e-3,
        0.3,
        0.05,
    )
    assert (tuned.replay, tuned.learn_from, tuned.reward_divisor, tuned.reward_shift) == (0, 150, 20.0, 0.8)
    assert greedy.parameters("tuned").discount == greedy_sc.parameters("paper").discount == 0.0
    assert greedy_sc.COMPRESS and not greedy.COMPRESS


def test_replay_overwrites_as_asked():
    draws = np.random.default_rng(0)
    oldest, anywhere = Replay(4, 1, 1, False), Replay(4, 1, 1, True)
    for k in range(7):
        for replay in (oldest, anywhere):
            replay.add(np.array([k]), np.array([0]), float(k), np.array([k + 1]), draws)
    assert oldest.reward[:, 0].tolist() == [4.0, 5.0, 6.0, 3.0]
    assert len(anywhere) == 4 and 6.0 in anywhere.reward and (anywhere.next_state == anywhere.state + 1).all()
    again = Replay(4, 1, 1, True)
    again.restore(anywhere.arrays())
    np.testing.assert_array_equal(again.state, anywhere.state)
    assert again.added == 7


def test_files_carry_no_code_and_say_what_is_wrong(tmp_path):
    path = tmp_path / "a.safetensors"
    files.save(path, {"x": np.arange(3.0)}, {"agent": "ddpg"})
    arrays, about = files.load(path)
    assert arrays["x"].tolist() == [0.0, 1.0, 2.0] and about == {"agent": "ddpg"}
    assert not list(tmp_path.glob("*.part"))
    with pytest.raises(ParameterError, match="no such file"):
        files.load(tmp_path / "b")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ParameterError, match="must be a safetensors file"):
        files.load(path)
    from safetensors.numpy import save_file

    save_file({"x": np.arange(3.0)}, path)
    with pytest.raises(ParameterError, match="format None"):
        files.load(path)
