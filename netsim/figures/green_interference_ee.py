"""What real interference means for the energy efficiency of green (10.5): the equivalent SINR shift on
stations at the lowest power that choose k by the Gaussian formula.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import params, stats
from netsim.figures.green_interference import Point, shift_of
from netsim.streams import Streams
from netsim.systems.green_bounds import Genie
from netsim.systems.green_curves import HIGH_DB, LOW_DB, accuracy_of, clipped_db
from netsim.systems.green_interference import PROFILES
from netsim.systems.green_model import Model, RequirementDraw, energy_efficiency, received_powers
from netsim.systems.green_parameters import System
from netsim.systems.green_world import GreenWorld

_SEED = 2026


@dataclass(frozen=True)
class Effect:
    """Energy efficiency with one kind of interference, its paired difference to the formula, and the share of
    users and slots for whom another k would be the best (10.6 e).
    """

    num_cells: int
    interference: str
    ee: stats.Interval
    lost: stats.Interval
    other_k: stats.Interval


def effects(found: list[Point], num_drops: int = 30, num_slots: int = 150) -> list[Effect]:
    """Three and seven cells, every profile, the same drops; intervals over drops."""
    shifts = {name: shift_of(found, name) for name in PROFILES}
    rows = []
    for num_cells in (3, 7):
        system = params.override(System(), {"layout.num_cells": num_cells})
        assert isinstance(system, System)
        drops = [_drop(system, run, num_slots, shifts) for run in range(num_drops)]
        formula = np.array([drop["formula"] for drop in drops])
        none = stats.Interval(0, 0, 0, num_drops)
        rows.append(Effect(num_cells, "formula", stats.mean_interval(formula), none, none))
        for name in PROFILES:
            ee = np.array([drop[name] for drop in drops])
            other_k = stats.mean_interval([drop[f"{name}, other k"] for drop in drops])
            lost = stats.paired_interval(formula, ee)
            rows.append(Effect(num_cells, name, stats.mean_interval(ee), lost, other_k))
    return rows


def _drop(
    system: System, run: int, num_slots: int, shifts: dict[str, Callable[[np.ndarray], np.ndarray]]
) -> dict[str, float]:
    streams = Streams(_SEED, run)
    world = GreenWorld(system.layout, streams)
    world.new_drop()
    required = RequirementDraw(system.qoe, system.layout.num_cells, streams).draw(accuracy_of(system.codec))
    genie = Genie(Model(system, required))
    gain = world.gains(num_slots)
    power_w = np.full(gain.shape[:2], genie.model.levels_w[1])
    own, other = received_powers(power_w, gain)
    sinr = own / (other + system.power.noise_w)
    k, x = genie.best_k(sinr), clipped_db(sinr)
    ee = {"formula": energy_efficiency(system.power, genie.model.qoe_at(k, x), power_w).mean()}
    for name, shift in shifts.items():
        moved = np.clip(x + shift(x), LOW_DB, HIGH_DB)
        ee[name] = energy_efficiency(system.power, genie.model.qoe_at(k, moved), power_w).mean()
        ee[f"{name}, other k"] = float((genie.best_k(10.0 ** (moved / 10.0)) != k).mean())
    return ee


def write_csv(rows: list[Effect], path: Path) -> None:
    """The effects as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            (
                "cells",
                "interference",
                "ee",
                "low",
                "high",
                "lost",
                "lost_low",
                "lost_high",
                "other_k",
                "drops",
            )
        )
        for row in rows:
            lost, other_k = row.lost, row.other_k.mean
            numbers = (row.ee.mean, row.ee.low, row.ee.high, lost.mean, lost.low, lost.high, other_k)
            writer.writerow((row.num_cells, row.interference, *(f"{v:.5g}" for v in numbers), row.ee.n))
