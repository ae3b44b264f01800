"""Level `waveform` equals level `bit` while the channel fits into the prefix, and not when it does not."""

from __future__ import annotations

import numpy as np
import pytest

from phy import channel
from phy.bursts import Bursts
from phy.fft_kernels import LANES, fft_rows, output_rows, twiddles
from phy.frame import decide, frames
from phy.link import demap_llr, transmit_bit, transmit_waveform
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.samples import frame_noise, through_samples
from phy.waveform import demap_llr_waveform, equalised_waveform, response


def selective_bursts(
    ofdm: Ofdm, num_taps: int, width: int, num_rx_ant: int = 3, seed: int = 1, snr_db: float = 10.0
):
    """Bursts of several users (two of them of the same user) over a multi-tap Rician channel."""
    rng = np.random.default_rng(seed)
    num_bits = np.array([4001, 64, 0, 8000, 17, 3000], np.int64)
    num_bytes = (num_bits + 7) // 8
    size = num_bits.size
    taps = channel.tapped_delay_line(rng, (size, num_rx_ant), channel.exponential_profile(num_taps, 1.0), 1.0)
    taps[1] = taps[0]
    bursts = Bursts(
        payload=rng.integers(0, 256, num_bytes.sum(), dtype=np.uint8),
        offset=np.concatenate([[0], np.cumsum(num_bytes)[:-1]]).astype(np.int64),
        num_bits=num_bits,
        bits_per_symbol=np.array([4, 2, 4, 6, 8, 1], np.int64),
        h=response(ofdm, taps, width),
        es=np.full(size, 10.0 ** (snr_db / 10.0)),
        n0=1.0,
        first_symbol=np.array([0, 1001, 0, 7, 3 * width + 1, 5], np.int64),
        key=np.array([5, 5, 6, 7, 8, 9], np.uint64),
        slot=np.zeros(size, np.int64),
    )
    return bursts, taps


@pytest.mark.parametrize("num_rx_ant", [1, 4])
@pytest.mark.parametrize(("fft_size", "cp_len", "width"), [(64, 16, 12), (64, 16, 64), (256, 18, 200)])
def test_equals_level_bit_while_the_channel_fits_the_prefix(fft_size, cp_len, width, num_rx_ant):
    ofdm = Ofdm(fft_size=fft_size, cp_len=cp_len)
    bursts, taps = selective_bursts(ofdm, cp_len + 1, width, num_rx_ant)
    bit, samples = transmit_bit(bursts), transmit_waveform(bursts, ofdm, taps)
    assert bit.num_bit_errors.sum() > 100
    assert np.array_equal(bit.payload, samples.payload)
    assert np.array_equal(bit.num_bit_errors, samples.num_bit_errors)
    sent = bursts.num_bits > 0
    assert np.allclose(bit.snr_db[sent], samples.snr_db[sent], atol=1e-4)


def test_a_channel_longer_than_the_prefix_costs_errors():
    ofdm = Ofdm(fft_size=64, cp_len=2)
    bursts, taps = selective_bursts(ofdm, 17, 64, snr_db=25.0)
    bit, samples = transmit_bit(bursts), transmit_waveform(bursts, ofdm, taps)
    assert samples.num_bit_errors.sum() > 2 * bit.num_bit_errors.sum() + 100


@pytest.mark.parametrize("cp_len", [16, 2])
def test_noise_after_combining_decides_as_noise_on_every_sample(cp_len):
    """The kernels against the NumPy samples; with a prefix of 2 symbols and packets disturb each other."""
    ofdm = Ofdm(fft_size=64, cp_len=cp_len)
    bursts, taps = selective_bursts(ofdm, 17, 48, snr_db=12.0)
    y, noise_var, start, snr_db = equalised_waveform(bursts, ofdm, taps)
    got = transmit_waveform(bursts, ofdm, taps)
    received, errors = bursts.payload.copy(), np.zeros(bursts.size, np.int64)
    for frame in frames(bursts, bursts.num_subcarriers):
        noise = frame_noise(ofdm, frame.h, ofdm.bins(48), bursts.n0, frame.key, 0, frame.first, frame.last)
        at_antennas = through_samples(ofdm, frame.grid, taps[frame.members[0]], ofdm.bins(48), noise)
        decide(bursts, frame, at_antennas, frame.h[None], received, errors)
        power = (np.abs(frame.h) ** 2).sum(axis=0)
        combined = ((np.conj(frame.h) * at_antennas).sum(axis=1) / power).reshape(-1)
        for i in frame.members:
            part = slice(start[i], start[i + 1])
            at = bursts.first_symbol[i] - frame.first * 48
            expected = combined[at : at + part.stop - part.start] / np.sqrt(bursts.es[i])
            assert np.allclose(y[part], expected, atol=2e-4 * np.abs(expected).max())
            element = np.arange(at, at + part.stop - part.start) % 48
            assert np.allclose(noise_var[part], bursts.n0 / (power[element] * bursts.es[i]), rtol=1e-4)
    assert errors.sum() > 100
    assert np.array_equal(got.payload, received)
    assert np.array_equal(got.num_bit_errors, errors)
    assert np.array_equal(snr_db, got.snr_db)


def test_llrs_are_those_of_level_bit():
    ofdm = Ofdm(fft_size=64, cp_len=16)
    bursts, taps = selective_bursts(ofdm, 17, 48)
    bit, samples = demap_llr(bursts), demap_llr_waveform(bursts, ofdm, taps)
    assert np.array_equal(bit.start, samples.start)
    assert np.allclose(bit.llr, samples.llr, rtol=1e-3, atol=1e-3 * np.abs(bit.llr).max())
    assert np.mean(np.sign(bit.llr) != np.sign(samples.llr)) < 1e-3


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_do_not_change_the_result(threads):
    ofdm = Ofdm(fft_size=64, cp_len=2)
    bursts, taps = selective_bursts(ofdm, 17, 48)
    one, many = (transmit_waveform(bursts, ofdm, taps, threads=t) for t in (1, threads))
    assert np.array_equal(one.payload, many.payload)
    assert np.array_equal(one.num_bit_errors, many.num_bit_errors)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 64, 128, 1024])
def test_fft_of_rows(n):
    """Forward, and inverse with the parts exchanged, against NumPy."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, LANES)) + 1j * rng.standard_normal((n, LANES))
    for reference, parts in ((np.fft.fft(x, axis=0), (0, 1)), (n * np.fft.ifft(x, axis=0), (1, 0))):
        z = np.stack([x.real, x.imag]).astype(np.float32).reshape(2, -1)
        fft_rows(z[parts[0]], z[parts[1]], n, twiddles(n))
        got = (z[0] + 1j * z[1]).reshape(n, LANES)[output_rows(n)]
        assert np.allclose(got, reference, atol=2e-6 * n)


def test_noise_free_waveform_is_error_free():
    ofdm = Ofdm(fft_size=64, cp_len=16)
    bursts, taps = selective_bursts(ofdm, 17, 48)
    silent = Bursts(**{**vars(bursts), "n0": 0.0})
    assert transmit_waveform(silent, ofdm, taps).num_bit_errors.sum() == 0


def test_flat_channel_with_given_position_and_width(make_bursts):
    """F = 1 with one tap: the width is told separately, the place in the carrier does not matter."""
    ofdm = Ofdm()
    bursts = make_bursts(4, 9.0, 4000, num_bursts=2, h=np.full((2, 1, 1), np.exp(1j)))
    taps = bursts.h.astype(complex)
    expected = transmit_bit(bursts)
    for first in (0, 100):
        got = transmit_waveform(
            bursts, ofdm, taps, np.array([60, 7], np.int64), np.array([first, first + 60], np.int64)
        )
        assert np.unpackbits(got.payload ^ expected.payload).sum() <= 2  # float32 ties in 32000 decisions
        assert got.num_bit_errors.sum() > 100


def test_noise_on_the_samples_is_white_with_n0():
    """Prefix and useful part, every antenna: energy n0 per sample, no correlation between antennas or
    samples.
    """
    ofdm = Ofdm(fft_size=64, cp_len=16)
    rng = np.random.default_rng(2)
    h = channel.rayleigh(rng, (3, 48))
    z = frame_noise(ofdm, h, ofdm.bins(48), 0.5, key=3, slot=1, first=0, last=2000).astype(np.complex128)
    for part in (z[:, :, :16], z[:, :, 16:]):
        flat = part.transpose(1, 0, 2).reshape(3, -1)
        cov = flat @ flat.conj().T / flat.shape[1]
        assert np.allclose(cov, 0.5 * np.eye(3), atol=5 * 0.5 / np.sqrt(flat.shape[1]))
        lag = np.mean(part[:, :, 1:] * part[:, :, :-1].conj())
        assert abs(lag) < 5 * 0.5 / np.sqrt(part.size)


def test_energy_per_sample_is_the_energy_per_element():
    """The unitary transform spreads F elements of energy es over fft_size samples (Parseval)."""
    from phy.modulation import constellation

    ofdm = Ofdm(fft_size=64, cp_len=0)
    grid = np.random.default_rng(1).choice(constellation(4), (50, 48))
    quiet = np.zeros((50, 1, 64), np.complex64)
    y = through_samples(ofdm, grid, np.ones((1, 1)), ofdm.bins(48), quiet)
    assert np.allclose(y[:, 0], grid, atol=1e-5)


def test_bad_input_is_named(make_bursts):
    ofdm = Ofdm(fft_size=64, cp_len=16)
    bursts, taps = selective_bursts(ofdm, 4, 48)
    with pytest.raises(ParameterError, match="taps of shape"):
        transmit_waveform(bursts, ofdm, taps[:2])
    with pytest.raises(ParameterError, match="num_subcarriers = 48: must be in"):
        transmit_waveform(bursts, Ofdm(fft_size=32, cp_len=8), taps)
    with pytest.raises(ParameterError, match="must share their channel"):
        h = bursts.h.copy()
        h[1] *= 2
        transmit_waveform(Bursts(**{**vars(bursts), "h": h}), ofdm, taps)
    flat = Bursts(**{**vars(bursts), "h": bursts.h[:, :, :1].copy(), "num_subcarriers": np.ones(6, np.int64)})
    with pytest.raises(ParameterError, match="has 1 subcarrier: must have 48"):
        transmit_waveform(flat, ofdm, taps, np.full(6, 48))
