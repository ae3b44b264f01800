"""From a scenario value to a finished run: builds the parts, runs them, closes the trace."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from netsim import params
from netsim.agents.own import fingerprint, is_own, make
from netsim.agents.policy import DeferredPolicy, Policy
from netsim.network import Network
from netsim.recorder import MemoryTrace, Recorder
from netsim.scenario import Scenario
from netsim.streams import Streams
from netsim.system import System
from netsim.trace import TraceWriter
from phy.parameters import ParameterError

_RECORDED = ("numpy", "scipy", "numba", "simpy", "h5py", "torch", "scikit-commpy")


@dataclass(frozen=True)
class Prepared:
    """The parts of one run, before there is a trace; a call gives the network, ready for `Network.run`."""

    scenario: Scenario
    system: System
    policies: Sequence[Policy | DeferredPolicy]
    streams: Streams

    def __call__(
        self,
        trace: Recorder,
        progress: Callable[[int], None] = lambda slots_done: None,
        process_order: Sequence[int] | None = None,
    ) -> Network:
        return Network(
            self.scenario, self.system, self.policies, self.streams, trace, progress, process_order
        )


def prepare(
    scenario: Scenario, run: int, policies: Sequence[Policy | DeferredPolicy] | None = None
) -> Prepared:
    """The parts of run number `run`; what is missing or broken in the user's data shows here.

    Args:
        policies: one per node of the system, instead of those that the scenario names (training goes on with
            the same policies from run to run).
    """
    streams = Streams(scenario.seed, run)
    system, named = scenario.build(streams)
    if policies is None:
        own = is_own(scenario.policy_name)
        policies = make(scenario, streams, system.nodes) if own else named
    return Prepared(scenario, system, policies, streams)


def run_in_memory(
    scenario: Scenario, run: int = 0, process_order: Sequence[int] | None = None
) -> MemoryTrace:
    """One run without a file."""
    prepared = prepare(scenario, run)
    trace = MemoryTrace(attributes(scenario, run), prepared.system.tables)
    prepared(trace, process_order=process_order).run()
    trace.close(complete=True)
    return trace


def run_to_file(
    scenario: Scenario, run: int, folder: Path, progress: Callable[[int], None] = lambda slots_done: None
) -> Path:
    """One run into `folder/run<k>.h5`; the file appears only when the run is complete."""
    path = folder / f"run{run}.h5"
    started = time.perf_counter()
    marks = [started]

    def report(slots_done: int) -> None:
        if slots_done <= 1:
            marks.append(time.perf_counter())
        progress(slots_done)

    prepared = prepare(scenario, run)  # before anything is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"{folder}: {error.strerror}: must be a folder to write to") from None
    with TraceWriter(path, attributes(scenario, run), prepared.system.tables) as trace:
        prepared(trace, report).run()
        ended = time.perf_counter()
        # the first slot may compile kernels; the rate is that of the slots after it
        rate = max(1, scenario.slots - 1) / (ended - marks[-1 if scenario.slots > 1 else 0])
        wall = {"wall_s": round(ended - started, 3), "slots_per_s": round(rate, 2)}
        trace.annotate(data=list(prepared.system.sources), **wall)
    return path


def result_folder(scenario: Scenario, out: Path) -> Path:
    """`out/<scenario>/<digest>`: equal scenarios share a folder, different ones never meet; a policy of the
    user's own adds what its file holds.
    """
    own = f"-{fingerprint(scenario.policy_name)}" if is_own(scenario.policy_name) else ""
    return out / scenario.name / f"{params.digest(scenario)}{own}"


def attributes(scenario: Scenario, run: int) -> dict:
    """Root attributes of a trace (docs/trace.md): with `provenance`, all that is needed to run it again."""
    return {
        "scenario": scenario.name,
        "phy": scenario.phy,
        "seed": scenario.seed,
        "run": run,
        "provenance": {
            "scenario": params.as_dict(scenario),
            "system": type(scenario).__name__,
            "software": software_version(),
            "commit": commit(),
            "libraries": {name: installed(name) for name in _RECORDED},
            "host": platform.node(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "data": [],
            "wall_s": 0.0,
        },
    }


def installed(package: str) -> str:
    """Version of an installed package, or the words `not installed`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def software_version() -> str:
    """Version of the installed package, or of the checkout when it is run from there."""
    return installed("netsim")


@functools.cache
def commit() -> str:
    """Commit of the checkout, with a + when files differ from it; empty outside a checkout."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
