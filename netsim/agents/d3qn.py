"""D3QN: a duelling network, double Q-learning and epsilon-greedy exploration over one discrete action.

Sources: Wang et al., "Dueling network architectures for deep reinforcement learning", ICML 2016 (9); van
Hasselt, Guez, Silver, "Deep reinforcement learning with double Q-learning", AAAI 2016; SC-QoS Table III and
specification scqos 6.3. (`dqn.py` and `drqn.py` are for many small stations at once, in NumPy.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netsim.agents.networks import layer_arrays
from netsim.agents.off_policy import Critics, OffPolicyParameters
from phy.parameters import parameter, probability


@dataclass(frozen=True)
class D3qnParameters(OffPolicyParameters):
    """Settings of D3QN; `actor_rate` is not used."""

    epsilon_first: float = parameter(
        1.0, meaning="share of random actions at the start", source="scqos 6.3", rule=probability
    )
    epsilon_last: float = parameter(
        0.05, meaning="share of random actions at the end", source="scqos 6.3", rule=probability
    )
    epsilon_until: float = parameter(
        2 / 3, meaning="share of the training in which it falls, linearly", source="scqos 6.3",
        rule=probability,
    )  # fmt: skip


class D3qn:
    """The rule of D3QN; an action vector is the index of the action, float32[1].

    The network's outputs are one value and an advantage for each action: Q = V + A - mean A.

    Args:
        hidden: units of the hidden layers. seed: of the initial weights.
    """

    def __init__(
        self, state_size: int, num_actions: int, parameters: D3qnParameters, hidden: Sequence[int], seed: int
    ) -> None:
        self.parameters = p = parameters
        generator = torch.Generator().manual_seed(seed)
        self.num_actions = num_actions
        # one network, its target and optimiser
        self.critics = Critics((state_size, *hidden, 1 + num_actions), generator, p.critic_rate, count=1)

    def epsilon(self, done: float) -> float:
        """Share of random actions when `done` of the training is over."""
        p = self.parameters
        part = min(1.0, done / p.epsilon_until) if p.epsilon_until > 0.0 else 1.0
        return p.epsilon_first + (p.epsilon_last - p.epsilon_first) * part

    def act(self, states: np.ndarray) -> np.ndarray:
        """The action of the largest value, float32[e, 1]."""
        outputs = self.critics.online[0].forward(torch.from_numpy(states))[-1]
        return outputs[:, 1:].argmax(1, keepdim=True).float().numpy()

    def explore(self, states: np.ndarray, draws: Sequence[np.random.Generator], done: float) -> np.ndarray:
        """A random action with probability epsilon, else the best one."""
        chosen, epsilon = self.act(states), self.epsilon(done)
        for row, one in enumerate(draws):
            if one.random() < epsilon:
                chosen[row, 0] = one.integers(self.num_actions)
        return chosen

    def update(
        self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, draws: np.random.Generator
    ) -> None:
        """One step down Huber's loss (bound 1) to the double-Q target; the target network a little nearer."""
        p, target = self.parameters, reward
        online, index = self.critics.online[0], action.long()
        if p.discount > 0.0:
            best = online.forward(next_state)[-1][:, 1:].argmax(1, keepdim=True)
            following = duelling(self.critics.target[0].forward(next_state)[-1]).gather(1, best)
            target = reward + p.discount * following
        kept = online.forward(state)
        error = duelling(kept[-1]).gather(1, index) - target
        by_value = error.clamp(-1.0, 1.0) / len(error)
        # dQ_a / dA_b = 1{a = b} - 1 / actions
        slope = (-by_value / self.num_actions).expand(-1, 1 + self.num_actions).clone()
        slope.scatter_add_(1, index + 1, by_value)
        slope[:, :1] = by_value
        self.critics.adam[0].descend(online.flat, online.backward(kept, slope))
        self.critics.follow(p.target_rate)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, live."""
        return self.critics.tensors("critic")

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers whose largest output is the action: those of the advantages."""
        layers = layer_arrays(self.critics.online[0])
        last = len(self.critics.online[0].sizes) - 2
        for kind in ("weight", "bias"):
            layers[f"{last}.{kind}"] = layers[f"{last}.{kind}"][1:]
        return layers


def duelling(outputs: Tensor) -> Tensor:
    """Q float32[b, actions] of [V | A] float32[b, 1 + actions]."""
    advantage = outputs[:, 1:]
    return outputs[:, :1] + advantage - advantage.mean(1, keepdim=True)
