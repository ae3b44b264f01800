"""A recorder of what learning curves need; recording all of a run takes a sixth of a training's time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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

    def rows(self, table: str) -> Callable[..., None]:
        """`append` for one table."""
        return partial(self.append, table)

    def extend(self, table: str, **columns: Any) -> None:
        """Keeps how many packets a slot delivered."""
        if table == "buffers":
            self._delivered.append(sum(columns["delivered"]))

    def columns(self) -> Columns:
        """Of each slot, [t]: reward, packets delivered, objective (sum of scores; divided by the packets it
        is the accuracy per packet), and whether something was below the floor.
        """
        # at levels with bits a slot's worth may be found only when it is looked at, many slots together
        reward, objective, violations = (
            np.array([float(value) for value in values]) for values in self._slots.values()
        )
        packets = np.array(self._delivered, float)
        return {"reward": reward, "packets": packets, "objective": objective, "violations": violations > 0}

    def figures(self) -> dict[str, np.ndarray]:
        """Figures of the episodes, {name: float64[episodes]}."""
        return by_episode(self.columns(), self._length)


def by_episode(columns: Columns, length: int) -> dict[str, np.ndarray]:
    """Means per slot of each episode of `length` slots, {name: float64[episodes]}, of columns [t]; slots
    after the last whole episode do not count.
    """
    found = {}
    for name, values in columns.items():
        whole = len(values) // length * length
        found[name] = values[:whole].astype(float).reshape(-1, length).mean(axis=1)
    return found
