"""Sentences that come when they like: queues and waiting times of the event loop against queueing theory, and
the latencies of a trace (specification scqos 12, check 24).
"""

from __future__ import annotations

import numpy as np
import pytest

from netsim import checks, params, simulate
from netsim.systems.scqos import Scqos

# no scattering, so every user has one SNR and one airtime; slots of a second hardly cut the queue in pieces
QUEUE = {
    "phy": "paper", "semantics.bank": "synthetic", "agent.name": "equal", "agent.bits": 1,
    "downlink.rician_k": 1e20, "service": "arrival", "slot_ns": 1_000_000_000, "traffic.law": "poisson",
    "traffic.instants": "async", "traffic.initial_queue": "empty", "traffic.buffer_packets": 100_000,
}  # fmt: skip


def scqos(**values) -> Scqos:
    made = params.override(Scqos(), values)
    assert isinstance(made, Scqos)
    return made


def waits(slots: int, rate_hz: float, run: int = 0):
    """Of each user: waits in s, in order of arrival, and its one airtime."""
    scenario = scqos(**QUEUE, slots=slots, episode_slots=slots, **{"traffic.mean_per_slot": rate_hz})
    found = simulate.run_in_memory(scenario, run).trace()["sentences"]
    airtimes = [np.unique(found["airtime_s"][found["ue"] == u]) for u in range(3)]
    assert [len(a) for a in airtimes] == [1, 1, 1]
    return [found["wait_s"][found["ue"] == u] for u in range(3)], [float(a[0]) for a in airtimes]


def pollaczek_khinchine(rate_hz: float, airtime_s: float) -> float:
    """Mean wait of M/D/1: rho s / (2 (1 - rho))."""
    load = rate_hz * airtime_s
    return load * airtime_s / (2.0 * (1.0 - load))


def test_waiting_times_are_those_of_m_d_1():
    """Check 24 in small: three users, three loads, within 4.5 standard errors of means over batches."""
    waited, airtime_s = waits(8, 1000.0)
    assert 0.2 < 1000.0 * airtime_s[0] < 1000.0 * airtime_s[2] < 0.9
    for w, s in zip(waited, airtime_s):
        batches = np.array([b.mean() for b in np.array_split(w, 20)])
        error = batches.std(ddof=1) / np.sqrt(20)
        assert error < 0.1 * w.mean()  # sharp enough to tell M/D/1 from M/M/1, which waits twice as long
        assert abs(w.mean() - pollaczek_khinchine(1000.0, s)) < 4.5 * error
        assert abs(np.mean(w == 0.0) - (1.0 - 1000.0 * s)) < 0.04  # an arrival finds the link free


@pytest.mark.slow
def test_waiting_times_of_a_million_sentences():
    """Check 24: mean wait within 3 %, 5 runs of 2 10^5 arrivals."""
    found = [waits(67, 1000.0, run) for run in range(5)]
    for u in range(3):
        mean = float(np.mean([waited[u].mean() for waited, _ in found]))
        assert mean == pytest.approx(pollaczek_khinchine(1000.0, found[0][1][u]), rel=0.03)


def test_a_sentence_with_a_free_link_does_not_wait_and_the_others_queue():
    scenario = scqos(
        **{**QUEUE, "downlink.rician_k": 3.0}, slots=8, episode_slots=4, **{"traffic.mean_per_slot": 200.0}
    )
    trace = simulate.run_in_memory(scenario).trace()
    assert checks.check(trace) == []
    packets, rows = trace["packets"], trace["sentences"]
    for u in range(3):
        mine = np.flatnonzero((packets["ue"] == u) & (packets["sent_ns"] >= 0))
        mine = mine[np.argsort(packets["created_ns"][mine])]
        created, sent = packets["created_ns"][mine], packets["sent_ns"][mine]
        end = packets["delivered_ns"][mine]
        free = np.concatenate([[0], end[:-1]])
        inside = sent != sent // scenario.slot_ns * scenario.slot_ns  # at a slot's start the grant begins
        np.testing.assert_array_equal(sent[inside], np.maximum(created, free)[inside])
        assert np.all(sent >= np.maximum(created, free))
    np.testing.assert_allclose(rows["sojourn_s"], rows["wait_s"] + rows["airtime_s"], atol=2e-9)


def test_every_sentence_of_a_slot_has_its_own_noise_and_counts_in_the_mean():
    noisy = {"phy": "bit", "semantics.bank": "grammar", "semantics.metric": "token_f1", "slots": 3,
             "slot_ns": 30_000_000, "traffic.mean_per_slot": 30.0, "downlink.power_dbm": -18.0}  # fmt: skip
    scenario = scqos(**{**QUEUE, **noisy})
    trace = simulate.run_in_memory(scenario).trace()
    rows, packets = trace["sentences"], trace["packets"]
    sent = packets["sent_ns"] >= 0
    assert sent.sum() == len(rows["slot"]) > 100 and packets["num_bit_errors"][sent].std() > 0.5
    utility = scenario.utility
    for slot in range(3):
        total = 0.0
        for u in range(3):
            mine = (rows["slot"] == slot) & (rows["ue"] == u)
            sqe = rows["similarity"][mine] * rows["valid"][mine] / rows["bits"][mine]
            total += np.mean(sqe - utility.latency_weight * rows["latency_s"][mine])
        assert trace["slots"]["objective"][slot] == pytest.approx(total, rel=1e-12)


def test_formula_airtime_and_wait_stand_side_by_side():
    """(16) in one column; whole OFDM symbols with prefix on whole subcarriers and a late grant in others."""
    scenario = scqos(
        phy="paper", slots=40,
        **{"semantics.bank": "synthetic", "agent.name": "random", "utility.latency": "ofdm",
           "signalling.action_delay_ns": 2_000_000, "signalling.grant_gap": "idle"},
    )  # fmt: skip
    trace = simulate.run_in_memory(scenario).trace()
    rows, grants, receptions = trace["sentences"], trace["grants"], trace["receptions"]
    assert len(rows["ue"]) == len(grants["ue"]) == 120
    rate = grants["bandwidth_hz"] * np.log2(1.0 + 10.0 ** (receptions["sinr_db"] / 10.0))
    whole = 64 * rows["bits"] / rate
    np.testing.assert_allclose(rows["formula_s"], np.minimum(whole, scenario.utility.cap_s), rtol=1e-9)
    here = rows["airtime_s"] < scenario.utility.cap_s
    symbols = rows["airtime_s"][here] / scenario.ofdm.symbol_s
    np.testing.assert_allclose(symbols, np.rint(symbols), atol=1e-4)
    np.testing.assert_allclose(rows["airtime_s"][here], rows["latency_s"][here], atol=1e-9)
    np.testing.assert_allclose(rows["wait_s"], 2e-3, atol=1e-9)
    delivered = ~np.isnan(rows["sojourn_s"])
    np.testing.assert_allclose(
        rows["sojourn_s"][delivered], (rows["wait_s"] + rows["airtime_s"])[delivered], atol=1e-9
    )
    counted = simulate.run_in_memory(params.override(scenario, {"utility.counts_waiting": True})).trace()
    np.testing.assert_allclose(counted["sentences"]["latency_s"], rows["latency_s"] + 2e-3, atol=1e-9)


def test_psi_counts_the_wait_in_the_queue_if_asked_to():
    values = {**QUEUE, "slots": 2, "slot_ns": 50_000_000, "traffic.mean_per_slot": 60.0}
    rows = {
        counted: simulate.run_in_memory(scqos(**values, **{"utility.counts_waiting": counted})).trace()
        for counted in (False, True)
    }
    plain, counted = rows[False]["sentences"], rows[True]["sentences"]
    np.testing.assert_allclose(counted["latency_s"], plain["latency_s"] + plain["wait_s"], atol=1e-12)
    assert (rows[True]["slots"]["objective"] < rows[False]["slots"]["objective"]).all()


@pytest.mark.parametrize("name", ["mapping", "local_probe", "rate_only", "random"])
def test_the_preset_serves_planners(name):
    """They decide for a slot in which sentences come that they have not seen; none is lost on the way."""
    from scenarios.scqos import presets

    scenario = scqos(
        phy="paper", slots=6, **{"semantics.bank": "synthetic", "agent.name": name, **presets["poisson"]}
    )
    trace = simulate.run_in_memory(scenario).trace()
    assert checks.check(trace) == []
    buffers, packets = trace["buffers"], trace["packets"]
    assert buffers["blocked"].sum() == 0 and buffers["arrived"].sum() == len(packets["id"]) > 150
    done = packets["delivered_ns"] >= 0
    assert done.mean() > 0.5 and np.all(packets["delivered_ns"][done] > packets["sent_ns"][done])
