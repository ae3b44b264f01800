"""Learning curves: what an agent earned while it learned, over seeds, beside what it earns without noise."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netsim import stats
from netsim.training import Result

WINDOW = 50  # iterations in the moving mean of a drawn curve
QUANTITIES = {
    "reward": "reward per slot",
    "packets": "packets per slot",
    "accuracy": "accuracy per delivered packet",
}


def series(result: Result, quantity: str) -> np.ndarray:
    """A quantity of each iteration, smoothed by a trailing mean: float64[iterations].

    Accuracy is a ratio of two smoothed sums, NaN while nothing was delivered.
    """
    if quantity == "accuracy":
        with np.errstate(invalid="ignore", divide="ignore"):
            return _trailing(result.curve["objective"]) / _trailing(result.curve["packets"])
    return _trailing(result.curve[quantity])


def _trailing(values: np.ndarray) -> np.ndarray:
    """Mean over the last WINDOW values, over fewer at the start."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - WINDOW, 0)
    return (total[ends] - total[starts]) / (ends - starts)


def noise_free(result: Result, quantity: str) -> float:
    """The evaluation of a trained agent: reward, packets per slot or accuracy per packet."""
    if quantity == "accuracy":
        packets = result.evaluation["packets"].sum()
        return float(result.evaluation["objective"].sum() / packets) if packets else float("nan")
    return float(result.evaluation[quantity].mean())


def over_seeds(values: Sequence[float]) -> stats.Interval:
    """Student's interval over training seeds, of those that have a value."""
    finite = [value for value in values if np.isfinite(value)]
    return stats.mean_interval(finite) if finite else stats.Interval(np.nan, np.nan, np.nan, 0)


def write_csv(results: Mapping[str, Sequence[Result]], path: Path) -> None:
    """One row per scheme, seed and iteration, unsmoothed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("scheme", "seed", "iteration", "reward", "packets", "accuracy", "violations"))
        for scheme, mine in results.items():
            for result in mine:
                c = result.curve
                for i, (reward, packets, objective, violations) in enumerate(
                    zip(c["reward"], c["packets"], c["objective"], c["violations"])
                ):
                    accuracy = f"{objective / packets:.5g}" if packets else ""
                    row = (f"{reward:.5g}", f"{packets:.5g}", accuracy, f"{violations:.4g}")
                    writer.writerow((scheme, result.about["seed"], i + 1, *row))


def draw_panel(
    panel: Any, results: Mapping[str, Sequence[Result]], quantity: str, lines: Mapping[str, float]
) -> None:
    """Curves of the schemes with bands from the smallest to the largest seed, marks at the right edge for the
    noise-free evaluation (95 % over seeds), horizontal lines for policies that do not learn.
    """
    last = max(len(result.curve["reward"]) for mine in results.values() for result in mine)
    for k, (scheme, mine) in enumerate(results.items()):
        curves = np.array([series(result, quantity) for result in mine])
        x = np.arange(1, curves.shape[1] + 1)
        (line,) = panel.plot(x, curves.mean(axis=0), label=scheme, linewidth=1.6)
        colour = line.get_color()
        panel.fill_between(x, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.18, lw=0)
        found = over_seeds([noise_free(result, quantity) for result in mine])
        spread = None if np.isnan(found.low) else [[found.mean - found.low], [found.high - found.mean]]
        place = last * (1.03 + 0.025 * k)
        panel.errorbar(place, found.mean, yerr=spread, fmt="D", markersize=5, capsize=3, color=colour)
    for k, (name, value) in enumerate(lines.items()):
        style = ("--", ":", "-.")[k % 3]
        panel.axhline(value, color="black", linestyle=style, linewidth=1.2, label=f"{name} (no learning)")
    panel.set_xlabel(f"iteration (episode of 10 slots); trailing mean of {WINDOW}")
    panel.grid(alpha=0.35)


def legend(figure: Any, panel: Any) -> None:
    """One legend for all panels, below them."""
    handles, labels = panel.get_legend_handles_labels()
    title = "curve: with exploration; diamond: without"
    figure.legend(
        handles, labels, loc="outside lower center", ncols=6, fontsize=8, title=title, title_fontsize=8
    )


def draw(results: Mapping[str, Sequence[Result]], quantity: str, title: str, path: Path) -> None:
    """The picture of one training: `draw_panel` alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(8.2, 5.0), layout="constrained")
    draw_panel(panel, results, quantity, {})
    panel.set_ylabel(QUANTITIES[quantity])
    panel.set_title(title, fontsize=10)
    legend(figure, panel)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
