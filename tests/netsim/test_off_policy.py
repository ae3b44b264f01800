"""SAC, discrete SAC, both together, TD3 and D3QN: gradients against autograd, toys with known optimum."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from netsim.agents.d3qn import D3qn, D3qnParameters, duelling  # noqa: E402
from netsim.agents.ddpg import DdpgParameters, DdpgRule  # noqa: E402
from netsim.agents.discrete_sac import DiscreteSac, DiscreteSacParameters, sampled  # noqa: E402
from netsim.agents.hybrid import Hybrid, HybridParameters  # noqa: E402
from netsim.agents.networks import use_one_thread  # noqa: E402
from netsim.agents.off_policy import Critics, OffPolicy, OffPolicyParameters  # noqa: E402
from netsim.agents.sac import Sac, SacParameters  # noqa: E402
from netsim.agents.td3 import Td3, Td3Parameters  # noqa: E402
from netsim.systems.scqos_model import (  # noqa: E402
    Utility,
    best_split,
    latency_price,
    least_latency_cost,
)

use_one_thread()
FAST = {"units": 32, "batch": 64, "actor_rate": 3e-3, "critic_rate": 3e-3, "learn_from": 100}
HIDDEN = (32, 32)


def _learner(rule, parameters, state_size, action_size, horizon, every=1):
    return OffPolicy(rule, parameters, every, state_size, action_size, horizon)


# gradients


def test_sac_gradients_equal_autograd():
    """Actor and critics of one update against the losses of specification 5.5, written with torch."""
    agent = Sac(3, 2, SacParameters(), (16, 16), seed=1)
    generator = torch.Generator().manual_seed(2)
    x, eps = torch.randn(9, 3, generator=generator), torch.randn(9, 2, generator=generator)
    alpha = 0.3
    mean, log_std = agent.actor.network(x).split(2, 1)
    u = mean + log_std.clamp(-5.0, 1.0).exp() * eps
    a = torch.tanh(u)
    law = torch.distributions.Normal(mean, log_std.clamp(-5.0, 1.0).exp())
    density = (law.log_prob(u) - torch.log(1.0 - a.square() + 1e-6)).sum(1, keepdim=True)
    values = torch.cat([critic(torch.cat([x, a], 1)) for critic in agent.critics.online], 1)
    expected = agent.actor.network.gradient((alpha * density - values.min(1, keepdim=True)[0]).mean())
    action, found = agent.actor.sample(x, eps)
    torch.testing.assert_close(action, a.detach())
    torch.testing.assert_close(found, density.detach(), rtol=1e-4, atol=1e-4)
    _, slope = agent.critics.least_slope(torch.cat([x, action], 1), 3)
    seen = []
    agent.actor._adam.descend = lambda flat, gradient: seen.append(gradient.clone())
    agent.actor.climb(slope, alpha)
    torch.testing.assert_close(seen[0], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("parts", [None, np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]], np.float32)])
def test_discrete_actor_gradient_equals_autograd(parts):
    from netsim.agents.discrete_sac import CategoricalActor

    generator = torch.Generator().manual_seed(3)
    actor = CategoricalActor(3, (16,), 4, generator, 1e-3, parts)
    x, values = torch.randn(7, 3, generator=generator), torch.randn(7, 4, generator=generator)
    logits = actor.network(x) if parts is None else actor.network(x) @ torch.from_numpy(parts).t()
    log_probability = torch.log_softmax(logits, 1)
    loss = (log_probability.exp() * (0.2 * log_probability - values)).sum(1).mean()
    seen = []
    actor._adam.descend = lambda flat, gradient: seen.append(gradient.clone())
    actor.climb(actor.log_probability(x), values, 0.2)
    torch.testing.assert_close(seen[0], actor.network.gradient(loss), rtol=1e-3, atol=1e-6)
    layers = actor.arrays()  # what acts has an output for every action
    hidden = np.maximum(x.numpy() @ layers["0.weight"].T + layers["0.bias"], 0.0)
    np.testing.assert_allclose(
        hidden @ layers["1.weight"].T + layers["1.bias"], logits.detach().numpy(), atol=1e-5
    )


def test_d3qn_gradient_equals_autograd():
    agent = D3qn(3, 5, D3qnParameters(), (16,), seed=4)
    generator = torch.Generator().manual_seed(5)
    x, reward = torch.randn(8, 3, generator=generator), 3.0 * torch.randn(8, 1, generator=generator)
    action = torch.randint(0, 5, (8, 1), generator=generator)
    online = agent.critics.online[0]
    q = duelling(online(x)).gather(1, action)
    expected = online.gradient(torch.nn.functional.huber_loss(q, reward))
    seen = []
    agent.critics.adam[0].descend = lambda flat, gradient: seen.append(gradient.clone())
    agent.update(x, action.float(), reward, x, np.random.default_rng(0))
    torch.testing.assert_close(seen[0], expected, rtol=1e-3, atol=1e-6)


def test_critics_fit_follow_and_take_the_smaller():
    """Check 18: only the online networks are fitted; targets move by the rate, and by nothing else."""
    critics = Critics((2, 8, 3), torch.Generator().manual_seed(6), 1e-2)
    before = [network.flat.detach().clone() for network in (*critics.online, *critics.target)]
    x, column = torch.randn(16, 2), torch.randint(0, 3, (16, 1))
    assert torch.equal(before[0], before[2]) and not torch.equal(before[0], before[1])
    critics.fit(x, torch.ones(16, 1), column)
    assert torch.equal(critics.target[0].flat, before[2]), "a fit leaves the targets alone"
    critics.follow(0.25)
    expected = 0.75 * before[2] + 0.25 * critics.online[0].flat.detach()
    torch.testing.assert_close(critics.target[0].flat.detach(), expected)
    torch.testing.assert_close(
        critics.least(x), torch.minimum(*(t.forward(x)[-1] for t in critics.target)).detach()
    )


def test_sampling_is_by_probability():
    probability = torch.tensor([[0.5, 0.25, 0.25]]).repeat(4000, 1)
    drawn = sampled(probability.log(), np.random.default_rng(0).random((4000, 1)))
    counts = np.bincount(drawn[:, 0], minlength=3) / 4000
    np.testing.assert_allclose(counts, [0.5, 0.25, 0.25], atol=4.0 * np.sqrt(0.25 / 4000))


# toys with known optimum


def _regulator(agent, steps, seed):
    """s' = 0.8 s + 0.5 a[0] + noise, reward 1 - s^2 - (a[1] - 0.5 sign)^2, context sign: as in
    test_agents.py; the optimum is 0.91, doing nothing about s gives 0.75.
    """

    def play(act, learn, count, rng):
        s, sign, rewards = 0.0, 1.0, []
        for _ in range(count):
            state = np.array([s, sign], np.float32)
            action = act(state)
            a = np.clip(action, -1.0, 1.0)
            rewards.append(1.0 - s**2 - (a[1] - 0.5 * sign) ** 2)
            s = float(np.clip(0.8 * s + 0.5 * a[0] + 0.3 * rng.standard_normal(), -2.0, 2.0))
            sign = float(rng.choice([-1.0, 1.0]))
            learn(state, action, rewards[-1], np.array([s, sign], np.float32))
        return float(np.mean(rewards))

    draws = np.random.default_rng(seed)
    learn = lambda state, action, reward, after: agent.learn(state, action, reward, after, False, draws)  # noqa: E731
    play(lambda state: agent.explore(state, draws), learn, steps, np.random.default_rng(100 + seed))
    test = np.random.default_rng(1000 + seed)
    return play(lambda state: agent.rule.act(state[None])[0], lambda *_: None, 2000, test)


def _continuous(name, discount, seed, state_size=2, action_size=2, horizon=2000):
    if name == "sac":
        p = SacParameters(discount=discount, target_rate=0.01, **FAST)
        rule = Sac(state_size, action_size, p, HIDDEN, seed)
    elif name == "td3":
        p = Td3Parameters(discount=discount, target_rate=0.01, **FAST)
        rule = Td3(state_size, action_size, p, HIDDEN, seed)
    else:
        p = DdpgParameters(discount=discount, replay=0, random_overwrite=False, noise_first=0.3, **FAST)
        rule = DdpgRule(state_size, action_size, p, HIDDEN, seed)
    return _learner(rule, p, state_size, action_size, horizon)


@pytest.mark.parametrize(("name", "seed"), [("sac", 0), ("td3", 0), ("ddpg", 0)])
def test_continuous_agents_solve_a_regulator(name, seed):
    assert _regulator(_continuous(name, 0.9, seed, horizon=1500), 1500, seed) > 0.91 - 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sac", "td3", "ddpg"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_continuous_agents_solve_a_regulator_from_other_seeds(name, seed):
    assert _regulator(_continuous(name, 0.9, seed, horizon=2500), 2500, seed) > 0.91 - 0.05


@pytest.mark.parametrize("name", ["sac", "td3", "ddpg"])
def test_the_band_is_split_as_in_closed_form(name):
    """Check 17: bits and power fixed, the agent splits the band; Psi within 2 % of the best split."""
    utility, band, bits = Utility(), 90e3, np.array([1, 2, 1])
    agent, rng = _continuous(name, 0.0, 5, 3, 3, horizon=3000), np.random.default_rng(7)
    worth = 2.0  # of the sentences, so that Psi is about 1.7

    def contexts(count):
        snr_db = rng.uniform(4.0, 22.0, (count, 3))
        return ((snr_db - 13.0) / 5.0).astype(np.float32), latency_price(utility, bits, 10 ** (snr_db / 10))

    def psi(action, price):
        share = np.exp(2.0 * np.clip(action, -1.0, 1.0))
        return worth - (price / (band * share / share.sum(axis=-1, keepdims=True))).sum(axis=-1)

    states, prices = contexts(3000)
    for state, price in zip(states, prices):
        action = agent.explore(state, rng)
        # costs of hundredths: scaled so that they are seen
        agent.learn(state, action, 10.0 * (psi(action, price) - worth + 0.3), state, False, rng)
    states, prices = contexts(2000)
    best = worth - least_latency_cost(prices, band)
    np.testing.assert_allclose(psi(0.5 * np.log(best_split(prices) * 3.0), prices), best, rtol=1e-9)
    assert psi(agent.rule.act(states), prices).mean() > 0.98 * best.mean()
    cost = psi(agent.rule.act(states), prices).mean() - best.mean()
    equal = psi(np.zeros((2000, 3)), prices).mean() - best.mean()
    assert cost > 0.7 * equal, "better than equal shares, which are within 2 % already"


def _chain():
    """Five states in a row, action 1 right, 0 left, 2 stays; the right end pays 1, the left end 0.3.
    Returns next state, reward and the optimal values at discount 0.9.
    """
    after = np.array([[max(s - 1, 0), min(s + 1, 4), s] for s in range(5)])
    reward = (after == 4) * 1.0 + (after == 0) * 0.3
    q = np.zeros((5, 3))
    for _ in range(500):
        q = reward + 0.9 * q.max(axis=1)[after]
    return after, reward, q


def _walk(agent, steps, seed):
    after, reward, _ = _chain()
    rng, s = np.random.default_rng(seed), 0
    eye = np.eye(5, dtype=np.float32)
    for k in range(steps):
        action = agent.explore(eye[s], rng)
        a = int(action[0])
        agent.learn(eye[s], action, reward[s, a], eye[after[s, a]], False, rng)
        s = int(rng.integers(5)) if k % 10 == 9 else int(after[s, a])
    return agent.rule.act(eye)[:, 0].astype(int)


def test_d3qn_finds_values_and_policy_of_a_chain():
    p = D3qnParameters(discount=0.9, target_rate=0.05, **{**FAST, "batch": 32})
    agent = _learner(D3qn(5, 3, p, HIDDEN, seed=0), p, 5, 1, 2500)
    found = _walk(agent, 2500, 0)
    _, _, q = _chain()
    assert all(q[s, a] == q[s].max() for s, a in enumerate(found))
    values = duelling(agent.rule.critics.online[0].forward(torch.eye(5))[-1]).numpy()
    np.testing.assert_allclose(values.max(axis=1), q.max(axis=1), rtol=0.1)


def test_discrete_sac_finds_the_policy_of_a_chain():
    """With little entropy wanted, the soft optimum is the optimum."""
    p = DiscreteSacParameters(discount=0.9, target_rate=0.05, entropy=0.1, **{**FAST, "batch": 32})
    agent = _learner(DiscreteSac(5, 3, p, HIDDEN, seed=0), p, 5, 1, 3000)
    found = _walk(agent, 3000, 1)
    _, _, q = _chain()
    assert all(q[s, a] == q[s].max() for s, a in enumerate(found))


def test_discrete_sac_finds_the_best_of_162_and_its_temperature_falls_for_ever_below_zero_entropy():
    """Check 16: one state, 162 actions, 2000 updates; a target entropy of -1 is never met (E-20)."""
    worth = np.random.default_rng(0).uniform(0.0, 1.0, 162)
    temperatures = {}
    for wanted in (None, -1.0):
        p = DiscreteSacParameters(entropy=wanted, **{**FAST, "batch": 32})
        agent = _learner(DiscreteSac(1, 162, p, (32,), seed=1), p, 1, 1, 2100)
        rng, state = np.random.default_rng(2), np.ones(1, np.float32)
        temperatures[wanted] = []
        for _ in range(2100 if wanted is None else 600):
            action = agent.explore(state, rng)
            reward = worth[int(action[0])] + 0.1 * rng.standard_normal()
            agent.learn(state, action, reward, state, False, rng)
            temperatures[wanted].append(agent.rule.temperature.value)
        if wanted is None:
            chosen = int(agent.rule.act(state[None])[0, 0])
            assert worth[chosen] >= np.sort(worth)[-3], "one of the three best, which lie within the noise"
    learning = np.array(temperatures[-1.0][100:])
    assert (np.diff(learning) < 0.0).all()


@pytest.mark.parametrize("heads", ["joint", "user"])
def test_hybrid_finds_both_parts(heads):
    """Two contexts, four discrete actions, each with a best continuous value of its own: the optimum is 1."""
    best, place = {-1.0: 1, 1.0: 2}, np.array([0.5, -0.6, 0.6, 0.0])
    told = np.eye(4, dtype=np.float32)
    parts = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]], np.float32)
    p = HybridParameters(heads=heads, discrete_entropy=0.1, **{**FAST, "batch": 32})
    agent = _learner(Hybrid(1, 1, told, parts, p, HIDDEN, seed=0), p, 1, 2, 2000)
    rng = np.random.default_rng(3)

    def reward(context, action):
        k = int(action[0])
        return (k == best[context]) - (action[1] - place[k]) ** 2

    for _ in range(2000):
        context = float(rng.choice([-1.0, 1.0]))
        state = np.array([context], np.float32)
        action = agent.explore(state, rng)
        agent.learn(state, action, reward(context, action), state, False, rng)
    for context in best:
        action = agent.rule.act(np.array([[context]], np.float32))[0]
        assert reward(context, action) > 0.95, (context, action)


def test_memory_counts_scales_and_waits():
    p = OffPolicyParameters(learn_from=4, batch=2, replay=5, reward_divisor=2.0, reward_shift=1.0)
    updates = []

    class Counting:
        def update(self, state, action, reward, next_state, draws):
            updates.append(agent.replay.added)

    agent = OffPolicy(Counting(), p, 3, 1, 1, horizon=100)
    one, rng = np.ones(1, np.float32), np.random.default_rng(0)
    for _ in range(10):
        agent.learn(one, one, 4.0, one, False, rng)
    assert updates == [6, 9] and len(agent.replay) == 5
    assert (agent.replay.reward == 1.0).all() and agent.done == 0.1
