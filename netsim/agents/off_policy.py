"""What off-policy agents share: settings, the memory, when to learn, and pairs of critics.

An algorithm is split in two. A `Rule` holds networks and says how one batch changes them; `OffPolicy` keeps
transitions and calls the rule every so many of them. It is what the simulator's `Learner` and the runs side
by side (netsim/systems/scqos_lanes.py) both drive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from netsim.agents.networks import Adam, Mlp, restore
from netsim.agents.replay import Replay
from phy.parameters import Checked, at_least_one, finite, parameter, positive, probability


@dataclass(frozen=True)
class OffPolicyParameters(Checked):
    """What every off-policy agent needs; the numbers are those of SC-QoS (specification scqos 6.2, 7)."""

    discount: float = parameter(
        0.0, meaning="discount gamma; slots are independent (E-19)", source="scqos 5.4", rule=probability
    )
    target_rate: float = parameter(
        5e-3, meaning="share of the weights that a target takes over in an update", source="SC-QoS Table I",
        rule=probability,
    )  # fmt: skip
    batch: int = parameter(64, meaning="transitions in an update", source="scqos 6.2", rule=at_least_one)
    units: int = parameter(128, meaning="units of a hidden layer", source="scqos 6.2", rule=at_least_one)
    replay: int = parameter(
        20_000, meaning="transitions kept; a new one overwrites the oldest", source="SC-QoS Table I",
        rule=at_least_one,
    )  # fmt: skip
    learn_from: int = parameter(
        1000, meaning="transitions before the first update", source="our choice", rule=at_least_one
    )
    actor_rate: float = parameter(3e-4, meaning="learning rate of actors", source="scqos 6.2", rule=positive)
    critic_rate: float = parameter(
        3e-4, meaning="learning rate of critics and temperatures", source="scqos 6.2", rule=positive
    )
    reward_divisor: float = parameter(1.0, meaning="critics see r / this ...", rule=positive)
    reward_shift: float = parameter(0.0, meaning="... minus this", rule=finite)


class Rule(Protocol):
    """Networks, and how one batch changes them."""

    def explore(self, states: np.ndarray, draws: Sequence[np.random.Generator], done: float) -> np.ndarray:
        """Action vectors float32[e, action_size] for float32[e, state_size], with exploration.

        Args:
            draws: one generator per row. done: share of the training that is over, for schedules.
        """

    def update(
        self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, draws: np.random.Generator
    ) -> None:
        """One update from a batch [b, ...]; reward [b, 1]."""

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, live."""

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of what acts without exploration."""


class Memory(Protocol):
    """The settings that `OffPolicy` reads (`OffPolicyParameters`, `DdpgParameters`)."""

    @property
    def batch(self) -> int: ...
    @property
    def replay(self) -> int: ...
    @property
    def learn_from(self) -> int: ...
    @property
    def reward_divisor(self) -> float: ...
    @property
    def reward_shift(self) -> float: ...


class OffPolicy:
    """A learning algorithm (`learner.Algorithm`) made of a rule, a memory and a pace.

    Args:
        rule: networks and update. memory: sizes and scales.
        update_every: transitions between two updates.
        state_size, action_size: lengths of the vectors. horizon: transitions of the whole training.
        random_overwrite: a full memory overwrites a random transition, not the oldest.
    """

    def __init__(
        self,
        rule: Rule,
        memory: Memory,
        update_every: int,
        state_size: int,
        action_size: int,
        horizon: int,
        random_overwrite: bool = False,
    ) -> None:
        self.rule, self._memory, self._every, self.horizon = rule, memory, update_every, max(1, horizon)
        capacity = min(memory.replay or self.horizon, self.horizon)
        self.replay = Replay(capacity, state_size, action_size, random_overwrite)

    @property
    def done(self) -> float:
        """Share of the training that is over."""
        return min(1.0, self.replay.added / self.horizon)

    def explore(self, state: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        """An action vector with exploration, float32[action_size]."""
        return self.explore_all(state[None], [draws])[0]

    def explore_all(self, states: np.ndarray, draws: Sequence[np.random.Generator]) -> np.ndarray:
        """As `explore` for several states at once, float32[e, action_size]."""
        return self.rule.explore(states, draws, self.done)

    def learn(
        self,
        state: np.ndarray,
        action: np.ndarray,
        reward: float,
        next_state: np.ndarray,
        truncated: bool,
        draws: np.random.Generator,
    ) -> None:
        """Keeps a transition and makes an update when it is time; `truncated` changes nothing (a time
        limit: the value of what follows counts).
        """
        scaled = reward / self._memory.reward_divisor - self._memory.reward_shift
        self.replay.add(state, action, scaled, next_state, draws)
        if self.replay.added >= self._memory.learn_from and self.replay.added % self._every == 0:
            batch = self.replay.sample(self._memory.batch, draws)
            states, actions, rewards, following = (torch.from_numpy(part) for part in batch)
            self.rule.update(states, actions, rewards, following, draws)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the rest of the training depends on, for a checkpoint."""
        return {name: t.detach().numpy() for name, t in self.rule.tensors().items()} | self.replay.arrays()

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""
        live = self.rule.tensors()
        restore(live, {name: torch.from_numpy(saved[name]) for name in live})
        self.replay.restore(saved)

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of what acts without exploration."""
        return self.rule.policy_arrays()


class Critics:
    """Networks that estimate the same value, their targets, and their optimisers (two: the smaller counts).

    Args:
        sizes: units of each layer, input first. generator: of the initial weights.
    """

    def __init__(self, sizes: Sequence[int], generator: torch.Generator, rate: float, count: int = 2) -> None:
        self.online = [Mlp(sizes, generator) for _ in range(count)]
        self.target = [Mlp(sizes, generator) for _ in range(count)]
        self.adam = [Adam(len(network.flat), rate) for network in self.online]
        with torch.no_grad():
            for target, online in zip(self.target, self.online):
                target.flat.copy_(online.flat)

    def least(self, x: Tensor) -> Tensor:
        """The smallest of the targets' outputs, float32[b, outputs]."""
        return _least([network.forward(x)[-1] for network in self.target])

    def least_online(self, x: Tensor) -> Tensor:
        """The smallest of the critics' outputs, float32[b, outputs]."""
        return _least([network.forward(x)[-1] for network in self.online])

    def least_slope(self, x: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """The smaller value [b, 1] and its slope by the inputs from `first` on, for critics of one output."""
        kept = [network.forward(x) for network in self.online]
        values = torch.cat([k[-1] for k in kept], 1)
        smallest = values.argmin(1, keepdim=True)
        slope = torch.zeros(len(x), x.shape[1] - first)
        for j, network in enumerate(self.online):
            chosen = (smallest == j).to(x.dtype)
            slope += network.backward(kept[j], chosen, weights=False)[:, first:]
        return values.gather(1, smallest), slope

    def fit(self, x: Tensor, target: Tensor, column: Tensor | None = None) -> None:
        """One step of every critic down the mean square error to target[b, 1]; with `column` int64[b, 1] of
        that output alone.
        """
        for network, adam in zip(self.online, self.adam):
            kept = network.forward(x)
            if column is None:
                slope = (kept[-1] - target) * (2.0 / len(x))
            else:
                error = kept[-1].gather(1, column) - target
                slope = torch.zeros_like(kept[-1]).scatter_(1, column, error * (2.0 / len(x)))
            adam.descend(network.flat, network.backward(kept, slope))

    def follow(self, rate: float) -> None:
        """Moves the targets a little nearer."""
        with torch.no_grad():
            for target, online in zip(self.target, self.online):
                target.flat.lerp_(online.flat, rate)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The state by name, live."""
        found: dict[str, Tensor] = {}
        for j, (online, target, adam) in enumerate(zip(self.online, self.target, self.adam)):
            found |= {f"{prefix}{j}": online.flat, f"{prefix}{j}.target": target.flat}
            found |= adam.tensors(f"{prefix}{j}.adam")
        return found


class Temperature:
    """A positive weight of the entropy that is learned so that the entropy meets a target (its logarithm is
    what moves; starts at 1).
    """

    def __init__(self, rate: float, first: float = 1.0) -> None:
        self._log, self._adam = torch.full((1,), float(np.log(first))), Adam(1, rate)

    @property
    def value(self) -> float:
        """The weight."""
        return float(self._log.exp())

    def meet(self, surplus: float) -> None:
        """One step; `surplus` is how far the entropy lies above its target."""
        self._adam.descend(self._log, torch.full((1,), surplus))

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The state by name, live."""
        return {f"{prefix}.log": self._log} | self._adam.tensors(f"{prefix}.adam")


def _least(values: Sequence[Tensor]) -> Tensor:
    least = values[0]
    for value in values[1:]:
        least = torch.minimum(least, value)
    return least
