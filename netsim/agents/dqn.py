"""DQN: one hidden ReLU network a station, plain targets (specification green 5.4, 5.5).

Source: Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015), without
error clipping; sizes and settings of the green paper. Batches are drawn with replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.agents import q_kernels
from netsim.agents.q_learning import QLearning, Stations
from netsim.agents.rings import Windows
from netsim.agents.stacked import Shapes
from netsim.streams import Streams
from phy.parameters import Checked, at_least_one, parameter


@dataclass(frozen=True)
class DqnParameters(Checked):
    """Settings of DQN."""

    hidden_1: int = parameter(64, meaning="units of the first hidden layer", source="E24", rule=at_least_one)
    hidden_2: int = parameter(32, meaning="units of the second hidden layer", source="E24", rule=at_least_one)
    batch: int = parameter(32, meaning="transitions in an update", source="P table 2", rule=at_least_one)
    learning: QLearning = parameter(factory=QLearning, meaning="learning")


class DqnNetwork:
    """Linear - ReLU - Linear - ReLU - Linear for every station (`q_learning.Network`)."""

    window = 1

    def __init__(self, parameters: DqnParameters, num_inputs: int, num_actions: int) -> None:
        one, two = parameters.hidden_1, parameters.hidden_2
        self.batch = parameters.batch
        self._one, self._two, self._num_actions = one, two, num_actions
        self.shapes: Shapes = {
            "w1": (num_inputs, one), "b1": (1, one), "w2": (one, two), "b2": (1, two),
            "w3": (two, num_actions), "b3": (1, num_actions),
        }  # fmt: skip
        self.fan_in = {"w1": num_inputs, "b1": num_inputs, "w2": one, "b2": one, "w3": two, "b3": two}

    def values(self, flat: np.ndarray, first: int, history: np.ndarray) -> np.ndarray:
        """Q of the newest observation of each history, float32[n, actions]."""
        out = np.empty((len(history), self._num_actions), np.float32)
        q_kernels.dqn_values(flat, first, np.ascontiguousarray(history[:, -1]), self._one, self._two, out)
        return out

    def gradient(
        self, flat: np.ndarray, first: int, windows: Windows, discount: float, out: np.ndarray
    ) -> np.ndarray:
        """Writes the gradients of all stations of a batch to `out`; returns their losses."""
        loss = np.empty(len(out), np.float32)
        q_kernels.dqn_gradient(
            flat[0], flat[1], first, np.ascontiguousarray(windows.observation[:, :, 0]),
            windows.action[:, :, 0], windows.reward[:, :, 0],
            np.ascontiguousarray(windows.next_observation[:, :, 0]), np.float32(discount), self._one,
            self._two, self._num_actions, out, loss,
        )  # fmt: skip
        return loss


def dqn(
    parameters: DqnParameters, num_agents: int, num_inputs: int, num_actions: int, streams: Streams
) -> Stations:
    """DQN learners of all stations."""
    network = DqnNetwork(parameters, num_inputs, num_actions)
    return Stations(network, parameters.learning, num_agents, num_inputs, num_actions, streams)
