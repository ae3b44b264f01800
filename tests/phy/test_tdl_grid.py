"""TDL models, spatial correlation, resource grid and subchannels."""

from __future__ import annotations

import numpy as np
import pytest

from phy import channel, grid, tdl, theory
from phy.link import transmit_bit, transmit_waveform
from phy.ofdm import Ofdm
from phy.parameters import ParameterError

N = 20_000


@pytest.mark.parametrize(("name", "num_paths", "spread"), [("A", 23, 1.0), ("C", 24, 1.0), ("D", 13, 1.0)])
def test_models_have_unit_power_and_the_wanted_delay_spread(name, num_paths, spread):
    """The standard's delays are in units of the RMS delay spread, so the tables must have spread 1."""
    model = tdl.profile(name, 100e-9)
    assert model.power.size == num_paths
    assert model.power.sum() == pytest.approx(1.0)
    assert model.rms_delay_spread_s == pytest.approx(100e-9 * spread, rel=0.02)
    gains = tdl.path_gains(np.random.default_rng(1), (N,), model)
    assert np.allclose(
        (np.abs(gains) ** 2).mean(axis=0), model.power, atol=5 * model.power.max() / np.sqrt(N)
    )
    h = tdl.path_response(gains, model.delay_s, np.array([0.0, 1e6, 5e6]))
    assert np.allclose((np.abs(h) ** 2).mean(axis=0), 1.0, atol=5 / np.sqrt(N))


def test_line_of_sight_of_tdl_d():
    """K = 13.3 dB in the first tap; the others are Rayleigh."""
    model = tdl.profile("D", 30e-9)
    assert 10 * np.log10(model.k_factor) == pytest.approx(13.3, abs=0.05)
    gains = tdl.path_gains(np.random.default_rng(2), (N,), model, los=1j)
    mean = gains.mean(axis=0)
    assert mean[0] == pytest.approx(
        1j * np.sqrt(model.power[0] * model.k_factor / (1 + model.k_factor)), abs=0.01
    )
    assert np.all(np.abs(mean[1:]) < 5 * np.sqrt(model.power[1:] / N))
    assert tdl.profile("A", 30e-9).k_factor == 0.0


def test_sampled_taps_keep_the_power_and_the_response_at_fine_sampling():
    rng = np.random.default_rng(3)
    model = tdl.profile("C", 300e-9)
    gains = tdl.path_gains(rng, (50,), model)
    fine = tdl.sample_taps(gains, model.delay_s, 4e9)
    f = np.array([0.0, 0.7e6, 2e6])
    exact = tdl.path_response(gains, model.delay_s, f)
    by_samples = fine @ np.exp(-2j * np.pi * np.outer(np.arange(fine.shape[1]) / 4e9, f))
    assert np.allclose(by_samples, exact, atol=5e-3)
    coarse = tdl.sample_taps(tdl.path_gains(rng, (N,), model), model.delay_s, 3.84e6)
    assert (np.abs(coarse) ** 2).sum(axis=1).mean() == pytest.approx(1.0, abs=0.03)
    assert coarse.shape[1] == round(8.6523 * 300e-9 * 3.84e6) + 1
    with pytest.raises(ParameterError, match="TDL model 'B'"):
        tdl.profile("B", 1e-9)


def test_exponential_correlation_is_reproduced():
    r = channel.exponential_correlation(4, 0.7 * np.exp(0.5j))
    assert np.allclose(r, r.conj().T) and np.allclose(np.diag(r), 1.0)
    h = channel.correlate(channel.rayleigh(np.random.default_rng(1), (N, 4)), r)
    assert np.allclose(h.T @ h.conj() / N, r, atol=5 / np.sqrt(N))
    with pytest.raises(ParameterError, match="modulus < 1"):
        channel.exponential_correlation(2, 1.0)
    with pytest.raises(ParameterError, match="unit diagonal"):
        channel.correlate(h, 2 * r)


def test_ber_over_correlated_branches_is_the_closed_form(make_bursts, one_bit_per_symbol, inside_binomial):
    r = channel.exponential_correlation(3, 0.9)
    num = 200_000
    h = channel.correlate(channel.rayleigh(np.random.default_rng(2), (1, num, 3)), r).transpose(0, 2, 1)
    for snr_db in (0, 6, 12):
        bursts = make_bursts(4, snr_db, num, h=h, slot=snr_db)
        wrong = one_bit_per_symbol(transmit_bit(bursts).payload ^ bursts.payload, 4)
        snr = 10 ** (snr_db / 10)
        expected = float(theory.ber_from_mgf(4, theory.correlated_mgf(snr, r)))
        assert inside_binomial(wrong, num, expected)
        assert not inside_binomial(wrong, num, float(theory.ber_rayleigh(4, snr, 3)))
    independent = theory.ber_from_mgf(4, theory.correlated_mgf(4.0, np.eye(3)))
    assert independent == pytest.approx(theory.ber_rayleigh(4, 4.0, 3))


def test_grid_accounts_for_every_element():
    ofdm = Ofdm()
    carrier = grid.Carrier(ofdm=ofdm, guard_low=28, guard_high=27, null_dc=True)
    kind = carrier.elements(28)
    assert carrier.bins().size == 200 and 0 not in carrier.bins()
    assert np.count_nonzero(kind == grid.DATA) == 200 * ofdm.num_data_symbols(2_000_000)
    assert np.count_nonzero(kind == grid.PILOT) == 200 * 4
    assert np.count_nonzero(carrier.elements(28, pilot_spacing=4) == grid.PILOT) == 50 * 4
    assert carrier.energy_efficiency == pytest.approx(0.8)
    rng = np.random.default_rng(1)
    data = channel.rayleigh(rng, np.count_nonzero(kind == grid.DATA))
    pilots = np.ones(800)
    full = grid.fill(kind, data, pilots)
    assert np.allclose(full[kind == grid.DATA], data) and np.allclose(full[kind == grid.PILOT], 1.0)
    assert not full[kind == grid.UNUSED].any()
    with pytest.raises(ParameterError, match=r"data of shape \(3,\)"):
        grid.fill(kind, data[:3], pilots)
    with pytest.raises(ParameterError, match="guards must leave"):
        grid.Carrier(guard_low=200, guard_high=60)


def test_contiguous_subchannels_use_every_subcarrier_once():
    bins = np.arange(-12, 12)
    for shares in ([1, 1, 1], [0.7, 0.2, 0.1], [1, 0, 0], [0.5, 0.499, 0.001]):
        blocks = grid.contiguous_subchannels(bins, shares)
        assert np.array_equal(np.concatenate(blocks), bins)
        assert all(len(b) >= 1 and np.all(np.diff(b) == 1) for b in blocks)
    assert [len(b) for b in grid.contiguous_subchannels(bins, [0.5, 0.25, 0.25])] == [12, 6, 6]
    assert [len(b) for b in grid.contiguous_subchannels(bins, [1, 1], least=3)] == [12, 12]
    with pytest.raises(ParameterError, match="there are only 24"):
        grid.contiguous_subchannels(bins, np.ones(25))
    with pytest.raises(ParameterError, match="must be >= 0 and not all 0"):
        grid.contiguous_subchannels(bins, [0.0, 0.0])


def test_any_set_of_subcarriers_is_a_subchannel_at_sample_level(make_bursts):
    """Two users on interleaved combs: levels bit and waveform agree on the response of their own sets."""
    ofdm = Ofdm(fft_size=64, cp_len=16)
    combs = grid.interleaved_subchannels(np.arange(-24, 24), 2)
    taps = channel.tapped_delay_line(np.random.default_rng(5), (2, 1), channel.exponential_profile(8, 1.0))
    h = np.stack([channel.frequency_response(taps[i], 64, combs[i]) for i in range(2)])
    bursts = make_bursts(4, 12.0, 2400, num_bursts=2, h=h)
    got = transmit_waveform(bursts, ofdm, taps, subchannels=combs)
    expected = transmit_bit(bursts)
    assert expected.num_bit_errors.sum() > 50
    assert np.unpackbits(got.payload ^ expected.payload).sum() <= 2
    with pytest.raises(ParameterError, match="has 23 bins: must have 24"):
        transmit_waveform(bursts, ofdm, taps, subchannels=[c[1:] for c in combs])
    with pytest.raises(ParameterError, match="num = 0"):
        grid.interleaved_subchannels(combs[0], 0)
