"""Readers for the file formats in which image sets and sentences come. Bytes in, checked arrays out.

Every reader raises `ParameterError` with one line - file, what is wrong, the rule - for a file that is not
what its name says. Images are uint8[n, channels, height, width], labels uint8[n].
"""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from phy.parameters import ParameterError

IDX_DTYPES = {0x08: np.dtype("u1")}
CIFAR_ROW = 3 * 32 * 32
CIFAR_RECORD = 1 + CIFAR_ROW


def read_bytes(path: Path) -> bytes:
    """The file's content, unpacked if its name ends in .gz."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as cause:
        raise ParameterError(f"{path}: cannot be read ({cause}): must be a whole file") from None


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes (LeCun's MNIST format), raw or gz: uint8 of the header's shape."""
    data = read_bytes(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise ParameterError(f"{path}: first bytes {data[:4].hex()}: an IDX file starts with two zero bytes")
    if data[2] not in IDX_DTYPES:
        raise ParameterError(f"{path}: IDX type 0x{data[2]:02x}: must be 0x08 (unsigned byte)")
    num_dims = data[3]
    start = 4 + 4 * num_dims
    if num_dims == 0 or len(data) < start:
        raise ParameterError(
            f"{path}: {len(data)} bytes: too short for an IDX header of {num_dims} dimensions"
        )
    shape = tuple(int(v) for v in np.frombuffer(data, ">u4", num_dims, 4))
    wanted = start + math.prod(shape)
    if len(data) != wanted:
        raise ParameterError(f"{path}: {len(data)} bytes: IDX header says {shape}, that is {wanted} bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_idx_pair(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split, as uint8[n, 1, h, w] and uint8[n]."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        raise ParameterError(
            f"{images_path}: {images.ndim} dimensions: images must have 3 (count, rows, columns)"
        )
    if labels.ndim != 1 or len(labels) != len(images):
        raise ParameterError(
            f"{labels_path}: shape {labels.shape}: must be ({len(images)},), one label an image"
        )
    return images[:, None], checked_labels(labels, labels_path)


def checked_labels(labels: np.ndarray, path: Path) -> np.ndarray:
    """The labels as uint8[n], or the one line that names the first that is not a class."""
    values = np.asarray(labels)
    bad = np.flatnonzero((values < 0) | (values > 9))
    if len(bad):
        raise ParameterError(f"{path}: label {values[bad[0]]} at index {bad[0]}: must be 0..9")
    return values.astype(np.uint8)


def read_png_rows(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10 as PNGs, one 32x32x3 image (row-major, channels last) a row, with labels.json in file order.

    Files are `*_<number>.png`; they are taken in the order of their numbers.
    """
    from PIL import Image

    files = sorted(folder.glob("*_*.png"), key=lambda p: _number(p))
    rows = []
    for path in files:
        try:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as cause:
            raise ParameterError(f"{path}: cannot be read ({cause}): must be a PNG") from None
        if pixels.shape[1] != 1024:
            raise ParameterError(
                f"{path}: {pixels.shape[1]} pixels wide: must be 1024, one 32x32 image a row"
            )
        rows.append(pixels)
    labels_path = folder / "labels.json"
    try:
        labels = np.array(json.loads(read_bytes(labels_path)))
    except ValueError as cause:
        raise ParameterError(f"{labels_path}: not JSON ({cause}): must be a list of labels") from None
    images = np.concatenate(rows).reshape(-1, 32, 32, 3)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(images):
        raise ParameterError(
            f"{labels_path}: shape {labels.shape}: must be {len(images)} integers, one a PNG row"
        )
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), checked_labels(labels, labels_path)


def _number(path: Path) -> int:
    tail = path.stem.rsplit("_", 1)[1]
    if not tail.isdigit():
        raise ParameterError(f"{path}: name must end in _<number>.png")
    return int(tail)


def read_cifar_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One file of the CIFAR-10 binary version: records of 1 label byte and 3072 bytes (channels first)."""
    data = np.frombuffer(read_bytes(path), np.uint8)
    if len(data) == 0 or len(data) % CIFAR_RECORD:
        raise ParameterError(
            f"{path}: {len(data)} bytes: must be a multiple of {CIFAR_RECORD} (label and image)"
        )
    records = data.reshape(-1, CIFAR_RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), checked_labels(records[:, 0], path)


class _CifarUnpickler(pickle.Unpickler):
    """Admits what the CIFAR batches hold (dict, list, str, bytes, int, one uint8 array), nothing else.

    A pickle may name any function to call; this one reaches only stand-ins, written below, for the names by
    which NumPy arrays are rebuilt (and for the latin-1 helper that protocol 2 uses for bytes).
    """

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return "ndarray"  # only passed on to _reconstruct; a string cannot be called
        if (module, name) == ("numpy", "dtype"):
            return _plain_dtype
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _empty_array(subtype: Any, shape: Any, typecode: Any) -> np.ndarray:
    """What NumPy's own `_reconstruct` gives, for plain arrays only; the state that follows fills it."""
    return np.ndarray((0,), np.uint8)


def _plain_dtype(code: Any, *_: Any) -> np.dtype:
    if code not in ("u1", "uint8", "|u1"):
        raise pickle.UnpicklingError(f"it holds an array of {code!r}")
    return np.dtype(np.uint8)


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("it encodes something that is not latin-1 text")
    return text.encode("latin1")


def read_cifar_pickle(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One CIFAR-10 python batch (dict of `data` uint8[n, 3072] and `labels`); the pickle is not trusted."""
    data = read_bytes(path)
    try:
        batch = _CifarUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as cause:
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise ParameterError(
            f"{path}: refused ({reason}): must be a CIFAR-10 batch (dict of uint8 array and integer labels)"
        ) from None
    fields = (
        {k.decode() if isinstance(k, bytes) else k: v for k, v in batch.items()}
        if isinstance(batch, dict)
        else {}
    )
    pixels, labels = fields.get("data"), fields.get("labels")
    if not isinstance(pixels, np.ndarray) or pixels.shape[1:] != (CIFAR_ROW,) or pixels.dtype != np.uint8:
        raise ParameterError(f"{path}: no `data` of shape (n, {CIFAR_ROW}): must be a CIFAR-10 python batch")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(type(v) is int for v in labels):
        raise ParameterError(f"{path}: `labels` must be a list of {len(pixels)} integers")
    return pixels.reshape(-1, 3, 32, 32), checked_labels(np.array(labels), path)


def read_sentences(path: Path) -> list[str]:
    """Plain text (raw or gz, UTF-8), one sentence a line; empty lines are left out."""
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as cause:
        raise ParameterError(
            f"{path}: byte {cause.start} is not UTF-8: must be plain text, one sentence a line"
        ) from None
    sentences = [line.strip() for line in text.splitlines()]
    sentences = [line for line in sentences if line]
    if not sentences:
        raise ParameterError(f"{path}: no sentences: must be plain text, one sentence a line")
    return sentences
