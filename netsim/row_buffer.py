"""From rows to columns: the buffer in which the rows of one table wait for their store."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from netsim.tables import Columns, TableDigest, little
from netsim.trace_schema import Column, Table, TraceError

_WAITING = 1_024  # single rows that wait before they become columns


class Store(Protocol):
    """Where full column buffers go. The arrays are views: keep a copy or write them at once."""

    def write(self, table: Table, columns: Columns) -> None: ...

    def close(self, attributes: Mapping[str, Any], complete: bool) -> None: ...


class RowBuffer:
    """Rows of one table on their way to the store.

    Rows wait as the dicts that `Recorder.append` was called with, and are checked and turned into columns
    together; the first row of a table at once, so that a wrong call is found where it is made. Measured per
    number: out of the dicts 45 ns by a list expression, 60 by `map` and `itemgetter`, 70 and more by way of
    row tuples or one flat list; to an array 10 ns by `struct.pack`, 35 by `array.array`, 54 by `np.array`, 60
    by assignment to an element; and `struct` refuses a float for an integer.
    """

    def __init__(self, table: Table, store: Store, rows: int) -> None:
        self.table = table
        self.names = tuple(column.name for column in table.columns)
        self.waiting: list[dict[str, Any]] = []
        self.limit = 1  # rows that may wait
        self.digest = TableDigest(table)
        self._wanted = frozenset(self.names)
        self._lists: list[list[Any]] = [
            [] for _ in self.names
        ]  # rows given as columns, before those in waiting
        self._rows = rows
        self._written = 0
        self._filled = 0
        self._closed = False
        self._store = store
        self._arrays: Columns = {}

    def add(self, lists: list[Iterable[Any]]) -> None:
        """Add some rows given as columns of Python values, in the order of the schema."""
        self._gather()
        for kept, values in zip(self._lists, lists):
            kept.extend(values)
        if len(self._lists[0]) >= self.limit:
            self.drain()

    def drain(self) -> None:
        """Turn all that waits into columns and hand full buffers to the store."""
        self._gather()
        lists, self._lists = self._lists, [[] for _ in self.names]
        if lists[0]:
            columns = zip(self.table.columns, lists)
            self.put({column.name: self._converted(column, values) for column, values in columns})
            self.limit = _WAITING

    def close(self) -> None:
        """Hand over everything; from now on rows are refused."""
        self.drain()
        self.flush()
        self._closed, self.limit = True, 0

    def check_names(self, columns: Mapping[str, Any]) -> None:
        """TraceError unless a row names exactly the columns of the schema, and comes before `close`."""
        if self._closed:
            raise TraceError(f"trace: a row of {self.table.name} after close: must be recorded before")
        if columns.keys() == self._wanted:
            return
        missing = ", ".join(name for name in self.names if name not in columns)
        unknown = ", ".join(name for name in columns if name not in self.names)
        found = (("lacks", missing), ("has unknown", unknown))
        what = " and ".join(f"{verb} {names}" for verb, names in found if names)
        rule = f"must have the columns {', '.join(self.names)}"
        raise TraceError(f"trace: a row of {self.table.name} {what}: {rule}")

    def _gather(self) -> None:
        """Move the waiting rows behind those that were given as columns."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        if self._closed or set(map(len, waiting)) != {len(self.names)}:
            for row in waiting:
                self.check_names(row)
        before = len(self._lists[0])
        try:
            for kept, name in zip(self._lists, self.names):
                kept += [row[name] for row in waiting]
        except KeyError:
            for kept in self._lists:
                del kept[before:]
            for row in waiting:
                self.check_names(row)
            raise

    def put(self, columns: Columns) -> None:
        """Copy converted, equally long columns behind what is there, row order kept."""
        if not self._arrays:
            self._arrays = {c.name: np.empty(self._rows, little(c.dtype)) for c in self.table.columns}
        total, start = len(columns[self.names[0]]), 0
        while start < total:
            count = min(total - start, self._rows - self._filled)
            for name, values in columns.items():
                self._arrays[name][self._filled : self._filled + count] = values[start : start + count]
            self._filled += count
            start += count
            if self._filled == self._rows:
                self.flush()

    def flush(self) -> None:
        """Hand over what is there, full or not."""
        if self._filled:
            piece = {name: values[: self._filled] for name, values in self._arrays.items()}
            for values in piece.values():
                if values.dtype.kind == "f":
                    values[np.isnan(values)] = np.nan
            self.digest.update(piece)
            self._store.write(self.table, piece)
            self._written += self._filled
            self._filled = 0

    def _converted(self, column: Column, values: list) -> np.ndarray:
        dtype = np.dtype(column.dtype)
        if dtype.kind == "S":
            wrong = [row for row, value in enumerate(values) if not isinstance(value, str)]
            if wrong:
                raise self._misfit(column, wrong[0], values[wrong[0]])
            return self.cast(column, np.array(values))
        code = _CODES[dtype.name]
        try:
            return np.frombuffer(struct.pack(f"<{len(values)}{code}", *values), little(dtype))
        except (struct.error, OverflowError):
            row = next(row for row, value in enumerate(values) if not _fits(code, value))
            raise self._misfit(column, row, values[row]) from None

    def _misfit(self, column: Column, row: int, value: Any) -> TraceError:
        where, at = f"{self.table.name}.{column.name}", self._written + self._filled + row
        wanted = "text" if column.dtype[0] == "S" else column.dtype
        return TraceError(f"trace: {where} = {value!r} in row {at}: must be {wanted}")

    def cast(self, column: Column, values: np.ndarray) -> np.ndarray:
        """`values` [n] in the dtype of the column, or TraceError if they do not fit without loss."""
        dtype = little(column.dtype)
        where = f"trace: {self.table.name}.{column.name}"
        if dtype.kind == "S":
            if values.dtype.kind == "U":
                values = np.strings.encode(values, "utf-8")
            if values.size and values.dtype.kind != "S":
                raise TraceError(f"{where}: is {values.dtype}, must be text")
            if values.dtype.itemsize > dtype.itemsize and (np.strings.str_len(values) > dtype.itemsize).any():
                longest = max(values, key=len).decode(errors="replace")
                raise TraceError(f"{where} = {longest!r}: must have at most {dtype.itemsize} bytes")
            return values.astype(dtype)
        if values.dtype.kind not in ("iub" if dtype.kind == "i" else "iubf") and values.size:
            raise TraceError(f"{where}: is {values.dtype}, must be {column.dtype}")
        if dtype.kind == "i" and values.size and not np.can_cast(values.dtype, dtype):
            limits = np.iinfo(dtype)
            if int(values.min()) < limits.min or int(values.max()) > limits.max:
                raise TraceError(f"{where}: lies in [{values.min()}, {values.max()}], must be {column.dtype}")
        return values.astype(dtype)


_CODES = {"int8": "b", "int32": "i", "int64": "q", "float32": "f", "float64": "d"}


def _fits(code: str, value: Any) -> bool:
    try:
        struct.pack(f"<{code}", value)
    except (struct.error, OverflowError):
        return False
    return True
