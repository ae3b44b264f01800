"""One contract for all levels of the link; then what bit, waveform and table owe each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim.link import LEVELS, Block, Grants
from netsim.streams import Streams
from netsim.systems import toscn_system
from netsim.world import World
from phy import theory

SLOT_NS = 200_000_000
CARRYING = LEVELS[1:]


def make(level, **assignments):
    """Link and faded world of the default scenario at a level."""
    scenario = toscn(phy=level, **assignments)
    streams = Streams(scenario.seed)
    world = World(scenario.cell, scenario.fading, scenario.slot_ns, streams)
    world.new_drop(0)
    world.fade()
    return scenario, toscn_system.make_link(scenario, streams), world


def grants_of(scenario, bandwidth_hz=None, power_w=None):
    ones = np.ones(scenario.cell.num_ues)
    return Grants(0.5 * ones, ones * (bandwidth_hz or 5e5), ones * (power_w or 0.2 / 6))


def blocks_of(num_ues, packets=2, num_bytes=1000, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Block(ue, rng.integers(0, 256, num_bytes, dtype=np.uint8), 8 * num_bytes, k * 2 * num_bytes)
        for ue in range(num_ues) for k in range(packets)
    ]  # fmt: skip


def errors_between(sent, received, blocks):
    wrong = np.unpackbits(sent ^ received).reshape(len(blocks), -1).sum(axis=1)
    return wrong.astype(np.int64)


@pytest.mark.parametrize("level", LEVELS)
class TestEveryLevel:
    def test_nothing_without_a_grant(self, level):
        _, link, _ = make(level)
        assert link.completions_ns(0.0, 0.1, 1e-8, 1000, 5, SLOT_NS) == []
        assert link.completions_ns(1e6, 0.0, 1e-8, 1000, 5, SLOT_NS) == []
        carried = link.carried_bits(
            np.array([0.0, 1e6]), np.array([0.1, 0.0]), np.array([1e-8, 1e-8]), SLOT_NS
        )
        np.testing.assert_array_equal(carried, 0.0)

    def test_packets_complete_in_order_and_in_time(self, level):
        _, link, _ = make(level)
        done = link.completions_ns(6e5, 0.03, 1e-8, 80_000, 50, SLOT_NS)
        assert len(done) >= 3
        assert all(0 < a < b <= SLOT_NS for a, b in itertools.pairwise(done))
        assert len(link.completions_ns(6e5, 0.03, 1e-8, 80_000, 2, SLOT_NS)) == 2

    def test_count_is_what_the_grant_carries(self, level):
        _, link, _ = make(level)
        for num_bits in (20_000, 100_352, 333_332):
            for bandwidth_hz in (1.5e5, 6e5, 3e6):
                carried = link.carried_bits(
                    np.array([bandwidth_hz]), np.array([0.03]), np.array([1e-8]), SLOT_NS
                )[0]
                done = link.completions_ns(bandwidth_hz, 0.03, 1e-8, num_bits, 10_000, SLOT_NS)
                assert len(done) == int(carried // num_bits)

    def test_half_the_time_carries_half_the_bits(self, level):
        _, link, _ = make(level)
        full, half = (
            link.carried_bits(np.array([6e5]), np.array([0.03]), np.array([1e-8]), t)[0]
            for t in (SLOT_NS, SLOT_NS // 2)
        )
        assert half == pytest.approx(full / 2, rel=1e-3)

    def test_grants_round_down_to_what_can_be_allocated(self, level):
        _, link, _ = make(level)
        asked = np.array([0.0, 14_999.0, 15_000.0, 500_007.3, 3e6])
        given = link.quantise(asked)
        assert np.all((given <= asked) & (asked - given < 15_000.0))
        np.testing.assert_array_equal(link.quantise(given), given)

    def test_snr_counts_gain_and_power_once(self, level):
        scenario, link, world = make(level)
        base = link.snr_db(grants_of(scenario), world)
        expected = 10 * np.log10(0.2 / 6 * world.gain / (10**-20.4 * link.quantise(np.array([5e5]))))
        np.testing.assert_allclose(base, expected, atol=1e-9)
        doubled = link.snr_db(grants_of(scenario, power_w=0.4 / 6), world)
        np.testing.assert_allclose(doubled - base, 10 * np.log10(2), atol=1e-9)


@pytest.mark.parametrize("level", CARRYING)
class TestLevelsWithBits:
    def test_as_many_bits_return_as_were_given_and_the_wrong_ones_are_counted(self, level):
        scenario, link, world = make(level, **{"radio.power_w": 2e-5, "radio.power_step_w": 1e-9})
        blocks = blocks_of(6)
        received = link.transmit(0, grants_of(scenario, power_w=2e-5 / 6), world, blocks)
        sent = np.concatenate([block.payload for block in blocks])
        assert received.payload.shape == sent.shape
        np.testing.assert_array_equal(received.num_bit_errors, errors_between(sent, received.payload, blocks))
        assert received.num_bit_errors.sum() > 0

    def test_no_errors_at_high_snr(self, level):
        scenario, link, world = make(level)
        received = link.transmit(0, grants_of(scenario, power_w=1e9), world, blocks_of(6))
        assert received.num_bit_errors.sum() == 0

    def test_reported_snr_is_the_granted_one(self, level):
        scenario, link, world = make(level)
        received = link.transmit(0, grants_of(scenario), world, blocks_of(6, packets=1))
        np.testing.assert_allclose(received.snr_db, link.snr_db(grants_of(scenario), world), atol=1e-3)

    def test_no_blocks_no_trouble(self, level):
        scenario, link, world = make(level)
        assert len(link.transmit(0, grants_of(scenario), world, []).payload) == 0

    def test_a_packet_is_received_the_same_alone(self, level):
        """Noise belongs to (device, slot, resource element): one packet can be replayed without the
        others.
        """
        scenario, link, world = make(level, **{"radio.power_step_w": 1e-9})
        grants, blocks = grants_of(scenario, power_w=1e-5), blocks_of(6)
        together = link.transmit(7, grants, world, blocks)
        alone = [link.transmit(7, grants, world, [block]) for block in blocks]
        np.testing.assert_array_equal(together.payload, np.concatenate([one.payload for one in alone]))

    def test_slots_have_noise_of_their_own(self, level):
        scenario, link, world = make(level, **{"radio.power_step_w": 1e-9})
        grants, blocks = grants_of(scenario, power_w=1e-6), blocks_of(6)
        one, other = (link.transmit(slot, grants, world, blocks).payload for slot in (0, 1))
        assert (one != other).any()


@pytest.mark.parametrize(
    "fading",
    [{}, {"fading.num_rx_ant": 4, "fading.num_taps": 8, "fading.rician_k": 3.0}, {"fading.num_taps": 19}],
)
def test_bit_equals_waveform_when_the_channel_is_shorter_than_the_prefix(fading):
    """The same decisions, bit for bit, on the same noise; SNR around 10 dB so that there are thousands of
    errors.
    """
    outcome = {}
    for level in ("bit", "waveform"):
        _, link, world = make(level, **fading, **{"radio.power_step_w": 1e-12})
        power = 10 * 10**-20.4 * 5e5 / np.maximum(world.gain, 1e-30)
        outcome[level] = link.transmit(3, Grants(np.zeros(6), np.full(6, 5e5), power), world, blocks_of(6))
    assert outcome["bit"].num_bit_errors.sum() > 1000
    np.testing.assert_array_equal(outcome["bit"].payload, outcome["waveform"].payload)


def test_waveform_suffers_from_a_channel_longer_than_the_prefix_and_bit_does_not():
    outcome = {}
    for level in ("bit", "waveform"):
        _, link, world = make(level, **{"fading.num_taps": 100, "fading.tap_decay_db": 0.1})
        power = 1e4 * 10**-20.4 * 5e5 / world.gain
        blocks = blocks_of(6, num_bytes=4000)
        outcome[level] = link.transmit(
            3, Grants(np.zeros(6), np.full(6, 5e5), power), world, blocks
        ).num_bit_errors.sum()
    assert outcome["waveform"] > 5 * outcome["bit"] + 100


def test_table_has_the_error_rate_of_bit():
    """Independent draws: the two counts differ by less than 4 standard errors of their difference (per
    device).
    """
    counts, bits = {}, 0
    for level in ("table", "bit"):
        _, link, world = make(level, **{"radio.power_step_w": 1e-12})
        power = 10 ** (np.linspace(4, 16, 6) / 10) * 10**-20.4 * 495_000 / world.gain
        blocks = blocks_of(6, packets=1, num_bytes=50_000)
        counts[level] = link.transmit(
            0, Grants(np.zeros(6), np.full(6, 495_000.0), power), world, blocks
        ).num_bit_errors
        bits = blocks[0].num_bits
    rate = counts["bit"] / bits
    assert rate.max() > 0.1 and rate.min() < 0.01
    # a symbol error spoils one bit or rarely two: variance at most twice the binomial one; 1 % for the
    # table's own error
    error = np.sqrt(2 * 2 * bits * rate * (1 - rate)) + 0.01 * counts["bit"]
    assert np.all(np.abs(counts["table"] - counts["bit"]) < 4 * error)


@pytest.mark.parametrize("bandwidth_hz", [495_000.0, 3e6])
@pytest.mark.parametrize("kept_maps", [1, 200, 512])
def test_throughput_in_the_matching_case(bandwidth_hz, kept_maps):
    """Check 16: packets = floor(L n 4 14000 (12/14) / b)."""
    _, link, _ = make("bit")
    num_bits = kept_maps * 392
    subcarriers = int(bandwidth_hz // 15e3)
    expected = int(0.2 * subcarriers * 4 * 14_000 * 12 / 14 / num_bits + 1e-9)
    assert len(link.completions_ns(bandwidth_hz, 0.03, 1e-8, num_bits, 10**9, SLOT_NS)) == expected


def errors_at(level, snr_db, num_bytes=20_000, **assignments):
    """(wrong bits, bits) of the six devices, every one at the same SNR per resource element."""
    _, link, world = make(level, **{"radio.power_step_w": 1e-15, **assignments})
    power = 10 ** (snr_db / 10) * 10**-20.4 * 495_000 / world.gain
    blocks = blocks_of(6, packets=1, num_bytes=num_bytes)
    received = link.transmit(0, Grants(np.zeros(6), np.full(6, 495_000.0), power), world, blocks)
    return int(received.num_bit_errors.sum()), sum(block.num_bits for block in blocks)


@pytest.mark.parametrize("snr_db", [4.0, 10.0, 16.0])
def test_injection_has_the_law_of_the_noise(snr_db):
    """Both kernels of level bit within 4 standard errors of the closed form (and so of each other)."""
    expected = theory.ber_awgn(4, 10 ** (snr_db / 10))
    for errors in ("noise", "injection"):
        wrong, bits = errors_at("bit", snr_db, **{"radio.errors": errors})
        assert abs(wrong - bits * expected) < 4 * np.sqrt(2 * bits * expected)


@pytest.mark.parametrize("level", ["bit", "waveform"])
def test_estimating_the_channel_costs_snr(level):
    """LS from two pilot symbols of 14 per subcarrier is worse than perfect knowledge, LMMSE in between."""
    taps = {"fading.num_taps": 4}
    counts = {
        method: errors_at(level, 12.0, num_bytes=6000, **taps, **{"radio.channel_knowledge": method})[0]
        for method in ("perfect", "lmmse", "ls")
    }
    assert counts["perfect"] < counts["lmmse"] < counts["ls"] < 4 * counts["perfect"]
