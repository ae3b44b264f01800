"""Block fading from counters: its law, and that a block is the same whatever is drawn around it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from phy.channel import frequency_response
from phy.fading import BlockFading, draw_taps, fill_response
from phy.parameters import ParameterError
from phy.philox import draw_bytes, fill_bytes, random_bytes

BLOCKS = 40_000


def inside(values, expected, deviation):
    """Whether a mean lies within 4 standard errors."""
    return abs(np.mean(values) - expected) < 4.0 * deviation / np.sqrt(values.size)


def test_rayleigh_taps_are_circular_normals_with_their_powers():
    powers = (0.5, 0.3, 0.2)
    taps = BlockFading(num_ant=2, tap_powers=powers, bins=(0,)).taps(1, 0, BLOCKS)
    for l, power in enumerate(powers):
        z = taps[:, :, l].ravel() / np.sqrt(power)
        assert kstest(z.real * np.sqrt(2), "norm").pvalue > 1e-3
        assert kstest(z.imag * np.sqrt(2), "norm").pvalue > 1e-3
        assert inside(np.abs(z) ** 2, 1.0, 1.0)
        assert inside((z**2).real, 0.0, 1.0) and inside((z**2).imag, 0.0, 1.0)
    pairs = [(0, 0, 1, 0), (0, 0, 0, 1), (0, 1, 1, 2)]
    for r, l, r2, l2 in pairs:
        product = taps[:, r, l] * np.conj(taps[:, r2, l2]) / np.sqrt(powers[l] * powers[l2])
        assert inside(product.real, 0.0, np.sqrt(0.5)) and inside(product.imag, 0.0, np.sqrt(0.5))


@pytest.mark.parametrize("k_factor", [0.0, 3.0, 20.0])
def test_energy_and_k_factor(k_factor):
    """E|h|^2 = 1; the second and fourth moments of |h| give K (K = 0: Rayleigh)."""
    h = BlockFading(num_ant=1, k_factor=k_factor).response(2, 0, BLOCKS)[:, 0, 0]
    power = np.abs(h) ** 2
    variance = (1.0 + 2.0 * k_factor) / (1.0 + k_factor) ** 2
    assert inside(power, 1.0, np.sqrt(variance))
    fourth = ((power - power.mean()) ** 2).std()
    assert inside((power - 1.0) ** 2, variance, fourth)


def test_line_of_sight_is_the_array_response_of_a_uniform_angle():
    """Without scatter the phase step from antenna to antenna is 2 pi spacing sin(angle)."""
    h = BlockFading(num_ant=6, k_factor=1e14).response(3, 0, BLOCKS)[:, :, 0]
    assert np.allclose(np.abs(h), 1.0, atol=1e-6) and np.allclose(h[:, 0], 1.0, atol=1e-6)
    step = h[:, 1:] / h[:, :-1]
    assert np.allclose(step, step[:, :1], atol=2e-6)
    angle = np.arcsin(np.clip(np.angle(step[:, 0]) / np.pi, -1.0, 1.0))
    assert kstest(angle / np.pi + 0.5, "uniform").pvalue > 1e-3
    rice = BlockFading(num_ant=6, k_factor=4.0).response(3, 0, BLOCKS)[:, :, 0]
    scatter = rice - h * np.sqrt(0.8)
    assert inside(np.abs(scatter) ** 2, 0.2, 0.2)


def test_response_is_that_of_the_taps():
    fading = BlockFading(
        num_ant=3, k_factor=2.0, tap_powers=(0.6, 0.3, 0.1), fft_size=32, bins=tuple(range(-6, 6))
    )
    taps, h = fading.taps(4, 9, 50), fading.response(4, 9, 50)
    assert np.allclose(h, frequency_response(taps, 32, np.arange(-6, 6)), atol=1e-5)


def test_a_block_does_not_depend_on_its_call():
    fading = BlockFading(num_ant=3, k_factor=2.0, tap_powers=(0.7, 0.3), bins=(0, 5))
    whole = fading.response(5, 1, 900)
    for first, count in ((0, 1), (1, 1), (7, 300), (511, 389)):
        assert np.array_equal(fading.response(5, 1, count, first), whole[first : first + count])
    out = np.empty((4, 3, 2), np.complex64)
    assert fading.response(5, 1, first_block=3, out=out) is out
    assert np.array_equal(out, whole[3:7])
    assert not np.any(fading.response(6, 1, 900) == whole)
    assert not np.any(fading.response(5, 2, 900) == whole)


def test_kernels_equal_their_python_bodies():
    fading = BlockFading(num_ant=2, k_factor=1.0, tap_powers=(0.7, 0.3), bins=(0, 3, 5))
    taps = fading.taps(7, 1, 5)
    plain = np.empty_like(taps)
    memory = np.empty((4, 512), np.uint32), np.empty((2, 1024), np.float32), np.empty(16, np.uint32)
    draw_taps.py_func(np.uint64(7), 1, 0, 0.5, *fading._amplitudes, plain, *memory)
    assert np.allclose(taps, plain, atol=1e-6)
    drawn, plain = np.empty(777, np.uint8), np.empty(777, np.uint8)
    fill_bytes(np.uint64(7), 1, np.uint64(2), drawn)
    draw_bytes.py_func(np.uint64(7), 1, np.uint64(2), plain, np.empty(2048, np.uint32))
    assert np.array_equal(drawn, plain)
    h = np.empty((5, 2, 3), np.complex64)
    fill_response.py_func(taps, *fading._steering, h)
    assert np.allclose(h, fading.response(7, 1, 5), atol=1e-6)


def test_wrong_arguments_are_named():
    with pytest.raises(ParameterError, match="tap_powers"):
        BlockFading(tap_powers=(0.5, 0.4))
    with pytest.raises(ParameterError, match=r"out: must be complex64\[B, 2, 1\]"):
        BlockFading(num_ant=2).response(1, 0, out=np.empty((4, 1, 1), np.complex64))


def test_payload_into_an_array():
    out = np.zeros(40_001, np.uint8)
    assert random_bytes(3, 1, out.size, out) is out
    assert np.array_equal(out, random_bytes(3, 1, out.size))
