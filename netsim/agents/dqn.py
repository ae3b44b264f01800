"""DQN: one hidden ReLU network a station, plain targets (specification green 5.4, 5.5).

Source: Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015), without
error clipping; sizes and settings of the green paper. Batches are drawn with replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.agents.q_learning import QLearning, Stations
from netsim.agents.rings import Windows
from netsim.agents.stacked import Shapes, Weights
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
    """Linear - ReLU - Linear - ReLU - Linear for every station, with the chain rule written out."""

    window = 1

    def __init__(self, parameters: DqnParameters, num_inputs: int, num_actions: int) -> None:
        one, two = parameters.hidden_1, parameters.hidden_2
        self.batch = parameters.batch
        self.shapes: Shapes = {
            "w1": (num_inputs, one), "b1": (1, one), "w2": (one, two), "b2": (1, two),
            "w3": (two, num_actions), "b3": (1, num_actions),
        }  # fmt: skip
        self.fan_in = {"w1": num_inputs, "b1": num_inputs, "w2": one, "b2": one, "w3": two, "b3": two}

    def values(self, weights: Weights, history: np.ndarray) -> np.ndarray:
        return self._forward(weights, history)[-1][:, 0]

    def _forward(self, w: Weights, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hidden layers and values for x float32[..., B, inputs]."""
        one = x @ w["w1"]
        one += w["b1"]
        np.maximum(one, 0.0, out=one)
        two = one @ w["w2"]
        two += w["b2"]
        np.maximum(two, 0.0, out=two)
        values = two @ w["w3"]
        values += w["b3"]
        return one, two, values

    def gradient(self, weights: Weights, windows: Windows, discount: float, out: Weights) -> np.ndarray:
        """Backward pass of `_forward`, all stations at once (`q_learning.Network`)."""
        x = np.stack([windows.observation[:, :, 0], windows.next_observation[:, :, 0]])
        one, two, values = self._forward(weights, x)
        action, reward = windows.action[:, :, :1], windows.reward[:, :, 0]
        best = values[1].max(axis=-1)
        error = np.take_along_axis(values[0], action, axis=-1)[..., 0]
        error -= reward + np.float32(discount) * best
        slope = np.zeros(values.shape[1:], np.float32)
        np.put_along_axis(slope, action, (np.float32(2.0 / self.batch) * error)[..., None], axis=-1)
        online = {name: part[0] for name, part in weights.items()}
        np.matmul(_t(two[0]), slope, out=out["w3"])
        slope.sum(axis=-2, keepdims=True, out=out["b3"])
        slope = slope @ _t(online["w3"])
        slope *= two[0] > 0.0
        np.matmul(_t(one[0]), slope, out=out["w2"])
        slope.sum(axis=-2, keepdims=True, out=out["b2"])
        slope = slope @ _t(online["w2"])
        slope *= one[0] > 0.0
        np.matmul(_t(x[0]), slope, out=out["w1"])
        slope.sum(axis=-2, keepdims=True, out=out["b1"])
        return (error * error).mean(axis=-1)


def _t(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)


def dqn(
    parameters: DqnParameters, num_agents: int, num_inputs: int, num_actions: int, streams: Streams
) -> Stations:
    """DQN learners of all stations."""
    network = DqnNetwork(parameters, num_inputs, num_actions)
    return Stations(network, parameters.learning, num_agents, num_inputs, num_actions, streams)
