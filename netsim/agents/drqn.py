"""DRQN: an LSTM over the last observations of a station (specification green 5.4, 5.5).

Source: Hausknecht, Stone, "Deep recurrent Q-learning for partially observable MDPs", AAAI Fall Symposium
2015; sizes and settings of the green paper. Windows start from the zero state in training and in acting
alike. One bias a gate. The LSTM and its gradient are written out in NumPy for all stations at once: at these
sizes (4 windows, 32 units) a library's price a call is most of its time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.agents.q_learning import QLearning, Stations
from netsim.agents.rings import Windows
from netsim.agents.stacked import Shapes, Weights
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


@dataclass(frozen=True)
class _Pass:
    """What the forward pass keeps; leading axes of the stack, then steps S, windows B.

    Attributes:
        first: ReLU layer [..., S * B, hidden]. gates: i, f, g, o after their functions [..., S, B, 4 H].
        cell, tanh_cell, state: [..., S, B, H].
    """

    first: np.ndarray
    gates: np.ndarray
    cell: np.ndarray
    tanh_cell: np.ndarray
    state: np.ndarray


class DrqnNetwork:
    """Linear - ReLU - LSTM - Linear for every station."""

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
        # sigmoid(x) = tanh(x / 2) / 2 + 1/2: one tanh serves all four gates i, f, g, o
        self._inner = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), memory)
        self._offset = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], np.float32), memory)

    def values(self, weights: Weights, history: np.ndarray) -> np.ndarray:
        last = self._forward(weights, history[:, :, None]).state[:, -1]
        return (last @ _t(weights["w2"]))[:, 0] + weights["b2"]

    def _forward(self, w: Weights, x: np.ndarray) -> _Pass:
        """x float32[..., S, B, inputs] through the first layer and, from the zero state, the LSTM."""
        *lead, steps, batch, inputs = x.shape
        h = self.memory
        first = x.reshape(*lead, steps * batch, inputs) @ w["w1"]
        first += w["b1"]
        np.maximum(first, 0.0, out=first)
        gates = first @ w["wx"]
        gates += w["b"]
        gates *= self._inner
        gates = gates.reshape(*lead, steps, batch, 4 * h)
        recurrent = w["wh"] * self._inner
        cell = np.empty((*lead, steps, batch, h), np.float32)
        tanh_cell, state = np.empty_like(cell), np.empty_like(cell)
        fed = np.empty((*lead, batch, 4 * h), np.float32)
        for s in range(steps):
            z, c = gates[..., s, :, :], cell[..., s, :, :]
            if s > 0:
                np.matmul(state[..., s - 1, :, :], recurrent, out=fed)
                z += fed
            np.tanh(z, out=z)
            z *= self._inner
            z += self._offset
            np.multiply(z[..., :h], z[..., 2 * h : 3 * h], out=c)
            if s > 0:
                c += z[..., h : 2 * h] * cell[..., s - 1, :, :]
            t = np.tanh(c, out=tanh_cell[..., s, :, :])
            np.multiply(z[..., 3 * h :], t, out=state[..., s, :, :])
        return _Pass(first, gates, cell, tanh_cell, state)

    def gradient(self, weights: Weights, windows: Windows, discount: float, out: Weights) -> np.ndarray:
        # steps before windows; the target network also reads the observation after the last one
        seen = np.swapaxes(windows.observation, 1, 2)
        after = np.swapaxes(windows.next_observation, 1, 2)
        r, steps, batch, inputs = seen.shape
        x = np.empty((2, r, steps + 1, batch, inputs), np.float32)
        x[0, :, :-1], x[1, :, 1:] = seen, after
        x[0, :, -1] = 0.0  # computed with the rest, used by nobody
        x[1, :, 0] = seen[:, 0]
        kept = self._forward(weights, x)
        online = {name: part[0] for name, part in weights.items()}
        error, per_action, slope = self._errors(weights, windows, kept, discount)
        terms = error.shape[1]
        states = kept.state[0, :, :-1].reshape(r, steps * batch, -1)[:, -terms:]
        np.matmul(_t(per_action), states, out=out["w2"])
        per_action.sum(axis=1, out=out["b2"])
        from_head = np.zeros((r, steps, batch, self.memory), np.float32)
        from_head.reshape(r, steps * batch, -1)[:, -terms:] = slope
        dz = self._through_time(online["wh"], kept, from_head)
        rows = steps * batch
        flat, first = dz.reshape(r, rows, -1), kept.first[0, :, :rows]
        np.matmul(_t(first), flat, out=out["wx"])
        flat.sum(axis=1, keepdims=True, out=out["b"])
        before = kept.state[0, :, : steps - 1].reshape(r, rows - batch, -1)
        np.matmul(_t(before), flat[:, batch:], out=out["wh"])
        below = flat @ _t(online["wx"])
        below *= first > 0.0
        np.matmul(_t(x[0, :, :-1].reshape(r, rows, inputs)), below, out=out["w1"])
        below.sum(axis=1, keepdims=True, out=out["b1"])
        return (error * error).mean(axis=1)

    def _errors(
        self, weights: Weights, windows: Windows, kept: _Pass, discount: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """TD errors float32[r, T], their slopes d loss / d Q by action [r, T, A] and into the LSTM [r, T, H].

        T terms in the order (step, window): all of them, or those of the last step.
        """
        r, batch, steps = windows.action.shape
        terms = batch if self.last_only else batch * steps
        action = np.swapaxes(windows.action, 1, 2).reshape(r, -1)[:, -terms:]
        reward = np.swapaxes(windows.reward, 1, 2).reshape(r, -1)[:, -terms:]
        after = kept.state[1, :, 1:].reshape(r, steps * batch, -1)[:, -terms:]
        best = (after @ _t(weights["w2"][1]) + weights["b2"][1][:, None]).max(axis=-1)
        row = np.arange(r)[:, None]
        heads = weights["w2"][0][row, action]
        states = kept.state[0, :, :-1].reshape(r, steps * batch, -1)[:, -terms:]
        error = np.einsum("rth,rth->rt", states, heads) + weights["b2"][0][row, action]
        error -= reward + np.float32(discount) * best
        scaled = np.float32(2.0 / terms) * error
        per_action = np.zeros((r, terms, weights["w2"].shape[2]), np.float32)
        np.put_along_axis(per_action, action[..., None], scaled[..., None], axis=-1)
        return error, per_action, scaled[..., None] * heads

    def _through_time(self, recurrent: np.ndarray, kept: _Pass, from_head: np.ndarray) -> np.ndarray:
        """d loss / d gate inputs, float32[r, S, B, 4 H], from d loss / d state of the head alone."""
        r, steps, batch, h = from_head.shape
        gates = kept.gates[0, :, :steps].reshape(r, steps, batch, 4, h)
        i, f, g, o = (gates[..., k, :] for k in range(4))
        cell, tanh_cell = kept.cell[0, :, :steps], kept.tanh_cell[0, :, :steps]
        # what multiplies the incoming slopes, for all steps at once
        local = np.empty_like(gates)
        sigmoid = gates * (np.float32(1.0) - gates)
        np.multiply(sigmoid[..., 0, :], g, out=local[..., 0, :])
        local[:, 0, :, 1] = 0.0
        np.multiply(sigmoid[:, 1:, :, 1], cell[:, :-1], out=local[:, 1:, :, 1])
        np.multiply(np.float32(1.0) - g * g, i, out=local[..., 2, :])
        np.multiply(sigmoid[..., 3, :], tanh_cell, out=local[..., 3, :])
        into_cell = o * (np.float32(1.0) - tanh_cell * tanh_cell)
        dz = np.empty((r, steps, batch, 4 * h), np.float32)
        parts = dz.reshape(r, steps, batch, 4, h)
        back = np.ascontiguousarray(_t(recurrent))
        dh, dc = from_head[:, -1], np.zeros((r, batch, h), np.float32)
        for s in range(steps - 1, -1, -1):
            dc += dh * into_cell[:, s]
            np.multiply(local[:, s, :, :3], dc[:, :, None], out=parts[:, s, :, :3])
            np.multiply(local[:, s, :, 3], dh, out=parts[:, s, :, 3])
            if s > 0:
                dc *= f[:, s]
                dh = dz[:, s] @ back
                dh += from_head[:, s - 1]
        return dz


def _t(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)


def drqn(
    parameters: DrqnParameters, num_agents: int, num_inputs: int, num_actions: int, streams: Streams
) -> Stations:
    """DRQN learners of all stations."""
    network = DrqnNetwork(parameters, num_inputs, num_actions)
    return Stations(network, parameters.learning, num_agents, num_inputs, num_actions, streams)
