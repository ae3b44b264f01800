"""Green where the stations' clocks disagree: what a station's own slot delivers (specification 11.4).

Powers and channel change within it, so its accuracy is the mean of f_s over the pieces in which they stand
still, weighted by time; rate and QoE follow from that mean (M4), (M5). Its own power and k are constant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netsim.systems.green_model import Model, Outcome


class OwnSlots:
    """The slots of all stations: the pieces of those that run, and what the last ones delivered.

    Attributes:
        level, k: int64[M], power_w, qoe: float64[M], of each station's last slot that has ended; silence and
        0 before the first.
    """

    def __init__(self, num_cells: int) -> None:
        self._pieces: list[list[tuple[int, float]]] = [[] for _ in range(num_cells)]
        self._ended = np.zeros(num_cells, bool)
        self._accuracy = np.zeros(num_cells)
        self.level, self.k = np.zeros(num_cells, np.int64), np.ones(num_cells, np.int64)
        self.power_w, self.qoe = np.zeros(num_cells), np.zeros(num_cells)

    def add(self, duration_ns: int, accuracy: np.ndarray) -> None:
        """A piece of time in which every user had the accuracy float64[M]."""
        for pieces, value in zip(self._pieces, accuracy.tolist()):
            pieces.append((duration_ns, value))

    def end(
        self,
        cells: Sequence[int],
        level: np.ndarray,
        k: np.ndarray,
        power_w: np.ndarray,
        now: Outcome,
        model: Model,
    ) -> None:
        """The slots of these stations are over; level, k, power_w: [M], what was in force in them."""
        for m in cells:
            pieces = self._pieces[m]
            whole_ns = sum(duration_ns for duration_ns, _ in pieces)
            self._accuracy[m] = sum(duration_ns / whole_ns * value for duration_ns, value in pieces)
            self._pieces[m] = []
            self.level[m], self.k[m], self.power_w[m], self._ended[m] = level[m], k[m], power_w[m], True
        self.qoe = self.judged(now, model).qoe

    def begin(self, cells: Sequence[int]) -> None:
        """The slots of these stations begin: what was before them counts for nobody."""
        for m in cells:
            self._pieces[m] = []

    def judged(self, now: Outcome, model: Model) -> Outcome:
        """The last slots that ended, with powers and SINR of this instant beside."""
        return model.judged(now, self.power_w, self.k, self._accuracy, self._ended)
