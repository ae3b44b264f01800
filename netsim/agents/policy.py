"""What an agent is to the simulator: it acts on an observation and may learn from transitions; it knows no
clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of experience. `truncated`: the next observation belongs to another episode (a time limit, not
    an end).
    """

    observation: Any
    action: Any
    reward: float
    next_observation: Any
    truncated: bool


class Policy(Protocol):
    """Contract of all agents (docs/agents.md); one that learns is `Learns`, too."""

    def act(self, observation: Any) -> Any:
        """The action for an observation; depends on nothing newer than it."""


@runtime_checkable
class Learns(Protocol):
    """What a policy that learns has beside its actions."""

    def learn(self, transition: Transition) -> None:
        """Takes in one transition."""


@runtime_checkable
class DeferredPolicy(Protocol):
    """A policy whose computation is shared with others of the same instant (stacked networks of several
    stations): what is submitted within an instant is computed together when the first action is taken.
    """

    def submit(self, observation: Any) -> None:
        """The observation to act on."""

    def take(self) -> Any:
        """The action for the submitted observation."""
