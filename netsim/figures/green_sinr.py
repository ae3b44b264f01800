"""How far the SINR of a burst's very samples is from the formula (M2) (specification green 10.6 a).

All stations send bursts of 16-QAM over the channels of a drop at random powers, as level `bit` sends them.
What remains of a burst of n symbols after noise and interference have been averaged is scatter, which the
formula does not have; a bias would be an error of one of the two.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import params, stats
from netsim.streams import Streams
from netsim.systems.green import Green
from netsim.systems.green_bits import CellLink
from netsim.systems.green_world import GreenWorld

WORDS = 96  # of a burst of 8 sentences of 12
KS = (1, 2, 5, 10, 20)
_SEED = 2026


@dataclass(frozen=True)
class Row:
    """SINR of the samples less that of (M2), in dB: mean with its interval over drops, root mean square."""

    num_cells: int
    k: int
    symbols: int
    bias_db: stats.Interval
    rmse_db: float


def rows(num_drops: int, num_slots: int, advance: Callable[[int, int], None]) -> list[Row]:
    """3 and 7 cells, bursts of 96 words at several k."""
    found = []
    for num_cells in (3, 7):
        for k in KS:
            drops = [_drop(num_cells, k, run, num_slots) for run in range(num_drops)]
            bias = stats.mean_interval([float(d.mean()) for d in drops])
            rmse = float(np.sqrt(np.mean(np.square(np.concatenate(drops)))))
            found.append(Row(num_cells, k, k * WORDS, bias, rmse))
            advance(len(found), 2 * len(KS))
    return found


def _drop(num_cells: int, k: int, run: int, num_slots: int) -> np.ndarray:
    """Differences in dB of all users and slots of a drop."""
    scenario = params.override(Green(), {"phy": "bit", "layout.num_cells": num_cells})
    assert isinstance(scenario, Green)
    streams = Streams(_SEED, run)
    world, link = GreenWorld(scenario.layout, streams), CellLink(scenario, streams)
    world.new_drop()
    draws = streams.sequential("figure/green-sinr")
    levels_w = np.arange(1, 7) * scenario.power.max_power_w / 6.0
    everyone, found = np.arange(num_cells), []
    for slot in range(num_slots):
        world.fade()
        power_w = draws.choice(levels_w, num_cells)
        received = power_w * world.gain
        own = np.diag(received)
        sinr = own / (received.sum(axis=1) - own + scenario.power.noise_w)
        bits = [draws.integers(0, 2, 4 * k * WORDS, dtype=np.uint8) for _ in everyone]
        coefficient = np.sqrt(power_w * world.drop.path_gain) * world.g
        measured_db = link.send(slot, everyone, bits, coefficient, sinr).sinr_db
        found.append(measured_db - 10.0 * np.log10(sinr))
    return np.concatenate(found)


def write_csv(found: Sequence[Row], path: Path) -> None:
    """The rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("cells", "k", "symbols", "bias_db", "low", "high", "rmse_db", "drops"))
        for r in found:
            numbers = (r.bias_db.mean, r.bias_db.low, r.bias_db.high, r.rmse_db)
            writer.writerow((r.num_cells, r.k, r.symbols, *(f"{v:.4g}" for v in numbers), r.bias_db.n))
