"""TOSCN with real images and real bits: worlds, physics, conservation; acceptance checks 5, 14, 15 of the
specification.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim import checks, simulate
from netsim.link import LEVELS
from netsim.semantics.bank import load_bank
from netsim.systems import toscn_system
from netsim.systems.toscn import TASKS
from phy import theory
from phy.modulation import map_bits
from phy.scrambling import scramble

CARRYING = ("table", "bit", "waveform")


def embedded(**assignments):
    return toscn(**{"semantics.data": "embedded", "slots": 12, "episode_slots": 6, **assignments})


@pytest.fixture(scope="module")
def traces():
    """The default scenario at every level, 12 slots in 2 episodes."""
    return {level: simulate.run_in_memory(embedded(phy=level)).trace() for level in LEVELS}


@pytest.mark.parametrize("level", LEVELS)
def test_every_check_holds_at_every_level(traces, level):
    assert checks.check(traces[level]) == []


def test_world_is_the_same_at_every_level_and_under_every_policy(traces):
    """Arrivals, gains, placements: bit-identical across levels and policies; what the images show as well."""
    worlds = [*traces.values()]
    worlds += [
        simulate.run_in_memory(embedded(**{"agent.name": name})).trace()
        for name in ("random", "equal", "myopic")
    ]
    for one, other in itertools.pairwise(worlds):
        for a, b in (
            (
                one["buffers"]["arrived"] + one["buffers"]["blocked"],
                other["buffers"]["arrived"] + other["buffers"]["blocked"],
            ),
            (one["receptions"]["gain"], other["receptions"]["gain"]),
            (one["ues"]["gain_db"], other["ues"]["gain_db"]),
            (one["ues"]["task"], other["ues"]["task"]),
        ):
            np.testing.assert_array_equal(a, b)
    items = [dict(zip(trace["packets"]["id"], trace["packets"]["item"])) for trace in worlds[1:]]
    for one, other in itertools.pairwise(items):
        assert all(one[key] == other[key] for key in one.keys() & other.keys())
        assert len(one.keys() & other.keys()) > 100


def test_bit_and_waveform_agree_in_every_table(traces):
    """A channel of one tap is shorter than the prefix: the runs are equal, decisions of the classifier
    included.
    """
    bit, waveform = traces["bit"].attributes["digest"], traces["waveform"].attributes["digest"]
    assert bit == waveform


def test_levels_with_bits_carry_the_same_packets(traces):
    for level in ("table", "waveform"):
        for column in ("id", "sent_ns", "delivered_ns", "num_bits", "compression", "label"):
            np.testing.assert_array_equal(traces[level]["packets"][column], traces["bit"]["packets"][column])


@pytest.mark.parametrize("level", CARRYING)
def test_a_packet_counts_as_many_bits_as_it_carries(traces, level):
    packets = traces[level]["packets"]
    sent = packets["fate"] == 1
    kept = 512 - np.round(packets["compression"][sent] * 512)
    np.testing.assert_array_equal(packets["num_bits"][sent], kept * 49 * 8)
    assert set(np.unique(packets["score"][sent])) <= {0.0, 1.0}
    np.testing.assert_array_equal(packets["score"][sent], packets["decision"][sent] == packets["label"][sent])


def _errors_against_theory(level, **assignments):
    """Wrong bits of a run, and what the closed form expects at the recorded SNR of each slot and device."""
    low_power = {"radio.power_w": 2e-4, "radio.power_step_w": 1e-9}
    r = simulate.run_in_memory(embedded(phy=level, slots=20, **low_power, **assignments)).trace()[
        "receptions"
    ]
    used = r["num_bits"] > 0
    expected = theory.ber_awgn(4, 10 ** (r["sinr_db"][used] / 10))
    return r["num_bit_errors"][used].sum(), (r["num_bits"][used] * expected).sum()


@pytest.mark.parametrize("level", ["bit", "table"])
def test_bit_errors_follow_the_closed_form_at_the_snr_of_each_slot(level):
    """BER of the whole run against theory at the recorded SNR: within 4 standard deviations.

    Two wrong bits of a symbol are correlated: at most twice the binomial variance. The table has errors of
    its own."""
    wrong, mean = _errors_against_theory(level)
    deviation = np.sqrt(2 * mean + ((0.01 * mean) ** 2 if level == "table" else 0.0))
    assert wrong > 10_000
    assert abs(wrong - mean) < 4 * deviation


def test_without_scrambling_feature_bits_break_the_closed_form():
    """Mostly-zero bytes sit on the inner points of the constellation: more errors than equiprobable bits
    would have.
    """
    wrong, mean = _errors_against_theory("bit", **{"radio.scrambling": False})
    assert wrong > 1.1 * mean


@pytest.mark.parametrize("task", TASKS)
def test_feature_bytes_spend_half_of_the_granted_energy_unless_scrambled(task):
    """Mean symbol energy of real packets at eta = 0.5: 0.47 to 0.53 as they are, 1 within 0.05 dB when
    scrambled.
    """
    bank = load_bank(task, "embedded")
    packets = [bank.encode(item, 0.5) for item in range(20)]
    plain, scrambled = (
        np.mean([np.mean(np.abs(map_bits(np.unpackbits(packet), 4)) ** 2) for packet in group])
        for group in (packets, [scramble(packet, rnti=1) for packet in packets])
    )
    assert 0.42 < plain < 0.58
    assert abs(10 * np.log10(scrambled)) < 0.05


@pytest.mark.parametrize("task", TASKS)
def test_eight_bits_change_accuracy_by_less_than_0_3_points(task):
    """Check 15: quantised against float features of the whole test set, as the codec's record states them."""
    bank = load_bank(task, "embedded")
    exact = bank.provenance["codec"]["test_accuracy"][bank.classifier]
    assert abs(bank.test_accuracy - exact) < 0.003


def test_at_high_snr_accuracy_equals_the_error_free_one():
    """With P = 1 kW there is no bit error, and every decision equals the one on the quantised features
    themselves.
    """
    trace = simulate.run_in_memory(embedded(**{"radio.power_w": 1e3})).trace()
    packets = trace["packets"]
    assert packets["num_bit_errors"].sum() == 0
    banks = [load_bank(task, "embedded") for task in TASKS]
    delivered = np.flatnonzero(packets["fate"] == 1)
    assert len(delivered) > 100
    for row in delivered:
        bank, item = banks[packets["task"][row]], int(packets["item"][row])
        eta = float(packets["compression"][row])
        features = bank.decode(bank.encode(item, eta), item, bank.num_kept(eta))
        assert bank.classify(features[None])[0] == packets["decision"][row]


def test_accuracy_at_30_db_equals_the_error_free_one():
    """Every device at 30 dB: uncoded 16-QAM makes no error in some 10^7 bits, so accuracy is that of clean
    features.
    """
    from netsim.link import Block, Grants
    from netsim.streams import Streams
    from netsim.world import World

    scenario = embedded(**{"radio.power_step_w": 1e-15})
    world = World(scenario.cell, scenario.fading, scenario.slot_ns, Streams(1))
    world.new_drop(0)
    world.fade()
    link = toscn_system.make_link(scenario, Streams(1))
    power = 1e3 * scenario.radio.n0 * 495_000 / world.gain
    for task in TASKS:
        bank = load_bank(task, "embedded")
        items = np.arange(0, bank.num_items, 10)
        payload, offset, num_bits = bank.encode_batch(items, np.zeros(len(items)))
        blocks = [
            Block(k % 6, payload[o : o + n // 8], int(n), (k // 6) * int(n) // 4)
            for k, (o, n) in enumerate(zip(offset, num_bits))
        ]
        received = link.transmit(0, Grants(np.zeros(6), np.full(6, 495_000.0), power), world, blocks)
        assert received.num_bit_errors.sum() == 0
        kept = np.full(len(items), 512)
        clean = bank.score(payload, offset, items, kept)
        np.testing.assert_array_equal(bank.score(received.payload, offset, items, kept), clean)


def test_errors_in_the_features_cost_accuracy():
    """The wrong bits do reach the classifier: 20 dB less power, lower accuracy, higher BER."""
    low, high = (
        simulate.run_in_memory(
            embedded(slots=30, **{"radio.power_w": p, "radio.power_step_w": 1e-12})
        ).trace()["packets"]
        for p in (2e-7, 0.2)
    )
    accuracy = [p["score"][p["fate"] == 1].mean() for p in (low, high)]
    ber = [p["num_bit_errors"].sum() / p["num_bits"].sum() for p in (low, high)]
    assert ber[0] > 0.2 > 0.01 > ber[1]
    assert accuracy[0] < accuracy[1] - 0.2


def test_mbit_preset_binds_nothing():
    """Check 14: 200,704-bit packets at Shannon rate, eta = 0 delivers >= 99.6 % of the myopic packets from 2
    MHz on; equal shares at eta = 0.5 come within 0.2 % of the myopic reward."""
    for bandwidth_hz in (2e6, 8e6):
        common = {"phy": "paper", "slots": 600, "episode_slots": 10, "radio.bandwidth_hz": bandwidth_hz}
        figures = {}
        for name in ("myopic", "sum_packets", "equal"):
            scenario = embedded(**common, **{"agent.name": name, "agent.compression": 0.5})
            trace = simulate.run_in_memory(scenario).trace()
            figures[name] = (trace["buffers"]["delivered"].sum(), trace["slots"]["reward"].mean())
        assert figures["sum_packets"][0] >= 0.996 * figures["myopic"][0]
        assert figures["equal"][1] >= 0.998 * figures["myopic"][1]
