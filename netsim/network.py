"""The conductor: one slot of the network, phase by phase, as a plain loop.

    fade -> observe -> latch -> encode -> transmit -> deliver -> score -> reward -> record

Two edges hold the loop together. The first, at the slot's start, lets everything of that instant happen (with
zero delays the observation reaches the agent, and its action comes back) before the newest arrived action is
latched. The second, at the slot's end, lets the last departures and arrivals happen before the slot is
closed. Sources, agents and signalling are processes of their own and meet the loop only through buffers and
mailboxes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

import numpy as np
import simpy

from netsim.agents.policy import Policy
from netsim.agents.timed import Decision, TimedAgent
from netsim.buffer import NEVER, Buffer, Packet
from netsim.engine import Clock, departure, edge
from netsim.link import Block, Grants, Link
from netsim.recorder import Recorder
from netsim.signalling import Courier, Message
from netsim.streams import Streams
from netsim.systems.toscn import Observation, Toscn
from netsim.systems.toscn_task import Task
from netsim.traffic import Source
from netsim.world import World
from phy.bursts import Received

CELL, AGENT = "cell0", "agent0"


class Network:
    """One run of a scenario.

    Args:
        scenario: resolved scenario. link: level of fidelity. task: what the packets mean: payloads, scores,
        reward. policy: who allocates. streams: random numbers of the run. trace: where rows go. progress:
        called after every slot with the number of slots done. process_order: order in which the sources' and
        the agent's processes are created; the results do not depend on it
            (test), the argument exists to show that.
    """

    def __init__(
        self,
        scenario: Toscn,
        link: Link,
        task: Task,
        policy: Policy,
        streams: Streams,
        trace: Recorder,
        progress=lambda slots_done: None,
        process_order: Sequence[int] | None = None,
    ) -> None:
        self.scenario, self.link, self.task, self.trace, self.progress = scenario, link, task, trace, progress
        self.num_ues = scenario.cell.num_ues
        self.env = Clock()
        self.world = World(scenario.cell, scenario.fading, scenario.slot_ns, streams)
        self.buffers = [Buffer(scenario.traffic.buffer_packets) for _ in range(self.num_ues)]
        self.sources = [
            Source(self.env, scenario.traffic, self.buffers[ue], streams, ue, self.num_ues, scenario.slot_ns)
            for ue in range(self.num_ues)
        ]
        self.courier = Courier(self.env, scenario.signalling, streams, trace)
        self.agent = TimedAgent(
            self.env, AGENT, CELL, policy, self.courier, scenario.signalling.inference_ns, self._on_action
        )
        self._newest: Message | None = None
        self._news: simpy.Event | None = None
        self._departed: list[Packet] = []
        self._begin_episode(0)
        processes: list[Source | TimedAgent] = [*self.sources, self.agent]
        for index in process_order if process_order is not None else range(len(processes)):
            processes[index].start()

    def run(self) -> None:
        """Simulates all slots; the trace then holds every packet, queued ones included."""
        self.env.run(until=self.env.process(self._slots()))
        self._retire()
        for buffer in self.buffers:
            self._record_packets(buffer.waiting)

    def _slots(self) -> Generator[simpy.Event, None, None]:
        slot_ns = self.scenario.slot_ns
        for slot in range(self.scenario.slots):
            start_ns = slot * slot_ns
            self._fade()
            observation = self._observe(slot)
            yield edge(self.env, start_ns)
            if self.scenario.signalling.grant_gap == "idle":
                yield from self._await_grant(slot, start_ns + slot_ns)
            decision, grants = self._latch(slot)
            blocks = self._encode(grants, start_ns + slot_ns - self.env.now_ns)
            received = self._transmit(slot, grants, blocks)
            yield edge(self.env, start_ns + slot_ns)
            delivered = self._deliver()
            objective = self._score(delivered, blocks, received)
            reward, violations = self.task.model.reward(self.task.of_ue, grants.compression, objective)
            self._reward(slot, decision, reward)
            last = (slot + 1) % self.scenario.episode_slots == 0 and slot + 1 < self.scenario.slots
            dropped = [packet for buffer in self.buffers for packet in buffer.clear()] if last else []
            self._record(slot, observation, grants, blocks, received, reward, objective, violations)
            self._record_packets(delivered)
            self._record_packets(dropped)
            self.progress(slot + 1)
            if last:
                self._begin_episode(observation.episode + 1)
            else:
                self._begin_slot()

    # The phases, in the order in which they happen.

    def _begin_episode(self, episode: int) -> None:
        """New devices: tasks, positions and initial queues are drawn; what the old ones held was dropped."""
        drop = self.world.new_drop(episode)
        self.task.begin_episode(episode)
        self._begin_slot()
        for ue, source in enumerate(self.sources):
            task = int(self.task.of_ue[ue])
            source.begin_episode(task, self.task.num_items(task))
        gain_db = 10.0 * np.log10(drop.path_gain)
        self.trace.extend(
            "ues",
            episode=np.full(self.num_ues, episode),
            ue=np.arange(self.num_ues),
            task=self.task.of_ue,
            distance_m=drop.distance_m,
            shadowing_db=drop.shadowing_db,
            gain_db=gain_db,
        )

    def _begin_slot(self) -> None:
        for buffer in self.buffers:
            buffer.begin_slot()

    def _fade(self) -> None:
        """Every link advances, granted or not, so that the policy cannot move the world."""
        self.world.fade()

    def _observe(self, slot: int) -> Observation:
        """The cell's report leaves for the agent: tasks, gains and queues of this very instant."""
        queue = np.array([len(buffer) for buffer in self.buffers], dtype=np.int64)
        episode = slot // self.scenario.episode_slots
        observation = Observation(slot, episode, self.task.of_ue, self.world.gain, queue)
        self.courier.send("observation", CELL, AGENT, slot, observation, self.agent.on_observation)
        return observation

    def _on_action(self, message: Message) -> None:
        """An action has arrived; one that was overtaken by a newer one is discarded."""
        if self._newest is not None and message.slot < self._newest.slot:
            self._record_decision(message.content)
            return
        self._retire()
        self._newest = message
        if self._news is not None and not self._news.triggered:
            self._news.succeed()

    def _retire(self) -> None:
        """An action that is replaced before it came into force is recorded as never applied."""
        if self._newest is not None and self._newest.content.applied_ns == NEVER:
            self._record_decision(self._newest.content)

    def _await_grant(self, slot: int, end_ns: int) -> Generator[simpy.Event, None, None]:
        """Idle until the action for this very slot has arrived, or to the end of the slot."""
        end = edge(self.env, end_ns)
        while self.env.now_ns < end_ns and (self._newest is None or self._newest.slot < slot):
            self._news = self.env.event()
            yield self._news | end
            self._news = None

    def _latch(self, slot: int) -> tuple[Decision | None, Grants]:
        """The newest action that has arrived comes into force; before the first one nobody transmits, and
        with `grant_gap=idle` nobody does on the action of another slot.
        """
        idle = self.scenario.signalling.grant_gap == "idle"
        if self._newest is None or (idle and self._newest.slot != slot):
            silent = np.zeros(self.num_ues)
            return None, Grants(silent, silent, silent)
        decision: Decision = self._newest.content
        if decision.applied_ns == NEVER:
            decision.applied_ns = self.env.now_ns
        return decision, self.task.model.grants(decision.action, self.link)

    def _encode(self, grants: Grants, budget_ns: int) -> list[tuple[Packet, Block]]:
        """Takes from each buffer the packets that will be complete within the grant, and schedules their
        departures.

        Only packets that wait when the grant begins are served (gated service); one that would not be
        complete is not begun (M7).
        """
        sent: list[tuple[Packet, Block]] = []
        start_ns = self.env.now_ns
        for ue, buffer in enumerate(self.buffers):
            compression = float(grants.compression[ue])
            num_bits = self.task.air_bits(compression)
            complete_ns = self.link.completions_ns(
                float(grants.bandwidth_hz[ue]),
                float(grants.power_w[ue]),
                float(self.world.gain[ue]),
                num_bits,
                len(buffer),
                budget_ns,
            )
            symbols = self.link.symbols(num_bits)
            begin_ns = 0
            for k, (packet, end_ns) in enumerate(zip(buffer.waiting, complete_ns)):
                packet.sent_ns = start_ns + begin_ns
                packet.compression = compression
                payload, payload_bits = self.task.encode(packet)
                packet.num_bits = payload_bits
                sent.append((packet, Block(ue, payload, payload_bits, k * symbols)))
                departure(self.env, start_ns + end_ns, partial(self._depart, buffer))
                begin_ns = end_ns
        return sent

    def _depart(self, buffer: Buffer, _event: simpy.Event) -> None:
        self._departed.append(buffer.deliver(self.env.now_ns))

    def _transmit(self, slot: int, grants: Grants, blocks: list[tuple[Packet, Block]]) -> Received | None:
        """All blocks of all devices go through the channel together."""
        return self.link.transmit(slot, grants, self.world, [block for _, block in blocks])

    def _deliver(self) -> list[Packet]:
        """What has reached the server within the slot, by device and then by time."""
        delivered, self._departed = self._departed, []
        return sorted(delivered, key=lambda packet: (packet.ue, packet.delivered_ns, packet.id))

    def _score(
        self, delivered: list[Packet], blocks: list[tuple[Packet, Block]], received: Received | None
    ) -> float:
        """The server decides on what arrived, wrong bits included; the objective is the sum of the scores
        (22).
        """
        assert [packet for packet, _ in blocks] == delivered, "what is sent in a slot is complete within it"
        self.task.score(delivered, [block for _, block in blocks], received)
        return float(sum(packet.score for packet in delivered))

    def _reward(self, slot: int, decision: Decision | None, reward: float) -> None:
        """The reward of the slot leaves for the agent, with the decision that was in force."""
        if decision is None:
            return
        if np.isnan(decision.reward):
            decision.reward = reward
            self._record_decision(decision)
        self.courier.send("reward", CELL, AGENT, slot, (decision, reward), self.agent.on_reward)

    # The trace.

    def _record(
        self,
        slot: int,
        observation: Observation,
        grants: Grants,
        blocks: list[tuple[Packet, Block]],
        received: Received | None,
        reward: float,
        objective: float,
        violations: int,
    ) -> None:
        num_ues, trace, start_ns = self.num_ues, self.trace, slot * self.scenario.slot_ns
        ue, cell, slots = np.arange(num_ues), np.zeros(num_ues, int), np.full(num_ues, slot)
        trace.append(
            "slots",
            slot=slot,
            episode=observation.episode,
            start_ns=start_ns,
            reward=reward,
            objective=objective,
            num_violations=violations,
        )
        bits = self.scenario.radio.bits_per_symbol if self.link.carries_bits else -1
        trace.extend(
            "grants",
            slot=slots,
            ue=ue,
            cell=cell,
            start_ns=np.full(num_ues, start_ns),
            bandwidth_hz=grants.bandwidth_hz,
            power_w=grants.power_w,
            compression=grants.compression,
            bits_per_symbol=np.full(num_ues, bits),
            subchannel=np.full(num_ues, -1),
        )
        owner = np.array([block.ue for _, block in blocks], dtype=np.int64)

        def count(values) -> np.ndarray:
            return np.bincount(owner, values, num_ues).astype(np.int64)

        errors = received.num_bit_errors if received is not None else np.zeros(len(blocks), int)
        unknown = np.full(num_ues, -1)
        snr_db = self.link.snr_db(grants, self.world)
        trace.extend(
            "receptions",
            slot=slots,
            ue=ue,
            cell=cell,
            gain=self.world.gain,
            sinr_db=np.where(count(None) > 0, snr_db, np.nan),
            num_bits=count([block.num_bits for _, block in blocks]),
            num_bit_errors=count(errors) if received is not None else unknown,
            num_blocks=count(None),
            num_block_errors=count(errors > 0) if received is not None else unknown,
        )
        buffers = self.buffers
        trace.extend(
            "buffers",
            slot=slots,
            ue=ue,
            queued_start=observation.queue,
            queued=[len(b) for b in buffers],
            arrived=[b.arrived for b in buffers],
            delivered=[b.delivered for b in buffers],
            dropped=[b.dropped for b in buffers],
            blocked=[b.blocked for b in buffers],
        )

    def _record_packets(self, packets) -> None:
        for p in packets:
            self.trace.append(
                "packets",
                id=p.id,
                ue=p.ue,
                item=p.item,
                task=p.task,
                created_ns=p.created_ns,
                sent_ns=p.sent_ns,
                delivered_ns=p.delivered_ns,
                fate=p.fate,
                num_bits=p.num_bits,
                num_bit_errors=p.num_bit_errors,
                compression=p.compression,
                label=p.label,
                decision=p.decision,
                score=p.score,
            )

    def _record_decision(self, decision: Decision) -> None:
        self.trace.append(
            "decisions",
            t_ns=decision.decided_ns,
            agent=decision.agent,
            slot=decision.decided_ns // self.scenario.slot_ns,
            observed_ns=decision.observed_ns,
            received_ns=decision.received_ns,
            applied_ns=decision.applied_ns,
            reward=decision.reward,
        )
