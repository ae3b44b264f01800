"""The command lines of the studies over many runs: sweep, fidelity, replay, report."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netsim.cli import Parser, resolved, scenario_options
from netsim.studies.campaign import Axis, parse_axis
from phy.parameters import ParameterError

if TYPE_CHECKING:
    from netsim.scenario import Scenario
    from netsim.studies.declaration import Study
    from netsim.studies.fidelity import Design


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


def fidelity(arguments: Sequence[str]) -> int:
    """`fidelity SCENARIO --levels paper,table,bit --runs N`"""
    options = _fidelity_parser().parse_args(arguments)
    _check_counts(options)
    if options.orders is not None and options.orders < 0:
        raise ParameterError(f"--orders {options.orders}: must be >= 0")
    scenario = resolved(options)
    from netsim.commands import fidelity as command
    from netsim.studies.declaration import study_of
    from netsim.studies.page import command_line

    study = study_of(scenario)
    design = _design(options, scenario, study)
    names = _declared(options.mechanisms or "", [mechanism.name for mechanism in study.mechanisms])
    return command.main(
        command.Request(
            design=design,
            mechanisms=study.chosen(names) if options.mechanisms != "none" else (),
            attributed=options.attribute or design.policies[0],
            errors=not options.no_errors and design.levels[-1] != "paper",
            orders=options.orders,
            jobs=options.jobs,
            scheduler=options.scheduler,
            out=options.out,
            any_version=options.any_version,
            report=options.report or options.out / scenario.name / "fidelity",
            command=command_line(["fidelity", *arguments]),
        )
    )


def _fidelity_parser() -> Parser:
    parser = Parser(
        prog="python -m netsim fidelity",
        description="How far are the formulas from the bits? Compares levels over the same worlds and writes "
        "a page, a JSON and CSVs.",
    )
    scenario_options(parser)
    parser.add_argument(
        "--levels",
        default="paper,table,bit",
        metavar="L1,L2,...",
        help="levels, the reference first (default paper,table,bit)",
    )
    parser.add_argument("--policies", metavar="P1,P2,...", help="default: those that the system declares")
    parser.add_argument(
        "--margin", metavar="SHARE", help="margin of equivalence as a share of the reference, e.g. 2%%"
    )
    parser.add_argument(
        "--precision", metavar="WIDTH", help="add runs until half widths are below this, e.g. 1%% of the mean"
    )
    parser.add_argument("--most-runs", type=int, default=200, metavar="N", help="where --precision gives up")
    parser.add_argument(
        "--mechanisms",
        metavar="M1,M2,...",
        help="what to attribute the gap to (default: all that the system declares; none: no attribution)",
    )
    parser.add_argument("--attribute", metavar="POLICY", help="policy whose gap is attributed (the first)")
    parser.add_argument(
        "--no-errors", action="store_true", help="leave out the study of the places of bit errors"
    )
    parser.add_argument(
        "--orders", type=int, metavar="N", help="sample N orders a world instead of all subsets (0: all)"
    )
    _campaign_options(parser)
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="where the files go (default OUT/<scenario>/fidelity)"
    )
    return parser


def _design(options: argparse.Namespace, scenario: Scenario, study: Study) -> Design:
    """What is compared, as the options say it."""
    from netsim.studies.fidelity import Design
    from netsim.studies.precision import parse_precision

    return Design(
        scenario=scenario,
        study=study,
        levels=_names(options.levels),
        policies=_declared(options.policies or "", study.policies) or tuple(study.policies),
        runs=options.runs,
        margin=_share(options.margin) if options.margin else study.margin,
        precision=parse_precision(options.precision) if options.precision else None,
        most_runs=options.most_runs,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _declared(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Names between commas; a declared name may hold commas itself."""
    pieces, found = text.split(","), []
    while pieces:
        joined = [",".join(pieces[:end]).strip() for end in range(1, len(pieces) + 1)]
        taken = next((end for end in range(len(pieces), 0, -1) if joined[end - 1] in known), 1)
        found.append(joined[taken - 1])
        del pieces[:taken]
    return tuple(name for name in found if name)


def _share(text: str) -> float:
    """`2%` or `0.02`."""
    try:
        return float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        raise ParameterError(f"--margin {text}: must be a share, e.g. 2%") from None


def replay(arguments: Sequence[str]) -> int:
    """`replay FILE --slot S --ue U [--phy LEVEL]`"""
    parser = Parser(
        prog="python -m netsim replay",
        description="Regenerates one slot of a device from a trace alone, bit for bit, as a page.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="trace file (.h5)")
    parser.add_argument("--slot", type=int, required=True, metavar="S", help="slot, from 0")
    parser.add_argument("--ue", type=int, required=True, metavar="U", help="device, from 0")
    parser.add_argument("--phy", metavar="LEVEL", help="another level than the trace's own")
    parser.add_argument("--page", type=Path, metavar="FILE", help="the page (default beside the trace)")
    options = parser.parse_args(arguments)
    from netsim.commands import pages
    from netsim.studies.page import command_line

    again = command_line(["replay", *arguments])
    return pages.slot(options.file, options.slot, options.ue, options.phy, options.page, again)


def report(arguments: Sequence[str]) -> int:
    """`report FILE`"""
    parser = Parser(prog="python -m netsim report", description="The page of one trace.")
    parser.add_argument("file", type=Path, metavar="FILE", help="trace file (.h5)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="the page (default beside the trace)")
    options = parser.parse_args(arguments)
    from netsim.commands import pages
    from netsim.studies.page import command_line

    return pages.trace(options.file, options.page, command_line(["report", *arguments]))
