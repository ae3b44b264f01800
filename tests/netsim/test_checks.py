"""The trace checks pass on a sound recording and name the row of every kind of tampering."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from netsim.checks import causality, check, completeness, conservation
from netsim.trace import MemoryTrace, TraceWriter, read_trace
from tests.netsim.trace_samples import ATTRIBUTES, record, sample, tampered


@pytest.fixture(scope="module")
def good():
    return sample()


def test_a_sound_trace_has_no_findings(good, tmp_path):
    with TraceWriter(tmp_path / "a.h5", ATTRIBUTES) as writer:
        record(writer)
    assert check(good) == check(read_trace(tmp_path / "a.h5")) == []
    assert (good["packets"]["fate"] == 2).any() and (good["packets"]["fate"] == 0).any()


def test_an_empty_complete_trace_has_no_findings():
    assert check(MemoryTrace(ATTRIBUTES).trace()) == []


TAMPERED = [
    (conservation, "buffers", "arrived", 4, 9, "buffers: row 4 (slot 1, ue 1, queued "),
    (conservation, "buffers", "queued", 58, 99, "buffers: row 58 (slot 19, ue 1, queued 99): queued must be"),
    (conservation, "buffers", "delivered", 0, 7, "ue 0: delivered "),
    (conservation, "buffers", "dropped", 30, 1, "buffers: row 30 (slot 10, ue 0"),
    (conservation, "buffers", "blocked", 3, -1, "blocked must be >= 0 (1 of 60 rows)"),
    (conservation, "packets", "fate", 0, 2, "in packets, must agree"),
    (conservation, "packets", "ue", 0, 5, "ue 5: arrived 0 in buffers but 1 in packets"),
    (causality, "packets", "sent_ns", 0, -5, "a time that never came must be -1 (1 of"),
    (causality, "packets", "sent_ns", 0, -1, "a delivered packet must have sent_ns"),
    (causality, "packets", "created_ns", 0, 10**15, "created_ns <= sent_ns"),
    (causality, "packets", "delivered_ns", 0, -1, "exactly if its fate is delivered"),
    (causality, "packets", "delivered_ns", 1, 0, "packets: row 1 (id "),
    (causality, "decisions", "observed_ns", 2, 10**15, "decisions: row 2 (observed_ns 1000000000000000"),
    (causality, "decisions", "received_ns", 2, 10**15, "received_ns <= t_ns"),
    (causality, "decisions", "received_ns", 2, -1, "must both be times or both -1"),
    (causality, "decisions", "applied_ns", 2, 0, "t_ns <= applied_ns"),
    (causality, "decisions", "applied_ns", 2, -2, "a time that never came must be -1"),
    (causality, "messages", "received_ns", 3, 700_000_000, "a lost message must have received_ns -1"),
    (
        causality,
        "messages",
        "received_ns",
        4,
        3,
        "row 4 (src server, dst agent, sent_ns 800000000, received_ns 3",
    ),
    (completeness, "slots", "slot", 3, 4, "slots: row 3 (slot 4): slot must be 0..19"),
    (completeness, "slots", "start_ns", 3, 0, "row 3 (slot 3, start_ns 0): start_ns must increase"),
    (completeness, "slots", "reward", 3, np.nan, "reward must not be NaN"),
    (completeness, "buffers", "ue", 3, 1, "slot 1, ue 0: 0 rows, must be one per slot and ue (2 such)"),
    (completeness, "buffers", "slot", 3, 20, "slot must be in 0..19"),
    (completeness, "grants", "slot", 3, -1, "grants: row 3 (slot -1, ue 0): slot must be in 0..19"),
    (completeness, "grants", "power_w", 3, np.nan, "power_w must not be NaN"),
    (completeness, "receptions", "slot", 3, 77, "receptions: row 3 (slot 77, ue 0)"),
    (completeness, "receptions", "gain", 3, np.nan, "gain must not be NaN"),
    (completeness, "packets", "id", 3, 4, "id must be unique"),
    (completeness, "packets", "fate", 3, 3, "fate must be 0..2"),
    (completeness, "messages", "lost", 3, 2, "lost must be 0..1"),
    (completeness, "ues", "ue", 0, 9, "slot 0, ue 9: 0 rows"),
]


@pytest.mark.parametrize("rule, table, column, row, value, text", TAMPERED)
def test_tampering_is_found_and_named(good, rule, table, column, row, value, text):
    assert rule(good) == []
    findings = [str(finding) for finding in rule(tampered(good, table, column, row, value))]
    assert any(text in line for line in findings), findings
    assert all("\n" not in line and line.startswith(f"{rule.__name__}: ") for line in findings)


def test_a_lost_packet_is_noticed_in_both_tables(good):
    packets = {name: values[1:] for name, values in good["packets"].items()}
    trace = tampered(good, "slots", "slot", 0, 0)
    trace["packets"].update(packets)
    ue = good["packets"]["ue"][0]
    lines = [str(finding) for finding in conservation(trace)]
    assert [line for line in lines if f"ue {ue}: arrived" in line and "must agree" in line]


def test_an_incomplete_or_unreadable_trace_is_a_finding(tmp_path):
    writer = TraceWriter(tmp_path / "a.h5", ATTRIBUTES)
    record(writer)
    writer.close(complete=False)
    assert [str(f) for f in check(read_trace(writer.part))] == [
        "completeness: attributes: complete is False: the run did not reach its end"
    ]
    with h5py.File(writer.part, "r+") as file:
        file["buffers/queued"][3] = 5
    (finding,) = check(read_trace(writer.part))
    assert finding.table == "buffers" and "does not have the recorded digest" in finding.text
