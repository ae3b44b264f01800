"""Columns of a recorded run as the rest of the program sees them: `Trace`, and the digest of a table.

Digest, the same in file and in memory and whatever chunking, compression, host or time: SHA-256 over one line
per column, columns sorted by name, `name dtype rows hash\\n`, where `dtype` is NumPy's little-endian string
("<i8", "|S24") and `hash` the hexadecimal SHA-256 of the column's little-endian bytes. NaN are stored as the
one quiet NaN 0x7ff8..., so that two machines agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from netsim.trace_schema import Table, TraceError

Columns = dict[str, np.ndarray]


class TableDigest:
    """Incremental digest of one table: feed it pieces of the columns in row order."""

    def __init__(self, table: Table) -> None:
        self._hashes = {column.name: hashlib.sha256() for column in table.columns}
        self._dtypes = {column.name: little(column.dtype) for column in table.columns}
        self._rows = 0

    def update(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add the next rows; `columns` holds equally long 1-D arrays, one for every column."""
        for name, piece in columns.items():
            self._hashes[name].update(np.ascontiguousarray(piece, dtype=self._dtypes[name]).data)
            rows = len(piece)
        self._rows += rows

    def hexdigest(self) -> str:
        """The digest of the rows fed so far (module docstring)."""
        total = hashlib.sha256()
        for name in sorted(self._hashes):
            line = f"{name} {self._dtypes[name].str} {self._rows} {self._hashes[name].hexdigest()}\n"
            total.update(line.encode())
        return total.hexdigest()


def little(dtype: Any) -> np.dtype:
    """`dtype` in little-endian byte order, as stored and hashed."""
    return np.dtype(dtype).newbyteorder("<")


def decoded(values: np.ndarray) -> np.ndarray:
    """Fixed-length UTF-8 bytes as str, other columns unchanged."""
    return np.strings.decode(values, "utf-8") if values.dtype.kind == "S" else values


class Trace:
    """A recorded run: `attributes` (dict) and tables of NumPy columns, read when first asked for.

    `trace["slots"]["reward"]` is an array [rows]; `trace["slots"]` is a dict name -> array, which
    pandas.DataFrame takes as it is. Text columns come as str. `provenance` and `digest` are decoded JSON.
    """

    def __init__(
        self, name: str, attributes: dict[str, Any], tables: Iterable[str], load: Callable[[str], Columns]
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.tables = tuple(tables)
        self._load = load
        self._loaded: dict[str, Columns] = {}

    @property
    def digest(self) -> dict[str, str]:
        """SHA-256 per table as recorded."""
        return dict(self.attributes["digest"])

    def __getitem__(self, table: str) -> Columns:
        if table not in self._loaded:
            if table not in self.tables:
                raise TraceError(f"{self.name}: no table {table!r}: must be one of {', '.join(self.tables)}")
            self._loaded[table] = self._load(table)
        return self._loaded[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)
