"""Recording rows into columns, wherever they go: `Recorder`, and `MemoryTrace` for tests and figures.

Rows are collected in column buffers, so that one costs a microsecond or two beyond the call itself; the store
behind the buffers (memory here, HDF5 in netsim.trace) sees whole chunks only.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from netsim.row_buffer import RowBuffer, Store
from netsim.tables import Columns, Trace, decoded
from netsim.trace_schema import SCHEMA, TABLES, Table, TraceError

CHUNK_ROWS = 16_384
_SMALL = 256  # rows up to which `extend` passes Python numbers on: below it the checks of an array cost more


def _refuse(_row: Mapping[str, Any]) -> tuple:
    raise TraceError("trace: a row after close: must be recorded before")


class Recorder:
    """Takes rows of the tables of a schema and passes them in columns to a store.

    Not used directly: `TraceWriter` records to a file, `MemoryTrace` in memory. As a context manager it
    closes itself, complete unless an exception left the block.
    """

    def __init__(
        self, attributes: Mapping[str, Any], tables: Mapping[str, Table], store: Store, rows: int
    ) -> None:
        self._attributes = root_attributes(attributes)
        self._store = store
        self._buffers = {name: RowBuffer(table, store, rows) for name, table in tables.items()}
        self._closed = False

    def append(self, table: str, **columns: Any) -> None:
        """Add one row to `table`: every column of the schema by name, a number or text each.

        Names are checked at once, values when the buffer drains (the message names table, column and row).

        Raises:
            TraceError: unknown table, missing or unknown column, value that the column's dtype cannot hold.
        """
        try:
            buffer = self._buffers[table]
            row = buffer.pick(columns)
        except KeyError:
            raise self._mismatch(table, columns) from None
        if len(columns) != len(row):
            raise self._mismatch(table, columns)
        pending = buffer.pending
        pending.append(row)
        if len(pending) >= buffer.limit:
            buffer.drain()

    def extend(self, table: str, **columns: Any) -> None:
        """Add several rows to `table`: every column by name, a sequence of equal length [n], or a scalar
        for all rows.

        Raises:
            TraceError: as `append`; also columns of unequal length, or scalars only.
        """
        if self._closed:
            _refuse(columns)
        buffer = self._buffers.get(table)
        if (
            buffer is None
            or len(columns) != len(buffer.names)
            or any(name not in columns for name in buffer.names)
        ):
            raise self._mismatch(table, columns)
        values = [np.asarray(columns[name]) for name in buffer.names]
        lengths = {v.shape for v in values if v.ndim}
        if len(lengths) != 1 or len(next(iter(lengths))) != 1:
            shapes = (
                ", ".join(f"{name} {v.shape}" for name, v in zip(buffer.names, values) if v.ndim)
                or "scalars only"
            )
            raise TraceError(f"trace: extend {table}: {shapes}: columns must be 1-D and equally long")
        (count,) = next(iter(lengths))
        if count <= _SMALL:
            lists = [v.tolist() if v.ndim else itertools.repeat(v.item(), count) for v in values]
            buffer.pending.extend(zip(*lists))
            if len(buffer.pending) >= buffer.limit:
                buffer.drain()
            return
        buffer.drain()
        pairs = zip(buffer.table.columns, values)
        buffer.put({c.name: buffer.cast(c, v if v.ndim else np.full(count, v)) for c, v in pairs})

    def annotate(self, **provenance: Any) -> None:
        """Add to the provenance what is known only later (data used, wall time); JSON-able, until `close`.

        Raises:
            TraceError: not JSON, or after close.
        """
        if self._closed:
            raise TraceError(f"trace: provenance {', '.join(provenance)} after close: must be given before")
        _check_json(provenance)
        self._attributes["provenance"] = {**self._attributes["provenance"], **provenance}

    def close(self, complete: bool) -> None:
        """Flush and finish; `complete` says whether the run reached its end. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for buffer in self._buffers.values():
            buffer.pick = _refuse
        try:
            for buffer in self._buffers.values():
                buffer.drain()
                buffer.flush()
        except TraceError:
            self._finish(complete=False)
            raise
        self._finish(complete)

    def _finish(self, complete: bool) -> None:
        digest = {name: buffer.digest.hexdigest() for name, buffer in self._buffers.items()}
        self._attributes = {**self._attributes, "complete": complete, "digest": digest}
        self._store.close(self._attributes, complete)

    @property
    def digest(self) -> dict[str, str]:
        """SHA-256 per table, known once closed."""
        if not self._closed:
            raise TraceError("trace: digest asked before close: rows are still waiting")
        return dict(self._attributes["digest"])

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _value: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close(complete=kind is None)

    def _mismatch(self, table: str, columns: Mapping[str, Any]) -> TraceError:
        if table not in self._buffers:
            return TraceError(f"trace: no table {table!r}: must be one of {', '.join(self._buffers)}")
        names = self._buffers[table].names
        missing = [name for name in names if name not in columns]
        unknown = [name for name in columns if name not in names]
        what = [
            f"{word} {', '.join(found)}"
            for word, found in (("lacks", missing), ("has unknown", unknown))
            if found
        ]
        return TraceError(
            f"trace: a row of {table} {' and '.join(what)}: must have the columns {', '.join(names)}"
        )


class MemoryTrace(Recorder):
    """Records a run in memory; `trace()` gives what `read_trace` would give for the file, digests
    included."""

    def __init__(
        self,
        attributes: Mapping[str, Any],
        tables: Mapping[str, Table] = TABLES,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self._pieces = _MemoryStore(tables)
        super().__init__(attributes, tables, self._pieces, chunk_rows)

    def trace(self) -> Trace:
        """The recorded trace; closes the recorder as complete if it is still open."""
        self.close(complete=True)
        return Trace("memory", dict(self._attributes), list(self._buffers), self._pieces.columns)


def root_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The caller's root attributes with `schema`, checked: names, types, nothing that the writer sets."""
    for name, kind in (("scenario", str), ("phy", str), ("seed", int), ("run", int)):
        value = attributes.get(name)
        value = value.item() if isinstance(value, np.integer) else value
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TraceError(f"trace: attribute {name} = {value!r}: must be {kind.__name__}")
    for name in ("schema", "complete", "digest"):
        if name in attributes:
            raise TraceError(f"trace: attribute {name}: is set by the writer, must not be given")
    _check_json(attributes.get("provenance", {}))
    return {"schema": SCHEMA, "provenance": {}, **attributes}


def _check_json(provenance: Any) -> None:
    try:
        json.dumps(provenance)
    except (TypeError, ValueError) as error:
        raise TraceError(f"trace: attribute provenance: {error}, must be JSON") from None


class _MemoryStore:
    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._pieces: dict[str, list[Columns]] = {name: [] for name in tables}
        self._tables = tables

    def write(self, table: Table, columns: Columns) -> None:
        self._pieces[table.name].append({name: values.copy() for name, values in columns.items()})

    def close(self, attributes: Mapping[str, Any], complete: bool) -> None:
        pass

    def columns(self, table: str) -> Columns:
        pieces = self._pieces[table]
        columns = {}
        for column in self._tables[table].columns:
            parts = [piece[column.name] for piece in pieces] or [np.empty(0, column.dtype)]
            columns[column.name] = decoded(np.concatenate(parts))
        return columns
