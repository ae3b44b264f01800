"""Files of measured links: block error tables, fitted effective SINRs, score tables; many in one HDF5 file.

Layout, schema "netsim-link-table/1": groups `links/<n>` and `scores/<n>`, each with the attributes `header`
(JSON), `digest` of the link that made it and `content`, a hash over all of the group; tables are groups of
equally long 1-D columns, as in a trace. A file need not be trusted: nothing in it is executed or followed, or
read before its size is known to be sane. A table made by another link is refused unless asked for: the
numbers in it belong to code that is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from netsim.link_records import (
    AWGN,
    FITS,
    SCORES,
    UNITS,
    LinkTableError,
    LinkTables,
    ScoreRecord,
    Tables,
    columns_of,
    content_hash,
    header_of,
    link_digest,
    link_from,
    scores_from,
)
from phy.abstraction import LinkAbstraction

__all__ = [
    "LinkTableError",
    "LinkTables",
    "ScoreRecord",
    "link_digest",
    "load_link_tables",
    "save_link_tables",
]

SCHEMA = "netsim-link-table/1"
MAX_ROWS = 100_000
MAX_TEXT = 100_000  # bytes of an attribute
Record = TypeVar("Record", LinkAbstraction, ScoreRecord)


def save_link_tables(
    path: str | Path, links: Sequence[LinkAbstraction] = (), scores: Sequence[ScoreRecord] = ()
) -> None:
    """Write the records into the HDF5 file `path`, whole or not at all; an older file is replaced.

    The digest stored is that of this checkout: save where you measured.

    Raises:
        LinkTableError: the folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise LinkTableError(f"{path}: folder {path.parent} does not exist, must exist")
    handle, part = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        with h5py.File(part, "w") as file:
            file.attrs["schema"] = SCHEMA
            for kind in ("links", "scores"):
                file.create_group(kind)
            for number, link in enumerate(links):
                _write(file.create_group(f"links/{number}"), link)
            for number, record in enumerate(scores):
                _write(file.create_group(f"scores/{number}"), record)
        os.chmod(part, 0o644)
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _write(group: h5py.Group, record: LinkAbstraction | ScoreRecord) -> None:
    header, digest, tables = header_of(record), link_digest(record), columns_of(record)
    group.attrs["header"] = json.dumps(header, sort_keys=True)
    group.attrs["digest"] = digest
    group.attrs["content"] = content_hash(header, digest, tables)
    for name, columns in tables.items():
        table = group.create_group(name, track_order=True)
        for column, values in columns.items():
            dataset = table.create_dataset(column, data=values)
            dataset.attrs["unit"] = UNITS.get(column, "")


def load_link_tables(path: str | Path, any_digest: bool = False) -> LinkTables:
    """Read a file, which need not be trusted.

    Args:
        any_digest: accept tables made by another link than that of this checkout.

    Raises:
        LinkTableError: one line `FILE: what, rule`.
    """
    name = str(path)
    with _opened(name) as file:
        schema = _text(name, file, "schema")
        if schema != SCHEMA:
            raise LinkTableError(f"{name}: schema {schema!r}, must be {SCHEMA!r}")
        links = [
            _read(name, group, {"awgn": AWGN, "fits": FITS}, link_from, any_digest)
            for group in _records(name, file, "links")
        ]
        scores = [
            _read(name, group, {"scores": SCORES}, scores_from, any_digest)
            for group in _records(name, file, "scores")
        ]
    return LinkTables(tuple(links), tuple(scores))


@contextlib.contextmanager
def _opened(name: str) -> Iterator[h5py.File]:
    """The file for reading; whatever HDF5 finds wrong in it becomes one line."""
    if not os.path.isfile(name):
        raise LinkTableError(f"{name}: no such file, must be a file of link tables")
    try:
        with h5py.File(name, "r") as file:
            yield file
    except LinkTableError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise LinkTableError(f"{name}: not readable as HDF5 ({reason}), must be undamaged") from None


def _text(name: str, owner: h5py.Group, key: str) -> str:
    """A text attribute of bounded length."""
    where = f"{name}: attribute {owner.name}@{key}"
    if key not in owner.attrs:
        raise LinkTableError(f"{where} is missing, must be there")
    if owner.attrs.get_id(key).get_storage_size() > MAX_TEXT:
        raise LinkTableError(f"{where}: must be text of at most {MAX_TEXT} characters")
    value = owner.attrs[key]
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise LinkTableError(f"{where}: must be text of at most {MAX_TEXT} characters")
    return value


def _group(name: str, owner: h5py.Group, key: str) -> h5py.Group:
    """The member group `key`, which must lie in this file."""
    where = f"{name}: {owner.name.rstrip('/')}/{key}"
    if key not in owner:
        raise LinkTableError(f"{where} is missing, must be there")
    if not isinstance(owner.get(key, getlink=True), h5py.HardLink):
        raise LinkTableError(f"{where} is a link, must lie in the file itself")
    group = owner[key]
    if not isinstance(group, h5py.Group):
        raise LinkTableError(f"{where}: must be a group")
    return group


def _records(name: str, file: h5py.File, kind: str) -> list[h5py.Group]:
    group = _group(name, file, kind)
    if len(group) > MAX_ROWS:
        raise LinkTableError(f"{name}: {kind} has {len(group)} records, must be at most {MAX_ROWS}")
    return [_group(name, group, str(number)) for number in range(len(group))]


def _column(name: str, owner: h5py.Group, key: str, kind: str) -> np.ndarray:
    """A 1-D column of the kind wanted, of bounded length, stored in full in this file."""
    where = f"{name}: {owner.name}/{key}"
    if key not in owner:
        raise LinkTableError(f"{where} is missing, must be there")
    if not isinstance(owner.get(key, getlink=True), h5py.HardLink):
        raise LinkTableError(f"{where} is a link, must lie in the file itself")
    column = owner[key]
    if not isinstance(column, h5py.Dataset) or column.shape is None or column.ndim != 1:
        raise LinkTableError(f"{where}: must be a 1-D dataset")
    wanted = {"i": "int64", "f": "float64", "S": "fixed-length text"}[kind]
    if column.dtype.kind != kind or column.dtype.itemsize != (24 if kind == "S" else 8):
        raise LinkTableError(f"{where}: dtype {column.dtype}, must be {wanted}")
    if len(column) > MAX_ROWS:
        raise LinkTableError(f"{where}: {len(column)} rows, must be at most {MAX_ROWS}")
    if column.external or column.is_virtual or column.chunks is not None:
        raise LinkTableError(f"{where}: must be stored in one piece in the file itself")
    if column.id.get_storage_size() < len(column) * column.dtype.itemsize:
        raise LinkTableError(f"{where}: claims {len(column)} rows but stores fewer, every row must be stored")
    return column[:].astype(column.dtype.newbyteorder("<"))


def _table(name: str, owner: h5py.Group, key: str, columns: Mapping[str, str]) -> dict[str, np.ndarray]:
    group = _group(name, owner, key)
    found = {column: _column(name, group, column, kind) for column, kind in columns.items()}
    if len({values.size for values in found.values()}) > 1:
        shown = ", ".join(f"{column} {values.size}" for column, values in found.items())
        raise LinkTableError(f"{name}: columns of {group.name} have {shown} rows, must be equally long")
    return found


def _read(
    name: str,
    group: h5py.Group,
    layout: Mapping[str, Mapping[str, str]],
    make: Callable[[str, Mapping[str, Any], Tables], Record],
    any_digest: bool,
) -> Record:
    """One record, its content hash and its digest compared."""
    where = f"{name}: {group.name}"
    tables = {table: _table(name, group, table, columns) for table, columns in layout.items()}
    text, digest = _text(name, group, "header"), _text(name, group, "digest")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise LinkTableError(f"{where}@header is no JSON object, must be one")
    if content_hash(header, digest, tables) != _text(name, group, "content"):
        raise LinkTableError(f"{where} does not have the recorded hash, must be as it was written")
    record = make(where, header, tables)
    wanted = link_digest(record)
    if not any_digest and digest != wanted:
        raise LinkTableError(
            f"{where}: made by link {digest[:12]}, must be {wanted[:12]}, the link of this checkout"
            " (measure again, or ask for any digest)"
        )
    return record
