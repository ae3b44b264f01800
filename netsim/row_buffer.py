"""From rows to columns: the buffer in which the rows of one table wait for their store."""

from __future__ import annotations

import keyword
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from netsim.tables import Columns, TableDigest, little
from netsim.trace_schema import Column, Table, TraceError

_WAITING = 1_024  # packed rows that wait before they become columns
_MISFITS = (struct.error, OverflowError)
_CODES = {"int8": "b", "int32": "i", "int64": "q", "float32": "f", "float64": "d"}

# The function that records one row, as source: Python itself then matches the columns' names. A row of 14
# columns takes two thirds of the time of a call with `**columns` that does nothing with them.
_RECORD = """
def make(_packed, _pack, _utf8, _misfits, _misfit, _too_late, _limit, _drain):
    def record(*, {names}):
        nonlocal _packed
        try:
            _packed += _pack({values})
        except _misfits:
            raise _misfit(({names},)) from None
        except BufferError:
            raise _too_late() from None
        if len(_packed) >= _limit:
            _drain()

    return record
"""


class Store(Protocol):
    """Where full column buffers go. The arrays are views: keep a copy or write them at once."""

    def write(self, table: Table, columns: Columns) -> None: ...

    def close(self, attributes: Mapping[str, Any], complete: bool) -> None: ...


class RowBuffer:
    """Rows of one table on their way to the store.

    A row is packed into bytes where it is recorded (`record`), and some thousand packed rows become columns
    together, as strided views of one array. `struct` costs 25 ns a number and refuses what does not fit, a
    float for an integer too, so that a wrong value is named where it is recorded. Rows of a `late` table wait
    before they are packed, since that is when their numbers are looked at.
    """

    def __init__(self, table: Table, store: Store, rows: int) -> None:
        self.table = table
        self.names = tuple(column.name for column in table.columns)
        self.digest = TableDigest(table)
        self._wanted = frozenset(self.names)
        self._row = np.dtype([(column.name, little(column.dtype)) for column in table.columns])
        self._pack = struct.Struct("<" + "".join(map(_code, table.columns))).pack
        self._texts = [(index, width) for index, c in enumerate(table.columns) if (width := _width(c))]
        self._limit = _WAITING * self._row.itemsize
        self._packed = bytearray()
        self._locked: memoryview | None = None
        self._rows = rows
        self._written = 0
        self._filled = 0
        self._store = store
        self._arrays: Columns = {}
        self._waiting: list[Callable[[], None]] = []
        self._pack_row: Callable[..., None] = self._compiled()
        self.record: Callable[..., None] = self._hold if table.late else self._pack_row
        """Adds one row, its columns as keyword arguments."""

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Add some rows given as equally long columns of Python values, in the order of the schema."""
        if self.table.late:
            self._wait(partial(self._pack_rows, columns))
        else:
            self._pack_rows(columns)

    def _hold(self, **columns: Any) -> None:
        if self._locked is not None:
            raise self._too_late()
        if columns.keys() != self._wanted:
            raise TypeError(f"columns {', '.join(columns)}: must be {', '.join(self.names)}")
        self._wait(partial(self._pack_row, **columns))

    def _wait(self, pack: Callable[[], None]) -> None:
        self._waiting.append(pack)
        if len(self._waiting) >= _WAITING:
            self.drain()

    def _pack_rows(self, columns: Sequence[Sequence[Any]]) -> None:
        try:
            packable = list(columns)
            for index, width in self._texts:
                packable[index] = [_utf8(value, width) for value in columns[index]]
            self._packed += b"".join(map(self._pack, *packable))
        except _MISFITS:
            raise self._misfit(*zip(*columns)) from None
        except BufferError:
            raise self._too_late() from None
        if len(self._packed) >= self._limit:
            self.drain()

    def drain(self) -> None:
        """Turn all waiting rows into columns and hand full buffers to the store."""
        waiting, self._waiting = self._waiting, []
        for pack in waiting:
            pack()
        if self._packed:
            rows = np.frombuffer(bytes(self._packed), self._row)
            self._packed.clear()
            self.put({name: rows[name] for name in self.names})

    def close(self) -> None:
        """Hand over everything; from now on rows are refused."""
        self.drain()
        self.flush()
        self._locked = memoryview(
            self._packed
        )  # whoever adds a row now gets a BufferError, at no cost before

    def check_names(self, columns: Mapping[str, Any]) -> None:
        """TraceError unless a row names exactly the columns of the schema, and comes before `close`."""
        if self._locked is not None:
            raise self._too_late()
        if columns.keys() == self._wanted:
            return
        missing = ", ".join(name for name in self.names if name not in columns)
        unknown = ", ".join(name for name in columns if name not in self.names)
        found = (("lacks", missing), ("has unknown", unknown))
        what = " and ".join(f"{verb} {names}" for verb, names in found if names)
        rule = f"must have the columns {', '.join(self.names)}"
        raise TraceError(f"trace: a row of {self.table.name} {what}: {rule}")

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

    def _compiled(self) -> Callable[..., None]:
        columns = self.table.columns
        for name in self.names:
            if not name.isidentifier() or keyword.iskeyword(name) or name[0] == "_":
                where = f"trace: column {name!r} of {self.table.name}"
                raise TraceError(f"{where}: must be a name as in Python that begins with a letter")
        values = (f"_utf8({c.name}, {width})" if (width := _width(c)) else c.name for c in columns)
        scope: dict[str, Any] = {}
        exec(_RECORD.format(names=", ".join(self.names), values=", ".join(values)), scope)
        record: Callable[..., None] = scope["make"](
            self._packed,
            self._pack,
            _utf8,
            _MISFITS,
            self._misfit,
            self._too_late,
            self._limit,
            self.drain,
        )
        return record

    def _misfit(self, *rows: tuple[Any, ...]) -> TraceError:
        """What is wrong with the first number or text in `rows` that its column cannot hold."""
        first = self._written + self._filled + len(self._packed) // self._row.itemsize
        for index, row in enumerate(rows):
            for column, value in zip(self.table.columns, row):
                where = f"trace: {self.table.name}.{column.name} = {value!r} in row {first + index}"
                width = _width(column)
                try:
                    if width:
                        _utf8(value, width)
                    else:
                        struct.pack(_code(column), value)
                except _MISFITS:
                    rule = f"text of at most {width} bytes" if width else column.dtype
                    return TraceError(f"{where}: must be {rule}")
        raise AssertionError("every value fits")

    def _too_late(self) -> TraceError:
        return TraceError(f"trace: a row of {self.table.name} after close: must be recorded before")


def _width(column: Column) -> int:
    """Bytes of a text column, 0 of a number."""
    return np.dtype(column.dtype).itemsize if column.dtype[0] == "S" else 0


def _code(column: Column) -> str:
    """The column in the language of `struct`."""
    width = _width(column)
    return f"{width}s" if width else _CODES[np.dtype(column.dtype).name]


def _utf8(value: Any, width: int) -> bytes:
    """Text as bytes; struct.error if it is none or too long (`struct` itself would cut it)."""
    if not isinstance(value, str) or len(encoded := value.encode()) > width:
        raise struct.error
    return encoded
