"""Effective SINR: exact cases, bounds, and mutual information against closed forms and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from phy.effective_sinr import (
    METHODS,
    eesm,
    effective_snr,
    miesm,
    missing_information,
    mutual_information,
)
from phy.modulation import ORDERS, constellation
from phy.parameters import ParameterError

SNRS = 10.0 ** (np.array([-60.0, -20.0, 0.0, 9.0, 25.0, 60.0]) / 10.0)


def bpsk_loss(snr: float) -> float:
    """1 - C of binary input over real AWGN: integral of log2(1 + exp(-4 a (a + z))), noise variance 1/2."""
    a = np.sqrt(snr)

    def f(z: float) -> float:
        return np.exp(-z * z) / np.sqrt(np.pi) * np.logaddexp(0.0, -4.0 * a * (a + z)) / np.log(2.0)

    return quad(f, -12.0, 12.0, epsabs=0.0, epsrel=1e-11, limit=500, points=[-a])[0]


@pytest.mark.parametrize("snr_db", [-20.0, -3.0, 3.0, 8.0, 10.0])
def test_bpsk_and_qpsk_against_the_integral(snr_db):
    snr = 10.0 ** (snr_db / 10.0)
    wanted = bpsk_loss(snr)
    assert missing_information(snr, 1) == pytest.approx(wanted, rel=1e-4)
    # QPSK is BPSK twice at half the energy
    assert missing_information(2.0 * snr, 2) == pytest.approx(2.0 * wanted, rel=1e-4)
    assert missing_information(snr, 1, bicm=False) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("bits_per_symbol", [4, 6, 8])
def test_square_qam_against_a_sum_over_the_plane(bits_per_symbol):
    """I by brute force: two-dimensional noise samples, all points, labels from the symbol value."""
    m, snr = bits_per_symbol, 10.0 ** ((3.0 * bits_per_symbol - 3.0) / 10.0)
    rng = np.random.default_rng(m)
    x = constellation(m).astype(np.complex128)
    sent = rng.integers(0, x.size, 20_000)
    noise = rng.standard_normal((2, sent.size)) * np.sqrt(0.5 / snr)
    y = x[sent] + noise[0] + 1j * noise[1]
    like = np.exp(-snr * np.abs(y[:, None] - x) ** 2)
    total = like.sum(axis=1)
    symbol = np.log2(total / like[np.arange(sent.size), sent])
    bit = np.zeros(sent.size)
    for i in range(m):
        label = (np.arange(x.size) >> i) & 1
        bit += np.log2(total / (like * (label == label[sent][:, None])).sum(axis=1))
    for values, bicm in ((bit, True), (symbol, False)):
        error = values.std() / np.sqrt(values.size)
        assert abs(missing_information(snr, m, bicm) - values.mean()) < 4.0 * error


@pytest.mark.parametrize("bits_per_symbol", ORDERS)
@pytest.mark.parametrize("bicm", [True, False])
def test_mutual_information_limits(bits_per_symbol, bicm):
    m = bits_per_symbol
    snr = 10.0 ** (np.linspace(-45.0, 45.0, 181) / 10.0)
    info = mutual_information(snr, m, bicm)
    assert mutual_information(0.0, m, bicm) == 0.0
    assert np.all(np.diff(info) >= 0.0) and np.all(info <= m)
    assert info[-1] == m  # saturation
    assert np.all(info <= np.log2(1.0 + 2.0 * snr if m == 1 else 1.0 + snr) + 1e-9)
    # low SNR: any unit-energy input gains log2(e) snr; bits demapped alone lose part of it beyond QPSK
    slope = info[0] / snr[0] * np.log(2.0)
    bicm_slope = {1: 1.0, 2: 1.0, 4: 4 / 5, 6: 16 / 21, 8: 64 / 85}[m]
    assert slope == pytest.approx(bicm_slope if bicm else 1.0, rel=1e-3)
    assert np.all(mutual_information(snr, m, False) >= mutual_information(snr, m, True) - 1e-9)


@pytest.mark.parametrize("bits_per_symbol", ORDERS)
def test_table_follows_the_quadrature(bits_per_symbol):
    snr = 10.0 ** (np.random.default_rng(1).uniform(-20.0, 2.0 + 3.0 * bits_per_symbol, 25) / 10.0)
    exact = bits_per_symbol - missing_information(snr, bits_per_symbol)
    assert np.abs(mutual_information(snr, bits_per_symbol) - exact).max() < 1e-5


def test_eesm_of_a_flat_channel_is_the_snr_exactly():
    for beta in (0.05, 1.0, 33.0, 500.0):
        assert np.array_equal(eesm(np.repeat(SNRS[:, None], 7, axis=1), beta), SNRS)


@pytest.mark.parametrize("bits_per_symbol", ORDERS)
def test_miesm_of_a_flat_channel_is_the_snr(bits_per_symbol):
    for beta in (0.3, 1.0, 7.0):
        for bicm in (True, False):
            got = miesm(np.repeat(SNRS[:, None], 7, axis=1), beta, bits_per_symbol, bicm)
            assert np.abs(got / SNRS - 1.0).max() < 1e-7


@pytest.mark.parametrize("method", METHODS)
def test_effective_snr_is_a_mean(method):
    """Between least and mean (least and largest for MIESM), rising in each SINR, stacks and weights."""
    snr = np.random.default_rng(2).exponential(8.0, (3, 20, 12))
    got = effective_snr(snr, method, 1.3, 4)
    assert got.shape == (3, 20)
    assert np.all((got > snr.min(axis=-1)) & (got < snr.max(axis=-1)))
    more = snr.copy()
    more[..., 3] *= 1.1
    assert np.all(effective_snr(more, method, 1.3, 4) > got)
    single = np.array([[effective_snr(row, method, 1.3, 4) for row in stack] for stack in snr])
    assert np.allclose(single, got, rtol=1e-12)
    doubled = effective_snr(np.concatenate([snr, snr[..., :4]], axis=-1), method, 1.3, 4)
    assert np.allclose(doubled, effective_snr(snr, method, 1.3, 4, [2] * 4 + [1] * 8), rtol=1e-9)
    assert np.allclose(effective_snr(snr[..., :4], method, 1.3, 4),
                       effective_snr(snr, method, 1.3, 4, [1] * 4 + [0] * 8), rtol=1e-9)  # fmt: skip


def test_eesm_limits():
    snr = np.array([1.0, 3.0, 20.0])
    assert eesm(snr, 1e-6) == pytest.approx(1.0, abs=1e-5)
    assert eesm(snr, 1e9) == pytest.approx(8.0, rel=1e-6)
    assert eesm(snr, 2.0) == pytest.approx(-2.0 * np.log(np.exp(-snr / 2.0).mean()), rel=1e-12)
    assert eesm(np.array([0.0, 1e12]), 1.0) == pytest.approx(np.log(2.0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: eesm([-1.0, 2.0], 1.0),
        lambda: eesm([np.nan], 1.0),
        lambda: eesm(3.0, 1.0),
        lambda: eesm([1.0, 2.0], 0.0),
        lambda: eesm([1.0, 2.0], 1.0, [0.0, 0.0]),
        lambda: miesm([1.0, 2.0], 1.0, 3),
        lambda: effective_snr([1.0], "mean", 1.0, 2),
    ],
)
def test_bad_input_is_one_line(call):
    with pytest.raises(ParameterError) as caught:
        call()
    assert "\n" not in str(caught.value)
