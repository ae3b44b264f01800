"""The runs behind green's Figs 4, 5 and 6: five schemes on the same drops, learning inside the event loop.

Every run is a trace of `learn_slots` slots of learning and `frozen_slots` more with frozen weights, kept in
the results folder like those of any campaign; what is there already is not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import params
from netsim.streams import Streams
from netsim.studies.campaign import Outcome, Store, Task, Variant, execute, replicated
from netsim.studies.workers import workers
from netsim.systems.green import LEARNERS, Green
from netsim.systems.green_bounds import Genie
from netsim.systems.green_curves import accuracy_of
from netsim.systems.green_model import Model, RequirementDraw
from netsim.systems.green_parameters import PRESETS
from netsim.systems.green_world import GreenWorld
from netsim.trace import read_trace
from phy.parameters import ParameterError

SCHEMES = (*LEARNERS, "greedy", "random")
BOUND_SLOTS = 300
RULE_SLOTS = 5_000  # of schemes that learn nothing: their curve is flat


@dataclass(frozen=True)
class Plan:
    """What is run: presets and numbers of cells, drops, slots."""

    cells: tuple[int, ...]
    presets: tuple[str, ...]
    drops: int
    learn_slots: int
    frozen_slots: int
    seed: int = 1
    rule_slots: int = RULE_SLOTS

    def slots_of(self, scheme: str) -> int:
        """Slots before the frozen ones: what learns gets all."""
        return self.learn_slots if scheme in LEARNERS else min(self.learn_slots, self.rule_slots)


@dataclass(frozen=True)
class Series:
    """One run: energy efficiency float64[T], power level int[T, M] and power float64[T, M] in W, share of
    users with a requirement unmet float64[T], of learning and frozen slots.
    """

    ee: np.ndarray
    level: np.ndarray
    power_w: np.ndarray
    unmet: np.ndarray
    learn_slots: int

    @property
    def learning(self) -> np.ndarray:
        """EE of the slots in which the stations learn."""
        return self.ee[: self.learn_slots]

    @property
    def frozen(self) -> np.ndarray:
        """EE of the slots after them."""
        return self.ee[self.learn_slots :]


Key = tuple[str, int, str]  # preset, cells, scheme


def scenario_of(plan: Plan, preset: str, cells: int, scheme: str) -> Green:
    """The scenario of one run."""
    learn_slots = plan.slots_of(scheme)
    values = {
        **PRESETS[preset],
        "layout.num_cells": cells,
        "agent.name": scheme,
        "agent.learn_slots": learn_slots,
        "slots": learn_slots + plan.frozen_slots,
        "episode_slots": learn_slots + plan.frozen_slots,
        "seed": plan.seed,
    }
    made = params.override(Green(), values)
    assert isinstance(made, Green)
    return made


def run_all(
    wanted: Sequence[Variant], drops: int, jobs: int, out: Path, advance: Callable[[int, int], None]
) -> dict[Variant, list[Path]]:
    """The traces of all variants, a list over drops; what is there is not run again.

    Raises:
        ParameterError: a run failed (in one line which and why).
    """
    pairs = replicated(list(dict.fromkeys(wanted)), range(drops))

    def report(task: Task | None, reason: str, outcome: Outcome, left: int) -> None:
        advance(len(pairs) - left, len(pairs))

    outcome = execute(Store(out), pairs, workers(jobs), report)
    if outcome.failures:
        raise ParameterError(str(outcome.failures[0]))
    return {variant: [outcome.files[variant, drop] for drop in range(drops)] for variant in wanted}


def collect(plan: Plan, jobs: int, out: Path, advance: Callable[[int, int], None]) -> dict[Key, list[Series]]:
    """All series, by preset, cells and scheme; a list over drops.

    Raises:
        ParameterError: a run failed (in one line which and why).
    """
    chosen: dict[Key, Variant] = {}
    for preset in plan.presets:
        for cells in plan.cells:
            for scheme in SCHEMES:
                scenario = scenario_of(plan, preset, cells, scheme)
                chosen[preset, cells, scheme] = Variant((("agent.name", scheme),), scenario)
    files = run_all(list(chosen.values()), plan.drops, jobs, out, advance)
    return {
        key: [series_of(file, plan.slots_of(key[2])) for file in files[variant]]
        for key, variant in chosen.items()
    }


def series_of(path: Path, learn_slots: int) -> Series:
    """The series of one trace."""
    trace = read_trace(path)
    slots, count = trace["slots"], len(trace["slots"]["slot"])
    level = trace["stations"]["power_level"].reshape(count, -1)
    power_w = trace["grants"]["power_w"].reshape(count, -1)
    unmet = slots["num_violations"] / level.shape[1]
    return Series(slots["objective"], level, power_w, unmet, learn_slots)


def bounds(plan: Plan, preset: str, cells: int, drop: int) -> dict[str, float]:
    """Mean efficiency of schemes that know more, over the first slots of a drop: the full-CSI bound, lowest
    power with the best k of each slot, and the best constant choice.
    """
    system = scenario_of(plan, preset, cells, "random").parameters
    streams = Streams(plan.seed, drop)
    world = GreenWorld(system.layout, streams)
    world.new_drop()
    required = RequirementDraw(system.qoe, cells, streams).draw(accuracy_of(system.codec))
    genie, gain = Genie(Model(system, required)), world.gains(BOUND_SLOTS)
    draws = streams.sequential("baseline")
    return {
        "ub_coord": float(genie.by_coordinates(gain, draws).ee.mean()),
        "level1_genie_k": float(genie.evaluate(np.ones(cells, np.int64), gain).ee.mean()),
        "static_best": float(genie.static_best(gain, draws).ee.mean()),
    }
