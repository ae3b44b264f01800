"""Trace files: one HDF5 file a run, written whole or not at all; the only module that knows h5py.

A table is a group of equally long 1-D datasets, one a column, chunked and compressed with filters that
every HDF5 program has; the schema is netsim.trace_schema, the rows come through netsim.recorder.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import h5py
import numpy as np

from netsim.recorder import CHUNK_ROWS, MemoryTrace, Recorder, root_attributes
from netsim.tables import Columns, TableDigest, Trace, decoded, little
from netsim.trace_schema import SCHEMA, TABLES, Column, Table, TraceError

__all__ = [
    "MemoryTrace",
    "Summary",
    "Trace",
    "TraceError",
    "TraceWriter",
    "describe",
    "read_trace",
    "table_csv",
]

COMPRESSION: Mapping[str, Any] = {"shuffle": True, "compression": "gzip", "compression_opts": 1}


class TraceWriter(Recorder):
    """Records a run into the HDF5 file `path`.

    Until `close(complete=True)` the file is `<path>.<random>.part` in the same folder (two runs never share
    one), then it takes its name in one step, replacing an older result. A crash, or
    `close(complete=False)`, leaves the `.part` and touches nothing else.

    Args:
        path: the file to make; its folder must exist.
        attributes: root attributes: scenario, phy (str), seed, run (int), provenance (JSON-able); others too.
        tables: the schema, `TABLES` or an extension of it.
        chunk_rows: rows per chunk and per buffer.
        compression: keyword arguments of h5py's create_dataset, for columns that shrink. Measured on packet
            rows: shuffle + gzip 1 is as fast as lzf, 10 % smaller, and every HDF5 program reads it.
    """

    def __init__(
        self,
        path: str | Path,
        attributes: Mapping[str, Any],
        tables: Mapping[str, Table] = TABLES,
        chunk_rows: int = CHUNK_ROWS,
        compression: Mapping[str, Any] = COMPRESSION,
    ) -> None:
        root_attributes(attributes)
        store = _FileStore(Path(path), tables, chunk_rows, compression)
        super().__init__(attributes, tables, store, chunk_rows)
        self.path = Path(path)
        self.part = store.part


class _FileStore:
    """The HDF5 file behind a `TraceWriter`."""

    def __init__(
        self, path: Path, tables: Mapping[str, Table], rows: int, compression: Mapping[str, Any]
    ) -> None:
        if not path.parent.is_dir():
            raise TraceError(f"{path}: folder {path.parent} does not exist: must exist")
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(handle, 0o666 & ~umask)
        os.close(handle)
        self.part = Path(name)
        self._path = path
        self._rows = rows
        self._compression = dict(compression)
        self._tables = tables
        self._file = h5py.File(self.part, "w")
        for table in tables.values():
            group = self._file.create_group(table.name, track_order=True)
            _annotate(group, description=table.description)

    def write(self, table: Table, columns: Columns) -> None:
        group = self._file[table.name]
        for column in table.columns:
            values = columns[column.name]
            dataset = group.get(column.name) or self._create(group, column, values)
            start = dataset.shape[0]
            dataset.resize((start + len(values),))
            dataset[start:] = values

    def close(self, attributes: Mapping[str, Any], complete: bool) -> None:
        for table in self._tables.values():
            group = self._file[table.name]
            for column in table.columns:
                if column.name not in group:
                    self._create(group, column, np.zeros(1, little(column.dtype)))
        for name, value in attributes.items():
            self._file.attrs[name] = json.dumps(value) if name in ("provenance", "digest") else value
        self._file.flush()
        self._file.close()
        if complete:
            descriptor = os.open(self.part, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            os.replace(self.part, self._path)

    def _create(self, group: h5py.Group, column: Column, first: np.ndarray) -> h5py.Dataset:
        """An empty dataset for a column whose first rows are `first`.

        A table shorter than a chunk gets a chunk of its own length, for HDF5 compresses whole chunks. Reals
        that do not shrink (rewards, gains, SINRs: 10 % for half of the writing time) are stored as they are.
        """
        filters = self._compression if column.dtype != "float64" or _shrinks(first) else {}
        dataset = group.create_dataset(
            column.name,
            (0,),
            little(column.dtype),
            maxshape=(None,),
            chunks=(min(len(first), self._rows),),
            **filters,
        )
        _annotate(dataset, unit=column.unit, description=column.text)
        if column.values:
            _annotate(dataset, values=json.dumps(column.values))
        return dataset


_STRING = h5py.string_dtype()
_TEXT = h5py.h5t.py_create(_STRING, logical=True)
_SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)


def _annotate(target: h5py.Group | h5py.Dataset, **attributes: str) -> None:
    """New text attributes, as `target.attrs[name] = text` makes them in eight times the time (it first makes
    each under another name); a file has 150 of them, so it matters for short runs.
    """
    for name, text in attributes.items():
        attribute = h5py.h5a.create(target.id, name.encode(), _TEXT, _SCALAR)
        attribute.write(np.array(text, _STRING))


def _shrinks(values: np.ndarray) -> bool:
    """Whether gzip saves a third of these reals (their first 4096, bytes shuffled as HDF5 does)."""
    content = values[:4096].view(np.uint8).reshape(-1, values.itemsize).T.tobytes()
    return len(zlib.compress(content, 1)) < 0.67 * len(content)


def read_trace(path: str | Path) -> Trace:
    """The trace in the HDF5 file `path`, which need not be trusted.

    Structure and attributes are checked at once; the columns of a table are read, and their digest compared,
    when the table is first asked for. Nothing outside the file is followed, and no column may claim more rows
    than it stores.

    Raises:
        TraceError: one line `FILE: what, rule`, here or at the first access to a table.
    """
    name = str(path)
    with _opened(name) as file:
        attributes = _attributes(name, file)
        tables = [key for key in file if isinstance(_member(name, file, key), h5py.Group)]
        for table in tables:
            _check_table(name, file[table])
        for wanted in TABLES.values():
            if wanted.name not in tables:
                raise TraceError(f"{name}: table {wanted.name} is missing, must be there")
            _check_columns(name, file[wanted.name], wanted)
    order = [*TABLES, *(table for table in tables if table not in TABLES)]
    return Trace(name, attributes, order, lambda table: _read_table(name, table, attributes["digest"]))


@contextlib.contextmanager
def _opened(name: str) -> Iterator[h5py.File]:
    """The file for reading; whatever HDF5 finds wrong in it becomes one line."""
    if not os.path.isfile(name):
        raise TraceError(f"{name}: no such file, must be a trace")
    try:
        with h5py.File(name, "r") as file:
            yield file
    except TraceError:
        raise
    except (
        OSError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
    ) as error:  # all of them come out of h5py
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TraceError(f"{name}: not readable as HDF5 ({reason}), must be an undamaged trace") from None


def _attributes(name: str, file: h5py.File) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in file.attrs:
        value = file.attrs[key]
        found[key] = value.item() if isinstance(value, np.generic) else value
    if found.get("schema") != SCHEMA:
        raise TraceError(f"{name}: schema {found.get('schema')!r}, must be {SCHEMA!r}")
    for key in ("provenance", "digest"):
        try:
            found[key] = json.loads(found[key])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise TraceError(
                f"{name}: attribute {key} is missing or not JSON, must be a JSON object"
            ) from None
    strings, integers = ("scenario", "phy"), ("seed", "run")
    kinds: dict[str, type] = {**dict.fromkeys(strings, str), **dict.fromkeys(integers, int)}
    kinds |= {"complete": bool, "provenance": dict, "digest": dict}
    for key, kind in kinds.items():
        if not isinstance(found.get(key), kind):
            raise TraceError(f"{name}: attribute {key} = {found.get(key)!r}, must be {kind.__name__}")
    return found


def _member(name: str, group: h5py.Group, key: str) -> h5py.Group | h5py.Dataset:
    """The member `key`, provided that it lies in this file."""
    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise TraceError(f"{name}: {group.name}/{key} is a link, must lie in the file itself")
    return group[key]


def _check_table(name: str, group: h5py.Group) -> None:
    """Equally long, 1-D, fully stored columns of a dtype that a trace can hold."""
    lengths: dict[str, int] = {}
    for key in group:
        column = _member(name, group, key)
        where = f"{name}: {group.name[1:]}.{key}"
        if not isinstance(column, h5py.Dataset) or column.ndim != 1:
            raise TraceError(f"{where}: must be a 1-D dataset")
        if column.dtype.kind not in "iufS" or column.dtype.itemsize > 1024:
            raise TraceError(f"{where}: dtype {column.dtype}, must be integer, real or fixed-length text")
        if column.external or column.is_virtual:
            raise TraceError(f"{where}: its data lie in another file, must lie in the file itself")
        chunked = column.chunks is not None
        stored = column.id.get_num_chunks() * column.chunks[0] if chunked else column.id.get_storage_size()
        if stored < len(column) * (1 if chunked else column.dtype.itemsize):
            raise TraceError(f"{where}: claims {len(column)} rows but stores fewer, every row must be stored")
        lengths[key] = len(column)
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise TraceError(f"{name}: columns of {group.name[1:]} have {shown} rows, must be equally long")


def _check_columns(name: str, group: h5py.Group, table: Table) -> None:
    """The columns of the schema are there, each of its kind (integer, real, text)."""
    for column in table.columns:
        if column.name not in group:
            raise TraceError(f"{name}: column {table.name}.{column.name} is missing, must be there")
        kind, wanted = group[column.name].dtype.kind, np.dtype(column.dtype).kind
        if kind.replace("u", "i") != wanted:
            found = group[column.name].dtype
            raise TraceError(f"{name}: column {table.name}.{column.name} is {found}, must be {column.dtype}")


def _read_table(name: str, table: str, digests: Mapping[str, Any]) -> Columns:
    with _opened(name) as file:
        try:
            columns = {key: file[table][key][:] for key in file[table]}
        except MemoryError:
            raise TraceError(f"{name}: table {table} does not fit into memory, must fit") from None
    layout = tuple(Column(key, values.dtype.str, "", "") for key, values in columns.items())
    digest = TableDigest(Table(table, "", layout))
    digest.update(columns)
    if digest.hexdigest() != digests.get(table):
        raise TraceError(
            f"{name}: table {table} does not have the recorded digest, must be as it was written"
        )
    try:
        return {key: decoded(values) for key, values in columns.items()}
    except UnicodeDecodeError:
        raise TraceError(f"{name}: table {table} holds text that is not UTF-8, must be UTF-8") from None


@dataclass(frozen=True)
class Summary:
    """One table of a trace: rows, column names, and the span of its times (None without times)."""

    table: str
    rows: int
    columns: tuple[str, ...]
    first_ns: int | None
    last_ns: int | None


def describe(trace: Trace) -> list[Summary]:
    """What a trace holds, table by table; -1 ("never") does not count as a time."""
    summaries = []
    for table in trace:
        columns = trace[table]
        times = [values[values >= 0] for name, values in columns.items() if name.endswith("_ns")]
        times = [values for values in times if len(values)]
        first = min((int(values.min()) for values in times), default=None)
        last = max((int(values.max()) for values in times), default=None)
        rows = len(next(iter(columns.values()))) if columns else 0
        summaries.append(Summary(table, rows, tuple(columns), first, last))
    return summaries


def table_csv(trace: Trace, table: str, file: TextIO) -> None:
    """Write one table as CSV with a header line; reals with all their digits, enumerations as integers."""
    columns = trace[table]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(values.tolist() for values in columns.values())))
