"""Recording rows into columns, wherever they go: `Recorder`, and `MemoryTrace` for tests and figures.

Rows are packed as they come and turned into columns by the thousand, so that one costs about a microsecond;
the store behind the buffers (memory here, HDF5 in netsim.trace) sees whole chunks only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from netsim.row_buffer import RowBuffer, Store
from netsim.tables import Columns, Trace, decoded
from netsim.trace_schema import SCHEMA, TABLES, Table, TraceError

CHUNK_ROWS = 16_384
_SMALL = 256  # rows up to which `extend` passes Python numbers on: below it the checks of an array cost more


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

        Raises:
            TraceError: unknown table, missing or unknown column, value that the column's dtype cannot hold.
        """
        buffer = self._buffer(table)
        try:
            buffer.record(**columns)
        except TypeError:
            buffer.check_names(columns)
            raise

    def rows(self, table: str) -> Callable[..., None]:
        """`append` for one table, at half its price: a function that takes the columns as keyword arguments.

        It raises what `append` raises, but for missing and unknown columns, which Python finds: TypeError.

        Raises:
            TraceError: unknown table.
        """
        return self._buffer(table).record

    def extend(self, table: str, **columns: Any) -> None:
        """Add several rows: every column by name, a sequence of equal length [n] or a scalar for all rows.

        Raises:
            TraceError: as `append`; also columns of unequal length, or scalars only.
        """
        buffer = self._buffer(table)
        buffer.check_names(columns)
        values = [columns[name] for name in buffer.names]
        if not _KNOWN.issuperset(map(type, values)):
            values = [v if type(v) in _KNOWN else np.asarray(v) for v in values]
        values = [v if type(v) is not np.ndarray or v.ndim else v.item() for v in values]
        counts = {len(v) for v in values if type(v) in _ARRAYS}
        if len(counts) != 1 or any(type(v) is np.ndarray and v.ndim > 1 for v in values):
            found = ", ".join(f"{k} {np.shape(v)}" for k, v in zip(buffer.names, values) if np.shape(v))
            rule = "columns must be 1-D and equally long"
            raise TraceError(f"trace: extend {table}: {found or 'scalars only'}: {rule}")
        (count,) = counts
        if count <= _SMALL:
            buffer.add([_listed(v, count) for v in values])
            return
        buffer.drain()
        arrays = (np.asarray(v) if type(v) in _ARRAYS else np.full(count, v) for v in values)
        buffer.put({c.name: buffer.cast(c, array) for c, array in zip(buffer.table.columns, arrays)})

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
        try:
            for buffer in self._buffers.values():
                buffer.close()
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

    def _buffer(self, table: str) -> RowBuffer:
        try:
            return self._buffers[table]
        except KeyError:
            known = ", ".join(self._buffers)
            raise TraceError(f"trace: no table {table!r}: must be one of {known}") from None


_ARRAYS = frozenset((list, np.ndarray))
_KNOWN = frozenset((int, float, str)) | _ARRAYS


def _listed(value: Any, count: int) -> list[Any]:
    """A column as `count` Python values."""
    kind = type(value)
    return value if kind is list else value.tolist() if kind is np.ndarray else [value] * count


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
