"""Between the simulator and an algorithm: observations become vectors, vectors become actions.

`Learner` explores and learns inside the run; `Trained` acts on weights alone, in NumPy, so that using an
agent needs no torch.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from netsim.agents.policy import Transition
from netsim.streams import Streams
from phy.parameters import ParameterError


class View(Protocol):
    """How a system looks to an agent, and what an agent's vector means to the system."""

    state_size: int
    action_size: int

    def state(self, observation: Any) -> np.ndarray:
        """float32[state_size], every entry of order 1."""

    def action(self, vector: np.ndarray, observation: Any) -> Any:
        """The action of the system for a vector float32[action_size], decoded after clipping to [-1, 1]; it
        keeps the vector as it came in its attribute `vector`.
        """


class Algorithm(Protocol):
    """A learning algorithm on vectors (netsim/agents/ddpg.py)."""

    def explore(self, state: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        """An action vector, with whatever exploration the training wants."""

    def learn(
        self,
        state: np.ndarray,
        action: np.ndarray,
        reward: float,
        next_state: np.ndarray,
        truncated: bool,
        draws: np.random.Generator,
    ) -> None:
        """Takes in one transition."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state of the training."""

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of the network that acts without exploration."""


class Learner:
    """A policy that learns in the run. Its random numbers are indexed by slot, those of its updates by their
    number within the run: a training that continues with the next run needs no generator's state.
    """

    def __init__(self, view: View, algorithm: Algorithm, streams: Streams) -> None:
        self.view, self.algorithm, self.streams = view, algorithm, streams
        self._learned = 0
        self.newest_slot = -1  # of the observations acted on

    def act(self, observation: Any) -> Any:
        self.newest_slot = observation.slot
        draws = self.streams.at("exploration/agent", observation.slot)
        return self.view.action(self.algorithm.explore(self.view.state(observation), draws), observation)

    def learn(self, transition: Transition) -> None:
        draws = self.streams.at("replay/agent", self._learned)
        self._learned += 1
        self.algorithm.learn(
            self.view.state(transition.observation),
            transition.action.vector,
            transition.reward,
            self.view.state(transition.next_observation),
            transition.truncated,
            draws,
        )


class Trained:
    """A policy of given weights: ReLU layers, tanh at the end.

    Args:
        layers: `0.weight` float32[out, in], `0.bias` float32[out], `1.weight`, ...

    Raises:
        ParameterError: layers do not fit the view.
    """

    def __init__(self, view: View, layers: dict[str, np.ndarray]) -> None:
        self.view = view
        count = sum(name.endswith(".weight") for name in layers)
        self.layers = [(layers[f"{k}.weight"], layers[f"{k}.bias"]) for k in range(count)]
        found = (self.layers[0][0].shape[1], self.layers[-1][0].shape[0]) if count else (0, 0)
        if found != (view.state_size, view.action_size):
            wanted = f"{view.state_size} inputs and {view.action_size} outputs"
            raise ParameterError(f"weights: {found[0]} inputs and {found[1]} outputs: must be {wanted}")

    def act(self, observation: Any) -> Any:
        x = self.view.state(observation)
        for weight, bias in self.layers[:-1]:
            x = np.maximum(weight @ x + bias, 0.0)
        weight, bias = self.layers[-1]
        return self.view.action(np.tanh(weight @ x + bias), observation)
