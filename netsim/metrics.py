"""Key figures of one trace or of several runs of the same thing, each with a confidence interval.

Every figure is a ratio of sums (reward per slot, score per packet, errors per bit) or a quantile (delay).
The unit of replication is the run when there are several traces; with a single trace it is the episode when
it has several, and otherwise there is no interval: values within an episode depend on each other through
buffers and fading. Episodes of a run whose agent learns are not identically distributed; replicate such a
study in runs.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from netsim.kpis import QUANTILES, Quantile, Ratio, Replication, num_slots, ratios
from netsim.stats import clopper_pearson_interval, mean_interval, ratio_interval
from netsim.tables import Trace
from netsim.trace_schema import TraceError
from phy.parameters import ParameterError

_ONE = "one run of one episode: no interval"


@dataclass(frozen=True)
class Record:
    """One figure; `ue` is an index or "all"; without interval `low` and `high` are NaN, `note` says why."""

    kpi: str
    ue: str
    mean: float
    low: float
    high: float
    n: int
    unit: str
    replication: str
    note: str


def summarise(
    traces: Sequence[Trace], level: float = 0.95, bandwidth_hz: float | None = None
) -> list[Record]:
    """All figures of `traces`, for all devices together and for each.

    Args:
        traces: one trace, or several runs that differ in seed and run only.
        level: confidence level.
        bandwidth_hz: the band that is shared out; with it the bandwidth utilisation is known.

    Raises:
        TraceError: traces of different scenarios, levels or agents, or the same run twice.
        ParameterError: no trace, or a level or bandwidth out of range.
    """
    if not traces:
        raise ParameterError("summarise: 0 traces: must be at least 1")
    if bandwidth_hz is not None and not bandwidth_hz > 0:
        raise ParameterError(f"summarise: bandwidth_hz = {bandwidth_hz}: must be > 0")
    _check_same(traces)
    replications, unit = _replications(traces)
    ues = np.unique(
        np.concatenate([columns["ue"] for r in replications for columns in r.values() if "ue" in columns])
    )
    slots = np.array([num_slots(replication) for replication in replications], float)
    records: list[Record] = []
    for ratio in ratios(bandwidth_hz):
        sums = [ratio.sums(replication, ues) for replication in replications]
        top, bottom = np.array([s[0] for s in sums]), np.array([s[1] for s in sums])
        total = slots if ratio.per_slot else bottom.sum(axis=1)
        records.append(_ratio_record(ratio, "all", top.sum(axis=1), total, unit, level))
        if ratio.per_ue:
            each = zip(ues, top.T, bottom.T)
            records += [_ratio_record(ratio, str(ue), x, y, unit, level) for ue, x, y in each]
    for quantile in QUANTILES:
        for ue in ("all", *ues):
            records.append(_quantile_record(quantile, replications, ue, unit, level))
    return records


def write_csv(records: Sequence[Record], file: TextIO) -> None:
    """The records as CSV with a header line; NaN as an empty field."""
    names = [field.name for field in dataclasses.fields(Record)]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for record in records:
        values = (getattr(record, name) for name in names)
        writer.writerow("" if isinstance(v, float) and math.isnan(v) else v for v in values)


def _check_same(traces: Sequence[Trace]) -> None:
    """Runs of one study differ in seed and run, in nothing else that they were told."""
    first, wanted = traces[0], _told(traces[0])
    seen: dict[tuple[int, int], str] = {}
    for trace in traces:
        told = _told(trace)
        for name in sorted(wanted.keys() | told.keys()):
            if told.get(name) != wanted.get(name):
                rule = f"must be {wanted.get(name)!r} as in {first.name}"
                raise TraceError(f"{trace.name}: {name} is {told.get(name)!r}, {rule}")
        key = (trace.attributes["seed"], trace.attributes["run"])
        if key in seen:
            rule = f"is {seen[key]} again, runs must differ"
            raise TraceError(f"{trace.name}: seed {key[0]}, run {key[1]} {rule}")
        seen[key] = trace.name


def _told(trace: Trace) -> dict[str, Any]:
    """Root attributes and resolved scenario as flat names (`agent.name`), without seed and run."""
    own = ("seed", "run", "complete", "provenance", "digest")
    told = {name: value for name, value in trace.attributes.items() if name not in own}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                walk(f"{prefix}{name}.", part)
        elif prefix != "seed.":
            told[prefix[:-1]] = value

    scenario = trace.attributes["provenance"].get("scenario", {})
    walk("", scenario if isinstance(scenario, dict) else {})
    return told


_USED = ("slots", "packets", "grants", "receptions", "buffers", "decisions", "ues")


def _replications(traces: Sequence[Trace]) -> tuple[list[Replication], str]:
    """Tables of each replication and what one is: "run" or "episode", "none" when there is only one."""
    whole = [{table: trace[table] for table in _USED} for trace in traces]
    if len(whole) > 1:
        return whole, "run"
    (tables,) = whole
    episodes = np.unique(tables["slots"]["episode"])
    if len(episodes) < 2:
        return whole, "none"
    slots = tables["slots"]
    packets, decisions = tables["packets"], tables["decisions"]
    used_ns = np.where(packets["sent_ns"] >= 0, packets["sent_ns"], packets["created_ns"])
    slot_of = {
        "packets": np.searchsorted(slots["start_ns"], used_ns, side="right") - 1,
        "decisions": np.searchsorted(slots["start_ns"], decisions["t_ns"], side="right") - 1,
        **{table: tables[table]["slot"] for table in ("slots", "grants", "receptions", "buffers")},
    }
    for table, slot in slot_of.items():
        if len(slot) and not 0 <= slot.max() < len(slots["slot"]):
            rule = f"must be below the {len(slots['slot'])} slots of the trace"
            raise TraceError(f"{traces[0].name}: slot {slot.max()} in {table}, {rule}")
    episode_of = {table: slots["episode"][np.maximum(slot, 0)] for table, slot in slot_of.items()}
    episode_of["ues"] = tables["ues"]["episode"]
    split = [
        {t: {name: v[episode_of[t] == episode] for name, v in tables[t].items()} for t in _USED}
        for episode in episodes
    ]
    return split, "episode"


def _ratio_record(
    ratio: Ratio, ue: str, top: np.ndarray, bottom: np.ndarray, unit: str, level: float
) -> Record:
    n = len(top)
    if bottom.sum() == 0:
        return Record(ratio.kpi, ue, math.nan, math.nan, math.nan, n, ratio.unit, unit, ratio.lacking)
    found = ratio_interval(top, bottom, level)
    low, high, note = found.low, found.high, _ONE if unit == "none" else ""
    if ratio.errors and n > 1 and top.sum() == 0:
        low, high = 0.0, clopper_pearson_interval(0, int(bottom.sum()), level).high
        note = f"no error in {int(bottom.sum())}: upper limit for independent errors"
    # a Student interval of few replications can reach beyond what the figure can be; NaN stays NaN
    low, high = float(np.clip(low, *ratio.range)), float(np.clip(high, *ratio.range))
    return Record(ratio.kpi, ue, found.mean, low, high, n, ratio.unit, unit, note)


def _quantile_record(
    quantile: Quantile, replications: list[Replication], ue: str | int, unit: str, level: float
) -> Record:
    found = []
    for replication in replications:
        columns = replication[quantile.table]
        values = quantile.values(columns)
        values = values[np.isfinite(values) & (True if ue == "all" else columns["ue"] == ue)]
        if len(values):
            found.append(float(np.quantile(values, quantile.share)))
    if not found:
        return Record(quantile.kpi, str(ue), math.nan, math.nan, math.nan, 0, quantile.unit, unit, "no value")
    interval = mean_interval(found, level)
    note = "" if len(found) > 1 else _ONE if unit == "none" else f"one {unit} with values: no interval"
    limits = (interval.mean, interval.low, interval.high)
    return Record(quantile.kpi, str(ue), *limits, len(found), quantile.unit, unit, note)
