"""Frames over the link: check 19 of the TOSCN specification (the cliff of JPEG, the slope of features)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from netsim.figures import toscn_5
from netsim.semantics import jpeg
from netsim.semantics.bank import load_bank
from netsim.streams import Streams
from netsim.systems.toscn_bkb import measure
from netsim.systems.toscn_jpeg import Carrier
from phy import theory
from phy.parameters import ParameterError

CARRIERS = [Carrier(4, "none"), Carrier(2, "convolutional"), Carrier(4, "convolutional"), Carrier(2, "ldpc")]


def frames(count: int, num_bytes: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, num_bytes)).astype(np.uint8)


@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_without_noise_every_frame_arrives(carrier):
    sent = frames(5, 123)
    np.testing.assert_array_equal(carrier.send(sent, np.inf, 1), sent)
    np.testing.assert_array_equal(carrier.send(sent, 30.0, 1), sent)


@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
def test_capacity_is_the_longest_frame_that_fits(carrier):
    for symbols in (7, 100, 1234):
        fits = carrier.capacity_bytes(symbols)
        assert fits == 0 or carrier.num_symbols(fits) <= symbols
        assert carrier.num_symbols(fits + 1) > symbols


def test_uncoded_frames_arrive_as_often_as_theory_says():
    """Intact with probability (1 - p)^2500 to first order: 16-QAM at 18 dB, two-sided binomial at 1e-4."""
    carrier, num_bytes, count = Carrier(4, "none"), 312, 2000
    sent = frames(count, num_bytes)
    whole = int((carrier.send(sent, 18.0, 7) == sent).all(axis=1).sum())
    per_bit = theory.ber_awgn(4, 10.0**1.8, per_bit=True)
    expected = float(np.prod(1.0 - per_bit) ** (8 * num_bytes / 4))
    # the two bits of one rail are not independent: the closed form is exact only to the first order
    assert binom.ppf(5e-5, count, expected * 0.99) <= whole <= binom.ppf(1 - 5e-5, count, expected * 1.01)


def test_copies_are_energy():
    """Four copies at 12 dB equal one at 18.02 dB, bit for bit; and they arrive far more often than one."""
    carrier, sent = Carrier(4, "none"), frames(200, 200)
    four = carrier.send(sent, 12.0, 3, copies=4)
    np.testing.assert_array_equal(four, carrier.send(sent, 12.0 + 10 * np.log10(4), 3))
    assert (four == sent).all(axis=1).mean() > 0.5 > (carrier.send(sent, 12.0, 3) == sent).all(axis=1).mean()
    with pytest.raises(ParameterError, match="copies = 0"):
        carrier.send(sent, 12.0, 3, copies=0)


def test_the_cliff_of_coded_qpsk():
    """Check 19: K = 7, rate 1/2: 10 % to 90 % of 2,500-bit frames within 1.5 to 4.5 dB, <= 3 dB apart."""
    carrier, sent = Carrier(2, "convolutional"), frames(300, 312)
    snrs = np.arange(0.0, 6.01, 0.5)
    whole = [int((carrier.send(sent, snr, 5) == sent).all(axis=1).sum()) for snr in snrs]
    points = [toscn_5.Point("", "", "", snr, 0, w, 300, 0, 0, 1) for snr, w in zip(snrs, whole)]
    low, high = toscn_5.cliff_db(points)
    assert 1.5 <= low < high <= 4.5
    assert high - low <= 3.0


def test_features_at_2_db_still_tell_the_class():
    """Check 19: features at eta 0.5 over 16-QAM at 2 dB: accuracy >= 0.6 (MNIST stands for digits)."""
    bank = load_bank("mnist", "embedded")
    knowledge = measure(bank, Streams(1), snrs_db=(2.0,), compressions=(0.5,))
    assert knowledge.accuracy[0, 0] >= 0.6


def test_a_lost_picture_counts_as_wrong_and_a_guess_is_reported_beside():
    point = toscn_5.Point("mnist", "paper", "JPEG", 0.0, 30, 40, 100, 0.0, 0.0, 1.0)
    assert point.guessed == pytest.approx((30 + 60 / 10) / 100)


class _Server:
    """Stands for torch: decides by the brightness of the picture."""

    def map_means(self, images):
        means = np.zeros((len(images), 512), np.float32)
        means[:, 0] = images.mean(axis=(1, 2, 3)) / 255
        return means, means


def test_pictures_are_decided_from_what_arrived():
    bank = load_bank("mnist", "embedded")
    images = np.stack([np.full((1, 28, 28), level, np.uint8) for level in (10, 240)])
    weight = np.zeros((10, 512), np.float32)
    weight[1, 0] = 1.0
    few = toscn_5.replace(
        bank, labels=np.array([0, 1], np.uint8), codes=bank.codes[:2], item_keys=bank.item_keys[:2],
        fc_weight=weight, fc_bias=np.array([0.5] + 9 * [0.0], np.float32),
    )  # fmt: skip
    pictures = toscn_5.Pictures(few, _Server(), images)
    sent = [jpeg.encode_frame(image, 75) for image in images]
    rows = toscn_5._frames_array(sent, max(map(len, sent)) + 3)
    assert pictures.count(np.array([0, 1]), rows) == (2, 2)
    assert pictures.count(np.array([1, 0]), rows) == (0, 2)
    rows[1, 4] ^= 1
    assert pictures.count(np.array([0, 1]), rows) == (1, 1)


def test_jpeg_stays_within_the_bits_and_the_airtime_of_features():
    bank = load_bank("mnist", "embedded")
    rng = np.random.default_rng(2)
    images = np.repeat(np.repeat(rng.integers(0, 256, (4, 1, 7, 7)), 4, axis=2), 4, axis=3).astype(np.uint8)
    pictures = toscn_5.Pictures(bank, _Server(), images)
    for kind, eta in toscn_5.BUDGETS:
        symbols = toscn_5.semantic_symbols(bank, eta)
        for carrier in toscn_5.CARRIERS.values():
            plan = toscn_5.plan_within(pictures, carrier, kind, eta)
            num_bytes = plan.frames.shape[1]
            assert len(plan.items) == 4
            if kind == "bits":
                assert 8 * num_bytes <= bank.packet_bits(eta) + bank.header_bits()
                assert plan.copies == 1
            else:
                assert plan.copies * carrier.num_symbols(num_bytes) <= symbols
                assert (plan.copies + 1) * carrier.num_symbols(num_bytes) > symbols


def test_without_torch_the_figure_says_so_in_one_line(monkeypatch):
    monkeypatch.setattr(toscn_5, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match="needs torch: pip install") as error:
        toscn_5.load("mnist", 10)
    assert "\n" not in str(error.value)
