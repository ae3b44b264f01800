"""The tables of docs/performance.md, written between its markers from the figures of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def tables(data: dict[str, Any]) -> str:
    """Markdown of `Report.as_json`: the machine, the goals, all chains with their BER, all ratios."""
    m = data["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items())
    lines = [
        f"{m['cpu']}, {m['cores']} cores, load {m['load']} before and {m['load_after']} after; "
        f"Python {m['python']}, {versions}.",
        "",
        "| # | goal | bound | measured | quartiles | |",
        "| --- | --- | --: | --: | --: | --- |",
    ]
    for g in data["goals"]:
        bound = f">= {_number(g['least'])}" if g["least"] is not None else f"<= {_number(g['most'])}"
        quartiles = "-".join(_number(q) for q in data["quartiles"].get(g["key"], []))
        verdict = {True: "met", False: "**not met**", None: "not measured"}[g["met"]]
        lines.append(
            f"| {g['number']} | {g['text']} | {bound} | {_number(g['value'])} | {quartiles} | {verdict} |"
        )
    lines += ["", "| chain | Mbit/s per CPU s | BER | theory | z |", "| --- | --: | --: | --: | --: |"]
    for name, rate in data["rates_mbit_per_cpu_s"].items():
        ber = data["ber"].get(name)
        check = f"{ber['ber']:.3e} | {ber['expected']:.3e} | {ber['z']:.1f}" if ber else "| |"
        lines.append(f"| {name} | {_number(rate)} | {check} |")
    lines += ["", "| ratio | median | quartiles |", "| --- | --: | --: |"]
    for name, value in data["ratios"].items():
        low, high = data["quartiles"][name]
        lines.append(f"| {name} | {_number(value)} | {_number(low)}-{_number(high)} |")
    lines += ["", "| other figures | |", "| --- | --: |"]
    lines += [f"| {name} | {_number(value)} |" for name, value in data["figures"].items()]
    return "\n".join(lines)


def renew(path: Path, data: dict[str, Any]) -> None:
    """Replace what stands between the markers of a file.

    Raises: ValueError if the markers are not there.
    """
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path}: must contain the markers {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{tables(data)}\n{END}{after}", encoding="utf-8")
