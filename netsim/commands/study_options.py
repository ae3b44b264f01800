"""The command lines of the studies over many runs: sweep, fidelity, replay, report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from netsim.cli import Parser, resolved, scenario_options
from netsim.studies.campaign import Axis, parse_axis
from phy.parameters import ParameterError


def _campaign_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="runs 0 to N-1 (default 10)")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes; results do not depend on it (default 1)"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run on the workers of this Dask scheduler; `local` starts a cluster of --jobs processes here",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), metavar="DIR", help="folder of results (default results)"
    )
    parser.add_argument(
        "--any-version", action="store_true", help="take results of other code versions where this has none"
    )


def _check_counts(options: argparse.Namespace) -> None:
    for name in ("runs", "jobs"):
        if getattr(options, name) < 1:
            raise ParameterError(f"--{name} {getattr(options, name)}: must be >= 1")


def sweep(arguments: Sequence[str]) -> int:
    """`sweep SCENARIO --vary path=v1,v2 ...`"""
    parser = Parser(
        prog="python -m netsim sweep",
        description="Runs variations x replications of a scenario; only what is missing is run.",
    )
    scenario_options(parser)
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="PATH=V1,V2,...",
        help="vary one parameter; repeatable, all combinations are run",
    )
    parser.add_argument("--levels", metavar="L1,L2,...", help="short for --vary phy=...")
    parser.add_argument("--policies", metavar="P1,P2,...", help="short for --vary agent.name=...")
    _campaign_options(parser)
    parser.add_argument("--list", action="store_true", help="say what would be run, and run nothing")
    parser.add_argument(
        "--table",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="tidy table of all figures, .csv or .parquet; repeatable (default OUT/<scenario>/sweep.csv)",
    )
    parser.add_argument(
        "--kpi", default="reward per slot", metavar="NAME", help="figure that the table shows"
    )
    options = parser.parse_args(arguments)
    _check_counts(options)
    scenario = resolved(options)
    axes: list[Axis] = [parse_axis(scenario, text) for text in options.vary]
    for option, path in (("policies", "agent.name"), ("levels", "phy")):
        if getattr(options, option):
            axes.append(parse_axis(scenario, f"{path}={getattr(options, option)}"))
    from netsim.commands import sweep as command

    return command.main(
        command.Request(
            scenario=scenario,
            axes=tuple(axes),
            runs=options.runs,
            only_list=options.list,
            jobs=options.jobs,
            scheduler=options.scheduler,
            out=options.out,
            any_version=options.any_version,
            tables=tuple(options.table),
            kpi=options.kpi,
        )
    )
