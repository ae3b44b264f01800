"""From a scenario value to a finished run: builds the parts, runs them, closes the trace."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from netsim import params
from netsim.agents.allocation import FixedCompression, JustEnough, RandomPolicy
from netsim.agents.myopic import Myopic
from netsim.agents.policy import Policy
from netsim.link import Link, PaperLink
from netsim.network import Network
from netsim.recorder import MemoryTrace
from netsim.streams import Streams
from netsim.systems.toscn import Model, Toscn
from netsim.systems.toscn_task import FormulaTask, Task
from netsim.trace import TraceWriter
from phy.parameters import ParameterError

_RECORDED = ("numpy", "scipy", "numba", "simpy", "h5py", "torch", "scikit-commpy")


def make_link(scenario: Toscn, streams: Streams) -> Link:
    """The link at the scenario's level of fidelity."""
    if scenario.phy == "paper":
        return PaperLink(scenario.radio)
    from netsim.link_ofdm import OfdmLink  # brings numba, which level `paper` does without

    return OfdmLink(scenario, streams)


def make_task(scenario: Toscn, streams: Streams) -> Task:
    """What packets mean at the scenario's level: the accuracy curve, or images and a classifier."""
    if scenario.phy == "paper":
        return FormulaTask(scenario, streams)
    from netsim.systems.toscn_images import ImageTask

    return ImageTask(scenario, streams)


def make_policy(scenario: Toscn, link: Link, model: Model, streams: Streams) -> Policy:
    """The policy named by `agent.name`; planners believe in the rate law that `agent.plan` names."""
    agent = scenario.agent
    believed: Link = PaperLink(scenario.radio) if agent.plan == "shannon" else link
    match agent.name:
        case "random":
            return RandomPolicy(model, streams)
        case "equal" | "prop":
            return FixedCompression(model, believed, agent.compression, proportional=agent.name == "prop")
        case "je_equal" | "je_qse":
            return JustEnough(model, believed, by_queue=agent.name == "je_qse", margin_ns=agent.margin_ns)
        case _:
            return Myopic(model, believed, compress=agent.name == "myopic", margin_ns=agent.margin_ns)


def prepare(scenario: Toscn, run: int) -> Callable[..., Network]:
    """The parts of run number `run`; what is missing or broken in the user's data shows here.

    Returns a function of (trace, progress, process_order) that gives the network, ready for `Network.run`.
    """
    streams = Streams(scenario.seed, run)
    link, task = make_link(scenario, streams), make_task(scenario, streams)
    policy = make_policy(scenario, link, task.model, streams)
    return functools.partial(Network, scenario, link, task, policy, streams)


def run_in_memory(scenario: Toscn, run: int = 0, process_order: Sequence[int] | None = None) -> MemoryTrace:
    """One run without a file."""
    trace = MemoryTrace(attributes(scenario, run))
    prepare(scenario, run)(trace, process_order=process_order).run()
    trace.close(complete=True)
    return trace


def run_to_file(
    scenario: Toscn, run: int, folder: Path, progress: Callable[[int], None] = lambda slots_done: None
) -> Path:
    """One run into `folder/run<k>.h5`; the file appears only when the run is complete."""
    path = folder / f"run{run}.h5"
    started = time.perf_counter()
    marks = [started]

    def report(slots_done: int) -> None:
        if slots_done <= 1:
            marks.append(time.perf_counter())
        progress(slots_done)

    make_network = prepare(scenario, run)  # before anything is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"{folder}: {error.strerror}: must be a folder to write to") from None
    with TraceWriter(path, attributes(scenario, run)) as trace:
        network = make_network(trace, report)
        network.run()
        ended = time.perf_counter()
        # the first slot may compile kernels; the rate is that of the slots after it
        rate = max(1, scenario.slots - 1) / (ended - marks[-1 if scenario.slots > 1 else 0])
        wall = {"wall_s": round(ended - started, 3), "slots_per_s": round(rate, 2)}
        trace.annotate(data=list(network.task.sources), **wall)
    return path


def result_folder(scenario: Toscn, out: Path) -> Path:
    """`out/<scenario>/<digest>`: equal scenarios share a folder, different ones never meet."""
    return out / scenario.name / params.digest(scenario)


def attributes(scenario: Toscn, run: int) -> dict:
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
