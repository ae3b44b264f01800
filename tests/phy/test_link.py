"""Level `bit`: BER inside binomial intervals of the closed forms, and a gate that notices 0.2 dB."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from phy import channel, theory
from phy.bursts import Bursts, burst_bits
from phy.link import demap_llr, equalised_symbols, transmit_bit, transmit_bit_given
from phy.modulation import bits_from_symbols, constellation, demap_hard, demap_soft
from phy.parameters import ParameterError
from phy.philox import LANE_RE_NOISE, complex_normals

NUM_SYMBOLS = 400_000
K_FACTOR, NUM_ANT = 3.0, 6
# eight SNRs (dB per antenna) for each order, spread over the waterfall
POINTS = {
    ("awgn", 2): range(-4, 11, 2),
    ("awgn", 4): range(0, 15, 2),
    ("awgn", 6): range(4, 19, 2),
    ("rayleigh", 2): range(-4, 25, 4),
    ("rayleigh", 4): range(0, 29, 4),
    ("rayleigh", 6): range(4, 33, 4),
    ("rician", 2): range(-14, 1, 2),
    ("rician", 4): range(-8, 7, 2),
    ("rician", 6): range(-3, 12, 2),
}


@cache
def fading(model):
    """A fresh channel for every symbol, so that errors in different symbols are independent."""
    rng = np.random.default_rng(7)
    if model == "awgn":
        return np.ones((1, 1, 1))
    if model == "rayleigh":
        return channel.rayleigh(rng, (1, 1, NUM_SYMBOLS)).astype(np.complex64)
    los = channel.array_response(rng.uniform(-np.pi / 2, np.pi / 2, NUM_SYMBOLS), NUM_ANT)
    h = channel.rician(rng, (1, NUM_SYMBOLS, NUM_ANT), K_FACTOR, los)
    return np.ascontiguousarray(h.transpose(0, 2, 1), np.complex64)


def closed_form(model, m, snr):
    if model == "awgn":
        return float(theory.ber_awgn(m, snr))
    if model == "rayleigh":
        return float(theory.ber_rayleigh(m, snr))
    return float(theory.ber_rician(m, snr, K_FACTOR, NUM_ANT))


@pytest.fixture
def points_outside(make_bursts, one_bit_per_symbol, inside_binomial):
    """The gate: SNRs at which the measured BER leaves its 99.9 % interval, with an optional fault in dB."""

    def gate(model: str, m: int, fault_db: float = 0.0) -> list[int]:
        outside = []
        for snr_db in POINTS[model, m]:
            bursts = make_bursts(
                m, snr_db + fault_db, NUM_SYMBOLS, h=fading(model), key=100 + m, slot=snr_db + 50
            )
            wrong = one_bit_per_symbol(transmit_bit(bursts).payload ^ bursts.payload, m)
            if not inside_binomial(wrong, NUM_SYMBOLS, closed_form(model, m, 10.0 ** (snr_db / 10.0))):
                outside.append(snr_db)
        return outside

    return gate


@pytest.mark.parametrize(("model", "m"), list(POINTS))
def test_ber_is_inside_the_interval_of_the_closed_form(points_outside, model, m):
    assert points_outside(model, m) == []


@pytest.mark.parametrize("fault_db", [0.2, -0.2])
@pytest.mark.parametrize(("model", "m"), list(POINTS))
def test_the_same_gate_notices_two_tenths_of_a_decibel(points_outside, model, m, fault_db):
    assert points_outside(model, m, fault_db) != []


@pytest.mark.parametrize("m", [1, 8])
def test_bpsk_and_256_qam(make_bursts, one_bit_per_symbol, inside_binomial, m):
    for snr_db in (-2, 2, 6, 18, 24):
        bursts = make_bursts(m, snr_db, NUM_SYMBOLS, slot=snr_db + 50)
        wrong = one_bit_per_symbol(transmit_bit(bursts).payload ^ bursts.payload, m)
        assert inside_binomial(wrong, NUM_SYMBOLS, float(theory.ber_awgn(m, 10.0 ** (snr_db / 10.0))))


@pytest.mark.parametrize("m", [4, 6, 8])
def test_ber_of_every_bit_position(make_bursts, inside_binomial, m):
    snr_db = {4: 10, 6: 15, 8: 20}[m]
    bursts = make_bursts(m, snr_db, NUM_SYMBOLS)
    wrong = np.unpackbits(transmit_bit(bursts).payload ^ bursts.payload).reshape(-1, m).sum(axis=0)
    expected = theory.ber_awgn(m, 10.0 ** (snr_db / 10.0), per_bit=True)
    assert all(inside_binomial(int(w), NUM_SYMBOLS, float(p)) for w, p in zip(wrong, expected))


def test_block_fading_matches_the_expectation_given_the_drawn_channel(make_bursts):
    """Few blocks: compare with the BER conditional on h, which removes the spread of the fading."""
    rng = np.random.default_rng(3)
    num_bursts, n = 64, 8000
    h = channel.rician(rng, (num_bursts, 2, 1), 1.0)
    bursts = make_bursts(4, 7.0, n, h=h, num_bursts=num_bursts)
    received = transmit_bit(bursts)
    snr = 10.0**0.7 * (np.abs(h) ** 2).sum(axis=(1, 2))
    assert np.allclose(received.snr_db, 10.0 * np.log10(snr), atol=1e-4)
    expected = theory.ber_awgn(4, snr) * 4 * n
    # bits of one rail exclude each other partly, so the binomial variance is an upper bound
    z = (received.num_bit_errors - expected) / np.sqrt(expected)
    assert np.all(np.abs(z) < 4.5)
    assert abs(z.sum()) / np.sqrt(num_bursts) < 3.3


def mixed_bursts(seed: int = 1) -> Bursts:
    """Bursts of all orders, odd lengths, different widths, starting anywhere."""
    rng = np.random.default_rng(seed)
    num_bits = np.array([1003, 64, 17, 0, 20001, 5, 24387, 7], np.int64)
    num_bytes = (num_bits + 7) // 8
    size = num_bits.size
    return Bursts(
        payload=rng.integers(0, 256, num_bytes.sum(), dtype=np.uint8),
        offset=np.concatenate([[0], np.cumsum(num_bytes)[:-1]]).astype(np.int64),
        num_bits=num_bits,
        bits_per_symbol=np.array([4, 1, 6, 4, 8, 2, 6, 4], np.int64),
        h=channel.rayleigh(rng, (size, 2, 24)).astype(np.complex64),
        es=rng.uniform(5.0, 50.0, size),
        n0=1.0,
        first_symbol=rng.integers(0, 100, size),
        key=rng.integers(0, 2**63, size).astype(np.uint64),
        slot=rng.integers(0, 9, size),
        num_subcarriers=rng.integers(1, 25, size),
    )


def test_chain_equals_its_numpy_reference():
    """Kernel decisions = NumPy map, noise, equalise, demap of the same noise."""
    b = mixed_bursts()
    received = transmit_bit(b)
    y, noise_var, start, snr_db = equalised_symbols(b)
    soft = demap_llr(b)
    for i in range(b.size):
        part = slice(start[i], start[i + 1])
        n, m, o = int(b.num_bits[i]), int(b.bits_per_symbol[i]), int(b.offset[i])
        bits = np.unpackbits(received.payload[o : o + (n + 7) // 8])[:n]
        assert np.array_equal(bits, demap_hard(y[part], m)[:n])
        assert received.num_bit_errors[i] == np.count_nonzero(bits != burst_bits(b, i))
        llr = soft.llr[soft.start[i] : soft.start[i + 1]]
        assert np.allclose(llr, demap_soft(y[part], noise_var[part], m)[:n], rtol=1e-2, atol=2e-2)
        assert np.array_equal(llr < 0, bits == 1)
    sent = b.num_bits > 0
    assert np.allclose(received.snr_db[sent], snr_db[sent], atol=1e-5)
    assert np.allclose(soft.snr_db[sent], snr_db[sent], atol=1e-5)


def test_exact_llrs_go_through_the_same_chain():
    b = mixed_bursts()
    exact, maxlog = demap_llr(b, exact=True), demap_llr(b)
    assert np.array_equal(exact.start, maxlog.start)
    # the approximation only turns the sign of bits that are nearly undecided
    differ = (exact.llr < 0) != (maxlog.llr < 0)
    assert 0 < np.mean(differ) < 0.05
    assert np.all(np.abs(exact.llr[differ]) < 1.0)


def test_given_noise_gives_the_same_decisions():
    b = mixed_bursts()
    noise = np.concatenate(
        [
            complex_normals(int(b.key[i]), int(b.slot[i]), int(LANE_RE_NOISE), int(b.first_symbol[i]), int(n))
            for i, n in enumerate(b.num_symbols())
        ]
    ) * np.float32(np.sqrt(0.5))
    drawn, given = transmit_bit(b), transmit_bit_given(b, noise.astype(np.complex64))
    assert np.array_equal(drawn.payload, given.payload)
    assert np.array_equal(drawn.num_bit_errors, given.num_bit_errors)


def select(b: Bursts, index: list[int]) -> Bursts:
    i = np.array(index)
    names = ("offset", "num_bits", "bits_per_symbol", "es", "first_symbol", "key", "slot", "num_subcarriers")
    rest = {name: getattr(b, name)[i] for name in names}
    return Bursts(payload=b.payload, h=b.h[i], n0=b.n0, **rest)


def test_results_ignore_threads_and_grouping():
    b = mixed_bursts()
    whole = transmit_bit(b)
    for threads in (2, 3, 7):
        again = transmit_bit(b, threads=threads)
        assert np.array_equal(again.payload, whole.payload)
        assert np.array_equal(again.num_bit_errors, whole.num_bit_errors)
    assert np.array_equal(demap_llr(b, threads=3).llr, demap_llr(b).llr)
    for order in ([[7, 3, 1], [0, 2], [4, 5, 6]], [[i] for i in range(b.size)]):
        errors = np.zeros(b.size, np.int64)
        for group in order:
            errors[group] = transmit_bit(select(b, group)).num_bit_errors
        assert np.array_equal(errors, whole.num_bit_errors)


def test_a_packet_cut_in_two_bursts_sees_the_same_noise(make_bursts):
    whole = make_bursts(4, 6.0, 4096)
    cut = Bursts(
        payload=whole.payload,
        offset=np.array([0, 999], np.int64),
        num_bits=np.array([999 * 8, (2048 - 999) * 8], np.int64),
        bits_per_symbol=np.array([4, 4], np.int64),
        h=np.ones((2, 1, 1), np.complex64),
        es=np.repeat(whole.es, 2),
        n0=1.0,
        first_symbol=np.array([0, 999 * 2], np.int64),
        key=np.repeat(whole.key, 2),
        slot=np.repeat(whole.slot, 2),
    )
    assert np.array_equal(transmit_bit(cut).payload, transmit_bit(whole).payload)


def test_noise_energy_is_n0_per_symbol(make_bursts):
    """Es/n0 = 1: the equalised symbols scatter by n0/es around the constellation, half in each dimension."""
    b = make_bursts(2, 0.0, 80_000)
    y, noise_var, _, _ = equalised_symbols(b)
    sent = constellation(2)[np.unpackbits(b.payload).reshape(-1, 2) @ [2, 1]]
    n = (y - sent).astype(np.complex128)
    assert np.all(noise_var == 1.0)
    assert abs(np.mean(np.abs(n) ** 2) - 1.0) < 4.0 / np.sqrt(n.size)
    assert abs(n.real.var() - 0.5) < 4.0 * 0.5 * np.sqrt(2.0 / n.size)
    assert np.array_equal(bits_from_symbols(np.array([2], np.uint8), 2), [1, 0])


def test_noise_free_and_faded_out_bursts(make_bursts):
    b = make_bursts(6, 0.0, 480)
    silent = Bursts(**{**vars(b), "n0": 0.0})
    assert transmit_bit(silent).num_bit_errors[0] == 0
    assert np.array_equal(demap_llr(silent).llr < 0, np.unpackbits(b.payload) == 1)
    dark = Bursts(**{**vars(b), "h": np.zeros((1, 1, 1), np.complex64)})
    assert abs(transmit_bit(dark).num_bit_errors[0] / 2880 - 0.5) < 0.05
    assert transmit_bit(dark).snr_db[0] == -np.inf
    assert np.all(np.abs(demap_llr(dark).llr) < 1e-3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("bits_per_symbol", 3, r"Bursts.bits_per_symbol\[0\] = 3: must be one of 1, 2, 4, 6, 8"),
        ("num_bits", 10**6, r"Bursts.num_bits\[0\] = 1000000: the burst must lie within the payload"),
        ("offset", -1, "must lie within the payload"),
        ("slot", -1, r"Bursts.slot\[0\] = -1: must be >= 0"),
        ("first_symbol", -2, "must be >= 0"),
        ("num_subcarriers", 2, r"must be in \[1, F"),
        ("es", np.nan, r"Bursts.es\[0\] = nan: must be >= 0 and finite"),
    ],
)
def test_bad_values_are_named(make_bursts, field, value, message):
    b = make_bursts(4, 0.0, 80)
    bad = Bursts(**{**vars(b), field: np.full_like(getattr(b, field), value)})
    with pytest.raises(ParameterError, match=message):
        transmit_bit(bad)


def test_bad_arrays_are_named(make_bursts):
    b = make_bursts(4, 0.0, 80)
    with pytest.raises(
        ParameterError, match=r"Bursts\.es is int64 array: must be a C-contiguous float64 array"
    ):
        Bursts(**{**vars(b), "es": np.array([1])})
    with pytest.raises(ParameterError, match=r"Bursts.h has shape \(1, 1\)"):
        Bursts(**{**vars(b), "h": np.ones((1, 1), np.complex64)})
    with pytest.raises(ParameterError, match=r"Bursts\.n0 = -1"):
        Bursts(**{**vars(b), "n0": -1.0})
