"""Superposed cells: real interference, checked against the exact eye-opening rule, theory and the sample
level.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erfc

from phy import beamforming, theory
from phy.bursts import Bursts
from phy.cells import (
    beam_amplitudes,
    cell_amplitudes,
    combiner_amplitudes,
    delay_phases,
    demap_cells,
    transmit_cells,
    transmit_cells_waveform,
)
from phy.channel import rayleigh
from phy.link import demap_llr, transmit_bit
from phy.modulation import demap_soft, map_bits
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.philox import LANE_RE_NOISE, complex_normals, random_bytes


def cell_bursts(num_cells: int, num_symbols: int, n0: float, per_cell: int = 1, m: int = 4, es: float = 1.0):
    size = num_cells * per_cell
    num_bytes = num_symbols * m // 8
    index = np.arange(size, dtype=np.int64)
    bursts = Bursts(
        payload=random_bytes(3, 0, size * num_bytes),
        offset=index * num_bytes,
        num_bits=0 * index + 8 * num_bytes,
        bits_per_symbol=0 * index + m,
        h=np.ones((size, 1, 1), np.complex64),
        es=np.full(size, es),
        n0=n0,
        first_symbol=index % per_cell * num_symbols,
        key=(index // per_cell + 10).astype(np.uint64),
        slot=0 * index,
    )
    return bursts, index // per_cell


def equal_interferers(count: int, sir_db: float, rng) -> np.ndarray:
    """Receiver 0 with unit amplitude and `count` equal interferers of random phase."""
    a = np.zeros((count + 1, count + 1, 1), np.complex64)
    a[:, :, 0] = np.eye(count + 1)
    a[0, 1:, 0] = np.sqrt(10 ** (-sir_db / 10) / count) * np.exp(2j * np.pi * rng.random(count))
    return a


@pytest.mark.parametrize("count", [1, 2])
def test_error_free_exactly_above_the_eye_opening_sir(count):
    """N equal 16-QAM interferers, no noise: error-free for every phase iff SIR > 12.55 dB + 10 log10 N.

    The worst case needs all interferers at a corner pointing along a rail: phases are set to 45 degrees.
    """
    threshold = 20 * np.log10(np.sqrt(1.8) * np.sqrt(10)) + 10 * np.log10(count)
    bursts, cell = cell_bursts(count + 1, 20_000, n0=0.0)
    for offset_db, error_free in ((0.05, True), (-0.05, False)):
        a = equal_interferers(count, threshold + offset_db, np.random.default_rng(1))
        a[0, 1:, 0] = np.abs(a[0, 1:, 0]) * np.exp(0.25j * np.pi)
        received, _ = transmit_cells(bursts, cell, a)
        assert (received.num_bit_errors[0] == 0) == error_free
        assert np.all(received.num_bit_errors[1:] == 0)


def test_without_interference_it_is_level_bit():
    bursts, cell = cell_bursts(3, 2000, n0=1.0, per_cell=2, es=12.0)
    amplitude = np.sqrt(12.0).astype(np.float32) * np.eye(3)[:, :, None].astype(np.complex64)
    received, measured_db = transmit_cells(bursts, cell, amplitude)
    expected = transmit_bit(bursts)
    assert np.array_equal(received.payload, expected.payload)
    assert np.allclose(received.snr_db, expected.snr_db, atol=1e-4)
    assert np.allclose(measured_db, received.snr_db, atol=5 * 10 / np.log(10) / np.sqrt(2000))


@pytest.mark.parametrize("m", [1, 2, 4, 6])
def test_llrs_take_the_interference_for_noise(m):
    """Against NumPy: the superposed symbols, demapped with n0 + power of the cells that send there."""
    rng = np.random.default_rng(m)
    bursts, cell = cell_bursts(3, 240, n0=0.02, m=m)
    bursts = Bursts(**{**vars(bursts), "first_symbol": np.array([10, 3, 100], np.int64)})
    a = rayleigh(rng, (3, 3, 7)).astype(np.complex64) * np.float32(0.3) + np.eye(3)[:, :, None]
    a = np.ascontiguousarray(a, np.complex64)
    soft = demap_cells(bursts, cell, a)
    hard, _ = transmit_cells(bursts, cell, a)
    decided = np.concatenate([np.unpackbits(part) for part in hard.payload.reshape(3, -1)])
    assert np.array_equal(soft.llr < 0, decided == 1)
    assert np.array_equal(soft.snr_db, hard.snr_db)
    grid = np.zeros((3, 400), complex)
    for j in range(3):
        bits = np.unpackbits(bursts.payload.reshape(3, -1)[j])
        at = int(bursts.first_symbol[j])
        grid[j, at : at + 240] = map_bits(bits, m)
    for i in range(3):
        at = int(bursts.first_symbol[i])
        where = np.arange(at, at + 240)
        gain = a[i][:, where % 7]
        noise = complex_normals(int(bursts.key[i]), 0, int(LANE_RE_NOISE), at, 240) * np.sqrt(0.01)
        # the kernel draws the noise after the rotation by the own channel
        y = (gain * grid[:, where]).sum(axis=0) / gain[i] + noise / np.abs(gain[i])
        others = (np.abs(gain) ** 2 * (grid[:, where] != 0)).sum(axis=0) - np.abs(gain[i]) ** 2
        expected = demap_soft(y, (0.02 + others) / np.abs(gain[i]) ** 2, m)
        got = soft.llr[soft.start[i] : soft.start[i + 1]]
        assert np.allclose(got, expected, rtol=2e-3, atol=2e-3)


def test_llrs_without_interference_are_those_of_level_bit():
    bursts, cell = cell_bursts(3, 2000, n0=1.0, per_cell=2, es=12.0)
    amplitude = np.sqrt(12.0).astype(np.float32) * np.eye(3)[:, :, None].astype(np.complex64)
    soft, expected = demap_cells(bursts, cell, amplitude), demap_llr(bursts)
    assert np.allclose(soft.llr, expected.llr, rtol=1e-3, atol=1e-3)
    assert np.array_equal(soft.start, expected.start)


def test_published_ber_with_one_and_six_interferers():
    """GREEN 10.5: 16-QAM, interference 30 dB above noise, one phase per 40 symbols; four standard errors."""
    rng = np.random.default_rng(5)
    for count, sinr_db, ber in ((1, 8, 0.1342), (1, 0, 0.3309), (6, 8, 0.1007), (2, 10, 0.0631)):
        n0 = 10 ** (-sinr_db / 10) / 1001
        errors, bits = [], 0
        bursts, cell = cell_bursts(count + 1, 40, n0=n0, per_cell=1)
        for slot in range(800):
            step = Bursts(
                **{
                    **vars(bursts),
                    "slot": bursts.slot + slot,
                    "payload": random_bytes(8, slot, bursts.payload.size),
                }
            )
            received, _ = transmit_cells(
                step, cell, equal_interferers(count, sinr_db + 10 * np.log10(1001 / 1000), rng)
            )
            errors.append(received.num_bit_errors[0])
            bits += 160
        spread = np.std(errors) / np.sqrt(len(errors)) / 160
        # the published figure has an error of its own, of about the same number of symbols / 12
        assert abs(np.sum(errors) / bits - ber) < 4.5 * spread


def test_many_weak_interferers_tend_to_gaussian_noise():
    rng = np.random.default_rng(2)
    bursts, cell = cell_bursts(61, 8000, n0=1e-9)
    received, measured_db = transmit_cells(bursts, cell, equal_interferers(60, 8.0, rng))
    rate = received.num_bit_errors[0] / 32_000
    assert rate == pytest.approx(float(theory.ber_awgn(4, 10**0.8)), rel=0.06)
    assert received.snr_db[0] == pytest.approx(8.0, abs=1e-3)
    assert measured_db[0] == pytest.approx(8.0, abs=0.15)


def test_one_interferer_of_bpsk_has_a_closed_form():
    """BPSK against BPSK in phase: y = x + r x' + n, BER = mean of Q over the two signs."""
    bursts, cell = cell_bursts(2, 200_000, n0=0.5, m=1)
    r = 0.6
    amplitude = np.array([[1.0, r], [0.0, 1.0]])[:, :, None].astype(np.complex64)
    received, _ = transmit_cells(bursts, cell, amplitude)
    q = [0.5 * erfc((1 + s * r) / (0.5 * np.sqrt(2))) for s in (-1, 1)]
    p = np.mean(q)
    assert abs(received.num_bit_errors[0] - 200_000 * p) < 4.5 * np.sqrt(200_000 * p)


def test_silent_cells_do_not_interfere():
    bursts, cell = cell_bursts(2, 4000, n0=1e-6)
    short = Bursts(**{**vars(bursts), "num_bits": np.array([16_000, 8_000], np.int64)})
    amplitude = np.array([[1.0, 0.9], [0.0, 1.0]])[:, :, None].astype(np.complex64)
    received, _ = transmit_cells(short, cell, amplitude)
    wrong = np.unpackbits(received.payload ^ short.payload)[:16_000]
    assert wrong[:8_000].any() and not wrong[8_000:].any()
    # half of the elements are disturbed: the mean unwanted power is halved
    assert received.snr_db[0] == pytest.approx(-10 * np.log10(0.81 / 2), abs=0.01)


def test_combining_matches_the_own_link_only():
    rng = np.random.default_rng(3)
    h = rayleigh(rng, (3, 3, 4, 2))
    a = cell_amplitudes(h, np.full((3, 3), 2.0))
    own = np.einsum("iirf->irf", h)
    assert np.allclose(np.einsum("iif->if", a), np.sqrt(2.0 * (np.abs(own) ** 2).sum(axis=1)), rtol=1e-5)
    # the other cells keep their mean power: no array gain on interference
    many = cell_amplitudes(rayleigh(rng, (2, 2, 4, 20_000)), np.ones((2, 2)))
    assert np.mean(np.abs(many[0, 1]) ** 2) == pytest.approx(1.0, abs=0.04)


def test_sample_level_gives_the_same_decisions():
    """Delays within the prefix are phases per subcarrier: waveforms added sample by sample decide the
    same.
    """
    rng = np.random.default_rng(4)
    ofdm = Ofdm(fft_size=128, cp_len=9)
    num_cells, width = 3, 12
    bursts, cell = cell_bursts(num_cells, 1200, n0=0.02, per_cell=2)
    g = rayleigh(rng, (num_cells, num_cells)) * (0.25 + 0.75 * np.eye(num_cells))
    delay = np.array([[0, 3, 9], [2, 0, 5], [1, 8, 0]])
    taps = np.zeros((num_cells, num_cells, 10), complex)
    for i, j in np.ndindex(num_cells, num_cells):
        taps[i, j, delay[i, j]] = g[i, j]
    amplitude = (g[:, :, None] * delay_phases(ofdm, delay, width)).astype(np.complex64)
    symbol, _ = transmit_cells(bursts, cell, amplitude)
    sample = transmit_cells_waveform(bursts, cell, taps, ofdm, width)
    assert symbol.num_bit_errors.sum() > 100
    assert np.unpackbits(symbol.payload ^ sample.payload).sum() <= 2  # float32 ties
    # a delay beyond the prefix does disturb
    late = np.zeros((num_cells, num_cells, 60), complex)
    late[:, :, 50] = g
    late[range(num_cells), range(num_cells)] = 0
    late[range(num_cells), range(num_cells), 0] = np.diag(g)
    shifted, _ = transmit_cells(
        bursts, cell, (g[:, :, None] * delay_phases(ofdm, 50 * (1 - np.eye(3)), width)).astype(np.complex64)
    )
    assert not np.array_equal(
        transmit_cells_waveform(bursts, cell, late, ofdm, width).payload, shifted.payload
    )


def test_zero_forcing_beams_leave_awgn_and_matched_beams_interfere(inside_binomial):
    """Two users, four antennas: BER of the closed form behind ZF; the SINR of the formula behind MRT."""
    h = rayleigh(np.random.default_rng(6), (2, 4))
    es = np.array([6.0, 12.0])
    bursts, cell = cell_bursts(2, 200_000, n0=1.0, m=2)
    beams = beamforming.zf(h)
    received, _ = transmit_cells(bursts, cell, beam_amplitudes(h[:, :, None], beams, es))
    gain = np.abs(np.einsum("um,mu->u", h, beams)) ** 2 * es
    for u in range(2):
        assert inside_binomial(int(received.num_bit_errors[u]), 400_000, float(theory.ber_awgn(2, gain[u])))
    matched = beamforming.mrt(h).T
    received, measured_db = transmit_cells(bursts, cell, beam_amplitudes(h[:, :, None], matched, es))
    sinr_db = 10 * np.log10(beamforming.sinr_transmit(h, matched, es))
    assert np.allclose(received.snr_db, sinr_db, atol=1e-3)
    assert np.allclose(measured_db, sinr_db, atol=0.05)


def test_linear_receivers_have_the_sinr_of_the_formula():
    h = rayleigh(np.random.default_rng(7), (4, 3))
    bursts, cell = cell_bursts(3, 40_000, n0=1.0)
    es = 20.0
    rates = []
    for w in (beamforming.lmmse(h, 1 / es), beamforming.mrc(h.T)):
        amplitude = combiner_amplitudes(h[:, :, None], w, np.full(3, es))
        received, measured_db = transmit_cells(bursts, cell, amplitude)
        sinr_db = 10 * np.log10(beamforming.sinr_receive(w, h, es))
        assert np.allclose(received.snr_db, sinr_db, atol=1e-3)
        assert np.allclose(measured_db, sinr_db, atol=0.1)
        rates.append(received.num_bit_errors.sum())
    assert rates[0] < 0.5 * rates[1]


def test_bad_input_is_named():
    bursts, cell = cell_bursts(2, 80, n0=1.0)
    with pytest.raises(ParameterError, match="amplitude: must be complex64"):
        transmit_cells(bursts, cell, np.ones((2, 3, 1), np.complex64))
    with pytest.raises(ParameterError, match=r"cell: must be in \[0, 1\)"):
        transmit_cells(bursts, cell, np.ones((1, 1, 1), np.complex64))
