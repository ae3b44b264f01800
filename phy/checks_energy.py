"""Checks of the contract's energies: symbols, noise, fading, LLRs, and the two ways to state an SNR."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.random import Generator

from phy import theory
from phy.checks_row import Row, correlation_z, law_z, mean_z
from phy.checks_subjects import Effort, Subjects, make_bursts
from phy.modulation import NAMES, ORDERS, bits_from_symbols
from phy.philox import LANE_RE_NOISE


def symbol_rows(s: Subjects, _: Generator, __: Effort) -> list[Row]:
    """Mean energy of every constellation and of the mapper over all bit patterns; exact."""
    rows = []
    for m in ORDERS:
        patterns = bits_from_symbols(np.arange(1 << m, dtype=np.uint8), m)
        for name, points in (("constellation", s.constellation(m)), ("map_bits", s.map_bits(patterns, m))):
            energy = float(np.mean(np.abs(points.astype(np.complex128)) ** 2))
            rows.append(
                Row("symbols", f"energy of {NAMES[m]}, {name}", name, energy, 1.0, "Es", tolerance=1e-6)
            )
    return rows


def _noise_rows(name: str, subject: str, noise: np.ndarray, n0: float) -> list[Row]:
    """Energy per complex symbol and per real dimension, independence of I and Q and of neighbours."""
    i, q = noise.real, noise.imag

    def row(what: str, measured: tuple[float, float], expected: float, unit: str) -> Row:
        value, z = measured
        return Row("noise", f"{name}, {what}", subject, value, expected, unit, z, samples=noise.size)

    return [
        row("energy per symbol", mean_z((i * i + q * q) / n0, 1.0), 1.0, "n0"),
        row("energy of I", mean_z(i * i / n0, 0.5), 0.5, "n0"),
        row("energy of Q", mean_z(q * q / n0, 0.5), 0.5, "n0"),
        row("mean of I", mean_z(i / math.sqrt(n0), 0.0), 0.0, "sqrt n0"),
        row("correlation I, Q", correlation_z(i, q), 0.0, ""),
        # products over disjoint pairs are independent
        row("correlation of neighbours", correlation_z(i[0:-1:2], i[1::2]), 0.0, ""),
    ]


def noise_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """Noise of `channel.awgn` and of the kernels' generator."""
    n0, n = 0.4, effort.samples
    points = s.constellation(4)
    x = points[rng.integers(0, 16, n)].astype(np.complex128) / np.sqrt(np.mean(np.abs(points) ** 2))
    noise = s.awgn(rng, x, n0) - x
    rows = _noise_rows("awgn", "awgn", noise, n0)
    value, z = correlation_z(noise.real, x.real)
    rows.append(Row("noise", "awgn, correlation with signal", "awgn", value, 0.0, "", z, samples=n))
    key = int(rng.integers(0, 2**62))
    kernel = s.kernel_noise(key, 3, int(LANE_RE_NOISE), 5, n).astype(np.complex128)
    return rows + _noise_rows("kernel (CN(0, 2))", "kernel_noise", kernel, 2.0)


def _gain_cdf(law: tuple[float, int], x: np.ndarray) -> np.ndarray:
    return theory.gain_cdf(x, *law)


def fading_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """E|h|^2 per antenna of every channel model, and the law of the gain where it is known."""
    rows = []
    for name, model in s.fading.items():
        h = model.draw(rng, effort.samples)
        gain = np.abs(h) ** 2
        value, z = mean_z(gain.mean(axis=1), 1.0)
        rows.append(Row("fading", f"E|h|^2 of {name}", "fading", value, 1.0, "", z, samples=len(h)))
        if model.law is not None:
            part = gain[: min(effort.samples, 50_000)].sum(axis=1)
            distance, z = law_z(part, partial(_gain_cdf, model.law))
            rows.append(
                Row("fading", f"law of |h|^2, {name}", "fading", distance, 0.0, "KS", z, samples=part.size)
            )
    return rows


def llr_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """What the soft receiver says: sign, mean, variance per rail (QPSK), calibration (16-QAM, exact).

    QPSK, gain G = sum |h|^2, c = G Es/N0: given bit 0 an LLR is N(2 c, 4 c), one bit on I, the other on Q.
    """
    n, snr_db = effort.samples // 8 * 8, 1.0
    h = np.array([[[0.8 + 0.3j], [-0.5j]]])
    c = 10.0 ** (snr_db / 10.0) * float((np.abs(h) ** 2).sum())
    bursts = make_bursts(2, snr_db, n, h, rng, 1)
    sign = 1.0 - 2.0 * np.unpackbits(bursts.payload)
    rails = (s.demap_llr(bursts).llr.astype(np.float64) * sign).reshape(-1, 2)
    rows = []
    for rail, label in enumerate("IQ"):
        value, z = mean_z(rails[:, rail] / (2.0 * c), 1.0)
        rows.append(
            Row("LLR", f"mean on {label}, bit 0: +2 Es/N0", "demap_llr", value, 1.0, "", z, samples=n)
        )
        value, z = mean_z((rails[:, rail] - 2.0 * c) ** 2 / (4.0 * c), 1.0)
        rows.append(
            Row("LLR", f"variance on {label} (noise n0/2)", "demap_llr", value, 1.0, "", z, samples=n)
        )
    value, z = correlation_z(rails[:, 0] - 2.0 * c, rails[:, 1] - 2.0 * c)
    rows.append(Row("LLR", "correlation of noise on I, Q", "demap_llr", value, 0.0, "", z, samples=n))
    return [*rows, _calibration_row(s, rng, effort)]


def _calibration_row(s: Subjects, rng: Generator, effort: Effort) -> Row:
    """An LLR of size a is wrong with probability 1/(1 + e^a): errors weighted by a against that."""
    n = effort.samples // 4 // 8 * 8
    bursts = make_bursts(4, 8.0, n, np.ones((1, 1, 1)), rng, 2)
    llr = s.demap_llr(bursts, exact=True).llr.astype(np.float64)
    size = np.abs(llr)
    wrong = (llr < 0.0) != np.unpackbits(bursts.payload)
    found = (size * wrong).reshape(-1, 4).sum(axis=1)
    due = (size / (1.0 + np.exp(size))).reshape(-1, 4).sum(axis=1)
    z = mean_z(found - due, 0.0)[1]
    ratio = float(found.sum() / due.sum())
    return Row("LLR", "calibration of exact 16-QAM LLRs", "demap_llr", ratio, 1.0, "", z, samples=n)


def unit_rows(s: Subjects, _: Generator, __: Effort) -> list[Row]:
    """Es/N0 against Eb/N0, and thermal noise; exact."""
    rows = []
    for m in ORDERS:
        rows.append(
            Row(
                "Eb/N0", f"{NAMES[m]} at Es/N0 = 10 dB", "es_to_eb_db",
                float(s.es_to_eb_db(10.0, m)), 10.0 - 10.0 * math.log10(m), "dB", tolerance=1e-9,
            )
        )  # fmt: skip
    coded = float(s.es_to_eb_db(10.0, 4, 0.5, 0.2))
    rows.append(
        Row("Eb/N0", "16-QAM, rate 1/2, overhead 0.2", "es_to_eb_db", coded,
            10.0 - 10.0 * math.log10(1.6), "dB", tolerance=1e-9)
    )  # fmt: skip
    back = float(s.eb_to_es_db(10.0 - 10.0 * math.log10(1.6), 4, 0.5, 0.2))
    rows.append(Row("Eb/N0", "and back to Es/N0", "eb_to_es_db", back, 10.0, "dB", tolerance=1e-9))
    density_dbm = 10.0 * math.log10(s.noise_density(5.0)) + 30.0
    rows.append(
        Row("Eb/N0", "thermal n0, noise figure 5 dB", "noise_density", density_dbm, -169.0, "dBm/Hz",
            tolerance=1e-9)
    )  # fmt: skip
    return rows
