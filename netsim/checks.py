"""Checks of a recorded trace: conservation, causality, completeness.

Each check returns findings, one line each: what is wrong, in how many rows, and the first offending row; an
empty list means that it holds. They judge the record, not the model: a trace that passes may still be of a
wrong scenario.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.tables import Columns, Trace
from netsim.trace_schema import DELIVERED, DROPPED, QUEUED, TABLES, TraceError


@dataclass(frozen=True)
class Finding:
    """A broken rule: `check` (conservation, causality, completeness), `table`, and `text`, one line."""

    check: str
    table: str
    text: str

    def __str__(self) -> str:
        return f"{self.check}: {self.table}: {self.text}"


def check(trace: Trace) -> list[Finding]:
    """All findings of all checks; a table that cannot be read or has a wrong digest is one as well."""
    findings: list[Finding] = []
    for table in trace:
        try:
            trace[table]
        except TraceError as error:
            findings.append(Finding("completeness", table, str(error)))
    if findings:
        return findings
    return completeness(trace) + conservation(trace) + causality(trace)


def conservation(trace: Trace) -> list[Finding]:
    """arrived = delivered + dropped + queued at the end, per ue, in `buffers` and in `packets`, and both
    agree.

    In `buffers` also slot by slot: queued(t) = queued(t-1) + arrived - delivered - dropped with queued(-1)
    = 0. The initial packets of an episode count as arrived in its first slot, leftovers at its end as
    dropped in its last.
    """
    buffers, packets = trace["buffers"], trace["packets"]
    findings = _balance(buffers)
    for ue in np.union1d(buffers["ue"], packets["ue"]):
        mine, sent = buffers["ue"] == ue, packets["fate"][packets["ue"] == ue]
        from_buffers = {name: int(buffers[name][mine].sum()) for name in ("arrived", "delivered", "dropped")}
        last = buffers["queued"][mine][np.argmax(buffers["slot"][mine])] if mine.any() else 0
        from_buffers["queued"] = int(last)
        from_packets = {
            "arrived": len(sent),
            "delivered": int((sent == DELIVERED).sum()),
            "dropped": int((sent == DROPPED).sum()),
            "queued": int((sent == QUEUED).sum()),
        }
        for table, count in (("buffers", from_buffers), ("packets", from_packets)):
            left = count["arrived"] - count["delivered"] - count["dropped"] - count["queued"]
            if left:
                shown = ", ".join(f"{name} {number}" for name, number in count.items())
                text = f"ue {ue}: {shown}: arrived must be delivered + dropped + queued (off by {left})"
                findings.append(Finding("conservation", table, text))
        for name, number in from_buffers.items():
            if number != from_packets[name]:
                text = f"ue {ue}: {name} {number} in buffers but {from_packets[name]} in packets, must agree"
                findings.append(Finding("conservation", "buffers", text))
    return findings


def _balance(buffers: Columns) -> list[Finding]:
    order = np.lexsort((buffers["slot"], buffers["ue"]))
    ue, queued = buffers["ue"][order], buffers["queued"][order].astype(np.int64)
    before = np.concatenate(([0], queued[:-1]))[: len(queued)]
    before[np.concatenate(([True], ue[1:] != ue[:-1]))[: len(ue)]] = 0
    change = sum(sign * buffers[name][order].astype(np.int64) for name, sign in _FLOWS.items())
    broken = np.empty(len(order), bool)
    broken[order] = queued != before + change
    rule = "queued must be queued of the slot before + arrived - delivered - dropped"
    findings = _rows("conservation", "buffers", buffers, broken, rule, ("slot", "ue", "queued"))
    for name in ("queued_start", "queued", "arrived", "delivered", "dropped", "blocked"):
        rule = f"{name} must be >= 0"
        findings += _rows("conservation", "buffers", buffers, buffers[name] < 0, rule, ("slot", "ue", name))
    return findings


_FLOWS = {"arrived": 1, "delivered": -1, "dropped": -1}


def causality(trace: Trace) -> list[Finding]:
    """No effect before its cause: packets, decisions, messages; -1 exactly where a time never came."""
    return (
        _packet_times(trace["packets"])
        + _decision_times(trace["decisions"])
        + _message_times(trace["messages"])
    )


def _packet_times(packets: Columns) -> list[Finding]:
    created, sent, delivered = packets["created_ns"], packets["sent_ns"], packets["delivered_ns"]
    arrived = delivered >= 0
    rules = (
        (created < 0, "created_ns must be >= 0"),
        ((sent < -1) | (delivered < -1), "a time that never came must be -1"),
        ((sent >= 0) & (sent < created), "must have created_ns <= sent_ns"),
        (arrived & (delivered < sent), "must have sent_ns <= delivered_ns"),
        (arrived & (sent < 0), "a delivered packet must have sent_ns"),
        (
            arrived != (packets["fate"] == DELIVERED),
            "must have delivered_ns exactly if its fate is delivered (1)",
        ),
    )
    show = ("id", "created_ns", "sent_ns", "delivered_ns", "fate")
    return [f for bad, rule in rules for f in _rows("causality", "packets", packets, bad, rule, show)]


def _decision_times(decisions: Columns) -> list[Finding]:
    names = ("observed_ns", "received_ns", "t_ns", "applied_ns")
    observed, received, decided, applied = (decisions[name] for name in names)
    rules = (
        (decided < 0, "t_ns must be >= 0"),
        ((observed < 0) != (received < 0), "observed_ns and received_ns must both be times or both -1"),
        ((received >= 0) & (received < observed), "must have observed_ns <= received_ns"),
        (received > decided, "must have received_ns <= t_ns"),
        ((applied >= 0) & (applied < decided), "must have t_ns <= applied_ns"),
        (np.minimum(np.minimum(observed, received), applied) < -1, "a time that never came must be -1"),
    )
    return [f for bad, rule in rules for f in _rows("causality", "decisions", decisions, bad, rule, names)]


def _message_times(messages: Columns) -> list[Finding]:
    sent, received, lost = messages["sent_ns"], messages["received_ns"], messages["lost"]
    rules = (
        (sent < 0, "sent_ns must be >= 0"),
        (received < -1, "a time that never came must be -1"),
        ((lost == 1) & (received != -1), "a lost message must have received_ns -1"),
        ((received >= 0) & (received < sent), "must have sent_ns <= received_ns"),
    )
    show = ("src", "dst", "sent_ns", "received_ns", "lost")
    return [f for bad, rule in rules for f in _rows("causality", "messages", messages, bad, rule, show)]


def completeness(trace: Trace) -> list[Finding]:
    """The run ended; slots 0..N-1; one buffers row per ue and slot; known slots; NaN by the schema."""
    findings = []
    if not trace.attributes["complete"]:
        findings.append(
            Finding("completeness", "attributes", "complete is False: the run did not reach its end")
        )
    slots = trace["slots"]
    count = len(slots["slot"])
    rule = f"slot must be 0..{count - 1}, each once and in order"
    findings += _rows("completeness", "slots", slots, slots["slot"] != np.arange(count), rule, ("slot",))
    backwards = np.concatenate(([False], np.diff(slots["start_ns"]) <= 0))[:count]
    findings += _rows(
        "completeness", "slots", slots, backwards, "start_ns must increase", ("slot", "start_ns")
    )
    for table in ("buffers", "grants", "receptions"):
        columns = trace[table]
        outside = (columns["slot"] < 0) | (columns["slot"] >= count)
        findings += _rows(
            "completeness", table, columns, outside, f"slot must be in 0..{count - 1}", ("slot", "ue")
        )
    findings += _every_ue_every_slot(trace, count)
    ids = trace["packets"]["id"]
    repeated = np.ones(len(ids), bool)
    repeated[np.unique(ids, return_index=True)[1]] = False
    findings += _rows("completeness", "packets", trace["packets"], repeated, "id must be unique", ("id",))
    return findings + _values(trace)


def _every_ue_every_slot(trace: Trace, num_slots: int) -> list[Finding]:
    buffers = trace["buffers"]
    ues = np.union1d(buffers["ue"], trace["ues"]["ue"])
    inside = (buffers["slot"] >= 0) & (buffers["slot"] < num_slots)
    column = np.searchsorted(ues, buffers["ue"][inside])
    rows = np.bincount(
        buffers["slot"][inside].astype(np.int64) * len(ues) + column, minlength=num_slots * len(ues)
    )
    wrong = np.flatnonzero(rows != 1)
    if not len(wrong):
        return []
    slot, ue = wrong[0] // len(ues), ues[wrong[0] % len(ues)]
    text = f"slot {slot}, ue {ue}: {rows[wrong[0]]} rows, must be one per slot and ue ({len(wrong)} such)"
    return [Finding("completeness", "buffers", text)]


def _values(trace: Trace) -> list[Finding]:
    """NaN and enumeration rules that the schema states."""
    findings = []
    for table in TABLES.values():
        columns = trace[table.name]
        for column in table.columns:
            values, rule, bad = columns[column.name], "", None
            if values.dtype.kind == "f" and not column.absent:
                bad, rule = np.isnan(values), f"{column.name} must not be NaN"
            if column.values:
                bad = (values < 0) | (values >= len(column.values))
                rule = f"{column.name} must be 0..{len(column.values) - 1}"
            if bad is not None:
                findings += _rows("completeness", table.name, columns, bad, rule, (column.name,))
    return findings


def _rows(
    name: str, table: str, columns: Columns, bad: np.ndarray, rule: str, show: tuple[str, ...]
) -> list[Finding]:
    """One finding for the rows where `bad` [rows] is true: how many, and columns `show` of the first."""
    at = np.flatnonzero(bad)
    if not len(at):
        return []
    values = ", ".join(f"{key} {columns[key][at[0]]}" for key in show)
    return [Finding(name, table, f"row {at[0]} ({values}): {rule} ({len(at)} of {len(bad)} rows)")]
