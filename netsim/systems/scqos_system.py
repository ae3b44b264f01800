"""SC-QoS as a system of the conductor: one station sends a sentence to every user in every slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from netsim.buffer import Buffer
from netsim.engine import SECOND_NS
from netsim.link import Block, Grants
from netsim.recorder import Recorder
from netsim.streams import Streams
from netsim.system import Node, Outcome, Transmission
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_mdp import ActionSpace, Previous, StateLayout, nothing
from netsim.systems.scqos_model import latency_s, psi, reward, sentence_bits, valid_sqe
from netsim.systems.scqos_radio import (
    assigned_channel,
    estimated,
    noise_scale,
    snr_of_beams,
)
from netsim.systems.scqos_world import ScqosWorld
from netsim.trace_schema import DELIVERED, DROPPED, INDEX, REAL, Column, Table, extended
from phy.bursts import Received

SENTENCES = Table(
    "sentences",
    "one row per slot and user that was sent a sentence (scqos)",
    (
        Column("slot", INDEX, "1", "slot index, counted through all episodes of the run"),
        Column("ue", INDEX, "1", "user index"),
        Column("bits", INDEX, "bit", "bits a feature (n)"),
        Column("latency_s", REAL, "s", "latency by the formula that the scenario names, capped"),
        Column("sojourn_s", REAL, "s", "from the sentence's arrival to its delivery as measured", "dropped"),
        Column("similarity", REAL, "1", "similarity of what arrived to what was sent"),
        Column("valid", INDEX, "1", "1 where the similarity reaches the minimum"),
    ),
)
_NO_PAYLOAD = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the station knows at a slot's start; arrays over users."""

    slot: int
    episode: int
    item: np.ndarray  # int64[u], the sentence to send, -1: none waits
    features: np.ndarray  # float32[u, D]
    h: np.ndarray  # complex128[u, c, m], channel as the station knows it
    full_snr: np.ndarray  # float64[u, c], by that channel
    vector: np.ndarray  # float32[size], the state (19)


@dataclass(frozen=True, slots=True)
class Action:
    """What a policy decides; arrays over users."""

    bits: np.ndarray  # int64[u]
    subchannel: np.ndarray  # int64[u], one-to-one
    band_share: np.ndarray  # float64[u], sum 1
    power_share: np.ndarray  # float64[u], of the total power that each beam takes
    beams: np.ndarray  # complex128[u, m], unit norm (computed from the channel that the agent saw)


class Meaning(Protocol):
    """What sentences are worth at a level (netsim/systems/scqos_meaning.py)."""

    num_items: int
    carries_bits: bool
    sources: Sequence[str]

    def features(self, item: np.ndarray) -> np.ndarray:
        """float32[u, D] of sentences int64[u]."""

    def payload(self, item: int, bits: int) -> np.ndarray:
        """uint8, packed bits of a sentence at n bits a feature; empty where no bits are carried."""

    def transmit(
        self, slot: int, ue: np.ndarray, payloads: Sequence[np.ndarray], num_bits: np.ndarray,
        snr: np.ndarray, subcarriers: np.ndarray,
    ) -> Received | None:  # fmt: skip
        """All payloads of the slot through the channel at their SNR (linear)."""

    def similarity(
        self, slot: int, ue: np.ndarray, item: np.ndarray, bits: np.ndarray, snr: np.ndarray,
        received: Received | None,
    ) -> np.ndarray:  # fmt: skip
        """float64[u] in [0, 1]."""


class ScqosSystem:
    """One cell, one agent, a sentence for each user in each slot."""

    nodes: Sequence[Node] = (Node("cell0", "agent0"),)
    tables: Mapping[str, Table] = extended(SENTENCES)
    combine: Callable[[Sequence[tuple[float, ...]]], float] | None = None  # no central controller

    def __init__(self, scenario: Scqos, meaning: Meaning, streams: Streams) -> None:
        self.scenario, self.meaning, self._streams = scenario, meaning, streams
        self.downlink, self.utility = scenario.downlink, scenario.utility
        self.num_ues = self.downlink.num_ues
        self.cell_of_ue = np.zeros(self.num_ues, dtype=np.int64)
        self.sources = meaning.sources
        self.world = ScqosWorld(self.downlink, scenario.csi.doppler_hz, scenario.slot_ns, streams)
        self.space = action_space(scenario)
        self.layout = StateLayout(self.space, self.utility.num_features, scenario.interface.observe_gain)
        self._silent = np.zeros(self.num_ues)

    def begin_episode(self, episode: int) -> dict[str, np.ndarray]:
        self.world.new_drop()
        self.previous: Previous = nothing(self.space)
        return {
            "task": np.zeros(self.num_ues, np.int64),
            "distance_m": np.array(self.downlink.distance_m),
            "shadowing_db": np.full(self.num_ues, np.nan),
            "gain_db": 10.0 * np.log10(self.downlink.path_gain),
        }

    def num_items(self, task: int) -> int:
        return self.meaning.num_items

    def fade(self) -> None:
        self.world.fade()

    def observe(self, slot: int, episode: int, buffers: Sequence[Buffer]) -> list[Observation]:
        """The sentences that wait, the channel as the station estimates it, and the state (19)."""
        item = np.array([buffer.waiting[0].item if len(buffer) else -1 for buffer in buffers])
        features = self.meaning.features(np.maximum(item, 0))
        features[item < 0] = 0.0
        h, error = self.world.h, self.scenario.csi.estimation_error
        full_snr = self.world.full_snr
        if error > 0.0:
            h = estimated(self._streams.at("csi/cell0", slot), h, error)
            full_snr = self.downlink.mean_snr[:, None] * (np.abs(h) ** 2).sum(axis=-1)
        vector = self.layout.vector(self.previous, features, h, full_snr)
        return [Observation(slot, episode, item, features, h, full_snr, vector)]

    def grants(self, actions: Sequence[Action | None]) -> Grants:
        (self._action,) = actions
        if self._action is None:
            return Grants(self._silent, self._silent, self._silent)
        a = self._action
        return Grants(
            compression=1.0 - a.bits / self.utility.max_bits,
            bandwidth_hz=self.downlink.bandwidth_hz * a.band_share,
            power_w=self.downlink.power_w * a.power_share,
            bits_per_symbol=4 if self.meaning.carries_bits else -1,
            subchannel=a.subchannel,
        )

    def encode(
        self, slot: int, grants: Grants, buffers: Sequence[Buffer], budget_ns: int
    ) -> list[Transmission]:
        """The sentence that waits at each user; one that would take too long is dropped at the cap."""
        self._snr = np.zeros(self.num_ues)
        if self._action is None:
            return []
        a = self._action
        self._snr = self._snr_of(a, grants.bandwidth_hz)
        self._latency, dropped = latency_s(
            self.utility, self.scenario.ofdm, a.bits, grants.bandwidth_hz, self._snr
        )
        sent = []
        for ue, buffer in enumerate(buffers):
            if not len(buffer):
                continue
            packet, bits = buffer.waiting[0], int(a.bits[ue])
            packet.compression = float(grants.compression[ue])
            payload = self.meaning.payload(packet.item, bits)
            packet.num_bits = int(sentence_bits(self.utility, np.array(bits)))
            end_ns = min(round(float(self._latency[ue]) * SECOND_NS), budget_ns)
            block = Block(ue, payload, packet.num_bits, 0)
            sent.append(Transmission(packet, block, 0, end_ns, DROPPED if dropped[ue] else DELIVERED))
        return sent

    def _snr_of(self, action: Action, bandwidth_hz: np.ndarray) -> np.ndarray:
        h = assigned_channel(self.world.h, action.subchannel)
        beams = np.sqrt(self.downlink.power_w * action.power_share)[:, None] * action.beams
        return snr_of_beams(self.downlink, h, beams) / noise_scale(self.downlink, bandwidth_hz)

    def transmit(self, slot: int, grants: Grants, blocks: list[Block]) -> Received | None:
        ue = np.array([block.ue for block in blocks], dtype=np.int64)
        num_bits = np.array([block.num_bits for block in blocks], dtype=np.int64)
        payloads = [block.payload for block in blocks]
        widths = np.rint(grants.bandwidth_hz / self.scenario.ofdm.subcarrier_spacing_hz).astype(np.int64)
        return self.meaning.transmit(slot, ue, payloads, num_bits, self._snr[ue], np.maximum(widths, 1)[ue])

    def score(
        self, slot: int, grants: Grants, sent: list[Transmission], received: Received | None
    ) -> Outcome:
        """Similarity, latency, Psi (17) and the reward; a dropped sentence has similarity 0."""
        utility, num_ues = self.utility, self.num_ues
        similarity, latency, bits = np.zeros(num_ues), np.zeros(num_ues), np.ones(num_ues, np.int64)
        self._rows: list[tuple[int, int, float, float, float]] = []
        if sent and self._action is not None:
            ue = np.array([transmission.block.ue for transmission in sent])
            item = np.array([transmission.packet.item for transmission in sent])
            arrived = np.array([transmission.fate == DELIVERED for transmission in sent])
            bits[ue] = self._action.bits[ue]
            found = self.meaning.similarity(slot, ue, item, bits[ue], self._snr[ue], received)
            similarity[ue] = np.where(arrived, found, 0.0)
            latency[ue] = self._latency[ue]
            for row, transmission in enumerate(sent):
                packet = transmission.packet
                packet.num_bit_errors = -1 if received is None else int(received.num_bit_errors[row])
                sojourn = np.nan
                if arrived[row]:
                    packet.score = float(similarity[packet.ue])
                    sojourn = (packet.delivered_ns - packet.created_ns) / SECOND_NS
                u = packet.ue
                self._rows.append((u, int(bits[u]), float(latency[u]), sojourn, float(similarity[u])))
        value = float(psi(utility, similarity, bits, latency))
        rewarded = float(reward(utility, similarity, bits, latency)) if sent else 0.0
        short, late = similarity < utility.min_similarity, latency > utility.max_latency_s
        self._remember(similarity, bits, latency, rewarded)
        return Outcome(value, rewarded, int(short.sum() + late.sum()) if sent else 0)

    def _remember(
        self, similarity: np.ndarray, bits: np.ndarray, latency: np.ndarray, rewarded: float
    ) -> None:
        a = self._action
        if a is None:
            return
        self.previous = Previous(
            bits=a.bits,
            subchannel=a.subchannel,
            band_share=a.band_share,
            power_share=a.power_share,
            beams=np.sqrt(a.power_share)[:, None] * a.beams,
            valid_sqe=valid_sqe(self.utility, similarity, bits),
            latency=latency / self.utility.max_latency_s,
            reward=np.array(rewarded),
        )

    def reception(self, grants: Grants) -> tuple[np.ndarray, np.ndarray]:
        """Gain of each user's link with its beam, and its SNR."""
        with np.errstate(divide="ignore"):
            sinr_db = 10.0 * np.log10(self._snr)
            power_w = np.maximum(grants.power_w, 1e-300)
        return self._snr * self.downlink.noise_w / power_w, sinr_db

    def record(self, slot: int, trace: Recorder) -> None:
        for ue, bits, latency, sojourn, similarity in self._rows:
            trace.append(
                "sentences",
                slot=slot,
                ue=ue,
                bits=bits,
                latency_s=latency,
                sojourn_s=sojourn,
                similarity=similarity,
                valid=int(similarity >= self.utility.min_similarity),
            )


def action_space(scenario: Scqos) -> ActionSpace:
    """The actions that the scenario's downlink allows."""
    d = scenario.downlink
    return ActionSpace(
        d.num_ues, d.num_subchannels, d.num_tx_ant, scenario.utility.max_bits, scenario.interface.beam
    )
