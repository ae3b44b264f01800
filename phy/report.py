"""Text of the check and the audit: aligned tables for a terminal, and JSON and CSV files."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

from phy.audit import Audit, Point
from phy.audit_examples import Example
from phy.audit_findings import findings
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


def print_table(head: Sequence[str], lines: Sequence[Sequence[str]], right: Container[int]) -> None:
    """Columns padded to their widest entry; those in `right` are flush right."""
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths))]
        print("  " + "  ".join(cells).rstrip())


def progress_line() -> Callable[[str], None] | None:
    """Writes over one line of a terminal; None where standard error is not one."""
    if not sys.stderr.isatty():
        return None

    def show(text: str) -> None:
        print(f"\r\x1b[Kmeasuring {text}" if text else "\r\x1b[K", end="", file=sys.stderr, flush=True)

    return show


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


def _claimed(audit: Audit, point: Point) -> tuple[str, str]:
    """Claimed Es/N0 and Eb/N0 in dB."""
    if point.snr_db is None:
        return "", ""
    claim = audit.claim
    es = point.snr_db + (claim.bits_db if claim.convention == "eb/n0" else 0.0)
    return f"{es:.2f}", f"{es - claim.bits_db:.2f}"


def _interval(point: Point) -> str:
    return f"[{point.offset.low_db:+.3f}, {point.offset.high_db:+.3f}]"


def print_audit(audit: Audit) -> None:
    """Offset from the claim with its interval, the energies behind it, verdict, and what it looks like."""
    claim, percent = audit.claim, 100.0 * audit.effort.confidence
    form = f"layout {claim.layout}" + (", tensors" if audit.tensors else "")
    what = {"fading": "E|h|^2 = 1", "modulator": "unit energy per symbol"}.get(
        claim.kind, f"second argument {claim.argument} by convention {claim.convention}"
    )
    print(f"audit of {audit.name}: kind {claim.kind}, {form}; claim: {what}")
    details = list(dict.fromkeys(name for p in audit.points for name in p.details))
    lines: list[tuple[str, ...]] = []
    for p in audit.points:
        values = [number(p.details[name]) if name in p.details else "" for name in details]
        lines.append(
            (*_claimed(audit, p), f"{p.offset.value_db:+.3f}", _interval(p), *values, str(p.calls), p.verdict)
        )
    shown = [n if n in ("E|h|^2", "noise on I over Q") else f"{n} / claim" for n in details]
    head = ["Es/N0 dB", "Eb/N0 dB", "offset dB", f"{percent:g} % interval", *shown, "calls", ""]
    if audit.points[0].snr_db is None:
        head, lines = head[2:], [line[2:] for line in lines]
    print_table(head, lines, range(len(head) - 1))
    if audit.agrees:
        print(f"verdict: agrees with its claim within {audit.effort.tolerance_db:g} dB")
        return
    for line in findings(audit):
        print(f"  {line}")
    if any(p.verdict == "off" for p in audit.points):
        offsets = [p.offset.value_db for p in audit.points]
        low, high = min(offsets), max(offsets)
        size = f"{low:+.2f} to {high:+.2f}" if high - low > 0.2 else f"{max(offsets, key=abs):+.2f}"
        side = "better" if low > -0.2 else "worse" if high < 0.2 else "better or worse"
        print(f"verdict: OFF by {size} dB ({side} than claimed)")
    else:
        print(
            f"verdict: undecided at {audit.effort.tolerance_db:g} dB: give more --seconds or a larger "
            "--tolerance-db"
        )


def example_holds(example: Example, audit: Audit) -> bool:
    """Whether every interval holds the offset that the example must show."""
    return all(
        p.offset.low_db - 1e-6 <= example.offset_db(p.snr_db) <= p.offset.high_db + 1e-6 for p in audit.points
    )


def print_examples(measured: Sequence[tuple[Example, Audit]]) -> None:
    """One line for each example and claimed SNR: the offset it must show, and what was measured."""
    lines = []
    for example, audit in measured:
        for p in audit.points:
            lines.append(
                (
                    example.function.__name__,
                    example.claim.kind,
                    "" if p.snr_db is None else f"{p.snr_db:.1f}",
                    f"{example.offset_db(p.snr_db):+.3f}",
                    f"{p.offset.value_db:+.3f}",
                    _interval(p),
                    "ok" if example_holds(example, audit) else "FAIL",
                )
            )
    percent = 100.0 * measured[0][1].effort.confidence
    head = ("example", "kind", "claimed dB", "due dB", "measured dB", f"{percent:g} % interval", "")
    print_table(head, lines, (2, 3, 4, 5))


def write_audit_json(audit: Audit, path: Path) -> None:
    """Claim, points and verdict."""
    content = {
        "schema": "phy-audit/1",
        "function": audit.name,
        "claim": dataclasses.asdict(audit.claim),
        "effort": dataclasses.asdict(audit.effort),
        "agrees": audit.agrees,
        "findings": [] if audit.agrees else findings(audit),
        "points": [
            {
                "snr_db": p.snr_db,
                "offset_db": _plain(p.offset.value_db),
                "low_db": _plain(p.offset.low_db),
                "high_db": _plain(p.offset.high_db),
                "details": {name: _plain(value) for name, value in p.details.items()},
                "calls": p.calls,
                "verdict": p.verdict,
            }
            for p in audit.points
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
