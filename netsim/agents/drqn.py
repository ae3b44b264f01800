"""DRQN: an LSTM over the last observations of a station (specification green 5.4, 5.5).

Source: Hausknecht, Stone, "Deep recurrent Q-learning for partially observable MDPs", AAAI Fall Symposium
2015; sizes and settings of the green paper. Windows start from the zero state in training and in acting
alike. One bias a gate. The LSTM and its gradient are written out (`q_kernels`): at these sizes (4 windows, 32
units) a library's price a call is most of its time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.agents import q_kernels
from netsim.agents.q_learning import QLearning, Stations
from netsim.agents.rings import Windows
from netsim.agents.stacked import Shapes
from netsim.streams import Streams
from phy.parameters import Checked, at_least_one, one_of, parameter

_BATCHES = {"4x8": (4, False), "32x8_last": (32, True)}


@dataclass(frozen=True)
class DrqnParameters(Checked):
    """Settings of DRQN."""

    hidden: int = parameter(64, meaning="units of the first layer", source="E24", rule=at_least_one)
    memory: int = parameter(32, meaning="units of the LSTM", source="E24", rule=at_least_one)
    window: int = parameter(8, meaning="observations in a window", source="P table 2", rule=at_least_one)
    batch: str = parameter(
        "4x8",
        meaning="4x8: 4 windows, loss on every step; 32x8_last: 32 windows, loss on the last step",
        source="E25",
        rule=one_of(*_BATCHES),
    )
    learning: QLearning = parameter(factory=QLearning, meaning="learning")


class DrqnNetwork:
    """Linear - ReLU - LSTM - Linear for every station (`q_learning.Network`)."""

    def __init__(self, parameters: DrqnParameters, num_inputs: int, num_actions: int) -> None:
        hidden, memory = parameters.hidden, parameters.memory
        self.hidden, self.memory, self.window = hidden, memory, parameters.window
        self.batch, self.last_only = _BATCHES[parameters.batch]
        self.shapes: Shapes = {
            "w1": (num_inputs, hidden), "b1": (1, hidden),
            "wx": (hidden, 4 * memory), "wh": (memory, 4 * memory), "b": (1, 4 * memory),
            "w2": (num_actions, memory), "b2": (num_actions,),
        }  # fmt: skip
        self.fan_in = {"w1": num_inputs, "b1": num_inputs, "wx": hidden, "wh": memory, "b": hidden,
                       "w2": memory, "b2": memory}  # fmt: skip
        self._num_actions = num_actions

    def values(self, flat: np.ndarray, first: int, history: np.ndarray) -> np.ndarray:
        """Q after the last observation of each history, float32[n, actions]."""
        out = np.empty((len(history), self._num_actions), np.float32)
        q_kernels.drqn_values(flat, first, np.ascontiguousarray(history), self.hidden, self.memory, out)
        return out

    def gradient(
        self, flat: np.ndarray, first: int, windows: Windows, discount: float, out: np.ndarray
    ) -> np.ndarray:
        """Writes the gradients of all stations of a batch to `out`; returns their losses."""
        loss = np.empty(len(out), np.float32)
        seen = windows.observation
        longer = np.concatenate([seen[:, :, :1], windows.next_observation], axis=2)
        q_kernels.drqn_gradient(
            flat[0], flat[1], first, _by_step(seen), _by_step(longer), _by_step(windows.action),
            _by_step(windows.reward), self.batch, np.float32(discount), self.hidden, self.memory,
            self._num_actions, self.last_only, out, loss,
        )  # fmt: skip
        return loss


def _by_step(x: np.ndarray) -> np.ndarray:
    """[r, B, S, ...] as [r, S B, ...], contiguous, rows in the order (step, window)."""
    return np.ascontiguousarray(np.swapaxes(x, 1, 2)).reshape(len(x), -1, *x.shape[3:])


def drqn(
    parameters: DrqnParameters, num_agents: int, num_inputs: int, num_actions: int, streams: Streams
) -> Stations:
    """DRQN learners of all stations."""
    network = DrqnNetwork(parameters, num_inputs, num_actions)
    return Stations(network, parameters.learning, num_agents, num_inputs, num_actions, streams)
