"""TD3: DDPG with twin critics, noise on the target's action, and an actor that moves at every second update.

Source: Fujimoto, van Hoof, Meger, "Addressing function approximation error in actor-critic methods", ICML
2018; learning rates and networks from SC-QoS Table III.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netsim.agents.networks import Adam, Mlp, layer_arrays
from netsim.agents.off_policy import Critics, OffPolicyParameters
from netsim.agents.sac import normal, normal_rows
from phy.parameters import at_least_one, non_negative, parameter


@dataclass(frozen=True)
class Td3Parameters(OffPolicyParameters):
    """Settings of TD3."""

    noise: float = parameter(
        0.2, meaning="deviation of the exploration noise", source="scqos 6.3", rule=non_negative
    )
    target_noise: float = parameter(
        0.2, meaning="deviation of the noise on the target's action ...", source="scqos 6.3",
        rule=non_negative,
    )  # fmt: skip
    target_clip: float = parameter(0.5, meaning="... and its bound", source="scqos 6.3", rule=non_negative)
    delay: int = parameter(
        2, meaning="updates of the critics for one of actor and targets", source="scqos 6.3",
        rule=at_least_one,
    )  # fmt: skip


class Td3:
    """The rule of TD3 on vectors; actions lie in [-1, 1].

    Args:
        hidden: units of the hidden layers of every network. seed: of the initial weights.
    """

    def __init__(
        self, state_size: int, action_size: int, parameters: Td3Parameters, hidden: Sequence[int], seed: int
    ) -> None:
        self.parameters = p = parameters
        generator = torch.Generator().manual_seed(seed)
        sizes = (state_size, *hidden, action_size)
        self.actor, self.target_actor = (Mlp(sizes, generator) for _ in range(2))
        with torch.no_grad():
            self.target_actor.flat.copy_(self.actor.flat)
        self._adam = Adam(len(self.actor.flat), p.actor_rate)
        self.critics = Critics((state_size + action_size, *hidden, 1), generator, p.critic_rate)
        self._updates = torch.zeros(1)

    def act(self, states: np.ndarray) -> np.ndarray:
        """The actor's choice float32[e, a] in states float32[e, s]."""
        return torch.tanh(self.actor.forward(torch.from_numpy(states))[-1]).numpy()

    def explore(self, states: np.ndarray, draws: Sequence[np.random.Generator], done: float) -> np.ndarray:
        """The actor's choice with Gaussian noise, clipped to [-1, 1]."""
        action = self.act(states)
        noise = normal_rows(draws, action.shape[1]).numpy()
        return np.clip(action + np.float32(self.parameters.noise) * noise, -1.0, 1.0)

    def update(
        self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, draws: np.random.Generator
    ) -> None:
        """Critics to the target; at every `delay`-th update the actor uphill and the targets nearer."""
        p, target = self.parameters, reward
        if p.discount > 0.0:
            noise = (p.target_noise * normal(draws, action.shape)).clamp(-p.target_clip, p.target_clip)
            following = (torch.tanh(self.target_actor.forward(next_state)[-1]) + noise).clamp(-1.0, 1.0)
            target = reward + p.discount * self.critics.least(torch.cat([next_state, following], 1))
        self.critics.fit(torch.cat([state, action], 1), target)
        with torch.no_grad():
            self._updates += 1.0
        if int(self._updates) % p.delay:
            return
        kept = self.actor.forward(state)
        chosen = torch.tanh(kept[-1])
        critic = self.critics.online[0]
        values = critic.forward(torch.cat([state, chosen], 1))
        ones = torch.ones_like(values[-1])
        uphill = critic.backward(values, ones, weights=False)[:, state.shape[1] :]
        downhill = -uphill * (1.0 - chosen.square()) / len(chosen)
        self._adam.descend(self.actor.flat, self.actor.backward(kept, downhill))
        self.critics.follow(p.target_rate)
        with torch.no_grad():
            self.target_actor.flat.lerp_(self.actor.flat, p.target_rate)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, live."""
        own = {"actor": self.actor.flat, "target_actor": self.target_actor.flat, "updates": self._updates}
        return own | self._adam.tensors("actor.adam") | self.critics.tensors("critic")

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of the actor."""
        return layer_arrays(self.actor)
