"""An agent as a timed process: it reads what has reached it, thinks, and sends an action that travels back to
the mailbox of its cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

import simpy

from netsim.agents.policy import DeferredPolicy, Learns, Policy, Transition
from netsim.buffer import NEVER
from netsim.engine import Clock, edge
from netsim.signalling import Courier, Message, Signalling


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


class Mailbox:
    """Where the actions for one cell arrive; the newest one is what the conductor latches.

    Args:
        record: called with every decision that will never come into force.
    """

    def __init__(self, env: Clock, record: Callable[[Decision], None]) -> None:
        self.env, self._record = env, record
        self._newest: Message | None = None
        self._news: simpy.Event | None = None

    def put(self, message: Message) -> None:
        """An action has arrived; one that was overtaken by a newer one is discarded."""
        if self._newest is not None and message.slot < self._newest.slot:
            self._record(message.content)
            return
        self.retire()
        self._newest = message
        if self._news is not None and not self._news.triggered:
            self._news.succeed()

    def retire(self) -> None:
        """An action that is replaced before it came into force is recorded as never applied."""
        if self._newest is not None and self._newest.content.applied_ns == NEVER:
            self._record(self._newest.content)

    def wait_for(self, slot: int, end_ns: int) -> Generator[simpy.Event, None, None]:
        """Waits until the action for this very slot has arrived, or to the end of the slot."""
        end = edge(self.env, end_ns)
        while self.env.now_ns < end_ns and (self._newest is None or self._newest.slot < slot):
            self._news = self.env.event()
            yield self._news | end
            self._news = None

    def latch(self, slot: int | None) -> Decision | None:
        """The decision that comes into force now: the newest, if it is one for `slot` (None: any slot)."""
        if self._newest is None or (slot is not None and self._newest.slot != slot):
            return None
        decision: Decision = self._newest.content
        if decision.applied_ns == NEVER:
            decision.applied_ns = self.env.now_ns
        return decision


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
        policy: Policy | DeferredPolicy,
        courier: Courier,
        signalling: Signalling,
        deliver: Callable[[Message], None],
    ) -> None:
        self.env, self.node, self.cell_node, self.policy = env, node, cell_node, policy
        self.courier, self.inference_ns, self._deliver = courier, signalling.inference_ns, deliver
        self._deferred = isinstance(policy, DeferredPolicy)
        self._pupil = policy if isinstance(policy, Learns) else None
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
        if self._pupil is not None:
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
            if self._deferred:
                together = cast(DeferredPolicy, self.policy)
                together.submit(observation)
                yield self.env.timeout(0)  # the others of this instant submit, too
                action = together.take()
            else:
                action = cast(Policy, self.policy).act(observation)
                if isinstance(action, simpy.Event):  # a policy outside the simulation answers later
                    action = yield action
            if self.inference_ns:
                yield self.env.timeout(self.inference_ns)
            decision = Decision(
                self.node, observation, action, message.sent_ns, message.received_ns, self.env.now_ns
            )
            self.courier.send("action", self.node, self.cell_node, message.slot, decision, self._deliver)

    def _learn(self, slot: int, observation: Any) -> None:
        if self._pupil is None:
            return
        waiting = []
        for decision, rewarded_slot, reward in self._rewarded:
            if rewarded_slot < slot:
                truncated = decision.observation.episode != observation.episode
                self._pupil.learn(
                    Transition(decision.observation, decision.action, reward, observation, truncated)
                )
            else:
                waiting.append((decision, rewarded_slot, reward))
        self._rewarded = waiting
