"""`python -m netsim replay` and `report`: pages of a slot and of a trace."""

from __future__ import annotations

from pathlib import Path

from netsim.studies import page, replay_page, trace_page
from netsim.studies.replay import replay
from netsim.trace import read_trace


def slot(file: Path, slot: int, ue: int, level: str | None, out: Path | None, command: str) -> int:
    """Replays one slot into a page; 1 if it differs from the trace."""
    page.check_installed()
    trace = read_trace(file)
    found = replay(trace, slot, ue, level)
    target = out or file.with_name(f"{file.stem}-slot{slot}-ue{ue}{f'-{level}' if level else ''}.html")
    page.write(target, page.render("replay.html", replay_page.context(trace, found, command)))
    for one in found.packets:
        packet = one.packet
        print(
            f"packet {packet.id}: {len(one.sent)} bits, {len(one.wrong)} wrong, decision {packet.decision} "
            f"(label {packet.label}), score {packet.score:.3g}"
        )
    if not found.packets:
        print(f"device {ue} sent nothing in slot {slot}")
    for difference in found.differences:
        print(f"differs: {difference}")
    if found.own_level and not found.differences:
        print("bit-identical to the trace")
    print(target)
    return 1 if found.differences else 0


def trace(file: Path, out: Path | None, command: str) -> int:
    """Writes the page of a trace; returns 0."""
    page.check_installed()
    target = out or file.with_suffix(".html")
    page.write(target, page.render("trace.html", trace_page.context(read_trace(file), command)))
    print(target)
    return 0
