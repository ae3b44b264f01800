"""Words on 16-QAM: specification scqos 3.3, 3.4, 9.2 and checks 5-9, through the bit-level link."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.semantics import sbq_mapping
from netsim.semantics.sbq import Sbq
from netsim.semantics.sbq_levels import threshold
from netsim.semantics.sbq_mapping import STRONG, BitMapping, mapping_of, symbol_bits
from netsim.systems.scqos_link import over_awgn
from phy import theory
from phy.channel import array_response, rician
from phy.modulation import map_bits
from phy.parameters import ParameterError
from phy.theory import binomial_z, q_function

SPEC_LEVEL = {(0, 0): -3, (0, 1): -1, (1, 1): 1, (1, 0): 3}  # (sign, magnitude) of specification 3.3


def sent(payload: np.ndarray, num_bits: int, snr_db: float | np.ndarray) -> np.ndarray:
    return over_awgn(payload, num_bits, snr_db, key=7, index=np.arange(len(payload)))


def random_words(num_sentences: int, num_features: int, bits: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1 << bits, (num_sentences, num_features), dtype=np.uint8)


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("num_features", [1, 5, 64, 100])
@pytest.mark.parametrize("variant", ["default", "natural", "gray planes"])
def test_unpacking_undoes_packing(bits, num_features, variant):
    """Check 5, padding included; every word bit is sent exactly once."""
    mapping = mapping_of(num_features, bits)
    if variant != "default":
        mapping = BitMapping(num_features, bits, gray=variant != "natural", planes=variant != "natural")
    words = random_words(30, num_features, bits)
    np.testing.assert_array_equal(mapping.unpack(mapping.pack(words)), words)
    assert mapping.num_bits % 4 == 0
    assert 0 <= mapping.num_bits - num_features * bits < 4
    carried = mapping.source[mapping.source >= 0]
    assert sorted(carried) == list(range(num_features * bits))


@pytest.mark.parametrize(("bits", "num_bits"), [(1, 64), (2, 128), (3, 192)])
def test_bit_counts_of_64_features(bits, num_bits):
    assert mapping_of(64, bits).num_bits == num_bits


def test_points_are_those_of_the_specification():
    """The specification's label of every rail lands on its level, through the 3GPP mapper."""
    words = random_words(50, 64, 1)
    payload = mapping_of(64, 1).pack(words)
    symbols = map_bits(np.unpackbits(payload), 4).reshape(50, 16) * np.sqrt(10.0)
    listed = symbol_bits(payload, 64)
    np.testing.assert_array_equal(listed, words)  # one bit a word, feature order
    rail = np.array([[SPEC_LEVEL[0, 0], SPEC_LEVEL[0, 1]], [SPEC_LEVEL[1, 0], SPEC_LEVEL[1, 1]]])
    groups = listed.reshape(50, 16, 4)
    np.testing.assert_allclose(symbols.real, rail[groups[..., 0], groups[..., 1]], atol=1e-5)
    np.testing.assert_allclose(symbols.imag, rail[groups[..., 2], groups[..., 3]], atol=1e-5)


def test_two_bits_are_one_rail_in_the_order_of_the_levels():
    """Check 6: a nearest wrong PAM level is a word one higher or lower."""
    mapping = mapping_of(64, 2)
    words = np.tile(np.arange(4, dtype=np.uint8), 16)[None]
    symbols = map_bits(np.unpackbits(mapping.pack(words)), 4) * np.sqrt(10.0)
    levels = np.stack([symbols.real, symbols.imag], axis=1).ravel()
    np.testing.assert_allclose(levels, 2.0 * words[0] - 3.0, atol=1e-5)


def test_three_bits_are_planes_with_the_first_half_on_strong_positions():
    listed = symbol_bits(mapping_of(64, 3).pack(random_words(4, 64, 3, seed=3)), 192)
    words = random_words(4, 64, 3, seed=3)
    planes = np.concatenate([(words >> 2) & 1, (words >> 1) & 1, words & 1], axis=1)
    np.testing.assert_array_equal(listed[:, 0::2], planes[:, :96])
    np.testing.assert_array_equal(listed[:, 1::2], planes[:, 96:])


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_without_noise_all_words_arrive(bits):
    """Check 7, the part before the decoder."""
    mapping, words = mapping_of(64, bits), random_words(20, 64, bits)
    np.testing.assert_array_equal(mapping.unpack(sent(mapping.pack(words), mapping.num_bits, 60.0)), words)


@pytest.mark.parametrize(("snr_db", "ber"), [(4.0, 0.1877), (8.0, 0.0982), (12.0, 0.0281), (16.0, 0.0018)])
def test_error_rates_of_strong_and_weak_positions(snr_db, ber):
    """Check 8: all, strong and weak bits against 3.4 within 4 standard errors."""
    mapping = mapping_of(64, 3)
    payload = mapping.pack(random_words(5000, 64, 3, seed=int(snr_db)))
    arrived = sent(payload, mapping.num_bits, snr_db)
    wrong = np.unpackbits(payload ^ arrived, axis=1).reshape(-1, 4)
    a = np.sqrt(10.0 ** (snr_db / 10.0) / 5.0)
    strong = 0.5 * (q_function(a) + q_function(3 * a))
    weak = 0.5 * (2 * q_function(a) + q_function(3 * a) - q_function(5 * a))
    assert 0.5 * (strong + weak) == pytest.approx(ber, abs=6e-5)
    at = np.array(STRONG)
    for errors, expected in (
        (wrong[:, at], strong), (wrong[:, ~at], weak), (symbol_errors(wrong), 0.5 * (strong + weak)),
    ):  # fmt: skip
        assert abs(binomial_z(int(errors.sum()), errors.size, float(expected))) < 4.0


def symbol_errors(wrong: np.ndarray) -> np.ndarray:
    """One bit drawn of each symbol: bits of one symbol share its noise and are not independent."""
    place = np.random.default_rng(0).integers(0, 4, len(wrong))
    return wrong[np.arange(len(wrong)), place]


@pytest.mark.parametrize(
    ("k_factor", "rates"),
    [(3.0, (0.1068, 0.0353, 0.0040)), (0.0, (0.1122, 0.0406, 0.0066)), (10.0, (0.1043, 0.0326, 0.0029))],
)
def test_error_rates_of_six_antennas(k_factor, rates):
    """Check 9: mean over Rician fading with MRT, per-antenna SNR 0, 4, 8 dB, within 4 standard errors of the
    sentence means (the bits of a sentence share a channel).
    """
    mapping, rng = mapping_of(64, 2), np.random.default_rng(int(k_factor))
    for snr_db, rate in zip((0.0, 4.0, 8.0), rates):
        expected = float(theory.ber_rician(4, 10.0 ** (snr_db / 10.0), k_factor, 6))
        assert expected == pytest.approx(rate, abs=6e-5)
        payload = mapping.pack(random_words(4000, 64, 2, seed=int(snr_db)))
        h = rician(rng, (4000, 6), k_factor, array_response(rng.uniform(-1.5, 1.5, 4000), 6))
        gain_db = 10.0 * np.log10((np.abs(h) ** 2).sum(axis=1))
        arrived = sent(payload, mapping.num_bits, snr_db + gain_db)
        each = np.unpackbits(payload ^ arrived, axis=1).mean(axis=1)
        assert each.mean() == pytest.approx(expected, abs=4.0 * each.std() / np.sqrt(each.size))


def test_feature_error_at_10_db():
    """Section 3.3: MSE over variance of gamma(2) features. The labels chosen are the best of their number of
    bits. The draw is the specification's in size, not in seed: 4 %.
    """
    features = np.random.default_rng(0).gamma(2.0, 0.5, (1500, 64))
    error = {}
    for bits, gray, planes in ((2, True, False), (2, False, False), (3, False, True), (3, True, False),
                               (3, True, True), (3, False, False)):  # fmt: skip
        quantizer = Sbq("midpoint", bits, threshold(features, "mse", "midpoint", bits))
        mapping = BitMapping(64, bits, gray, planes)
        arrived = sent(mapping.pack(quantizer.encode(features)), mapping.num_bits, 10.0)
        back = quantizer.decode(mapping.unpack(arrived))
        error[bits, gray, planes] = float(np.mean((back - features) ** 2) / features.var())
    expected = (0.312, 0.511, 0.440, 0.519, 0.559, 0.632)
    for key, value in zip(error, expected):
        assert error[key] == pytest.approx(value, rel=0.04)
    for bits in (2, 3):
        chosen = mapping_of(64, bits)
        assert error[bits, chosen.gray, chosen.planes] == min(e for key, e in error.items() if key[0] == bits)


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("gray", [False, True])
def test_kernels_equal_python(bits, gray):
    mapping = BitMapping(13, bits, gray, planes=bits == 3)
    words = random_words(5, 13, bits)
    payload, back = np.zeros((5, mapping.num_bytes), np.uint8), np.zeros_like(words)
    sbq_mapping.pack_kernel.py_func(words, bits, gray, mapping.source, payload)
    np.testing.assert_array_equal(mapping.pack(words), payload)
    sbq_mapping.unpack_kernel.py_func(payload, bits, gray, mapping.source, back)
    np.testing.assert_array_equal(back, words)
    for label in range(16):
        assert sbq_mapping.gray_of.py_func(sbq_mapping.word_of_gray.py_func(label)) == label


def test_bad_input_is_refused():
    mapping = mapping_of(64, 2)
    with pytest.raises(ParameterError, match=r"must be \(sentences, 64\)"):
        mapping.pack(np.zeros((1, 63), np.uint8))
    with pytest.raises(ParameterError, match="word 4: must be < 4"):
        mapping.pack(np.full((1, 64), 4, np.uint8))
    with pytest.raises(ParameterError, match=r"must be \(sentences, 16\)"):
        mapping.unpack(np.zeros((1, 8), np.uint8))
    with pytest.raises(ParameterError, match="bits = 4"):
        mapping_of(64, 4)
    with pytest.raises(ParameterError, match="num_features = 0"):
        mapping_of(0, 1)
