"""Our SAC, TD3 and DDPG beside stable-baselines3's, on SC-QoS itself through the Gymnasium adapter.

    python -m benchmarks.agents_scqos [--steps 4000] [--seeds 10] [--bank english] [--out FILE]

Equal for both: environment and worlds, relaxed actions, networks (three layers of 64), discount 0, learning
rates, batch, replay, target rate, noise, steps, steps between updates, random actions before the first
update. What stays different: initial weights, and the bounds of SAC's log deviation (-20 to 2 there, -5 to 1
here). Reward a slot without exploration on sentences and worlds that nobody learned from, 95 % (Student's t)
over seeds; the difference is Welch's.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from netsim import params, stats
from netsim.agents.ddpg import DdpgParameters, DdpgRule
from netsim.agents.networks import use_one_thread
from netsim.agents.off_policy import OffPolicy
from netsim.agents.sac import Sac, SacParameters
from netsim.agents.td3 import Td3, Td3Parameters
from netsim.envs.gymnasium_env import ScenarioEnv
from netsim.systems.scqos import Scqos

EVALUATION_RUNS, TEST_EPISODES = 5_000_000, 10
UNITS, LAYERS, BATCH, EVERY, LEARN_FROM, RATE, NOISE = 64, 3, 128, 4, 400, 1e-3, 0.2
COMMON = {"units": UNITS, "batch": BATCH, "learn_from": LEARN_FROM, "actor_rate": RATE, "critic_rate": RATE}
HIDDEN = (UNITS,) * LAYERS


def make_env(bank: str, world: int, sentences: str) -> ScenarioEnv:
    """Draws of the bank at level `paper`; `world` is the scenario's seed."""
    values = {"phy": "paper", "semantics.surrogate": "bank", "semantics.bank": bank, "seed": world}
    scenario = params.override(Scqos(), {**values, "semantics.sentences": sentences})
    assert isinstance(scenario, Scqos)
    return ScenarioEnv(scenario)


def test(bank: str, act: Callable[[np.ndarray], np.ndarray]) -> float:
    """Mean reward per slot without exploration."""
    env, rewards = make_env(bank, 123, "test"), []
    for episode in range(TEST_EPISODES):
        state, _ = env.reset(seed=EVALUATION_RUNS + episode)
        truncated = False
        while not truncated:
            state, _, _, truncated, info = env.step(act(state))
            rewards += info["rewards"]
    return float(np.mean(rewards))


def our_rule(name: str, sizes: tuple[int, int], seed: int) -> tuple[Any, Any]:
    """Rule and settings of one of ours."""
    if name == "SAC":
        sac = SacParameters(**COMMON)
        return Sac(*sizes, sac, HIDDEN, seed), sac
    if name == "TD3":
        td3 = Td3Parameters(noise=NOISE, **COMMON)
        return Td3(*sizes, td3, HIDDEN, seed), td3
    ddpg = DdpgParameters(
        discount=0.0, target_rate=5e-3, replay=0, random_overwrite=False, noise_first=NOISE, noise_last=NOISE,
        **COMMON,
    )  # fmt: skip
    return DdpgRule(*sizes, ddpg, HIDDEN, seed), ddpg


def ours(name: str, bank: str, steps: int, seed: int) -> float:
    """Our algorithm on the adapter."""
    env, draws = make_env(bank, seed, "training"), np.random.default_rng(seed)
    sizes = env.view.state_size, env.view.action_size
    rule, settings = our_rule(name, sizes, seed)
    agent = OffPolicy(rule, settings, EVERY, *sizes, steps)
    state, _ = env.reset(seed=0)
    for step in range(steps):
        blind = step < LEARN_FROM
        action = draws.uniform(-1, 1, sizes[1]).astype(np.float32) if blind else agent.explore(state, draws)
        following, reward, _, truncated, _ = env.step(action)
        agent.learn(state, action, reward, following, truncated, draws)
        state = env.reset()[0] if truncated else following
    return test(bank, lambda seen: rule.act(seen[None])[0])


def theirs(name: str, bank: str, steps: int, seed: int) -> float:
    """stable-baselines3's algorithm on the same adapter."""
    import stable_baselines3
    import torch
    from stable_baselines3.common.noise import NormalActionNoise

    env = make_env(bank, seed, "training")
    size = env.view.action_size
    extra: dict[str, Any] = {}
    if name != "SAC":
        extra["action_noise"] = NormalActionNoise(np.zeros(size), np.full(size, NOISE))
    agent = getattr(stable_baselines3, name)(
        "MlpPolicy", env, learning_rate=RATE, buffer_size=20_000, learning_starts=LEARN_FROM,
        batch_size=BATCH, tau=5e-3, gamma=0.0, train_freq=EVERY, gradient_steps=1, seed=seed, device="cpu",
        policy_kwargs={"net_arch": list(HIDDEN), "activation_fn": torch.nn.ReLU}, **extra,
    )  # fmt: skip
    agent.learn(steps)
    return test(bank, lambda state: agent.predict(state, deterministic=True)[0])


def main() -> None:
    """Runs all pairs and prints them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--bank", default="english")
    parser.add_argument("--out", type=Path, default=Path("results/published/agents-peers-scqos.csv"))
    options = parser.parse_args()
    use_one_thread()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = ("algorithm", "steps", "seeds", "ours", "low", "high", "theirs", "low", "high")
        writer.writerow((*names, "difference", "low", "high", "ours_cpu_s", "theirs_cpu_s"))
        for name in ("SAC", "TD3", "DDPG"):
            found, cost = [], []
            for work in (ours, theirs):
                started = time.process_time()
                seeds = range(options.seeds)
                found.append([work(name, options.bank, options.steps, seed) for seed in seeds])
                cost.append((time.process_time() - started) / options.seeds)
            a, b = (stats.mean_interval(values) for values in found)
            welch = scipy_stats.ttest_ind(*found, equal_var=False).confidence_interval()
            numbers = (a.mean, a.low, a.high, b.mean, b.low, b.high, a.mean - b.mean, welch.low, welch.high)
            writer.writerow((name, options.steps, options.seeds, *(f"{v:.4g}" for v in (*numbers, *cost))))
            file.flush()
            spans = f"[{a.low:.3f}, {a.high:.3f}]", f"[{b.low:.3f}, {b.high:.3f}]"
            apart = f"{a.mean - b.mean:+.3f} [{welch.low:.3f}, {welch.high:.3f}]"
            print(
                f"{name}, {options.steps} steps: ours {a.mean:.3f} {spans[0]}, theirs {b.mean:.3f} "
                f"{spans[1]}, difference {apart}; {cost[0]:.0f} and {cost[1]:.0f} CPU s a training",
                flush=True,
            )


if __name__ == "__main__":
    main()
