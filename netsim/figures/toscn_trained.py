"""Trained agents of TOSCN that figures 6 to 12 share: one training per agent, preset, bandwidth, power and
seed, kept under results/agents and read again by every figure that needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netsim import params, training
from netsim.agents import files
from netsim.agents.catalogue import LEARNERS
from netsim.figures import trainings
from netsim.streams import Streams
from netsim.systems import toscn_learning
from netsim.systems.toscn import Toscn
from phy.ofdm import Ofdm

CACHE = trainings.CACHE
ITERATIONS, QUICK_ITERATIONS = 600, 100
BIT_EPISODES = 20  # episodes of an evaluation at level bit
EVERY_SEED = (0, 1, 2)
PLANNERS = ("myopic", "je_qse")  # the lines of policies that do not learn


@dataclass(frozen=True)
class Setting:
    """One network in which agents are trained: total bandwidth and power (neither is in the state)."""

    bandwidth_hz: float = 3e6
    power_w: float = 0.2

    def scenario(self, phy: str = "paper") -> Toscn:
        """The paper's regime with 1.6 Mbit packets by the formulas; packets of 200,704 bit on bits."""
        values: dict[str, Any] = {
            "phy": phy,
            "radio.bandwidth_hz": self.bandwidth_hz,
            "radio.power_w": self.power_w,
        }
        if phy == "paper":
            values["semantics.packet_bits"] = 1_600_000
        else:  # subcarriers of a wide band need a longer transform; the prefix keeps its share
            default = Ofdm()
            longer = max(1, math.ceil(default.num_subcarriers(self.bandwidth_hz) / default.fft_size))
            factor = 2 ** math.ceil(math.log2(longer))
            values["ofdm.fft_size"] = default.fft_size * factor
            values["ofdm.cp_len"] = default.cp_len * factor
        changed = params.override(Toscn(), values)
        assert isinstance(changed, Toscn)
        return changed


def plan_of(setting: Setting, agent: str, preset: str, seed: int, iterations: int) -> training.Plan:
    """The training of one agent in one setting."""
    return training.plan(setting.scenario(), agent, preset, iterations, seed, {})


def ensure(
    plans: Sequence[training.Plan], jobs: int, advance: Callable[[int, int], None]
) -> list[training.Result]:
    """The trained agents of the plans, in their order; trains those that are missing, resumes the broken
    off.
    """
    return trainings.ensure(plans, CACHE, jobs, advance)


@dataclass(frozen=True)
class Evaluation:
    """A policy judged in a setting at a level: what it is and {figure: float64[episodes]}."""

    scheme: str
    setting: Setting
    phy: str
    seed: int  # of the training; -1 for a policy that does not learn
    figures: dict[str, np.ndarray]

    @property
    def accuracy(self) -> float:
        """Score per delivered packet; NaN where none was delivered."""
        packets = self.figures["packets"].sum()
        return float(self.figures["objective"].sum() / packets) if packets else float("nan")


@dataclass(frozen=True)
class Job:
    """One evaluation to be done: the weights of `file`, or the policy that `agent.*` values name."""

    scheme: str
    setting: Setting
    phy: str
    episodes: int
    seed: int = -1
    file: Path | None = None
    values: tuple[tuple[str, float | str], ...] = ()


def trained_job(scheme: str, setting: Setting, phy: str, episodes: int, result: training.Result) -> Job:
    """The evaluation of a trained agent."""
    return Job(scheme, setting, phy, episodes, int(result.about["seed"]), result.path)


def evaluate_all(
    jobs_wanted: Iterable[Job], jobs: int, advance: Callable[[int, int], None]
) -> list[Evaluation]:
    """All evaluations, on the same worlds (seed 123, never trained on)."""
    return trainings.each(evaluate, list(jobs_wanted), jobs, advance)


def evaluate(job: Job) -> Evaluation:
    """One evaluation."""
    scenario = job.setting.scenario(job.phy)
    policy: Any
    if job.file is not None:
        policy = toscn_learning.from_file(scenario, job.file, *files.load(job.file))
    else:
        changed = params.override(scenario, dict(job.values))
        assert isinstance(changed, Toscn)
        scenario = changed
        seeded = params.override(scenario, {"seed": training.EVALUATION_SEED})
        assert isinstance(seeded, Toscn)
        # a policy that draws at random has the streams of the evaluated run
        _, (policy,) = seeded.build(Streams(training.EVALUATION_SEED, 0))
    figures = training.evaluate(scenario, policy, training.EVALUATION_SEED, job.episodes)
    return Evaluation(job.scheme, job.setting, job.phy, job.seed, figures)


def planner_job(name: str, setting: Setting, phy: str, episodes: int, **values: float | str) -> Job:
    """The evaluation of a policy that does not learn; `values` are parameters of the agent."""
    scheme = " ".join([name, *(f"{value}" for value in values.values())])
    pairs = (("agent.name", name), *((f"agent.{key}", value) for key, value in values.items()))
    return Job(scheme, setting, phy, episodes, values=pairs)


def scheme_name(agent: str, preset: str) -> str:
    """How figures call an agent."""
    paper = {
        "ddpg": "DDPG (proposed)",
        "a3c": "A3C",
        "greedy": "greedy",
        "greedy_sc": "greedy + compression",
    }
    return f"{paper[agent]}, {preset}"


SCHEMES = tuple(
    (agent, preset) for preset in training.AGENT_PRESETS for agent in ("ddpg", "a3c", "greedy_sc", "greedy")
)
assert {agent for agent, _ in SCHEMES} == set(LEARNERS)
