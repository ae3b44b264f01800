"""Loaders: every format from tiny files, damaged files in one line, missing data with the way to get it."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netsim.semantics import datasets, formats
from netsim.semantics.datasets import MissingData, load_images, load_sentences
from phy.parameters import ParameterError

RNG = np.random.default_rng(20240501)
GREY = RNG.integers(0, 256, (40, 28, 28), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 40, dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, chosen in (("train", slice(0, 30)), ("t10k", slice(30, 40))):
        for kind, array in (("images-idx3", GREY[chosen]), ("labels-idx1", LABELS[chosen])):
            name, data = f"{part}-{kind}-ubyte", idx(array)
            (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    return folder


def write_cifar_pickles(folder: Path, protocol: int = 2) -> Path:
    folder.mkdir(parents=True)
    for i in range(6):
        rows = slice(5 * i, 5 * i + 5)
        batch = {
            b"batch_label": b"x",
            b"labels": [int(v) for v in LABELS[rows]],
            b"data": COLOUR[rows].reshape(-1, 3072),
        }
        name = "test_batch" if i == 5 else f"data_batch_{i + 1}"
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    return folder


def check_split(root: Path, task: str, images: np.ndarray, num_train: int) -> None:
    """train + val are the first `num_train` images, test is the rest in its order."""
    parts = {s: load_images(task, s, root) for s in ("train", "val", "test")}
    assert len(parts["train"].labels) + len(parts["val"].labels) == num_train
    assert len(parts["test"].labels) == len(images) - num_train
    np.testing.assert_array_equal(parts["test"].images, images[num_train:])
    together = np.concatenate([parts["train"].images, parts["val"].images])
    assert {i.tobytes() for i in together} == {i.tobytes() for i in images[:num_train]}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
def test_idx_plain_and_torchvision_layout(tmp_path: Path, folder: str, packed: bool) -> None:
    write_idx(tmp_path / folder, packed)
    check_split(tmp_path, "mnist", GREY[:, None], 30)


def test_torchvision_fashion_is_not_taken_for_mnist(tmp_path: Path) -> None:
    write_idx(tmp_path / "FashionMNIST/raw")
    assert len(load_images("fashion-mnist", "test", tmp_path).labels) == 10
    with pytest.raises(MissingData):
        load_images("mnist", "test", tmp_path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar_python_batches(tmp_path: Path, protocol: int) -> None:
    write_cifar_pickles(tmp_path / "cifar-10-batches-py", protocol)
    test = load_images("cifar10", "test", tmp_path)
    np.testing.assert_array_equal(test.images, COLOUR[25:30])
    np.testing.assert_array_equal(test.labels, LABELS[25:30])
    total = sum(len(load_images("cifar10", s, tmp_path).labels) for s in ("train", "val"))
    assert total == 25


def test_cifar_binary_version(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records = np.concatenate([LABELS[:, None], COLOUR.reshape(40, -1)], axis=1)
    for i in range(5):
        (folder / f"data_batch_{i + 1}.bin").write_bytes(records[6 * i : 6 * i + 6].tobytes())
    (folder / "test_batch.bin").write_bytes(records[30:].tobytes())
    check_split(tmp_path, "cifar10", COLOUR, 30)


def test_png_rows_are_split_by_hash_not_by_order(tmp_path: Path) -> None:
    def write(folder: Path, order: np.ndarray) -> None:
        (folder / "cifar10").mkdir(parents=True)
        for i in range(2):
            rows = COLOUR[order[20 * i : 20 * i + 20]].transpose(0, 2, 3, 1).reshape(20, 1024, 3)
            Image.fromarray(rows).save(folder / "cifar10" / f"batch_{i}.png")
        (folder / "cifar10" / "labels.json").write_text(json.dumps(LABELS[order].tolist()))

    write(tmp_path / "a", np.arange(40))
    write(tmp_path / "b", np.arange(40)[::-1])
    for split in datasets.SPLITS:
        a, b = (load_images("cifar10", split, tmp_path / place) for place in "ab")
        np.testing.assert_array_equal(a.images, b.images[::-1])
        np.testing.assert_array_equal(a.labels, b.labels[::-1])
    sizes = [len(load_images("cifar10", s, tmp_path / "a").labels) for s in datasets.SPLITS]
    assert sum(sizes) == 40
    assert sizes[0] > sizes[2] > 0


def test_environment_names_several_places_and_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "second" / "mnist")
    (tmp_path / "first").mkdir()
    monkeypatch.setenv("NETSIM_DATA", f"{tmp_path / 'first'}:{tmp_path / 'second'}")
    monkeypatch.chdir(tmp_path / "first")
    assert load_images("mnist", "test").source == "mnist as IDX files; standard test split"


def test_own_data_folder_is_found_without_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "data" / "mnist")
    monkeypatch.delenv("NETSIM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert len(load_images("mnist", "test").labels) == 10


@pytest.mark.parametrize("task", datasets.TASKS)
def test_missing_data_says_how_to_get_it(tmp_path: Path, task: str) -> None:
    with pytest.raises(MissingData) as caught:
        load_images(task, "test", tmp_path)
    line = str(caught.value)
    assert "\n" not in line
    assert datasets.HOW_TO_GET[task] in line


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="task = 'svhn': must be one of mnist"):
        load_images("svhn", "test", tmp_path)
    with pytest.raises(ParameterError, match="split = 'all': must be one of train"):
        load_images("mnist", "all", tmp_path)


class Danger:
    """Pickles to a call of `os.system`."""

    def __reduce__(self) -> tuple:
        import os

        return os.system, ("touch danger",)


DAMAGE = {
    "idx-short": (formats.read_idx, "x-ubyte", idx(GREY)[:-1], "IDX header says"),
    "idx-magic": (formats.read_idx, "x-ubyte", b"hello world, no idx", "starts with two zero bytes"),
    "idx-type": (formats.read_idx, "x-ubyte", b"\0\0\x0d\1" + b"\0" * 8, "must be 0x08"),
    "idx-huge": (formats.read_idx, "x-ubyte", b"\0\0\x08\3" + b"\xff" * 12, "IDX header says"),
    "idx-header": (formats.read_idx, "x-ubyte", b"\0\0\x08\3\0\0", "too short for an IDX header"),
    "gz-cut": (formats.read_idx, "x-ubyte.gz", gzip.compress(idx(GREY))[:100], "cannot be read"),
    "gz-not": (formats.read_idx, "x-ubyte.gz", b"plain", "cannot be read"),
    "bin": (formats.read_cifar_binary, "b.bin", b"\0" * 3072, "multiple of 3073"),
    "bin-label": (
        formats.read_cifar_binary,
        "b.bin",
        b"\x0b" + b"\0" * 3072,
        "label 11 at index 0: must be 0..9",
    ),
    "pickle-danger": (formats.read_cifar_pickle, "b", pickle.dumps(Danger()), "refused (it asks for"),
    "pickle-object": (
        formats.read_cifar_pickle,
        "b",
        pickle.dumps({"data": np.array([None]), "labels": []}),
        "refused (it holds an array of",
    ),
    "pickle-not": (formats.read_cifar_pickle, "b", b"\x89PNG", "refused"),
    "pickle-list": (formats.read_cifar_pickle, "b", pickle.dumps([1, 2]), "no `data` of shape (n, 3072)"),
    "pickle-labels": (
        formats.read_cifar_pickle,
        "b",
        pickle.dumps({"data": COLOUR[:2].reshape(2, -1), "labels": [1]}),
        "must be a list of 2 integers",
    ),
    "text": (formats.read_sentences, "t.txt", b"\xff\xfe\x00", "not UTF-8"),
    "text-empty": (formats.read_sentences, "t.txt", b"\n\n", "no sentences"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_file_gives_one_line_with_file_and_rule(tmp_path: Path, case: str) -> None:
    reader, name, content, words = DAMAGE[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ParameterError) as caught:
        reader(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert words in line
    assert "\n" not in line
    assert not Path("danger").exists()


def test_labels_and_images_must_agree(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:3])))
    with pytest.raises(ParameterError, match=r"t10k-labels.*must be \(10,\), one label an image"):
        load_images("mnist", "test", tmp_path)


def test_damaged_png_rows(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    (folder / "labels.json").write_text("[1, 2]")
    (folder / "batch_0.png").write_bytes(b"no picture")
    with pytest.raises(ParameterError, match=r"batch_0.png: cannot be read .* must be a PNG"):
        load_images("cifar10", "test", tmp_path)
    Image.fromarray(np.zeros((3, 1024, 3), np.uint8)).save(folder / "batch_0.png")
    with pytest.raises(ParameterError, match=r"labels.json: shape \(2,\): must be 3 integers"):
        load_images("cifar10", "test", tmp_path)
    (folder / "labels.json").write_text("[1, 2")
    with pytest.raises(ParameterError, match=r"labels.json: not JSON"):
        load_images("cifar10", "test", tmp_path)


def test_sentences_split_by_hash_and_cover_the_file(tmp_path: Path) -> None:
    sentences = [f"sentence number {i} is here" for i in range(200)]
    (tmp_path / "text").mkdir()
    with gzip.open(tmp_path / "text" / "europarl_deepsc_sentences.txt.gz", "wt") as file:
        file.write("\n".join(sentences) + "\n\n")
    parts = {s: load_sentences("europarl", s, tmp_path)[0] for s in datasets.SPLITS}
    assert sorted(s for part in parts.values() for s in part) == sorted(sentences)
    assert len(parts["train"]) > len(parts["test"]) > len(parts["val"])
    with pytest.raises(MissingData, match="put text/europarl_deepsc_sentences"):
        load_sentences("europarl", "test", tmp_path / "nowhere")
    with pytest.raises(ParameterError, match="no such file"):
        load_sentences(str(tmp_path / "none.txt"))
