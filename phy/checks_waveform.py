"""Checks at sample level: energy and noise before and after the prefix, prefix and pilot accounting, PAPR.

The transmitted samples are observed through the modulator's own code: a delay line of one tap shows the
receiver's window of the useful symbol; the same tap delayed by the prefix shows the prefix.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import scipy.fft
from numpy.random import Generator

from phy.channel import complex_normal, exponential_profile, tapped_delay_line
from phy.checks_row import Row, correlation_z, decibel, energy_ratio_z, law_z, mean_z
from phy.checks_subjects import Effort, Subjects, make_bursts
from phy.modulation import constellation, map_bits
from phy.ofdm import Ofdm
from phy.waveform import response

FFT_SIZE, CP_LEN, WIDTH = 64, 16, 48  # numerology of the energy rows: a prefix of exactly 1/5 of the time


def _window(s: Subjects, ofdm: Ofdm, grid: np.ndarray, bins: np.ndarray, delay: int) -> np.ndarray:
    """Samples that the receiver's window holds behind a pure delay, complex128[S, fft_size], no noise."""
    full = np.zeros((grid.shape[0], ofdm.fft_size), np.complex64)
    every = np.arange(-ofdm.fft_size // 2, ofdm.fft_size // 2)
    full[:, bins + ofdm.fft_size // 2] = grid
    quiet = np.zeros((grid.shape[0], 1, ofdm.cp_len + ofdm.fft_size), np.complex64)
    taps = np.zeros((1, delay + 1))
    taps[0, delay] = 1.0
    y = s.through_samples(ofdm, full, taps, every, quiet)[:, 0]
    spectrum = np.zeros((grid.shape[0], ofdm.fft_size), np.complex128)
    spectrum[:, every] = y
    return scipy.fft.ifft(spectrum, axis=1, norm="ortho")


def sent_samples(s: Subjects, ofdm: Ofdm, grid: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The modulator's samples, prefix first, complex128[S, cp_len + fft_size]."""
    prefix = _window(s, ofdm, grid, bins, ofdm.cp_len)[:, : ofdm.cp_len]
    return np.concatenate([prefix, _window(s, ofdm, grid, bins, 0)], axis=1)


def signal_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """Energy of the transmitted samples with and without prefix, per bit with pilots, and received."""
    ofdm = s.ofdm(fft_size=FFT_SIZE, cp_len=CP_LEN)
    frame, num = ofdm.symbols_per_frame, effort.samples // 2000 * 14
    bins = ofdm.bins(WIDTH)
    grid = rng.choice(constellation(4), (num, WIDTH))
    pilots = [k for k in range(num) if ofdm.is_pilot(k)]
    grid[pilots] = rng.choice(constellation(2), (len(pilots), WIDTH))
    sent = sent_samples(s, ofdm, grid, bins)
    energy = np.abs(sent) ** 2
    useful, total = energy[:, CP_LEN:].sum(axis=1), energy.sum(axis=1)
    quiet = np.zeros((num, 1, CP_LEN + FFT_SIZE), np.complex64)
    y = s.through_samples(ofdm, grid, np.ones((1, 1)), bins, quiet)
    ratio = float((np.abs(y) ** 2).sum() / (np.abs(grid) ** 2).sum())
    data = np.setdiff1d(np.arange(num), pilots)

    def row(name: str, measured: float, expected: float, unit: str, z: float | None = None) -> Row:
        return Row(
            "waveform", name, "through_samples", measured, expected, unit, z, 0.0 if z is not None else 1e-4,
            num if z is not None else 0,
        )  # fmt: skip

    length = (FFT_SIZE + CP_LEN) / FFT_SIZE
    _, z = energy_ratio_z(total, useful, length)
    per_frame = total.reshape(-1, frame).sum(axis=1)
    bits_per_frame = data.size * WIDTH * 4 / (num / frame)
    expected_bits = WIDTH * 4 * (frame - 2)
    energy_per_bit, z_bit = mean_z(per_frame / bits_per_frame, length * frame * WIDTH / expected_bits)
    repeats = float(np.abs(sent[:, :CP_LEN] - sent[:, FFT_SIZE:]).max())
    sent_energy = float((np.abs(grid) ** 2).sum())
    return [
        row("energy per RE after prefix removal and FFT", ratio, 1.0, "es"),
        row("energy of useful samples (Parseval)", float(useful.sum() / sent_energy), 1.0, "es"),
        row("prefix repeats the symbol's end", repeats, 0.0, ""),
        row("energy with prefix over energy without, 64 + 16 samples",
            decibel(float(total.sum() / useful.sum())), decibel(length), "dB", z),
        row("sent energy per 16-QAM data bit, prefix and 2 pilots of 14", decibel(energy_per_bit),
            decibel(length * frame * WIDTH / expected_bits), "dB es", z_bit),
    ]  # fmt: skip


def noise_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """Noise on the samples and on the resource elements; SNR before and after prefix removal."""
    ofdm = s.ofdm(fft_size=FFT_SIZE, cp_len=CP_LEN)
    n0, es, num = 0.5, 2.0, effort.samples // 100
    bins = ofdm.bins(WIDTH)
    h = complex_normal(rng, (2, WIDTH))
    key = int(rng.integers(0, 2**62))
    noise = s.frame_noise(ofdm, h, bins, n0, key, 1, 0, num).astype(np.complex128)
    useful, prefix = noise[:, :, CP_LEN:], noise[:, :, :CP_LEN]
    silent = np.zeros((num, WIDTH), np.complex64)
    flat = np.array([[0.0], [0.0]])
    elements = s.through_samples(ofdm, silent, flat, bins, noise.astype(np.complex64)).astype(np.complex128)

    def row(name: str, measured: tuple[float, float], expected: float, unit: str) -> Row:
        return Row("waveform", name, "frame_noise", measured[0], expected, unit, measured[1], samples=num)

    def energy(z: np.ndarray) -> np.ndarray:  # per OFDM symbol: whole symbols are independent
        return (np.abs(z) ** 2).mean(axis=(1, 2)) / n0

    a, b = useful[:, 0].reshape(-1), useful[:, 1].reshape(-1)
    # signal of energy es on WIDTH of FFT_SIZE subcarriers, as samples and per element
    grid = rng.choice(constellation(4), (num, WIDTH)).astype(np.complex64) * np.sqrt(es)
    sent = (np.abs(sent_samples(s, ofdm, grid.astype(np.complex64), bins)) ** 2).mean(axis=1)
    quiet = np.zeros((num, 1, CP_LEN + FFT_SIZE), np.complex64)
    received = s.through_samples(ofdm, grid.astype(np.complex64), np.ones((1, 1)), bins, quiet)[:, 0]
    before = energy_ratio_z(sent, energy(noise) * n0, es / n0 * WIDTH / FFT_SIZE)
    after = energy_ratio_z((np.abs(received) ** 2).mean(axis=1), energy(elements) * n0, es / n0)
    return [
        row("noise per sample, useful part", mean_z(energy(useful), 1.0), 1.0, "n0"),
        row("noise per sample, prefix", mean_z(energy(prefix), 1.0), 1.0, "n0"),
        row("noise per sample, real part", mean_z((noise.real**2).mean(axis=(1, 2)) / n0, 0.5), 0.5, "n0"),
        row("noise, correlation of antennas", correlation_z(a.real, b.real), 0.0, ""),
        row("noise per RE after FFT", mean_z(energy(elements), 1.0), 1.0, "n0"),
        row("SNR on samples, 48 of 64 subcarriers", (decibel(before[0]), before[1]),
            decibel(es / n0 * WIDTH / FFT_SIZE), "dB"),
        row("SNR per RE after prefix removal", (decibel(after[0]), after[1]), decibel(es / n0), "dB"),
    ]  # fmt: skip


def equalised_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """Signal and noise of the equalised symbols of level `waveform` behind a delay line, two antennas.

    The noise energy on a symbol is n0 / (es sum over the antennas of |h|^2); without noise the symbols come
    back as sent.
    """
    ofdm = s.ofdm(fft_size=FFT_SIZE, cp_len=CP_LEN)
    num_bursts, symbols = 20, effort.samples // 20 // WIDTH * WIDTH // 8 * 8
    profile = exponential_profile(6, 2.0)
    taps = tapped_delay_line(rng, (num_bursts, 2), profile, 1.0).astype(np.complex64)
    bursts = make_bursts(4, 6.0, symbols, response(ofdm, taps, WIDTH), rng, 4200)
    x = map_bits(np.unpackbits(bursts.payload), 4).astype(np.complex128)
    gain = (np.abs(bursts.h.astype(np.complex128)) ** 2).sum(axis=1) * bursts.es[0]
    due = bursts.n0 / np.tile(gain, (1, -(-symbols // WIDTH)))[:, :symbols].reshape(-1)
    noise = (s.equalised_waveform(bursts, ofdm, taps)[0] - x) / np.sqrt(due)
    silent = s.equalised_waveform(replace(bursts, n0=0.0), ofdm, taps)[0]
    i, q = noise.real, noise.imag

    def row(name: str, measured: float, expected: float, unit: str, z: float | None) -> Row:
        return Row("waveform", f"equalised symbols, {name}", "equalised_waveform", measured, expected, unit,
                   z, 0.0 if z is not None else 1e-4, noise.size if z is not None else 0)  # fmt: skip

    energy = float((np.abs(silent) ** 2).sum() / (np.abs(x) ** 2).sum())
    total, total_z = mean_z(i * i + q * q, 1.0)
    on_q, on_q_z = mean_z(q * q, 0.5)
    rails, rails_z = correlation_z(i, q)
    neighbours, neighbours_z = correlation_z(i[0:-1:2], i[1::2])
    return [
        row("energy without noise", energy, 1.0, "Es", None),
        row("noise energy", total, 1.0, "n0/(es |h|^2)", total_z),
        row("noise energy of Q", on_q, 0.5, "n0/(es |h|^2)", on_q_z),
        row("correlation I, Q", rails, 0.0, "", rails_z),
        row("correlation of neighbours", neighbours, 0.0, "", neighbours_z),
    ]


def accounting_rows(s: Subjects, _: Generator, __: Effort) -> list[Row]:
    """Prefix and pilots in rate and energy, by the numerology; exact."""
    default, quarter = s.ofdm(), s.ofdm(fft_size=FFT_SIZE, cp_len=CP_LEN)
    slot_ns = 200_000_000
    data = default.num_data_symbols(slot_ns) * default.num_subcarriers(3e6)
    pilots = sum(default.is_pilot(k) for k in range(default.num_symbols(slot_ns)))

    def row(name: str, measured: float, expected: float, unit: str) -> Row:
        return Row("accounting", name, "ofdm", float(measured), expected, unit, tolerance=1e-9 * expected)

    return [
        row("prefix share, normal prefix (14 symbols in 15 periods)", default.prefix_overhead, 1 / 15, ""),
        row("prefix share, 16 of 80 samples", quarter.prefix_overhead, 0.2, ""),
        row("pilot share, 2 of 14 symbols", default.pilot_overhead, 1 / 7, ""),
        row("prefix and pilots together", default.overhead, 0.2, ""),
        row("OFDM symbols per second", default.symbol_rate, 14_000.0, "1/s"),
        row("OFDM symbols in 200 ms", default.num_symbols(slot_ns), 2800.0, ""),
        row("pilot symbols in 200 ms", pilots, 400.0, ""),
        row("16-QAM bits of 200 ms in 3 MHz = 4 B T (1 - overhead)", 4 * data, 1.92e6, "bit"),
    ]


def papr_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """Peak-to-average power of the sampled waveform.

    With Gaussian elements on all N subcarriers the samples are i.i.d. CN(0, 1), so the peak has the exact law
    (1 - e^-x)^N. For QAM that law is an approximation; equal elements on F subcarriers peak at F.
    """
    ofdm = s.ofdm(fft_size=FFT_SIZE, cp_len=CP_LEN)
    num, bins = effort.samples // 40, ofdm.bins(FFT_SIZE)
    gaussian = complex_normal(rng, (num, FFT_SIZE)).astype(np.complex64)
    peak = (np.abs(_window(s, ofdm, gaussian, bins, 0)) ** 2).max(axis=1)
    distance, z = law_z(peak, lambda x: (-np.expm1(-x)) ** FFT_SIZE)
    qam = rng.choice(constellation(4), (num, FFT_SIZE))
    highest = np.quantile((np.abs(_window(s, ofdm, qam, bins, 0)) ** 2).max(axis=1), 0.99)
    law = -math.log(-math.expm1(math.log(0.99) / FFT_SIZE))
    equal = np.ones((1, WIDTH), np.complex64)
    samples = np.abs(_window(s, ofdm, equal, ofdm.bins(WIDTH), 0)) ** 2

    def row(name: str, measured: float, expected: float, unit: str, z: float | None, tolerance: float) -> Row:
        return Row("PAPR", name, "through_samples", measured, expected, unit, z, tolerance,
                   num if z is not None else 0)  # fmt: skip

    return [
        row("law of the peak, Gaussian elements, N = 64", distance, 0.0, "KS", z, 0.0),
        row("16-QAM, N = 64, exceeded by 1 % (approximate law)", decibel(float(highest)), decibel(law),
            "dB", None, 0.5),
        row("48 equal elements: peak over mean", float(samples.max() / samples.mean()), float(WIDTH), "",
            None, 1e-3),
    ]  # fmt: skip
