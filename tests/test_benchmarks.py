"""The benchmark's machinery on tiny sizes: everyone runs a right chain, and the promised figures are there.

No timings: they belong to the machine.
"""

from __future__ import annotations

import importlib.util
import json
import statistics

import numpy as np
import pytest

from benchmarks import peers_numpy, peers_ours, sections_chains
from benchmarks.goals import GOALS, Goal
from benchmarks.markdown import BEGIN, END, renew
from benchmarks.reference import Work, ber_score, convolutional_encode, gray_points
from benchmarks.report import LARGEST_SCORE, Report
from benchmarks.slots import event_costs, slot_loops
from benchmarks.timing import Effort, Ratio, machine, race, ratio
from phy.coding import convolutional
from phy.modulation import constellation

TINY = Effort(rounds=1, sample_s=0.0, budget_s=1.0, check_blocks=64)
SMALL = Work(num_blocks=8)
TAPS = Work(num_blocks=8, num_taps=4)
CHAINS = [
    peers_ours.hard("bit", SMALL),
    peers_ours.hard("bit, taps", TAPS),
    peers_ours.hard("bit, one antenna", Work(num_blocks=8, num_ant=1)),
    peers_ours.hard("injection", SMALL, inject=True),
    peers_numpy.hard("numpy in chunks", Work(num_blocks=16), chunk=8),
    peers_ours.waveform("waveform", SMALL),
    peers_ours.waveform("waveform, beam", SMALL, beam=True),
    peers_ours.waveform("waveform, taps", TAPS),
    peers_ours.soft("soft", SMALL),
    peers_ours.coded("coded", SMALL),
    peers_numpy.hard("numpy", SMALL),
    peers_numpy.hard("numpy c64", SMALL, double=False),
    peers_numpy.hard("numpy fd", TAPS, "fd", double=False),
    peers_numpy.hard("numpy, taps", TAPS),
    peers_numpy.hard("numpy mrc, taps", TAPS, combine="mrc"),
    peers_numpy.soft("numpy soft", SMALL),
    peers_numpy.coded("numpy coded", Work()),
]


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
def test_chains_have_the_ber_of_theory(chain):
    _, z = ber_score(chain, 256)
    assert abs(z) < LARGEST_SCORE


@pytest.mark.parametrize("name", ["torch", "commpy", "sionna"])
def test_peers_have_the_ber_of_theory(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    peer = importlib.import_module(f"benchmarks.peers_{name}")
    works = [Work(num_blocks=1)] if name == "commpy" else [SMALL, TAPS]
    for work in works:
        _, z = ber_score(peer.hard(name, work), 64)
        assert abs(z) < LARGEST_SCORE
    if name != "commpy":
        assert abs(ber_score(peer.soft(name, SMALL), 64)[1]) < LARGEST_SCORE


def test_a_wrong_chain_is_seen():
    """0.5 dB of missing noise is far outside."""
    right, wrong = Work(num_blocks=64), Work(num_blocks=64, es_n0_db=8.5)
    chain = peers_ours.hard("0.5 dB off", wrong)
    chain = type(chain)(chain.name, right, chain.run, chain.errors)
    assert abs(ber_score(chain, 4096)[1]) > LARGEST_SCORE


def test_the_peers_share_constellation_and_code():
    """Written twice, so that an error of ours does not hide in the comparison."""
    np.testing.assert_allclose(gray_points(), constellation(4), atol=1e-6)
    bits = np.random.default_rng(1).integers(0, 2, (3, 100), np.uint8)
    np.testing.assert_array_equal(convolutional_encode(bits), convolutional.encode(bits, peers_ours.CODE))


def test_coded_chains_decode():
    """At this SNR the code corrects nearly everything that the channel got wrong."""
    for chain in (peers_ours.coded("ours", SMALL), peers_numpy.coded("numpy", SMALL)):
        result = chain.run()
        assert result[-1].sum() * 10 <= max(chain.errors(result).sum(), 10)


def test_report_has_the_promised_keys(tmp_path):
    report = Report(quiet=True)
    for section in (sections_chains.hard_flat, sections_chains.soft_flat, sections_chains.coded):
        section(report, set(), TINY, True)
    written = json.loads(json.dumps(report.as_json(machine(), GOALS)))
    promised = {"bit/numpy", "waveform/numpy", "soft/numpy", "viterbi/numpy", "injection/bit"}
    assert promised <= written["ratios"].keys()
    assert promised <= written["quartiles"].keys()
    assert {"bit", "waveform", "numpy", "soft bit", "coded bit"} <= written["rates_mbit_per_cpu_s"].keys()
    assert {"cpu", "cores", "load", "python", "versions"} <= written["machine"].keys()
    assert all(value > 0 for value in written["ratios"].values())
    assert all(abs(entry["z"]) < LARGEST_SCORE for entry in written["ber"].values())
    assert len(written["goals"]) == len(GOALS)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale figures\n{END}\nafter\n")
    renew(page, {**written, "machine": {**written["machine"], "load_after": []}})
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stale" not in text
    assert "| waveform/numpy |" in text and "not measured" in text


def test_goals_are_judged():
    goal, bound = Goal(1, "fast", "a/b", least=6), Goal(3, "near", "c/d", most=2.5)
    assert goal.line({"a/b": 6.0}).endswith("  met") and goal.line({"a/b": 5.9}).endswith("NOT MET")
    assert bound.line({"c/d": 2.5}).endswith("  met") and bound.line({"c/d": 2.6}).endswith("NOT MET")
    assert goal.line({}).endswith("not measured")


def test_ratios_are_paired_by_round():
    found = ratio([2.0, 30.0, 4.0], [1.0, 10.0, 1.0])
    assert found == Ratio(3.0, 2.5, 3.5)
    calls: list[str] = []
    seconds = race(
        {name: (lambda name=name: calls.append(name), 1.0) for name in "ab"}, Effort(4, 0.0, 1.0, 1)
    )
    assert "".join(calls[4:]) == "abababab"
    assert all(len(values) == 4 and statistics.median(values) >= 0 for values in seconds.values())


def test_slot_loops_run():
    loops = slot_loops(TINY, 20)
    assert {"timeout", "timeout, bit, queue, record", "timeout, numpy"} <= loops.keys()
    assert event_costs(TINY, 3, processes=2).keys() == {"simpy", "clock", "callback"}
