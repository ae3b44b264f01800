"""SC-QoS Fig. 2: how SBQ and other scalar quantisers fare on one-sided features, and what the features are.

Mean squared error over variance, for features of known distributions and for those of the shipped text
codecs. 95 % intervals are those of a ratio over 20 blocks of samples (blocks of sentences for a codec).
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import skew

from netsim import stats
from netsim.semantics import sbq_levels
from netsim.semantics.sbq import Sbq
from netsim.semantics.sbq_baselines import lloyd_max_levels, uniform_levels
from netsim.streams import Streams
from netsim.systems.scqos_bank_file import load_bank

SAMPLES = 400_000
RULES = ("mean", "median", "mse")
_BLOCKS = 20
# distribution -> (expression of a generator, what it is)
SYNTHETIC: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "exponential": lambda rng, n: rng.exponential(1.0, n),
    "half-normal": lambda rng, n: np.abs(rng.standard_normal(n)),
    "rectified normal": lambda rng, n: np.maximum(rng.normal(0.5, 1.0, n), 0.0),
    "normal": lambda rng, n: rng.standard_normal(n),
}
# quantiser -> colour of its bars: a family a hue
SHOWN = {
    "paper, mean": "#fdbe85", "paper, median": "#e6550d", "midpoint, mean": "#bdd7e7",
    "midpoint, median": "#6baed6", "midpoint, mse": "#08519c", "uniform to max": "#c7e9c0",
    "uniform to p99.9": "#31a354", "Lloyd-Max": "#525252",
}  # fmt: skip
_COLUMNS = 3
_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Shape:
    """Fig. 2(a) in numbers."""

    features: str
    count: int
    mean: float
    median: float
    std: float
    skewness: float
    zeros: float
    largest: float


@dataclass(frozen=True)
class Entry:
    """One bar of Fig. 2(b)."""

    features: str
    bits: int
    quantiser: str
    p_th: float  # NaN where there is none
    error: float  # MSE / variance
    low: float
    high: float


def feature_sets(samples: int, banks: Sequence[str]) -> dict[str, np.ndarray]:
    """Name to float64[blocks, values]: the distributions, and the features of the banks."""
    rng = Streams(2026)
    found = {
        name: draw(rng.sequential(f"figure/scqos-2b/{name}"), samples).reshape(_BLOCKS, -1)
        for name, draw in SYNTHETIC.items()
    }
    for name in banks:
        embedding = load_bank(name).embedding.astype(np.float64)
        whole = len(embedding) // _BLOCKS * _BLOCKS
        found[f"codec {name}"] = embedding[:whole].reshape(_BLOCKS, -1)
    return found


def shape_of(name: str, x: np.ndarray) -> Shape:
    """Moments of the features x."""
    flat = x.ravel()
    return Shape(
        name, flat.size, float(flat.mean()), float(np.median(flat)), float(flat.std()), float(skew(flat)),
        float(np.mean(flat == 0.0)), float(flat.max()),
    )  # fmt: skip


def _quantisers(x: np.ndarray, bits: int) -> Iterator[tuple[str, float, np.ndarray]]:
    """Name, p_th and quantised features of every quantiser, fitted to x float64[blocks, values]."""
    for mode in sbq_levels.MODES:
        for rule in RULES:
            p_th = sbq_levels.threshold(x, rule, mode, bits)
            quantiser = Sbq(mode, bits, p_th)
            yield f"{mode}, {rule}", p_th, quantiser.levels()[quantiser.encode(x)]
    if bits > 1 and x.min() < 0.0:
        quantiser = Sbq("levels", bits, float(np.abs(x).mean()), signed=True)
        yield "signed levels, mean", quantiser.p_th, quantiser.levels()[quantiser.encode(x)]
    ends = (
        (min(x.min(), 0.0), x.max(), "max"),
        (min(np.quantile(x, 0.001), 0.0), np.quantile(x, 0.999), "p99.9"),
    )
    for bottom, top, end in ends:
        yield f"uniform to {end}", np.nan, _nearest(x, uniform_levels(float(top), bits, float(bottom)))
    yield "Lloyd-Max", np.nan, _nearest(x, lloyd_max_levels(x, bits))


def _nearest(x: np.ndarray, level: np.ndarray) -> np.ndarray:
    return level[np.searchsorted(0.5 * (level[1:] + level[:-1]), x)]


def entries(name: str, x: np.ndarray) -> list[Entry]:
    """All quantisers at 1, 2 and 3 bits on the features x float64[blocks, values]."""
    spread = ((x - x.mean()) ** 2).mean(axis=1)
    found = []
    for bits in sbq_levels.BITS:
        for quantiser, p_th, back in _quantisers(x, bits):
            i = stats.ratio_interval(((x - back) ** 2).mean(axis=1), spread)
            found.append(Entry(name, bits, quantiser, p_th, i.mean, i.low, i.high))
    return found


def write_csv(shapes: list[Shape], found: list[Entry], out: Path) -> tuple[Path, Path]:
    """Fig. 2(a) and 2(b) as CSV; returns the two paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = out / "scqos-2a.csv", out / "scqos-2b.csv"
    _write(Shape, shapes, paths[0])
    _write(Entry, found, paths[1])
    return paths


def _write(kind: type, rows: Sequence[Shape | Entry], path: Path) -> None:
    names = [f.name for f in dataclasses.fields(kind)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return value


def draw(found: list[Entry], path: Path) -> None:
    """Bars of the quantisers in SHOWN, one panel per set of features, 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(e.features for e in found))
    rows = -(-len(names) // _COLUMNS)
    figure, axes = plt.subplots(
        rows, _COLUMNS, figsize=(13.0, 3.3 * rows + 0.7), sharey=True, layout="constrained", squeeze=False
    )
    width = 0.9 / len(SHOWN)
    for axis, name in zip(axes.ravel(), names):
        for place, (quantiser, colour) in enumerate(SHOWN.items()):
            mine = [e for e in found if e.features == name and e.quantiser == quantiser]
            at = np.array([e.bits for e in mine]) + (place - (len(SHOWN) - 1) / 2) * width
            error = np.array([e.error for e in mine])
            spread = [error - [e.low for e in mine], np.array([e.high for e in mine]) - error]
            whiskers = {"linewidth": 1.0, "ecolor": "0.15"}
            axis.bar(at, error, width, yerr=spread, label=quantiser, color=colour, error_kw=whiskers)
        axis.set(yscale="log", title=name, xlabel="bits a feature", xticks=sbq_levels.BITS)
        axis.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        axis.minorticks_off()
        axis.set_axisbelow(True)
        axis.grid(axis="y", alpha=0.4)
    for axis in axes.ravel()[len(names) :]:
        axis.remove()
    for axis in axes[:, 0]:
        axis.set_ylabel("mean squared error / variance")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
