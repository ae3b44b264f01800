"""Campaigns: variations x replications of a scenario, of which only what is missing is run.

A result is a trace at `OUT/<scenario>/<digest of the resolved scenario>/<code version>/run<k>.h5`; it appears
by rename when it is complete, so a campaign that was killed and called again ends with the same files as one
that was not. The seed is part of the scenario, the run is part of the name, and other code never answers for
this one unless the caller says so (`any_version`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netsim import params
from netsim.scenario import Scenario
from netsim.simulate import result_folder
from netsim.studies.version import code_version
from phy.parameters import ParameterError


@dataclass(frozen=True)
class Axis:
    """One thing that is varied: a name for tables, and what each of its values sets."""

    name: str
    values: tuple[tuple[str, Mapping[str, Any]], ...]  # text of the value -> parameters by path

    @classmethod
    def of_path(cls, path: str, values: Sequence[Any]) -> Axis:
        """The parameter at `path` with each of the values."""
        return cls(path, tuple((str(value), {path: value}) for value in values))


@dataclass(frozen=True, eq=False)
class Variant:
    """One point of a campaign: what it is called on each axis, and the scenario that it stands for.

    Equal names and equal scenarios make equal variants; compared by digest, since a scenario is deep.
    """

    labels: tuple[tuple[str, str], ...]
    scenario: Scenario

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @functools.cached_property
    def _key(self) -> tuple[tuple[tuple[str, str], ...], str]:
        return self.labels, self.digest

    @property
    def text(self) -> str:
        """`agent.name=myopic, phy=bit`; `as it is` when nothing is varied."""
        return ", ".join(f"{name}={value}" for name, value in self.labels) or "as it is"

    @functools.cached_property
    def digest(self) -> str:
        """Digest of the scenario's parameters: the folder of its runs."""
        return params.digest(self.scenario)


Wanted = tuple[Variant, int]


@dataclass(frozen=True)
class Task:
    """One run that a worker makes."""

    variant: Variant
    run: int
    folder: Path

    @property
    def path(self) -> Path:
        """The trace that the run writes."""
        return self.folder / f"run{self.run}.h5"

    @property
    def text(self) -> str:
        return f"{self.variant.text}, run {self.run}"


@dataclass(frozen=True)
class Failure:
    """A run that gave no result, and why, in one line."""

    variant: Variant
    run: int
    reason: str

    def __str__(self) -> str:
        return f"{self.variant.text}, run {self.run}: {self.reason}"


@dataclass
class Outcome:
    """What a campaign has: files by (variant, run), and what failed. A failed run is in no average."""

    files: dict[tuple[Variant, int], Path] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    found: int = 0  # files that were there before

    def runs_of(self, variant: Variant) -> list[int]:
        """The runs of a variant that have a result, in order."""
        return sorted(run for other, run in self.files if other == variant)


def parse_axis(scenario: Scenario, text: str) -> Axis:
    """`path=v1,v2,...` with values of the parameter's type.

    Raises:
        ParameterError: not of that form, unknown path, wrong type, a value twice.
    """
    path, equals, raw = text.partition("=")
    pieces = [piece for piece in raw.split(",") if piece]
    if not equals or not path or not pieces:
        raise ParameterError(f"--vary {text}: must be path=value,value,...")
    if len(set(pieces)) < len(pieces):
        raise ParameterError(f"--vary {text}: a value stands there twice, must be different")
    try:
        values = [params.parse_assignment(scenario, f"{path}={piece}")[path] for piece in pieces]
    except ParameterError as error:
        raise ParameterError(f"--vary {text}: {error}") from None
    return Axis(path, tuple((piece, {path: value}) for piece, value in zip(pieces, values)))


def variants(scenario: Scenario, axes: Sequence[Axis]) -> list[Variant]:
    """All combinations of the axes' values, the last axis fastest.

    Raises:
        ParameterError: an axis twice, a combination that breaks a rule (it names the combination).
    """
    names = [axis.name for axis in axes]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"--vary {name}: is varied twice, must be once")
    found = []
    for point in itertools.product(*(axis.values for axis in axes)):
        labels = tuple(zip(names, (text for text, _ in point)))
        assignments = {path: value for _, values in point for path, value in values.items()}
        found.append(Variant(labels, override(scenario, labels, assignments)))
    return found


def override(
    scenario: Scenario, labels: Iterable[tuple[str, str]], assignments: Mapping[str, Any]
) -> Scenario:
    """The scenario with parameters replaced; an error names the labels."""
    try:
        resolved = params.override(scenario, dict(assignments))
    except ParameterError as error:
        where = ", ".join(f"{name}={text}" for name, text in labels)
        raise ParameterError(f"{where}: {error}") from None
    assert isinstance(resolved, Scenario)
    return resolved


class Store:
    """Where results lie.

    Args:
        out: root folder of results.
        any_version: take a result of other code (the newest file) where this code has none.
    """

    def __init__(self, out: Path, any_version: bool = False) -> None:
        self.out, self.any_version = out, any_version

    def folder(self, scenario: Scenario) -> Path:
        """Where this code puts the results of a scenario."""
        return result_folder(scenario, self.out) / code_version()

    def find(self, scenario: Scenario, run: int) -> Path | None:
        """The result of a run, or None; a file under its own name is complete."""
        own = self.folder(scenario) / f"run{run}.h5"
        if own.is_file():
            return own
        if not self.any_version:
            return None
        others = sorted(
            result_folder(scenario, self.out).glob(f"*/run{run}.h5"), key=lambda path: path.stat().st_mtime
        )
        return others[-1] if others else None

    def split(self, wanted: Sequence[Wanted]) -> tuple[Outcome, list[Task]]:
        """What is there, and what is to be run, in the order of `wanted`. Variants that resolve to the same
        scenario share their runs.
        """
        outcome, missing = Outcome(), []
        asked: set[tuple[str, int]] = set()
        for variant, run in wanted:
            path = self.find(variant.scenario, run)
            if path is not None:
                outcome.files[variant, run] = path
            elif (variant.digest, run) not in asked:
                asked.add((variant.digest, run))
                missing.append(Task(variant, run, self.folder(variant.scenario)))
        outcome.found = len(outcome.files)
        return outcome, missing


def replicated(chosen: Sequence[Variant], runs: Iterable[int]) -> list[Wanted]:
    """Every variant in every run: run by run over all variants, so that comparisons fill up evenly."""
    return [(variant, run) for run in runs for variant in chosen]


Workers = Callable[[Sequence[Task]], Iterable[tuple[Task, str]]]


def execute(
    store: Store,
    wanted: Sequence[Wanted],
    workers: Workers,
    advance: Callable[[Task | None, str, Outcome, int], None] = lambda task, reason, outcome, left: None,
) -> Outcome:
    """Runs what is missing.

    Args:
        wanted: variants and runs (`replicated`).
        workers: yields every task once, with "" or the reason of its failure.
        advance: called at the start (task None) and after every task with what there is and how many are
            left.
    """
    outcome, missing = store.split(wanted)
    left = len(missing)
    same: dict[tuple[str, int], list[Variant]] = {}
    for variant, run in wanted:
        same.setdefault((variant.digest, run), []).append(variant)
    advance(None, "", outcome, left)
    for task, reason in workers(missing):
        left -= 1
        for variant in same[task.variant.digest, task.run]:
            if reason:
                outcome.failures.append(Failure(variant, task.run, reason))
            else:
                outcome.files[variant, task.run] = task.path
        advance(task, reason, outcome, left)
    return outcome
