"""Key figures of single runs as plain numbers, and the tidy tables that hold them.

`netsim.kpis` says what a figure is; here each run gives one numerator and one denominator a figure, so that
any study can pool, pair or resample runs afterwards.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import difflib
import functools
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netsim import kpis, stats
from netsim.kpis import QUANTILES, num_slots, ratios
from netsim.scenario import Scenario
from netsim.stats import Interval, mean_interval
from netsim.studies.paired import linearised
from netsim.tables import Trace
from netsim.trace import read_trace
from phy.parameters import ParameterError

REWARD = "reward per slot"


@dataclass(frozen=True)
class Value:
    """One figure of one run; `ue` is "all" or an index as text. A quantile has denominator 1, or 0 when the
    run has none.
    """

    kpi: str
    ue: str
    unit: str
    numerator: float
    denominator: float

    @property
    def value(self) -> float:
        """The ratio, NaN where there is nothing to divide by."""
        return self.numerator / self.denominator if self.denominator else math.nan


def values_of(trace: Trace, bandwidth_hz: float | None, each_ue: bool = True) -> list[Value]:
    """All figures of a run, for all devices together and, with `each_ue`, for each."""
    tables = {table: trace[table] for table in trace}
    ues = np.unique(np.concatenate([c["ue"] for c in tables.values() if "ue" in c]))
    slots = float(num_slots(tables))
    found = []
    for ratio in ratios(bandwidth_hz):
        top, bottom = ratio.sums(tables, ues)
        whole = slots if ratio.per_slot else float(bottom.sum())
        found.append(Value(ratio.kpi, "all", ratio.unit, float(top.sum()), whole))
        if ratio.per_ue and each_ue:
            parts = zip(ues.tolist(), top.tolist(), bottom.tolist())
            found += [Value(ratio.kpi, str(ue), ratio.unit, float(x), float(y)) for ue, x, y in parts]
    for quantile in QUANTILES:
        columns = tables[quantile.table]
        values = quantile.values(columns)
        for ue in ("all", *ues.tolist()) if each_ue else ("all",):
            mine = values[np.isfinite(values) & (True if ue == "all" else columns["ue"] == ue)]
            value = float(np.quantile(mine, quantile.share)) if len(mine) else 0.0
            found.append(Value(quantile.kpi, str(ue), quantile.unit, value, float(len(mine) > 0)))
    return found


@functools.lru_cache(maxsize=100_000)
def _of_file(path: str, written_ns: int, bandwidth_hz: float | None, each_ue: bool) -> tuple[Value, ...]:
    """From the file beside the trace, if it is of this very trace and of this code; else from the trace, and
    then there is one. Reading a trace whole takes 50 ms, a third of a short run.
    """
    beside = Path(path).with_suffix(".figures.json")
    about = [written_ns, Path(path).stat().st_size, _readers(), bandwidth_hz]
    try:
        known = json.loads(beside.read_text(encoding="utf-8"))
        if known["about"] == about:
            return tuple(v for v in (Value(*v) for v in known["values"]) if each_ue or v.ue == "all")
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, half a one, or one of other code: found anew below
    found = values_of(read_trace(path), bandwidth_hz)
    text = json.dumps({"about": about, "values": [dataclasses.astuple(v) for v in found]})
    part = beside.with_name(f".{beside.name}.{os.getpid()}.part")
    with contextlib.suppress(
        OSError
    ):  # a folder that cannot be written to: the trace is read again next time
        part.write_text(text, encoding="utf-8")
        part.replace(beside)
    return tuple(v for v in found if each_ue or v.ue == "all")


@functools.cache
def _readers() -> str:
    """Digest of the code that makes figures of a trace."""
    files = (Path(__file__), Path(kpis.__file__), Path(stats.__file__))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def values_of_file(path: Path, scenario: Scenario, each_ue: bool = False) -> tuple[Value, ...]:
    """All figures of the run in a trace file, those of each device with `each_ue`; remembered, here and in
    `run<k>.figures.json` beside it, as long as the file does not change.

    Raises:
        TraceError: the file is damaged.
    """
    return _of_file(str(path), path.stat().st_mtime_ns, scenario.total_bandwidth_hz, each_ue)


def figure_of_file(path: Path, scenario: Scenario, kpi: str) -> Value:
    """One figure of a run, all devices together."""
    for value in values_of_file(path, scenario):
        if value.kpi == kpi and value.ue == "all":
            return value
    check_kpi(scenario, kpi)
    raise AssertionError(f"{path}: no {kpi}")


def kpi_names(scenario: Scenario) -> list[str]:
    """Names of all figures that a run of the scenario has."""
    return [r.kpi for r in ratios(scenario.total_bandwidth_hz)] + [q.kpi for q in QUANTILES]


def check_kpi(scenario: Scenario, kpi: str) -> None:
    """Raises ParameterError unless the scenario's runs have the figure."""
    known = kpi_names(scenario)
    if kpi not in known:
        near = difflib.get_close_matches(kpi, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(known)
        raise ParameterError(f"figure '{kpi}': no such figure ({hint})")


def per_world(values: Sequence[Value]) -> np.ndarray:
    """The figure as one number a run, float64[runs], whose mean is the figure over all runs (`linearised`).

    Raises:
        ParameterError: no run has the figure.
    """
    top, bottom = [v.numerator for v in values], [v.denominator for v in values]
    if not sum(bottom):
        raise ParameterError(f"{values[0].kpi if values else 'figure'}: no run has a value")
    return linearised(top, bottom)


def estimate(values: Sequence[Value], level: float = 0.95) -> Interval:
    """The figure over some runs with Student's interval; NaN where no run has it."""
    if not sum(v.denominator for v in values):
        return Interval(math.nan, math.nan, math.nan, len(values))
    return mean_interval(per_world(values), level)


def check_table(path: Path) -> None:
    """Raises ParameterError unless tables can be written in the format that the name asks for, and
    ModuleNotFoundError if Parquet needs a package that is not there.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ParameterError(f"{path}: must end in .csv or .parquet")
    if path.suffix == ".parquet":
        import pyarrow  # noqa: F401


def write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Rows with equal keys as CSV, or as Parquet if the name ends in .parquet (needs pyarrow).

    Raises:
        ParameterError: another ending, or a folder that cannot be written.
        ModuleNotFoundError: pyarrow is not installed.
    """
    check_table(path)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), part)
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
                writer.writeheader()
                for row in rows:
                    writer.writerow({k: "" if _nan(v) else v for k, v in row.items()})
        part.replace(path)
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror}: must be a file to write to") from None


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
