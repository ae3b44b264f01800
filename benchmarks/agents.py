"""Our DDPG and A3C beside stable-baselines3's DDPG and A2C, on TOSCN itself through the Gymnasium adapter.

    python benchmarks/agents.py [--steps 3000] [--seeds 3] [--out results/published/agents-peers.csv]

Equal for both: environment and worlds, networks (two layers of 64), discount, learning rates, batch, replay,
target rate, noise, steps, start of learning. What stays different: stable-baselines3 acts at random before it
learns and starts the actor's last layer wider; its A2C averages the four environments into one update where
A3C's four workers make four, and its Gaussian mean is not squashed. Rewards without exploration, per slot, 95
% (Student's t) over seeds; the difference is Welch's.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats as scipy_stats

from netsim import params, stats
from netsim.agents.a3c import A3c, A3cParameters
from netsim.agents.ddpg import DdpgParameters, ddpg
from netsim.agents.networks import use_one_thread
from netsim.envs.gymnasium_env import ScenarioEnv
from netsim.systems.toscn import Toscn

EVALUATION_RUNS, TEST_EPISODES = 5_000_000, 40
DIVISOR, SHIFT = 20.0, 0.8
DDPG = DdpgParameters(
    actor_rate=1e-3, critic_rate=1e-3, replay=0, random_overwrite=False, noise_first=0.2, noise_last=0.2
)  # fmt: skip
A3C = A3cParameters(actor_rate=3e-3, critic_rate=3e-3, reward_divisor=1.0)


def make_env(world: int) -> ScenarioEnv:
    """The paper's regime at level `paper`; `world` is the scenario's seed."""
    values = {"phy": "paper", "semantics.packet_bits": 1_600_000, "seed": world}
    scenario = params.override(Toscn(), values)
    assert isinstance(scenario, Toscn)
    return ScenarioEnv(scenario, None, DIVISOR, SHIFT)


def test(act) -> float:
    """Mean reward per slot without exploration, on worlds that nobody learned from."""
    env, total, steps = make_env(123), 0.0, 0
    for episode in range(TEST_EPISODES):
        state, _ = env.reset(seed=EVALUATION_RUNS + episode)
        truncated = False
        while not truncated:
            state, _, _, truncated, info = env.step(act(state))
            total += sum(info["rewards"])
            steps += 1
    return total / steps


def rollouts(env: ScenarioEnv, steps: int, act, learn) -> None:
    """Plays `steps` steps, episode after episode."""
    state, _ = env.reset(seed=0)
    for _ in range(steps):
        action = act(state)
        following, reward, _, truncated, _ = env.step(np.clip(action, -1.0, 1.0))
        learn(state, action, reward, following, truncated)
        state = env.reset()[0] if truncated else following


def our_ddpg(discount: float, steps: int, seed: int) -> float:
    """Our algorithm on the adapter."""
    env, draws = make_env(seed), np.random.default_rng(seed)
    agent = ddpg(15, 18, replace(DDPG, discount=discount), steps, seed)
    rollouts(env, steps, partial(agent.explore, draws=draws), lambda *step: agent.learn(*step, draws))
    return test(lambda state: agent.rule.act(state[None])[0])


def their_ddpg(discount: float, steps: int, seed: int) -> float:
    """stable-baselines3's algorithm on the same adapter."""
    import stable_baselines3
    from stable_baselines3.common.noise import NormalActionNoise

    agent = stable_baselines3.DDPG(
        "MlpPolicy", make_env(seed), learning_rate=DDPG.actor_rate, buffer_size=steps,
        learning_starts=DDPG.learn_from, batch_size=DDPG.batch, tau=DDPG.target_rate, gamma=discount,
        train_freq=1, gradient_steps=1, seed=seed, policy_kwargs={"net_arch": [64, 64]}, device="cpu",
        action_noise=NormalActionNoise(np.zeros(18), np.full(18, DDPG.noise_first)),
    )  # fmt: skip
    agent.learn(steps)
    return test(lambda state: agent.predict(state, deterministic=True)[0])


def our_a3c(discount: float, steps: int, seed: int) -> float:
    """Four workers in turns, an episode each; `steps` over all workers."""
    draws = np.random.default_rng(seed)
    agent = A3c(15, 18, replace(A3C, discount=discount), seed)
    envs = [make_env(1000 * (seed + 1) + k) for k in range(len(agent.workers))]
    for episode in range(steps // (10 * len(envs))):
        for env, worker in zip(envs, agent.workers):
            state, _ = env.reset(seed=episode)
            truncated = False
            while not truncated:
                action = worker.explore(state, draws)
                following, reward, _, truncated, _ = env.step(np.clip(action, -1.0, 1.0))
                worker.learn(state, action, reward, following, truncated, draws)
                state = following

    def act(state: np.ndarray) -> np.ndarray:
        x = state
        layers = agent.policy_arrays()
        for k in range(2):
            x = np.maximum(layers[f"{k}.weight"] @ x + layers[f"{k}.bias"], 0.0)
        return np.tanh(layers["2.weight"] @ x + layers["2.bias"])

    return test(act)


def their_a2c(discount: float, steps: int, seed: int) -> float:
    """The synchronous relative of A3C, four environments."""
    import stable_baselines3
    import torch
    from stable_baselines3.common.vec_env import DummyVecEnv

    envs = DummyVecEnv([partial(make_env, 1000 * (seed + 1) + k) for k in range(A3C.workers)])
    kwargs = {
        "net_arch": [64, 64], "log_std_init": A3C.log_deviation, "activation_fn": torch.nn.ReLU,
        "optimizer_class": torch.optim.Adam,
    }  # fmt: skip
    agent = stable_baselines3.A2C(
        "MlpPolicy", envs, learning_rate=A3C.actor_rate, n_steps=A3C.rollout, gamma=discount, gae_lambda=1.0,
        ent_coef=A3C.entropy_weight, vf_coef=A3C.value_weight, max_grad_norm=A3C.gradient_norm,
        use_rms_prop=False, seed=seed, policy_kwargs=kwargs, device="cpu",
    )  # fmt: skip
    agent.learn(steps)
    return test(lambda state: agent.predict(state, deterministic=True)[0])


def main() -> None:
    """Runs all pairs and prints them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--steps", type=int, default=3000, help="of DDPG; A3C and A2C take four times as many"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/published/agents-peers.csv"))
    options = parser.parse_args()
    use_one_thread()
    pairs = [
        ("DDPG", 0.9, options.steps, our_ddpg, their_ddpg),
        ("DDPG", 0.0, options.steps, our_ddpg, their_ddpg),
        ("A3C / A2C", 0.9, 4 * options.steps, our_a3c, their_a2c),
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = ("algorithm", "discount", "steps", "seeds", "ours", "low", "high", "theirs", "low", "high")
        writer.writerow((*names, "difference", "low", "high", "ours_cpu_s", "theirs_cpu_s"))
        for name, discount, steps, ours, theirs in pairs:
            found, cost = [], []
            for work in (ours, theirs):
                started = time.process_time()
                found.append([work(discount, steps, seed) for seed in range(options.seeds)])
                cost.append((time.process_time() - started) / options.seeds)
            a, b = (stats.mean_interval(values) for values in found)
            welch = scipy_stats.ttest_ind(*found, equal_var=False).confidence_interval()
            numbers = (a.mean, a.low, a.high, b.mean, b.low, b.high, a.mean - b.mean, welch.low, welch.high)
            row = (name, discount, steps, options.seeds, *(f"{v:.4g}" for v in (*numbers, *cost)))
            writer.writerow(row)
            file.flush()
            print(
                f"{name}, discount {discount}, {steps} steps: ours {a.mean:.2f} [{a.low:.2f}, {a.high:.2f}], "
                f"stable-baselines3 {b.mean:.2f} [{b.low:.2f}, {b.high:.2f}], difference "
                f"{a.mean - b.mean:+.2f} [{welch.low:.2f}, {welch.high:.2f}]; "
                f"{cost[0]:.0f} and {cost[1]:.0f} CPU s a training",
                flush=True,
            )


if __name__ == "__main__":
    main()
