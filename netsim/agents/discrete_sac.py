"""Soft actor-critic for one discrete action: expectations over all actions in place of samples.

Sources: Christodoulou, "Soft actor-critic for discrete action settings", arXiv 1910.07207; SC-QoS (25)-(27),
corrected as in specification scqos 5.5. The paper's target entropy of -1 cannot be met by a discrete policy,
whose entropy is at least 0 (E-20): the temperature then only falls.
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

_ENTROPY_SHARE = 0.2  # of the largest possible entropy (specification scqos 5.5)


@dataclass(frozen=True)
class DiscreteSacParameters(OffPolicyParameters):
    """Settings of discrete SAC."""

    entropy: float | None = parameter(
        None, meaning="target entropy in nats; none: 0.2 ln(number of actions)", source="scqos 5.5",
        rule=finite,
    )  # fmt: skip


class CategoricalActor:
    """A softmax policy over a finite set of actions.

    Args:
        inputs: length of the state. hidden: units of the hidden layers.
        parts: float32[actions, outputs]: the logits are parts @ (the network's outputs), so that actions that
            are made of the same parts share them; none: an output for every action.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        actions: int,
        generator: torch.Generator,
        rate: float,
        parts: np.ndarray | None = None,
    ) -> None:
        self._parts = None if parts is None else torch.from_numpy(parts)
        outputs = actions if parts is None else parts.shape[1]
        self.network = Mlp((inputs, *hidden, outputs), generator)
        self._adam = Adam(len(self.network.flat), rate)

    def log_probability(self, x: Tensor) -> Tensor:
        """float32[b, actions]; `climb` may follow."""
        self._kept = self.network.forward(x)
        logits = self._kept[-1] if self._parts is None else self._kept[-1] @ self._parts.t()
        return torch.log_softmax(logits, 1)

    def climb(self, log_probability: Tensor, values: Tensor, temperature: float) -> None:
        """One step down E sum_a pi_a (temperature log pi_a - Q_a), values float32[b, actions] being Q, at the
        last `log_probability`.
        """
        probability = log_probability.exp()
        cost = temperature * log_probability - values
        slope = probability * (cost - (probability * cost).sum(1, keepdim=True)) / len(values)
        if self._parts is not None:
            slope = slope @ self._parts
        self._adam.descend(self.network.flat, self.network.backward(self._kept, slope))

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The state by name, live."""
        return {prefix: self.network.flat} | self._adam.tensors(f"{prefix}.adam")

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Layers of the logits of all actions."""
        layers = layer_arrays(self.network)
        if self._parts is not None:
            last = len(self.network.sizes) - 2
            for kind in ("weight", "bias"):
                layers[f"{last}.{kind}"] = self._parts.numpy() @ layers[f"{last}.{kind}"]
        return {prefix + name: array for name, array in layers.items()}


class DiscreteSac:
    """The rule of discrete SAC; an action vector is the index of the action, float32[1].

    Args:
        hidden: units of the hidden layers of every network. seed: of the initial weights.
    """

    def __init__(
        self,
        state_size: int,
        num_actions: int,
        parameters: DiscreteSacParameters,
        hidden: Sequence[int],
        seed: int,
    ) -> None:
        self.parameters = p = parameters
        generator = torch.Generator().manual_seed(seed)
        self.actor = CategoricalActor(state_size, hidden, num_actions, generator, p.actor_rate)
        self.critics = Critics((state_size, *hidden, num_actions), generator, p.critic_rate)
        self.temperature = Temperature(p.critic_rate)
        self.wanted = _ENTROPY_SHARE * math.log(num_actions) if p.entropy is None else p.entropy

    def act(self, states: np.ndarray) -> np.ndarray:
        """The likeliest action, float32[e, 1]."""
        return self.actor.log_probability(torch.from_numpy(states)).argmax(1, keepdim=True).float().numpy()

    def explore(self, states: np.ndarray, draws: Sequence[np.random.Generator], done: float) -> np.ndarray:
        """A sample of the policy, float32[e, 1]."""
        log_probability = self.actor.log_probability(torch.from_numpy(states))
        return sampled(log_probability, np.array([[one.random()] for one in draws])).astype(np.float32)

    def update(
        self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, draws: np.random.Generator
    ) -> None:
        """Critics to the soft target, actor downhill, temperature to the wanted entropy."""
        p, alpha = self.parameters, self.temperature.value
        target = reward
        if p.discount > 0.0:
            following = self.actor.log_probability(next_state)
            value = self.critics.least(next_state) - alpha * following
            target = reward + p.discount * (following.exp() * value).sum(1, keepdim=True)
        self.critics.fit(state, target, action.long())
        log_probability = self.actor.log_probability(state)
        self.actor.climb(log_probability, self.critics.least_online(state), alpha)
        self.temperature.meet(mean_entropy(log_probability) - self.wanted)
        self.critics.follow(p.target_rate)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, live."""
        parts = self.actor.tensors("actor"), self.critics.tensors("critic")
        return parts[0] | parts[1] | self.temperature.tensors("temperature")

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of the logits."""
        return self.actor.arrays()


def sampled(log_probability: Tensor, uniform: np.ndarray) -> np.ndarray:
    """Actions int64[b, 1] by inversion, from uniform float64[b, 1] in [0, 1)."""
    probability = log_probability.exp().numpy().astype(np.float64)
    total = np.cumsum(probability, axis=1)
    return (uniform * total[:, -1:] >= total[:, :-1]).sum(axis=1, keepdims=True)


def mean_entropy(log_probability: Tensor) -> float:
    """Mean entropy in nats of policies float32[b, actions]."""
    return -float((log_probability.exp() * log_probability).sum(1).mean())
