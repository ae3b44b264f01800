"""Channel estimation: mean squared errors and BER against closed forms; samples equal the frequency
domain.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from phy import channel, estimation, theory
from phy.bursts import Bursts
from phy.estimation import Estimator, demap_llr_estimated, transmit_bit_estimated
from phy.frame import frames
from phy.link import transmit_bit, transmit_waveform
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.philox import random_bytes
from phy.waveform import response

POWERS = channel.exponential_profile(6, 2.0)


def slot_bursts(h: np.ndarray, snr_db: float, symbols: int, m: int = 2) -> Bursts:
    """One burst per link that fills `symbols` OFDM data symbols."""
    size, _, width = h.shape
    num_bytes = symbols * width * m // 8
    index = np.arange(size, dtype=np.int64)
    return Bursts(
        payload=random_bytes(1, 0, size * num_bytes),
        offset=index * num_bytes,
        num_bits=0 * index + 8 * num_bytes,
        bits_per_symbol=0 * index + m,
        h=np.ascontiguousarray(h, np.complex64),
        es=np.full(size, 10.0 ** (snr_db / 10.0)),
        n0=1.0,
        first_symbol=0 * index,
        key=index.astype(np.uint64) + 5,
        slot=0 * index,
    )


def test_interpolation_is_exact_at_and_linear_between_the_pilots():
    values = np.array([1.0 + 0j, 3.0 + 2j, 0.0])
    got = estimation.interpolate(values, np.array([0, 4, 8]), 11)
    assert np.allclose(got[[0, 4, 8]], values)
    assert np.allclose(got[2], 2.0 + 1j) and np.allclose(got[8:], 0.0)
    assert np.allclose(estimation.interpolate(values[:1], np.array([0]), 3), 1.0)


def test_covariance_is_that_of_the_delay_line():
    rng = np.random.default_rng(1)
    taps = channel.tapped_delay_line(rng, (50_000,), POWERS)
    h = channel.frequency_response(taps, 64, np.arange(8))
    measured = h.T @ h.conj() / h.shape[0]
    exact = estimation.covariance(POWERS, 64, np.arange(8), np.arange(8))
    assert np.allclose(measured, exact, atol=5 / np.sqrt(50_000))


@pytest.mark.parametrize("spacing", [1, 4])
def test_lmmse_error_is_the_predicted_one_and_below_least_squares(spacing):
    rng = np.random.default_rng(2)
    ofdm = Ofdm(fft_size=64, cp_len=16)
    num, width, snr = 4000, 24, 4.0
    h = response(ofdm, channel.tapped_delay_line(rng, (num, 1), POWERS), width)
    x = np.where(np.arange(width) % spacing == 0, 1.0, 0.0)[None] * np.ones((2, 1))
    y = np.sqrt(snr) * x[:, None] * h[:, None] + channel.complex_normal(rng, (num, 2, 1, width))
    error = {}
    for method in ("ls", "lmmse"):
        estimator = Estimator(method, spacing, tuple(POWERS))
        got = np.stack([estimation.estimate(estimator, 64, y[i], x, snr, 1.0) for i in range(num)])
        error[method] = (np.abs(got - h) ** 2).mean(axis=(0, 1))
    positions = np.arange(0, width, spacing)
    predicted = estimation.lmmse_error(POWERS, 64, positions, width, 1 / (2 * snr))
    assert np.allclose(error["lmmse"], predicted, rtol=0.12)
    assert error["lmmse"].mean() == pytest.approx(predicted.mean(), rel=0.04)
    assert np.allclose(error["ls"][positions], 1 / (2 * snr), rtol=0.12)
    assert error["lmmse"].mean() < 0.6 * error["ls"].mean()


@pytest.mark.parametrize("method", ["ls", "lmmse"])
def test_qpsk_ber_with_estimates_is_the_closed_form(method):
    """Rayleigh, one antenna: the estimation error costs what joint Gaussian statistics say."""
    rng = np.random.default_rng(3)
    ofdm = Ofdm(fft_size=64, cp_len=16)
    num, width, snr_db = 1500, 24, 8.0
    h = response(ofdm, channel.tapped_delay_line(rng, (num, 1), POWERS), width)
    bursts = slot_bursts(h, snr_db, 12)
    received = transmit_bit_estimated(bursts, ofdm, Estimator(method, 1, tuple(POWERS)))
    rate = received.num_bit_errors / bursts.num_bits
    snr = 10 ** (snr_db / 10)
    if method == "ls":
        expected = theory.ber_qpsk_estimated(snr, 1 / (2 * snr))
    else:
        # an MMSE estimate is h minus an error uncorrelated with the estimate: correlation^2 = 1 - mse
        mse = estimation.lmmse_error(POWERS, 64, np.arange(width), width, 1 / (2 * snr)).mean()
        expected = theory.ber_qpsk_estimated(snr, mse / (1 - mse))
    spread = rate.std() / np.sqrt(num)
    assert abs(rate.mean() - expected) < 4.0 * spread
    assert spread < 0.03 * expected
    perfect = transmit_bit(bursts).num_bit_errors / bursts.num_bits
    assert abs(perfect.mean() - theory.ber_qpsk_estimated(snr, 0.0)) < 4.0 * spread
    assert theory.ber_qpsk_estimated(snr, 0.0) == pytest.approx(theory.ber_rayleigh(2, snr))


def test_exact_knowledge_gives_the_decisions_of_level_bit():
    """Pilots a million times stronger than the noise of an identical link: the estimate is h."""
    rng = np.random.default_rng(4)
    ofdm = Ofdm(fft_size=64, cp_len=16)
    h = response(ofdm, channel.tapped_delay_line(rng, (3, 2), POWERS), 24)
    bursts = slot_bursts(h, 9.0, 30, m=4)
    frame = frames(bursts, bursts.num_subcarriers)[1]
    assert frame.grid.shape == (30, 24)
    silent = Bursts(**{**vars(bursts), "n0": 0.0})
    assert transmit_bit_estimated(silent, ofdm, Estimator()).num_bit_errors.sum() == 0


@pytest.mark.parametrize("estimator", [Estimator(), Estimator("ls", 3), Estimator("lmmse", 4, tuple(POWERS))])
def test_samples_and_frequency_domain_decide_alike(estimator):
    rng = np.random.default_rng(5)
    ofdm = Ofdm(fft_size=64, cp_len=16)
    taps = channel.tapped_delay_line(rng, (3, 2), POWERS)
    bursts = slot_bursts(response(ofdm, taps, 24), 9.0, 30, m=4)
    late = Bursts(**{**vars(bursts), "first_symbol": bursts.first_symbol + 31})
    for b in (bursts, late):
        bit = transmit_bit_estimated(b, ofdm, estimator)
        samples = transmit_waveform(b, ofdm, taps, estimator=estimator)
        assert bit.num_bit_errors.sum() > transmit_bit(b).num_bit_errors.sum() > 50
        assert np.unpackbits(bit.payload ^ samples.payload).sum() <= 2  # float32 ties
        assert np.allclose(bit.snr_db, samples.snr_db, atol=1e-4)


@pytest.mark.parametrize("estimator", [Estimator(), Estimator("ls", 3), Estimator("lmmse", 4, tuple(POWERS))])
@pytest.mark.parametrize("m", [1, 4, 6])
def test_signs_of_llrs_are_the_decisions(estimator, m):
    rng = np.random.default_rng(6)
    ofdm = Ofdm(fft_size=64, cp_len=16)
    h = response(ofdm, channel.tapped_delay_line(rng, (4, 2), POWERS), 24)
    bursts = slot_bursts(h, 12.0, 30, m=m)
    soft, hard = demap_llr_estimated(bursts, ofdm, estimator), transmit_bit_estimated(bursts, ofdm, estimator)
    decided = [np.unpackbits(part) for part in hard.payload.reshape(4, -1)]
    assert np.array_equal(soft.llr < 0, np.concatenate(decided) == 1)
    assert np.array_equal(soft.snr_db, hard.snr_db)
    assert hard.num_bit_errors.sum() > 0


def test_lmmse_llrs_are_log_probabilities():
    """QPSK, Rayleigh: a bit is 1 with probability 1 / (1 + exp(LLR)); not so with n0 alone for the noise."""
    rng = np.random.default_rng(7)
    ofdm = Ofdm(fft_size=64, cp_len=16)
    h = response(ofdm, channel.tapped_delay_line(rng, (1500, 1), POWERS), 24)
    bursts = slot_bursts(h, 6.0, 12)
    estimator = Estimator("lmmse", 4, tuple(POWERS))
    llr = demap_llr_estimated(bursts, ofdm, estimator).llr.astype(float)
    one = np.unpackbits(bursts.payload) == 1
    edges = np.linspace(-6.0, 6.0, 13)

    def worst(llr):
        """Largest deviation of a bin in standard errors; bits of one channel are dependent, hence the 4."""
        scores = []
        for low, high in itertools.pairwise(edges):
            inside = (llr >= low) & (llr < high)
            p = 1.0 / (1.0 + np.exp(llr[inside]))
            scores.append(abs(one[inside].sum() - p.sum()) / np.sqrt((p * (1.0 - p)).sum()))
        return max(scores)

    assert worst(llr) < 4.5
    width = 24
    missed = estimation.error_variance(estimator, ofdm, width, float(bursts.es[0]), 1.0).mean()
    assert worst(llr * (1.0 + bursts.es[0] * missed)) > 9.0


@pytest.mark.parametrize("spacing", [1, 3])
def test_error_variance_of_least_squares(spacing):
    """A flat channel has no interpolation error: the variance is that of the noise."""
    rng = np.random.default_rng(8)
    ofdm = Ofdm(fft_size=64, cp_len=16)
    num, width, snr = 4000, 24, 4.0
    pilots = ofdm.pilot_symbols_per_frame
    x = np.where(np.arange(width) % spacing == 0, 1.0, 0.0)[None] * np.ones((pilots, 1))
    y = np.sqrt(snr) * x[:, None] + channel.complex_normal(rng, (num, pilots, 1, width))
    estimator = Estimator("ls", spacing)
    got = np.stack([estimation.estimate(estimator, 64, y[i], x, snr, 1.0) for i in range(num)])
    measured = (np.abs(got - 1.0) ** 2).mean(axis=(0, 1))
    assert np.allclose(measured, estimation.error_variance(estimator, ofdm, width, snr, 1.0), rtol=0.12)


def test_estimation_needs_pilots():
    bursts = slot_bursts(np.ones((1, 1, 4)), 9.0, 12)
    with pytest.raises(ParameterError, match="pilot_symbols_per_frame = 0: must be >= 1"):
        transmit_bit_estimated(bursts, Ofdm(pilot_symbols_per_frame=0), Estimator())
    with pytest.raises(ParameterError, match="must be one of ls, lmmse"):
        Estimator("mmse")
