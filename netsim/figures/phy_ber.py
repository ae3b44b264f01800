"""Bit error rates of the bit-level link on the curves of theory: the figure of the README.

Points are measured with `phy.link.transmit_bit`; their 95 % intervals come from the error counts of
independent bursts (Student's t), which holds in fading too, where the bits of a symbol share their channel.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats
from netsim.streams import Streams
from phy import theory
from phy.bursts import Bursts
from phy.link import transmit_bit
from phy.philox import random_bytes

NAMES = {1: "BPSK", 2: "QPSK", 4: "16-QAM", 6: "64-QAM", 8: "256-QAM"}
_BURSTS = 200
_ELEMENTS = (
    240  # resource elements in a burst, each with a channel of its own in fading: whole bytes at any order
)


@dataclass(frozen=True)
class Curve:
    """One curve of the figure: modulation, Rician factor (None = AWGN), receive antennas."""

    bits_per_symbol: int
    k_factor: float | None
    num_rx_ant: int

    @property
    def label(self) -> str:
        if self.k_factor is None:
            return NAMES[self.bits_per_symbol]
        fading = "Rayleigh" if self.k_factor == 0.0 else f"Rician K={self.k_factor:g}"
        antennas = f"{self.num_rx_ant} antenna{'s' if self.num_rx_ant > 1 else ''}"
        return f"{NAMES[self.bits_per_symbol]}, {fading}, {antennas}"

    def theory(self, snr_db: np.ndarray) -> np.ndarray:
        """Closed form at Es/N0 per antenna in dB."""
        snr = 10.0 ** (snr_db / 10.0)
        if self.k_factor is None:
            return theory.ber_awgn(self.bits_per_symbol, snr)
        return theory.ber_rician(self.bits_per_symbol, snr, self.k_factor, self.num_rx_ant)


AWGN = tuple(Curve(m, None, 1) for m in NAMES)
FADING = (Curve(4, 0.0, 1), Curve(4, 0.0, 2), Curve(4, 0.0, 4), Curve(4, 4.0, 1), Curve(4, 4.0, 6))


@dataclass(frozen=True)
class Point:
    """A measured bit error rate."""

    curve: str
    snr_db: float
    theory: float
    ber: float
    low: float
    high: float
    bits: int


def measure(curve: Curve, snr_db: float, repeats: int, streams: Streams) -> Point:
    """BER of `repeats` x 200 bursts of 240 resource elements each at one SNR per antenna."""
    m, name = curve.bits_per_symbol, f"figure/{curve.label}/{snr_db:g}"
    num_bits, key = _ELEMENTS * m, streams.kernel_key(name)
    size = num_bits // 8
    fading = streams.sequential(name)
    rates = []
    for repeat in range(repeats):
        bursts = Bursts(
            payload=random_bytes(key, repeat, _BURSTS * size),
            offset=np.arange(_BURSTS) * size,
            num_bits=np.full(_BURSTS, num_bits),
            bits_per_symbol=np.full(_BURSTS, m),
            h=_channel(curve, fading),
            es=np.full(_BURSTS, 10.0 ** (snr_db / 10.0)),
            n0=1.0,
            first_symbol=np.arange(_BURSTS) * _ELEMENTS,
            key=np.full(_BURSTS, key, np.uint64),
            slot=np.full(_BURSTS, repeat),
        )
        rates.append(transmit_bit(bursts).num_bit_errors / num_bits)
    interval = stats.mean_interval(np.concatenate(rates))
    bits = repeats * _BURSTS * num_bits
    expected = float(curve.theory(np.array([snr_db]))[0])
    return Point(curve.label, snr_db, expected, interval.mean, max(interval.low, 0.0), interval.high, bits)


def _channel(curve: Curve, fading: np.random.Generator) -> np.ndarray:
    """complex64[bursts, antennas, elements]: 1 for AWGN, else independent Rician per element, E|h|^2 = 1."""
    if curve.k_factor is None:
        return np.ones((_BURSTS, 1, 1), np.complex64)
    shape = (_BURSTS, curve.num_rx_ant, _ELEMENTS)
    scattered = (fading.standard_normal(shape) + 1j * fading.standard_normal(shape)) * np.sqrt(0.5)
    k = curve.k_factor
    return (np.sqrt(k / (1.0 + k)) + np.sqrt(1.0 / (1.0 + k)) * scattered).astype(np.complex64)


def points(advance, repeats: int = 10) -> list[Point]:
    """All points of both panels, at SNRs where theory expects between 0.3 and 3e-5 errors a bit."""
    jobs = []
    for curve, step in [(c, 2.0) for c in AWGN] + [(c, 3.0) for c in FADING]:
        grid = np.arange(-6.0, 40.0, step)
        expected = curve.theory(grid)
        jobs += [(curve, float(snr)) for snr in grid[(expected < 0.3) & (expected > 3e-5)]]
    streams, found = Streams(2026), []
    for curve, snr_db in jobs:
        found.append(measure(curve, snr_db, repeats, streams))
        advance(len(found), len(jobs))
    return found


def write_csv(found: list[Point], path: Path) -> None:
    """The points as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Point.__dataclass_fields__)
        for p in found:
            row = (p.curve, f"{p.snr_db:g}", *(f"{v:.6g}" for v in (p.theory, p.ber, p.low, p.high)), p.bits)
            writer.writerow(row)


def draw(found: list[Point], path: Path) -> None:
    """The picture: measured points with intervals on the closed forms."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    for panel, curves, title in zip(panels, (AWGN, FADING), ("AWGN", "fading, maximum-ratio combining")):
        for curve in curves:
            mine = [p for p in found if p.curve == curve.label]
            snr = np.array([p.snr_db for p in mine])
            grid = np.linspace(snr.min() - 2.0, snr.max() + 2.0, 200)
            (line,) = panel.semilogy(grid, curve.theory(grid), linewidth=1.2)
            ber = np.array([p.ber for p in mine])
            spread = [ber - [p.low for p in mine], np.array([p.high for p in mine]) - ber]
            label = curve.label.removeprefix("16-QAM, ") if curves is FADING else curve.label
            style = {"fmt": "o", "markersize": 4, "capsize": 2, "color": line.get_color(), "label": label}
            panel.errorbar(snr, ber, yerr=spread, **style)
        panel.set(title=title, xlabel="Es/N0 per antenna and resource element [dB]", ylim=(1e-5, 0.5))
        panel.grid(which="major", alpha=0.35)
        panel.legend(fontsize=8, title="16-QAM" if curves is FADING else None, title_fontsize=8)
    panels[0].set_ylabel("bit error rate")
    figure.suptitle("Bit-level link: measured (points, 95 % intervals) on closed forms (lines)", fontsize=11)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
