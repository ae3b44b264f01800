"""Text of the check and the audit: aligned tables for a terminal, and JSON and CSV files."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phy.check import CONTRACT, FAMILY_WISE_LEVEL, Report
from phy.checks_row import Row
from phy.parameters import ParameterError


def number(value: float) -> str:
    """A measured value in at most nine characters."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if abs(value - round(value)) <= 1e-12 * size and size < 1e8:
        return str(round(value))
    return f"{value:.3e}" if size < 1e-2 or size >= 1e5 else f"{value:.4f}"


def print_table(head: Sequence[str], lines: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    """Columns padded to their widest entry; those in `right` are flush right."""
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths))]
        print("  " + "  ".join(cells).rstrip())


def _verdict(row: Row, bound: float) -> str:
    return "ok" if row.passes(bound) else "FAIL"


def _score(row: Row) -> str:
    return "exact" if row.z is None else f"{row.z:+.2f}"


def print_check(report: Report, every_row: bool = False) -> None:
    """The contract, the measurements, one line for each curve (or each point), and the summary."""
    print("SNR contract")
    for line in CONTRACT:
        print(f"  {line}")
    bound = report.bound
    for group in dict.fromkeys(row.group for row in report.rows):
        rows = [row for row in report.rows if row.group == group]
        if group in ("BER", "BER given h"):
            if group == "BER" and not every_row:
                continue
            _print_points(group, rows, bound)
        elif group == "SNR offset":
            _print_offsets(report)
        else:
            print(f"\n{group}")
            print_table(
                ("measurement", "measured", "expected", "unit", "z", ""),
                [
                    (r.name, number(r.measured), number(r.expected), r.unit, _score(r), _verdict(r, bound))
                    for r in rows
                ],
                (1, 2, 4),
            )
    _print_summary(report)


def _print_points(group: str, rows: Sequence[Row], bound: float) -> None:
    print(f"\n{group}: measured bit error rates, points")
    lines = []
    for r in rows:
        snrs = f"{r.details['es_n0_db']:.1f}", f"{r.details['eb_n0_db']:.1f}"
        counts = f"{r.details['errors']}"
        rates = f"{r.measured:.4e}", f"{r.expected:.4e}"
        lines.append((r.name, *snrs, *rates, counts, _score(r), _verdict(r, bound)))
    head = ("curve", "Es/N0 dB", "Eb/N0 dB", "measured", "theory", "errors", "z", "")
    print_table(head, lines, (1, 2, 3, 4, 5, 6))


def _print_offsets(report: Report) -> None:
    print("\nBER against theory: one line a curve (every point: --rows)")
    points: dict[str, list[Row]] = {}
    for row in report.rows:
        if row.group == "BER":
            points.setdefault(row.name, []).append(row)
    lines = []
    for row in report.rows:
        if row.group != "SNR offset":
            continue
        own = points.get(row.name, [])
        snrs = [float(r.details["es_n0_db"]) for r in own]
        ebs = [float(r.details["eb_n0_db"]) for r in own]
        error = float(row.details.get("standard_error_db", math.nan))
        good = all(r.passes(report.bound) for r in [row, *own])
        lines.append(
            (
                row.name,
                f"{min(snrs):.1f} .. {max(snrs):.1f}" if own else "",
                f"{min(ebs):.1f} .. {max(ebs):.1f}" if own else "",
                f"{row.measured:+.3f}",
                f"{error:.3f}",
                f"{_worst(own):+.2f}" if own else "",
                _score(row),
                "ok" if good else "FAIL",
            )
        )
    head = ("curve", "Es/N0 dB", "Eb/N0 dB", "offset dB", "std err", "worst point z", "z", "")
    print_table(head, lines, (3, 4, 5, 6))


def _worst(rows: Sequence[Row]) -> float:
    z = max(rows, key=lambda row: row.size).z
    return math.nan if z is None else z


def _print_summary(report: Report) -> None:
    for row in report.failures:
        unit = f" {row.unit}" if row.unit else ""
        at = f" at Es/N0 = {row.details['es_n0_db']:.1f} dB" if "es_n0_db" in row.details else ""
        print(
            f"FAIL {row.group}: {row.name.strip()}{at}: measured {number(row.measured)}{unit}, "
            f"expected {number(row.expected)}{unit}, z {_score(row)}  [{row.subject}]"
        )
    top = report.largest
    scores = "no scores"
    if top is not None:
        scores = (
            f"{report.num_scores} of them with a score; largest |z| = {top.size:.2f} "
            f"({' '.join(top.name.split())}); bound {report.bound:.2f} "
            f"(family-wise {FAMILY_WISE_LEVEL:g}, Bonferroni)"
        )
    verdict = "the contract holds" if report.status == 0 else f"{len(report.failures)} ROWS FAIL"
    print(f"\n{len(report.rows)} rows, {scores}; seed {report.seed}; {report.seconds:.1f} s: {verdict}")


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def row_record(row: Row, bound: float) -> dict[str, Any]:
    """A row as one flat record."""
    record = {
        "group": row.group,
        "name": " ".join(row.name.split()),
        "subject": row.subject,
        "measured": row.measured,
        "expected": row.expected,
        "unit": row.unit,
        "z": row.z,
        "tolerance": row.tolerance if row.exact else None,
        "samples": row.samples,
        "passes": row.passes(bound),
        **row.details,
    }
    return {name: _plain(value) for name, value in record.items()}


def write_json(report: Report, path: Path) -> None:
    """All rows, the bound and the verdict."""
    top = report.largest
    content = {
        "schema": "phy-check/1",
        "seed": report.seed,
        "quick": report.quick,
        "seconds": report.seconds,
        "family_wise_level": FAMILY_WISE_LEVEL,
        "bound": report.bound,
        "largest_abs_z": None if top is None else _plain(top.size),
        "passes": report.status == 0,
        "rows": [row_record(row, report.bound) for row in report.rows],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_csv(report: Report, path: Path) -> None:
    """All rows, one a line; the columns are the union of the rows' fields."""
    records = [row_record(row, report.bound) for row in report.rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(records)


def writable(path: Path) -> Path:
    """The path, if a file can be made there; told before the work, not after it."""
    if path.is_dir() or not path.parent.is_dir():
        raise ParameterError(f"{path}: must be a file in an existing folder")
    return path
