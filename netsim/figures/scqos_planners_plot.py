"""CSV and pictures of SC-QoS Figures 6, 8, 9 and 10."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netsim.figures.scqos_planners import BANDWIDTHS_HZ, THRESHOLDS, Score
from netsim.figures.scqos_trained import Gain

AXES = {
    "scqos-8": ("power_dbm", "transmit power [dBm]", 1.0),
    "scqos-9": ("bandwidth_hz", "bandwidth [kHz]", 1e3),
}
LINES = (
    "aware_in", "aware_cf", "local_probe", "feature_probe", "oracle_snr", "hybrid", "mapping 3 dB",
    "rate_only", "random",
)  # fmt: skip
BARS = ("oracle_snr", "hybrid", "feature_probe", "local_probe", "aware_cf")
TABLES = ("mapping 1 dB", "mapping 3 dB", "mapping 6 dB", "mapping_valid 6 dB", "hybrid")


def write_csv(found: Sequence[Score] | Sequence[Gain], path: Path) -> None:
    """One row per setting and policy (and whom it is compared with)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f.name for f in dataclasses.fields(found[0])]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for score in found:
            values = [getattr(score, name) for name in names]
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])


def draw(name: str, found: list[Score], path: Path) -> None:
    """The picture of figure `name`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    if name == "scqos-6":
        figure = _shares(plt, found)
    elif name == "scqos-10":
        figure = _losses(plt, found)
    else:
        figure = _lines(plt, found, *AXES[name])
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _present(names: tuple[str, ...], found: list[Score]) -> list[str]:
    """Those of the policies that there are."""
    return [name for name in names if any(s.policy == name for s in found)]


def _lines(plt, found: list[Score], field: str, label: str, unit: float):
    """Psi of LINES over a parameter, 95 % intervals over slots (of agents: over training seeds)."""
    figure, axis = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
    for policy in _present(LINES, found):
        mine = [s for s in found if s.policy == policy]
        y = np.array([s.psi for s in mine])
        spread = [y - [s.low for s in mine], np.array([s.high for s in mine]) - y]
        x = [getattr(s, field) / unit for s in mine]
        axis.errorbar(x, y, yerr=spread, marker="o", markersize=3, capsize=2, label=policy)
    axis.set(xlabel=label, ylabel="effective SC-QoS of a slot")
    axis.grid(alpha=0.35)
    axis.legend(fontsize=8)
    return figure


def _shares(plt, found: list[Score]):
    """Share of sentences sent with 1, 2 and 3 bits over the similarity threshold."""
    bars = _present(BARS, found)
    figure, panels = plt.subplots(1, len(bars), figsize=(13, 3.8), sharey=True, layout="constrained")
    for panel, policy in zip(panels, bars):
        mine = [s for s in found if s.policy == policy]
        x, bottom = np.arange(len(mine)), np.zeros(len(mine))
        for n, field in enumerate(("share_1", "share_2", "share_3"), 1):
            share = np.array([getattr(s, field) for s in mine])
            panel.bar(x, share, 0.7, bottom=bottom, label=f"{n} bit{'s' if n > 1 else ''}")
            bottom += share
        panel.set_xticks(x, [f"{s.min_similarity:.2f}" for s in mine])
        panel.set(title=policy, xlabel="minimum similarity")
    panels[0].set_ylabel("share of sentences")
    panels[-1].legend(fontsize=8)
    return figure


def _losses(plt, found: list[Score]):
    """Loss of the mapping-guided policies against oracle_snr over the bandwidth, a panel per threshold; the
    points of one bandwidth stand side by side, what is out of sight lies above 100 %.
    """
    figure, panels = plt.subplots(1, len(THRESHOLDS), figsize=(15, 3.8), sharey=True, layout="constrained")
    for panel, threshold in zip(panels, THRESHOLDS):
        here = [s for s in found if s.min_similarity == threshold]
        best = np.array([s.psi for s in here if s.policy == "oracle_snr"])
        for k, policy in enumerate(_present((*TABLES, "hybrid, mapping-guided"), found)):
            mine = [s for s in here if s.policy == policy]
            at = [BANDWIDTHS_HZ.index(s.bandwidth_hz) for s in mine]  # agents: not trained at every point
            y = np.array([s.loss for s in mine])
            spread = np.array([y - [s.loss_low for s in mine], np.array([s.loss_high for s in mine]) - y])
            x = np.array(BANDWIDTHS_HZ)[at] / 1e3 + 2.0 * (k - 2)
            style = {"marker": "o", "markersize": 3, "capsize": 2, "label": policy, "color": f"C{k}"}
            panel.errorbar(x, 100 * y / best[at], yerr=100 * spread / best[at], **style)
        panel.set(title=f"S_th = {threshold:.2f}", xlabel="bandwidth [kHz]")
        panel.axhline(13.0, color="0.5", linestyle=":", linewidth=1, label="13 % (paper)")
        panel.grid(alpha=0.35)
    panels[0].set(ylabel="loss against oracle_snr [%]", ylim=(-20.0, 100.0))
    panels[1].legend(fontsize=8)
    return figure
