"""Acceptance checks of specification scqos that concern the formulas: 10-15 (section 14 there)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netsim.systems.scqos_model import (
    Utility,
    best_split,
    latency_price,
    latency_s,
    least_latency_cost,
    penalties,
    psi,
    reward,
    subcarriers_of,
    valid_sqe,
)
from netsim.systems.scqos_radio import (
    THERMAL,
    Downlink,
    assigned_channel,
    channel,
    estimated,
    full_power_snr,
    line_of_sight,
    mrt_beams,
    noise_scale,
    rate_bps,
    snr_of_beams,
    snr_of_mrt,
)
from phy.channel import complex_normal, gauss_markov_step
from phy.ofdm import Ofdm
from phy.parameters import ParameterError

SLOTS = 40_000
IDENTITY = np.arange(3)
GRID = Ofdm(3750.0, 64, 16)


@pytest.fixture(scope="module")
def fading():
    """h complex128[slots, 3, 3, 6] at K = 3, and its scattered part; one line of sight a slot."""
    return draw(3.0)


def draw(rician_k: float, slots: int = SLOTS):
    rng = np.random.default_rng(0)
    scatter = complex_normal(rng, (slots, 3, 3, 6))
    los = line_of_sight(rng.uniform(-np.pi / 2, np.pi / 2, (slots, 3)), 6)
    return channel(scatter, los, rician_k), scatter


def test_mean_channel_energy_is_the_number_of_antennas(fading):
    """Check 10: E|h|^2 = M within 1 %, E[SNR] under MRT = M times the mean SNR of an antenna."""
    h, _ = fading
    energy = (np.abs(h) ** 2).sum(axis=-1)
    np.testing.assert_allclose(energy.mean(axis=0), 6.0, rtol=0.01)
    d = Downlink()
    np.testing.assert_allclose(
        full_power_snr(d, h).mean(axis=(0, 2)), 6.0 * d.power_w * d.path_gain / d.noise_w, rtol=0.01
    )


def test_line_of_sight_is_common_to_the_subchannels():
    """K = inf: all subchannels of a user have the same response, of another user another one."""
    h = channel(np.zeros((3, 3, 6)), line_of_sight(np.array([0.1, 0.5, -1.0]), 6), np.inf)
    np.testing.assert_array_equal(h[:, 0], h[:, 2])
    np.testing.assert_allclose(h[1, 0], np.exp(1j * np.pi * np.arange(6) * np.sin(0.5)), atol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_outdated_beams_gain_as_theory_says(rho):
    """Check 10: Rayleigh, beam made from a channel of correlation rho: gain 1 + (M - 1) rho^2."""
    rng = np.random.default_rng(1)
    old = complex_normal(rng, (SLOTS, 3, 6))
    now = gauss_markov_step(rng, old, rho)
    d = Downlink()
    share = np.full((SLOTS, 3), 1 / 3)
    gain = snr_of_beams(d, now, mrt_beams(d, old, share)).mean(axis=0) * 3 / d.mean_snr
    np.testing.assert_allclose(gain, 1.0 + 5.0 * rho**2, rtol=0.02)


def test_estimate_keeps_its_power_and_its_correlation():
    rng = np.random.default_rng(2)
    h = complex_normal(rng, (SLOTS, 3, 6))
    known = estimated(rng, h, 0.4)
    assert np.mean(np.abs(known) ** 2) == pytest.approx(1.0, rel=0.01)
    assert np.mean(known * h.conj()).real == pytest.approx(np.sqrt(1 - 0.16), rel=0.01)
    np.testing.assert_array_equal(estimated(rng, h, 0.0), h)
    with pytest.raises(ParameterError, match=r"error = 1\.5"):
        estimated(rng, h, 1.5)


def test_matched_beams(fading):
    """Check 11: |h^T f|^2 = p P |h|^2 to 1e-12; no other beam of that power reaches it. Check 14: sum |f|^2 =
    P.
    """
    h, _ = fading
    d, rng = Downlink(), np.random.default_rng(3)
    sub = np.stack([rng.permutation(3) for _ in range(500)])
    share = rng.dirichlet(np.ones(3), 500)
    mine = assigned_channel(h[:500], sub)
    beams = mrt_beams(d, mine, share)
    np.testing.assert_allclose((np.abs(beams) ** 2).sum(axis=(1, 2)), d.power_w, rtol=1e-9)
    received = np.abs((mine * beams).sum(axis=-1)) ** 2
    best = share * d.power_w * (np.abs(mine) ** 2).sum(axis=-1)
    np.testing.assert_allclose(received, best, rtol=1e-12)
    others = complex_normal(rng, beams.shape)
    others *= np.linalg.norm(beams, axis=-1, keepdims=True) / np.linalg.norm(others, axis=-1, keepdims=True)
    assert np.all(np.abs((mine * others).sum(axis=-1)) ** 2 <= best)
    np.testing.assert_allclose(
        snr_of_beams(d, mine, beams), snr_of_mrt(d, full_power_snr(d, h[:500]), sub, share), rtol=1e-12
    )


@pytest.mark.parametrize(("rician_k", "log_mean_db"), [(3.0, -0.17), (0.0, -0.38)])
def test_link_budget(rician_k, log_mean_db):
    """Check 13: mean SNR in dB at equal shares 19.5, 14.2, 10.5 (+-0.3) and E[10 log10(|h|^2 / 6)]."""
    h, _ = draw(rician_k)
    energy = (np.abs(h) ** 2).sum(axis=-1)
    assert 10 * np.log10(energy / 6).mean() == pytest.approx(log_mean_db, abs=0.01)
    snr_db = 10 * np.log10(snr_of_mrt(Downlink(), full_power_snr(Downlink(), h), IDENTITY[None], 1 / 3))
    np.testing.assert_allclose(snr_db.mean(axis=0), (19.5, 14.2, 10.5), atol=0.3)


def test_thermal_profile_has_the_same_snr():
    """Check 13: within 0.1 dB; and its noise is that of 30 kHz at 7 dB noise figure."""
    values = {path.partition(".")[2]: value for path, value in THERMAL.items()}
    thermal = dataclasses.replace(Downlink(), **values)
    np.testing.assert_allclose(10 * np.log10(thermal.mean_snr / Downlink().mean_snr), 0.0, atol=0.1)
    assert thermal.noise_dbm == pytest.approx(-174.0 + 7.0 + 10 * np.log10(30e3), abs=1e-3)


def test_latency_formula():
    """Check 12: twice the band halves the latency exactly, twice the bits double it; value at 14 dB."""
    utility, snr = Utility(), np.full(3, 10**1.4)
    band = np.array([3e4, 2e4, 4e4])
    one, dropped = latency_s(utility, GRID, np.array([1, 1, 1]), band, snr)
    assert one[0] == pytest.approx(0.4532e-3, rel=1e-3) and not dropped.any()
    np.testing.assert_array_equal(latency_s(utility, GRID, np.array([1, 1, 1]), 2 * band, snr)[0], one / 2)
    np.testing.assert_array_equal(latency_s(utility, GRID, np.array([2, 2, 2]), band, snr)[0], 2 * one)
    np.testing.assert_array_equal(rate_bps(band, snr) * one, 64.0)


def test_latency_is_capped():
    utility = Utility()
    latency, dropped = latency_s(
        utility, GRID, np.array([1, 1]), np.array([0.0, 3e4]), np.array([10.0, 10.0])
    )
    assert dropped.tolist() == [True, False]
    assert latency[0] == utility.cap_s == pytest.approx(20e-3)


def test_latency_of_qam_and_ofdm():
    """Section 11: n = 3 on 8 subcarriers takes 6 OFDM symbols, 2.0 ms; at 4 bit a symbol 1.6 ms."""
    bits, band, snr = np.array([3, 3, 3]), np.full(3, 30e3), np.full(3, 10**1.4)
    found = {
        model: latency_s(Utility(latency=model), GRID, bits, band, snr)[0][0]
        for model in ("shannon", "qam", "ofdm")
    }
    assert found["shannon"] == pytest.approx(1.36e-3, abs=2e-5)
    assert found["qam"] == pytest.approx(1.6e-3)
    assert found["ofdm"] == pytest.approx(2.0e-3)


def test_subcarriers_by_largest_remainder():
    rng = np.random.default_rng(4)
    shares = rng.dirichlet(np.ones(3), 2000)
    count = subcarriers_of(GRID, shares * 90e3)
    assert np.all(count.sum(axis=-1) == 24) and count.min() == 1
    ample = (shares * 24 >= 1).all(axis=-1)
    assert np.all(np.abs(count - shares * 24)[ample] < 1.0)
    assert subcarriers_of(GRID, np.array([30e3, 30e3, 30e3])).tolist() == [8, 8, 8]
    assert subcarriers_of(GRID, np.array([90e3, 0.0, 0.0])).tolist() == [22, 1, 1]
    assert subcarriers_of(GRID, np.array([3.6, 3.6, 0.8]) * 3750).tolist() == [4, 3, 1]


def test_best_split_of_the_band():
    """Check 12: beats 1000 random splits, equalises a_u / b_u^2 to 1e-9, and costs what the formula says."""
    rng = np.random.default_rng(5)
    utility, snr, bits = Utility(), rng.exponential(20.0, (50, 3)), rng.integers(1, 4, (50, 3))
    price = latency_price(utility, bits, snr)
    share = best_split(price)
    np.testing.assert_allclose(share.sum(axis=-1), 1.0, rtol=1e-12)
    marginal = price / (share * 90e3) ** 2
    np.testing.assert_allclose(marginal / marginal[:, :1], 1.0, rtol=1e-9)
    cost = (price / (share * 90e3)).sum(axis=-1)
    np.testing.assert_allclose(cost, least_latency_cost(price, 90e3), rtol=1e-12)
    random = rng.dirichlet(np.ones(3), 1000)
    assert np.all((price[:, None] / (random * 90e3)).sum(axis=-1) >= cost[:, None] * (1 - 1e-12))
    uncapped = dataclasses.replace(utility, latency_cap=1e6)
    latency = latency_s(uncapped, GRID, bits, share * 90e3, snr)[0]
    np.testing.assert_allclose(utility.latency_weight * latency.sum(axis=-1), cost, rtol=1e-12)


def test_rewards_have_the_right_signs():
    """Check 15: S = 0.7 < 0.8 gives P_S = -0.1; 3 ms give P_G = -1; kept limits give +3 each."""
    paper, similarity = Utility(reward="paper"), np.array([0.7, 0.8, 1.0])
    latency = np.array([1e-3, 2e-3, 3e-3])
    p_s, p_g = penalties(paper, similarity, latency)
    np.testing.assert_allclose(p_s, (-0.1, 3.0, 3.0))
    np.testing.assert_allclose(p_g, (3.0, 3.0, -1.0))
    bits = np.array([1, 2, 3])
    expected = psi(paper, similarity, bits, latency) + p_s.sum() + 10.0 * p_g.sum()
    assert reward(paper, similarity, bits, latency) == pytest.approx(expected)
    gentle = Utility(reward="penalty")
    np.testing.assert_allclose(penalties(gentle, similarity, latency + 5e-3)[1], (-1.0, -1.0, -1.0))
    assert reward(gentle, np.ones(3), bits, latency * 0) == pytest.approx(
        psi(paper, np.ones(3), bits, latency * 0)
    )
    assert penalties(paper, similarity, np.full(3, 20e-3))[1][0] == pytest.approx(-18.0)


def test_psi_counts_valid_similarity_per_bit():
    utility = Utility()
    similarity, bits = np.array([0.79, 0.8, 1.0]), np.array([1, 2, 3])
    np.testing.assert_allclose(valid_sqe(utility, similarity, bits), (0.0, 0.4, 1 / 3))
    assert psi(utility, similarity, bits, np.full(3, 1e-3)) == pytest.approx(0.4 + 1 / 3 - 0.3)


def test_noise_may_scale_with_the_band():
    d = Downlink(noise_scales_with_bandwidth=True)
    np.testing.assert_allclose(noise_scale(d, np.array([30e3, 60e3, 15e3])), (1.0, 2.0, 0.5))
    assert noise_scale(Downlink(), np.array([30e3])) == 1.0


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"num_subchannels": 2}, "must be >= num_ues=3"),
        ({"distance_m": (6.0, 9.0)}, "must have num_ues=3 values"),
        ({"distance_m": (6.0, 9.0, 0.0)}, "must all be > 0"),
        ({"rician_k": -1.0}, "rician_k"),
    ],
)
def test_bad_downlinks_are_refused(values, rule):
    with pytest.raises(ParameterError, match=rule):
        Downlink(**values)
