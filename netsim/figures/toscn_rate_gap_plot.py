"""The picture of figure F-A: rates and fits, rate gap by SNR, accuracy gap, value of the policies."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netsim import stats
from netsim.figures.toscn_rate_gap import (
    PLANNERS,
    POLICIES,
    AccuracyBin,
    Result,
    Run,
    SnrBin,
    on_bits,
)
from netsim.systems.toscn_goodput import Calibration


def draw(
    fits: dict[str, tuple[np.ndarray, np.ndarray, Calibration]],
    bins: dict[float, list[SnrBin]],
    accuracy: dict[str, list[AccuracyBin]],
    found: dict[Run, Result],
    path: Path,
) -> None:
    """Four panels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    whole, panels = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
    _rates(panels[0, 0], fits)
    _gaps(panels[0, 1], bins)
    _accuracy(panels[1, 0], accuracy)
    _values(panels[1, 1], found, min(bins))
    for panel in panels.ravel():
        panel.grid(alpha=0.3)
    whole.suptitle("TOSCN: what the formulas promise and what the bits carry", fontsize=12)
    whole.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(whole)


def _rates(panel, fits) -> None:
    snr_db = np.linspace(-2.0, 24.0, 300)
    snr = 10.0 ** (snr_db / 10.0)
    panel.plot(snr_db, np.log2(1.0 + snr), color="black", linewidth=1.2, label="Shannon (13)")
    for (name, (at, bits, fit)), colour in zip(fits.items(), ("tab:blue", "tab:orange")):
        panel.plot(at, bits, "o", color=colour, markersize=4, label=f"{name}: measured goodput")
        law = np.minimum(fit.cap_bits, np.log2(1.0 + snr / 10.0 ** (fit.gap_db / 10.0)))
        label = f"capped fit: m {fit.cap_bits:.2f}, gap {fit.gap_db:.1f} dB, rms {fit.rms_bits:.2f} bit"
        panel.plot(snr_db, law, "--", color=colour, linewidth=1.2, label=label)
    panel.set(xlabel="Es/N0 [dB]", ylabel="bit per data symbol", ylim=(0.0, 7.0), title="rate and goodput")
    panel.legend(fontsize=8)


def _gaps(panel, bins: dict[float, list[SnrBin]]) -> None:
    for bandwidth, rows in bins.items():
        middle = [(b.low_db + b.high_db) / 2 for b in rows]
        panel.plot(
            middle, [b.rate_gap for b in rows], "o-", label=f"{bandwidth / 1e6:g} MHz: goodput / Shannon"
        )
        share = [b.share / (b.high_db - b.low_db) for b in rows]
        panel.fill_between(middle, np.array(share) / max(share) * 0.25, alpha=0.12, step="mid")
    panel.set(
        xlabel="SNR of a grant [dB]",
        ylabel="g_R",
        ylim=(0.0, 1.5),
        title="rate gap by SNR (shaded: where devices are)",
    )
    panel.legend(fontsize=8)


def _accuracy(panel, accuracy: dict[str, list[AccuracyBin]]) -> None:
    for (name, rows), marker in zip(accuracy.items(), ("o", "s")):
        middle = np.array([(b.low_db + b.high_db) / 2 for b in rows])
        for what, colour in (("paper", "tab:red"), ("fitted", "tab:blue"), ("table", "tab:green")):
            expected = np.array([getattr(b, what) for b in rows])
            mean = np.array([b.right.mean for b in rows]) - expected
            spread = [
                np.array([b.right.mean - b.right.low for b in rows]),
                np.array([b.right.high - b.right.mean for b in rows]),
            ]
            labels = {"paper": "paper's curve", "fitted": "our curve", "table": "our table A(eta, SNR)"}
            shift = {"paper": -0.5, "fitted": 0.0, "table": 0.5}[what]
            panel.errorbar(
                middle + shift, mean, spread, None, marker, color=colour, capsize=2, markersize=4,
                label=f"{labels[what]}, {name}",
            )  # fmt: skip
    panel.axhline(0.0, color="black", linewidth=0.8)
    panel.set(
        xlabel="SNR of a grant [dB]", ylabel="accuracy on bits less expected", title="accuracy gap, eta 0.85"
    )
    panel.legend(fontsize=7.5)


def _values(panel, found: dict[Run, Result], bandwidth_hz: float) -> None:
    places = np.arange(len(POLICIES))
    series = [("Shannon's world", "shannon", False, "lightgrey")]
    series += [("on bits, Shannon's plan", "shannon", True, "tab:red")]
    series += [("on bits, capped plan", "capped", True, "tab:blue")]
    series += [("on bits, the link's rate", "link", True, "tab:green")]
    for k, (label, law, real, colour) in enumerate(series):
        rows = [
            on_bits(found, bandwidth_hz, name, law) if real else found[Run(bandwidth_hz, law, name, law)]
            for name in POLICIES
        ]
        intervals = [stats.mean_interval(row.values) for row in rows]
        mean = np.array([i.mean for i in intervals])
        spread = [mean - [i.low for i in intervals], np.array([i.high for i in intervals]) - mean]
        panel.bar(places + 0.2 * (k - 1.5), mean, 0.19, yerr=spread, color=colour, label=label, capsize=2)
    names = [name if name not in PLANNERS else f"{name} *" for name in POLICIES]
    panel.set_xticks(places, names, rotation=25, fontsize=8)
    panel.set(
        ylabel="value per slot", title=f"{bandwidth_hz / 1e6:g} MHz: the same policies (* plan with a rate)"
    )
    panel.legend(fontsize=8, ncols=2, loc="upper left")
    panel.set_ylim(0.0, 30.0)
