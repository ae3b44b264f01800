"""Key figures against cases computed by hand, and what counts as a replication."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim import simulate
from netsim.metrics import summarise, write_csv
from netsim.stats import clopper_pearson_interval, mean_interval
from netsim.trace import MemoryTrace, TraceError
from phy.parameters import ParameterError
from tests.netsim.trace_samples import ATTRIBUTES, sample

S = 1_000_000_000


def _by_hand(episodes: int = 1, run: int = 0, errors: int = 3, counted: bool = True):
    """Two devices, two slots of 1 s per episode, three packets of which ue 0 delivers two and ue 1 none."""
    r = MemoryTrace({**ATTRIBUTES, "run": run})
    for e in range(episodes):
        t, first = 2 * e * S, 2 * e
        slot = {"slot": [first, first + 1], "episode": e, "start_ns": [t, t + S]}
        r.extend("slots", **slot, reward=[1.0, 3.0 + e], objective=[2.0, 4.0], num_violations=[0, 2])
        packet = {"item": 0, "task": 0, "compression": 0.5, "label": 1, "num_bits": 100, "num_bit_errors": 1}
        done = {"fate": 1, "decision": 1, **packet}
        r.append(
            "packets", id=3 * e, ue=0, created_ns=t, sent_ns=t, delivered_ns=t + S // 2, score=1.0, **done
        )
        r.append(
            "packets",
            id=3 * e + 1,
            ue=0,
            created_ns=t,
            sent_ns=t + S,
            delivered_ns=t + 3 * S // 2,
            score=0.5,
            **done,
        )
        lost = {"fate": 2, "decision": -1, "score": np.nan, **packet}
        r.append("packets", id=3 * e + 2, ue=1, created_ns=t, sent_ns=-1, delivered_ns=-1, **lost)
        counts = {"queued_start": [2, 1, 1, 1], "queued": [1, 0, 1, 0], "arrived": [2, 0, 1, 0]}
        flows = {"delivered": [1, 0, 1, 0], "dropped": [0, 0, 0, 1], "blocked": [0, 3, 1, 0]}
        both = {"slot": [first, first, first + 1, first + 1], "ue": [0, 1, 0, 1]}
        r.extend("buffers", **both, **counts, **flows)
        num = errors if counted else -1
        blocks = {"num_bits": 100, "num_bit_errors": num, "num_blocks": 1, "num_block_errors": min(num, 1)}
        r.extend(
            "receptions", slot=[first, first + 1], ue=0, cell=0, gain=1.0, sinr_db=[10.0, 20.0], **blocks
        )
        grant = {"power_w": 0.1, "compression": 0.5, "bits_per_symbol": 4, "subchannel": -1, "cell": 0}
        r.extend(
            "grants",
            slot=[first, first + 1],
            ue=[0, 1],
            start_ns=[t, t + S],
            bandwidth_hz=[1e6, 2e6],
            **grant,
        )
        age = {"observed_ns": t, "received_ns": t + 1, "applied_ns": t + S}
        r.append("decisions", t_ns=t + 2, agent="a", slot=first, reward=0.0, **age)
        r.extend("ues", episode=e, ue=[0, 1], task=0, distance_m=10.0, shadowing_db=0.0, gain_db=-80.0)
    return r.trace()


def _figures(traces, **options):
    return {(r.kpi, r.ue): r for r in summarise(traces, **options)}


def test_every_figure_of_one_run_by_hand():
    found = _figures([_by_hand()], bandwidth_hz=4e6)
    expected = {
        ("reward per slot", "all"): 2.0,
        ("objective per slot", "all"): 3.0,
        ("slots with violations", "all"): 0.5,
        ("delivered per slot", "all"): 1.0,
        ("delivered per slot", "0"): 1.0,
        ("delivered per slot", "1"): 0.0,
        ("accuracy per packet", "all"): 0.75,
        ("efficiency per slot", "all"): 0.75,
        ("efficiency per slot", "1"): 0.0,
        ("arrived per slot", "all"): 1.5,
        ("blocked per slot", "1"): 1.5,
        ("blocked per slot", "all"): 2.0,
        ("dropped per slot", "1"): 0.5,
        ("queued at slot end", "0"): 1.0,
        ("bit error rate", "all"): 0.03,
        ("block error rate", "0"): 1.0,
        ("delay mean", "all"): 1.0,
        ("delay median", "0"): 1.0,
        ("delay 95 %", "all"): 0.5 + 0.95,
        ("sinr median", "0"): 15.0,
        ("decision age", "all"): 1.0,
        ("bandwidth granted", "all"): 1.5e6,
        ("bandwidth utilisation", "all"): 1.5e6 / 4e6,
        ("bandwidth utilisation", "1"): 0.25,
        ("power granted", "all"): 0.1,
    }
    assert {key: found[key].mean for key in expected} == pytest.approx(expected)
    assert all(math.isnan(r.low) and r.note and r.replication == "none" for r in found.values())
    assert found["accuracy per packet", "1"].note == "no packet was delivered"
    assert math.isnan(found["accuracy per packet", "1"].mean)
    assert ("reward per slot", "0") not in found


def test_runs_are_the_replications_when_there_are_several():
    runs = [sample({"run": k}, seed=k, episodes=1) for k in range(5)]
    found = _figures(runs)
    reward = [run["slots"]["reward"].mean() for run in runs]
    expected, record = mean_interval(reward), found["reward per slot", "all"]
    assert (record.mean, record.low, record.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert (record.n, record.replication, record.note) == (5, "run", "")
    pooled = np.concatenate([run["packets"]["score"] for run in runs])
    assert found["accuracy per packet", "all"].mean == pytest.approx(np.nanmean(pooled))
    bits = sum(run["receptions"]["num_bits"].sum() for run in runs)
    errors = sum(run["receptions"]["num_bit_errors"].sum() for run in runs)
    ber = found["bit error rate", "all"]
    assert ber.mean == pytest.approx(errors / bits) and ber.low < ber.mean < ber.high


def test_episodes_are_the_replications_of_a_single_run():
    found = _figures([_by_hand(episodes=3)])
    reward = found["reward per slot", "all"]
    expected = mean_interval([2.0, 2.5, 3.0])
    assert (reward.mean, reward.low, reward.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert (reward.n, reward.replication) == (3, "episode")
    accuracy = found["accuracy per packet", "0"]
    assert (accuracy.mean, accuracy.low, accuracy.high, accuracy.n) == (0.75, 0.75, 0.75, 3)
    assert found["blocked per slot", "1"].low == 1.5
    assert found["decision age", "all"].mean == pytest.approx(1.0)


def test_levels_that_count_no_bits_say_so():
    record = _figures([_by_hand(counted=False)])["bit error rate", "all"]
    assert math.isnan(record.mean) and record.note == "this level counts none"


def test_no_error_gives_an_upper_limit():
    record = _figures([_by_hand(run=k, errors=0) for k in range(2)])["bit error rate", "all"]
    assert (record.mean, record.low) == (0.0, 0.0)
    assert record.high == pytest.approx(clopper_pearson_interval(0, 400).high)
    assert record.note == "no error in 400: upper limit for independent errors"


def test_what_is_not_comparable_is_refused():
    one = _by_hand()
    with pytest.raises(TraceError, match=r"memory: seed 7, run 0 is memory again, runs must differ"):
        summarise([one, _by_hand()])
    with pytest.raises(TraceError, match=r"agent is 'ddpg', must be 'equal' as in memory"):
        summarise([one, sample({"run": 1, "agent": "ddpg"})])
    with pytest.raises(TraceError, match=r"extra is 1, must be None"):
        summarise([one, sample({"run": 1, "extra": 1})])
    told = {"provenance": {"scenario": {"seed": 3, "agent": {"name": "myopic"}}}}
    other = {"provenance": {"scenario": {"seed": 4, "agent": {"name": "equal"}}}}
    with pytest.raises(TraceError, match=r"memory: agent\.name is 'equal', must be 'myopic' as in memory"):
        summarise([sample(told), sample({"run": 1, **other})])
    assert summarise([sample(told), sample({"run": 1, **told})])
    with pytest.raises(ParameterError, match="0 traces: must be at least 1"):
        summarise([])
    with pytest.raises(ParameterError, match="bandwidth_hz = 0: must be > 0"):
        summarise([one], bandwidth_hz=0)


def test_an_empty_trace_has_figures_without_value():
    found = summarise([MemoryTrace(ATTRIBUTES).trace()])
    assert found and all(math.isnan(record.mean) and record.note for record in found)


def test_csv():
    text = io.StringIO()
    records = summarise([_by_hand()])
    write_csv(records, text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert len(rows) == len(records)
    assert (rows[0]["kpi"], rows[0]["ue"], rows[0]["mean"], rows[0]["low"]) == (
        "reward per slot",
        "all",
        "2.0",
        "",
    )
    assert list(rows[0]) == ["kpi", "ue", "mean", "low", "high", "n", "unit", "replication", "note"]


def test_intervals_end_where_the_figure_ends():
    """Two episodes give wide Student intervals; shares stay in [0, 1], counts and delays at or above 0."""
    records = summarise([simulate.run_in_memory(toscn(phy="paper", slots=20)).trace()], bandwidth_hz=3e6)
    for record in records:
        if not np.isnan(record.low) and record.kpi != "reward per slot" and not record.kpi.startswith("sinr"):
            assert 0.0 <= record.low <= record.mean <= record.high, record
        if record.kpi in ("accuracy per packet", "bandwidth utilisation", "slots with violations"):
            assert not record.high > 1.0, record
