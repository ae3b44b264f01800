"""Philox4x32-10 against the published vectors and a NumPy implementation; Box-Muller against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from phy import philox

# known answers of the Random123 distribution (kat_vectors, philox4x32, 10 rounds)
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def python_philox(counter, key):
    """The rounds as in the paper, with Python integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 % 2**32, (p0 >> 32) ^ c[3] ^ k[1], p0 % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return tuple(c)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter, key, expected):
    u = np.uint64
    got = philox.philox4x32(*(u(c) for c in counter), *(u(k) for k in key))
    assert tuple(int(w) for w in got) == expected
    assert python_philox(counter, key) == expected
    plain = philox.philox4x32.py_func(*(u(c) for c in counter), *(u(k) for k in key))
    assert tuple(int(w) for w in plain) == expected


def test_words_are_the_counter_blocks():
    key, slot = 0x0123456789ABCDEF, (5 << 32) + 9
    out = np.empty(40, np.uint32)
    philox.words(np.uint64(key), np.int64(slot), np.uint64(3), np.int64(7), np.int64(10), out)
    expected = [w for n in range(10) for w in python_philox((7 + n, 9, 5, 3), (key % 2**32, key >> 32))]
    assert out.tolist() == expected


def test_normals_follow_the_box_muller_formula():
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**32, (2, 4000), dtype=np.uint32)
    words[:, :4] = [[0, 0xFFFFFFFF, 1, 0x80000000], [0, 0xFFFFFFFF, 0x20000000, 0x7FFFFFFF]]
    for wr, wt in words.T:
        u = min((float(np.float32(wr)) + 0.5) / 2**32, 1.0)
        radius = np.sqrt(-2.0 * np.log(u))
        octant = ((int(wt) & 0x1FFFFFFF) + 0.5) / 2**29 * np.pi / 4
        a, b = np.cos(octant), np.sin(octant)
        if int(wt) & 0x20000000:
            a, b = b, a
        a *= -1 if int(wt) & 0x40000000 else 1
        b *= -1 if int(wt) & 0x80000000 else 1
        x, y = philox.box_muller(wr, wt)
        # next to u = 1 the float32 uniform itself is rounded to 2^-24, hence the absolute tolerance
        assert x == pytest.approx(radius * a, rel=2e-6, abs=3e-4)
        assert y == pytest.approx(radius * b, rel=2e-6, abs=3e-4)


def test_noise_is_standard_normal_and_white():
    z = philox.complex_normals(key=11, slot=3, lane=0, first=0, count=400_000)
    for part in (z.real, z.imag):
        assert kstest(part, "norm").pvalue > 1e-3
        assert abs(part.var() - 1.0) < 4.0 * np.sqrt(2.0 / z.size)
        assert abs(np.mean(part[1:] * part[:-1])) < 4.0 / np.sqrt(z.size)
    assert abs(np.mean(z.real * z.imag)) < 4.0 / np.sqrt(z.size)
    assert abs(np.mean(z.real**2 * z.imag**2) - 1.0) < 4.0 * np.sqrt(8.0 / z.size)


def test_tail_probabilities_to_four_sigma():
    z = philox.complex_normals(key=12, slot=0, lane=0, first=0, count=4_000_000)
    for level in (3.0, 4.0):
        expected = 2.0 * norm.sf(level) * 2 * z.size
        count = np.count_nonzero(np.abs(z.real) > level) + np.count_nonzero(np.abs(z.imag) > level)
        assert abs(count - expected) < 4.0 * np.sqrt(expected)


def test_an_element_has_its_noise_whatever_is_drawn_around_it():
    whole = philox.complex_normals(key=5, slot=8, lane=0, first=0, count=3000)
    for first, count in ((0, 1), (1, 1), (7, 1016), (1015, 3), (2999, 1), (11, 0)):
        part = philox.complex_normals(key=5, slot=8, lane=0, first=first, count=count)
        assert np.array_equal(part, whole[first : first + count])
    for key, slot, lane in ((6, 8, 0), (5, 9, 0), (5, 8, 1)):
        assert not np.any(philox.complex_normals(key, slot, lane, first=0, count=3000) == whole)


def test_key_and_slot_use_all_their_bits():
    base = philox.complex_normals(key=5, slot=8, lane=0, first=0, count=16)
    assert not np.array_equal(philox.complex_normals(5 + 2**63, 8, 0, 0, 16), base)
    assert not np.array_equal(philox.complex_normals(5, 8 + 2**40, 0, 0, 16), base)


def test_random_bytes_are_reproducible_prefixes():
    a, b = philox.random_bytes(3, 1, 1000), philox.random_bytes(3, 1, 17)
    assert np.array_equal(a[:17], b)
    assert abs(np.unpackbits(a).mean() - 0.5) < 4 * 0.5 / np.sqrt(8000)
