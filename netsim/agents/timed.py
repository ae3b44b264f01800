"""An agent as a timed process: it reads what reached its mailbox, thinks, and sends an action that travels
back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import simpy

from netsim.agents.policy import Policy, Transition
from netsim.buffer import NEVER
from netsim.engine import Clock
from netsim.signalling import Courier, Message


@dataclass(slots=True)
class Decision:
    """One decision and what it was based on. Times in ns; `applied_ns` is -1 until it comes into force."""

    agent: str
    observation: Any
    action: Any
    observed_ns: int
    received_ns: int
    decided_ns: int
    applied_ns: int = NEVER
    reward: float = math.nan


class TimedAgent:
    """Runs a policy at its own pace.

    It always thinks about the newest observation that has arrived; what comes in while it thinks waits, and
    of several only the newest is used. A transition is learned as soon as its reward and a later observation
    are there.

    Args:
        node: name of the agent in the signalling (`messages.src`, `messages.dst`).
        cell_node: where its actions go.
        deliver: called with every action that arrives.
    """

    def __init__(
        self,
        env: Clock,
        node: str,
        cell_node: str,
        policy: Policy,
        courier: Courier,
        inference_ns: int,
        deliver: Callable[[Message], None],
    ) -> None:
        self.env, self.node, self.cell_node, self.policy = env, node, cell_node, policy
        self.courier, self.inference_ns, self._deliver = courier, inference_ns, deliver
        self._inbox: Message | None = None
        self._wake: simpy.Event | None = None
        self._rewarded: list[tuple[Decision, int, float]] = []

    def start(self) -> None:
        """Creates the process; it runs until the simulation ends."""
        self.env.process(self._live())

    def on_observation(self, message: Message) -> None:
        """An observation has arrived; one that was overtaken by a newer one is of no use."""
        if self._inbox is None or message.slot > self._inbox.slot:
            self._inbox = message
        if self._wake is not None and not self._wake.triggered:
            self._wake.succeed()

    def on_reward(self, message: Message) -> None:
        """The reward of a slot has arrived, with the decision that was in force."""
        decision, reward = message.content
        self._rewarded.append((decision, message.slot, reward))

    def _live(self) -> Generator[simpy.Event, None, None]:
        while True:
            if self._inbox is None:
                self._wake = self.env.event()
                yield self._wake
            message, self._inbox = self._inbox, None
            assert message is not None
            observation = message.content
            self._learn(message.slot, observation)
            action = self.policy.act(observation)
            if self.inference_ns:
                yield self.env.timeout(self.inference_ns)
            decision = Decision(
                self.node, observation, action, message.sent_ns, message.received_ns, self.env.now_ns
            )
            self.courier.send("action", self.node, self.cell_node, message.slot, decision, self._deliver)

    def _learn(self, slot: int, observation: Any) -> None:
        waiting = []
        for decision, rewarded_slot, reward in self._rewarded:
            if rewarded_slot < slot:
                truncated = decision.observation.episode != observation.episode
                self.policy.learn(
                    Transition(decision.observation, decision.action, reward, observation, truncated)
                )
            else:
                waiting.append((decision, rewarded_slot, reward))
        self._rewarded = waiting
