"""Signalling: observations, actions and rewards travel with delay, jitter and loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netsim.buffer import NEVER
from netsim.engine import Clock, after
from netsim.recorder import Recorder
from netsim.streams import Streams
from phy.parameters import Checked, non_negative, one_of, parameter, probability


@dataclass(frozen=True)
class Signalling(Checked):
    """Delays between the world and the agents. With all of them zero a run is the slotted model of the
    paper.
    """

    observation_delay_ns: int = parameter(
        0,
        meaning="an observation reaches its agent this long after it was taken",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    inference_ns: int = parameter(
        0,
        meaning="the agent thinks this long before its action leaves",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    action_delay_ns: int = parameter(
        0,
        meaning="an action (grant) reaches the devices this long after it left",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    reward_delay_ns: int = parameter(
        0,
        meaning="a reward reaches the agent this long after the slot's end",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    report_delay_ns: int = parameter(
        0,
        meaning="a cell's report reaches the central controller this long after the slot's end",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    report_deadline_ns: int = parameter(
        20_000_000,
        meaning="the controller judges a slot at the latest this long after its end",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    report_missing: str = parameter(
        "hold",
        meaning="report missing at the deadline: hold the cell's last, mean of the others, skip the slot",
        source="docs/timing.md",
        rule=one_of("hold", "mean", "skip"),
    )
    jitter_ns: float = parameter(
        0.0,
        meaning="mean of the exponential jitter added to every message",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    loss: float = parameter(
        0.0, meaning="probability that a message is lost", source="docs/timing.md", rule=probability
    )
    grant_gap: str = parameter(
        "hold",
        meaning="until the slot's own grant arrives: hold the newest one that has come, or idle",
        source="docs/timing.md",
        rule=one_of("hold", "idle"),
    )

    def delay_ns(self, kind: str) -> int:
        """The fixed delay of a message kind: observation, action, reward or report."""
        return {
            "observation": self.observation_delay_ns,
            "action": self.action_delay_ns,
            "reward": self.reward_delay_ns,
            "report": self.report_delay_ns,
        }[kind]


@dataclass(frozen=True, slots=True)
class Message:
    """What arrives at a mailbox."""

    kind: str
    slot: int
    sent_ns: int
    received_ns: int
    content: Any


class Courier:
    """Carries messages between named nodes; every one is a row of the trace, lost ones too.

    Jitter and loss come from the stream `signalling/<kind>/<src>-<dst>` indexed by slot, so that a message
    more or less never shifts the fate of another.
    """

    def __init__(self, env: Clock, signalling: Signalling, streams: Streams, trace: Recorder) -> None:
        self.env, self.signalling, self.streams = env, signalling, streams
        self._record = trace.rows("messages")
        self._random = signalling.jitter_ns > 0.0 or signalling.loss > 0.0

    def send(
        self, kind: str, src: str, dst: str, slot: int, content: Any, deliver: Callable[[Message], None]
    ) -> None:
        """Sends `content` now; `deliver` is called when (and if) it arrives."""
        now = self.env.now_ns
        delay, lost = self.signalling.delay_ns(kind), False
        if self._random:
            draws = self.streams.at(f"signalling/{kind}/{src}-{dst}", slot).random(2)
            delay += round(-math.log1p(-draws[0]) * self.signalling.jitter_ns)
            lost = bool(draws[1] < self.signalling.loss)
        received = NEVER if lost else now + delay
        self._record(kind=kind, src=src, dst=dst, sent_ns=now, received_ns=received, lost=int(lost))
        if not lost:
            message = Message(kind, slot, now, received, content)
            after(self.env, delay, lambda _event: deliver(message))
