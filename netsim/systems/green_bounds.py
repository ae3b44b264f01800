"""Green: what policies with more or less knowledge than the agents reach (specification 6).

k separates from the powers (4.8): P_tot does not contain k and the SINR does not depend on it, so the best
k of a user is a function V_m(SINR) of its own SINR, and searches run over powers alone. V_m is tabulated over
dB to compare candidates; what a function returns is then evaluated exactly. All of them see many slots at
once: gains float64[T, M, M] in, energy efficiencies float64[T] out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.systems.green_curves import HIGH_DB, LOW_DB, clipped_db
from netsim.systems.green_model import Model, received_powers

_TABLE_STEP_DB = 0.01
_PRICELESS_W = 1e9  # beside so much hardware power transmit power costs nothing
_GRID_DB = np.linspace(LOW_DB, HIGH_DB, round((HIGH_DB - LOW_DB) / _TABLE_STEP_DB) + 1)


@dataclass(frozen=True)
class Plan:
    """A choice for every slot and what it earns: power levels and k int64[T, M], ee float64[T]."""

    level: np.ndarray
    k: np.ndarray
    ee: np.ndarray


class Genie:
    """Searches with the model, the requirements and the channel of all cells.

    Args:
        energy_term: without it the searches maximise mean(QoE) alone; plans are evaluated by EE all the same.

    Attributes:
        best_qoe: float64[M, G], V_m over the dB grid. qoe: float64[K, M, G], QoE of every k over the grid.
    """

    def __init__(self, model: Model, energy_term: bool = True) -> None:
        self.model = model
        self._static_w = model.system.power.static_w if energy_term else _PRICELESS_W
        k = model.levels_k[:, None, None]
        # users on the last axis for qoe_at, then back to [K, M, G]
        values = model.qoe_at(k, _GRID_DB[None, :, None])
        self.qoe = np.ascontiguousarray(np.moveaxis(values, 1, 2))
        self.best_qoe = np.ascontiguousarray(self.qoe.max(axis=0))

    def best_k(self, sinr: np.ndarray) -> np.ndarray:
        """argmax_k QoE_m(k, SINR) of every user, exact; sinr float64[..., M], returns int64[..., M]."""
        x = clipped_db(sinr)
        values = self.model.qoe_at(self.model.levels_k.reshape(-1, *([1] * x.ndim)), x)
        return self.model.levels_k[values.argmax(axis=0)]

    def evaluate(self, level: np.ndarray, gain: np.ndarray, k: np.ndarray | int | None = None) -> Plan:
        """The plan with power levels int64[T, M] and the given or, left out, the best k."""
        level = np.broadcast_to(level, gain.shape[:-1])
        power_w = self.model.levels_w[level]
        if k is None:
            own, other = received_powers(power_w, gain)
            k = self.best_k(own / (other + self.model.system.power.noise_w))
        each = np.broadcast_to(k, level.shape)
        return Plan(level, each, self.model.outcome(power_w, each, gain).ee)

    def by_coordinates(self, gain: np.ndarray, rng: np.random.Generator, random_starts: int = 4) -> Plan:
        """`ub_coord`: per slot coordinate ascent over the levels from all at the maximum, all at level 1 and
        `random_starts` random points; the best of them.
        """
        num_slots, m = gain.shape[:2]
        top = len(self.model.levels_w) - 1
        starts = [np.full((num_slots, m), top), np.ones((num_slots, m), np.int64)]
        starts += [rng.integers(0, top + 1, (num_slots, m)) for _ in range(random_starts)]
        found = [self.evaluate(self._ascend(gain, start), gain) for start in starts]
        best = np.argmax([plan.ee for plan in found], axis=0)
        slots = np.arange(num_slots)
        level = np.stack([plan.level for plan in found])[best, slots]
        return self.evaluate(level, gain)

    def _ascend(self, gain: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Coordinate ascent in every slot at once until no slot moves; int64[T, M]."""
        model, level = self.model, level.copy()
        levels_w, m = model.levels_w, gain.shape[1]
        user, index = np.arange(m), np.arange(len(level))
        for _ in range(50):
            moved = False
            for j in range(m):
                power_w = levels_w[level]
                trial = np.repeat(power_w[:, None, :], len(levels_w), axis=1)
                trial[:, :, j] = levels_w
                own, other = received_powers(trial, gain[:, None])
                column = self._column(own / (other + model.system.power.noise_w))
                value = self.best_qoe[user, column].sum(axis=-1)
                value /= self._static_w + trial.mean(axis=-1)
                best = value.argmax(axis=1)
                # only a strict gain moves, else ties could cycle
                better = value[index, best] > value[index, level[:, j]] * (1.0 + 1e-12)
                level[better, j] = best[better]
                moved = moved or bool(better.any())
            if not moved:
                break
        return level

    def _column(self, sinr: np.ndarray) -> np.ndarray:
        return np.rint((clipped_db(sinr) - LOW_DB) / _TABLE_STEP_DB).astype(np.int64)

    def exhaustive(self, gain: np.ndarray) -> Plan:
        """`ub_exh`: the best of all L^M power vectors in every slot.

        The interference at a user takes L^(M-1) values, of which logarithms are taken once; its wanted power
        adds one of L constants in dB. The sums over users run as broadcasts over an M-dimensional array: at
        M = 7 a slot (823,543 vectors) takes about a tenth of a second.
        """
        level = np.stack([self._exhaust_slot(slot_gain) for slot_gain in gain])
        return self.evaluate(level, gain)

    def _exhaust_slot(self, gain: np.ndarray) -> np.ndarray:
        model, m, num_levels = self.model, len(gain), len(self.model.levels_w)
        scale = 1.0 / _TABLE_STEP_DB
        own_db = np.full((m, num_levels), -1e3)
        own_db[:, 1:] = 10.0 * np.log10(model.levels_w[1:] * np.diag(gain)[:, None])
        total = np.zeros((num_levels,) * m, np.float32)
        for user in range(m):
            other = np.full((1,) * m, model.system.power.noise_w)
            for j in range(m):
                if j != user:
                    other = other + _along(gain[user, j] * model.levels_w, j, m)
            x = (_along(own_db[user], user, m) - 10.0 * np.log10(other) - LOW_DB) * scale
            np.rint(np.clip(x, 0.0, len(_GRID_DB) - 1.0, out=x), out=x)
            total += self.best_qoe[user].astype(np.float32)[x.astype(np.intp)]
        mean_w = np.zeros((1,) * m)
        for j in range(m):
            mean_w = mean_w + _along(model.levels_w / m, j, m)
        total /= (self._static_w + mean_w).astype(np.float32)
        return np.array(np.unravel_index(int(total.argmax()), total.shape))

    def static_best(self, gain: np.ndarray, rng: np.random.Generator) -> Plan:
        """`static_best`: the best constant powers and k over the slots of `gain`, known in advance."""
        level = self._ascend_constant(gain, rng, genie_k=False)
        own, other = received_powers(self.model.levels_w[level], gain)
        mean = self.mean_qoe(own / (other + self.model.system.power.noise_w))
        return self.evaluate(level, gain, self.model.levels_k[mean.argmax(axis=0)])

    def mean_qoe(self, sinr: np.ndarray) -> np.ndarray:
        """QoE of every constant k, averaged over slots, float64[K, M]; sinr float64[T, M], linear."""
        return self.qoe[:, np.arange(sinr.shape[1]), self._column(sinr)].mean(axis=1)

    def static_power(self, gain: np.ndarray, rng: np.random.Generator) -> Plan:
        """`static_p_genie_k`: the best constant powers, k by the SINR of the slot."""
        return self.evaluate(self._ascend_constant(gain, rng, genie_k=True), gain)

    def _ascend_constant(self, gain: np.ndarray, rng: np.random.Generator, genie_k: bool) -> np.ndarray:
        """Coordinate ascent of constant levels on the average over the slots, three starts, int64[M]."""
        m, top = gain.shape[1], len(self.model.levels_w) - 1
        starts: list[np.ndarray] = [np.full(m, top), np.ones(m, np.int64), rng.integers(0, top + 1, (m,))]
        best, best_value = starts[0], -np.inf
        for start in starts:
            level, value = start.copy(), self._mean_value(start, gain, genie_k)
            moved = True
            while moved:
                moved = False
                for j in range(m):
                    for candidate in range(top + 1):
                        trial = level.copy()
                        trial[j] = candidate
                        reached = self._mean_value(trial, gain, genie_k)
                        if reached > value * (1.0 + 1e-12):
                            level, value, moved = trial, reached, True
            if value > best_value:
                best, best_value = level, value
        return best

    def _mean_value(self, level: np.ndarray, gain: np.ndarray, genie_k: bool) -> float:
        power_w = self.model.levels_w[level]
        own, other = received_powers(power_w, gain)
        sinr = own / (other + self.model.system.power.noise_w)
        if genie_k:
            qoe = self.best_qoe[np.arange(gain.shape[1]), self._column(sinr)].mean()
        else:
            qoe = self.mean_qoe(sinr).max(axis=0).mean()
        return float(qoe / (self._static_w + power_w.mean()))


def _along(values: np.ndarray, axis: int, num_axes: int) -> np.ndarray:
    """A vector laid along one axis of an array with `num_axes` axes."""
    return values.reshape([-1 if a == axis else 1 for a in range(num_axes)])


def random_plan(genie: Genie, gain: np.ndarray, rng: np.random.Generator) -> Plan:
    """`random`: level and k uniform, drawn separately."""
    shape = gain.shape[:2]
    level = rng.integers(0, len(genie.model.levels_w), shape)
    return genie.evaluate(level, gain, rng.choice(genie.model.levels_k, shape))


def greedy_plan(genie: Genie, gain: np.ndarray, rng: np.random.Generator, k: int | str = "random") -> Plan:
    """`greedy`: maximum power; k random (the paper's reading of E17), a number, or "genie"."""
    level = np.full(gain.shape[:2], len(genie.model.levels_w) - 1)
    if k == "genie":
        return genie.evaluate(level, gain)
    if k == "random":
        return genie.evaluate(level, gain, rng.choice(genie.model.levels_k, level.shape))
    return genie.evaluate(level, gain, int(k))


def silent_plan(genie: Genie, gain: np.ndarray) -> Plan:
    """`silent`: nobody transmits, k = 1: rate credit without delivering meaning, EE = mean(omega)."""
    silence = np.zeros(gain.shape[:2], np.int64)
    return genie.evaluate(silence, gain, 1)


def lowest_power_plan(genie: Genie, gain: np.ndarray, age: int = 0) -> Plan:
    """`level1_genie_k`: the lowest power that is not 0, k by the SINR of `age` slots ago (11.4).

    The first `age` slots are left out of the plan.
    """
    level = np.ones(gain.shape[:2], np.int64)
    if age == 0:
        return genie.evaluate(level, gain)
    seen = genie.evaluate(level[age:], gain[:-age]).k
    return genie.evaluate(level[age:], gain[age:], seen)
