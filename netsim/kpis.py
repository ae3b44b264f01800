"""The key figures: ratios of sums and quantiles over the tables of one replication (a run or an episode)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from netsim.tables import Columns
from netsim.trace_schema import DELIVERED

Replication = dict[str, Columns]
Sums = tuple[np.ndarray, np.ndarray]
_SHARE, _ANY = (0.0, 1.0), (-math.inf, math.inf)
Summing = Callable[[Replication, np.ndarray], Sums]


@dataclass(frozen=True)
class Ratio:
    """A figure sum/sum; `sums(replication, ues)` gives both [U]; `per_slot`: the second counts slots."""

    kpi: str
    unit: str
    sums: Summing
    per_ue: bool = True
    per_slot: bool = False
    errors: bool = False  # errors among trials: without any error the upper limit is Clopper and Pearson's
    lacking: str = "nothing to divide by"
    range: tuple[float, float] = (0.0, math.inf)  # values it can take; intervals end there


def num_slots(replication: Replication) -> int:
    """Slots that a replication holds."""
    return len(replication["slots"]["slot"])


def _by_ue(
    columns: Columns, ues: np.ndarray, weights: np.ndarray, keep: np.ndarray | None = None
) -> np.ndarray:
    """Sum of `weights` [rows] per device [U], over the rows that `keep` [rows] selects."""
    ue = columns["ue"] if keep is None else columns["ue"][keep]
    chosen = weights if keep is None else weights[keep]
    return np.bincount(np.searchsorted(ues, ue), weights=chosen, minlength=len(ues))


def _of_slots(value: Callable[[Columns], np.ndarray]) -> Summing:
    """A column of `slots`, for all devices together: arrays of one element."""

    def sums(replication: Replication, _ues: np.ndarray) -> Sums:
        return value(replication["slots"]).sum(keepdims=True), np.array([float(num_slots(replication))])

    return sums


def _per_slot(table: str, value: Callable[[Columns], np.ndarray]) -> Summing:
    def sums(replication: Replication, ues: np.ndarray) -> Sums:
        top = _by_ue(replication[table], ues, value(replication[table]))
        return top, np.full(len(ues), float(num_slots(replication)))

    return sums


def _share(table: str, part: str, whole: str) -> Summing:
    """Errors among what was sent, over the rows where the level counts them (-1 = not counted)."""

    def sums(replication: Replication, ues: np.ndarray) -> Sums:
        columns = replication[table]
        counted = columns[part] >= 0
        return _by_ue(columns, ues, columns[part], counted), _by_ue(columns, ues, columns[whole], counted)

    return sums


def _age_s(replication: Replication, _ues: np.ndarray) -> Sums:
    """Age of what a decision rests on when it comes into force, all decisions: arrays of one element."""
    decisions = replication["decisions"]
    known = (decisions["observed_ns"] >= 0) & (decisions["applied_ns"] >= 0)
    age_ns = (decisions["applied_ns"] - decisions["observed_ns"])[known]
    return np.array([age_ns.sum() * 1e-9]), np.array([float(len(age_ns))])


def _per_packet(value: Callable[[Columns], np.ndarray]) -> Summing:
    def sums(replication: Replication, ues: np.ndarray) -> Sums:
        packets = replication["packets"]
        values = value(packets)
        counted = (packets["fate"] == DELIVERED) & ~np.isnan(values)
        return _by_ue(packets, ues, values, counted), _by_ue(packets, ues, np.ones(len(values)), counted)

    return sums


def _delay_s(packets: Columns) -> np.ndarray:
    return (packets["delivered_ns"] - packets["created_ns"]) * 1e-9


def _delivered_score(packets: Columns) -> np.ndarray:
    return np.where(packets["fate"] == DELIVERED, np.nan_to_num(packets["score"]), 0.0)


def ratios(bandwidth_hz: float | None) -> list[Ratio]:
    """The key figures of every system, as ratios of sums; those of a band need its width in Hz."""
    nothing, uncounted = "no packet was delivered", "this level counts none"
    found = [
        Ratio("reward per slot", "1", _of_slots(lambda s: s["reward"]), False, True, range=_ANY),
        Ratio("objective per slot", "1", _of_slots(lambda s: s["objective"]), per_ue=False, per_slot=True),
        Ratio(
            "slots with violations",
            "share",
            _of_slots(lambda s: s["num_violations"] > 0),
            per_ue=False,
            per_slot=True,
            range=_SHARE,
        ),
        Ratio("delivered per slot", "packets", _per_slot("buffers", lambda b: b["delivered"]), per_slot=True),
        Ratio("accuracy per packet", "1", _per_packet(lambda p: p["score"]), lacking=nothing, range=_SHARE),
        Ratio("efficiency per slot", "1", _per_slot("packets", _delivered_score), per_slot=True),
        Ratio("arrived per slot", "packets", _per_slot("buffers", lambda b: b["arrived"]), per_slot=True),
        Ratio("blocked per slot", "captures", _per_slot("buffers", lambda b: b["blocked"]), per_slot=True),
        Ratio("dropped per slot", "packets", _per_slot("buffers", lambda b: b["dropped"]), per_slot=True),
        Ratio("queued at slot end", "packets", _per_slot("buffers", lambda b: b["queued"]), per_slot=True),
        Ratio(
            "bit error rate",
            "1",
            _share("receptions", "num_bit_errors", "num_bits"),
            errors=True,
            lacking=uncounted,
            range=_SHARE,
        ),
        Ratio(
            "block error rate",
            "1",
            _share("receptions", "num_block_errors", "num_blocks"),
            errors=True,
            lacking=uncounted,
            range=_SHARE,
        ),
        Ratio("delay mean", "s", _per_packet(_delay_s), lacking=nothing),
        Ratio("decision age", "s", _age_s, per_ue=False, lacking="no decision came into force"),
        Ratio("bandwidth granted", "Hz", _per_slot("grants", lambda g: g["bandwidth_hz"]), per_slot=True),
        Ratio("power granted", "W", _per_slot("grants", lambda g: g["power_w"]), per_slot=True),
    ]
    if bandwidth_hz is not None:
        used = _per_slot("grants", lambda g: g["bandwidth_hz"] / bandwidth_hz)
        found.append(Ratio("bandwidth utilisation", "share", used, per_slot=True, range=_SHARE))
    return found


@dataclass(frozen=True)
class Quantile:
    """A figure that is a quantile of the values of each replication; of several the mean is taken."""

    kpi: str
    unit: str
    share: float
    table: str
    values: Callable[[Columns], np.ndarray]


def _delivered_delay_s(packets: Columns) -> np.ndarray:
    return np.where(packets["fate"] == DELIVERED, _delay_s(packets), np.nan)


QUANTILES = (
    Quantile("delay median", "s", 0.5, "packets", _delivered_delay_s),
    Quantile("delay 95 %", "s", 0.95, "packets", _delivered_delay_s),
    Quantile("sinr 5 %", "dB", 0.05, "receptions", lambda r: r["sinr_db"]),
    Quantile("sinr median", "dB", 0.5, "receptions", lambda r: r["sinr_db"]),
    Quantile("sinr 95 %", "dB", 0.95, "receptions", lambda r: r["sinr_db"]),
)
