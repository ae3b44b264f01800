"""The page of one trace: key figures, series over the slots, delays, devices, a constellation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from netsim import checks, metrics, params
from netsim.scenario import Scenario
from netsim.studies import charts, replay_page
from netsim.studies.charts import Figure
from netsim.studies.replay import replay, scenario_of
from netsim.studies.verdict import number
from netsim.tables import Trace
from netsim.trace_schema import DELIVERED
from phy.parameters import ParameterError

MOST_POINTS = 2000  # of a series; longer ones are averaged over neighbours


def context(trace: Trace, command: str) -> dict[str, Any]:
    """What the template trace.html shows."""
    scenario = scenario_of(trace)
    attributes, origin = trace.attributes, trace.attributes["provenance"]
    findings = [str(finding) for finding in checks.check(trace)]
    records = metrics.summarise([trace], bandwidth_hz=scenario.total_bandwidth_hz)
    told = ("software", "commit", "machine", "wall_s", "slots_per_s")
    provenance = [{"name": name, "value": str(origin.get(name, ""))} for name in told]
    provenance += [{"name": "data", "value": line} for line in origin.get("data", [])]
    return {
        "title": f"{attributes['scenario']}, level {attributes['phy']}, {scenario.policy_text}",
        "subtitle": f"{trace.name}: seed {attributes['seed']}, run {attributes['run']}, "
        f"{len(trace['slots']['slot'])} slots of {scenario.slot_ns / 1e6:g} ms",
        "findings": findings,
        "kpis": [_kpi(record) for record in records if record.ue == "all"],
        "ues": _devices(records),
        "ue_columns": _device_columns(records),
        "series": series(trace),
        "delays": delays(trace),
        "snr": snr(trace),
        "constellation": _constellation(trace, scenario),
        "parameters": [dataclasses.asdict(row) for row in params.table(scenario)],
        "provenance": provenance,
        "command": command,
    }


def _kpi(record: metrics.Record) -> dict[str, Any]:
    told = {"kpi": record.kpi, "unit": record.unit, "mean": record.mean, "low": record.low}
    return {**told, "high": record.high, "note": record.note}


_PER_UE = (
    "delivered per slot",
    "accuracy per packet",
    "blocked per slot",
    "dropped per slot",
    "queued at slot end",
    "bit error rate",
    "delay mean",
    "delay 95 %",
    "sinr median",
    "bandwidth granted",
    "power granted",
)


def _devices(records: list[metrics.Record]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.ue != "all" and record.kpi in _PER_UE:
            rows.setdefault(record.ue, {"ue": record.ue})[record.kpi] = record.mean
    return list(rows.values())


def _device_columns(records: list[metrics.Record]) -> list[tuple[str, str, str]]:
    units = {record.kpi: record.unit for record in records if record.ue != "all"}
    known = [kpi for kpi in _PER_UE if kpi in units]
    return [("ue", "device", ""), *((kpi, f"{kpi} ({units[kpi]})", "n") for kpi in known)]


def series(trace: Trace) -> list[tuple[Figure, str]]:
    """Reward and queues over the slots."""
    slots, buffers = trace["slots"], trace["buffers"]
    count = len(slots["slot"])
    width = max(1, -(-count // MOST_POINTS))
    time = _thinned(slots["slot"].astype(float), width)
    of_slot = {
        name: np.bincount(buffers["slot"], weights=buffers[name], minlength=count)
        for name in ("queued", "delivered", "blocked", "dropped")
    }
    reward = {name: (time, _thinned(slots[name], width)) for name in ("reward", "objective")}
    flows = {name: (time, _thinned(values, width)) for name, values in of_slot.items()}
    more = f" (means over {width} slots)" if width > 1 else ""
    first = charts.lines(reward, f"slot{more}", "per slot")
    first["layout"]["yaxis"].pop("rangemode")
    return [
        (first, "Reward and objective over the slots"),
        (charts.lines(flows, f"slot{more}", "packets, all devices"), "Queues and flows over the slots"),
    ]


def _thinned(values: np.ndarray, width: int) -> list[float]:
    """Means over `width` neighbours, so that long runs stay readable."""
    whole = len(values) // width * width
    means = values[:whole].reshape(-1, width).mean(axis=1)
    return [round(float(v), 6) for v in means]


def delays(trace: Trace) -> Figure | None:
    """Distribution of the delay of delivered packets, device by device; None without packets."""
    packets = trace["packets"]
    there = packets["fate"] == DELIVERED
    if not there.any():
        return None
    delay_ms = (packets["delivered_ns"] - packets["created_ns"]) / 1e6
    curves = {"all": _distribution(delay_ms[there])}
    ues = np.unique(packets["ue"])
    if 1 < len(ues) <= 7:
        curves |= {f"device {ue}": _distribution(delay_ms[there & (packets["ue"] == ue)]) for ue in ues}
    return charts.lines(curves, "delay from capture in ms", "share of packets", shape="hv")


def _distribution(values: np.ndarray) -> tuple[list[float], list[float]]:
    """The empirical distribution function at up to 300 quantiles."""
    if not len(values):
        return [], []
    shares = np.linspace(0, 1, min(300, len(values) + 1))
    return np.quantile(values, shares).round(4).tolist(), shares.round(4).tolist()


def snr(trace: Trace) -> Figure | None:
    """Distribution of the SNR of what was received, device by device."""
    columns = trace["receptions"]
    there = np.isfinite(columns["sinr_db"])
    if not there.any():
        return None
    ues = np.unique(columns["ue"])
    curves = {"all": _distribution(columns["sinr_db"][there])}
    if 1 < len(ues) <= 7:
        curves |= {
            f"device {ue}": _distribution(columns["sinr_db"][there & (columns["ue"] == ue)]) for ue in ues
        }
    return charts.lines(curves, "SNR per resource element in dB", "share of receptions", shape="hv")


def _constellation(trace: Trace, scenario: Scenario) -> dict[str, Any] | None:
    """Symbols of the reception that is nearest to the median SNR; None where there are none to see."""
    columns = trace["receptions"]
    there = np.flatnonzero(np.isfinite(columns["sinr_db"]) & (columns["num_bits"] > 0))
    if scenario.phy == "paper" or not len(there):
        return None
    sinr = columns["sinr_db"][there]
    row = there[np.abs(sinr - np.median(sinr)).argmin()]
    slot, ue = int(columns["slot"][row]), int(columns["ue"][row])
    try:
        found = replay(trace, slot, ue)
    except ParameterError:
        return None
    if not found.packets or found.packets[0].symbols is None:
        return None
    text = f"slot {slot}, device {ue}, {number(found.sinr_db)} dB (nearest to the median)"
    return {"figure": replay_page.constellation(found.packets[0]), "text": text}
