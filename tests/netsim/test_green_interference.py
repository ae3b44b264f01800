"""Acceptance check 10 of the green specification: BER under real interference, the shift, what EE loses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from green_drops import green, sample

from netsim.figures.green_interference import equivalent_db, formula_ser, measure, points, shift_of
from netsim.figures.green_interference_ee import effects
from netsim.streams import Streams
from netsim.systems import green_interference
from netsim.systems.green_interference import PROFILES, superpose
from netsim.systems.green_model import received_powers
from phy import theory
from phy.bursts import Bursts
from phy.cells import transmit_cells
from phy.philox import random_bytes

# 10.5: BER of 400,000 symbols by SINR in dB: one interferer, two, six, geometric
TABLE = {
    -4: (0.4138, 0.3799, 0.3747, 0.3865),
    0: (0.3309, 0.3001, 0.2909, 0.3045),
    4: (0.1957, 0.1938, 0.1904, 0.1981),
    6: (0.1701, 0.1487, 0.1441, 0.1521),
    8: (0.1342, 0.1074, 0.1007, 0.1073),
    10: (0.0539, 0.0631, 0.0602, 0.0625),
    12: (0.0208, 0.0277, 0.0280, 0.0256),
    14: (0.0, 0.0051, 0.0085, 0.0050),
}


@pytest.mark.parametrize("sinr_db", TABLE)
def test_bit_error_rates_of_the_specification(sinr_db):
    """Check 10: within 4 standard errors of the difference (the specification had 400,000 symbols)."""
    symbols = 200_000
    for name, printed in zip(("qam1", "qam2", "qam6", "geo"), TABLE[sinr_db]):
        p = measure(name, float(sinr_db), symbols, Streams(5))
        deviation = (p.ber_high - p.ber_low) / 2 / 1.96
        if printed == 0.0:
            assert p.ber == 0.0 and math.isinf(p.shift_db)
        else:
            assert p.ber == pytest.approx(printed, abs=4 * deviation * math.sqrt(1.5) + 5e-5)


def test_gaussian_noise_is_the_formula():
    """BER and SER of the profile without interferers, within their intervals at 99.9 %."""
    for sinr_db in (0.0, 8.0, 14.0):
        p = measure("awgn", sinr_db, 400_000, Streams(6))
        widen = 3.29 / 1.96
        assert abs(p.ber - p.formula_ber) < widen * (p.ber_high - p.ber_low) / 2
        assert abs(p.ser - p.formula_ser) < widen * (p.ser_high - p.ser_low) / 2
    assert formula_ser(np.array(1e-12)) == pytest.approx(15 / 16, abs=1e-6)


@pytest.mark.parametrize("profile", PROFILES)
def test_payload_layout(profile):
    """Without disturbance any number of bytes comes back as sent, over several calls, whatever the cells."""
    for num_bytes in (1, 57, 20_011 * (len(PROFILES[profile]) + 1)):
        sent = random_bytes(1, 0, num_bytes)
        received = superpose(sent, 60.0, PROFILES[profile], 7, np.random.default_rng(0))
        np.testing.assert_array_equal(received, sent)


def test_shifts():
    """The equivalent SNR inverts the formula; a shift function moves the table's argument."""
    for snr_db in (-10.0, 0.0, 12.0):
        assert equivalent_db(float(theory.ber_awgn(4, 10 ** (snr_db / 10)))) == pytest.approx(
            snr_db, abs=1e-6
        )
    assert math.isinf(equivalent_db(0.0))
    found = points(lambda done, total: None, 4000, (0.0, 6.0, 14.0))
    shift = shift_of(found, "qam1")
    at = {p.sinr_db: p.shift_db for p in found if p.interference == "qam1"}
    assert shift(np.array([0.0, 6.0])).tolist() == pytest.approx([at[0.0], at[6.0]])
    assert shift(np.array([14.0]))[0] == pytest.approx(6.0)  # error-free: the end of the table


@pytest.mark.slow
def test_what_energy_efficiency_loses():
    """10.5: with one, two, six interferers and `geo` at M = 3 and 7, within the interval of a difference."""
    found = points(lambda done, total: None, 100_000)
    printed = {
        3: {"qam1": 0.951 - 0.938, "qam2": 0.951 - 0.949, "qam6": 0.0, "geo": 0.951 - 0.947},
        7: {"qam1": 0.912 - 0.886, "qam2": 0.912 - 0.907, "qam6": 0.912 - 0.910, "geo": 0.912 - 0.903},
    }
    for row in effects(found):
        if row.interference in PROFILES and row.interference != "awgn":
            half = (row.lost.high - row.lost.low) / 2 * math.sqrt(2)
            expected = printed[row.num_cells][row.interference]
            assert row.lost.mean == pytest.approx(expected, abs=half + 1.5e-3)  # differences of three digits


def test_sinr_of_the_samples_is_the_formula():
    """Check 10: SINR measured on superposed symbols of a drop's cells against (M2), bias at most 0.05 dB."""
    s = sample(green(), 150, 2)
    power_w = s.rng.choice(s.model.levels_w[1:], (150, 3))
    symbols, cell = 1000, np.arange(3, dtype=np.int64)
    difference = []
    for slot, (p, gain) in enumerate(zip(power_w, s.gain)):
        phase = np.exp(2j * np.pi * s.rng.random((3, 3)))
        # powers in units of the noise, which is then 1 per symbol
        amplitude = np.sqrt(p * gain / s.model.system.power.noise_w) * phase
        bursts = Bursts(
            payload=random_bytes(9, slot, 3 * symbols // 2),
            offset=cell * (symbols // 2),
            num_bits=0 * cell + 4 * symbols,
            bits_per_symbol=0 * cell + 4,
            h=np.ones((3, 1, 1), np.complex64),
            es=np.ones(3),
            n0=1.0,
            first_symbol=0 * cell,
            key=cell.astype(np.uint64),
            slot=0 * cell + slot,
        )
        _, measured_db = transmit_cells(bursts, cell, amplitude[:, :, None].astype(np.complex64))
        own, other = received_powers(p, gain)
        difference.append(measured_db - 10 * np.log10(own / (other + s.model.system.power.noise_w)))
    assert abs(np.mean(difference)) < 0.05
    assert np.std(difference) < 0.5  # of 1,000 symbols with one strong interferer


@pytest.mark.parametrize("num_interferers", [1, 2])
def test_bounded_interference_does_nothing_above_its_threshold(num_interferers, monkeypatch):
    """Check 10, 10.5: N equal interferers and no noise are error-free exactly above 12.55 + 10 log10 N dB."""
    monkeypatch.setattr(green_interference, "INR_DB", 120.0)
    threshold_db = 20 * math.log10(math.sqrt(1.8) * math.sqrt(10)) + 10 * math.log10(num_interferers)
    assert threshold_db == pytest.approx(12.55 + 10 * math.log10(num_interferers), abs=5e-3)
    sent = random_bytes(3, 0, 200_000)
    for apart_db, some in ((0.15, False), (-0.3, True)):
        profile, draws = (1.0,) * num_interferers, np.random.default_rng(1)
        received = superpose(sent, threshold_db + apart_db, profile, 11, draws)
        assert (received != sent).any() == some, apart_db
