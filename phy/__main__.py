"""`python -m phy check` measures the SNR contract; `python -m phy audit` measures it on other people's code.

Exit status: 0 it holds, 1 it does not, 2 a mistake of the user (one line).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from phy.parameters import ParameterError

CHECK_HELP = """Measures the SNR contract on the simulator itself: energies of symbols, fading and noise,
Es/N0 against Eb/N0, prefix and pilot accounting, PAPR, LLRs, and the bit error rate of every modulation x
channel x number of receive antennas against closed forms. Exit status 1 when any |z| exceeds the bound that a
correct simulator exceeds in one run of 10 000 (all rows together), or an exact row its tolerance."""


class _Parser(argparse.ArgumentParser):
    """One line on a mistake, no usage dump."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"{message} (see: {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m phy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check", help="measure the SNR contract on the simulator", description=CHECK_HELP
    )
    check.add_argument("--quick", action="store_true", help="fewer samples and SNRs, below 10 s")
    check.add_argument("--seed", type=int, default=1, metavar="S", help="default 1; any seed must pass")
    check.add_argument("--only", metavar="PARTS", help="comma-separated parts, e.g. noise,fading,ber")
    check.add_argument("--rows", action="store_true", help="print every measured bit error rate")
    check.add_argument("--json", type=Path, metavar="FILE", help="write all rows as JSON")
    check.add_argument("--csv", type=Path, metavar="FILE", help="write all rows as CSV")
    check.set_defaults(run=_check)
    return parser


def _check(options: argparse.Namespace) -> int:
    from phy import report
    from phy.check import run

    for path in (options.json, options.csv):
        if path is not None:
            report.writable(path)
    parts = None if options.only is None else options.only.split(",")
    result = run(seed=options.seed, quick=options.quick, parts=parts)
    report.print_check(result, every_row=options.rows)
    if options.json is not None:
        report.write_json(result, options.json)
    if options.csv is not None:
        report.write_csv(result, options.csv)
    return result.status


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit status."""
    try:
        options = _parser().parse_args(arguments)
        return options.run(options)
    except (ParameterError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader of our output has left, e.g. `| head`
            sys.stderr.close()
            return 0
        print(f"phy: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("phy: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
