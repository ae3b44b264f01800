"""A station's learner as a policy of the simulator: observations become vectors, action indices actions."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from netsim.agents.policy import Transition
from netsim.agents.q_learning import Stations


class IndexView(Protocol):
    """How a system looks to an agent that chooses one of finitely many actions."""

    def state(self, observation: Any) -> np.ndarray:
        """float32[inputs], every entry of order 1."""

    def action(self, index: int) -> Any:
        """The action of the system."""

    def index(self, action: Any) -> int:
        """The inverse of `action`."""


class StationAgent:
    """One station's share of the stacked learners (`DeferredPolicy`): it hands over its own observations and
    transitions only, and its weights stay its own.
    """

    def __init__(self, stations: Stations, number: int, view: IndexView) -> None:
        self.stations, self.number, self.view = stations, number, view

    def submit(self, observation: Any) -> None:
        """The observation to act on."""
        self.stations.submit(self.number, self.view.state(observation), observation.slot)

    def take(self) -> Any:
        """The action for the submitted observation."""
        return self.view.action(self.stations.take(self.number))

    def learn(self, transition: Transition) -> None:
        """Takes in one transition; the update happens before any station acts again. The end of an episode
        is a time limit: the value of what follows counts.
        """
        self.stations.push(
            self.number,
            self.view.state(transition.observation),
            self.view.index(transition.action),
            transition.reward,
            self.view.state(transition.next_observation),
        )
