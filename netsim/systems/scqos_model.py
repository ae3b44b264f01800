"""SC-QoS, the formulas: latency, similarity per bit, effective SC-QoS, rewards, the best bandwidth split.

Equation numbers (n) are the paper's, E-nn those of specification scqos 8; see docs/papers/scqos.md. Pure
functions on arrays [..., u] with any leading axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL
from netsim.systems.scqos_radio import rate_bps
from phy.ofdm import Ofdm
from phy.parameters import Checked, at_least_one, between, non_negative, one_of, parameter, positive

LATENCY_MODELS = ("shannon", "qam", "ofdm")
REWARDS = ("psi", "paper", "penalty")
_MS = 1e3


@dataclass(frozen=True)
class Utility(Checked):
    """What the controller is to maximise, and the limits it is measured against."""

    num_features: int = parameter(
        64, meaning="features of a sentence (D)", source="SC-QoS Table II", rule=at_least_one
    )
    max_bits: int = parameter(
        3, meaning="largest number of bits a feature (N)", source="SC-QoS Table I", rule=between(1, 3)
    )
    min_similarity: float = parameter(
        0.8, meaning="similarity below which a sentence is worth nothing (S_th)", source="SC-QoS Fig. 4",
        rule=between(0.0, 1.0),
    )  # fmt: skip
    max_latency_s: float = parameter(
        2e-3, meaning="latency limit (G_th)", unit="s", source="scqos 2", rule=positive
    )
    latency_cap: float = parameter(
        10.0,
        meaning="a sentence that takes longer than this many latency limits is dropped",
        source="scqos 3.5",
        rule=positive,
    )
    latency_weight: float = parameter(
        100.0, meaning="phi_G, price of sentence latency", unit="1/s", source="scqos E-11", rule=non_negative
    )
    latency: str = parameter(
        "shannon",
        meaning="latency formula: Shannon rate (16), 4 bit a symbol (qam), whole OFDM symbols (ofdm)",
        source="scqos E-10",
        rule=one_of(*LATENCY_MODELS),
    )
    counts_waiting: bool = parameter(
        False,
        meaning="latency counts from the slot's start, with the wait for a late grant",
        source="docs/fidelity.md",
    )
    reward: str = parameter(
        "psi",
        meaning="reward: psi itself, the paper's with bonus, or with penalties only",
        source="scqos 5.3",
        rule=one_of(*REWARDS),
    )
    similarity_weight: float = parameter(
        1.0, meaning="weight of the similarity penalty", source="SC-QoS Table I", rule=non_negative
    )
    limit_weight: float = parameter(
        10.0, meaning="weight of the latency penalty", source="SC-QoS Table I", rule=non_negative
    )
    bonus: float = parameter(
        3.0, meaning="reward paper: bonus for a limit kept", source="SC-QoS Table I", rule=non_negative
    )

    @property
    def cap_s(self) -> float:
        """Latency of a dropped sentence (G_cap)."""
        return self.latency_cap * self.max_latency_s


def subcarriers_of(ofdm: Ofdm, bandwidth_hz: np.ndarray) -> np.ndarray:
    """int64[..., u]: whole subcarriers of each user by the largest remainders, at least 1 (scqos 11).

    Together as many as the users' bandwidths hold.
    """
    wanted = np.asarray(bandwidth_hz, np.float64) / ofdm.subcarrier_spacing_hz
    total = np.rint(wanted.sum(axis=-1)).astype(np.int64)
    count = np.floor(wanted + 1e-9).astype(np.int64)
    rank = np.argsort(np.argsort(-(wanted - count), axis=-1, kind="stable"), axis=-1)
    missing = np.asarray(total - count.sum(axis=-1))
    count += rank < missing[..., None]
    # users without a subcarrier take one of the widest
    for _ in range(count.shape[-1]):
        poor = count < 1
        if not poor.any():
            break
        short = np.asarray(poor.any(axis=-1))
        first, widest = poor.argmax(axis=-1)[..., None], count.argmax(axis=-1)[..., None]
        step = short[..., None].astype(np.int64)
        np.put_along_axis(count, first, np.take_along_axis(count, first, -1) + step, -1)
        np.put_along_axis(count, widest, np.take_along_axis(count, widest, -1) - step, -1)
    return count


def sentence_bits(utility: Utility, bits: np.ndarray) -> np.ndarray:
    """Bits of a sentence, D n; no padding is needed for D = 64 (scqos 3.3)."""
    return utility.num_features * np.asarray(bits)


def latency_s(
    utility: Utility, ofdm: Ofdm, bits: np.ndarray, bandwidth_hz: np.ndarray, snr: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Latency of a sentence in s, capped, and whether it is dropped (bool); arrays [..., u].

    `shannon` D n / R, (16) for all features of a sentence; `qam` D n / (4 b); `ofdm` whole OFDM symbols with
    prefix on whole subcarriers.
    """
    bandwidth_hz = np.asarray(bandwidth_hz, np.float64)
    load = sentence_bits(utility, bits)
    with np.errstate(divide="ignore"):
        if utility.latency == "shannon":
            latency = load / rate_bps(bandwidth_hz, snr)
        elif utility.latency == "qam":
            latency = load / (BITS_PER_SYMBOL * bandwidth_hz)
        else:
            elements = -(-load // BITS_PER_SYMBOL)
            symbols = -(-elements // subcarriers_of(ofdm, bandwidth_hz))
            latency = symbols * ofdm.symbol_s
    dropped = np.asarray(latency > utility.cap_s)
    return np.where(dropped, utility.cap_s, latency), dropped


def valid_sqe(utility: Utility, similarity: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Semantic quantisation efficiency S / n (14) of sentences that reach the minimum similarity, else 0."""
    return np.where(similarity >= utility.min_similarity, similarity, 0.0) / bits


def psi(utility: Utility, similarity: np.ndarray, bits: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Effective SC-QoS of a slot (17): sum over users of valid SQE - phi_G G; float64[...]."""
    return (valid_sqe(utility, similarity, bits) - utility.latency_weight * latency).sum(axis=-1)


def penalties(utility: Utility, similarity: np.ndarray, latency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P_S and P_G of each user (20) with the signs corrected (E-16, E-17); latencies count in ms."""
    bonus = utility.bonus if utility.reward == "paper" else 0.0
    floor = -1.0 if utility.reward == "penalty" else -_MS * utility.cap_s
    short = similarity - utility.min_similarity
    late = _MS * (utility.max_latency_s - latency)
    return np.where(short >= 0.0, bonus, short), np.where(late >= 0.0, bonus, np.maximum(late, floor))


def reward(utility: Utility, similarity: np.ndarray, bits: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Reward of a slot, float64[...]: Psi, or Psi with weighted penalties (scqos 5.3)."""
    value = psi(utility, similarity, bits, latency)
    if utility.reward == "psi":
        return value
    p_s, p_g = penalties(utility, similarity, latency)
    return value + (utility.similarity_weight * p_s + utility.limit_weight * p_g).sum(axis=-1)


def latency_price(utility: Utility, bits: np.ndarray, snr: np.ndarray) -> np.ndarray:
    """a_u with phi_G G_u = a_u / b_u: phi_G D n / log2(1 + SNR), in Hz (latency formula shannon)."""
    return utility.latency_weight * sentence_bits(utility, bits) / np.log2(1.0 + snr)


def best_split(price: np.ndarray) -> np.ndarray:
    """Shares of the band that minimise sum a_u / b_u: sqrt(a_u) / sum sqrt(a_j) (scqos 4.7)."""
    root = np.sqrt(price)
    return root / root.sum(axis=-1, keepdims=True)


def least_latency_cost(price: np.ndarray, bandwidth_hz: float) -> np.ndarray:
    """What `best_split` reaches: (sum sqrt(a_u))^2 / B; float64[...]."""
    return np.sqrt(price).sum(axis=-1) ** 2 / bandwidth_hz
