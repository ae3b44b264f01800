"""Clocks that run apart: stations begin slots of their own while the controller counts in its own (green
specification 11.4).

A slot of the controller is the conductor's. Within it every station begins its own slot when its clock says
so: it observes, its agent answers, and what it sends changes at that instant. What a station's slot was worth
is reported at the end of the controller's slot in which it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import simpy

from netsim.agents.timed import Decision, Mailbox, TimedAgent
from netsim.engine import Clock, edge
from netsim.link import Grants
from netsim.signalling import Courier
from netsim.streams import Streams
from netsim.system import Node
from phy.parameters import Checked, Rule, at_least_one, between, parameter

_drift = Rule(lambda v: 0.0 <= v < 1e5, "must be in [0, 100000)")


@dataclass(frozen=True)
class Clocks(Checked):
    """How far the stations' clocks are from the controller's. With the defaults they agree."""

    offset_slots: float = parameter(
        0.0,
        meaning="a station's slots begin later than the controller's by a share of a slot, uniform from 0 to "
        "this",
        source="specification 11.4",
        rule=between(0.0, 1.0),
    )
    drift_ppm: float = parameter(
        0.0,
        meaning="a station's slots are longer or shorter by a part uniform within plus and minus this",
        unit="ppm",
        source="specification 11.4",
        rule=_drift,
    )
    channel_steps: int = parameter(
        1,
        meaning="steps of the fading within a slot, each of correlation rho^(1/steps)",
        source="specification 11.4",
        rule=at_least_one,
    )

    @property
    def agree(self) -> bool:
        """Do all slots begin together, on a channel that stands still within them?"""
        return self.offset_slots == 0.0 and self.drift_ppm == 0.0 and self.channel_steps == 1


class SlotStarts:
    """When each station's own slots begin, in ns; asked in the order of time.

    Offset and drift of station m come from the stream `clock/station<m>`.
    """

    def __init__(self, clocks: Clocks, slot_ns: int, num_nodes: int, streams: Streams) -> None:
        draws = [streams.sequential(f"clock/station{m}").random(2).tolist() for m in range(num_nodes)]
        self.offset_ns = [int(clocks.offset_slots * u * slot_ns) for u, _ in draws]
        self.drift = [clocks.drift_ppm * 1e-6 * (2.0 * v - 1.0) for _, v in draws]
        self._slot_ns, self._count = slot_ns, [0] * num_nodes

    def next_ns(self, node: int) -> int:
        """The next start of a station that has not been given out by `before`."""
        since = self._count[node] * self._slot_ns
        return self.offset_ns[node] + since + round(since * self.drift[node])

    def before(self, end_ns: int) -> dict[int, list[int]]:
        """All starts before `end_ns`: the stations by time, in ascending order."""
        found: dict[int, list[int]] = {}
        for node in range(len(self._count)):
            while (at_ns := self.next_ns(node)) < end_ns:
                found.setdefault(at_ns, []).append(node)
                self._count[node] += 1
        return dict(sorted(found.items()))


class ApartSystem(Protocol):
    """What a system offers whose stations need not begin their slots together."""

    def fade(self) -> None:
        """One step of every link."""

    def pass_time(self, duration_ns: int) -> None:
        """Powers and channel have been as they are for so long."""

    def end_slots(self, nodes: Sequence[int]) -> None:
        """The own slots of these stations are over."""

    def observe_nodes(self, nodes: Sequence[int], slot: int, episode: int) -> list[Any]:
        """What these stations are told now."""

    def grants_of(self, nodes: Sequence[int], actions: Sequence[Any | None]) -> Grants:
        """These stations' actions in force, the others' as they were; None: silent."""


class Apart:
    """Conducts a slot of the controller in which every station begins its own slot at its own time.

    Args:
        lose: called with a decision whose slot ended within the same controller's slot as a later one of the
            same station: the report has room for one.
    """

    def __init__(
        self,
        env: Clock,
        system: ApartSystem,
        courier: Courier,
        nodes: Sequence[Node],
        agents: Sequence[TimedAgent],
        mailboxes: Sequence[Mailbox],
        starts: SlotStarts,
        channel_steps: int,
        lose: Callable[[Decision], None],
    ) -> None:
        self.env, self.system, self.courier = env, system, courier
        self.nodes, self.agents, self.mailboxes = nodes, agents, mailboxes
        self.starts, self.channel_steps, self._lose = starts, channel_steps, lose
        self._in_force: list[Decision | None] = [None] * len(nodes)
        self._ended: list[Decision | None] = [None] * len(nodes)
        self._running = [False] * len(nodes)
        self._since_ns = 0

    def conduct(self, slot: int, episode: int, end_ns: int) -> Generator[simpy.Event, None, Grants]:
        """From the start of a slot to the last instant within it at which anything changes; the channel has
        made its first step. Returns the grants then in force.
        """
        begin_ns = self.env.now_ns
        grants = self.system.grants_of([], [])
        starts = self.starts.before(end_ns)
        length_ns = end_ns - begin_ns
        steps = {begin_ns + i * length_ns // self.channel_steps for i in range(1, self.channel_steps)}
        for at_ns in sorted({*starts, *steps}):
            if at_ns > begin_ns:
                yield edge(self.env, at_ns)
            self._pass_time()
            if at_ns in steps:
                self.system.fade()
            due = starts.get(at_ns, [])
            self._end(due)
            for m, observation in zip(due, self.system.observe_nodes(due, slot, episode), strict=True):
                node, agent = self.nodes[m], self.agents[m]
                self.courier.send(
                    "observation", node.cell, node.agent, slot, observation, agent.on_observation
                )
            yield edge(self.env, at_ns)
            for m in due:
                self._in_force[m], self._running[m] = self.mailboxes[m].latch(None), True
            decisions = [self._in_force[m] for m in due]
            actions = [None if decision is None else decision.action for decision in decisions]
            grants = self.system.grants_of(due, actions)
        return grants

    def close(self, end_ns: int) -> list[Decision | None]:
        """The controller's slot is over: of every station the decision whose slot ended within it."""
        self._pass_time()
        self._end([m for m in range(len(self.nodes)) if self.starts.next_ns(m) == end_ns])
        ended, self._ended = self._ended, [None] * len(self.nodes)
        return ended

    def finish(self) -> list[Decision]:
        """Decisions whose slot the end of the run cuts off."""
        return [d for d, running in zip(self._in_force, self._running) if running and d is not None]

    def _pass_time(self) -> None:
        self.system.pass_time(self.env.now_ns - self._since_ns)
        self._since_ns = self.env.now_ns

    def _end(self, due: Sequence[int]) -> None:
        over = [m for m in due if self._running[m]]
        self.system.end_slots(over)
        for m in over:
            before, self._running[m] = self._ended[m], False
            if before is not None and before is not self._in_force[m]:
                self._lose(before)
            self._ended[m] = self._in_force[m]
