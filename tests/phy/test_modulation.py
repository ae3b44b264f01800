"""Constellations against the formulas of TS 38.211 5.1, written out; demappers against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from phy import modulation, packing
from phy.parameters import ParameterError

ORDERS = modulation.ORDERS


def standard_symbol(b):
    """TS 38.211 5.1.2 to 5.1.6 as printed there."""
    s = [1 - 2 * int(x) for x in b]
    if len(b) == 1:
        return (s[0] + 1j * s[0]) / np.sqrt(2)
    if len(b) == 2:
        return (s[0] + 1j * s[1]) / np.sqrt(2)
    if len(b) == 4:
        return (s[0] * (2 - s[2]) + 1j * s[1] * (2 - s[3])) / np.sqrt(10)
    if len(b) == 6:
        return (s[0] * (4 - s[2] * (2 - s[4])) + 1j * s[1] * (4 - s[3] * (2 - s[5]))) / np.sqrt(42)
    re = s[0] * (8 - s[2] * (4 - s[4] * (2 - s[6])))
    im = s[1] * (8 - s[3] * (4 - s[5] * (2 - s[7])))
    return (re + 1j * im) / np.sqrt(170)


def all_labels(m):
    return (np.arange(1 << m)[:, None] >> np.arange(m - 1, -1, -1)) & 1


@pytest.mark.parametrize("m", ORDERS)
def test_constellation_is_the_standard_one(m):
    expected = np.array([standard_symbol(b) for b in all_labels(m)])
    points = modulation.constellation(m)
    assert np.allclose(points, expected, atol=1e-6)
    assert np.mean(np.abs(points) ** 2) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("m", ORDERS)
def test_neighbours_differ_in_one_bit(m):
    points = modulation.constellation(m).astype(complex)
    distance = np.abs(points[:, None] - points[None, :])
    nearest = distance[distance > 1e-6].min()
    a, b = np.nonzero(np.abs(distance - nearest) < 1e-5)
    assert all(int(x ^ y).bit_count() == 1 for x, y in zip(a, b))


@pytest.mark.parametrize("m", ORDERS)
def test_demap_inverts_map(m):
    bits = np.random.default_rng(m).integers(0, 2, 24 * m * 10).astype(np.uint8)
    assert np.array_equal(modulation.demap_hard(modulation.map_bits(bits, m), m), bits)


def brute_force_llr(y, noise_var, m, exact):
    points = np.array([standard_symbol(b) for b in all_labels(m)])
    metric = -(np.abs(y[:, None] - points) ** 2) / noise_var[:, None]
    out = np.empty((y.size, m))
    for i in range(m):
        zero = all_labels(m)[:, i] == 0
        if exact:
            out[:, i] = np.logaddexp.reduce(metric[:, zero], 1) - np.logaddexp.reduce(metric[:, ~zero], 1)
        else:
            out[:, i] = metric[:, zero].max(1) - metric[:, ~zero].max(1)
    return out.ravel()


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("m", ORDERS)
def test_llrs_equal_the_sum_over_all_points(m, exact):
    rng = np.random.default_rng(m)
    y = ((rng.standard_normal(300) + 1j * rng.standard_normal(300)) * 0.9).astype(np.complex64)
    noise_var = rng.uniform(0.05, 2.0, y.size)
    got = modulation.demap_soft(y, noise_var, m, exact=exact)
    assert np.allclose(got, brute_force_llr(y, noise_var, m, exact), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("m", ORDERS)
def test_hard_decision_is_the_sign_of_the_llr(m):
    rng = np.random.default_rng(m)
    y = (rng.standard_normal(2000) + 1j * rng.standard_normal(2000)).astype(np.complex64)
    hard = modulation.demap_hard(y, m)
    soft = modulation.demap_soft(y, 0.3, m)
    assert np.array_equal(hard, (soft < 0).astype(np.uint8))


@pytest.mark.parametrize("m", ORDERS)
def test_packing_round_trip_and_rest(m):
    rng = np.random.default_rng(m)
    for num_bytes in (0, 1, 2, 3, 5, 24, 25):
        data = rng.integers(0, 256, num_bytes + 4, dtype=np.uint8)
        n = -(-8 * num_bytes // m)
        sym = np.zeros(n + 16, np.uint8)
        packing.unpack_symbols(m, data, 2, num_bytes, n, sym)
        bits = np.zeros(n * m, np.uint8)
        bits[: 8 * num_bytes] = np.unpackbits(data[2 : 2 + num_bytes])
        assert np.array_equal(modulation.bits_from_symbols(sym[:n], m), bits)
        out = np.zeros_like(data)
        packing.pack_symbols(m, sym, num_bytes, out, 2)
        assert np.array_equal(out[2 : 2 + num_bytes], data[2 : 2 + num_bytes])
        assert not out[:2].any() and not out[2 + num_bytes :].any()


def test_wrong_orders_and_lengths_are_refused_in_one_line():
    with pytest.raises(ParameterError, match="bits_per_symbol = 3: must be one of 1, 2, 4, 6, 8"):
        modulation.constellation(3)
    with pytest.raises(ParameterError, match="multiple of 4"):
        modulation.map_bits(np.zeros(6, np.uint8), 4)
