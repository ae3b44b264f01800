"""The proposed agent of SC-QoS: discrete SAC and SAC that act together (specification scqos 5.2, 5.5).

The discrete part draws one of finitely many actions (bits and subchannels), the continuous part the rest
(shares of band and power). With `joint` the continuous actor and its critics are told the discrete action;
without, the two know nothing of each other, which is the paper's reading. Both learn from one memory; an
action vector is [index of the discrete action, continuous action].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netsim.agents.discrete_sac import CategoricalActor, mean_entropy, sampled
from netsim.agents.off_policy import Critics, OffPolicyParameters, Temperature
from netsim.agents.sac import SquashedActor, normal, normal_rows
from phy.parameters import finite, one_of, parameter

_ENTROPY_SHARE = 0.2  # of the largest possible entropy (specification scqos 5.5)


@dataclass(frozen=True)
class HybridParameters(OffPolicyParameters):
    """Settings of the hybrid agent."""

    entropy: float | None = parameter(
        None, meaning="target entropy of the continuous part; none: minus the number of its actions",
        source="scqos 5.5", rule=finite,
    )  # fmt: skip
    discrete_entropy: float | None = parameter(
        None, meaning="target entropy of the discrete part in nats; none: 0.2 ln(number of actions)",
        source="scqos 5.5", rule=finite,
    )  # fmt: skip
    joint: bool = parameter(
        True, meaning="the continuous part is told the discrete action", source="scqos 5.2"
    )
    heads: str = parameter(
        "joint",
        meaning="logits and values of the discrete part: an output for every action (joint), or sums of "
        "outputs for every user's bits and subchannel (user)",
        source="scqos 5.2, 9.5",
        rule=one_of("joint", "user"),
    )


class Hybrid:
    """The rule of the hybrid agent.

    Args:
        state_size: length of the state. num_continuous: of the continuous action.
        told: float32[actions, t], what the continuous part is told of each discrete action (one-hot).
        parts: float32[actions, p], which outputs each discrete action is the sum of (heads `user`).
        hidden: units of the hidden layers of every network. seed: of the initial weights.
    """

    def __init__(
        self,
        state_size: int,
        num_continuous: int,
        told: np.ndarray,
        parts: np.ndarray,
        parameters: HybridParameters,
        hidden: Sequence[int],
        seed: int,
    ) -> None:
        self.parameters = p = parameters
        num_discrete = len(told)
        self._told = torch.from_numpy(told if p.joint else told[:, :0])
        shared = torch.from_numpy(parts) if p.heads == "user" else None
        self._shared = shared
        generator = torch.Generator().manual_seed(seed)
        outputs = num_discrete if shared is None else shared.shape[1]
        self.discrete = CategoricalActor(
            state_size, hidden, num_discrete, generator, p.actor_rate, parts if p.heads == "user" else None
        )
        self.discrete_critics = Critics((state_size, *hidden, outputs), generator, p.critic_rate)
        inputs = state_size + self._told.shape[1]
        self.continuous = SquashedActor(inputs, hidden, num_continuous, generator, p.actor_rate)
        self.critics = Critics((inputs + num_continuous, *hidden, 1), generator, p.critic_rate)
        self.temperature, self.discrete_temperature = Temperature(p.critic_rate), Temperature(p.critic_rate)
        self.wanted = -float(num_continuous) if p.entropy is None else p.entropy
        most = math.log(num_discrete)
        self.wanted_discrete = _ENTROPY_SHARE * most if p.discrete_entropy is None else p.discrete_entropy

    def _with(self, state: Tensor, index: Tensor) -> Tensor:
        """States with what the continuous part is told of actions int64[b]."""
        return torch.cat([state, self._told[index]], 1)

    def act(self, states: np.ndarray) -> np.ndarray:
        """The likeliest discrete action and the mean continuous one, float32[e, 1 + a]."""
        state = torch.from_numpy(states)
        index = self.discrete.log_probability(state).argmax(1)
        mean = self.continuous.mean(self._with(state, index))
        return torch.cat([index[:, None].float(), mean], 1).numpy()

    def explore(self, states: np.ndarray, draws: Sequence[np.random.Generator], done: float) -> np.ndarray:
        """A sample of both policies, the discrete one first."""
        state = torch.from_numpy(states)
        log_probability = self.discrete.log_probability(state)
        index = torch.from_numpy(sampled(log_probability, np.array([[one.random()] for one in draws])))
        eps = normal_rows(draws, self.continuous.actions)
        action, _ = self.continuous.sample(self._with(state, index[:, 0]), eps)
        return torch.cat([index.float(), action], 1).numpy()

    def update(
        self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, draws: np.random.Generator
    ) -> None:
        """Both parts by their own rules on the same batch."""
        p = self.parameters
        index, continuous = action[:, :1].long(), action[:, 1:]
        target, target_discrete = reward, reward
        if p.discount > 0.0:
            after, after_discrete = self._following(next_state, continuous.shape, draws)
            target, target_discrete = reward + p.discount * after, reward + p.discount * after_discrete
        self._fit_discrete(state, index, target_discrete)
        log_probability = self.discrete.log_probability(state)
        values = self._values([network.forward(state)[-1] for network in self.discrete_critics.online])
        self.discrete.climb(log_probability, values, self.discrete_temperature.value)
        self.discrete_temperature.meet(mean_entropy(log_probability) - self.wanted_discrete)

        self.critics.fit(torch.cat([self._with(state, index[:, 0]), continuous], 1), target)
        # the actor learns beside the discrete actions of today's policy, not those of the memory
        today = torch.from_numpy(sampled(log_probability, draws.random((len(state), 1))))[:, 0]
        x = self._with(state, today)
        chosen, density = self.continuous.sample(x, normal(draws, continuous.shape))
        _, slope = self.critics.least_slope(torch.cat([x, chosen], 1), x.shape[1])
        self.continuous.climb(slope, self.temperature.value)
        self.temperature.meet(-float(density.mean()) - self.wanted)
        for critics in (self.critics, self.discrete_critics):
            critics.follow(p.target_rate)

    def _following(
        self, next_state: Tensor, shape: Sequence[int], draws: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Soft values of the next state by the targets of both parts, [b, 1] each."""
        log_probability = self.discrete.log_probability(next_state)
        values = self._values([network.forward(next_state)[-1] for network in self.discrete_critics.target])
        soft = values - self.discrete_temperature.value * log_probability
        discrete = (log_probability.exp() * soft).sum(1, keepdim=True)
        index = torch.from_numpy(sampled(log_probability, draws.random((len(next_state), 1))))[:, 0]
        x = self._with(next_state, index)
        action, density = self.continuous.sample(x, normal(draws, shape))
        least = self.critics.least(torch.cat([x, action], 1))
        return least - self.temperature.value * density, discrete

    def _values(self, outputs: Sequence[Tensor]) -> Tensor:
        """The smaller of the critics' values of all discrete actions, [b, actions]."""
        if self._shared is not None:
            outputs = [output @ self._shared.t() for output in outputs]
        return torch.minimum(outputs[0], outputs[1])

    def _fit_discrete(self, state: Tensor, index: Tensor, target: Tensor) -> None:
        if self._shared is None:
            self.discrete_critics.fit(state, target, index)
            return
        taken = self._shared[index[:, 0]]
        for network, adam in zip(self.discrete_critics.online, self.discrete_critics.adam):
            kept = network.forward(state)
            error = (kept[-1] * taken).sum(1, keepdim=True) - target
            adam.descend(network.flat, network.backward(kept, taken * error * (2.0 / len(state))))

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, live."""
        return {
            **self.discrete.tensors("discrete"),
            **self.discrete_critics.tensors("discrete_critic"),
            **self.discrete_temperature.tensors("discrete_temperature"),
            **self.continuous.tensors("continuous"),
            **self.critics.tensors("critic"),
            **self.temperature.tensors("temperature"),
        }

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of both parts, `discrete.` and `continuous.` before their names."""
        return self.discrete.arrays("discrete.") | self.continuous.arrays("continuous.")
