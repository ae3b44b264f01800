"""A policy that is decided outside the simulation: what adapters put in an agent's place."""

from __future__ import annotations

from typing import Any

from netsim.agents.policy import Transition
from netsim.network import Network


class Outside:
    """Hands observations out and waits for the answer.

    Attributes:
        network: the run it takes part in, to be set before the run begins.
        observation: the newest one to act on. answer: the event that waits for the action, None while the
            agent has nothing to decide. known: transitions completed since it was last emptied.
    """

    def __init__(self) -> None:
        self.network: Network | None = None
        self.observation: Any = None
        self.answer: Any = None
        self.known: list[Transition] = []

    def act(self, observation: Any) -> Any:
        assert self.network is not None
        self.observation, self.answer = observation, self.network.env.event()
        return self.answer

    def learn(self, transition: Transition) -> None:
        self.known.append(transition)

    def decide(self, action: Any) -> None:
        """The action leaves the agent now."""
        answer, self.answer = self.answer, None
        answer.succeed(action)
