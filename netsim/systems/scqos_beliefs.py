"""What the planners of SC-QoS believe a sentence is worth: W(user, subchannel, power share, bits).

oracle_snr       the mean over sentences: the bound for whoever does not look at the sentence
oracle_aware     the sentence's own mean over noise: the bound for whoever does (`aware_bracket`)
mapping          1{T >= S_th} T / n with T the mean similarity recorded in SNR steps: the paper's baseline
mapping_valid    the same with the mean of the valid similarity
local_probe      the base station decodes its own words without errors; times what the channel leaves of that
reward_oracle    the paper's reward in place of Psi

All functions return float64[t, u, c, s, n] for SNRs float64[t, u, c, s] in dB (specification scqos 4.7, 9.7).
"""

from __future__ import annotations

import numpy as np

from netsim.systems.scqos_bank import Bank, Moments, Record, grid_place, interpolated, moments
from netsim.systems.scqos_model import Utility
from netsim.systems.scqos_oracles import Plan, Planner, expected_psi, plan_snr


def _per_bit(value: np.ndarray) -> np.ndarray:
    """[n, *s] to [*s, n], divided by the bits."""
    return np.moveaxis(value, 0, -1) / np.arange(1, len(value) + 1)


def snr_belief(mean: Moments, snr_db: np.ndarray) -> np.ndarray:
    """`oracle_snr`: moments over all sentences."""
    return _per_bit(interpolated(mean.valid, mean.grid_db, snr_db))


def aware_belief(own: Moments, item: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
    """`oracle_aware`: moments by sentence; item int64[t, u]."""
    return _of_items(own.valid, own.grid_db, item, snr_db) / np.arange(1, own.valid.shape[1] + 1)


def mapping_belief(records: Record, utility: Utility, snr_db: np.ndarray) -> np.ndarray:
    """`mapping(delta)`: records of the mean similarity; below the threshold the table says worthless."""
    mean = records.look_up(snr_db)
    return _per_bit(np.where(mean >= utility.min_similarity, mean, 0.0))


def mapping_valid_belief(records: Record, snr_db: np.ndarray) -> np.ndarray:
    """`mapping_valid(delta)`: records of the mean valid similarity."""
    return _per_bit(records.look_up(snr_db))


def probe_belief(
    clean: np.ndarray, mean: Moments, utility: Utility, item: np.ndarray, snr_db: np.ndarray
) -> np.ndarray:
    """`local_probe`: clean float[i, n], similarity without bit errors, times V(SNR) / V(highest SNR)."""
    known = np.where(clean >= utility.min_similarity, clean, 0.0)[item].astype(np.float64)
    best = mean.valid[:, -1:]
    left = _per_bit(interpolated(mean.valid / np.where(best > 0.0, best, 1.0), mean.grid_db, snr_db))
    return known[:, :, None, None, :] * left


def reward_belief(own: Moments, utility: Utility, item: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
    """`reward_oracle`: valid similarity per bit and expected penalty; search `with_penalties`."""
    bonus = utility.bonus if utility.reward == "paper" else 0.0
    penalty = bonus * own.probability - own.shortfall
    return aware_belief(own, item, snr_db) + utility.similarity_weight * _of_items(
        penalty, own.grid_db, item, snr_db
    )


def _of_items(table: np.ndarray, grid_db: np.ndarray, item: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
    """table[i, n, k] of sentence item[t, u] at snr_db[t, u, c, s]: [t, u, c, s, n]."""
    low, weight = grid_place(grid_db, snr_db)
    by_snr = np.ascontiguousarray(np.swapaxes(table, 1, 2))  # [i, k, n]
    who, weight = item[:, :, None, None], weight[..., None]
    return by_snr[who, low] * (1.0 - weight) + by_snr[who, low + 1] * weight


def aware_plan(planner: Planner, bank: Bank, item: np.ndarray, full_snr: np.ndarray) -> Plan:
    """The best plan for sentences item[t, u] by the bank's own means."""
    own = moments(bank, planner.utility.min_similarity, by_sentence=True)
    snr_db = 10.0 * np.log10(planner.snr(full_snr))
    return planner.best(full_snr, aware_belief(own, item, snr_db))


def aware_bracket(
    planner: Planner, bank: Bank, item: np.ndarray, full_snr: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Psi float64[t] of `oracle_aware` chosen and scored on the same realisations, and by cross-fit: chosen
    on one half of them, scored on the other, both ways. The truth lies between in expectation.
    """

    def scored(chooser: Bank, judge: Bank) -> np.ndarray:
        plan = aware_plan(planner, chooser, item, full_snr)
        truth = moments(judge, planner.utility.min_similarity, by_sentence=True)
        snr = plan_snr(plan, planner.downlink, full_snr)
        return expected_psi(plan, snr, truth, item, planner.downlink, planner.utility, planner.ofdm)

    even, odd = bank.realisations(slice(0, None, 2)), bank.realisations(slice(1, None, 2))
    return scored(bank, bank), 0.5 * (scored(even, odd) + scored(odd, even))
