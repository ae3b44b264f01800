"""Stations of green that learned in a run of their own and act with frozen weights in others.

Weights are kept under `CACHE/green-<agent>-<digest>/<code version>/run<k>.safetensors`, the digest being that
of the scenario they learned in; what is there is not trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from netsim import params, simulate
from netsim.agents.tally import Tally
from netsim.figures.trainings import CACHE, each
from netsim.recorder import Recorder
from netsim.studies.version import code_version
from netsim.systems.green import Green
from netsim.systems.green_stations import write_weights


def folder_of(learned: Green, cache: Path = CACHE) -> Path:
    """Where the weights of the runs of a training go."""
    return cache / f"green-{learned.agent.name}-{params.digest(learned)}" / code_version()


def train(wanted: tuple[Green, int], cache: Path = CACHE) -> None:
    """One training, a run of the scenario; a file is there when it is over."""
    scenario, run = wanted
    prepared = simulate.prepare(scenario, run)
    prepared(cast(Recorder, Tally(scenario.slots))).run()
    write_weights(prepared.policies, scenario, run, folder_of(scenario, cache))


def ensure(
    learned: Sequence[Green],
    runs: Sequence[int],
    jobs: int,
    advance: Callable[[int, int], None],
    cache: Path = CACHE,
) -> None:
    """Trains what is missing."""
    wanted = [(scenario, run) for run in runs for scenario in learned]
    missing = [(s, run) for s, run in wanted if not (folder_of(s, cache) / f"run{run}.safetensors").is_file()]
    each(partial(train, cache=cache), missing, jobs, advance)


def frozen(learned: Green, slots: int, changes: Mapping[str, Any], cache: Path = CACHE) -> Green:
    """The scenario in which those stations act for some slots and learn no more, with changes by path."""
    values = {
        "agent.weights": str(folder_of(learned, cache)), "agent.learn_slots": 0, "slots": slots,
        "episode_slots": slots, **changes,
    }  # fmt: skip
    made = params.override(learned, values)
    assert isinstance(made, Green)
    return made
