"""Fading models: unit power for every parameter, the right distribution, correlation and response."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import j0
from scipy.stats import kstest

from phy import channel, pathloss, theory
from phy.ofdm import Ofdm
from phy.parameters import ParameterError

N = 40_000


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("k_factor", [0.0, 0.5, 3.0, 10.0, 100.0])
@pytest.mark.parametrize("branches", [1, 6])
def test_gain_has_the_rician_distribution(k_factor, branches):
    los = channel.array_response(rng(1).uniform(-1.5, 1.5, N), branches)
    h = channel.rician(rng(2), (N, branches), k_factor, los)
    gain = (np.abs(h) ** 2).sum(axis=1)
    assert kstest(gain, lambda x: theory.gain_cdf(x, k_factor, branches)).pvalue > 1e-3
    assert abs(gain.mean() / branches - 1.0) < 4.5 * gain.std() / np.sqrt(N) / branches


def test_the_distribution_test_notices_two_tenths_of_a_decibel():
    gain = np.abs(channel.rayleigh(rng(2), N)) ** 2 * 10**0.02
    assert kstest(gain, lambda x: theory.gain_cdf(x, 0.0)).pvalue < 1e-3


def test_rayleigh_and_noise_are_circular():
    h = channel.rayleigh(rng(), N)
    assert abs(h.real.var() - 0.5) < 4.0 * 0.5 * np.sqrt(2 / N)
    assert abs(np.mean(h * h)) < 4.0 / np.sqrt(N)
    n = channel.awgn(rng(), np.zeros(N), 3.0)
    assert abs(np.mean(np.abs(n) ** 2) - 3.0) < 4.0 * 3.0 / np.sqrt(N)


def test_line_of_sight_only():
    h = channel.rician(rng(), (5, 4), np.inf, channel.array_response(0.3, 4))
    assert np.allclose(h, np.exp(1j * np.pi * np.arange(4) * np.sin(0.3)))
    with pytest.raises(ParameterError, match="k_factor = -1"):
        channel.rician(rng(), 3, -1.0)


def test_gauss_markov_keeps_power_and_correlation():
    rho = 0.8
    g = rng(4)
    h0 = channel.rayleigh(g, N)
    h1 = channel.gauss_markov_step(g, h0, rho)
    h2 = channel.gauss_markov_step(g, h1, rho)
    for h in (h1, h2):
        assert abs(np.mean(np.abs(h) ** 2) - 1.0) < 4.0 / np.sqrt(N)
    assert abs(np.mean(h1 * h0.conj()) - rho) < 4.0 / np.sqrt(N)
    assert abs(np.mean(h2 * h0.conj()) - rho**2) < 4.0 / np.sqrt(N)
    # correlation of the power: rho^2 per step (Gaussian moments)
    c = np.corrcoef(np.abs(h0) ** 2, np.abs(h1) ** 2)[0, 1]
    assert abs(c - rho**2) < 4.0 * 2.0 / np.sqrt(N)
    assert np.array_equal(channel.gauss_markov_step(g, h0, 1.0), h0)
    with pytest.raises(ParameterError, match=r"rho = 1.5: must be in \[-1, 1\]"):
        channel.gauss_markov_step(g, h0, 1.5)


def test_jakes_has_the_bessel_autocorrelation():
    times = np.arange(6) * 1e-3
    h = channel.jakes(rng(3), times, 100.0, N)
    assert h.shape == (N, 6)
    for k in range(6):
        expected = j0(2 * np.pi * 100.0 * times[k])
        assert channel.jakes_correlation(100.0, times[k]) == pytest.approx(expected)
        assert abs(np.mean(h[:, k] * h[:, 0].conj()) - expected) < 4.5 / np.sqrt(N)
    assert kstest(np.abs(h[:, 2]) ** 2, "expon").pvalue > 1e-4


def test_delay_line_power_and_rician_first_tap():
    powers = channel.exponential_profile(5, 3.0)
    assert powers.sum() == pytest.approx(1.0)
    assert powers[1] / powers[0] == pytest.approx(10**-0.3)
    taps = channel.tapped_delay_line(rng(5), (N, 2), powers, k_factor=4.0)
    measured = np.mean(np.abs(taps) ** 2, axis=(0, 1))
    assert np.allclose(measured, powers, atol=5 * powers / np.sqrt(N))
    assert abs(np.mean(taps[..., 0]) - np.sqrt(0.8 * powers[0])) < 5.0 / np.sqrt(N)
    h = channel.frequency_response(taps, 64, np.arange(-8, 8))
    assert np.allclose(np.mean(np.abs(h) ** 2, axis=(0, 1)), 1.0, atol=6.0 / np.sqrt(N))


def test_frequency_response_is_the_dft():
    taps = channel.rayleigh(rng(1), (3, 7))
    bins = Ofdm(fft_size=64, cp_len=16).bins(20)
    full = np.fft.fft(taps, 64)
    assert np.allclose(channel.frequency_response(taps, 64, bins), full[:, bins])
    assert bins.tolist() == list(range(-10, 10))


def test_path_loss_values():
    """Values of the three specifications: 94.62 dB at 200 m and 45.70 dB at 10 m for the 900 MHz macro
    cell.
    """
    assert pathloss.macro_900_db([200.0, 10.0]) == pytest.approx([94.62, 45.70], abs=5e-3)
    assert pathloss.macro_db(1000.0) == pytest.approx(128.1)
    assert pathloss.log_distance_db(9.0, 3.0) == pytest.approx(30 + 30 * np.log10(9.0))
    with pytest.raises(ParameterError, match="distance_m"):
        pathloss.macro_db(0.0)


def test_shadowing_spread_and_correlation():
    x = pathloss.shadowing_db(rng(1), 6.0, N)
    assert abs(x.std() - 6.0) < 4.0 * 6.0 / np.sqrt(2 * N)
    y = pathloss.correlated_shadowing_db(rng(2), x, 6.0, 25.0, 50.0)
    assert abs(y.std() - 6.0) < 4.0 * 6.0 / np.sqrt(2 * N)
    assert abs(np.corrcoef(x, y)[0, 1] - np.exp(-0.5)) < 4.0 / np.sqrt(N)
