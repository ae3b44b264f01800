"""SC-QoS: the best decision of a slot by search, for whatever a planner believes a sentence is worth.

For given bits, subchannels and power shares (MRT) the best split of the band is closed form, so the search
runs over 27 x 6 discrete actions and the power shares on a grid of the simplex (171 points for three users)
(specification scqos 4.7). What distinguishes the planners is their belief W(n, SNR), the expected valid
similarity per bit; `scqos_beliefs` has them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL
from netsim.systems.scqos_bank import Moments, grid_place
from netsim.systems.scqos_mdp import ActionSpace
from netsim.systems.scqos_model import Utility, latency_s, penalties, sentence_bits
from netsim.systems.scqos_radio import Downlink, snr_of_mrt
from phy.ofdm import Ofdm
from phy.parameters import ParameterError

POWER_STEP = 0.05


@dataclass(frozen=True, eq=False)
class Plan:
    """Decisions for T slots, arrays [t, u]."""

    bits: np.ndarray
    subchannel: np.ndarray
    band_share: np.ndarray
    power_share: np.ndarray
    value: np.ndarray  # float64[t], what the planner expects


def power_grid(num_ues: int, step: float = POWER_STEP) -> np.ndarray:
    """int64[q, u] >= 1, power shares in units of `step` that sum to 1: all interior points of the simplex."""
    total = round(1.0 / step)
    if abs(total * step - 1.0) > 1e-9 or total < num_ues:
        raise ParameterError(f"power step = {step}: must divide 1 into at least {num_ues} parts")
    cuts = itertools.combinations(range(1, total), num_ues - 1)
    ends = np.array([(0, *c, total) for c in cuts])
    return np.diff(ends, axis=1)


def efficiency(utility: Utility, ofdm: Ofdm, snr: np.ndarray) -> np.ndarray:
    """Bits per second and hertz behind the latency: log2(1 + SNR); 4; or 4 less the prefix, whole symbols not
    counted.
    """
    if utility.latency == "shannon":
        return np.log2(1.0 + snr)
    share = 1.0 if utility.latency == "qam" else 1.0 - ofdm.prefix_overhead
    return np.full(np.shape(snr), BITS_PER_SYMBOL * share)


class Planner:
    """Exhaustive search over bits, subchannels and power shares with the best split of the band.

    Args:
        step: grid of the power shares.
    """

    def __init__(
        self, downlink: Downlink, utility: Utility, ofdm: Ofdm, space: ActionSpace, step: float = POWER_STEP
    ) -> None:
        if downlink.noise_scales_with_bandwidth:
            raise downlink.error("noise_scales_with_bandwidth", "must be False for the closed-form split")
        self.downlink, self.utility, self.ofdm, self.space = downlink, utility, ofdm, space
        points = power_grid(space.num_ues, step)
        self.levels = np.arange(1, points.max() + 1) * step  # shares that occur
        self._points = points * step
        self._shape = (len(space.bit_choices), len(space.assignments), len(points))
        num_s, num_n = len(self.levels), space.max_bits
        # place of each candidate's (c, s, n) in the flat tables of a user: int64[u][zeta, rho, q]
        self._places = [
            (
                (space.assignments[None, :, None, u] * num_s + points[None, None, :, u] - 1) * num_n
                + space.bit_choices[:, None, None, u]
                - 1
            ).ravel()
            for u in range(space.num_ues)
        ]

    def snr(self, full_snr: np.ndarray) -> np.ndarray:
        """float64[t, u, c, s]: SNR of every user, subchannel and power share, from full_snr[t, u, c]."""
        return full_snr[..., None] * self.levels

    def roots(self, snr: np.ndarray) -> np.ndarray:
        """float64[..., n]: sqrt(D n / efficiency); the band is split in proportion to it."""
        load = sentence_bits(self.utility, np.arange(1, self.space.max_bits + 1))
        return np.sqrt(load / efficiency(self.utility, self.ofdm, snr)[..., None])

    def best(self, full_snr: np.ndarray, worth: np.ndarray, with_penalties: bool = False) -> Plan:
        """The candidate of largest sum W - phi_G sum G in each slot; the first of equal ones.

        Args:
            full_snr: float64[t, u, c], `scqos_radio.full_power_snr`. worth: float64[t, u, c, s, n], belief W.
            with_penalties: adds the weighted latency penalty of the reward at the split that is best without
                it (`reward_oracle`; its similarity part belongs into `worth`).
        """
        root = self.roots(self.snr(full_snr))
        num = len(full_snr)
        chosen, value = np.empty(num, np.int64), np.empty(num)
        for t in range(num):
            objective, _ = self._objective(worth[t], root[t], with_penalties)
            chosen[t] = objective.argmax()
            value[t] = objective[chosen[t]]
        return self._plan(chosen, root, value)

    def candidates(self, full_snr: np.ndarray, worth: np.ndarray) -> tuple[np.ndarray, Plan]:
        """Objective float64[j] and plan [j, u] of every candidate of one slot, for tests and plots.

        Args:
            full_snr: float64[u, c]. worth: float64[u, c, s, n].
        """
        root = self.roots(self.snr(full_snr))
        objective, _ = self._objective(worth, root, False)
        every = np.arange(objective.size)
        return objective, self._plan(every, np.broadcast_to(root, (every.size, *root.shape)), objective)

    def _objective(self, worth, root, with_penalties: bool) -> tuple[np.ndarray, np.ndarray]:
        parts = [np.take(root[u].ravel(), place) for u, place in enumerate(self._places)]
        total = sum(parts)
        band = self.downlink.bandwidth_hz
        objective = np.square(total)
        objective *= -self.utility.latency_weight / band
        for u, place in enumerate(self._places):
            objective += np.take(worth[u].ravel(), place)
        if with_penalties:
            for part in parts:
                _, p_g = penalties(self.utility, np.ones(1), part * total / band)
                objective += self.utility.limit_weight * p_g
        return objective, total

    def _plan(self, chosen: np.ndarray, root: np.ndarray, value: np.ndarray) -> Plan:
        zeta, rho, q = np.unravel_index(chosen, self._shape)
        rows = np.arange(len(chosen))
        own = np.stack(
            [root[:, u].reshape(len(root), -1)[rows, place[chosen]] for u, place in enumerate(self._places)],
            axis=1,
        )
        return Plan(
            bits=self.space.bit_choices[zeta],
            subchannel=self.space.assignments[rho],
            band_share=own / own.sum(axis=1, keepdims=True),
            power_share=self._points[q],
            value=value,
        )

    def best_rates(self, full_snr: np.ndarray, bits: np.ndarray) -> Plan:
        """`rate_only`: subchannels, power and band minimise sum 1 / R_u; bits[t, u] are somebody else's."""
        root = np.sqrt(1.0 / efficiency(self.utility, self.ofdm, self.snr(full_snr)))
        per_bits = np.broadcast_to(root[..., None], (*root.shape, self.space.max_bits))
        num_rho_q = self._shape[1] * self._shape[2]
        chosen, value = np.empty(len(full_snr), np.int64), np.empty(len(full_snr))
        for t in range(len(full_snr)):
            total = sum(
                np.take(per_bits[t, u].ravel(), place[:num_rho_q]) for u, place in enumerate(self._places)
            )
            chosen[t] = np.argmin(total)
            value[t] = -(float(total[chosen[t]]) ** 2) / self.downlink.bandwidth_hz
        plan = self._plan(chosen, per_bits, value)
        return Plan(bits, plan.subchannel, plan.band_share, plan.power_share, value)


def equal_plan(space: ActionSpace, num_slots: int, bits: int) -> Plan:
    """`equal(n)`: equal shares, subchannel u for user u, n bits a feature."""
    shape = (num_slots, space.num_ues)
    share = np.full(shape, 1.0 / space.num_ues)
    sub = np.broadcast_to(np.arange(space.num_ues), shape)
    return Plan(np.full(shape, bits), sub, share, share, np.full(num_slots, np.nan))


def random_plan(space: ActionSpace, num_slots: int, rng: np.random.Generator) -> Plan:
    """`random`: bits and assignment uniform, shares uniform on the simplex (Dirichlet(1))."""
    bits = rng.integers(1, space.max_bits + 1, (num_slots, space.num_ues))
    sub = space.assignments[rng.integers(0, len(space.assignments), num_slots)]
    band, power = rng.dirichlet(np.ones(space.num_ues), (2, num_slots))
    return Plan(bits, sub, band, power, np.full(num_slots, np.nan))


def plan_snr(plan: Plan, downlink: Downlink, full_snr: np.ndarray) -> np.ndarray:
    """SNR float64[t, u] of a plan under MRT."""
    return snr_of_mrt(downlink, full_snr, plan.subchannel, plan.power_share)


def expected_psi(
    plan: Plan,
    snr: np.ndarray,
    truth: Moments,
    item: np.ndarray,
    downlink: Downlink,
    utility: Utility,
    ofdm: Ofdm,
) -> np.ndarray:
    """Expected effective SC-QoS float64[t] of a plan at SNR[t, u] (linear) with sentences item[t, u].

    Args:
        truth: moments by sentence. A sentence that exceeds the latency cap is dropped and worth nothing.
    """
    latency, dropped = latency_s(utility, ofdm, plan.bits, plan.band_share * downlink.bandwidth_hz, snr)
    with np.errstate(divide="ignore"):
        low, weight = grid_place(truth.grid_db, 10.0 * np.log10(snr))
    at = truth.valid[item, plan.bits - 1, low] * (1.0 - weight)
    at += truth.valid[item, plan.bits - 1, low + 1] * weight
    return (np.where(dropped, 0.0, at / plan.bits) - utility.latency_weight * latency).sum(axis=1)
