"""Several runs of SC-QoS side by side as arrays: what learning needs of the event loop, a tenth of its cost.

Without delays and with a sentence always waiting, a run is a plain sequence of slots. `Lanes` plays that
sequence for E runs at once, from the very streams, worlds and formulas of the event loop: run for run and
slot for slot the same numbers, bit for bit (tests/netsim/test_scqos_lanes.py). Whatever has delays, queues or
bits learns in the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from netsim.engine import SECOND_NS
from netsim.signalling import Signalling
from netsim.streams import Streams
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_agent_view import ScqosView
from netsim.systems.scqos_bank import Bank, grid_place, moments
from netsim.systems.scqos_mdp import Previous, nothing
from netsim.systems.scqos_model import latency_s, psi, reward, valid_sqe
from netsim.systems.scqos_radio import assigned_channel, estimated, noise_scale, snr_of_beams
from netsim.systems.scqos_world import ScqosWorld
from netsim.traffic import Traffic
from phy.units import linear_to_db

Act = Callable[[np.ndarray, int], np.ndarray]  # (states float32[e, s], slot) to vectors float32[e, a]


def refusal(scenario: Scqos) -> str | None:
    """Why this scenario needs the event loop, or None: `path = value: rule`."""
    if scenario.phy != "paper":
        return f"phy = {scenario.phy}: must be paper"
    default = Traffic(law="saturated", initial_queue="full", buffer_packets=1)
    if scenario.traffic != default:
        return "traffic: must be saturated, a sentence always waiting"
    if scenario.csi.age_slots:
        return f"csi.age_slots = {scenario.csi.age_slots}: must be 0"
    if scenario.csi.age_slots:
        return f"csi.age_slots = {scenario.csi.age_slots}: must be 0"
    if scenario.signalling != Signalling():
        return "signalling: must be without delays and losses"
    return None


@dataclass(frozen=True)
class Slots:
    """One slot of every run; arrays [e, u], or [e]."""

    bits: np.ndarray
    similarity: np.ndarray
    latency: np.ndarray
    dropped: np.ndarray
    snr: np.ndarray
    psi: np.ndarray
    reward: np.ndarray
    late: np.ndarray  # bool[e, u], beyond the latency limit
    invalid: np.ndarray  # bool[e, u], below the minimum similarity


class Lanes:
    """E runs of `num_slots` slots, in step.

    Args:
        runs: run numbers, one per lane.
    """

    def __init__(
        self, scenario: Scqos, view: ScqosView, bank: Bank, runs: Sequence[int], num_slots: int
    ) -> None:
        self.scenario, self.view, self.num_slots = scenario, view, num_slots
        self._bank = bank
        self._mean = moments(bank, scenario.utility.min_similarity, by_sentence=False).mean
        self.streams = [Streams(scenario.seed, run) for run in runs]
        parts = [_exogenous(scenario, bank.num_items, streams, num_slots) for streams in self.streams]
        self._h, self._full_snr, self._item = (
            np.stack([part[k] for part in parts], axis=1) for k in range(3)
        )
        self.slot = 0
        self._previous: Previous = nothing(view.space, (len(runs),))

    @property
    def episode(self) -> int:
        """Episode of the slot that `states` shows."""
        return self.slot // self.scenario.episode_slots

    def states(self) -> np.ndarray:
        """float32[e, s]: what the agents see of the current slot."""
        t = self.slot
        if t % self.scenario.episode_slots == 0:
            self._previous = nothing(self.view.space, (len(self.streams),))
        self._seen_h, full_snr = self._h[t], self._full_snr[t]
        error = self.scenario.csi.estimation_error
        if error > 0.0:
            self._seen_h = np.stack(
                [estimated(s.at("csi/cell0", t), h, error) for s, h in zip(self.streams, self._h[t])]
            )
            power = (np.abs(self._seen_h) ** 2).sum(axis=-1)
            full_snr = self.scenario.downlink.mean_snr[:, None] * power
        features = self._bank.embedding[self._item[t]]
        return self.view.layout.vector(self._previous, features, self._seen_h, full_snr)

    def step(self, vectors: np.ndarray) -> Slots:
        """Plays the slot that `states` showed with the actions in vectors float32[e, a]."""
        scenario, utility, downlink = self.scenario, self.scenario.utility, self.scenario.downlink
        bits, subchannel, band, power, beams = self.view.decode(vectors, self._seen_h)
        h = assigned_channel(self._h[self.slot], subchannel)
        bandwidth_hz = downlink.bandwidth_hz * band
        amplitude = np.sqrt(downlink.power_w * power)[..., None] * beams
        snr = snr_of_beams(downlink, h, amplitude) / noise_scale(downlink, bandwidth_hz)
        latency, dropped = latency_s(utility, scenario.ofdm, bits, bandwidth_hz, snr)
        # a sentence that ends with the slot has been delivered; the loop counts in nanoseconds
        assert round(utility.cap_s * SECOND_NS) <= scenario.slot_ns
        similarity = np.where(dropped, 0.0, self._similarity(bits, snr))
        value = psi(utility, similarity, bits, latency)
        rewarded = reward(utility, similarity, bits, latency)
        self._previous = Previous(
            bits=bits,
            subchannel=subchannel,
            band_share=band,
            power_share=power,
            beams=np.sqrt(power)[..., None] * beams,
            valid_sqe=valid_sqe(utility, similarity, bits),
            latency=latency / utility.max_latency_s,
            reward=rewarded,
        )
        self.slot += 1
        late, invalid = latency > utility.max_latency_s, similarity < utility.min_similarity
        return Slots(bits, similarity, latency, dropped, snr, value, rewarded, late, invalid)

    def _similarity(self, bits: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """As `scqos_meaning.TabledMeaning` has it, for all runs."""
        snr_db = linear_to_db(np.maximum(snr, 1e-12))
        if self.scenario.semantics.surrogate == "bank":
            users = range(bits.shape[1])
            uniform = np.array(
                [[s.at(f"similarity/ue{u}", self.slot).random(2) for u in users] for s in self.streams]
            )
            item = self._item[self.slot]
            return self._bank.draw(item, bits, snr_db, np.moveaxis(uniform, -1, 0))
        low, weight = grid_place(self._bank.grid_db, snr_db)
        return self._mean[bits - 1, low] * (1.0 - weight) + self._mean[bits - 1, low + 1] * weight


def _exogenous(
    scenario: Scqos, num_items: int, streams: Streams, num_slots: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Channels complex128[t, u, c, m], full-power SNRs [t, u, c] and sentences int64[t, u] of a run."""
    downlink, length = scenario.downlink, scenario.episode_slots
    world = ScqosWorld(downlink, scenario.csi.doppler_hz, scenario.slot_ns, streams)
    h, full_snr = [], []
    for t in range(num_slots):
        if t % length == 0:
            world.new_drop()
        world.fade()
        h.append(world.h)
        full_snr.append(world.full_snr)
    # a capture at each episode's start into an empty buffer, then one at each slot's end
    slot = np.arange(num_slots)
    captures = slot + slot // length
    items = [
        (streams.sequential(f"items/ue{u}").random(captures[-1] + 1) * num_items).astype(np.int64)[captures]
        for u in range(downlink.num_ues)
    ]
    return np.array(h), np.array(full_snr), np.stack(items, axis=1)
