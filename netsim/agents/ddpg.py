"""DDPG: deterministic actor, critic, replay, slowly following targets (TOSCN (24)-(34)).

Sources: Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR 2016; inverting
gradients: Hausknecht, Stone, "Deep reinforcement learning in parameterized action space", ICLR 2016,
section 4.3; numbers: TOSCN Table I and specification toscn 4.3.

Departures from the paper:
* the actor's step ascends the critic's value; (32) as printed descends it (E11);
* the noise acts on the tanh output, before shares and compression are decoded (E20);
* the end of an episode is a time limit: the target bootstraps through it, into the next episode that the run
  has begun (no terminal flag);
* the reward that the critic sees may be scaled and shifted (preset `tuned`); 20 is about 0.9 of the
  packets that a slot can bring;
* preset `tuned` keeps every transition, explores with a deviation that shrinks, and scales the actor's
  gradient by the room that is left to the bound it points to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from netsim.agents.networks import Adam, Mlp, layer_arrays
from netsim.agents.off_policy import OffPolicy
from phy.parameters import (
    Checked,
    at_least_one,
    finite,
    non_negative,
    one_of,
    parameter,
    positive,
    probability,
)


@dataclass(frozen=True)
class DdpgParameters(Checked):
    """Settings of DDPG; the defaults are the paper's, taken literally."""

    discount: float = parameter(0.9, meaning="discount gamma", source="TOSCN Table I", rule=probability)
    target_rate: float = parameter(
        0.01, meaning="share of the weights that a target takes over in a step", source="TOSCN Table I",
        rule=probability,
    )  # fmt: skip
    batch: int = parameter(64, meaning="transitions in an update", source="TOSCN Table I", rule=at_least_one)
    actor_rate: float = parameter(
        3e-4, meaning="learning rate of the actor", source="TOSCN Table I", rule=positive
    )
    critic_rate: float = parameter(
        5e-4, meaning="learning rate of the critic", source="TOSCN Table I", rule=positive
    )
    units: int = parameter(
        64, meaning="units of each of the two hidden layers", source="toscn 4.2", rule=at_least_one
    )
    replay: int = parameter(
        150, meaning="transitions kept; 0 keeps all of the training", source="TOSCN Table I",
        rule=non_negative,
    )  # fmt: skip
    random_overwrite: bool = parameter(
        True, meaning="a full memory overwrites a random transition, not the oldest", source="toscn 4.2"
    )
    learn_from: int = parameter(
        150, meaning="transitions before the first update", source="toscn 4.2", rule=at_least_one
    )
    noise_first: float = parameter(
        0.1, meaning="deviation of the exploration noise at the start", source="TOSCN Table I",
        rule=non_negative,
    )  # fmt: skip
    noise_last: float = parameter(
        0.1, meaning="deviation at the end; linear between", source="TOSCN Table I", rule=non_negative
    )
    reward_divisor: float = parameter(1.0, meaning="the critic sees r / this ...", rule=positive)
    reward_shift: float = parameter(0.0, meaning="... minus this", rule=finite)
    actor_gradient: str = parameter(
        "plain", meaning="plain, or inverting: scaled by the room left to the bound",
        source="toscn 4.3", rule=one_of("plain", "inverting"),
    )  # fmt: skip


PRESETS = {
    "paper": DdpgParameters(),
    "tuned": DdpgParameters(
        actor_rate=1e-4,
        critic_rate=1e-3,
        replay=0,
        random_overwrite=False,
        noise_first=0.3,
        noise_last=0.05,
        reward_divisor=20.0,
        reward_shift=0.8,
        actor_gradient="inverting",
    ),
}

_LAST_LAYER = 3e-3  # initial bound of the actor's last layer (Lillicrap et al., 7; specification toscn 4.2)


def preset(name: str, discount: float | None = None) -> DdpgParameters:
    """The preset `name`, with another discount if given (the greedy schemes)."""
    return PRESETS[name] if discount is None else replace(PRESETS[name], discount=discount)


class DdpgRule:
    """Networks of DDPG, and how one batch changes them (`off_policy.Rule`).

    Args:
        state_size, action_size: lengths of the vectors; actions lie in [-1, 1].
        parameters: settings; memory and schedule belong to whoever calls `update`.
        hidden: units of the hidden layers of every network.
        seed: of the initial weights.
    """

    def __init__(
        self, state_size: int, action_size: int, parameters: DdpgParameters, hidden: Sequence[int], seed: int
    ) -> None:
        self.parameters = parameters
        generator = torch.Generator().manual_seed(seed)
        self.actor, self.target_actor = (
            Mlp((state_size, *hidden, action_size), generator, last_bound=_LAST_LAYER) for _ in range(2)
        )
        self.critic, self.target_critic = (
            Mlp((state_size + action_size, *hidden, 1), generator) for _ in range(2)
        )
        with torch.no_grad():
            self.target_actor.flat.copy_(self.actor.flat)
            self.target_critic.flat.copy_(self.critic.flat)
        self.actor_adam = Adam(len(self.actor.flat), parameters.actor_rate)
        self.critic_adam = Adam(len(self.critic.flat), parameters.critic_rate)

    def act(self, states: np.ndarray) -> np.ndarray:
        """The actor's choice float32[e, action_size] in states float32[e, state_size]."""
        return self.actor.forward(torch.from_numpy(states))[-1].tanh_().numpy()

    def noise(self, done: float) -> float:
        """Deviation of the exploration noise when `done` of the training is over."""
        first, last = self.parameters.noise_first, self.parameters.noise_last
        return first + (last - first) * done

    def explore(self, states: np.ndarray, draws: Sequence[np.random.Generator], done: float) -> np.ndarray:
        """The actor's choice with Gaussian noise, clipped to [-1, 1]."""
        action = self.act(states)
        noise = np.stack([one.standard_normal(action.shape[1], dtype=np.float32) for one in draws])
        return np.clip(action + np.float32(self.noise(done)) * noise, -1.0, 1.0)

    def update(
        self,
        state: Tensor,
        action: Tensor,
        reward: Tensor,
        next_state: Tensor,
        draws: np.random.Generator,
    ) -> None:
        """(28)-(34): critic towards the target, actor uphill, targets a little nearer."""
        discount = self.parameters.discount
        target = reward
        if discount > 0.0:
            following = self.target_actor.forward(next_state)[-1].tanh_()
            target = reward + discount * self.target_critic.forward(torch.cat([next_state, following], 1))[-1]
        kept = self.critic.forward(torch.cat([state, action], 1))
        error = kept[-1] - target
        self.critic_adam.descend(self.critic.flat, self.critic.backward(kept, error * (2.0 / len(error))))

        actor_kept = self.actor.forward(state)
        chosen = torch.tanh(actor_kept[-1])
        kept = self.critic.forward(torch.cat([state, chosen], 1))
        slope = torch.full_like(kept[-1], 1.0 / len(chosen))  # of the mean of C
        uphill = self.critic.backward(kept, slope, weights=False)[:, state.shape[1] :]
        if self.parameters.actor_gradient == "inverting":
            uphill = uphill * torch.where(uphill > 0.0, 1.0 - chosen, 1.0 + chosen) / 2.0
        downhill = -uphill * (1.0 - chosen.square())  # Adam descends; through the tanh
        self.actor_adam.descend(self.actor.flat, self.actor.backward(actor_kept, downhill))
        with torch.no_grad():
            self.target_actor.flat.lerp_(self.actor.flat, self.parameters.target_rate)
            self.target_critic.flat.lerp_(self.critic.flat, self.parameters.target_rate)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, live."""
        networks = {
            "actor": self.actor.flat,
            "critic": self.critic.flat,
            "target_actor": self.target_actor.flat,
            "target_critic": self.target_critic.flat,
        }
        return networks | self.actor_adam.tensors("actor_adam") | self.critic_adam.tensors("critic_adam")

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """What acting without noise needs: weight [out, in] and bias [out] of each layer, by name."""
        return layer_arrays(self.actor)


def ddpg(state_size: int, action_size: int, parameters: DdpgParameters, horizon: int, seed: int) -> OffPolicy:
    """TOSCN's agent: the rule with two hidden layers and an update after every transition.

    Args:
        state_size, action_size: lengths of the vectors; actions lie in [-1, 1].
        parameters: settings.
        horizon: transitions of the whole training (for the schedule of the noise and the memory).
        seed: of the initial weights.
    """
    rule = DdpgRule(state_size, action_size, parameters, (parameters.units,) * 2, seed)
    return OffPolicy(
        rule, parameters, 1, state_size, action_size, horizon, random_overwrite=parameters.random_overwrite
    )
