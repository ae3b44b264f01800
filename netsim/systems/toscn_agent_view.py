"""TOSCN as a learning agent sees it: the state (35) as a vector, and the vector that is an action (36)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.systems.toscn import TASKS, Action, Model, Observation
from phy.parameters import Checked, one_of, parameter, positive

_GAIN_MEAN_DB, _GAIN_DEVIATION_DB = -85.0, 11.0  # of the default cell (toscn 4.1)


@dataclass(frozen=True)
class Decoding(Checked):
    """How an actor's output becomes compression and shares (toscn 4.1)."""

    eta_map: str = parameter(
        "literal",
        meaning="[-1, 1] to [0, 1] (literal), or to what the accuracy floor of the device's task allows",
        source="toscn 4.1",
        rule=one_of("literal", "feasible"),
    )
    kappa: float = parameter(
        1.0, meaning="slope of the softmax of the shares: 1 allows 1 to 7.4, 3 allows 1 to 403",
        source="toscn 4.1, E21", rule=positive,
    )  # fmt: skip
    compress: bool = parameter(True, meaning="False: eta = 0 whatever the actor says", source="toscn 5")


@dataclass(frozen=True, slots=True)
class DecodedAction(Action):
    """An action with the vector that it was decoded from."""

    vector: np.ndarray


class ToscnView:
    """State float32[3 + 2 U]: devices a task / U, standardised gain in dB, queue / capacity. Action
    float32[3 U] in [-1, 1]: compression, bandwidth, power.
    """

    def __init__(self, model: Model, decoding: Decoding) -> None:
        self.model, self.decoding = model, decoding
        self.num_ues = model.scenario.cell.num_ues
        self.state_size, self.action_size = len(TASKS) + 2 * self.num_ues, 3 * self.num_ues
        self._capacity = model.scenario.traffic.buffer_packets

    def state(self, observation: Observation) -> np.ndarray:
        """(35), scaled (E15, E16); the devices come sorted by task, so that the counts tell each one's
        task.
        """
        counts = np.bincount(observation.task, minlength=len(TASKS))
        gain_db = 10.0 * np.log10(observation.gain)
        parts = (
            counts / self.num_ues,
            (gain_db - _GAIN_MEAN_DB) / _GAIN_DEVIATION_DB,
            observation.queue / self._capacity,
        )
        return np.concatenate(parts).astype(np.float32)

    def action(self, vector: np.ndarray, observation: Observation) -> DecodedAction:
        """(36) decoded: compression from the first U entries, softmax shares from the others."""
        eta, bandwidth, power = np.clip(vector.astype(np.float64), -1.0, 1.0).reshape(3, self.num_ues)
        compression = (eta + 1.0) / 2.0
        if not self.decoding.compress:
            compression = np.zeros(self.num_ues)
        elif self.decoding.eta_map == "feasible":
            compression = compression * self.model.max_compression(observation.task)
        return DecodedAction(compression, self._shares(bandwidth), self._shares(power), vector)

    def _shares(self, logits: np.ndarray) -> np.ndarray:
        weights = np.exp(self.decoding.kappa * (logits - logits.max()))
        return weights / weights.sum()
