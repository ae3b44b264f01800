"""Our chain against plain NumPy, torch, scikit-commpy and Sionna on the same work, in one process.

    python benchmarks/phy.py [--quick] [--json FILE] [--markdown FILE]

The contenders take turns (A B C A B C ...). Every figure is per second of process CPU time with one thread
for everyone, so a neighbour's load does not count as work; ratios are medians (quartiles) of the ratios
within a round. A chain runs from the payload to the error count (soft: to the LLRs), with new bits, channels
and noise each time, and its BER is checked against theory in the same run. The work is described in
`benchmarks/reference.py`. --quick measures less and leaves out
the slowest contenders and, on a busy machine, the last tables (named as such).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    # the folder of this file comes first on the path of a script, and there this file would hide the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
# threads that spin while they wait would make torch look ten times slower on a shared machine
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks import sections
from benchmarks.goals import GOALS
from benchmarks.markdown import renew
from benchmarks.report import Report
from benchmarks.timing import FULL, QUICK, machine

QUICK_S = 36.0  # after which --quick begins no further table
PEERS = {"torch": "torch", "commpy": "scikit-commpy", "sionna": "sionna-no-rt"}


def available() -> tuple[set[str], list[str]]:
    """(peers that import, lines that name the others)."""
    found = {name for name in PEERS if importlib.util.find_spec(name) is not None}
    missing = [f"not installed: {n} (pip install {PEERS[n]})" for n in PEERS if n not in found]
    return found, missing


def main() -> None:
    """Runs the sections that the command line asks for; prints, and writes JSON and Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="end within 50 s once the kernels are compiled")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="renew the tables between its markers")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    about = machine()
    report = Report()
    peers, missing = available()
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
    report.say(f"{about['cpu']}, {about['cores']} cores, load {about['load']}, Python {about['python']}")
    report.say("\n".join([versions, *missing]))
    begin = time.monotonic()
    for section in sections.ALL:
        if options.quick and time.monotonic() - begin > QUICK_S:
            report.say(f"\nleft out, time is up: {(section.__doc__ or '').splitlines()[0]}")
            continue
        section(report, peers, effort, options.quick)
    report.say("\nGoals\n  #  " + f"{'what':58s} {'goal':>9s} {'measured':>9s}")
    for goal in GOALS:
        report.say(goal.line(report.figures))
    about["load_after"] = machine()["load"]
    data = report.as_json(about, GOALS)
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    if options.markdown:
        renew(options.markdown, data)


if __name__ == "__main__":
    main()
