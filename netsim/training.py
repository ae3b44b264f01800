"""Training of learning agents: a sequence of short event-driven runs, each with its own run number.

A policy learns inside the run, from what reached it (`Policy.learn`). A training consists of segments of ten
iterations (episodes); a segment is one run, so no state of the simulator needs saving: weights, optimiser and
replay memory at a segment's end, together with the number of the next run, are the whole state. A training
that was interrupted therefore ends as one that was not.

Runs 1,000,000 and on are for training (worker w has runs (1 + w) * 1,000,000 and on), so that no evaluation
ever sees a world that was learned from.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from netsim import params, simulate
from netsim.agents import files
from netsim.agents.learner import Learner
from netsim.network import Network
from netsim.recorder import Recorder
from netsim.scenario import Scenario
from netsim.streams import Streams
from phy.parameters import Checked, ParameterError

RUNS = 1_000_000  # run numbers of a training worker begin at a multiple of this
SEGMENT = 10  # iterations in a run
_SEGMENTS_KEPT = 5  # segments between checkpoints
EVALUATION_SEED = 123
EVALUATION_EPISODES = 200
AGENT_PRESETS = ("tuned", "paper")  # of every agent; the first is the default
MAIN_AGENT = "ddpg"  # the one whose decoding an environment takes
CURVE = ("reward", "packets", "objective", "violations")
_JUDGED = "curve.judged"  # in files
_SYSTEMS = {"toscn": "netsim.systems.toscn_learning", "scqos": "netsim.systems.scqos_learning"}


@dataclass(frozen=True)
class Plan:
    """What decides the result of a training."""

    scenario: Scenario
    agent: str
    preset: str
    parameters: Checked
    decoding: Checked
    iterations: int
    seed: int

    def about(self) -> dict[str, Any]:
        """The plan as JSON values; equal plans have equal ones. What the scenario only names (a bank of
        sentences) is there with its digest.
        """
        return {
            **system(self.scenario).data(self.scenario),
            "system": self.scenario.name,
            "agent": self.agent,
            "preset": self.preset,
            "parameters": params.as_dict(self.parameters),
            "decoding": params.as_dict(self.decoding),
            "iterations": self.iterations,
            "seed": self.seed,
            "scenario": _changes(self.scenario),
        }

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that the plans of the seeds of one training share."""
        about = {name: value for name, value in self.about().items() if name != "seed"}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]


def _changes(scenario: Scenario) -> dict[str, Any]:
    """What differs from the defaults of the scenario's class, by path: a parameter that is added later, with
    a default that changes nothing, leaves old trainings valid.
    """
    default = type(scenario)()
    found = {}
    for path in params.paths(scenario):
        value = params.get(scenario, path)
        own = path in ("name", "seed", "slots") or path.startswith("agent.")
        if not own and value != params.get(default, path):
            found[path] = params.as_dict(value)
    return found


def _with(scenario: Scenario, values: dict[str, Any]) -> Scenario:
    changed = params.override(scenario, values)
    assert isinstance(changed, Scenario)
    return changed


def plan(
    scenario: Scenario, agent: str, preset: str, iterations: int, seed: int, changes: dict[str, str]
) -> Plan:
    """The plan of a training; `changes` are parameters of the algorithm by name, as text.

    Raises:
        ParameterError: unknown agent, preset or parameter; iterations that are no whole segments.
    """
    if iterations < SEGMENT or iterations % SEGMENT:
        raise ParameterError(
            f"--iterations {iterations}: must be a multiple of {SEGMENT}, at least {SEGMENT}"
        )
    parameters, decoding = system(scenario).settings(agent, preset)
    values: dict[str, Any] = {}
    for name, text in changes.items():
        try:
            values |= params.parse_assignment(parameters, f"{name}={text}")
        except ParameterError as error:
            raise ParameterError(f"--param {name}={text}: {error}") from None
    return Plan(scenario, agent, preset, params.override(parameters, values), decoding, iterations, seed)


def system(scenario: Scenario) -> ModuleType:
    """The module that says which learning agents a system has."""
    if scenario.name not in _SYSTEMS:
        raise ParameterError(
            f"scenario {scenario.name}: no agents that are trained beforehand: must be "
            f"{', '.join(_SYSTEMS)} (those of green learn inside a run: --agent drqn)"
        )
    return importlib.import_module(_SYSTEMS[scenario.name])


@dataclass(frozen=True)
class Result:
    """A finished training: the file of the weights, what it says about itself, the learning curve
    {name: float64[iterations]}, the noise-free evaluation {name: float64[episodes]}, and the objective
    without exploration in worlds not learned from after every segment, float64[segments] (of trainings on
    lanes; else empty).
    """

    path: Path
    about: dict[str, Any]
    curve: dict[str, np.ndarray]
    evaluation: dict[str, np.ndarray]
    judged: np.ndarray


def weights_file(plan: Plan, out: Path) -> Path:
    """Where the result of a plan goes: `out/<system>-<agent>-<preset>-<digest>/seed<k>.safetensors`."""
    name = f"{plan.scenario.name}-{plan.agent}-{plan.preset}-{plan.digest}"
    return out / name / f"seed{plan.seed}.safetensors"


def finished(plan: Plan, out: Path) -> Result | None:
    """The result of a plan that has been trained before."""
    path = weights_file(plan, out)
    if not path.is_file():
        return None
    arrays, about = files.load(path)
    names = quantities(plan.scenario)
    curve = {name: arrays[f"curve.{name}"] for name in names}
    judged = arrays.get(_JUDGED, np.zeros(0))
    return Result(path, about, curve, {name: arrays[f"evaluation.{name}"] for name in names}, judged)


def quantities(scenario: Scenario) -> tuple[str, ...]:
    """What learning curves and evaluations of a system hold."""
    return CURVE + tuple(system(scenario).quantities(scenario))


def train(
    plan: Plan,
    out: Path,
    resume: bool = True,
    report: Callable[[int, float], None] = lambda done, reward: None,
) -> Result:
    """Trains to the end, or goes on from the checkpoint of the same plan; writes weights and evaluation.

    Args:
        resume: go on from a checkpoint, if there is one; else begin anew.
        report: called after every iteration with the number done and its reward.

    Raises:
        ParameterError: a checkpoint that cannot be read.
    """
    done = finished(plan, out)
    if done is not None and resume:
        return done
    from netsim.agents.networks import use_one_thread

    use_one_thread()
    own = system(plan.scenario)
    run = _Training(plan)
    checkpoint = weights_file(plan, out).with_suffix(".checkpoint")
    began = time.process_time()
    if resume and checkpoint.is_file():
        arrays, about = files.load(checkpoint)
        run.restore(arrays)
        began -= about.get("cpu_s", 0.0)
    if getattr(plan.parameters, "order", "") == "processes":
        run.run_processes(report)
    while run.iterations_done < plan.iterations:
        run.run_segment(report)
        if run.iterations_done % (SEGMENT * min(_SEGMENTS_KEPT, own.SEGMENTS_KEPT)) == 0:
            about = plan.about() | {"done": run.iterations_done, "cpu_s": time.process_time() - began}
            files.save(checkpoint, run.arrays(), about)
    return _write(plan, run, weights_file(plan, out), checkpoint, time.process_time() - began)


def export(path: Path, target: Path) -> None:
    """Writes the weights of a finished training alone, without curve and evaluation: what ships."""
    arrays, about = files.load(path)
    weights = {n: a for n, a in arrays.items() if not n.startswith(("curve.", "evaluation."))}
    files.save(target, weights, about)


def _write(plan: Plan, run: _Training, path: Path, checkpoint: Path, cpu_s: float) -> Result:
    own = system(plan.scenario)
    layers = run.algorithm.policy_arrays()
    judged = own.judging_world(plan.scenario, plan.parameters)
    episodes = own.judged_episodes(judged, EVALUATION_EPISODES)
    evaluation = evaluate(judged, own.policy(run.view, layers), EVALUATION_SEED, episodes)
    curve = {name: np.array(values) for name, values in run.curve.items()}
    about = plan.about() | {"software": simulate.software_version(), "cpu_s": round(cpu_s, 1)}
    judged = np.array(run.judged)
    extra = {f"curve.{name}": values for name, values in curve.items()} | {_JUDGED: judged}
    extra |= {f"evaluation.{name}": values for name, values in evaluation.items()}
    files.save(path, layers | extra, about)
    checkpoint.unlink(missing_ok=True)
    return Result(path, about, curve, evaluation, judged)


class _Training:
    """The state of a training between two segments."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self._own = plan, system(plan.scenario)
        world = self._own.learning_world(plan.scenario, plan.parameters)
        self.scenario = _with(world, {"seed": plan.seed, "slots": SEGMENT * world.episode_slots + 1})
        self.view = self._own.view(plan.scenario, plan.decoding)
        self.algorithm, self.workers = _algorithm(plan, self.view)
        self.curve: dict[str, list[float]] = {name: [] for name in quantities(plan.scenario)}
        self.judged: list[float] = []
        settings = plan.parameters
        self._judge = self._own.judge(plan.scenario, settings, self.view) if lanes_of(plan) else None

    @property
    def iterations_done(self) -> int:
        """Iterations that the curve holds."""
        return len(self.curve["reward"])

    def run_segment(self, report: Callable[[int, float], None]) -> None:
        """One run a worker; the workers take turns, an episode each. Of a system whose runs can be played
        side by side, and a plan that wants that, all of them at once.
        """
        segment = self.iterations_done // SEGMENT
        lanes = lanes_of(self.plan)
        runs: list[Any]
        if lanes:
            numbers = [RUNS * (1 + lane) + segment for lane in range(lanes)]
            runs = [self._own.lane_run(self.scenario, self.view, self.algorithm, numbers)]
        else:
            runs = [_Run(self.scenario, self.view, w, k, segment) for k, w in enumerate(self.workers)]
        for episode in range(SEGMENT):
            for run in runs:
                run.advance(episode + 1)
        figures = [run.figures() for run in runs]
        for name in self.curve:
            self.curve[name] += np.mean([figure[name] for figure in figures], axis=0).tolist()
        if self._judge is not None:
            self.judged.append(self._judge(self._own.policy(self.view, self.algorithm.policy_arrays())))
        report(self.iterations_done, float(np.mean(self.curve["reward"][-SEGMENT:])))

    def run_processes(self, report: Callable[[int, float], None]) -> None:
        """All of the training, each worker in a process of its own."""
        import tempfile

        from netsim.agents.a3c import run_processes

        with tempfile.TemporaryDirectory() as folder:
            run_processes(self.algorithm, _work, (self.plan, folder))
            parts = [files.load(Path(folder) / f"worker{k}")[0] for k in range(len(self.workers))]
        self.curve = {name: np.mean([part[name] for part in parts], axis=0).tolist() for name in self.curve}
        report(self.iterations_done, float(np.mean(self.curve["reward"][-SEGMENT:])))

    def arrays(self) -> dict[str, np.ndarray]:
        """A checkpoint: the algorithm's state and the curve so far."""
        curve = {f"curve.{name}": np.array(v) for name, v in self.curve.items()}
        return self.algorithm.arrays() | curve | {_JUDGED: np.array(self.judged)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""
        self.algorithm.restore(arrays)
        self.curve = {name: arrays[f"curve.{name}"].tolist() for name in self.curve}
        self.judged = arrays[_JUDGED].tolist()


def lanes_of(plan: Plan) -> int:
    """Runs that the plan wants to be played side by side; 0: in the event loop."""
    pace = getattr(plan.parameters, "pace", None)
    return int(pace.lanes) if pace is not None else 0


def _algorithm(plan: Plan, view: Any) -> tuple[Any, list[Any]]:
    """The algorithm and its workers; an algorithm without workers is its own one."""
    weights_seed = Streams(plan.seed, RUNS).kernel_key("agent/weights") >> 1
    horizon = plan.iterations * plan.scenario.episode_slots * max(1, lanes_of(plan))
    algorithm = system(plan.scenario).learner(plan.agent, plan.parameters, view, horizon, weights_seed)
    return algorithm, getattr(algorithm, "workers", [algorithm])


class _Run:
    """One segment of one worker: a run that is advanced episode by episode.

    The run has one slot more than its episodes: with its observation the last transition is complete.
    """

    def __init__(self, scenario: Scenario, view: Any, algorithm: Any, worker: int, segment: int) -> None:
        self.length = scenario.episode_slots
        number = RUNS * (1 + worker) + segment
        self.learner = Learner(view, algorithm, Streams(scenario.seed, number))
        prepared = simulate.prepare(scenario, number, [self.learner])
        self._tally = system(scenario).tally(scenario)
        self.slots_done = 0
        self.network: Network = prepared(cast(Recorder, self._tally), self._count)
        self._process = self.network.start()

    def _count(self, slots_done: int) -> None:
        self.slots_done = slots_done

    def advance(self, episodes: int) -> None:
        """Runs on until `episodes` are over and their last transition, if it arrives in time, is learned."""
        wanted = episodes * self.length
        while not self._process.processed and (
            self.slots_done <= wanted and self.learner.newest_slot < wanted
        ):
            self.network.env.step()

    def figures(self) -> dict[str, np.ndarray]:
        """Figures of the episodes, all over, {name: float64[SEGMENT]}."""
        return self._tally.figures()


def _work(worker: Any, index: int, argument: tuple[Plan, str]) -> None:
    """All segments of one worker process; leaves its learning curve in a file."""
    plan, folder = argument
    training = _Training(plan)
    parts = []
    for segment in range(plan.iterations // SEGMENT):
        run = _Run(training.scenario, training.view, worker, index, segment)
        run.advance(SEGMENT)
        parts.append(run.figures())
    curve = {name: np.concatenate([part[name] for part in parts]) for name in CURVE}
    files.save(Path(folder) / f"worker{index}", curve, {})


def evaluate(
    scenario: Scenario, policy: Any, seed: int, episodes: int, run: int = 0
) -> dict[str, np.ndarray]:
    """One run of a policy that explores no more: the figures of its episodes."""
    evaluated = _with(scenario, {"seed": seed, "slots": episodes * scenario.episode_slots})
    prepared = simulate.prepare(evaluated, run, [policy])
    tally = system(scenario).tally(evaluated)
    prepared(cast(Recorder, tally)).run()
    return tally.figures()
