"""Fig. 2 of TOSCN: where a class shows in an image, and which feature maps carry it.

For one test image a task: the class activation map sum_i W_{c,i} F_i of the class found, the 16 most and the
16 least important maps of (3), and the image seen through either set (their mean activation as a mask). Over
all images: what either set is worth, and how much of its activation lies on the object.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats
from netsim.semantics.bank import ImageBank, live_bank
from netsim.semantics.datasets import item_hashes, load_images
from netsim.systems.toscn import TASKS

COUNT = 16
SIDE = 7
# where the object is, for pictures on a black ground: mean grey of a cell above this share of white
_INK = 0.2
MASKED_TASKS = ("mnist", "fashion-mnist")


@dataclass(frozen=True)
class Example:
    """One image of a task. `cam` and the maps are float64[7, 7] and float64[16, 7, 7]."""

    task: str
    image: np.ndarray  # uint8[c, h, w]
    label: int
    decided: int
    cam: np.ndarray
    top: np.ndarray
    bottom: np.ndarray


@dataclass(frozen=True)
class Worth:
    """A set of maps over all images of a task."""

    task: str
    maps: str  # "top 16", "bottom 16"
    accuracy: stats.Interval  # only these maps are sent
    logit_share: stats.Interval  # of the found class's logit, all maps together being 1
    strength: stats.Interval  # mean activation of these maps over that of all maps
    on_object: stats.Interval  # share of activation on cells with ink; NaN for CIFAR-10
    object_share: float  # share of the cells with ink: what an even spread would give


def class_list(bank: ImageBank) -> np.ndarray:
    """Importance list of every image for the class that the device finds (3): uint16[n, 512]."""
    return bank.using("class_pred").rankings


def example(task: str, bank: ImageBank, images: np.ndarray, item: int) -> Example:
    """The maps of image `item` of the bank; `images` in the bank's order."""
    maps = bank.quantizer.decode(bank.codes[item]).astype(float)
    decided = int(bank.predicted[item])
    order = class_list(bank)[item]
    cam = (bank.fc_weight[decided].astype(float) @ maps).reshape(SIDE, SIDE)
    top, bottom = (maps[ids].reshape(COUNT, SIDE, SIDE) for ids in (order[:COUNT], order[-COUNT:]))
    return Example(task, images[item], int(bank.labels[item]), decided, cam, top, bottom)


def worth(task: str, bank: ImageBank, images: np.ndarray) -> list[Worth]:
    """Top 16 and bottom 16 over all images of the bank."""
    order = class_list(bank).astype(np.int64)
    items = np.arange(bank.num_items)
    means = bank.map_means
    weight = bank.fc_weight[bank.predicted]  # float32[n, 512]
    whole = (weight * means).sum(axis=1)
    ink = _ink(images) if task in MASKED_TASKS else None
    found = []
    for name, chosen in (("top 16", order[:, :COUNT]), ("bottom 16", order[:, -COUNT:])):
        only = np.zeros_like(means)
        np.put_along_axis(only, chosen, np.take_along_axis(means, chosen, axis=1), axis=1)
        right = int((bank.classify_means(only) == bank.labels).sum())
        share = (weight * only).sum(axis=1) / whole
        on_object = stats.Interval(np.nan, np.nan, np.nan, len(items))
        if ink is not None:
            activation = bank.codes[items[:, None], chosen].astype(float).sum(axis=1)  # [n, 49]
            lit = activation.sum(axis=1) > 0
            fraction = (activation * ink).sum(axis=1)[lit] / activation.sum(axis=1)[lit]
            on_object = stats.mean_interval(fraction)
        covered = float(ink.mean()) if ink is not None else float("nan")
        accuracy = stats.wilson_interval(right, len(items))
        strength = stats.mean_interval(only.sum(axis=1) / COUNT / means.mean(axis=1))
        by_logit = stats.mean_interval(share)
        found.append(Worth(task, name, accuracy, by_logit, strength, on_object, covered))
    return found


def _ink(images: np.ndarray) -> np.ndarray:
    """Cells of the 7 x 7 grid with ink: bool[n, 49] of uint8[n, 1, 28, 28]."""
    blocks = images[:, 0].reshape(len(images), SIDE, 4, SIDE, 4).mean(axis=(2, 4))
    return (blocks > _INK * 255.0).reshape(len(images), -1)


def load(task: str) -> tuple[ImageBank, np.ndarray]:
    """The bank of a task extracted here (imports torch unless it is cached), and its images in its order.

    Raises:
        MissingData: the images are not on this machine.
    """
    test = load_images(task, "test")
    bank = live_bank(task)
    chosen = np.argsort(item_hashes(test.images), kind="stable")[: bank.num_items]
    return bank, test.images[chosen]


def measure() -> tuple[list[Example], list[Worth]]:
    """One example a task (the first image by hash that is classified rightly), and the numbers over all."""
    examples, numbers = [], []
    for task in TASKS:
        bank, images = load(task)
        item = int(np.flatnonzero(bank.predicted == bank.labels)[0])
        examples.append(example(task, bank, images, item))
        numbers += worth(task, bank, images)
    return examples, numbers


def write_csv(numbers: list[Worth], path: Path) -> None:
    """One row a task and set of maps, 95 % intervals over images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = ("accuracy", "logit_share", "strength", "on_object")
        columns = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
        writer.writerow(("task", "maps", *columns, "object_share", "images"))
        for w in numbers:
            values = [v for name in names for v in _limits(getattr(w, name))]
            cells = ["" if np.isnan(v) else f"{v:.4f}" for v in (*values, w.object_share)]
            writer.writerow((w.task, w.maps, *cells, w.accuracy.n))


def _limits(i: stats.Interval) -> tuple[float, float, float]:
    return i.mean, i.low, i.high


def draw(examples: list[Example], path: Path) -> None:
    """A row a task: image, class activation, top and bottom maps, the image through either set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    titles = (
        "image",
        "class activation",
        "top 16 maps",
        "seen through them",
        "bottom 16 maps",
        "seen through them",
    )
    whole, panels = plt.subplots(len(examples), len(titles), figsize=(15, 7.6), layout="constrained")
    for one, across in zip(examples, panels):
        picture = np.moveaxis(one.image, 0, 2) / 255.0
        brightest = max(one.top.max(), one.bottom.max())
        shown = {"vmin": 0.0, "vmax": brightest, "cmap": "magma", "interpolation": "nearest"}
        _picture(across[0], picture)
        _picture(across[1], picture)
        size = (0, picture.shape[1], picture.shape[0], 0)
        cam = np.maximum(one.cam, 0.0)
        across[1].imshow(cam, extent=size, cmap="jet", alpha=0.55, interpolation="bilinear")
        for at, maps in ((2, one.top), (4, one.bottom)):
            across[at].imshow(_mosaic(maps, brightest), **shown)
            _picture(across[at + 1], picture * _mask(maps, one.top, picture.shape[0])[:, :, None])
        across[0].set_ylabel(f"{one.task}\nclass {one.label}")
    for panel, title in zip(panels[0], titles):
        panel.set_title(title, fontsize=10)
    for panel in panels.ravel():
        panel.set_xticks([])
        panel.set_yticks([])
    whole.suptitle(
        "Important and unimportant feature maps of one image a task (same brightness scale)", fontsize=11
    )
    whole.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(whole)


def _picture(panel, picture: np.ndarray) -> None:
    shown = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    panel.imshow(shown, interpolation="nearest", extent=(0, picture.shape[1], picture.shape[0], 0))


def _mosaic(maps: np.ndarray, edge: float) -> np.ndarray:
    """16 maps as 4 x 4 tiles with a bright line between: float64[31, 31]."""
    out = np.full((4 * (SIDE + 1) - 1,) * 2, edge)
    for k, tile in enumerate(maps):
        row, column = (SIDE + 1) * (k // 4), (SIDE + 1) * (k % 4)
        out[row : row + SIDE, column : column + SIDE] = tile
    return out


def _mask(maps: np.ndarray, reference: np.ndarray, size: int) -> np.ndarray:
    """Mean activation as a mask of the image, relative to the brightest cell of the top maps."""
    cells = maps.mean(axis=0) / max(float(reference.mean(axis=0).max()), 1e-12)
    where = (np.arange(size) + 0.5) * SIDE / size - 0.5
    lower = np.clip(np.floor(where).astype(int), 0, SIDE - 2)
    part = np.clip(where - lower, 0.0, 1.0)
    rows = cells[lower] * (1 - part)[:, None] + cells[lower + 1] * part[:, None]
    both = rows[:, lower] * (1 - part) + rows[:, lower + 1] * part
    return np.clip(both, 0.0, 1.0)
