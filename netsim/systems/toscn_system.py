"""TOSCN as a system of the conductor: devices with buffers share an uplink carrier, a server classifies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from netsim.agents.own import is_own
from netsim.agents.policy import Policy
from netsim.buffer import Buffer
from netsim.link import Block, Grants, Link, PaperLink
from netsim.link_errors import MovedErrors
from netsim.link_partial import PartialLink
from netsim.recorder import Recorder
from netsim.streams import Streams
from netsim.system import Node, Outcome, Transmission
from netsim.systems.toscn import Action, Model, Observation, Toscn
from netsim.systems.toscn_task import FormulaTask, Task
from netsim.trace_schema import TABLES, Table
from netsim.world import World
from phy.bursts import Received


def make_link(scenario: Toscn, streams: Streams) -> Link:
    """The link at the scenario's level of fidelity."""
    if scenario.phy == "paper" and scenario.partial.nothing:
        return PaperLink(scenario.radio)
    if scenario.phy == "paper":
        return PartialLink(scenario, streams)
    from netsim.link_ofdm import OfdmLink  # brings numba, which level `paper` does without

    link = OfdmLink(scenario, streams)
    places = scenario.radio.error_places
    return link if places == "channel" else MovedErrors(link, places, streams)


def make_task(scenario: Toscn, streams: Streams) -> Task:
    """What packets mean at the scenario's level: the accuracy curve, or images and a classifier."""
    if scenario.phy == "paper" and not scenario.partial.decoder:
        return FormulaTask(scenario, streams)
    from netsim.systems.toscn_images import ImageTask

    return ImageTask(scenario, streams)


def believed_link(scenario: Toscn, law: str) -> PaperLink:
    """The link of a planner that believes in rate law `law`; where bits are carried, it knows that bandwidth
    comes in whole subcarriers.
    """
    step = (
        scenario.radio.bandwidth_step_hz if scenario.phy == "paper" else scenario.ofdm.subcarrier_spacing_hz
    )
    if law == "shannon":
        step = scenario.radio.bandwidth_step_hz
    return PaperLink(replace(scenario.radio, rate=law, bandwidth_step_hz=step))


def make_policy(scenario: Toscn, link: Link, model: Model, streams: Streams) -> Policy:
    """The policy named by `agent.name`; planners believe in the rate law that `agent.plan` names."""
    from netsim.agents.allocation import FixedCompression, JustEnough, RandomPolicy
    from netsim.agents.myopic import Myopic

    agent = scenario.agent
    believed = link if agent.plan == "link" else believed_link(scenario, agent.plan)
    match agent.name:
        case "random":
            return RandomPolicy(model, streams)
        case "equal" | "prop":
            return FixedCompression(model, believed, agent.compression, proportional=agent.name == "prop")
        case "je_equal" | "je_qse":
            return JustEnough(model, believed, by_queue=agent.name == "je_qse", margin_ns=agent.margin_ns)
        case "myopic" | "sum_packets":
            return Myopic(model, believed, compress=agent.name == "myopic", margin_ns=agent.margin_ns)
        case _:
            from netsim.systems.toscn_learning import trained

            return trained(scenario)


def build(scenario: Toscn, streams: Streams) -> tuple[ToscnSystem, list[Policy]]:
    """The system and its one policy (none if it is the user's own: `netsim.simulate.prepare` makes it)."""
    link, task = make_link(scenario, streams), make_task(scenario, streams)
    system = ToscnSystem(scenario, link, task, streams)
    if is_own(scenario.agent.name):
        return system, []
    return system, [make_policy(scenario, link, task.model, streams)]


class ToscnSystem:
    """One cell, one agent; a slot's packets go on the air back to back and are complete within it."""

    nodes: Sequence[Node] = (Node("cell0", "agent0"),)
    tables: Mapping[str, Table] = TABLES
    combine: Callable[[Sequence[tuple[float, ...]]], float] | None = None  # no central controller

    def __init__(self, scenario: Toscn, link: Link, task: Task, streams: Streams) -> None:
        self.scenario, self.link, self.task = scenario, link, task
        self.num_ues = scenario.cell.num_ues
        self.cell_of_ue = np.zeros(self.num_ues, dtype=np.int64)
        self.sources = task.sources
        self.world = World(scenario.cell, scenario.fading, scenario.slot_ns, streams)
        self._sounded: deque[np.ndarray] = deque(maxlen=scenario.radio.csi_age_slots + 1)
        self._bits_per_symbol = np.full(
            self.num_ues, scenario.radio.bits_per_symbol if link.carries_bits else -1
        )

    def begin_episode(self, episode: int) -> dict[str, np.ndarray]:
        drop = self.world.new_drop(episode)
        self._sounded.clear()
        self.task.begin_episode(episode)
        return {
            "task": self.task.of_ue,
            "distance_m": drop.distance_m,
            "shadowing_db": drop.shadowing_db,
            "gain_db": 10.0 * np.log10(drop.path_gain),
        }

    def num_items(self, task: int) -> int:
        return self.task.num_items(task)

    def fade(self) -> None:
        self.world.fade()
        self._sounded.append(self.world.gain)

    def observe(self, slot: int, episode: int, buffers: Sequence[Buffer]) -> list[Observation]:
        """Tasks, gains and queues of this very instant (35); gains of `radio.csi_age_slots` ago, in the first
        slots of an episode the oldest that there are.
        """
        queue = np.array([len(buffer) for buffer in buffers], dtype=np.int64)
        return [Observation(slot, episode, self.task.of_ue, self._sounded[0], queue)]

    def grants(self, actions: Sequence[Action | None]) -> Grants:
        (action,) = actions
        if action is None:
            silent = np.zeros(self.num_ues)
            return Grants(silent, silent, silent, self._bits_per_symbol)
        grants = self.task.model.grants(action, self.link)
        grants.bits_per_symbol = self._bits_per_symbol
        return grants

    def encode(
        self, slot: int, grants: Grants, buffers: Sequence[Buffer], budget_ns: int
    ) -> list[Transmission]:
        """From each buffer the packets that will be complete within the grant; one that would not is not
        begun (M7). Only packets that wait when the grant begins are served (gated service).
        """
        sent: list[Transmission] = []
        for ue, buffer in enumerate(buffers):
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
                packet.compression = compression
                payload, packet.num_bits = self.task.encode(packet)
                block = Block(ue, payload, packet.num_bits, k * symbols)
                sent.append(Transmission(packet, block, begin_ns, end_ns))
                begin_ns = end_ns
        return sent

    def transmit(self, slot: int, grants: Grants, blocks: list[Block]) -> Received | None:
        return self.link.transmit(slot, grants, self.world, blocks)

    def score(
        self, slot: int, grants: Grants, sent: list[Transmission], received: Received | None
    ) -> Outcome:
        """The server decides on what arrived, wrong bits included; the objective is the sum of the scores
        (22).
        """
        packets = [transmission.packet for transmission in sent]
        snr_db = self.link.snr_db(grants, self.world)
        self.task.score(packets, [transmission.block for transmission in sent], received, snr_db)
        objective = float(sum(packet.score for packet in packets))
        reward, violations = self.task.model.reward(self.task.of_ue, grants.compression, objective)
        return Outcome(objective, reward, violations)

    def reception(self, grants: Grants) -> tuple[np.ndarray, np.ndarray]:
        return self.world.gain, self.link.snr_db(grants, self.world)

    def record(self, slot: int, trace: Recorder) -> None:
        """TOSCN has no tables of its own."""
