"""Drops of the green scenario for tests: worlds, models and searches of independent runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim import params
from netsim.streams import Streams
from netsim.systems.green_bounds import Genie
from netsim.systems.green_curves import accuracy_of
from netsim.systems.green_model import Model, RequirementDraw
from netsim.systems.green_parameters import PRESETS, System
from netsim.systems.green_world import GreenWorld


def green(num_cells: int = 3, preset: str = "literal", **assignments) -> System:
    """The system with a preset and `section__name=value` assignments."""
    values = {name.replace("__", "."): value for name, value in assignments.items()}
    system = params.override(System(), {"layout.num_cells": num_cells, **PRESETS[preset], **values})
    assert isinstance(system, System)
    return system


@dataclass(frozen=True)
class Sample:
    """One drop: gains float64[T, M, M], and what a genie knows."""

    genie: Genie
    gain: np.ndarray
    rng: np.random.Generator

    @property
    def model(self) -> Model:
        return self.genie.model


def sample(system: System, num_slots: int, run: int, seed: int = 7) -> Sample:
    """Drop number `run` of a seed."""
    streams = Streams(seed, run)
    world = GreenWorld(system.layout, streams)
    world.new_drop()
    required = RequirementDraw(system.qoe, system.layout.num_cells, streams).draw(accuracy_of(system.codec))
    return Sample(Genie(Model(system, required)), world.gains(num_slots), streams.sequential("baseline"))


def samples(system: System, num_drops: int, num_slots: int) -> list[Sample]:
    """Independent drops."""
    return [sample(system, num_slots, run) for run in range(num_drops)]
