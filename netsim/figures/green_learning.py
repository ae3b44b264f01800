"""Green's Figs 4, 5 and 6 as tables and pictures, from the series of `green_runs`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from netsim import stats
from netsim.figures.green_runs import SCHEMES, Key, Series

LABELS = {
    "drqn": "DRQN", "dqn": "DQN", "dqn_woec": "DQN without energy term", "greedy": "full power, random k",
    "random": "random", "ub_coord": "full-CSI bound", "level1_genie_k": "lowest power, best k",
    "static_best": "best constant choice",
}  # fmt: skip
_COLOURS = dict(zip(SCHEMES, ("#0b6e4f", "#1f77b4", "#d95f02", "#7a5195", "#888888")))
_STYLES = {"ub_coord": "-", "level1_genie_k": "--", "static_best": ":"}
_SHORT = {
    "drqn": "DRQN", "dqn": "DQN", "dqn_woec": "DQN w/o\nenergy term", "greedy": "full power,\nrandom k",
    "random": "random",
}  # fmt: skip
_BOX_SHARE, _BOX_MEAN = 0.2, 100
PAIRS = (("drqn", "dqn"), ("drqn", "dqn_woec"), ("dqn", "dqn_woec"), ("dqn", "greedy"), ("greedy", "random"))


def block_means(values: np.ndarray, length: int) -> np.ndarray:
    """Means of successive blocks; an incomplete last one is left out."""
    whole = len(values) // length
    return values[: whole * length].reshape(whole, length).mean(axis=1)


def window(learn_slots: int) -> int:
    """Slots in a point of Fig. 4: 1,000 as in the paper, fewer in a short run."""
    return min(1000, max(learn_slots // 20, 1))


def last_share(series: Series) -> np.ndarray:
    """The last fifth of the learning slots."""
    return series.learning[-max(int(_BOX_SHARE * series.learn_slots), 1) :]


def last_slots(series: Series) -> slice:
    """The last 10,000 learning slots, at most half of them."""
    count = min(10_000, series.learn_slots // 2)
    return slice(series.learn_slots - count, series.learn_slots)


def summary(found: Mapping[Key, Sequence[Series]]) -> list[dict[str, object]]:
    """Rows: means over drops while learning (last slots) and frozen: efficiency with Student's interval, its
    standard deviation over slots and over means of 100 slots, power level, power in mW a station, share of
    users with a requirement unmet.
    """
    rows = []
    for (preset, cells, scheme), runs in found.items():
        for phase in ("learning", "frozen"):
            parts = [last_slots(r) if phase == "learning" else slice(r.learn_slots, None) for r in runs]
            ee = [run.ee[part] for run, part in zip(runs, parts)]
            interval = stats.mean_interval([x.mean() for x in ee])
            rows.append(
                {
                    "preset": preset, "cells": cells, "scheme": scheme, "phase": phase, "drops": len(runs),
                    "ee": interval.mean, "low": interval.low, "high": interval.high,
                    "slot_std": float(np.mean([x.std() for x in ee])),
                    "std_of_means": float(np.mean([block_means(x, _BOX_MEAN).std() for x in ee])),
                    "power_index": _mean([r.level[part] for r, part in zip(runs, parts)]),
                    "power_mw": 1e3 * _mean([r.power_w[part] for r, part in zip(runs, parts)]),
                    "unmet": _mean([r.unmet[part] for r, part in zip(runs, parts)]),
                }
            )  # fmt: skip
    return rows


def summary_names() -> tuple[str, ...]:
    """Columns of `summary`."""
    return (
        "preset", "cells", "scheme", "phase", "drops", "ee", "low", "high", "slot_std", "std_of_means",
        "power_index", "power_mw", "unmet",
    )  # fmt: skip


def _mean(parts: Sequence[np.ndarray]) -> float:
    return float(np.mean([part.mean() for part in parts]))


def difference(one: Sequence[Series], other: Sequence[Series]) -> stats.Interval:
    """Frozen efficiency of one scheme less another's, paired over drops."""
    return stats.mean_interval([a.frozen.mean() - b.frozen.mean() for a, b in zip(one, other, strict=True)])


def differences(found: Mapping[Key, Sequence[Series]]) -> list[dict[str, object]]:
    """Rows like those of `summary` for the pairs that the paper's claims are about, frozen."""
    rows: list[dict[str, object]] = []
    for preset, cells in dict.fromkeys((preset, cells) for preset, cells, _ in found):
        for one, other in PAIRS:
            apart = difference(found[preset, cells, one], found[preset, cells, other])
            row: dict[str, object] = dict.fromkeys(summary_names(), "")
            row |= {
                "preset": preset, "cells": cells, "scheme": f"{one} less {other}", "phase": "frozen",
                "drops": apart.n, "ee": apart.mean, "low": apart.low, "high": apart.high,
            }  # fmt: skip
            rows.append(row)
    return rows


def write_csv(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Rows with equal keys as a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})


def curve_rows(found: Mapping[Key, Sequence[Series]]) -> list[dict[str, object]]:
    """Fig. 4 as rows: mean efficiency of blocks of slots with intervals over drops."""
    rows: list[dict[str, object]] = []
    for (preset, cells, scheme), runs in found.items():
        length = window(runs[0].learn_slots)
        for i, block in enumerate(np.stack([block_means(run.learning, length) for run in runs], axis=1)):
            interval = stats.mean_interval(block)
            rows.append({"preset": preset, "cells": cells, "scheme": scheme, "slot": (i + 1) * length,
                         "ee": interval.mean, "low": interval.low, "high": interval.high})  # fmt: skip
    return rows


def draw_curves(
    found: Mapping[Key, Sequence[Series]], lines: Mapping[tuple[str, int], Mapping[str, float]], path: Path
) -> None:
    """Fig. 4: efficiency against slot with 95 % intervals over drops, one panel for each number of cells."""
    panels = sorted({(preset, cells) for preset, cells, _ in found})
    figure, axes = _panels(len(panels))
    longest = max(run.learn_slots for runs in found.values() for run in runs)
    lowest = 1.0
    for axis, (preset, cells) in zip(axes, panels):
        for scheme in SCHEMES:
            runs, colour = found[preset, cells, scheme], _COLOURS[scheme]
            length = window(runs[0].learn_slots)
            blocks = np.stack([block_means(run.learning, length) for run in runs], axis=1)
            points = [stats.mean_interval(block) for block in blocks]
            mean = np.array([p.mean for p in points])
            slots = (np.arange(len(blocks)) + 1) * length / 1e3
            axis.plot(slots, mean, color=colour, label=LABELS[scheme])
            low, high = [p.low for p in points], [p.high for p in points]
            axis.fill_between(slots, low, high, color=colour, alpha=0.1, lw=0)
            if runs[0].learn_slots < longest:  # learns nothing, stopped early: level from there on
                axis.plot([slots[-1], longest / 1e3], 2 * [mean.mean()], color=colour, ls=":")
            lowest = min(lowest, mean.min())
        for name, value in lines[preset, cells].items():
            axis.axhline(value, color="black", lw=1, ls=_STYLES[name], label=LABELS[name])
        axis.set(xlabel="slot / 1000", title=f"{cells} cells ({preset})")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(lowest - 0.05, 1.01)  # intervals of few drops would hide the means
    axes[0].set_ylabel("energy efficiency (normalised)")
    axes[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    _save(figure, path)


def _panels(count: int):
    figure, axes = plt.subplots(
        1, count, figsize=(5.6 * count, 4.4), sharey=True, squeeze=False, layout="constrained"
    )
    return figure, axes[0]


def draw_boxes(found: Mapping[Key, Sequence[Series]], path: Path) -> None:
    """Fig. 5: efficiency after convergence, single slots and means of 100 slots."""
    panels = sorted({(preset, cells) for preset, cells, _ in found})
    figure, axes = _panels(len(panels))
    for axis, (preset, cells) in zip(axes, panels):
        raw = [np.concatenate([last_share(run) for run in found[preset, cells, s]]) for s in SCHEMES]
        means = [
            np.concatenate([block_means(last_share(run), _BOX_MEAN) for run in found[preset, cells, s]])
            for s in SCHEMES
        ]
        for offset, values, colour in ((-0.18, raw, "#bbbbbb"), (0.18, means, "#0b6e4f")):
            boxes = axis.boxplot(
                values, positions=np.arange(len(SCHEMES)) + offset, widths=0.3, showfliers=False,
                patch_artist=True, medianprops={"color": "black"},
            )  # fmt: skip
            for box in boxes["boxes"]:
                box.set(facecolor=colour, alpha=0.7)
        axis.set_xticks(np.arange(len(SCHEMES)), [_SHORT[s] for s in SCHEMES], fontsize=8)
        axis.set_title(f"{cells} cells ({preset})")
        axis.grid(alpha=0.3, axis="y")
    axes[0].set_ylabel("energy efficiency (normalised)")
    axes[0].plot([], [], "s", color="#bbbbbb", label="single slots")
    axes[0].plot([], [], "s", color="#0b6e4f", label=f"means of {_BOX_MEAN} slots")
    axes[0].legend(fontsize=8, loc="lower left")
    _save(figure, path)


def level_shares(runs: Sequence[Series], frozen: bool, num_levels: int) -> np.ndarray:
    """Share of slots at each power level, float64[M, levels], over drops."""
    parts = [run.level[run.learn_slots :] if frozen else run.level[last_slots(run)] for run in runs]
    level = np.concatenate(parts)
    return np.stack([(level == i).mean(axis=0) for i in range(num_levels)], axis=1)


def draw_levels(found: Mapping[Key, Sequence[Series]], schemes: Sequence[str], path: Path) -> None:
    """Fig. 6: heat map of power levels by station, learning and frozen, for each preset."""
    presets = sorted({preset for preset, _, _ in found})
    cells = min(c for _, c, _ in found)
    num_levels = 1 + max(int(run.level.max()) for runs in found.values() for run in runs)
    rows = [(preset, frozen) for preset in presets for frozen in (False, True)]
    figure, axes = plt.subplots(
        len(rows), len(schemes), figsize=(3.9 * len(schemes), 1.9 * len(rows) + 0.6), squeeze=False,
        sharey=True, layout="constrained",
    )  # fmt: skip
    for line, (preset, frozen) in zip(axes, rows):
        for axis, scheme in zip(line, schemes):
            shares = level_shares(found[preset, cells, scheme], frozen, num_levels)
            image = axis.imshow(shares, vmin=0.0, vmax=1.0, cmap="viridis", aspect="auto")
            for m, row in enumerate(shares):
                for i, share in enumerate(row):
                    axis.text(i, m, f"{share:.2f}"[1:] if share < 1 else "1", ha="center", va="center",
                              fontsize=7, color="white" if share < 0.6 else "black")  # fmt: skip
            axis.set_yticks(range(cells), [f"station {m}" for m in range(cells)], fontsize=7)
            axis.set_xticks(range(num_levels), [str(i) for i in range(num_levels)], fontsize=7)
            axis.set_title(f"{LABELS[scheme]}, {preset}, {'frozen' if frozen else 'learning'}", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("power level", fontsize=8)
    figure.colorbar(image, ax=axes, label="share of slots", shrink=0.8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _save(figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)
