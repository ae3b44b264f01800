"""Records of measured links: what a file of link tables holds, how it is hashed, and how it is read back.

A record is a header (JSON: block, channel, key, ...) and tables of columns. Its digest says which link made
it: a hash over the source text of every phy module that a measurement passes through, and the parameters.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from phy.abstraction import LinkAbstraction
from phy.beta_fit import BetaFit
from phy.bler import BlerTable, ScoreTable
from phy.bler_measure import Effort
from phy.block_channel import BlockChannel
from phy.coded_block import CodedBlock
from phy.parameters import Checked, ParameterError

MODULES = (
    "phy.abstraction", "phy.beta_fit", "phy.bler", "phy.bler_measure", "phy.block_channel",
    "phy.burst_kernels", "phy.bursts", "phy.channel", "phy.coded_block", "phy.compiler",
    "phy.dispatch", "phy.effective_sinr", "phy.jit", "phy.link", "phy.packing",
    "phy.modulation", "phy.philox", "phy.qam", "phy.scrambling", "phy.tdl", "phy.threads",
    "phy.coding.convolutional", "phy.coding.crc", "phy.coding.ldpc",
    "phy.coding.ldpc_kernels", "phy.coding.ldpc_rate", "phy.coding.ldpc_soft", "phy.coding.ldpc_tables",
    "phy.coding.mcs", "phy.coding.transport", "phy.coding.transport_size", "phy.coding.viterbi",
)  # fmt: skip

# column -> kind: "i" int64, "f" float64, "S" text
AWGN = {"snr_db": "f"} | dict.fromkeys(
    ("errors", "trials", "undetected", "bit_errors", "bit_errors_squared"), "i"
)
FITS = {
    "method": "S",
    "beta": "f",
    "residual_db": "f",
    "counting_db": "f",
    "bias_db": "f",
    "num_points": "i",
}
SCORES = {"snr_db": "f", "num": "i", "total": "f", "squares": "f"}
UNITS = dict.fromkeys(("snr_db", "residual_db", "counting_db", "bias_db"), "dB")


Tables = Mapping[str, Mapping[str, np.ndarray]]


class LinkTableError(ValueError):
    """A file of link tables breaks a rule. `str(error)` is one line: file, what, rule."""


@dataclass(frozen=True, eq=False)
class ScoreRecord:
    """A score table and the link that it was measured over."""

    name: str  # what the score is, e.g. "similarity", and of what: "similarity/europarl"
    table: ScoreTable
    block: CodedBlock
    channel: BlockChannel
    key: int


@dataclass(frozen=True, eq=False)
class LinkTables:
    """The content of a file."""

    links: tuple[LinkAbstraction, ...] = ()
    scores: tuple[ScoreRecord, ...] = ()


@cache
def source_digest(modules: tuple[str, ...] = MODULES) -> str:
    """SHA-256 over names and source texts of the modules, hexadecimal."""
    whole = hashlib.sha256()
    for name in sorted(modules):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise LinkTableError(f"{name}: source not found, must be there for a digest of the link")
        text = Path(spec.origin).read_bytes().replace(b"\r\n", b"\n")
        whole.update(f"{name} {len(text)}\n".encode())
        whole.update(text)
    return whole.hexdigest()


def link_digest(record: LinkAbstraction | ScoreRecord) -> str:
    """Digest of the link of this checkout with the record's parameters: source texts, block, channel, effort,
    key.
    """
    parameters = json.dumps(header_of(record), sort_keys=True)
    return hashlib.sha256(f"{source_digest()}\n{parameters}".encode()).hexdigest()


def header_of(record: LinkAbstraction | ScoreRecord) -> dict[str, Any]:
    """What a saved record says of itself: block, channel, key, and how it was measured."""
    header: dict[str, Any] = {
        "block": dataclasses.asdict(record.block),
        "channel": dataclasses.asdict(record.channel),
        "key": str(record.key),
    }
    if isinstance(record, LinkAbstraction):
        return header | {"effort": dataclasses.asdict(record.effort)}
    return header | {"name": record.name, "increasing": bool(record.table.increasing)}


def columns_of(record: LinkAbstraction | ScoreRecord) -> dict[str, dict[str, np.ndarray]]:
    """Tables of a record: name -> columns, in the dtypes of the file."""
    if isinstance(record, ScoreRecord):
        wanted: dict[str, tuple[Mapping[str, str], Callable[[str], Any]]] = {
            "scores": (SCORES, lambda column: getattr(record.table, column))
        }
    else:
        wanted = {
            "awgn": (AWGN, lambda column: getattr(record.table, column)),
            "fits": (FITS, lambda column: [getattr(fit, column) for fit in record.fits]),
        }
    kinds = {"i": "<i8", "f": "<f8", "S": "S24"}
    return {
        table: {column: np.asarray(read(column), dtype=kinds[kind]) for column, kind in columns.items()}
        for table, (columns, read) in wanted.items()
    }


def content_hash(header: Mapping[str, Any], digest: str, tables: Tables) -> str:
    """Hash over everything in a record."""
    whole = hashlib.sha256(json.dumps([digest, header], sort_keys=True).encode())
    for table in sorted(tables):
        for column in sorted(tables[table]):
            values = tables[table][column]
            whole.update(f"{table}.{column} {values.size}\n".encode())
            whole.update(values.tobytes())
    return whole.hexdigest()


def _parameters(where: str, header: Mapping[str, Any], key: str, kind: type[Checked]) -> Any:
    """The parameter set `key` of a header."""
    fields = header.get(key)
    if not isinstance(fields, dict):
        raise LinkTableError(f"{where}: {key} is missing, must be a JSON object")
    unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(kind)})
    if unknown:
        raise LinkTableError(f"{where}: {key} has the unknown parameter {unknown[0]!r}, must be known")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    try:
        return kind(**values)
    except ParameterError as error:
        raise LinkTableError(f"{where}: {error}") from None
    except (TypeError, OverflowError, ZeroDivisionError):
        raise LinkTableError(f"{where}: {key} is incomplete, must have every parameter") from None


def _key(where: str, header: Mapping[str, Any]) -> int:
    text = header.get("key")
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]{1,100}", text):
        raise LinkTableError(f"{where}: key, must be an integer as text of at most 100 digits")
    return int(text)


def link_from(where: str, header: Mapping[str, Any], tables: Tables) -> LinkAbstraction:
    """The link of a header and the tables `awgn` and `fits`; LinkTableError that begins with `where`."""
    block = _parameters(where, header, "block", CodedBlock)
    channel = _parameters(where, header, "channel", BlockChannel)
    effort = _parameters(where, header, "effort", Effort)
    rows = zip(*(tables["fits"][column].tolist() for column in FITS))
    try:
        table = BlerTable(block.num_bits, **tables["awgn"])
        fits = tuple(BetaFit(method.decode("utf-8"), *rest) for method, *rest in rows)
        return LinkAbstraction(block, table, fits, channel, effort, _key(where, header))
    except (ParameterError, UnicodeDecodeError, OverflowError) as error:
        raise LinkTableError(f"{where}: {error}") from None


def scores_from(where: str, header: Mapping[str, Any], tables: Tables) -> ScoreRecord:
    """The scores of a header and the table `scores`; LinkTableError that begins with `where`."""
    block = _parameters(where, header, "block", CodedBlock)
    channel = _parameters(where, header, "channel", BlockChannel)
    name, increasing = header.get("name"), header.get("increasing")
    if not isinstance(name, str) or not isinstance(increasing, bool):
        raise LinkTableError(f"{where}: name and increasing, must be text and true or false")
    try:
        table = ScoreTable(**tables["scores"], increasing=increasing)
    except ParameterError as error:
        raise LinkTableError(f"{where}: {error}") from None
    return ScoreRecord(name, table, block, channel, _key(where, header))
