"""Green: the formulas (M2)-(M7), the observation, the action and the reward, on arrays.

Every function takes leading batch axes: slots, drops, candidate powers. The last axis is the cell, of links
the last two are (user, station). Powers in W, rates in ksut/s, SINR linear unless the name says dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from netsim.streams import Streams
from netsim.systems.green_curves import CEILING, FLOOR, Accuracy, accuracy_of, clipped_db
from netsim.systems.green_parameters import MAX_SYMBOLS_PER_WORD, Decision, Power, Qoe, System, TextCodec

_LARGEST_EXPONENT = 500.0
_SINR_CLIP_DB = (-20.0, 40.0)
_POWER_CLIP_DB = (-20.0, 60.0)


@dataclass(frozen=True)
class Requirements:
    """What each user wants, constant over a drop; float64[M] each (specification 3)."""

    rate_ksuts: np.ndarray
    accuracy: np.ndarray
    rate_growth: np.ndarray
    accuracy_growth: np.ndarray
    rate_weight: np.ndarray


class RequirementDraw:
    """Draws the requirements of a drop: five draws per user whatever the preset, so that presets share them.

    For a similarity measure with another floor and ceiling than the published one the accuracy requirement
    and its growth are mapped onto its scale (specification 10.4), else QoE would not be comparable.
    """

    def __init__(self, qoe: Qoe, num_cells: int, streams: Streams) -> None:
        self.qoe = qoe
        self._streams = [streams.sequential(f"requirements/ue{m}") for m in range(num_cells)]

    def draw(self, accuracy: Accuracy) -> Requirements:
        """The requirements of the next drop."""
        qoe = self.qoe
        uniform = np.empty((len(self._streams), 3))
        normal = np.empty((len(self._streams), 2))
        for m, stream in enumerate(self._streams):
            uniform[m], normal[m] = stream.random(3), stream.standard_normal(2)
        low, high = qoe.accuracy_required
        required = (low + (high - low) * uniform[:, 1] - FLOOR) / (CEILING - FLOOR)
        growth = np.maximum(qoe.accuracy_growth[0] + qoe.accuracy_growth[1] * normal[:, 1], 1.0)
        span = accuracy.ceiling - accuracy.floor
        low, high = qoe.rate_required_ksuts
        weight = uniform[:, 2] if qoe.rate_weight is None else np.full(len(uniform), qoe.rate_weight)
        return Requirements(
            rate_ksuts=low + (high - low) * uniform[:, 0],
            accuracy=accuracy.floor + required * span,
            rate_growth=np.maximum(qoe.rate_growth[0] + qoe.rate_growth[1] * normal[:, 0], 1e-3),
            accuracy_growth=growth * (CEILING - FLOOR) / span,
            rate_weight=weight,
        )


def received_powers(power_w: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wanted and interfering power at each user without noise (M2).

    Args:
        power_w: float64[..., M]; gain: float64[..., M, M], (user, station).

    Returns: float64[..., M] twice: p_m G_mm and the sum over j != m of p_j G_mj.
    """
    own = power_w * np.diagonal(gain, axis1=-2, axis2=-1)
    # the sum runs over a zeroed diagonal: subtracting the own power from the whole would cancel digits
    others = gain * _others(gain.shape[-1])
    return own, (others @ power_w[..., None])[..., 0]


@lru_cache(maxsize=32)
def _others(num_cells: int) -> np.ndarray:
    """1 - identity, float64[M, M]; not to be written to."""
    return 1.0 - np.eye(num_cells)


def semantic_rate(codec: TextCodec, k: np.ndarray) -> np.ndarray:
    """(M4): semantic rate in ksut/s of k symbols a word: 720 / k with the defaults."""
    return codec.entropy_suts * codec.symbol_rate_hz / 1e3 / np.asarray(k)


def logistic(growth: np.ndarray, shortfall: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(growth * shortfall)): 1/2 where what is required is delivered (M5)."""
    exponent = _clip(growth * shortfall, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    return 1.0 / (1.0 + np.exp(exponent))


# a slot makes some twenty calls of np.clip and np.mean on a few numbers each; these two do the same in a
# third of the time


def _clip(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.minimum(np.maximum(x, low), high)


def _mean(x: np.ndarray) -> np.ndarray:
    return np.add.reduce(x, axis=-1) / x.shape[-1]


def qoe_of(required: Requirements, rate_ksuts: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """(M5): quality of experience in [0, 1], float64[..., M]."""
    of_rate = logistic(required.rate_growth, required.rate_ksuts - rate_ksuts)
    of_accuracy = logistic(required.accuracy_growth, required.accuracy - accuracy)
    weight = required.rate_weight
    return weight * of_rate + (1.0 - weight) * of_accuracy


def energy_efficiency(power: Power, qoe: np.ndarray, power_w: np.ndarray) -> np.ndarray:
    """(M7): EE = mean(QoE) P_c / (P_c + mean p), without a unit, float64[...]."""
    return _mean(qoe) * power.static_w / (power.static_w + _mean(power_w))


@dataclass(frozen=True)
class Outcome:
    """What a slot delivers; float64[..., M], `ee` float64[...].

    Attributes:
        own_w, other_w: wanted power, and interference with noise. sinr: linear. accuracy, rate_ksuts, qoe:
        per user. ee: (M7).
    """

    own_w: np.ndarray
    other_w: np.ndarray
    sinr: np.ndarray
    accuracy: np.ndarray
    rate_ksuts: np.ndarray
    qoe: np.ndarray
    ee: np.ndarray


class Model:
    """The formulas with their parameters and, once drawn, the requirements of a drop.

    Attributes:
        levels_w: float64[L], the power book. levels_k: int64[K], symbols a word. num_actions: L K.
    """

    def __init__(self, system: System, required: Requirements) -> None:
        self.system, self.required = system, required
        self.accuracy = accuracy_of(system.codec)
        power = system.power
        self.levels_w = np.arange(power.num_levels) * power.max_power_w / (power.num_levels - 1)
        self.levels_k = np.arange(1, system.codec.num_levels + 1)
        self.num_actions = power.num_levels * system.codec.num_levels

    def decode(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Action index to power level and k (specification 5.2): a = num_levels(k) * level + k - 1."""
        level, below = np.divmod(np.asarray(action), self.system.codec.num_levels)
        return level, below + 1

    def qoe_at(self, k: np.ndarray, sinr_db: np.ndarray) -> np.ndarray:
        """QoE of each user at k and a clipped SINR in dB, float64[..., M]."""
        accuracy = self.accuracy.at_db(k, sinr_db)
        return qoe_of(self.required, self._rate(k, accuracy), accuracy)

    def _rate(self, k: np.ndarray, accuracy: np.ndarray, basis: str | None = None) -> np.ndarray:
        codec = self.system.codec
        rate = semantic_rate(codec, k)
        if (basis or codec.rate_basis) == "elements":
            rate = codec.data_share * rate
        return rate * accuracy if codec.rate_counts_accuracy else rate

    def by_elements(self, k: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rate in ksut/s over the data resource elements alone, and the QoE with it, float64[..., M]
        (specification 10.2).
        """
        rate = self._rate(k, accuracy, "elements")
        return rate, qoe_of(self.required, rate, accuracy)

    def outcome(self, power_w: np.ndarray, k: np.ndarray, gain: np.ndarray) -> Outcome:
        """(M2)-(M7) for powers float64[..., M], k int64[..., M] and gains float64[..., M, M]."""
        own, interference = received_powers(power_w, gain)
        other = interference + self.system.power.noise_w
        sinr = own / other
        accuracy = self.accuracy.at_db(k, clipped_db(sinr))
        rate = self._rate(k, accuracy)
        qoe = qoe_of(self.required, rate, accuracy)
        ee = energy_efficiency(self.system.power, qoe, power_w)
        return Outcome(own, other, sinr, accuracy, rate, qoe, ee)

    def judged(
        self,
        by_formula: Outcome,
        power_w: np.ndarray,
        k: np.ndarray,
        accuracy: np.ndarray,
        served: np.ndarray | None = None,
    ) -> Outcome:
        """The outcome with a measured accuracy float64[..., M] in place of f_s; users that are not `served`
        (bool[..., M]) have got nothing.
        """
        rate = self._rate(k, accuracy)
        qoe = qoe_of(self.required, rate, accuracy)
        if served is not None:
            rate, qoe = np.where(served, rate, 0.0), np.where(served, qoe, 0.0)
        ee = energy_efficiency(self.system.power, qoe, power_w)
        return replace(by_formula, accuracy=accuracy, rate_ksuts=rate, qoe=qoe, ee=ee)

    def payoff(self, qoe: np.ndarray, power_w: np.ndarray) -> np.ndarray:
        """What each agent is paid for a slot before scale and difference, float64[..., M] (specification
        5.3): `ee` and `qoe` are the same for all, `local` is the efficiency of the own cell.
        """
        kind, static = self.system.decision.reward, self.system.power.static_w
        if kind == "local":
            return qoe * static / (static + power_w)
        common = energy_efficiency(self.system.power, qoe, power_w) if kind == "ee" else _mean(qoe)
        return np.repeat(common[..., None], qoe.shape[-1], axis=-1)


def reward_of(decision: Decision, payoff: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The reward from the payoffs of a slot and of the slot before it, any shape (specification 5.3)."""
    return decision.reward_scale * (payoff - before if decision.reward_difference else payoff)


def num_inputs(decision: Decision) -> int:
    """Length of an observation."""
    return 8 if decision.observe_level else 7


@dataclass(frozen=True)
class Measurement:
    """What a user measures, float64[..., M]: wanted power, and interference with noise, in W."""

    own_w: np.ndarray
    other_w: np.ndarray


def measure(power: Power, power_w: np.ndarray, gain: np.ndarray) -> Measurement:
    """Wanted and unwanted received power with powers `power_w` on air over channel `gain` (P(18), P(19))."""
    own, interference = received_powers(power_w, gain)
    return Measurement(own, interference + power.noise_w)


def observation_of(
    system: System,
    power_w: np.ndarray,
    now: Measurement,
    before: Measurement,
    qoe: np.ndarray,
    k: np.ndarray,
) -> np.ndarray:
    """The scaled observation of every station (specification 5.1), float32[..., M, 7 or 8].

    Args:
        power_w: float64[..., M], powers on air in the last slot. now, before: the newest measurement and the
            one of a slot earlier. With timing `pre` the newest is made on the new channel with the old
            powers, with `post` both are of past slots; the caller measures accordingly.
        qoe, k: [..., M], as delivered and used in the last slot.
    """
    power = system.power
    with np.errstate(divide="ignore"):
        sinr_db = 10.0 * np.log10(now.own_w / now.other_w)
        received_w = np.stack([now.own_w, before.own_w, now.other_w, before.other_w])
        over_noise_db = 10.0 * np.log10(received_w / power.noise_w)
    columns = [power_w / power.max_power_w, _clip(sinr_db, *_SINR_CLIP_DB) / _SINR_CLIP_DB[1], qoe]
    columns += list(_clip(over_noise_db, *_POWER_CLIP_DB) / _POWER_CLIP_DB[1])
    if system.decision.observe_level:
        columns.append(np.asarray(k) / MAX_SYMBOLS_PER_WORD)
    return np.stack(columns, axis=-1).astype(np.float32)


class Observer:
    """Keeps what an observation needs of the slots before: the slotted form of the users' measurements.

    Before the first slot nobody has transmitted and nothing has been delivered.

    Attributes:
        newest: the measurement that the newest observation rests on.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        silence = np.zeros(system.layout.num_cells)
        self._gain: np.ndarray | None = None
        self._before = self.newest = Measurement(silence, silence + system.power.noise_w)

    def take(
        self,
        power_w: np.ndarray,
        gain: np.ndarray,
        qoe: np.ndarray,
        k: np.ndarray,
        users: Sequence[int] | None = None,
        error: np.ndarray | float = 1.0,
    ) -> np.ndarray:
        """Observation at the start of a slot, float32[M, 7 or 8].

        Args:
            power_w, qoe, k: of the slot before; gain: of the slot that begins. users: whose slot begins
                (None: all); for the others nothing has been measured. error: float64[M], factor on the wanted
                power as it is measured.
        """
        old = gain if self._gain is None else self._gain
        seen = gain if self.system.decision.timing == "pre" else old
        exact = measure(self.system.power, power_w, seen)
        now = Measurement(exact.own_w * error, exact.other_w)
        observation = observation_of(self.system, power_w, now, self._before, qoe, k)
        self._gain, self.newest = gain, now
        if users is None or len(users) == len(power_w):
            self._before = now
        else:
            before = Measurement(self._before.own_w.copy(), self._before.other_w.copy())
            before.own_w[users], before.other_w[users] = now.own_w[users], now.other_w[users]
            self._before = before
        return observation
