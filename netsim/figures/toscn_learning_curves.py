"""TOSCN Figs. 6 to 8: reward, packets and accuracy while the four schemes learn, at 3 MHz and 0.2 W."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from netsim import training
from netsim.figures import learning_curve
from netsim.figures import toscn_trained as trained

QUANTITY = {"toscn-6": "reward", "toscn-7": "packets", "toscn-8": "accuracy"}
EVERY = 5  # iterations between the rows of the CSV
Advance = Callable[[int, int], None]


def curves(quick: bool, jobs: int, advance: Advance) -> dict[str, list[training.Result]]:
    """The trainings behind the three figures by scheme, both presets."""
    seeds = trained.EVERY_SEED[:2] if quick else trained.EVERY_SEED
    iterations = trained.QUICK_ITERATIONS if quick else trained.ITERATIONS
    keys = [(agent, preset, seed) for agent, preset in trained.SCHEMES for seed in seeds]
    setting = trained.Setting()
    plans = [trained.plan_of(setting, *key, iterations) for key in keys]
    found: dict[str, list[training.Result]] = {}
    for (agent, preset, _), result in zip(keys, trained.ensure(plans, jobs, advance)):
        found.setdefault(trained.scheme_name(agent, preset), []).append(result)
    return found


def lines(quantity: str, jobs: int, advance: Advance) -> dict[str, float]:
    """What the planners reach on the evaluation's worlds."""
    wanted = [
        trained.planner_job(name, trained.Setting(), "paper", training.EVALUATION_EPISODES)
        for name in trained.PLANNERS
    ]
    return {
        e.scheme: e.accuracy if quantity == "accuracy" else float(e.figures[quantity].mean())
        for e in trained.evaluate_all(wanted, jobs, advance)
    }


def write_csv(
    found: dict[str, list[training.Result]], levels: dict[str, float], quantity: str, path: Path
) -> None:
    """Smoothed curves (mean, 95 % over seeds, smallest and largest seed) and the noise-free evaluations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("scheme", "iteration", quantity, "low", "high", "smallest", "largest", "seeds"))
        for scheme, mine in found.items():
            values = np.array([learning_curve.series(result, quantity) for result in mine])
            for i in range(EVERY - 1, values.shape[1], EVERY):
                writer.writerow((scheme, i + 1, *_row(values[:, i])))
            writer.writerow(
                (scheme, "noise-free", *_row([learning_curve.noise_free(r, quantity) for r in mine]))
            )
        for name, value in levels.items():
            writer.writerow((name, "no learning", f"{value:.5g}", "", "", "", "", ""))


def _row(values) -> tuple[str, ...]:
    over = learning_curve.over_seeds(values)
    finite = [value for value in values if np.isfinite(value)]
    edges = (min(finite), max(finite)) if finite else (np.nan, np.nan)
    numbers = (over.mean, over.low, over.high, *edges)
    return (*("" if np.isnan(v) else f"{v:.5g}" for v in numbers), str(over.n))


def draw(
    found: dict[str, list[training.Result]], levels: dict[str, float], quantity: str, path: Path
) -> None:
    """The picture: one panel a preset."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(12.5, 5.0), sharey=True, layout="constrained")
    titles = {"tuned": "settings repaired (preset tuned)", "paper": "settings as printed (preset paper)"}
    for panel, preset in zip(panels, training.AGENT_PRESETS):
        mine = {
            scheme.removesuffix(f", {preset}"): results
            for scheme, results in found.items()
            if scheme.endswith(preset)
        }
        learning_curve.draw_panel(panel, mine, quantity, levels)
        panel.set_title(titles[preset], fontsize=10)
    learning_curve.legend(figure, panels[0])
    panels[0].set_ylabel(learning_curve.QUANTITIES[quantity])
    seeds = max(len(mine) for mine in found.values())
    figure.suptitle(
        f"TOSCN, 3 MHz, 0.2 W, level paper, {seeds} training seeds (band: smallest to largest)", fontsize=11
    )
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
