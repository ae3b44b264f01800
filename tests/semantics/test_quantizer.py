"""Quantiser: error bound, exact zeros, bit order, packing."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.semantics.quantizer import Quantizer, clip_of, map_sums, pack, unpack
from phy.parameters import ParameterError


@pytest.mark.parametrize("bits", range(1, 9))
def test_round_trip_errs_by_at_most_half_a_step(bits: int) -> None:
    quantizer = Quantizer(3.7, bits)
    x = np.random.default_rng(1).uniform(0, 3.7, 10_000).astype(np.float32)
    back = quantizer.decode(quantizer.encode(x))
    assert back.dtype == np.float32
    assert np.abs(back - x).max() <= quantizer.step / 2 * (1 + 1e-5)
    assert np.abs(back - x).max() > quantizer.step / 2 * 0.98, "the bound is tight"


def test_ends_are_exact_and_outside_is_clipped() -> None:
    quantizer = Quantizer(2.0)
    codes = quantizer.encode(np.array([-1.0, 0.0, 2.0, 7.0], np.float32))
    assert codes.tolist() == [0, 0, 255, 255]
    assert quantizer.decode(codes).tolist() == pytest.approx([0.0, 0.0, 2.0, 2.0])


def test_every_code_survives_decoding_and_encoding() -> None:
    for bits in range(1, 9):
        codes = np.arange(2**bits, dtype=np.uint8)
        quantizer = Quantizer(0.37, bits)
        np.testing.assert_array_equal(quantizer.encode(quantizer.decode(codes)), codes)


def test_narrowed_codes_equal_direct_quantisation_of_the_levels() -> None:
    wide = Quantizer(1.0)
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(wide.narrowed(codes, 3), Quantizer(1.0, 3).encode(wide.decode(codes)))


@pytest.mark.parametrize("bits", range(1, 9))
def test_bits_are_natural_binary_msb_first_without_gaps(bits: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, 1001, dtype=np.uint8)
    payload = pack(codes, bits)
    text = "".join(format(int(c), f"0{bits}b") for c in codes)
    assert np.unpackbits(payload)[: len(text)].tolist() == [int(b) for b in text]
    assert payload.size == -(-1001 * bits // 8)
    np.testing.assert_array_equal(unpack(payload, bits, 1001), codes)


def test_too_short_payload_is_refused() -> None:
    with pytest.raises(ParameterError, match="must hold 49 codes of 6 bits"):
        unpack(np.zeros(36, np.uint8), 6, 49)


@pytest.mark.parametrize(("clip", "bits"), [(0.0, 8), (np.nan, 8), (np.inf, 8), (1.0, 0), (1.0, 9)])
def test_bad_quantiser_is_refused(clip: float, bits: int) -> None:
    with pytest.raises(ParameterError, match="must be"):
        Quantizer(clip, bits)


def test_clip_leaves_a_thousandth_above() -> None:
    x = np.random.default_rng(2).exponential(1.0, 200_000).astype(np.float32)
    assert np.mean(x > clip_of(x)) == pytest.approx(1e-3, rel=0.01)


def test_map_sums_kernel_equals_python() -> None:
    codes = np.random.default_rng(3).integers(0, 256, 7 * 49, dtype=np.uint8)
    sums, plain = np.empty(7, np.float32), np.empty(7, np.float32)
    map_sums(codes, 49, sums)
    map_sums.py_func(codes, 49, plain)
    np.testing.assert_array_equal(sums, codes.reshape(7, 49).sum(1))
    np.testing.assert_array_equal(plain, sums)
