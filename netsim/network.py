"""The conductor: one slot of the network, phase by phase, as a plain loop.

    fade -> observe -> latch -> encode -> transmit -> deliver -> score -> reward -> record

Two edges hold the loop together. The first, at the slot's start, lets everything of that instant happen (with
zero delays the observation reaches the agent, and its action comes back) before the newest arrived action is
latched. The second, at the slot's end, lets the last departures and arrivals happen before the slot is
closed. Sources, agents and signalling are processes of their own and meet the loop only through buffers and
mailboxes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from operator import attrgetter
from typing import cast

import numpy as np
import simpy

from netsim.agents.policy import DeferredPolicy, Policy
from netsim.agents.timed import Decision, Mailbox, TimedAgent
from netsim.buffer import Buffer, Packet
from netsim.clocks import Apart, ApartSystem, SlotStarts
from netsim.controller import Controller
from netsim.engine import Clock, departure, edge
from netsim.link import Grants
from netsim.network_rows import Rows
from netsim.recorder import Recorder
from netsim.scenario import Scenario
from netsim.signalling import Courier
from netsim.streams import Streams
from netsim.system import OnArrival, Outcome, System, Transmission
from netsim.trace_schema import DELIVERED
from netsim.traffic import Source
from phy.bursts import Received

_BY_DEPARTURE = attrgetter("ue", "delivered_ns", "id")
_BY_START = attrgetter("packet.ue", "begin_ns")


class Network:
    """One run of a scenario.

    Args:
        scenario: resolved scenario.
        system: what the paper adds: world, link, observations, payloads, scores, rewards.
        policies: who decides, one per node of the system.
        streams: random numbers of the run.
        trace: where rows go.
        progress: called after every slot with the number of slots done.
        process_order: order in which the sources' and the agents' processes are created; the results do not
            depend on it (test), the argument exists to show that.
    """

    def __init__(
        self,
        scenario: Scenario,
        system: System,
        policies: Sequence[Policy | DeferredPolicy],
        streams: Streams,
        trace: Recorder,
        progress: Callable[[int], None] = lambda slots_done: None,
        process_order: Sequence[int] | None = None,
    ) -> None:
        self.scenario, self.system, self.trace, self.progress = scenario, system, trace, progress
        self.num_ues, self.nodes = system.num_ues, system.nodes
        self.env = Clock()
        self.buffers = [Buffer(scenario.traffic.buffer_packets) for _ in range(self.num_ues)]
        self.sources = [
            Source(self.env, scenario.traffic, self.buffers[ue], streams, ue, self.num_ues, scenario.slot_ns)
            for ue in range(self.num_ues)
        ]
        self.courier = Courier(self.env, scenario.signalling, streams, trace)
        self.rows = Rows(trace, system, scenario.slot_ns)
        self.mailboxes = [Mailbox(self.env, self.rows.decision) for _ in self.nodes]
        self.agents = [
            TimedAgent(self.env, node.agent, node.cell, policy, self.courier, scenario.signalling, box.put)
            for node, policy, box in zip(self.nodes, policies, self.mailboxes, strict=True)
        ]
        self.controller: Controller | None = None
        if system.combine is not None:
            self.controller = Controller(
                self.env,
                self.courier,
                scenario.signalling,
                self.nodes,
                self.agents,
                system.combine,
                self.rows.decision,
            )
        self.apart = self._apart(streams)
        self._joined = system if isinstance(system, OnArrival) and system.joins else None
        self._departed: list[Packet] = []
        self._begin_episode(0)
        processes: list[Source | TimedAgent] = [*self.sources, *self.agents]
        for index in process_order if process_order is not None else range(len(processes)):
            processes[index].start()

    def _apart(self, streams: Streams) -> Apart | None:
        """Who conducts within a slot where the stations' clocks disagree."""
        clocks = self.scenario.station_clocks
        if clocks is None:
            return None
        starts = SlotStarts(clocks, self.scenario.slot_ns, len(self.nodes), streams)
        return Apart(
            self.env,
            cast(ApartSystem, self.system),
            self.courier,
            self.nodes,
            self.agents,
            self.mailboxes,
            starts,
            clocks.channel_steps,
            self.rows.decision,
        )

    def run(self) -> None:
        """Simulates all slots; the trace then holds every packet, queued ones included."""
        self.env.run(until=self.start())
        self.finish()

    def start(self) -> simpy.Process:
        """Creates the process of the slots, for a caller that steps `env` itself and then calls `finish`."""
        return self.env.process(self._slots())

    def finish(self) -> None:
        """Records what is still under way when the last slot is over."""
        for box in self.mailboxes:
            box.retire()
        if self.controller is not None:
            self.controller.finish()
        for decision in self.apart.finish() if self.apart is not None else []:
            self.rows.decision(decision)
        for buffer in self.buffers:
            self.rows.packets(buffer.waiting)

    def _slots(self) -> Generator[simpy.Event, None, None]:
        slot_ns = self.scenario.slot_ns
        for slot in range(self.scenario.slots):
            start_ns, end_ns = slot * slot_ns, (slot + 1) * slot_ns
            episode = slot // self.scenario.episode_slots
            self.system.fade()
            queued = [len(buffer) for buffer in self.buffers]
            if self.apart is None:
                self._observe(slot, episode)
                yield edge(self.env, start_ns)
                if self.scenario.signalling.grant_gap == "idle":
                    for box in self.mailboxes:
                        yield from box.wait_for(slot, end_ns)
                decisions, grants = self._latch(slot)
            else:
                grants = yield from self.apart.conduct(slot, episode, end_ns)
            sent = self._encode(slot, grants, end_ns - self.env.now_ns)
            yield edge(self.env, end_ns)
            received = self._transmit(slot, grants, sent)
            if self.apart is not None:
                decisions = self.apart.close(end_ns)
            departed = self._deliver()
            outcome = self.system.score(slot, grants, sent, received)
            self._reward(slot, decisions, outcome)
            last = (slot + 1) % self.scenario.episode_slots == 0 and slot + 1 < self.scenario.slots
            dropped = [packet for buffer in self.buffers for packet in buffer.clear()] if last else []
            self.rows.slot(slot, episode, queued, self.buffers, grants, sent, received, outcome)
            self.system.record(slot, self.trace)
            self.rows.packets(departed)
            self.rows.packets(dropped)
            self.progress(slot + 1)
            if last:
                self._begin_episode(episode + 1)
            else:
                self._begin_slot()

    # The phases, in the order in which they happen.

    def _begin_episode(self, episode: int) -> None:
        """New devices: tasks, positions and initial queues are drawn; what the old ones held was dropped."""
        columns = self.system.begin_episode(episode)
        self._begin_slot()
        for source, task in zip(self.sources, columns["task"].tolist()):
            source.begin_episode(task, self.system.num_items(task))
        numbers = {"episode": np.full(self.num_ues, episode), "ue": np.arange(self.num_ues)}
        self.trace.extend("ues", **numbers, **columns)

    def _begin_slot(self) -> None:
        for buffer in self.buffers:
            buffer.begin_slot()

    def _observe(self, slot: int, episode: int) -> None:
        """Each cell's report of this very instant leaves for its agent."""
        observations = self.system.observe(slot, episode, self.buffers)
        for node, agent, observation in zip(self.nodes, self.agents, observations, strict=True):
            self.courier.send("observation", node.cell, node.agent, slot, observation, agent.on_observation)

    def _latch(self, slot: int) -> tuple[list[Decision | None], Grants]:
        """The newest action that has arrived comes into force; before the first one nobody transmits, and
        with `grant_gap=idle` nobody does on the action of another slot.
        """
        idle = self.scenario.signalling.grant_gap == "idle"
        decisions = [box.latch(slot if idle else None) for box in self.mailboxes]
        actions = [None if decision is None else decision.action for decision in decisions]
        return decisions, self.system.grants(actions)

    def _encode(self, slot: int, grants: Grants, budget_ns: int) -> list[Transmission]:
        """Takes what goes on the air within the grant, and schedules its departures."""
        start_ns = self.env.now_ns
        sent = self.system.encode(slot, grants, self.buffers, budget_ns)
        for transmission in sent:
            self._launch(transmission, start_ns)
        if self._joined is not None:
            for buffer in self.buffers:
                buffer.on_admit = partial(self._join, self._joined, sent, start_ns)
        return sent

    def _launch(self, transmission: Transmission, start_ns: int) -> None:
        packet = transmission.packet
        packet.sent_ns = start_ns + transmission.begin_ns
        leave = partial(self._depart, self.buffers[packet.ue], transmission.fate)
        departure(self.env, start_ns + transmission.end_ns, leave)

    def _join(self, system: OnArrival, sent: list[Transmission], start_ns: int, packet: Packet) -> None:
        """A packet has arrived within the grant; where the system takes it in, it goes on the air, too."""
        transmission = system.join(packet, self.env.now_ns - start_ns)
        if transmission is not None:
            self._launch(transmission, start_ns)
            sent.append(transmission)

    def _transmit(self, slot: int, grants: Grants, sent: list[Transmission]) -> Received | None:
        """All that went on the air within the slot, through the link in one call."""
        if self._joined is not None:
            for buffer in self.buffers:
                buffer.on_admit = None
            sent.sort(key=_BY_START)  # what joined, by device and then by time, too
        return self.system.transmit(slot, grants, [transmission.block for transmission in sent])

    def _depart(self, buffer: Buffer, fate: int, _event: simpy.Event) -> None:
        packet = buffer.deliver(self.env.now_ns) if fate == DELIVERED else buffer.drop()
        self._departed.append(packet)

    def _deliver(self) -> list[Packet]:
        """What has left the buffers within the slot, by device and then by time."""
        departed, self._departed = self._departed, []
        return sorted(departed, key=_BY_DEPARTURE)

    def _reward(self, slot: int, decisions: list[Decision | None], outcome: Outcome) -> None:
        """The reward of the slot leaves for each agent, with the decision that was in force; with a central
        controller the cells' reports leave for it first.
        """
        if self.controller is not None:
            self.controller.judge(slot, decisions, outcome.reports)
            return
        for node, agent, decision in zip(self.nodes, self.agents, decisions):
            if decision is None:
                continue
            if np.isnan(decision.reward):
                decision.reward = outcome.reward
                self.rows.decision(decision)
            content = (decision, outcome.reward)
            self.courier.send("reward", node.cell, node.agent, slot, content, agent.on_reward)
