"""Decibel helpers, thermal noise, numerology and its accounting."""

from __future__ import annotations

import numpy as np
import pytest

from phy import units
from phy.ofdm import Ofdm
from phy.parameters import ParameterError


def test_decibels():
    assert units.db_to_linear([0.0, 10.0, -3.0103]) == pytest.approx([1.0, 10.0, 0.5], rel=1e-5)
    assert units.linear_to_db(units.db_to_linear(7.3)) == pytest.approx(7.3)
    assert units.linear_to_db(0.0) == -np.inf
    assert units.dbm_to_watt(30.0) == pytest.approx(1.0)
    assert units.watt_to_dbm(0.001) == pytest.approx(0.0)


def test_thermal_noise_is_that_of_290_kelvin():
    n0 = units.noise_density_w_per_hz()
    assert units.linear_to_db(n0 / (units.BOLTZMANN * 290.0)) == pytest.approx(0.0, abs=0.03)
    assert units.noise_density_w_per_hz(7.0) == pytest.approx(n0 * 10**0.7)


def test_energy_per_bit_and_per_symbol():
    assert units.es_to_eb_db(10.0, 4) == pytest.approx(10.0 - 10 * np.log10(4))
    assert units.es_to_eb_db(10.0, 2, code_rate=0.5) == pytest.approx(10.0)
    ofdm = Ofdm()
    # prefix (1/15) and pilots (1/7) together cost 20 % of the energy: 0.97 dB
    with_overhead = units.es_to_eb_db(10.0, 1, overhead=ofdm.overhead)
    assert with_overhead == pytest.approx(10.0 + 10 * np.log10(1 / 0.8))
    assert units.eb_to_es_db(with_overhead, 1, overhead=ofdm.overhead) == pytest.approx(10.0)


def test_default_numerology_counts_fourteen_symbols_per_millisecond():
    ofdm = Ofdm()
    assert ofdm.num_symbols(1_000_000) == 14
    assert ofdm.num_symbols(200_000_000) == 2800
    assert ofdm.num_data_symbols(200_000_000) == 2400
    assert ofdm.sample_rate_hz == 3.84e6
    assert ofdm.prefix_overhead == pytest.approx(1 / 15)
    assert ofdm.overhead == pytest.approx(0.2)
    assert ofdm.num_subcarriers(3e6) == 200
    assert ofdm.num_subcarriers(14_999.0) == 0


@pytest.mark.parametrize(
    ("ofdm", "symbol_s"),
    [
        (Ofdm(fft_size=64, cp_len=16, subcarrier_spacing_hz=3750.0), 80 / (64 * 3750.0)),
        (Ofdm(fft_size=128, cp_len=9), 1e-3 / 14),
        (Ofdm(fft_size=2048, cp_len=144), 1e-3 / 14),
        (Ofdm(fft_size=1024, cp_len=72, subcarrier_spacing_hz=30e3), 0.5e-3 / 14),
        (Ofdm(fft_size=256, cp_len=0), 1 / 15e3),
        (Ofdm(fft_size=256, cp_len=64), 320 / 3.84e6),
    ],
)
def test_symbol_period(ofdm, symbol_s):
    assert ofdm.symbol_s == pytest.approx(symbol_s)
    assert ofdm.symbol_rate == pytest.approx(1 / symbol_s)


def test_pilot_pattern_and_data_symbols_of_partial_frames():
    ofdm = Ofdm()
    assert ofdm.pilot_positions() == (3, 10)
    counts = [sum(not ofdm.is_pilot(s) for s in range(n)) for n in range(30)]
    symbol_ns = 1e6 / 14
    assert [ofdm.num_data_symbols(int(np.ceil(n * symbol_ns))) for n in range(30)] == counts
    assert Ofdm(pilot_symbols_per_frame=0).num_data_symbols(1_000_000) == 14


def test_bad_numerologies_are_named():
    with pytest.raises(ParameterError, match=r"Ofdm.cp_len = 80: must be in \[0, fft_size=64\)"):
        Ofdm(fft_size=64, cp_len=80)
    with pytest.raises(ParameterError, match=r"Ofdm\.fft_size = 100: must be a power of two"):
        Ofdm(fft_size=100)
    with pytest.raises(ParameterError, match="pilot_symbols_per_frame = 14"):
        Ofdm(pilot_symbols_per_frame=14)
    with pytest.raises(ParameterError, match="num_subcarriers = 300"):
        Ofdm().bins(300)
    with pytest.raises(ParameterError, match="first = 120"):
        Ofdm().bins(12, first=120)
