"""Bit error rates of every modulation x channel x number of receive antennas against the closed forms.

Main grid: every resource element has a fade of its own, so symbols are independent and the errors are judged
against the closed form averaged over the fading; the dependence of bits inside a symbol (rails, shared fade)
enters through the measured variance of the errors per symbol (`checks_row.counts_z`).
Block fading and frequency-selective channels: conditional on the drawn h each element is an AWGN channel at
its own SNR; errors are judged against that expectation, and the law of |h|^2 is a separate row (group
fading).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.random import Generator

from phy import channel, theory
from phy.bursts import Bursts, Received, Soft
from phy.checks_row import Row, counts_z, decibel, residual_z, wilson
from phy.checks_subjects import Effort, Subjects, make_bursts, symbol_errors
from phy.modulation import NAMES, ORDERS
from phy.waveform import response

CHANNELS = {"AWGN": None, "Rayleigh": 0.0, "Rician K=3": 3.0}
ANTENNAS = (1, 2, 4, 6)
_GRID_DB = np.arange(-40.0, 70.0, 0.5)
_STEP_DB = 0.05  # for the slope of a BER curve


def closed_form(s: Subjects, name: str, m: int, branches: int, snr_db: float) -> float:
    """The expected bit error rate at Es/N0 = snr_db per antenna."""
    snr, k_factor = 10.0 ** (snr_db / 10.0), CHANNELS[name]
    if k_factor is None:  # equal antennas: the combiner adds their energies
        return float(s.ber_awgn(m, branches * snr))
    return float(s.ber_rician(m, snr, k_factor, branches))


@cache
def _snrs_db(name: str, m: int, branches: int, targets: tuple[float, ...]) -> list[float]:
    """The SNRs, multiples of 0.5 dB, whose bit error rates are nearest to the targets."""
    snr, k_factor = 10.0 ** (_GRID_DB / 10.0), CHANNELS[name]
    if k_factor is None:
        rates = theory.ber_awgn(m, branches * snr)
    else:
        rates = theory.ber_rician(m, snr, k_factor, branches)
    nearest = {int(np.abs(np.log(np.maximum(rates, 1e-30) / t)).argmin()) for t in targets}
    return [float(_GRID_DB[i]) for i in sorted(nearest)]


def draw_fading(rng: Generator, name: str, branches: int, num_symbols: int) -> np.ndarray:
    """complex64[1, branches, num_symbols], a fade for each symbol; (1, branches, 1) for AWGN."""
    k_factor = CHANNELS[name]
    if k_factor is None:
        return np.ones((1, branches, 1), np.complex64)
    los = channel.array_response(rng.uniform(-np.pi / 2, np.pi / 2, num_symbols), branches)
    h = channel.rician(rng, (num_symbols, branches), k_factor, los)
    return np.ascontiguousarray(h.T[None], np.complex64)


def _ber_row(
    s: Subjects, name: str, m: int, branches: int, snr_db: float, bursts: Bursts, received: Received,
    subject: str = "transmit_bit",
) -> Row:  # fmt: skip
    counts = symbol_errors(bursts, received)
    expected = closed_form(s, name, m, branches, snr_db)
    rate, z, design = counts_z(counts, m, expected)
    steps = [closed_form(s, name, m, branches, snr_db + d) for d in (_STEP_DB, -_STEP_DB)]
    low, high = wilson(rate, counts.size * m / max(design, 1e-9))
    label = f"{NAMES[m]:8s}{name:11s}{branches} ant"
    return Row(
        "BER", label, subject, rate, expected, "", z, samples=counts.size,
        details={
            "modulation": NAMES[m], "bits_per_symbol": m, "channel": name, "num_rx_ant": branches,
            "es_n0_db": snr_db, "eb_n0_db": snr_db - 10.0 * math.log10(m),
            "errors": int(counts.sum()), "trials": int(counts.size) * m, "design_effect": design,
            "low_95": low, "high_95": high,
            "slope_per_db": (steps[0] - steps[1]) / (2.0 * _STEP_DB),
        },
    )  # fmt: skip


def offset_row(rows: list[Row], name: str, subject: str = "transmit_bit") -> Row:
    """The SNR offset in dB that explains the rows best: weighted least squares on the slopes of the curves.

    Positive: fewer errors than the declared SNR allows. Its own score pools the rows, so a small common
    offset shows that no single row betrays. The rows must be independent of each other.
    """
    top = bottom = 0.0
    for row in rows:
        d = row.details
        slope = float(d["slope_per_db"])
        p = row.expected
        variance = p * (1.0 - p) * float(d["design_effect"]) / float(d["trials"])
        top += slope * (row.measured - p) / variance
        bottom += slope * slope / variance
    if not bottom > 0.0:
        return Row("SNR offset", name, subject, math.nan, 0.0, "dB", math.nan)
    return Row(
        "SNR offset", name, subject, top / bottom, 0.0, "dB", top / math.sqrt(bottom),
        samples=sum(row.samples for row in rows), details={"standard_error_db": 1.0 / math.sqrt(bottom)},
    )  # fmt: skip


def grid_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """The main grid at level `bit`, an offset for each curve, and one for each channel and antenna number."""
    rows: list[Row] = []
    offsets: list[Row] = []
    pooled: list[Row] = []
    slot = 10
    for name in CHANNELS:
        for branches in ANTENNAS:
            part: list[Row] = []
            for m in ORDERS:
                curve = []
                for snr_db in _snrs_db(name, m, branches, effort.targets):
                    slot += 1
                    h = draw_fading(rng, name, branches, effort.symbols)
                    bursts = make_bursts(m, snr_db, effort.symbols, h, rng, slot)
                    received = s.transmit_bit(bursts)
                    curve.append(_ber_row(s, name, m, branches, snr_db, bursts, received))
                offsets.append(offset_row(curve, curve[0].name))
                part += curve
            pooled.append(offset_row(part, f"all      {name:11s}{branches} ant"))
            rows += part
    return rows + offsets + pooled


def other_path_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """The other implementations of the link at a few points: exact injection and sample level."""
    injected, samples = [], []
    ofdm = s.ofdm(fft_size=64, cp_len=16)
    num = min(effort.symbols, 50_000) // 8 * 8
    cases = [("AWGN", 1, 2), ("AWGN", 4, 4), ("AWGN", 2, 6), ("Rayleigh", 1, 4), ("Rician K=3", 4, 6)]
    for slot, (name, branches, m) in enumerate(cases):
        for snr_db in _snrs_db(name, m, branches, effort.targets):
            h = draw_fading(rng, name, branches, effort.symbols)
            bursts = make_bursts(m, snr_db, effort.symbols, h, rng, 1000 + slot)
            row = _ber_row(s, name, m, branches, snr_db, bursts, s.transmit_injected(bursts),
                           "transmit_injected")  # fmt: skip
            injected.append(_renamed(row, "injected"))
        if name == "AWGN":  # at sample level the fade of an element comes from taps: see `given_rows`
            for snr_db in _snrs_db(name, m, branches, effort.targets):
                h = np.ones((1, branches, 1), np.complex64)
                bursts = make_bursts(m, snr_db, num, h, rng, 1100 + slot)
                received = s.transmit_waveform(bursts, ofdm, h.astype(complex), np.array([48]))
                row = _ber_row(s, name, m, branches, snr_db, bursts, received, "transmit_waveform")
                samples.append(_renamed(row, "samples"))
    return [
        *injected,
        *samples,
        offset_row(injected, "exact injection, all points", "transmit_injected"),
        offset_row(samples, "sample level, all points", "transmit_waveform"),
    ]


def _renamed(row: Row, suffix: str) -> Row:
    return Row(**{**vars(row), "name": f"{row.name} ({suffix})"})


def given_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """Errors against their expectation given the drawn channel: flat blocks, and a delay line at sample
    level.
    """
    rows = []
    for m, k_factor, branches, snr_db in ((4, 0.0, 2, 12.0), (6, 3.0, 4, 10.0)):
        num_bursts = effort.symbols // 1000
        h = channel.rician(rng, (num_bursts, branches, 1), k_factor)
        bursts = make_bursts(m, snr_db, 1000, h, rng, 2000 + m)
        gain = (np.abs(bursts.h.astype(complex)) ** 2).sum(axis=(1, 2))
        received = s.transmit_bit(bursts)
        kind = "Rayleigh" if k_factor == 0.0 else f"Rician K={k_factor:g}"
        name = f"{NAMES[m]:8s}{kind:11s}{branches} ant, {num_bursts} flat blocks"
        rows.append(_given_row(s, name, "transmit_bit", bursts, received, np.repeat(gain, 1000)))
    ofdm = s.ofdm(fft_size=64, cp_len=16)
    num_bursts, width, branches = effort.symbols // 3000, 48, 2
    taps = channel.tapped_delay_line(rng, (num_bursts, branches), channel.exponential_profile(9, 2.0), 1.0)
    bursts = make_bursts(4, 9.0, 960, response(ofdm, taps, width), rng, 2100)
    received = s.transmit_waveform(bursts, ofdm, taps)
    gain = np.tile((np.abs(bursts.h.astype(complex)) ** 2).sum(axis=1), (1, 960 // width)).reshape(-1)
    name = f"16-QAM  delay line, 9 taps, {branches} ant, samples"
    rows.append(_given_row(s, name, "transmit_waveform", bursts, received, gain))
    return rows


def _given_row(
    s: Subjects, name: str, subject: str, bursts: Bursts, received: Received, gain: np.ndarray
) -> Row:
    m, es = int(bursts.bits_per_symbol[0]), float(bursts.es[0])
    counts = symbol_errors(bursts, received)
    expected = m * s.ber_awgn(m, gain * es / bursts.n0)
    z = residual_z(counts, expected)
    snr_db = decibel(es / bursts.n0)
    return Row(
        "BER given h", name, subject, float(counts.mean()) / m, float(expected.mean()) / m, "", z,
        samples=counts.size,
        details={"es_n0_db": snr_db, "eb_n0_db": snr_db - 10.0 * math.log10(m), "bits_per_symbol": m,
                 "errors": int(counts.sum()), "trials": int(counts.size) * m},
    )  # fmt: skip


def reported_rows(s: Subjects, rng: Generator, _: Effort) -> list[Row]:
    """The SNR that the links report: sum over the antennas of |h|^2 Es/N0, mean over the elements; exact."""
    h = channel.rician(rng, (3, 4, 1), 2.0)
    bursts = make_bursts(4, 7.0, 96, h, rng, 3000)
    due = 10.0**0.7 * float((np.abs(h[1]) ** 2).sum())
    ofdm = s.ofdm(fft_size=64, cp_len=16)
    got: dict[str, Received | Soft] = {
        "transmit_bit": s.transmit_bit(bursts),
        "transmit_injected": s.transmit_injected(bursts),
        "transmit_waveform": s.transmit_waveform(bursts, ofdm, h, np.array([48, 48, 48])),
        "demap_llr": s.demap_llr(bursts),
    }
    return [
        Row("reported SNR", f"snr_db of {name}, 4 antennas", name, float(result.snr_db[1]), decibel(due),
            "dB", tolerance=1e-3)
        for name, result in got.items()
    ]  # fmt: skip
