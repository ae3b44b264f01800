"""Error injection and tables: the same law as the Gaussian path."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from phy import channel, theory
from phy.bursts import Bursts
from phy.injection import transmit_injected
from phy.injection_kernels import _NEIGHBOURS, draw_events, several_below
from phy.link import transmit_bit
from phy.parameters import ParameterError
from phy.qam import rail_bits, rail_level
from phy.table import BerTable, measure_ber_table, transmit_table

LEVEL_OF_BITS = np.array([1, 3, -1, -3])  # (b0, b2) of 16-QAM: 00, 01, 10, 11


def rail_levels(payload):
    bits = np.unpackbits(payload).reshape(-1, 4)
    rails = np.concatenate([2 * bits[:, 0] + bits[:, 2], 2 * bits[:, 1] + bits[:, 3]])
    return (LEVEL_OF_BITS[rails] + 3) // 2


def transition_counts(sent, received):
    table = np.zeros((4, 4), int)
    np.add.at(table, (rail_levels(sent), rail_levels(received)), 1)
    return table


def exact_transitions(snr_db):
    """P(received level | sent level) of a 4-PAM rail."""
    sigma = np.sqrt(10 / (2 * 10 ** (snr_db / 10)))
    levels, edges = np.array([-3, -1, 1, 3]), np.array([-np.inf, -2, 0, 2, np.inf])
    return np.diff(norm.cdf((edges[None, :] - levels[:, None]) / sigma), axis=1)


PATHS = {
    "gaussian": transmit_bit,
    "injected": lambda b: transmit_injected(b, sparse_below=1.1),
}


@pytest.mark.parametrize("snr_db", [4, 10, 15])
@pytest.mark.parametrize("path", PATHS)
def test_the_level_transition_table_is_exact(make_bursts, path, snr_db):
    """All sixteen entries, for the Gaussian path and for injection, at a family-wise level of
    1e-3.
    """
    bursts = make_bursts(4, snr_db, 400_000, slot=snr_db)
    got = transition_counts(bursts.payload, PATHS[path](bursts).payload)
    expected = exact_transitions(snr_db) * got.sum(axis=1, keepdims=True)
    keep = expected > 5.0
    z = (got - expected)[keep] / np.sqrt(expected * (1 - exact_transitions(snr_db)))[keep]
    assert np.abs(z).max() < norm.isf(0.5e-3 / 16 / 6)
    assert np.all(got[~keep] < 40)


@pytest.mark.parametrize("m", [2, 4, 6, 8])
@pytest.mark.parametrize("rail", [0, 1])
def test_moves_to_the_neighbouring_level_are_those_of_the_slicer(m, rail):
    for symbol in range(1 << m):
        level = rail_level(m, np.int32(symbol), rail)
        for down in (0, 1):
            decided = rail_bits(m, np.float32(level + 2 - 4 * down), rail)
            of_rail = 0xAA if rail == 0 else 0x55  # b0 is the most significant of an even number of bits
            assert _NEIGHBOURS[m, 2 * rail + down, symbol] == (decided ^ symbol) & of_rail


def test_moves_over_several_levels_are_not_missed():
    q = np.concatenate([np.geomspace(1e-12, 0.05, 2000), np.linspace(0.05, 0.5, 200)])
    bound = np.array([several_below.py_func(x) for x in q])
    assert np.all(norm.sf(3.0 * norm.isf(q)) <= bound)


def test_gaps_are_geometric_and_their_logarithm_exact():
    raw, gap = np.empty((4, 16), np.uint32), np.empty(32)
    p = 0.01
    gaps, words = [], []
    for block in range(0, 16 * 4000, 16):
        draw_events(np.uint64(block), 16, np.uint64(1), np.uint64(2), 1 / np.log1p(-p), raw, gap)
        gaps.append(gap.copy())
        words.append(raw[[0, 2]].reshape(-1).copy())
    gap, word = np.concatenate(gaps), np.concatenate(words)
    exact = np.log((word + 0.5) / 2.0**32) / np.log1p(-p)
    assert np.max(np.abs(gap / exact - 1.0)) < 3e-7
    counts = np.bincount(np.minimum(gap.astype(int), 400), minlength=401)
    expected = np.append(p * (1 - p) ** np.arange(400), (1 - p) ** 400) * gap.size
    z = (counts - expected) / np.sqrt(expected)
    assert np.abs(z).max() < norm.isf(0.5e-3 / 401) and abs((z**2).sum() - 400) < 5 * np.sqrt(800)


def test_frequent_errors_take_the_gaussian_path(make_bursts):
    bursts = make_bursts(4, 4.0, 4000)
    assert np.array_equal(transmit_injected(bursts).payload, transmit_bit(bursts).payload)
    rare = make_bursts(4, 20.0, 4000)
    assert not np.array_equal(transmit_injected(bursts, 1.1).payload, transmit_bit(bursts).payload)
    assert transmit_injected(rare).num_bit_errors[0] < 5


@pytest.mark.parametrize("width", [1, 12])
@pytest.mark.parametrize("sparse_below", [0.0, 0.1, 1.1])
@pytest.mark.parametrize("m", [1, 2, 4, 6, 8])
def test_ber_given_the_channel(make_bursts, m, sparse_below, width):
    rng = np.random.default_rng(m)
    num_bursts, n, snr_db = 8, 24_000, {1: 0, 2: 3, 4: 10, 6: 16, 8: 21}[m]
    h = channel.rician(rng, (num_bursts, 2, width), 5.0)
    bursts = make_bursts(m, snr_db - 3, n, h=h, num_bursts=num_bursts)
    received = transmit_injected(bursts, sparse_below)
    snr = 10.0 ** (snr_db / 10 - 0.3) * (np.abs(h) ** 2).sum(axis=1)
    expected = theory.ber_awgn(m, snr).mean(axis=1) * n * m
    assert np.all(np.abs(received.num_bit_errors - expected) < 5.0 * np.sqrt(expected))
    assert abs((received.num_bit_errors - expected).sum()) < 4.0 * np.sqrt(expected.sum())
    assert np.allclose(received.snr_db, 10 * np.log10(snr.mean(axis=1)), atol=1e-4)
    wrong = np.unpackbits(received.payload ^ bursts.payload).reshape(num_bursts, -1).sum(axis=1)
    assert np.array_equal(wrong, received.num_bit_errors)


def test_injection_ignores_threads_and_grouping(make_bursts):
    h = channel.rician(np.random.default_rng(1), (6, 1, 3), 2.0)
    bursts = make_bursts(4, 14.0, 4000, h=h, num_bursts=6)
    whole = transmit_injected(bursts)
    assert np.array_equal(transmit_injected(bursts, threads=4).payload, whole.payload)
    for i in range(6):
        names = (
            "offset",
            "num_bits",
            "bits_per_symbol",
            "es",
            "first_symbol",
            "key",
            "slot",
            "num_subcarriers",
        )
        one = {name: getattr(bursts, name)[i : i + 1] for name in names}
        alone = transmit_injected(Bursts(payload=bursts.payload, h=bursts.h[i : i + 1], n0=1.0, **one))
        assert alone.num_bit_errors[0] == whole.num_bit_errors[i]


@pytest.mark.parametrize("m", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("sparse_below", [0.0, 1.1])
def test_padding_bits_stay_as_sent(m, sparse_below):
    """A burst of 13 bits in two bytes: the last three bits of the second byte are never touched."""
    one = np.ones(400, np.int64)
    bursts = Bursts(
        payload=np.random.default_rng(1).integers(0, 256, 800, dtype=np.uint8),
        offset=np.arange(400) * 2,
        num_bits=13 * one,
        bits_per_symbol=m * one,
        h=np.ones((400, 1, 1), np.complex64),
        es=np.ones(400),
        n0=1.0,
        first_symbol=0 * one,
        key=np.arange(400).astype(np.uint64),
        slot=0 * one,
    )
    received = transmit_injected(bursts, sparse_below)
    changed = np.unpackbits(received.payload ^ bursts.payload).reshape(400, 16)
    assert not changed[:, 13:].any()
    assert changed[:, 12].any() and changed[:, 0].any()
    assert np.array_equal(changed.sum(axis=1), received.num_bit_errors)


@pytest.fixture(scope="module")
def table() -> BerTable:
    return measure_ber_table(4, np.arange(-6.0, 21.0, 1.0), 1_000_000, key=9)


def test_table_counts_lie_in_their_interval(table):
    low, high = table.interval(1 - 1e-3 / table.errors.size)
    exact = theory.ber_awgn(4, 10 ** (table.snr_db / 10), per_bit=True)
    assert np.all((low <= exact) & (exact <= high))


def test_interpolation_is_monotone_and_close(table):
    x = np.linspace(-6, 14, 401)
    ber = table.ber(x)
    exact = theory.ber_awgn(4, 10 ** (x / 10), per_bit=True)
    assert np.all(np.diff(ber, axis=0) <= 0)
    assert np.allclose(ber, exact, rtol=0.08)
    assert np.all(table.ber(-40.0) == table.ber(-6.0))
    assert np.all(table.ber(30.0) == 0.0)


def test_table_level_flips_bits_at_the_rates_of_the_table(make_bursts, table):
    for snr_db in (2.3, 9.7):
        bursts = make_bursts(4, snr_db, 200_000)
        received = transmit_table(bursts, table)
        wrong = np.unpackbits(received.payload ^ bursts.payload).reshape(-1, 4)
        rate = table.ber(snr_db)
        assert np.all(np.abs(wrong.mean(axis=0) - rate) < 4.0 * np.sqrt(rate / wrong.shape[0]))
        assert wrong.sum() == received.num_bit_errors[0]
        assert received.snr_db[0] == pytest.approx(snr_db, abs=1e-6)
    # flips of different positions are independent draws
    assert abs(np.corrcoef(wrong[:, 0], wrong[:, 2])[0, 1]) < 4.0 / np.sqrt(wrong.shape[0])
    silent = Bursts(**{**vars(bursts), "n0": 0.0})
    assert transmit_table(silent, table).num_bit_errors[0] == 0


def test_table_of_another_order_is_refused(make_bursts, table):
    with pytest.raises(ParameterError, match="the table holds 4 bits per symbol only"):
        transmit_table(make_bursts(6, 3.0, 80), table)
    with pytest.raises(ParameterError, match="must be increasing"):
        BerTable(4, np.array([1.0, 1.0]), np.zeros((2, 4), np.int64), np.ones(2, np.int64))
