"""Allocation rules of TOSCN that a few lines state: random, equal, prop, just-enough (specification toscn
5).
"""

from __future__ import annotations

import numpy as np

from netsim.link import Link
from netsim.streams import Streams
from netsim.systems.toscn import Action, Model, Observation

_ROUNDING = (
    2e-6  # share of a capacity left unused so that floating-point rounding never costs a packet (toscn 5)
)
_EMPTY = 1e-9  # keeps a share defined when all queues are empty


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


class Planner:
    """Common part of the planners: the model they believe in, and that they do not learn."""

    def __init__(self, model: Model, link: Link, margin_ns: int = 0) -> None:
        self.model, self.link = model, link
        self.duration_ns = max(0, model.scenario.slot_ns - margin_ns)
        self.radio = model.scenario.radio

    def carried_bits(self, share: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """Bits that a slot carries on equal shares of bandwidth and power, after rounding to what can be
        granted.
        """
        radio = self.radio
        bandwidth = self.link.quantise(share * radio.bandwidth_hz)
        power = np.floor(share * radio.power_w / radio.power_step_w + 1e-9) * radio.power_step_w
        return self.link.carried_bits(bandwidth, power, gain, self.duration_ns)

    def just_enough(self, observation: Observation, share: np.ndarray) -> np.ndarray:
        """Smallest compression with which a device's share carries its queue, within the accuracy floor.

        Where even the largest allowed compression cannot carry the queue, the smallest that carries as many
        packets as that one would (toscn 5).
        """
        capacity = self.carried_bits(share, observation.gain)
        most = self.model.max_compression(observation.task)
        smallest = self.model.packet_bits(most)
        packets = np.minimum(observation.queue, np.floor(capacity / smallest))
        return self.fit(capacity, packets, most)

    def fit(self, capacity: np.ndarray, packets: np.ndarray, most: np.ndarray) -> np.ndarray:
        """Smallest multiple of 1/F in [0, most] at which `packets` packets fit into `capacity` bits; 0 for no
        packets.
        """
        overhead = self.model.header_bits + self.link.padding_bits
        each = capacity * (1.0 - _ROUNDING) / np.maximum(packets, 1) - overhead
        wanted = np.where(packets > 0, 1.0 - each / self.model.scenario.semantics.packet_bits, 0.0)
        maps = np.ceil(wanted * self.model.num_maps - 1e-9)
        return np.clip(maps / self.model.num_maps, 0.0, most)


class RandomPolicy:
    """Compression U[0, 1), shares the softmax of U[-1, 1] (specification toscn 5); indexed by slot."""

    def __init__(self, model: Model, streams: Streams) -> None:
        self.model, self.streams = model, streams

    def act(self, observation: Observation) -> Action:
        u = self.streams.at("exploration/random", observation.slot).random((3, len(observation.task)))
        return Action(u[0], _softmax(2.0 * u[1] - 1.0), _softmax(2.0 * u[2] - 1.0))


class FixedCompression(Planner):
    """`equal(eta)`: the same share for all; `prop(eta)`: shares in proportion to the queues."""

    def __init__(self, model: Model, link: Link, compression: float, proportional: bool) -> None:
        super().__init__(model, link)
        self.compression, self.proportional = compression, proportional

    def act(self, observation: Observation) -> Action:
        num_ues = len(observation.task)
        weight = observation.queue + _EMPTY if self.proportional else np.ones(num_ues)
        share = weight / weight.sum()
        return Action(np.full(num_ues, self.compression), share, share)


class JustEnough(Planner):
    """`je_equal`: equal shares; `je_qse`: shares in proportion to queue / spectral efficiency; compress just
    enough.
    """

    def __init__(self, model: Model, link: Link, by_queue: bool, margin_ns: int) -> None:
        super().__init__(model, link, margin_ns)
        self.by_queue = by_queue

    def act(self, observation: Observation) -> Action:
        num_ues = len(observation.task)
        if self.by_queue:
            weight = (observation.queue + _EMPTY) / self.link.spectral_efficiency(observation.gain)
        else:
            weight = np.ones(num_ues)
        share = weight / weight.sum()
        return Action(self.just_enough(observation, share), share, share)
