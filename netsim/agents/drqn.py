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
from netsim.agents.stacked import Shapes, Weights, Workspace
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
    """What the forward pass keeps until the next one. Steps come first: what a step touches lies together.

    Attributes:
        first: ReLU layer [..., S * B, hidden]. gates: i, f, g, o after their functions [S, ..., B, 4 H].
        cell, tanh_cell, state: [S, ..., B, H].
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
        self._work = Workspace()
        # sigmoid(x) = tanh(x / 2) / 2 + 1/2: one tanh serves all four gates i, f, g, o
        self._inner = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), memory)
        self._offset = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], np.float32), memory)

    def values(self, weights: Weights, history: np.ndarray) -> np.ndarray:
        last = self._forward(weights, history[:, :, None]).state[-1]
        return (last @ _t(weights["w2"]))[:, 0] + weights["b2"]

    def _forward(self, w: Weights, x: np.ndarray) -> _Pass:
        """x float32[..., S, B, inputs] through the first layer and, from the zero state, the LSTM."""
        *lead, steps, batch, inputs = x.shape
        h, work, rows = self.memory, self._work, steps * batch
        first = work("first", *lead, rows, self.hidden)
        np.matmul(x.reshape(*lead, rows, inputs), w["w1"], out=first)
        first += w["b1"]
        np.maximum(first, 0.0, out=first)
        fed = np.matmul(first, w["wx"], out=work("fed", *lead, rows, 4 * h))
        gates = work("gates", steps, *lead, batch, 4 * h)
        np.add(np.moveaxis(fed.reshape(*lead, steps, batch, 4 * h), -3, 0), w["b"], out=gates)
        cell, tanh_cell, state = (work(name, steps, *lead, batch, h) for name in ("cell", "tanh", "state"))
        back, forgotten = work("back", *lead, batch, 4 * h), work("forgotten", *lead, batch, h)
        for s in range(steps):
            z, c = gates[s], cell[s]
            if s > 0:
                z += np.matmul(state[s - 1], w["wh"], out=back)
            z *= self._inner
            np.tanh(z, out=z)
            z *= self._inner
            z += self._offset
            np.multiply(z[..., :h], z[..., 2 * h : 3 * h], out=c)
            if s > 0:
                c += np.multiply(z[..., h : 2 * h], cell[s - 1], out=forgotten)
            np.tanh(c, out=tanh_cell[s])
            np.multiply(z[..., 3 * h :], tanh_cell[s], out=state[s])
        return _Pass(first, gates, cell, tanh_cell, state)

    def gradient(self, weights: Weights, windows: Windows, discount: float, out: Weights) -> np.ndarray:
        """Backward pass through time, all stations at once (`q_learning.Network`)."""
        r, batch, steps, inputs = windows.observation.shape
        # steps before windows; the target network also reads the observation after the last one
        x = self._work("x", 2, r, steps + 1, batch, inputs)
        x[0, :, :-1] = np.swapaxes(windows.observation, 1, 2)
        x[0, :, -1] = 0.0  # computed with the rest, used by nobody
        x[1, :, 0] = windows.observation[:, :, 0]
        x[1, :, 1:] = np.swapaxes(windows.next_observation, 1, 2)
        kept = self._forward(weights, x)
        online = {name: part[0] for name, part in weights.items()}
        rows = steps * batch
        states = _rows(kept.state[:-1, 0])
        terms = batch if self.last_only else rows
        after = _rows(kept.state[1:, 1])[:, -terms:]
        error, per_action, slope = self._errors(weights, windows, states[:, -terms:], after, discount)
        np.matmul(_t(per_action), states[:, -terms:], out=out["w2"])
        per_action.sum(axis=1, out=out["b2"])
        from_head = np.zeros((steps, r, batch, self.memory), np.float32)
        of_steps = terms // batch
        from_head[-of_steps:] = np.swapaxes(slope.reshape(r, of_steps, batch, self.memory), 0, 1)
        dz = _rows(self._through_time(online["wh"], kept, from_head))
        first = kept.first[0, :, :rows]
        np.matmul(_t(first), dz, out=out["wx"])
        dz.sum(axis=1, keepdims=True, out=out["b"])
        np.matmul(_t(states[:, : rows - batch]), dz[:, batch:], out=out["wh"])
        below = np.matmul(dz, _t(online["wx"]), out=self._work("below", r, rows, self.hidden))
        below *= first > 0.0
        np.matmul(_t(x[0, :, :-1].reshape(r, rows, inputs)), below, out=out["w1"])
        below.sum(axis=1, keepdims=True, out=out["b1"])
        return (error * error).mean(axis=1)

    def _errors(
        self, weights: Weights, windows: Windows, states: np.ndarray, after: np.ndarray, discount: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """TD errors float32[r, T], their slopes d loss / d Q by action [r, T, A] and into the LSTM [r, T, H].

        T terms in the order (step, window): all of them, or those of the last step. states, after: float32[r,
        T, H], of the online network before and of the target network after each transition.
        """
        r, terms, _ = states.shape
        action = np.swapaxes(windows.action, 1, 2).reshape(r, -1)[:, -terms:]
        reward = np.swapaxes(windows.reward, 1, 2).reshape(r, -1)[:, -terms:]
        best = (after @ _t(weights["w2"][1]) + weights["b2"][1][:, None]).max(axis=-1)
        row = np.arange(r)[:, None]
        heads = weights["w2"][0][row, action]
        error = np.einsum("rth,rth->rt", states, heads) + weights["b2"][0][row, action]
        error -= reward + np.float32(discount) * best
        scaled = np.float32(2.0 / terms) * error
        per_action = self._work("per_action", r, terms, weights["w2"].shape[2])
        per_action[:] = 0.0
        per_action[row, np.arange(terms), action] = scaled
        return error, per_action, scaled[..., None] * heads

    def _through_time(self, recurrent: np.ndarray, kept: _Pass, from_head: np.ndarray) -> np.ndarray:
        """d loss / d gate inputs, float32[S, r, B, 4 H], from d loss / d state of the head alone."""
        steps, r, batch, h = from_head.shape
        gates = self._work("online_gates", steps, r, batch, 4 * h)
        gates[:] = kept.gates[:steps, 0]
        i, f, g, o = (gates[..., k * h : (k + 1) * h] for k in range(4))
        cell, tanh_cell = kept.cell[:steps, 0], kept.tanh_cell[:steps, 0]
        # what multiplies the incoming slopes, for all steps at once
        local = np.subtract(np.float32(1.0), gates, out=self._work("local", *gates.shape))
        local *= gates
        local[..., :h] *= g
        local[0, ..., h : 2 * h] = 0.0
        local[1:, ..., h : 2 * h] *= cell[:-1]
        np.multiply(np.float32(1.0) - g * g, i, out=local[..., 2 * h : 3 * h])
        local[..., 3 * h :] *= tanh_cell
        into_cell = o * (np.float32(1.0) - tanh_cell * tanh_cell)
        local = local.reshape(steps, r, batch, 4, h)
        dz = self._work("dz", *gates.shape)
        parts = dz.reshape(local.shape)
        back = np.ascontiguousarray(_t(recurrent))
        dh, dc = from_head[-1], np.zeros((r, batch, h), np.float32)
        for s in range(steps - 1, -1, -1):
            dc += dh * into_cell[s]
            np.multiply(local[s, :, :, :3], dc[:, :, None], out=parts[s, :, :, :3])
            np.multiply(local[s, :, :, 3], dh, out=parts[s, :, :, 3])
            if s > 0:
                dc *= f[s]
                dh = dz[s] @ back
                dh += from_head[s - 1]
        return dz


def _rows(x: np.ndarray) -> np.ndarray:
    """[S, r, B, n] as [r, S * B, n]."""
    return np.swapaxes(x, 0, 1).reshape(x.shape[1], -1, x.shape[3])


def _t(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)


def drqn(
    parameters: DrqnParameters, num_agents: int, num_inputs: int, num_actions: int, streams: Streams
) -> Stations:
    """DRQN learners of all stations."""
    network = DrqnNetwork(parameters, num_inputs, num_actions)
    return Stations(network, parameters.learning, num_agents, num_inputs, num_actions, streams)
