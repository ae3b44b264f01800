"""The declarative schema "netsim-trace/1": every table of a trace and every column with dtype, unit and
meaning.

A system that needs more declares it as a value: `extended(Table("slots", "", (Column("energy_j", ...),)))`
adds a column to a table of the house, a new name adds a table. Everything else (writer, reader, checks,
documentation) reads the schema, so a column is described in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

SCHEMA = "netsim-trace/1"

INDEX = "int32"
COUNT = "int32"
LONG = "int64"
REAL = "float64"
CODE = "int8"
NAME = "S24"


class TraceError(ValueError):
    """A trace, or a row meant for one, breaks a rule. `str(error)` is one line: where, what, rule."""


@dataclass(frozen=True)
class Column:
    """One column: a 1-D dataset of `dtype` (int8, int32, int64, float32, float64 or fixed-length UTF-8
    `S<n>`).

    `absent` says what the value -1 (integers) or NaN (reals) stands for; a real column without it holds
    finite or infinite numbers only, never NaN. `values` names the integers 0, 1, ... of an enumeration.
    """

    name: str
    dtype: str
    unit: str
    description: str
    absent: str = ""
    values: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Description with enumeration and meaning of the absent value, as stored in the file."""
        parts = [self.description]
        if self.values:
            parts.append(", ".join(f"{code} {name}" for code, name in enumerate(self.values)))
        if self.absent:
            parts.append(f"{'NaN' if np.dtype(self.dtype).kind == 'f' else '-1'}: {self.absent}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Table:
    """A table: its name, one line on what a row is, and its columns in order. `late`: rows hold numbers that
    are found when somebody looks at them, so they wait as they are until many do.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    late: bool = False


FATES = ("queued", "delivered", "dropped")
QUEUED, DELIVERED, DROPPED = range(3)

_SLOT = Column("slot", INDEX, "1", "slot index, counted through all episodes of the run")
_EPISODE = Column("episode", INDEX, "1", "episode index")
_UE = Column("ue", INDEX, "1", "device index")
_CELL = Column("cell", INDEX, "1", "serving cell index")
_START = Column("start_ns", LONG, "ns", "time at which the slot starts")

_TABLES = (
    Table(
        "slots",
        "one row per slot",
        (
            _SLOT,
            _EPISODE,
            _START,
            Column("reward", REAL, "1", "reward of the slot, all devices"),
            Column(
                "objective",
                REAL,
                "1",
                "objective of the slot as the scenario defines it (toscn: sum of scores)",
            ),
            Column("num_violations", COUNT, "1", "constraints violated in the slot"),
        ),
    ),
    Table(
        "packets",
        "one row per packet accepted by a buffer (blocked captures are not packets)",
        (
            Column("id", LONG, "1", "packet index, unique in the run"),
            _UE,
            Column(
                "item",
                LONG,
                "1",
                "index of the image or sentence in its data set",
                "the level carries no data",
            ),
            Column("task", INDEX, "1", "task index"),
            Column("created_ns", LONG, "ns", "time of capture"),
            Column("sent_ns", LONG, "ns", "time at which its transmission started", "never sent"),
            Column(
                "delivered_ns", LONG, "ns", "time at which it was complete at the receiver", "never delivered"
            ),
            Column("fate", CODE, "1", "what became of it by the end of the run", values=FATES),
            Column("num_bits", LONG, "bit", "bits sent for it, 0 if never sent"),
            Column("num_bit_errors", LONG, "bit", "of these received wrong", "not counted at this level"),
            Column(
                "compression",
                REAL,
                "1",
                "share of the semantic content left out before sending",
                "never sent",
            ),
            Column("label", INDEX, "1", "true class", "the task has no classes"),
            Column("decision", INDEX, "1", "class decided by the receiver", "none decided"),
            Column(
                "score",
                REAL,
                "1",
                "what its delivery is worth: 1 or 0 for a decision, else the expected accuracy or "
                "the similarity",
                "not delivered",
            ),
        ),
    ),
    Table(
        "grants",
        "one row per slot and granted device",
        (
            _SLOT,
            _UE,
            _CELL,
            _START,
            Column("bandwidth_hz", REAL, "Hz", "granted bandwidth"),
            Column("power_w", REAL, "W", "granted transmit power"),
            Column("compression", REAL, "1", "share of the semantic content to leave out"),
            Column(
                "bits_per_symbol", INDEX, "bit", "bits per constellation symbol", "the level has no symbols"
            ),
            Column("subchannel", INDEX, "1", "subchannel index", "no subchannels"),
        ),
    ),
    Table(
        "receptions",
        "one row per slot and device that sent",
        (
            _SLOT,
            _UE,
            _CELL,
            Column("gain", REAL, "1", "linear power gain of the link, large and small scale"),
            Column(
                "sinr_db",
                REAL,
                "dB",
                "signal to interference and noise ratio per data resource element after combining",
                "nothing was sent",
            ),
            Column("num_bits", LONG, "bit", "bits sent"),
            Column("num_bit_errors", LONG, "bit", "of these received wrong", "not counted at this level"),
            Column("num_blocks", COUNT, "1", "blocks (packets or codewords) sent"),
            Column(
                "num_block_errors",
                COUNT,
                "1",
                "of these with at least one wrong bit",
                "not counted at this level",
            ),
        ),
    ),
    Table(
        "buffers",
        "one row per slot and device; queued(t) = queued(t-1) + arrived - delivered - dropped, "
        "queued(-1) = 0",
        (
            _SLOT,
            _UE,
            Column("queued_start", COUNT, "1", "packets waiting when the slot's transmission starts"),
            Column("queued", COUNT, "1", "packets waiting at the end of the slot"),
            Column(
                "arrived",
                COUNT,
                "1",
                "packets accepted within the slot; the initial packets of an episode count in its first slot",
            ),
            Column("delivered", COUNT, "1", "packets delivered within the slot"),
            Column(
                "dropped",
                COUNT,
                "1",
                "packets dropped within the slot; what is left when an episode that another one "
                "follows ends counts in its last slot",
            ),
            Column("blocked", COUNT, "1", "captures that found the buffer full; they never were packets"),
        ),
    ),
    Table(
        "decisions",
        "one row per action of an agent; observed <= received <= t <= applied",
        (
            Column("t_ns", LONG, "ns", "time at which the agent had decided"),
            Column("agent", NAME, "", "name of the agent"),
            Column("slot", INDEX, "1", "slot in which the action was decided"),
            Column(
                "observed_ns",
                LONG,
                "ns",
                "time at which the observation it rests on was taken",
                "no observation",
            ),
            Column(
                "received_ns",
                LONG,
                "ns",
                "time at which that observation reached the agent",
                "no observation",
            ),
            Column("applied_ns", LONG, "ns", "time at which the action came into force", "never"),
            Column("reward", REAL, "1", "reward the agent was given for it", "none given"),
        ),
    ),
    Table(
        "messages",
        "one row per signalling message",
        (
            Column("kind", NAME, "", "kind of message (observation, action, ...)"),
            Column("src", NAME, "", "sender"),
            Column("dst", NAME, "", "receiver"),
            Column("sent_ns", LONG, "ns", "time of sending"),
            Column("received_ns", LONG, "ns", "time of arrival", "lost, or still under way at the end"),
            Column("lost", CODE, "1", "whether it was lost", values=("no", "yes")),
        ),
    ),
    Table(
        "ues",
        "one row per episode and device: what stays the same within an episode",
        (
            _EPISODE,
            _UE,
            Column("task", INDEX, "1", "task index"),
            Column("distance_m", REAL, "m", "distance to the serving cell", "the scenario has no geometry"),
            Column("shadowing_db", REAL, "dB", "shadowing, positive = loss", "the scenario has no shadowing"),
            Column(
                "gain_db",
                REAL,
                "dB",
                "large-scale power gain, path loss and shadowing",
                "the scenario has none",
            ),
        ),
    ),
)

TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _TABLES})


def extended(*extra: Table, base: Mapping[str, Table] = TABLES) -> Mapping[str, Table]:
    """`base` with the columns of `extra` appended to tables of the same name, and new tables added.

    Raises:
        TraceError: a column is declared twice or has a dtype that a trace cannot hold.
    """
    tables = dict(base)
    for table in extra:
        known = tables.get(table.name, Table(table.name, table.description, ()))
        names = [column.name for column in known.columns]
        for column in table.columns:
            if column.name in names:
                raise TraceError(
                    f"schema: column {table.name}.{column.name} is declared twice: must be unique"
                )
            dtype = np.dtype(column.dtype)
            if dtype.kind != "S" and dtype.name not in ("int8", "int32", "int64", "float32", "float64"):
                raise TraceError(
                    f"schema: column {table.name}.{column.name} has dtype {column.dtype}: must be int8, "
                    "int32, int64, float32, float64 or S<n>"
                )
            names.append(column.name)
        tables[table.name] = replace(known, columns=known.columns + table.columns)
    return MappingProxyType(tables)


def late(tables: Mapping[str, Table], *names: str) -> Mapping[str, Table]:
    """`tables` with those of these names `late`."""
    return MappingProxyType(dict(tables) | {name: replace(tables[name], late=True) for name in names})


def markdown(tables: Mapping[str, Table] = TABLES) -> str:
    """The schema as Markdown, one table per table; `docs/trace.md` holds this text (a test compares them)."""
    lines: list[str] = []
    for table in tables.values():
        lines += [f"### `{table.name}`", "", table.description[0].upper() + table.description[1:] + ".", ""]
        lines += ["| column | dtype | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| `{c.name}` | {c.dtype} | {c.unit} | {c.text} |" for c in table.columns]
        lines.append("")
    return "\n".join(lines)
