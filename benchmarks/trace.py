"""Cost of recording: `rows` and `extend` into file and memory against row-by-row h5py, in one run.

    python benchmarks/trace.py [--rounds 7] [--quick] [--json FILE]

The peers take turns round by round (A B C ... A B C ...). Times are process CPU time per row, so that a
neighbour's load does not count as work; ratios are medians of the ratios within a round. Opening, flushing
and closing the file is part of every figure. "call" is the loop over the calls with their keyword arguments
and nothing behind them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    # the folder of this file comes first on the path of a script, and its phy.py would hide the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import h5py
import numpy as np

from netsim.recorder import Recorder
from netsim.trace import MemoryTrace, TraceWriter
from netsim.trace_schema import TABLES

ATTRIBUTES = {"scenario": "benchmark", "phy": "bit", "seed": 1, "run": 0}
SLOW_ROWS = 1_000  # of the peers that write every row to the file

Columns = dict[str, np.ndarray]


def columns_of(table: str, rows: int) -> Columns:
    """Plausible columns [rows]: counters, increasing times, small integers, random reals."""
    rng = np.random.default_rng(1)
    columns = {}
    for column in TABLES[table].columns:
        if column.name.endswith("_ns"):
            values = np.cumsum(rng.integers(0, 10**8, rows))
        elif column.dtype == "float64":
            values = rng.random(rows)
        elif column.name in ("id", "slot", "item"):
            values = np.arange(rows)
        else:
            values = rng.integers(0, len(column.values) or 10, rows)
        columns[column.name] = values.astype(column.dtype)
    return columns


def rows_of(columns: Columns) -> list[tuple]:
    """The same as one tuple of Python numbers per row."""
    return list(zip(*(values.tolist() for values in columns.values())))


def parts_of(columns: Columns, batch: int) -> list[Columns]:
    """The same in pieces of `batch` rows."""
    total = len(next(iter(columns.values())))
    return [{k: v[i : i + batch] for k, v in columns.items()} for i in range(0, total, batch)]


def record_slots(recorder: Recorder | Nothing, rows: list[tuple]) -> None:
    """Rows of the narrow table, one by one, file and flush included."""
    record = recorder.rows("slots")
    for slot, episode, start_ns, reward, objective, num_violations in rows:
        record(
            slot=slot,
            episode=episode,
            start_ns=start_ns,
            reward=reward,
            objective=objective,
            num_violations=num_violations,
        )
    recorder.close(complete=True)


def record_packets(recorder: Recorder | Nothing, rows: list[tuple]) -> None:
    """The same for the widest table."""
    record = recorder.rows("packets")
    for (
        number,
        ue,
        item,
        task,
        created,
        sent,
        delivered,
        fate,
        bits,
        errors,
        share,
        label,
        got,
        score,
    ) in rows:
        record(
            id=number,
            ue=ue,
            item=item,
            task=task,
            created_ns=created,
            sent_ns=sent,
            delivered_ns=delivered,
            fate=fate,
            num_bits=bits,
            num_bit_errors=errors,
            compression=share,
            label=label,
            decision=got,
            score=score,
        )
    recorder.close(complete=True)


class Nothing:
    """Takes rows and forgets them: what the calls alone cost."""

    def rows(self, table: str) -> Callable[..., None]:
        return lambda **columns: None

    def close(self, complete: bool) -> None:
        """Nothing is open."""


def extend_all(recorder: Recorder, table: str, parts: list[Columns]) -> None:
    for part in parts:
        recorder.extend(table, **part)
    recorder.close(complete=True)


def row_by_row(path: Path, table: str, rows: list[tuple]) -> None:
    """What one writes first: a compound dataset, resized and written for each row."""
    dtype = np.dtype([(column.name, column.dtype) for column in TABLES[table].columns])
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(table, (0,), dtype, maxshape=(None,), chunks=(1024,))
        for count, row in enumerate(rows):
            dataset.resize((count + 1,))
            dataset[count] = row


def peers(table: str, num_rows: int, folder: Path) -> dict[str, tuple[int, Callable[[], None]]]:
    """The ways of recording, each with its number of rows."""
    columns = columns_of(table, num_rows)
    rows, few = rows_of(columns), rows_of(columns_of(table, SLOW_ROWS))
    small, large = parts_of(columns, 6), parts_of(columns, 4096)
    path = folder / f"{table}.h5"
    record = {"slots": record_slots, "packets": record_packets}[table]
    return {
        "call": (num_rows, lambda: record(Nothing(), rows)),
        "rows, memory": (num_rows, lambda: record(MemoryTrace(ATTRIBUTES), rows)),
        "rows, file": (num_rows, lambda: record(TraceWriter(path, ATTRIBUTES), rows)),
        "extend by 6, memory": (num_rows, lambda: extend_all(MemoryTrace(ATTRIBUTES), table, small)),
        "extend by 6, file": (num_rows, lambda: extend_all(TraceWriter(path, ATTRIBUTES), table, small)),
        "extend by 4096, file": (num_rows, lambda: extend_all(TraceWriter(path, ATTRIBUTES), table, large)),
        "h5py row by row": (SLOW_ROWS, lambda: row_by_row(path, table, few)),
    }


def measure(table: str, num_rows: int, rounds: int, folder: Path) -> dict[str, list[float]]:
    """CPU seconds per row of every peer, one value per round; the first round warms up and is left out."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for name, (count, work) in peers(table, num_rows, folder).items():
            start = time.process_time()
            work()
            times.setdefault(name, []).append((time.process_time() - start) / count)
    return {name: values[1:] for name, values in times.items()}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="paired rounds (default 7)")
    parser.add_argument("--rows", type=int, default=100_000, help="rows per peer and round (default 100000)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 30000 rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    rounds, num_rows = (3, 30_000) if options.quick else (options.rounds, options.rows)
    seconds: dict[str, float] = {}
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        for table in ("slots", "packets"):
            times = measure(table, num_rows, rounds, Path(name))
            print(
                f"{table}: {len(TABLES[table].columns)} columns, {rounds} rounds of {num_rows} rows, CPU time"
            )
            for peer, values in times.items():
                pairs = [slow / fast for slow, fast in zip(times["h5py row by row"], values)]
                median, ratio = statistics.median(values), statistics.median(pairs)
                seconds[f"{table}/{peer}"], ratios[f"{table}/{peer}/h5py row by row"] = median, ratio
                spread = f"({min(values) * 1e6:.2f}..{max(values) * 1e6:.2f})"
                line = f"{median * 1e6:8.2f} us/row {spread:<18} {1 / median:>12,.0f} rows/s"
                print(f"  {peer:<22} {line} {ratio:8.1f} x row by row")
    if options.json:
        options.json.write_text(json.dumps({"seconds_per_row": seconds, "ratios": ratios}, indent=1) + "\n")


if __name__ == "__main__":
    main()
