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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from netsim import params, simulate
from netsim.agents import files
from netsim.agents.learner import Learner, Trained
from netsim.network import Network
from netsim.recorder import Recorder
from netsim.scenario import Scenario
from netsim.streams import Streams
from netsim.tables import Columns
from phy.parameters import Checked, ParameterError

RUNS = 1_000_000  # run numbers of a training worker begin at a multiple of this
SEGMENT = 10  # iterations in a run
_SEGMENTS_KEPT = 5  # segments between checkpoints
EVALUATION_SEED = 123
EVALUATION_EPISODES = 200
AGENT_PRESETS = ("tuned", "paper")  # of every agent; the first is the default
MAIN_AGENT = "ddpg"  # the one whose decoding an environment takes
CURVE = ("reward", "packets", "objective", "violations")
_SYSTEMS = {"toscn": "netsim.systems.toscn_learning"}


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
        """The plan as JSON values; equal plans have equal ones."""
        return {
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
    {name: float64[iterations]} and the noise-free evaluation {name: float64[episodes]}.
    """

    path: Path
    about: dict[str, Any]
    curve: dict[str, np.ndarray]
    evaluation: dict[str, np.ndarray]


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
    curve = {name: arrays[f"curve.{name}"] for name in CURVE}
    return Result(path, about, curve, {name: arrays[f"evaluation.{name}"] for name in CURVE})


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
    run = _Training(plan)
    checkpoint = weights_file(plan, out).with_suffix(".checkpoint")
    if resume and checkpoint.is_file():
        run.restore(files.load(checkpoint)[0])
    if getattr(plan.parameters, "order", "") == "processes":
        run.run_processes(report)
    while run.iterations_done < plan.iterations:
        run.run_segment(report)
        if run.iterations_done % (SEGMENT * _SEGMENTS_KEPT) == 0:
            files.save(checkpoint, run.arrays(), plan.about() | {"done": run.iterations_done})
    return _write(plan, run, weights_file(plan, out), checkpoint)


def export(path: Path, target: Path) -> None:
    """Writes the weights of a finished training alone, without curve and evaluation: what ships."""
    arrays, about = files.load(path)
    files.save(target, {name: a for name, a in arrays.items() if name[0].isdigit()}, about)


def _write(plan: Plan, run: _Training, path: Path, checkpoint: Path) -> Result:
    layers = run.algorithm.policy_arrays()
    episodes = EVALUATION_EPISODES if plan.scenario.phy == "paper" else EVALUATION_EPISODES // 4
    evaluation = evaluate(plan.scenario, Trained(run.view, layers), EVALUATION_SEED, episodes)
    curve = {name: np.array(values) for name, values in run.curve.items()}
    about = plan.about() | {"software": simulate.software_version()}
    extra = {f"curve.{name}": values for name, values in curve.items()}
    extra |= {f"evaluation.{name}": values for name, values in evaluation.items()}
    files.save(path, layers | extra, about)
    checkpoint.unlink(missing_ok=True)
    return Result(path, about, curve, evaluation)


class _Training:
    """The state of a training between two segments."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.scenario = _with(
            plan.scenario, {"seed": plan.seed, "slots": SEGMENT * plan.scenario.episode_slots + 1}
        )
        self.view = system(plan.scenario).view(plan.scenario, plan.decoding)
        self.algorithm, self.workers = _algorithm(plan, self.view.state_size, self.view.action_size)
        self.curve: dict[str, list[float]] = {name: [] for name in CURVE}

    @property
    def iterations_done(self) -> int:
        return len(self.curve["reward"])

    def run_segment(self, report: Callable[[int, float], None]) -> None:
        """One run a worker; the workers take turns, an episode each."""
        segment = self.iterations_done // SEGMENT
        runs = [_Run(self.scenario, self.view, w, k, segment) for k, w in enumerate(self.workers)]
        for episode in range(SEGMENT):
            for run in runs:
                run.advance(episode + 1)
        figures = [run.figures() for run in runs]
        for name in CURVE:
            self.curve[name] += np.mean([figure[name] for figure in figures], axis=0).tolist()
        report(self.iterations_done, float(np.mean(self.curve["reward"][-SEGMENT:])))

    def run_processes(self, report: Callable[[int, float], None]) -> None:
        """All of the training, each worker in a process of its own."""
        import tempfile

        from netsim.agents.a3c import run_processes

        with tempfile.TemporaryDirectory() as folder:
            run_processes(self.algorithm, _work, (self.plan, folder))
            parts = [files.load(Path(folder) / f"worker{k}")[0] for k in range(len(self.workers))]
        self.curve = {name: np.mean([part[name] for part in parts], axis=0).tolist() for name in CURVE}
        report(self.iterations_done, float(np.mean(self.curve["reward"][-SEGMENT:])))

    def arrays(self) -> dict[str, np.ndarray]:
        """A checkpoint: the algorithm's state and the curve so far."""
        return self.algorithm.arrays() | {f"curve.{name}": np.array(self.curve[name]) for name in CURVE}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""
        self.algorithm.restore(arrays)
        self.curve = {name: arrays[f"curve.{name}"].tolist() for name in CURVE}


def _algorithm(plan: Plan, state_size: int, action_size: int) -> tuple[Any, list[Any]]:
    """The algorithm and its workers; an algorithm without workers is its own one."""
    weights_seed = Streams(plan.seed, RUNS).kernel_key("agent/weights") >> 1
    if plan.agent == "a3c":
        from netsim.agents.a3c import A3c, A3cParameters

        assert isinstance(plan.parameters, A3cParameters)
        a3c = A3c(state_size, action_size, plan.parameters, weights_seed)
        return a3c, a3c.workers
    from netsim.agents.ddpg import Ddpg, DdpgParameters

    assert isinstance(plan.parameters, DdpgParameters)
    horizon = plan.iterations * plan.scenario.episode_slots
    ddpg = Ddpg(state_size, action_size, plan.parameters, horizon, weights_seed)
    return ddpg, [ddpg]


class _Tally:
    """A recorder of what the learning curve needs; recording all takes a sixth of a training's time."""

    def __init__(self) -> None:
        self._slots: dict[str, list[float]] = {"reward": [], "objective": [], "num_violations": []}
        self._delivered: list[int] = []

    def append(self, table: str, **columns: Any) -> None:
        if table == "slots":
            for name, values in self._slots.items():
                values.append(columns[name])

    def extend(self, table: str, **columns: Any) -> None:
        if table == "buffers":
            self._delivered.append(sum(columns["delivered"]))

    def columns(self) -> dict[str, np.ndarray]:
        """One value a slot."""
        return {
            **{k: np.array(v, float) for k, v in self._slots.items()},
            "delivered": np.array(self._delivered),
        }


class _Run:
    """One segment of one worker: a run that is advanced episode by episode.

    The run has one slot more than its episodes: with its observation the last transition is complete.
    """

    def __init__(self, scenario: Scenario, view: Any, algorithm: Any, worker: int, segment: int) -> None:
        self.length = scenario.episode_slots
        number = RUNS * (1 + worker) + segment
        self.learner = Learner(view, algorithm, Streams(scenario.seed, number))
        prepared = simulate.prepare(scenario, number, [self.learner])
        self._tally = _Tally()
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
        return episode_figures(self._tally.columns(), self.length)


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
    tally = _Tally()
    prepared(cast(Recorder, tally)).run()
    return episode_figures(tally.columns(), scenario.episode_slots)


def episode_figures(slots: Columns, length: int) -> dict[str, np.ndarray]:
    """Means per slot of each episode of `length` slots, {name: float64[episodes]}: reward, packets delivered,
    objective (sum of scores; divided by the packets it is the accuracy per packet), share of slots below the
    accuracy floor.

    Args:
        slots: reward, delivered, objective, num_violations of each slot; slots after the last whole episode
            do not count.
    """
    whole = len(slots["reward"]) // length * length
    columns = {
        "reward": slots["reward"],
        "packets": slots["delivered"],
        "objective": slots["objective"],
        "violations": slots["num_violations"] > 0,
    }
    return {name: values[:whole].reshape(-1, length).mean(axis=1) for name, values in columns.items()}
