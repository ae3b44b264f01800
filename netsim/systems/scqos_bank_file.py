"""Files of similarity banks: an .npz of arrays and text, made to be read without trust.

Similarities are stored as multiples of 1/65535, so 0 and 1 are exact and a threshold is met to 8e-6. Equal
banks give equal files. Nothing in a file is executed; sizes are checked before arrays are read.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from netsim.semantics.image_codec import WEIGHTS
from netsim.systems.scqos_bank import Bank
from netsim.systems.scqos_bank_synthetic import synthetic_bank
from phy.parameters import ParameterError

SHIPPED = {
    "shipped": "english",
    "english": "english",
    "english-learning": "english-learning",
    "grammar": "grammar",
}
LEARNING = {"shipped": "english-learning", "english": "english-learning"}  # banks that agents learn on
FORMAT = "netsim-text-bank/1"
_LEVELS = 65_535
_MAX_BYTES = 1 << 28  # of one array
_MEMBERS = ("about", "clean", "embedding", "grid_db", "sentences", "similarity")


def save_bank(bank: Bank, path: Path) -> None:
    """Writes the bank, whole or not at all."""
    about = {**bank.about, "format": FORMAT}
    arrays = {
        "about": _text(json.dumps(about, sort_keys=True)),
        "clean": np.rint(bank.clean * _LEVELS).astype("<u2"),
        "embedding": bank.embedding.astype("<f4"),
        "grid_db": bank.grid_db.astype("<f8"),
        "sentences": _text("\n".join(bank.sentences)),
        "similarity": np.rint(bank.similarity * _LEVELS).astype("<u2"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy")  # a fixed date: equal banks, equal files
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, buffer.getvalue(), compresslevel=9)
    part.replace(path)


def load_bank(name: str) -> Bank:
    """The bank `name`: shipped (= english), grammar, synthetic (no codec, for tests), or a file.

    Raises:
        ParameterError: one line, FILE: what, rule.
    """
    if name == "synthetic":
        return synthetic_bank(np.random.default_rng(0))
    path = WEIGHTS / f"{SHIPPED[name]}.bank.npz" if name in SHIPPED else Path(name)
    if not path.is_file():
        raise ParameterError(
            f"{path}: no such file: must be {', '.join(SHIPPED)}, synthetic or written by `netsim bank`"
        )
    try:
        arrays = _read(path)
        about = json.loads(arrays["about"].tobytes().decode())
        sentences = tuple(arrays["sentences"].tobytes().decode().split("\n"))
        if not isinstance(about, dict) or about.pop("format", None) != FORMAT:
            raise ValueError(f"format is not {FORMAT}")
        return Bank(
            sentences,
            arrays["embedding"].astype(np.float32),
            arrays["grid_db"].astype(np.float64),
            _scores(arrays["similarity"], 4),
            _scores(arrays["clean"], 2),
            about,
        )
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ParameterError(
            f"{path}: not a text bank ({reason}): must be whole and as it was written"
        ) from None


def learning_bank(name: str) -> str:
    """The bank whose training sentences agents learn on that are judged on the bank `name`: its own unless
    one was made for that.
    """
    return LEARNING.get(name, name)


def judged_and_learned(name: str) -> tuple[Bank, Bank]:
    """The sentences of the bank `name` that agents are judged on, and those that they learn from."""
    bank, learning = load_bank(name), load_bank(learning_bank(name))
    return bank.select(~bank.in_training), learning.select(learning.in_training)


def shipped_banks() -> list[str]:
    """Names of the banks that ship, the scenario's own first."""
    return [name for name in ("english", "grammar") if (WEIGHTS / f"{name}.bank.npz").is_file()]


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def _scores(stored: np.ndarray, dims: int) -> np.ndarray:
    if stored.dtype != np.dtype("<u2") or stored.ndim != dims:
        raise ValueError(f"similarities of dtype {stored.dtype} in {stored.ndim} dimensions")
    return stored.astype(np.float32) / np.float32(_LEVELS)


def _read(path: Path) -> dict[str, np.ndarray]:
    """The members of the archive; the size each claims is checked before it is unpacked."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in _MEMBERS:
            with archive.open(f"{name}.npy") as file:
                version = npy.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"{name}: npy version {version}")
                shape, _, dtype = npy.read_array_header_1_0(file)
            if dtype.hasobject or math.prod(shape) * dtype.itemsize > _MAX_BYTES:
                raise ValueError(f"{name}: {dtype} of shape {shape}")
            with archive.open(f"{name}.npy") as file:
                arrays[name] = npy.read_array(file, allow_pickle=False)
    return arrays
