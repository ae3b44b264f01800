"""Closed forms against printed formulas, published numbers and numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfc
from scipy.stats import norm

from phy import theory
from phy.units import db_to_linear


def q(x):
    return norm.sf(x)


def test_q_function():
    assert theory.q_function([0.0, 1.0, 5.0]) == pytest.approx(norm.sf([0.0, 1.0, 5.0]))


def test_16_qam_is_the_printed_formula():
    g = db_to_linear([0, 5, 10, 15])
    a = np.sqrt(g / 10)
    strong = 0.25 * (erfc(a) + erfc(3 * a))
    weak = 0.25 * (2 * erfc(a) + erfc(3 * a) - erfc(5 * a))
    assert np.allclose(theory.ber_awgn(4, g, per_bit=True), np.stack([strong, strong, weak, weak], -1))
    assert np.allclose(theory.ber_awgn(4, g), (strong + weak) / 2)


def test_published_16_qam_values():
    """TOSCN 10.4 and SCQOS 9.2, 9 of section 14."""
    got = theory.ber_awgn(4, db_to_linear([5, 8, 10, 12, 14, 16, 18]))
    assert got == pytest.approx([0.164, 0.098, 0.059, 0.0281, 0.00938, 0.00179, 1.4e-4], rel=0.03)
    rician = theory.ber_rician(4, db_to_linear([0, 4, 8]), 3.0, 6)
    assert rician == pytest.approx([0.1068, 0.0353, 0.0040], rel=0.01)
    assert theory.ber_rayleigh(4, db_to_linear([0, 4, 8]), 6) == pytest.approx(
        [0.1122, 0.0406, 0.0066], rel=0.01
    )


@pytest.mark.parametrize("m", [1, 2])
def test_bpsk_and_qpsk(m):
    g = db_to_linear([-3, 0, 6])
    assert theory.ber_awgn(m, g) == pytest.approx(q(np.sqrt(2 * g / m)))


@pytest.mark.parametrize("m", [4, 6, 8])
def test_high_snr_is_the_nearest_neighbour_term(m):
    """Gray mapping: BER -> 4/m (1 - 2^(-m/2)) Q(sqrt(3 g / (2^m - 1)))."""
    g = db_to_linear(20 + 3 * m)
    expected = 4 / m * (1 - 2.0 ** (-m / 2)) * q(np.sqrt(3 * g / (2**m - 1)))
    assert theory.ber_awgn(m, g) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("m", [1, 2, 4, 6, 8])
def test_no_signal_means_half_of_each_bit_wrong(m):
    assert theory.ber_awgn(m, 1e-12, per_bit=True) == pytest.approx(np.full(m, 0.5), abs=1e-4)


def test_rayleigh_bpsk_is_the_textbook_formula():
    """Proakis: 1/2 (1 - mu) with mu = sqrt(g/(1+g)), and its L-branch extension."""
    g = db_to_linear([0, 10, 20])
    mu = np.sqrt(g / (1 + g))
    assert theory.ber_rayleigh(1, g) == pytest.approx(0.5 * (1 - mu))
    two = (0.5 * (1 - mu)) ** 2 * (1 + 2 * 0.5 * (1 + mu))
    assert theory.ber_rayleigh(1, g, 2) == pytest.approx(two)


def test_fading_average_equals_direct_integration():
    k, snr = 3.0, 4.0
    from scipy.stats import ncx2

    def density(x):
        return 2 * (1 + k) * ncx2.pdf(2 * (1 + k) * x, 4, 4 * k)

    direct = quad(lambda x: theory.ber_awgn(6, snr * x) * density(x), 0, 20, limit=200)[0]
    assert theory.ber_rician(6, snr, k, 2) == pytest.approx(direct, rel=1e-6)


def test_large_k_is_awgn():
    assert theory.ber_rician(4, 10.0, 1e7) == pytest.approx(theory.ber_awgn(4, 10.0), rel=1e-4)


def test_outdated_mrt_limits_and_mean():
    snr, num_ant = 4.0, 6
    assert theory.ber_outdated_mrt(4, snr, 1.0, num_ant) == pytest.approx(
        theory.ber_rayleigh(4, snr, num_ant)
    )
    assert theory.ber_outdated_mrt(4, snr, 0.0, num_ant) == pytest.approx(theory.ber_rayleigh(4, snr))
    mgf = theory.outdated_mrt_mgf(1.0, 0.7, num_ant)
    slope = -(mgf(np.array([1e-6])) - mgf(np.array([0.0]))) / 1e-6
    assert slope[0] == pytest.approx(1 + (num_ant - 1) * 0.49, rel=1e-4)


def test_capacities_agree():
    g = db_to_linear([-10.0, 5.0, 20.0])
    for branches in (1, 3):
        by_mgf = theory.capacity_rician(g, 0.0, branches)
        assert by_mgf == pytest.approx(theory.capacity_rayleigh(g, branches), rel=1e-6)
    assert theory.capacity_rician(g, 1e8) == pytest.approx(theory.capacity_awgn(g), rel=1e-5)
    direct = quad(lambda x: np.log2(1 + 5 * x) * np.exp(-x), 0, 60)[0]
    assert theory.capacity_rayleigh(5.0) == pytest.approx(direct)
    # fading costs capacity (Jensen)
    assert np.all(theory.capacity_rayleigh(g) < theory.capacity_awgn(g))


def test_binomial_score():
    assert theory.binomial_z(60, 100, 0.5) == pytest.approx(2.0)
