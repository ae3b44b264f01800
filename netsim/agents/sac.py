"""Soft actor-critic for continuous actions: a squashed Gaussian actor, twin critics, a learned temperature.

Sources: Haarnoja et al., "Soft actor-critic algorithms and applications", arXiv 1812.05905; SC-QoS (21)-(24),
whose targets, minimum and time indices are put right (specification scqos 5.5, E-20, E-21).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netsim.agents.networks import Adam, Mlp, layer_arrays
from netsim.agents.off_policy import Critics, OffPolicyParameters, Temperature
from phy.parameters import finite, parameter

_LOG_STD = (-5.0, 1.0)  # bounds of the log deviation (specification scqos 6.2)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_ROUND = 1e-6  # keeps log(1 - a^2) finite at the bounds


@dataclass(frozen=True)
class SacParameters(OffPolicyParameters):
    """Settings of SAC."""

    entropy: float | None = parameter(
        None, meaning="target entropy; none: minus the number of actions", source="scqos 5.5", rule=finite
    )


class SquashedActor:
    """a = tanh(mean + deviation * eps); the network gives means and log deviations.

    Args:
        inputs, actions: lengths. hidden: units of the hidden layers.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], actions: int, generator: torch.Generator, rate: float
    ) -> None:
        self.actions = actions
        self.network = Mlp((inputs, *hidden, 2 * actions), generator)
        self._adam = Adam(len(self.network.flat), rate)

    def sample(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """Actions float32[b, a] and their log densities [b, 1] for standard normal eps[b, a]; `climb` may
        follow.
        """
        self._kept = self.network.forward(x)
        mean, log_std = self._kept[-1].split(self.actions, 1)
        self._inside = (log_std > _LOG_STD[0]) & (log_std < _LOG_STD[1])
        log_std = log_std.clamp(*_LOG_STD)
        self._eps_std = eps * log_std.exp()
        self._action = torch.tanh(mean + self._eps_std)
        density = -0.5 * eps.square() - log_std - _HALF_LOG_2PI
        density -= torch.log(1.0 - self._action.square() + _ROUND)
        return self._action, density.sum(1, keepdim=True)

    def climb(self, slope: Tensor, temperature: float) -> None:
        """One step down E[temperature * log density - Q] at the last sample; `slope` [b, a] is dQ / da."""
        a = self._action
        room = 1.0 - a.square()
        # d(-log(1 - a^2 + r)) / du = 2 a (1 - a^2) / (1 - a^2 + r) with a = tanh u
        by_u = temperature * 2.0 * a * room / (room + _ROUND) - slope * room
        by_log_std = (by_u * self._eps_std - temperature) * self._inside
        gradient = self.network.backward(self._kept, torch.cat([by_u, by_log_std], 1) / len(a))
        self._adam.descend(self.network.flat, gradient)

    def mean(self, x: Tensor) -> Tensor:
        """tanh of the mean, float32[b, a]."""
        return torch.tanh(self.network.forward(x)[-1][:, : self.actions])

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The state by name, live."""
        return {prefix: self.network.flat} | self._adam.tensors(f"{prefix}.adam")

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Layers of the means: tanh of their output is the action."""
        layers = layer_arrays(self.network)
        last = len(self.network.sizes) - 2
        for kind in ("weight", "bias"):
            layers[f"{last}.{kind}"] = layers[f"{last}.{kind}"][: self.actions]
        return {prefix + name: array for name, array in layers.items()}


class Sac:
    """The rule of SAC on vectors; actions lie in [-1, 1].

    Args:
        hidden: units of the hidden layers of every network. seed: of the initial weights.
    """

    def __init__(
        self, state_size: int, action_size: int, parameters: SacParameters, hidden: Sequence[int], seed: int
    ) -> None:
        self.parameters = p = parameters
        generator = torch.Generator().manual_seed(seed)
        self.actor = SquashedActor(state_size, hidden, action_size, generator, p.actor_rate)
        self.critics = Critics((state_size + action_size, *hidden, 1), generator, p.critic_rate)
        self.temperature = Temperature(p.critic_rate)
        self.wanted = -float(action_size) if p.entropy is None else p.entropy

    def act(self, states: np.ndarray) -> np.ndarray:
        """The mean action float32[e, a] in states float32[e, s]."""
        return self.actor.mean(torch.from_numpy(states)).numpy()

    def explore(self, states: np.ndarray, draws: Sequence[np.random.Generator], done: float) -> np.ndarray:
        """A sample of the policy."""
        eps = normal_rows(draws, self.actor.actions)
        return self.actor.sample(torch.from_numpy(states), eps)[0].numpy()

    def update(
        self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, draws: np.random.Generator
    ) -> None:
        """Critics to the soft target, actor uphill, temperature to the wanted entropy."""
        p, alpha = self.parameters, self.temperature.value
        target = reward
        if p.discount > 0.0:
            following, density = self.actor.sample(next_state, normal(draws, action.shape))
            value = self.critics.least(torch.cat([next_state, following], 1)) - alpha * density
            target = reward + p.discount * value
        self.critics.fit(torch.cat([state, action], 1), target)
        chosen, density = self.actor.sample(state, normal(draws, action.shape))
        _, slope = self.critics.least_slope(torch.cat([state, chosen], 1), state.shape[1])
        self.actor.climb(slope, alpha)
        self.temperature.meet(-float(density.mean()) - self.wanted)
        self.critics.follow(p.target_rate)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, live."""
        parts = self.actor.tensors("actor"), self.critics.tensors("critic")
        return parts[0] | parts[1] | self.temperature.tensors("temperature")

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of the means."""
        return self.actor.arrays()


def normal(draws: np.random.Generator, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers, float32[*shape]."""
    return torch.from_numpy(draws.standard_normal(tuple(shape), dtype=np.float32))


def normal_rows(draws: Sequence[np.random.Generator], size: int) -> Tensor:
    """Standard normal numbers, a row from each generator: float32[e, size]."""
    rows = [one.standard_normal(size, dtype=np.float32) for one in draws]
    return torch.from_numpy(np.stack(rows))
