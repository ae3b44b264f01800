"""How far the Gaussian-interference formula is from co-channel cells that really send 16-QAM (green 10.5).

The formula takes interference for noise of the same power. Measured are bit and symbol error rates of hard
decisions with perfect knowledge of the own channel, by number and powers of the interferers, and the shift in
SINR that would make the formula right. Intervals come from blocks of 40 symbols, within which the
interferers' phases stay the same.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import brentq

from netsim import stats
from netsim.streams import Streams
from netsim.systems.green_curves import HIGH_DB, LOW_DB
from netsim.systems.green_interference import BLOCK_BYTES, PROFILES, superpose
from phy import theory
from phy.philox import random_bytes

SINRS_DB = tuple(range(-10, 21))
LABELS = {
    "awgn": "Gaussian noise",
    "qam1": "one interferer",
    "qam2": "two equal",
    "qam6": "six equal",
    "geo": "six, geometric powers",
}
_SEED = 2026


@dataclass(frozen=True)
class Point:
    """One SINR and one kind of interference; shifts in dB are those that the formula would need, infinite
    where no error was seen.
    """

    interference: str
    num_interferers: int
    sinr_db: float
    formula_ber: float
    ber: float
    ber_low: float
    ber_high: float
    formula_ser: float
    ser: float
    ser_low: float
    ser_high: float
    shift_db: float
    shift_low_db: float
    shift_high_db: float
    symbols: int


def formula_ser(snr: np.ndarray) -> np.ndarray:
    """Symbol error rate of 16-QAM over AWGN: 1 - (1 - 3/2 Q(sqrt(snr / 5)))^2 (Proakis, 4.3)."""
    rail = 1.5 * theory.q_function(np.sqrt(np.asarray(snr) / 5.0))
    return 1.0 - (1.0 - rail) ** 2


def measure(interference: str, sinr_db: float, num_symbols: int, streams: Streams) -> Point:
    """Error rates of `num_symbols` symbols at one SINR."""
    profile = PROFILES[interference]
    name = f"figure/green-interference/{interference}/{sinr_db:g}"
    key = streams.kernel_key(name)
    blocks = -(-num_symbols // (2 * BLOCK_BYTES))
    sent = random_bytes(key ^ 1, 0, blocks * BLOCK_BYTES)
    received = superpose(sent, sinr_db, profile, key, streams.sequential(name))
    wrong = (sent ^ received).reshape(blocks, BLOCK_BYTES)
    symbols = 2 * BLOCK_BYTES
    ber = _interval(np.bitwise_count(wrong).sum(axis=1), 4 * symbols)
    ser = _interval(((wrong >> 4) > 0).sum(axis=1) + ((wrong & 15) > 0).sum(axis=1), symbols)
    snr = 10.0 ** (sinr_db / 10.0)
    shifts = [equivalent_db(x) - sinr_db for x in (ber.mean, ber.high, ber.low)]
    formula = (float(theory.ber_awgn(4, snr)), float(formula_ser(np.array(snr))))
    return Point(
        interference, len(profile), sinr_db, formula[0], ber.mean, ber.low, ber.high, formula[1], ser.mean,
        ser.low, ser.high, shifts[0], shifts[1], shifts[2], blocks * symbols,
    )  # fmt: skip


def _interval(errors: np.ndarray, trials: int) -> stats.Interval:
    """Error rate with its 95 % interval over blocks; without any error the exact bound for as many trials."""
    if not errors.any():
        return stats.clopper_pearson_interval(0, trials * len(errors))
    found = stats.mean_interval(errors / trials)
    return stats.Interval(found.mean, max(found.low, 0.0), found.high, found.n)


def equivalent_db(ber: float) -> float:
    """SNR in dB at which 16-QAM over AWGN has this bit error rate; infinite for none."""
    if ber <= 0.0:
        return float("inf")
    return float(brentq(lambda x: float(theory.ber_awgn(4, 10.0 ** (x / 10.0))) - ber, -60.0, 40.0))


def points(
    advance: Callable[[int, int], None], num_symbols: int = 400_000, sinrs_db: tuple[float, ...] = SINRS_DB
) -> list[Point]:
    """All points; `advance(done, total)`."""
    jobs = [(interference, float(sinr_db)) for interference in PROFILES for sinr_db in sinrs_db]
    streams, found = Streams(_SEED), []
    for interference, sinr_db in jobs:
        found.append(measure(interference, sinr_db, num_symbols, streams))
        advance(len(found), len(jobs))
    return found


def shift_of(found: list[Point], interference: str) -> Callable[[np.ndarray], np.ndarray]:
    """The equivalent shift in dB as a function of the SINR in dB within the range of the accuracy table,
    linear between points; where there was no error the table's upper end.
    """
    mine = [p for p in found if p.interference == interference]
    grid = np.array([p.sinr_db for p in mine])
    to = np.clip(grid + [p.shift_db for p in mine], LOW_DB, HIGH_DB)
    return lambda x: np.interp(x, grid, to) - x


def write_csv(found: list[Point], path: Path) -> None:
    """The points as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(Point.__dataclass_fields__)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for p in found:
            values = (getattr(p, name) for name in names)
            writer.writerow([f"{v:.5g}" if isinstance(v, float) else v for v in values])


def draw(found: list[Point], path: Path) -> None:
    """Error rates on the formula, and the shifts."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (rates, shifts) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    grid = np.linspace(LOW_DB, HIGH_DB, 200)
    rates.semilogy(grid, theory.ber_awgn(4, 10.0 ** (grid / 10.0)), "k-", linewidth=1.0, label="formula")
    for interference, label in LABELS.items():
        mine = [p for p in found if p.interference == interference]
        x, ber = np.array([p.sinr_db for p in mine]), np.array([p.ber for p in mine])
        spread = [ber - [p.ber_low for p in mine], np.array([p.ber_high for p in mine]) - ber]
        seen = ber > 0.0
        style = {"marker": "o", "markersize": 3.5, "capsize": 2, "label": label}
        bars = rates.errorbar(x[seen], ber[seen], yerr=np.array(spread)[:, seen], **style, linestyle="none")
        if interference == "awgn":
            continue
        shift, low, high = (
            np.array([getattr(p, name) for p in mine])[seen]
            for name in ("shift_db", "shift_low_db", "shift_high_db")
        )
        limits = np.nan_to_num([shift - low, high - shift], posinf=0.0)
        colour = bars[0].get_color()
        shifts.errorbar(x[seen], shift, yerr=limits, **style, linestyle="-", color=colour)
    rates.set(xlabel="SINR [dB]", ylabel="bit error rate", ylim=(1e-5, 0.6))
    shifts.axhline(0.0, color="k", linewidth=1.0)
    shifts.set(xlabel="SINR [dB]", ylabel="SINR shift that makes the formula right [dB]", ylim=(-5, 3))
    for panel in (rates, shifts):
        panel.grid(alpha=0.35)
        panel.legend(fontsize=8)
    figure.suptitle("16-QAM under real 16-QAM interference against the Gaussian formula", fontsize=11)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
