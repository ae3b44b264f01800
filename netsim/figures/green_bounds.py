"""What green's schemes and bounds reach by the formulas, and what the energy term can move (specification 6,
7.2, 8). All schemes of a drop see the same gains; intervals are over drops.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from netsim import params, stats
from netsim.streams import Streams
from netsim.systems.green_bounds import (
    Genie,
    Plan,
    greedy_plan,
    lowest_power_plan,
    random_plan,
    silent_plan,
)
from netsim.systems.green_curves import accuracy_of
from netsim.systems.green_model import Model, RequirementDraw, received_powers
from netsim.systems.green_parameters import PRESETS, System
from netsim.systems.green_world import GreenWorld

SEED = 2026
_SEARCH_SLOTS = 100  # of the per-slot searches; the other schemes see all slots
_EXHAUSTIVE_SLOTS = {3: 100, 7: 2}

# settings whose energy term differs: name, preset, further assignments
ENERGY: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("literal: 20 dBm, 9 dBW", "literal", {}),
    ("ec_visible: 30 dBm, 9 dBW", "ec_visible", {}),
    ("38 dBm, 9 dBW", "literal", {"power.max_power_w": 10**0.8}),
    ("pbs_dbm: 20 dBm, 9 dBm", "pbs_dbm", {}),
)


@dataclass(frozen=True)
class Row:
    """One number: a scheme under a preset."""

    preset: str
    num_cells: int
    scheme: str
    ee: stats.Interval
    power_index: float  # mean over cells, slots and drops; NaN where it says nothing


Values = dict[str, tuple[float, float]]  # scheme -> (EE, mean power index)


def _genies(
    system: System, drop: int, num_slots: int
) -> tuple[Genie, Genie, np.ndarray, np.random.Generator]:
    """Search with and without the energy term, the gains of a drop, and numbers for its random schemes."""
    streams = Streams(SEED, drop)
    world = GreenWorld(system.layout, streams)
    world.new_drop()
    required = RequirementDraw(system.qoe, system.layout.num_cells, streams).draw(accuracy_of(system.codec))
    model = Model(system, required)
    gain = world.gains(num_slots)
    return Genie(model), Genie(model, energy_term=False), gain, streams.sequential("baseline")


def _all_schemes(genie: Genie, gain: np.ndarray, rng: np.random.Generator) -> dict[str, Plan]:
    cells, few = gain.shape[1], gain[:_SEARCH_SLOTS]
    plans = {
        "random": random_plan(genie, gain, rng),
        "silent": silent_plan(genie, gain),
        "greedy": greedy_plan(genie, gain, rng),
        "greedy, k = 5": greedy_plan(genie, gain, rng, 5),
        "greedy, genie k": greedy_plan(genie, gain, rng, "genie"),
        "level 1, best constant k": _lowest_constant(genie, gain),
    }
    for age in (0, 1, 2, 5):
        name = "level 1, genie k" if age == 0 else f"level 1, k by SINR {age} slots old"
        plans[name] = lowest_power_plan(genie, gain, age)
    plans["static_best"] = genie.static_best(gain, rng)
    plans["static_p_genie_k"] = genie.static_power(gain, rng)
    plans["ub_coord"] = genie.by_coordinates(few, rng)
    plans["ub_exh"] = genie.exhaustive(gain[: _EXHAUSTIVE_SLOTS.get(cells, 0)])
    return {name: plan for name, plan in plans.items() if len(plan.ee)}


def _lowest_constant(genie: Genie, gain: np.ndarray) -> Plan:
    """Lowest power and the best constant k of each user."""
    model = genie.model
    level = np.ones(gain.shape[1], np.int64)
    own, other = received_powers(model.levels_w[level], gain)
    mean = genie.mean_qoe(own / (other + model.system.power.noise_w))
    return genie.evaluate(level, gain, model.levels_k[mean.argmax(axis=0)])


def measure_drop(job: tuple[str, int, str, dict[str, Any], int, int]) -> Values:
    """All schemes, the triple of the specification, or the pair of bounds of one drop."""
    kind, num_cells, preset, extra, drop, num_slots = job
    system = params.override(System(), {"layout.num_cells": num_cells, **PRESETS[preset], **extra})
    assert isinstance(system, System)
    genie, without, gain, rng = _genies(system, drop, num_slots)
    few = gain[:_SEARCH_SLOTS]
    if kind == "all":
        plans = _all_schemes(genie, gain, rng)
    elif kind == "triple":
        plans = {"random": random_plan(genie, gain, rng), "greedy": greedy_plan(genie, gain, rng)}
        plans["ub_coord"] = genie.by_coordinates(few, rng)
    else:
        plans = {"maximum power, genie k": greedy_plan(genie, gain, rng, "genie")}
        plans["level 1, genie k"] = lowest_power_plan(genie, gain)
        plans["bound for EE"] = genie.by_coordinates(few, rng)
        plans["bound for QoE alone"] = without.by_coordinates(few, rng)
    return {name: (float(plan.ee.mean()), float(plan.level.mean())) for name, plan in plans.items()}


def table(num_drops: int, num_slots: int, jobs: int, advance: Callable[[int, int], None]) -> list[Row]:
    """All rows: every scheme for 3 and 7 cells, triples of the presets, and the energy term."""
    wanted: list[tuple[str, int, str, str, dict[str, Any]]] = []
    wanted += [("all", cells, "literal", "literal", {}) for cells in (3, 7)]
    for preset in PRESETS:
        if preset not in ("literal", "post_obs"):
            wanted += [("triple", cells, preset, preset, {}) for cells in (3, 7)]
    wanted += [("energy", cells, name, preset, extra) for name, preset, extra in ENERGY for cells in (3, 7)]
    tasks = [
        (kind, cells, preset, extra, drop, num_slots)
        for kind, cells, _, preset, extra in wanted
        for drop in range(num_drops)
    ]
    found: list[Values] = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for values in pool.map(measure_drop, tasks, chunksize=4):
            found.append(values)
            advance(len(found), len(tasks))
    rows = []
    for place, (_, cells, name, _, _) in enumerate(wanted):
        rows += list(_rows(name, cells, found[place * num_drops : (place + 1) * num_drops]))
    return rows


def _rows(name: str, cells: int, drops: list[Values]) -> Iterable[Row]:
    for scheme in drops[0]:
        ee, index = np.array([drop[scheme] for drop in drops]).T
        yield Row(name, cells, scheme, stats.mean_interval(ee), float(index.mean()))
    if "bound for EE" in drops[0]:
        gain = [drop["bound for EE"][0] - drop["bound for QoE alone"][0] for drop in drops]
        yield Row(name, cells, "gained by the energy term", stats.mean_interval(gain), float("nan"))


def write_csv(rows: list[Row], path: Path) -> None:
    """The rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("preset", "cells", "scheme", "ee", "low", "high", "drops", "power_index"))
        for row in rows:
            numbers = (f"{v:.5g}" for v in (row.ee.mean, row.ee.low, row.ee.high))
            index = "" if np.isnan(row.power_index) else f"{row.power_index:.4g}"
            writer.writerow((row.preset, row.num_cells, row.scheme, *numbers, row.ee.n, index))
