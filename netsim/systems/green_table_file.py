"""Green: the measured table of f_s(k, SINR) as a file, and the tables that ship (specification 10.4).

A CSV file with a row a point. Its first line, a comment, is JSON and says what was measured: codec with its
sha256, similarity metric, corpus, number of sentences, interference, seed. While a measurement runs the
points are in `<file>.part`, from which it goes on when it is called again.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netsim import stats
from netsim.semantics.image_codec import WEIGHTS
from netsim.semantics.text_codec import SHIPPED
from netsim.systems.green_curves import TableAccuracy
from phy.parameters import ParameterError

COLUMNS = ("k", "sinr_db", "mean", "std", "n", "low", "high", "exact")


@dataclass(frozen=True)
class Point:
    """Similarity at one k and SINR: mean with its 95 % interval over sentences, deviation, share of sentences
    that arrive word by word.
    """

    k: int
    sinr_db: float
    similarity: stats.Interval
    std: float
    exact: float


def write_table(points: Sequence[Point], path: Path, about: Mapping[str, Any] | None = None) -> None:
    """The points as CSV, `about` in front; the file appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", newline="") as file:
        if about is not None:
            file.write(f"# {json.dumps(dict(about))}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for p in points:
            s = p.similarity
            numbers = (s.mean, p.std, s.n, s.low, s.high, p.exact)
            writer.writerow((p.k, f"{p.sinr_db:g}", *(f"{v:.6g}" for v in numbers)))
    os.replace(fresh, path)


def _rows(path: Path) -> tuple[list[dict[str, str]], dict[str, Any]]:
    if not path.is_file():
        raise ParameterError(f"{path}: no such file: must be a measured table (python -m netsim accuracy)")
    lines = path.read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    try:
        about = json.loads(comments[0][1:]) if comments else {}
    except ValueError:
        raise ParameterError(f"{path}: first line must be JSON after #, or no comment") from None
    return list(csv.DictReader(line for line in lines if not line.startswith("#"))), about


def _point(row: dict[str, str]) -> Point:
    interval = stats.Interval(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n"]))
    return Point(int(row["k"]), float(row["sinr_db"]), interval, float(row["std"]), float(row["exact"]))


class Part:
    """The points of a measurement that is under way, in `<path>.part`.

    Args:
        about: what is measured; points of a file that says something else are not taken over.

    Attributes:
        found: the points so far, by (k, SINR).
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path, self.about = path, dict(about)
        self._part = path.with_name(f"{path.name}.part")
        self.found: dict[tuple[int, float], Point] = {}
        if self._part.is_file():
            rows, before = _rows(self._part)
            if before == self.about:
                self.found = {(p.k, p.sinr_db): p for p in map(_point, rows)}

    def add(self, point: Point) -> None:
        """A point more, on disk at once."""
        self.found[point.k, point.sinr_db] = point
        write_table(list(self.found.values()), self._part, self.about)

    def complete(self, wanted: Sequence[tuple[int, float]]) -> list[Point]:
        """Writes the table of all points `wanted`, in this order, and removes the part file."""
        points = [self.found[key] for key in wanted]
        write_table(points, self.path, self.about)
        self._part.unlink(missing_ok=True)
        return points


def read_table(path: Path) -> TableAccuracy:
    """A measured table as f_s. Its floor is the mean at the lowest SINR over all k, its ceiling the value of
    the largest k at the highest SINR.

    Raises:
        ParameterError: not such a file, fewer than two values of k or SINR, holes.
    """
    rows, about = _rows(path)
    try:
        found = {(int(r["k"]), float(r["sinr_db"])): float(r["mean"]) for r in rows}
    except (KeyError, TypeError, ValueError):
        raise ParameterError(f"{path}: must be CSV with numeric columns k, sinr_db, mean") from None
    k, sinr_db = sorted({a for a, _ in found}), sorted({b for _, b in found})
    if len(k) < 2 or len(sinr_db) < 2 or len(found) != len(k) * len(sinr_db):
        raise ParameterError(f"{path}: must be a full grid of at least 2 x 2 points (k, sinr_db)")
    mean = np.array([[found[a, b] for b in sinr_db] for a in k])
    floor, ceiling = float(mean[:, 0].mean()), float(mean[-1, -1])
    if floor >= ceiling:
        raise ParameterError(f"{path}: floor {floor:.3f}, must be below the ceiling {ceiling:.3f}")
    return TableAccuracy(np.array(k), np.array(sinr_db), mean, floor, ceiling, about)


@functools.lru_cache(maxsize=8)
def table_named(name: str) -> TableAccuracy:
    """The table that ships with a codec (`english`, `grammar`), or the one in a file.

    Raises:
        ParameterError: no such table, or the one that ships was measured with another codec.
    """
    if name not in SHIPPED:
        return read_table(Path(name))
    path = WEIGHTS / f"{name}.accuracy.csv"
    table = read_table(path)
    with (WEIGHTS / f"{name}.safetensors").open("rb") as file:
        check_codec(table, hashlib.file_digest(file, "sha256").hexdigest(), str(path))
    return table


def check_codec(table: TableAccuracy, sha256: str, where: str) -> None:
    """Raises ParameterError if a table says that it was measured with another codec than that of `sha256`."""
    measured = str(table.about.get("codec_sha256", sha256))
    if measured != sha256:
        raise ParameterError(
            f"{where}: measured with codec {measured[:12]}, must be measured again with {sha256[:12]} "
            "(python -m netsim accuracy)"
        )
