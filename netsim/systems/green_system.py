"""Green as a system of the conductor: every station decides alone, all interfere, a controller rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from netsim.buffer import Buffer
from netsim.link import Block, Grants
from netsim.recorder import Recorder
from netsim.streams import Streams
from netsim.system import Node, Outcome, Transmission
from netsim.systems.green import Green
from netsim.systems.green_apart import OwnSlots
from netsim.systems.green_curves import accuracy_of
from netsim.systems.green_model import (
    Model,
    Observer,
    RequirementDraw,
    energy_efficiency,
    reward_of,
)
from netsim.systems.green_model import Outcome as Delivered
from netsim.systems.green_world import GreenWorld
from netsim.trace_schema import INDEX, REAL, Column, Table, extended
from phy.bursts import Received

if TYPE_CHECKING:  # bring the text codec, which level `paper` does without
    from netsim.systems.green_bits import CellLink, OnAir, Sentences

STATIONS = Table(
    "stations",
    "one row per slot and station (green)",
    (
        Column("slot", INDEX, "1", "slot index, counted through all episodes of the run"),
        Column("cell", INDEX, "1", "cell index"),
        Column("power_level", INDEX, "1", "index into the power book"),
        Column("symbols_per_word", INDEX, "1", "channel symbols spent on a word (k)"),
        Column("accuracy", REAL, "1", "semantic accuracy xi of the slot: formula, or mean similarity"),
        Column(
            "sinr_measured_db",
            REAL,
            "dB",
            "SINR of the very symbols",
            "the level superposes none, or nothing was sent",
        ),
        Column("rate_ksuts", REAL, "ksut/s", "semantic rate"),
        Column("qoe", REAL, "1", "quality of experience (M5)"),
        Column("rate_elements_ksuts", REAL, "ksut/s", "semantic rate over data resource elements alone"),
        Column("qoe_elements", REAL, "1", "quality of experience with that rate"),
    ),
)
_NO_PAYLOAD = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True)
class StationObservation:
    """What a station knows at a slot's start (P(17)-(19)): `vector` is the scaled form for networks."""

    slot: int
    episode: int
    cell: int
    vector: np.ndarray  # float32[7 or 8]
    sinr: float  # linear, powers of the last slot over the measured channel


@dataclass(frozen=True, slots=True)
class StationAction:
    """Power level and symbols per word."""

    level: int
    k: int


class GreenSystem:
    """M cells; what a slot delivers follows from all powers together."""

    tables = extended(STATIONS)

    def __init__(
        self,
        scenario: Green,
        streams: Streams,
        sentences: Sentences | None = None,
        link: CellLink | None = None,
    ) -> None:
        self.scenario, self.sentences, self._link = scenario, sentences, link
        self._streams = streams
        self.num_ues = scenario.layout.num_cells
        self.cell_of_ue = np.arange(self.num_ues)
        self.nodes = tuple(Node(f"cell{m}", f"station{m}") for m in range(self.num_ues))
        formulas = "formulas: semantic accuracy f_s(k, SINR) (M3), no sentences"
        self.sources = [formulas if sentences is None else sentences.source]
        self._parameters = scenario.parameters
        if sentences is not None:
            sentences.must_fit(accuracy_of(self._parameters.codec))
        self._world = GreenWorld(scenario.layout, streams, scenario.clocks.channel_steps)
        self._requirements = RequirementDraw(scenario.qoe, self.num_ues, streams)
        self._believed_requirements = RequirementDraw(scenario.qoe, self.num_ues, streams)  # the same draws
        self.air: OnAir | None = None  # what the newest slot sent and what arrived, where bits are carried

    def combine(self, reports: Sequence[tuple[float, ...]]) -> list[float]:
        """Every station's reward that the controller forms from (QoE, power) of every cell, of the slot and
        of the one before: (M7) or without the energy term the same for all, or each its own (specification
        5.3).
        """
        now_and_before = np.array(reports).T.reshape(2, 2, -1)
        payoff, before = self.model.payoff(now_and_before[:, 0], now_and_before[:, 1])
        rewards: list[float] = reward_of(self._parameters.decision, payoff, before).tolist()
        return rewards

    def begin_episode(self, episode: int) -> dict[str, np.ndarray]:
        drop = self._world.new_drop()
        required = self._requirements.draw(accuracy_of(self._parameters.codec))
        self.model = self.believed = Model(self._parameters, required)
        if self.scenario.agent.plan == "published":
            codec = replace(self._parameters.codec, accuracy="published")
            required = self._believed_requirements.draw(accuracy_of(codec))
            self.believed = Model(replace(self._parameters, codec=codec), required)
        self._observer = Observer(self._parameters)
        self._power_w, self._qoe = np.zeros(self.num_ues), np.zeros(self.num_ues)
        self._level, self._k = np.zeros(self.num_ues, np.int64), np.ones(self.num_ues, np.int64)
        self._before = np.zeros((2, self.num_ues))  # QoE and power that were reported last
        self._outcome: Delivered | None = None
        self._measured_db = np.full(self.num_ues, np.nan)
        self._own = OwnSlots(self.num_ues) if self.scenario.station_clocks is not None else None
        return {
            "task": np.zeros(self.num_ues, np.int64),
            "distance_m": np.diag(drop.distance_m),
            "shadowing_db": np.full(self.num_ues, np.nan),
            "gain_db": 10.0 * np.log10(np.diag(drop.path_gain)),
        }

    def num_items(self, task: int) -> int:
        return 0 if self.sentences is None else self.sentences.num_items

    def fade(self) -> None:
        self._world.fade()

    def observe(self, slot: int, episode: int, buffers: Sequence[Buffer]) -> list[StationObservation]:
        return self.observe_nodes(range(self.num_ues), slot, episode)

    def observe_nodes(self, nodes: Sequence[int], slot: int, episode: int) -> list[StationObservation]:
        """What these stations see now; for the others it is as if nothing had been measured."""
        if not nodes:
            return []
        error, error_db = np.ones(self.num_ues), self._parameters.decision.measurement_error_db
        if error_db > 0.0:
            draws = self._streams.at("csi/cells", slot).standard_normal(self.num_ues)
            error = 10.0 ** (error_db / 10.0 * draws)
        vectors = self._observer.take(self._power_w, self._world.gain, self._qoe, self._k, nodes, error)
        now = self._observer.newest
        sinr = now.own_w / now.other_w
        return [StationObservation(slot, episode, m, vectors[m], float(sinr[m])) for m in nodes]

    def grants(self, actions: Sequence[StationAction | None]) -> Grants:
        """Power and k of every station; one without an action is silent."""
        return self.grants_of(range(self.num_ues), actions)

    def grants_of(self, nodes: Sequence[int], actions: Sequence[StationAction | None]) -> Grants:
        """New power and k of these stations; the others go on with theirs."""
        chosen = [StationAction(0, 1) if action is None else action for action in actions]
        self._level, self._k = self._level.copy(), self._k.copy()
        self._level[nodes] = [action.level for action in chosen]
        self._k[nodes] = [action.k for action in chosen]
        self._power_w = self.model.levels_w[self._level]
        if self._own is not None:
            self._own.begin(nodes)
        return Grants(
            compression=1.0 - self._k / self.scenario.codec.num_levels,
            bandwidth_hz=np.full(self.num_ues, self.scenario.codec.symbol_rate_hz),
            power_w=self._power_w,
        )

    def pass_time(self, duration_ns: int) -> None:
        """Powers and channel have been as they are for so long (clocks that disagree)."""
        assert self._own is not None
        if duration_ns:
            self._own.add(duration_ns, self._now().accuracy)

    def end_slots(self, nodes: Sequence[int]) -> None:
        """The own slots of these stations are over (clocks that disagree)."""
        assert self._own is not None
        if nodes:
            self._own.end(nodes, self._level, self._k, self._power_w, self._now(), self.model)
            self._qoe = self._own.qoe

    def _now(self) -> Delivered:
        return self.model.outcome(self._power_w, self._k, self._world.gain)

    def encode(
        self, slot: int, grants: Grants, buffers: Sequence[Buffer], budget_ns: int
    ) -> list[Transmission]:
        """The burst of every cell fills the slot; with bits, a station without power sends none.

        Where the last action came with the end of the slot (`grant_gap=idle`), all cells have been silent.
        """
        sent: list[Transmission] = []
        self.bits: list[np.ndarray] = []
        if budget_ns == 0:
            self._power_w, self._level = np.zeros(self.num_ues), np.zeros(self.num_ues, np.int64)
            self._items = [-1] * self.num_ues
            return sent
        self._items = [buffer.waiting[0].item for buffer in buffers]
        for ue, buffer in enumerate(buffers):
            packet = buffer.waiting[0]
            packet.compression = float(grants.compression[ue])
            if self.sentences is not None and self._power_w[ue] > 0.0:
                bits = np.concatenate(self.sentences.bits(packet.item, int(self._k[ue])))
                self.bits.append(bits)
                packet.num_bits = len(bits)
            sent.append(Transmission(packet, Block(ue, _NO_PAYLOAD, packet.num_bits, 0), 0, budget_ns))
        return sent

    def transmit(self, slot: int, grants: Grants, blocks: list[Block]) -> Received | None:
        """By formula (M2)-(M5); with bits, what the users make of the symbols that reach them."""
        self._outcome = self._now()
        self._measured_db = np.full(self.num_ues, np.nan)
        if self.sentences is None or self._link is None:
            return None
        cells = np.flatnonzero(self._power_w > 0.0)
        coefficient = np.sqrt(self._power_w * self._world.drop.path_gain) * self._world.g
        self.air = air = self._link.send(slot, cells, self.bits, coefficient, self._outcome.sinr)
        accuracy, errors = np.zeros(self.num_ues), np.zeros(self.num_ues, np.int64)
        sinr_db = self.sinr_db
        parts = np.split(air.received.payload, np.cumsum(air.num_bits))  # the last one is empty
        for cell, bits in zip(cells.tolist(), parts):
            accuracy[cell] = self.sentences.similarity(
                self._items[cell], int(self._k[cell]), bits, float(sinr_db[cell])
            )
        errors[cells] = air.received.num_bit_errors
        self._measured_db[cells] = air.sinr_db
        self._outcome = self.model.judged(self._outcome, self._power_w, self._k, accuracy)
        return Received(_NO_PAYLOAD, errors, sinr_db)

    def score(
        self, slot: int, grants: Grants, sent: list[Transmission], received: Received | None
    ) -> Outcome:
        """(M3)-(M7); violations: requirements P(9d), P(9e) that a user does not get."""
        power_w, required = self._power_w, self.model.required
        if self._own is not None:
            power_w, self._outcome = self._own.power_w, self._own.judged(self._now(), self.model)
        o = self._outcome
        assert o is not None
        for transmission in sent:
            packet = transmission.packet
            packet.num_bit_errors = -1 if received is None else int(received.num_bit_errors[packet.ue])
            packet.score = float(o.accuracy[packet.ue])
        self._qoe = o.qoe
        unmet = (o.accuracy < required.accuracy) | (o.rate_ksuts < required.rate_ksuts)
        ee = float(energy_efficiency(self.scenario.power, o.qoe, power_w))
        reports = tuple(zip(o.qoe.tolist(), power_w.tolist(), *self._before.tolist()))
        self._before = np.stack([o.qoe, power_w])
        rewards = self.combine(reports)
        common = self._parameters.decision.reward != "local"
        reward = rewards[0] if common else float(np.mean(rewards))
        return Outcome(ee, reward, int(unmet.sum()), reports)

    def reception(self, grants: Grants) -> tuple[np.ndarray, np.ndarray]:
        assert self._outcome is not None
        with np.errstate(divide="ignore"):
            return np.diag(self._world.gain).copy(), 10.0 * np.log10(self._outcome.sinr)

    @property
    def symbols_per_word(self) -> np.ndarray:
        """int64[M], k in force."""
        return self._k

    @property
    def sinr_db(self) -> np.ndarray:
        """float64[M], by (M2), of the newest slot."""
        assert self._outcome is not None
        return 10.0 * np.log10(np.maximum(self._outcome.sinr, 1e-30))

    def newest(self) -> tuple[dict[str, np.ndarray], float]:
        """What the newest slot delivered, by name float64[M], and its EE; zeros before the first one."""
        o = self._outcome
        if o is None:
            none = np.zeros(self.num_ues)
            return dict.fromkeys(("qoe", "sinr_db", "accuracy", "rate_ksuts", "power_w"), none), 0.0
        with np.errstate(divide="ignore"):
            sinr_db = 10.0 * np.log10(o.sinr)
        columns = {"qoe": o.qoe, "sinr_db": sinr_db, "accuracy": o.accuracy, "rate_ksuts": o.rate_ksuts}
        return {**columns, "power_w": self._power_w}, float(o.ee)

    def record(self, slot: int, trace: Recorder) -> None:
        assert self._outcome is not None
        level, k = (self._level, self._k) if self._own is None else (self._own.level, self._own.k)
        rate, qoe = self.model.by_elements(k, self._outcome.accuracy)
        trace.extend(
            "stations",
            slot=slot,
            cell=self.cell_of_ue,
            power_level=level,
            symbols_per_word=k,
            accuracy=self._outcome.accuracy,
            sinr_measured_db=self._measured_db,
            rate_ksuts=self._outcome.rate_ksuts,
            qoe=self._outcome.qoe,
            rate_elements_ksuts=rate,
            qoe_elements=qoe,
        )
