"""The best single slot of TOSCN: maximises sum v A of the slot by a Lagrangian over the bandwidth
(specification toscn 5).

At equal power density a device's spectral efficiency does not depend on the split (F6), so the slot is a
knapsack with one constraint. For a price of bandwidth every device picks its compression alone; the price is
found by bisection and bounds the optimum from above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.agents.allocation import Planner
from netsim.link import Link
from netsim.systems.toscn import Action, Model, Observation

_BISECTIONS = 40
_HIGHEST_PRICE = 1e4


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """Solution of one slot: packets and compression per ue, share of the bandwidth each takes, upper bound on
    sum v A.
    """

    packets: np.ndarray
    compression: np.ndarray
    share: np.ndarray
    dual_bound: float


class Myopic(Planner):
    """Near-optimum of the objective of one slot; with `compress=False` the most packets at eta = 0
    (`sum_packets`).
    """

    def __init__(self, model: Model, link: Link, compress: bool, margin_ns: int) -> None:
        super().__init__(model, link, margin_ns)
        self.compress = compress

    def act(self, observation: Observation) -> Action:
        plan = self.solve(observation)
        share = plan.share
        capacity = self.carried_bits(share, observation.gain)
        most = self._most(observation)
        packets = np.minimum(plan.packets, np.floor(capacity / self._least_bits(most)))
        compression = self.fit(capacity, packets, most)
        return Action(compression, share, share)

    def solve(self, observation: Observation) -> SlotPlan:
        """Price bisection, then the leftover bandwidth to devices not served, cheapest first."""
        task, queue = observation.task, observation.queue.astype(float)
        most = self._most(observation)
        per_bit = 1.0 / self._bits_of_whole_band(observation.gain)
        low, high, bound = 0.0, _HIGHEST_PRICE, np.inf
        for _ in range(_BISECTIONS):
            price = 0.5 * (low + high)
            _, packets, share, value = self._at_price(price, task, queue, most, per_bit)
            bound = min(bound, float((queue * np.maximum(value, 0.0)).sum()) + price)
            if share.sum() <= 1.0:
                high = price
            else:
                low = price
        # at price 0 every device would take its whole queue without compression: the answer when all of it
        # fits
        for price in (0.0, high):
            compression, packets, share, value = self._at_price(price, task, queue, most, per_bit)
            bound = min(bound, float((queue * np.maximum(value, 0.0)).sum()) + price)
            if share.sum() <= 1.0:
                break
        packets, compression, share = self._fill(packets, compression, share, queue, most, per_bit)
        total = share.sum()
        return SlotPlan(packets, compression, share / total if total > 0.0 else share, bound)

    def _at_price(self, price: float, task, queue, most, per_bit):
        """Each device's best compression at a bandwidth price: A is concave in eta, so the grid optimum is a
        neighbour.
        """
        model = self.model
        slope = model.scenario.semantics.packet_bits * per_bit * price
        a1, a2 = model.curve_slope(task)
        stationary = np.clip((slope / (-a1 * a2)) ** (1.0 / (a2 - 1.0)), 0.0, most) * model.num_maps
        below = np.floor(stationary) / model.num_maps
        above = np.minimum(np.ceil(stationary) / model.num_maps, most)
        value_below, value_above = (
            model.accuracy(task, eta) - price * model.packet_bits(eta) * per_bit for eta in (below, above)
        )
        eta = np.where(value_above > value_below, above, below)
        value = np.maximum(value_above, value_below)
        packets = np.where(value > 0.0, queue, 0.0)
        return eta, packets, packets * model.packet_bits(eta) * per_bit, value

    def _fill(self, packets, compression, share, queue, most, per_bit):
        """Adds packets of devices that are not served, cheapest first, at the highest compression."""
        packets, compression, share = packets.copy(), compression.copy(), share.copy()
        cost = self.model.packet_bits(most) * per_bit
        left = 1.0 - share.sum()
        for ue in np.argsort(cost):
            if packets[ue] == 0 and queue[ue] > 0:
                added = min(queue[ue], np.floor(left / cost[ue]))
                if added > 0:
                    packets[ue], compression[ue], share[ue] = added, most[ue], added * cost[ue]
                    left -= share[ue]
        return packets, compression, share

    def _bits_of_whole_band(self, gain: np.ndarray) -> np.ndarray:
        whole = np.full(len(gain), self.radio.bandwidth_hz)
        power = np.full(len(gain), self.radio.power_w)
        return np.maximum(
            self.link.carried_bits(self.link.quantise(whole), power, gain, self.duration_ns), 1e-300
        )

    def _least_bits(self, most: np.ndarray) -> np.ndarray:
        return self.model.packet_bits(most) + self.link.padding_bits

    def _most(self, observation: Observation) -> np.ndarray:
        most = self.model.max_compression(observation.task)
        return most if self.compress else np.zeros_like(most)
