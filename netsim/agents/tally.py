"""A recorder of what learning curves need; recording all of a run takes a sixth of a training's time."""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.tables import Columns


class Tally:
    """Reward, packets, objective and violations by episode.

    Args:
        length: slots of an episode.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._slots: dict[str, list[float]] = {"reward": [], "objective": [], "num_violations": []}
        self._delivered: list[int] = []

    def append(self, table: str, **columns: Any) -> None:
        """Keeps the columns of `slots` that a curve needs."""
        if table == "slots":
            for name, values in self._slots.items():
                values.append(columns[name])

    def extend(self, table: str, **columns: Any) -> None:
        """Keeps how many packets a slot delivered."""
        if table == "buffers":
            self._delivered.append(sum(columns["delivered"]))

    def figures(self) -> dict[str, np.ndarray]:
        """Figures of the episodes, {name: float64[episodes]}."""
        slots = {k: np.array(v, float) for k, v in self._slots.items()}
        return episode_figures({**slots, "delivered": np.array(self._delivered)}, self._length)


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
