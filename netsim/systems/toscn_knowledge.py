"""What is known about accuracy: measured counts A(eta, SNR), fits of the paper's form, and the file that
ships.

`toscn-knowledge.json` holds the counts that `python -m netsim figure toscn-table-3` measured with the shipped
codecs (netsim.systems.toscn_bkb), the fits of (21) at every SNR with their covariance, and where all of it
comes from. `semantics.bkb=measured` takes its curves from there, `semantics.accuracy=snr` the whole table.
"""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netsim.semantics.image_codec import WEIGHTS, load_codec
from phy.parameters import ParameterError

SHIPPED = WEIGHTS / "toscn-knowledge.json"
FITTED_SNR_DB = 14.0  # the paper trains at an average of 13 dB; the nearest SNR of the grid
SCHEMA = "netsim-toscn-knowledge/1"
GUESS = 0.1  # accuracy of a server that receives nothing: ten classes
_START = (-0.7, 15.0, 0.9)
_OPEN_END_DB = 2.0  # above the highest finite SNR, accuracy reaches that of no errors within this


@dataclass(frozen=True)
class Knowledge:
    """Counts of right decisions of one task: int64[SNR, compression] out of `trials` each."""

    task: str
    mode: str
    snr_db: tuple[float, ...]
    compression: tuple[float, ...]
    correct: np.ndarray
    trials: int
    classifier: str = "compressed"

    @property
    def accuracy(self) -> np.ndarray:
        """float64[SNR, compression]."""
        return self.correct / self.trials


@dataclass(frozen=True)
class Fit:
    """(21) fitted at one SNR: alpha_1..3, their covariance, mean squared error over the grid."""

    alpha: tuple[float, float, float]
    covariance: tuple[tuple[float, float, float], ...]
    mse: float

    @property
    def deviation(self) -> tuple[float, float, float]:
        """Standard errors of alpha_1..3."""
        d1, d2, d3 = (math.sqrt(self.covariance[i][i]) for i in range(3))
        return d1, d2, d3

    @property
    def determined(self) -> bool:
        """Whether the counts fix the exponent at all: a curve without a knee on the grid does not."""
        return self.deviation[1] < self.alpha[1]


def fit(compression: Sequence[float], accuracy: np.ndarray) -> Fit:
    """Least-squares fit of a1 eta^a2 + a3 by Levenberg-Marquardt; accuracy float64[compression].

    Raises:
        RuntimeError: the iteration did not converge (scipy's message).
    """
    from scipy.optimize import curve_fit

    eta = np.asarray(compression)

    def curve(x: np.ndarray, a1: float, a2: float, a3: float) -> np.ndarray:
        return a1 * np.power(x, max(a2, 1e-6)) + a3

    alpha, covariance = curve_fit(curve, eta, accuracy, p0=_START, method="lm", maxfev=20_000)
    residual = accuracy - curve(eta, *alpha)
    a1, a2, a3 = (float(a) for a in alpha)
    rows = tuple((float(row[0]), float(row[1]), float(row[2])) for row in covariance)
    return Fit((a1, a2, a3), rows, float(np.mean(residual**2)))


class AccuracyTable:
    """A(eta, SNR) of all tasks between the measured points: linear in eta and in SNR (dB).

    Below the grid the value at its edge holds; above the highest finite SNR the accuracy without errors is
    reached within 2 dB; from the highest compression on it falls to a guess at eta = 1.
    """

    def __init__(self, tables: Sequence[Knowledge]) -> None:
        from scipy.interpolate import RegularGridInterpolator

        self._tables = []
        for known in tables:
            snr = np.array(known.snr_db)
            snr[-1] = snr[-2] + _OPEN_END_DB if np.isinf(snr[-1]) else snr[-1]
            eta = np.array([*known.compression, 1.0])
            accuracy = np.column_stack([known.accuracy, np.full(len(snr), GUESS)])
            self._tables.append((snr, eta, RegularGridInterpolator((snr, eta), accuracy)))

    def accuracy(self, task: np.ndarray, compression: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
        """float64[n] for int64[n], float64[n], float64[n]."""
        out = np.empty(len(task))
        for j in np.unique(task):
            rows = task == j
            snr, eta, table = self._tables[j]
            at = np.stack(
                [np.clip(snr_db[rows], snr[0], snr[-1]), np.clip(compression[rows], eta[0], 1.0)], 1
            )
            out[rows] = table(at)
        return out


def write(tables: Sequence[Knowledge], provenance: dict[str, Any], path: Path) -> None:
    """Counts, fits and provenance as JSON: one line a table, so that changes can be read."""
    lines = []
    for known in tables:
        fits = [_fit_or_none(known, row) for row in range(len(known.snr_db))]
        lines.append(
            {
                "task": known.task,
                "mode": known.mode,
                "classifier": known.classifier,
                "trials": known.trials,
                "snr_db": [None if math.isinf(s) else s for s in known.snr_db],
                "compression": list(known.compression),
                "correct": known.correct.tolist(),
                "fits": [
                    None if f is None else {"alpha": f.alpha, "covariance": f.covariance, "mse": f.mse}
                    for f in fits
                ],
            }
        )
    rows = ",\n".join(json.dumps(line) for line in lines)
    head = json.dumps({"schema": SCHEMA, "provenance": provenance}, sort_keys=True)
    path.write_text(f'{head[:-1]}, "tables": [\n{rows}\n]}}\n', encoding="utf-8")


def _fit_or_none(known: Knowledge, row: int) -> Fit | None:
    """The fit at one SNR, None where the iteration finds none or no error of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's word for a singular covariance, which is looked at below
        try:
            found = fit(known.compression, known.accuracy[row])
        except RuntimeError:
            return None
    return found if np.isfinite(np.array(found.covariance)).all() else None


@dataclass(frozen=True)
class Shipped:
    """The content of a knowledge file."""

    tables: tuple[Knowledge, ...]
    fits: tuple[tuple[Fit | None, ...], ...]  # by table and SNR
    provenance: dict[str, Any]

    def of(self, task: str, mode: str, classifier: str) -> int:
        """Index of a task's table.

        Raises:
            ParameterError: nothing was measured for this importance mode and classifier.
        """
        names = [(k.task, k.mode, k.classifier) for k in self.tables]
        if (task, mode, classifier) not in names:
            known = ", ".join(sorted({f"{m} with {c}" for _, m, c in names}))
            raise ParameterError(
                f"semantics.bkb = 'measured': must go with a measured importance and classifier ({known}), "
                f"is {mode} with {classifier}"
            )
        return names.index((task, mode, classifier))


def read(path: Path = SHIPPED) -> Shipped:
    """A knowledge file.

    Raises:
        ParameterError: it is missing or damaged, or made by other codecs than those that are installed.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']!r}")
        provenance = content["provenance"]
        tables = tuple(_knowledge(entry) for entry in content["tables"])
        fits = tuple(tuple(_fit(f) for f in entry["fits"]) for entry in content["tables"])
        codecs = dict(provenance["codec_sha256"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as cause:
        reason = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise ParameterError(
            f"{path.name}: not a knowledge base ({reason}): must be written by figure toscn-table-3"
        ) from None
    for task, digest in codecs.items():
        if load_codec(task).sha256 != digest:
            raise ParameterError(
                f"{path.name}: measured with another codec of {task}: measure again, figure toscn-table-3"
            )
    return Shipped(tables, fits, provenance)


def _knowledge(entry: dict[str, Any]) -> Knowledge:
    snr = tuple(math.inf if s is None else float(s) for s in entry["snr_db"])
    compression = tuple(float(c) for c in entry["compression"])
    correct, trials = np.array(entry["correct"], dtype=np.int64), int(entry["trials"])
    if (
        correct.shape != (len(snr), len(compression))
        or trials < 1
        or correct.min() < 0
        or correct.max() > trials
    ):
        raise ValueError("counts that cannot be")
    return Knowledge(entry["task"], entry["mode"], snr, compression, correct, trials, entry["classifier"])


def _fit(entry: dict[str, Any] | None) -> Fit | None:
    if entry is None:
        return None
    a1, a2, a3 = (float(a) for a in entry["alpha"])
    rows = tuple((float(r[0]), float(r[1]), float(r[2])) for r in entry["covariance"])
    return Fit((a1, a2, a3), rows, float(entry["mse"]))


@functools.lru_cache(maxsize=1)
def shipped() -> Shipped:
    """The knowledge base that ships, read once."""
    return read()
