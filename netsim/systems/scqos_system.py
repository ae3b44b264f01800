"""SC-QoS as a system of the conductor: one station sends a sentence to every user in every slot."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Protocol

import numpy as np

from netsim.buffer import Buffer, Packet
from netsim.engine import SECOND_NS
from netsim.link import Block, Grants
from netsim.link_errors import moved
from netsim.recorder import Recorder
from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL
from netsim.streams import Streams
from netsim.system import Node, Outcome, Transmission
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_later import Later, Scores
from netsim.systems.scqos_mdp import ActionSpace, Previous, StateLayout, nothing
from netsim.systems.scqos_model import latency_s, sentence_bits
from netsim.systems.scqos_radio import (
    assigned_channel,
    estimated,
    noise_scale,
    snr_of_beams,
)
from netsim.systems.scqos_world import ScqosWorld
from netsim.systems.scqos_worth import SlotWorth
from netsim.trace_schema import DELIVERED, DROPPED, INDEX, REAL, Column, Table, extended, late
from phy.bursts import Received

SENTENCES = Table(
    "sentences",
    "one row per slot and user that was sent a sentence (scqos)",
    (
        Column("slot", INDEX, "1", "slot index, counted through all episodes of the run"),
        Column("ue", INDEX, "1", "user index"),
        Column("bits", INDEX, "bit", "bits a feature (n)"),
        Column("formula_s", REAL, "s", "latency by (16), D n / R with Shannon's rate, capped"),
        Column(
            "latency_s", REAL, "s", "latency that Psi counts, by the formula that the scenario names, capped"
        ),
        Column(
            "wait_s",
            REAL,
            "s",
            "from the sentence's arrival to the start of its transmission: queue and signalling",
        ),
        Column("airtime_s", REAL, "s", "from the start of its transmission to the end, or to the cap"),
        Column("sojourn_s", REAL, "s", "from the sentence's arrival to its delivery as measured", "dropped"),
        Column("similarity", REAL, "1", "similarity of what arrived to what was sent"),
        Column("valid", INDEX, "1", "1 where the similarity reaches the minimum"),
        Column("band_share", REAL, "1", "share of the band, as the agent decided it"),
        Column("power_share", REAL, "1", "share of the power, as the agent decided it"),
    ),
)
BEAMS = Table(
    "beams",
    "one row per slot, user and antenna: the beams in force, unit norm, with which a replay begins (scqos)",
    (
        Column("slot", INDEX, "1", "slot index, counted through all episodes of the run"),
        Column("ue", INDEX, "1", "user index"),
        Column("antenna", INDEX, "1", "antenna of the station"),
        Column("real", REAL, "1", "real part of the coefficient"),
        Column("imag", REAL, "1", "imaginary part of the coefficient"),
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
    state: Callable[[], np.ndarray]

    @property
    def vector(self) -> np.ndarray:
        """float32[size], the state (19); what the last slot was worth is part of it and is found now."""
        return self.state()


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
        first_symbol: np.ndarray, snr: np.ndarray, subcarriers: np.ndarray,
    ) -> Received | None:  # fmt: skip
        """All payloads of the slot through the channel at their SNR (linear); `first_symbol`: where each
        begins among its user's symbols of the slot.
        """

    def similarity(
        self, slot: int, ue: np.ndarray, item: np.ndarray, bits: np.ndarray, snr: np.ndarray,
        received: Received | None,
    ) -> Scores:  # fmt: skip
        """float64[u] in [0, 1], found when they are looked at."""


class ScqosSystem:
    """One cell, one agent, a sentence for each user in each slot."""

    nodes: Sequence[Node] = (Node("cell0", "agent0"),)
    tables: Mapping[str, Table] = late(
        extended(SENTENCES, BEAMS), "slots", "packets", "decisions", "sentences"
    )
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
        self._watched = False
        self._sounded: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=scenario.csi.age_slots + 1)

    def begin_episode(self, episode: int) -> dict[str, np.ndarray]:
        self.world.new_drop()
        self._sounded.clear()
        self._previous: Callable[[], Previous] = partial(nothing, self.space)
        return {
            "task": np.zeros(self.num_ues, np.int64),
            "distance_m": np.array(self.downlink.distance_m),
            "shadowing_db": np.full(self.num_ues, np.nan),
            "gain_db": 10.0 * np.log10(self.downlink.path_gain),
        }

    def num_items(self, task: int) -> int:
        return self.meaning.num_items

    @property
    def joins(self) -> bool:
        """Whether sentences that arrive within a slot go on the air in it."""
        return self.scenario.service == "arrival"

    def fade(self) -> None:
        self.world.fade()
        self._sounded.append((self.world.h, self.world.full_snr))

    def observe(self, slot: int, episode: int, buffers: Sequence[Buffer]) -> list[Observation]:
        """The sentences that wait, the channel as the station estimates it (of `csi.age_slots` ago, in the
        first slots of an episode the oldest that there is), and the state (19).
        """
        item = np.array([buffer.waiting[0].item if len(buffer) else -1 for buffer in buffers])
        features = self.meaning.features(np.maximum(item, 0))
        features[item < 0] = 0.0
        (h, full_snr), error = self._sounded[0], self.scenario.csi.estimation_error
        if error > 0.0:
            h = estimated(self._streams.at("csi/cell0", slot), h, error)
            full_snr = self.downlink.mean_snr[:, None] * (np.abs(h) ** 2).sum(axis=-1)
        state = cache(partial(self._state, self._previous, features, h, full_snr))
        return [Observation(slot, episode, item, features, h, full_snr, state)]

    def _state(
        self, previous: Callable[[], Previous], features: np.ndarray, h: np.ndarray, full_snr: np.ndarray
    ) -> np.ndarray:
        self._watched = True  # whoever looks at the state will want the rewards, too
        return self.layout.vector(previous(), features, h, full_snr)

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
        self._snr, self._budget_ns = np.zeros(self.num_ues), budget_ns
        self._free_ns = [0] * self.num_ues
        if self._action is None:
            return []
        a, ofdm = self._action, self.scenario.ofdm
        self._snr = self._snr_of(a, grants.bandwidth_hz)
        self._formula, _ = latency_s(
            replace(self.utility, latency="shannon"), ofdm, a.bits, grants.bandwidth_hz, self._snr
        )
        self._latency, self._dropped = latency_s(self.utility, ofdm, a.bits, grants.bandwidth_hz, self._snr)
        self._airtime_ns = [round(latency * SECOND_NS) for latency in self._latency.tolist()]
        self._bits, self._left_out = a.bits.tolist(), grants.compression.tolist()
        self._num_bits = sentence_bits(self.utility, a.bits).tolist()
        sent = []
        for buffer in buffers:
            waiting = list(buffer.waiting) if self.joins else list(buffer.waiting)[:1]
            for packet in waiting:
                transmission = self.join(packet, 0)
                if transmission is not None:
                    sent.append(transmission)
        return sent

    def join(self, packet: Packet, after_ns: int) -> Transmission | None:
        """The user's next sentence as soon as its link is free, if there is time left for it; with a sentence
        a slot the slot is long enough for any (a late grant cuts it off).
        """
        if self._action is None:
            return None
        ue = packet.ue
        begin_ns = max(after_ns, self._free_ns[ue])
        end_ns = begin_ns + self._airtime_ns[ue]
        if end_ns > self._budget_ns:
            if self.joins:
                return None
            end_ns = self._budget_ns
        self._free_ns[ue] = end_ns
        packet.compression, packet.num_bits = self._left_out[ue], self._num_bits[ue]
        block = Block(ue, self.meaning.payload(packet.item, self._bits[ue]), packet.num_bits, 0)
        return Transmission(packet, block, begin_ns, end_ns, DROPPED if self._dropped[ue] else DELIVERED)

    def _snr_of(self, action: Action, bandwidth_hz: np.ndarray) -> np.ndarray:
        h = assigned_channel(self.world.h, action.subchannel)
        beams = np.sqrt(self.downlink.power_w * action.power_share)[:, None] * action.beams
        return snr_of_beams(self.downlink, h, beams) / noise_scale(self.downlink, bandwidth_hz)

    def transmit(self, slot: int, grants: Grants, blocks: list[Block]) -> Received | None:
        received = self.meaning.transmit(slot, *self.on_air(grants, blocks))
        places = self.downlink.error_places
        if received is None or places == "channel":
            return received
        return moved(received, blocks, places, slot, self._streams)

    def on_air(
        self, grants: Grants, blocks: list[Block]
    ) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The blocks of the slot as `Meaning.transmit` takes them: users, payloads, bits, first symbols, SNR,
        widths in subcarriers.
        """
        ue = np.array([block.ue for block in blocks], dtype=np.int64)
        num_bits = np.array([block.num_bits for block in blocks], dtype=np.int64)
        payloads = [block.payload for block in blocks]
        widths = np.rint(grants.bandwidth_hz / self.scenario.ofdm.subcarrier_spacing_hz).astype(np.int64)
        symbols = -(-num_bits // BITS_PER_SYMBOL)
        first = np.cumsum(symbols) - symbols
        first -= first[np.searchsorted(ue, ue)]  # blocks come by device
        return ue, payloads, num_bits, first, self._snr[ue], np.maximum(widths, 1)[ue]

    def score(
        self, slot: int, grants: Grants, sent: list[Transmission], received: Received | None
    ) -> Outcome:
        """Similarity, latency, Psi (17) and the reward; a dropped sentence has similarity 0.

        Nothing is decoded or judged before somebody looks at a number, unless agents look at their state.
        """
        self._sent, self._worth = sent, None
        if not sent or self._action is None:
            return Outcome(0.0, 0.0, 0)
        ue = np.array([transmission.block.ue for transmission in sent])
        item = np.array([transmission.packet.item for transmission in sent])
        bits, latency = self._action.bits[ue], self._latency[ue]
        if self.utility.counts_waiting:
            late_ns = self.scenario.slot_ns - self._budget_ns
            waited_ns = [late_ns if not self.joins else t.packet.sent_ns - t.packet.created_ns for t in sent]
            latency = latency + np.array(waited_ns) / SECOND_NS
        scores = self.meaning.similarity(slot, ue, item, bits, self._snr[ue], received)
        arrived = np.array([transmission.fate == DELIVERED for transmission in sent])
        worth = self._worth = SlotWorth(self.utility, self.num_ues, ue, arrived, scores, bits, latency)
        for row, transmission in enumerate(sent):
            packet = transmission.packet
            packet.num_bit_errors = -1 if received is None else int(received.num_bit_errors[row])
            if transmission.fate == DELIVERED:
                packet.score = worth.of_sentence(row)  # type: ignore[assignment]
        self._previous = partial(self._seen, self._action, worth)
        if self._watched:
            return Outcome(worth.psi, worth.reward, worth.violations)
        psi, reward = Later(lambda: worth.psi), Later(lambda: worth.reward)
        return Outcome(psi, reward, Later(lambda: worth.violations))  # type: ignore[arg-type]

    def _seen(self, action: Action, worth: SlotWorth) -> Previous:
        """What the next state says of a slot."""
        return Previous(
            bits=action.bits,
            subchannel=action.subchannel,
            band_share=action.band_share,
            power_share=action.power_share,
            beams=np.sqrt(action.power_share)[:, None] * action.beams,
            valid_sqe=worth.valid_sqe_of_users(),
            latency=worth.latency_of_users() / self.utility.max_latency_s,
            reward=np.array(worth.reward),
        )

    def reception(self, grants: Grants) -> tuple[np.ndarray, np.ndarray]:
        """Gain of each user's link with its beam, and its SNR."""
        with np.errstate(divide="ignore"):
            sinr_db = 10.0 * np.log10(self._snr)
            power_w = np.maximum(grants.power_w, 1e-300)
        return self._snr * self.downlink.noise_w / power_w, sinr_db

    def record(self, slot: int, trace: Recorder) -> None:
        worth, action = self._worth, self._action
        if worth is None or action is None:
            return
        for row, transmission in enumerate(self._sent):
            packet, u = transmission.packet, transmission.block.ue
            sojourn_s = np.nan
            if transmission.fate == DELIVERED:
                sojourn_s = (packet.delivered_ns - packet.created_ns) / SECOND_NS
            trace.append(
                "sentences",
                slot=slot,
                ue=u,
                bits=int(worth.bits[row]),
                formula_s=float(self._formula[u]),
                latency_s=float(worth.latency[row]),
                wait_s=(packet.sent_ns - packet.created_ns) / SECOND_NS,
                airtime_s=(transmission.end_ns - transmission.begin_ns) / SECOND_NS,
                sojourn_s=sojourn_s,
                similarity=worth.of_sentence(row),
                valid=worth.valid_of_sentence(row),
                band_share=float(action.band_share[u]),
                power_share=float(action.power_share[u]),
            )
        ue, antenna = np.divmod(np.arange(action.beams.size), action.beams.shape[1])
        beams = action.beams.ravel()
        trace.extend("beams", slot=slot, ue=ue, antenna=antenna, real=beams.real, imag=beams.imag)


def action_space(scenario: Scqos) -> ActionSpace:
    """The actions that the scenario's downlink allows."""
    d = scenario.downlink
    return ActionSpace(
        d.num_ues, d.num_subchannels, d.num_tx_ant, scenario.utility.max_bits, scenario.interface.beam
    )
