"""SC-QoS: every planner, bound and baseline on the same slots, and Figures 6, 8, 9 and 10.

A slot is a channel and a sentence for each user; what a plan is worth in it is an expectation over the bank's
noise realisations, so that the slots are the only source of chance and policies are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from netsim import stats
from netsim.streams import Streams
from netsim.systems.scqos_bank import Bank, moments, record
from netsim.systems.scqos_beliefs import (
    aware_belief,
    aware_bracket,
    aware_plan,
    mapping_belief,
    mapping_valid_belief,
    probe_belief,
    snr_belief,
)
from netsim.systems.scqos_mdp import ActionSpace
from netsim.systems.scqos_model import Utility
from netsim.systems.scqos_oracles import Plan, Planner, equal_plan, expected_psi, plan_snr, random_plan
from netsim.systems.scqos_predictor import predicted_valid
from netsim.systems.scqos_radio import (
    Downlink,
    assigned_channel,
    channel,
    full_power_snr,
    isotropic_beams,
    line_of_sight,
    snr_of_beams,
)
from phy.channel import complex_normal
from phy.ofdm import Ofdm
from phy.units import linear_to_db

STEPS_DB = (1.0, 3.0, 6.0)
THRESHOLDS = (0.70, 0.75, 0.80, 0.85, 0.90)
POWERS_DBM = (-20.0, -15.0, -10.0, -5.0, 0.0)
BANDWIDTHS_HZ = (30e3, 60e3, 90e3, 120e3, 150e3)
OFDM = Ofdm(subcarrier_spacing_hz=3750.0, fft_size=64, cp_len=16, pilot_symbols_per_frame=0)
REFERENCE = "oracle_snr"
SEED = 6
Earned = dict[str, np.ndarray]  # Psi float64[t] of each planner


class Slots:
    """`num_slots` slots of one setting, and what plans are worth in them.

    Args:
        bank: sentences to be sent. learned: others, which whoever learns has seen before; none: nobody.
    """

    def __init__(
        self,
        downlink: Downlink,
        utility: Utility,
        bank: Bank,
        num_slots: int,
        learned: Bank | None = None,
        seed: int = SEED,
    ) -> None:
        self.downlink, self.utility, self.bank, self.num_slots = downlink, utility, bank, num_slots
        self.learned = learned
        self.space = ActionSpace(downlink.num_ues, downlink.num_subchannels, downlink.num_tx_ant)
        self.streams = Streams(seed)
        rng = self.streams.sequential("figure/scqos/fading")
        users = (num_slots, downlink.num_ues)
        los = line_of_sight(rng.uniform(-np.pi / 2, np.pi / 2, users), downlink.num_tx_ant)
        scatter = complex_normal(rng, (*users, downlink.num_subchannels, downlink.num_tx_ant))
        self.h = channel(scatter, los, downlink.rician_k)
        self.full_snr = full_power_snr(downlink, self.h)
        self.item = self.streams.sequential("figure/scqos/sentences").integers(0, bank.num_items, users)
        self.planner = Planner(downlink, utility, OFDM, self.space)
        self.snr_db = linear_to_db(self.planner.snr(self.full_snr))
        self.mean = moments(bank, utility.min_similarity, by_sentence=False)
        self.own = moments(bank, utility.min_similarity, by_sentence=True)

    def best(self, belief: np.ndarray) -> Plan:
        """The plan that the belief W[t, u, c, s, n] leads to."""
        return self.planner.best(self.full_snr, belief)

    def psi(self, plan: Plan, snr: np.ndarray | None = None) -> np.ndarray:
        """Expected Psi float64[t]; `snr` [t, u] where the beams are not matched."""
        snr = plan_snr(plan, self.downlink, self.full_snr) if snr is None else snr
        return expected_psi(plan, snr, self.own, self.item, self.downlink, self.utility, OFDM)

    def mapping(self, step_db: float) -> Plan:
        """`mapping(step)`: the mean similarity by SNR."""
        records = record(self.mean.mean, self.mean.grid_db, step_db)
        return self.best(mapping_belief(records, self.utility, self.snr_db))

    def mapping_valid(self, step_db: float) -> Plan:
        """`mapping_valid(step)`: the mean valid similarity by SNR."""
        return self.best(
            mapping_valid_belief(record(self.mean.valid, self.mean.grid_db, step_db), self.snr_db)
        )

    def policies(self) -> Iterator[tuple[str, np.ndarray, Plan]]:
        """Name, Psi[t] and plan of everybody (of the bracket's ends: the in-sample plan)."""
        plan = self.best(snr_belief(self.mean, self.snr_db))
        yield REFERENCE, self.psi(plan), plan
        inside, outside = aware_bracket(self.planner, self.bank, self.item, self.full_snr)
        plan = aware_plan(self.planner, self.bank, self.item, self.full_snr)
        yield "aware_in", inside, plan
        yield "aware_cf", outside, plan
        probe = probe_belief(self.bank.clean, self.mean, self.utility, self.item, self.snr_db)
        plan = self.best(probe)
        yield "local_probe", self.psi(plan), plan
        if self.learned is not None:
            valid = predicted_valid(self.learned, self.bank.embedding, self.utility.min_similarity)
            plan = self.best(aware_belief(replace(self.own, valid=valid), self.item, self.snr_db))
            yield "feature_probe", self.psi(plan), plan
        for step_db in STEPS_DB:
            plan = self.mapping(step_db)
            yield f"mapping {step_db:g} dB", self.psi(plan), plan
            plan = self.mapping_valid(step_db)
            yield f"mapping_valid {step_db:g} dB", self.psi(plan), plan
        shape = (self.num_slots, self.space.num_ues)
        bits = self.streams.sequential("figure/scqos/rate_only").integers(1, self.space.max_bits + 1, shape)
        plan = self.planner.best_rates(self.full_snr, bits)
        yield "rate_only", self.psi(plan), plan
        rng = self.streams.sequential("figure/scqos/random")
        plan = random_plan(self.space, self.num_slots, rng)
        yield "random", self.psi(plan), plan
        beams = isotropic_beams(rng, self.downlink, plan.power_share)
        snr = snr_of_beams(self.downlink, assigned_channel(self.h, plan.subchannel), beams)
        yield "random, random beams", self.psi(plan, snr), plan
        for n in range(1, self.space.max_bits + 1):
            plan = equal_plan(self.space, self.num_slots, n)
            yield f"equal {n}", self.psi(plan), plan


@dataclass(frozen=True)
class Setting:
    """One point of a sweep."""

    min_similarity: float = 0.8
    power_dbm: float = -10.0
    bandwidth_hz: float = 90e3


SWEEPS: dict[str, tuple[Setting, ...]] = {
    "scqos-6": tuple(Setting(min_similarity=s) for s in THRESHOLDS),
    "scqos-8": tuple(Setting(power_dbm=p) for p in POWERS_DBM),
    "scqos-9": tuple(Setting(bandwidth_hz=b) for b in BANDWIDTHS_HZ),
    "scqos-10": tuple(Setting(min_similarity=s, bandwidth_hz=b) for s in THRESHOLDS for b in BANDWIDTHS_HZ),
}


@dataclass(frozen=True)
class Score:
    """A policy at a setting: mean Psi and its loss against oracle_snr on the same slots, 95 % intervals."""

    min_similarity: float
    power_dbm: float
    bandwidth_hz: float
    policy: str
    psi: float
    low: float
    high: float
    loss: float
    loss_low: float
    loss_high: float
    share_1: float  # of the users' sentences sent with 1, 2, 3 bits a feature
    share_2: float
    share_3: float
    slots: int
    seeds: int = 0  # of the training, where there was one


def planners(setting: Setting, slots: Slots) -> tuple[list[Score], Earned]:
    """Scores of everybody who does not learn, and what they earn in every slot."""
    earned: Earned = {}
    found = []
    for policy, psi, plan in slots.policies():
        earned[policy] = psi
        i, loss = stats.mean_interval(psi), stats.paired_interval(earned[REFERENCE], psi)
        one, two, three = (float(np.mean(plan.bits == n)) for n in (1, 2, 3))
        found.append(
            Score(
                setting.min_similarity, setting.power_dbm, setting.bandwidth_hz, policy,
                i.mean, i.low, i.high, loss.mean, loss.low, loss.high, one, two, three, slots.num_slots,
            )
        )  # fmt: skip
    return found, earned


def sweep(
    name: str,
    bank: Bank,
    num_slots: int,
    advance: Callable[[int, int], None] = lambda done, total: None,
    learners: Callable[[Setting, Slots, Earned], list[Score]] = lambda setting, slots, earned: [],
    learned: Bank | None = None,
) -> list[Score]:
    """All policies at all settings of the figure; `learners` adds those of trained agents, given the slots
    and what the planners earn in them; `learned`: what `Slots` takes.
    """
    found = []
    for done, setting in enumerate(SWEEPS[name], 1):
        downlink = Downlink(power_dbm=setting.power_dbm, bandwidth_hz=setting.bandwidth_hz)
        slots = Slots(downlink, Utility(min_similarity=setting.min_similarity), bank, num_slots, learned)
        scores, earned = planners(setting, slots)
        found += scores + learners(setting, slots, earned)
        advance(done, len(SWEEPS[name]))
    return found
