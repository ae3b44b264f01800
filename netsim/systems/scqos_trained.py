"""Trained agents of SC-QoS acting without exploration, in NumPy: using one needs no torch."""

from __future__ import annotations

import numpy as np

from netsim.systems.scqos_agent_view import DecodedAction, ScqosView
from netsim.systems.scqos_system import Observation
from phy.parameters import ParameterError

Layers = list[tuple[np.ndarray, np.ndarray]]


class TrainedScqos:
    """A policy of given weights.

    Args:
        layers: ReLU layers `0.weight` float32[out, in], `0.bias` float32[out], `1.weight`, ...; those of a
            hybrid agent have `discrete.` and `continuous.` before their names.

    Raises:
        ParameterError: layers do not fit the view.
    """

    def __init__(self, view: ScqosView, layers: dict[str, np.ndarray]) -> None:
        self.view = view
        space, size = view.space, view.state_size
        if view.decoding.kind == "hybrid":
            self._discrete = _network(layers, "discrete.", size, space.num_discrete)
            inputs = layers["continuous.0.weight"].shape[1] if "continuous.0.weight" in layers else 0
            told = view.told.shape[1] if inputs != size else 0  # 0: parts that know nothing of each other
            self._told = view.told[:, :told]
            self._network = _network(layers, "continuous.", size + told, space.num_continuous)
        else:
            templated = view.decoding.kind == "templated"
            self._network = _network(layers, "", size, space.num_templated if templated else view.action_size)

    def vectors(self, states: np.ndarray) -> np.ndarray:
        """Action vectors float32[e, action_size] in states float32[e, state_size]."""
        kind = self.view.decoding.kind
        if kind == "relaxed":
            return np.tanh(_forward(self._network, states))
        if kind == "templated":
            return _forward(self._network, states).argmax(axis=1)[:, None].astype(np.float32)
        index = _forward(self._discrete, states).argmax(axis=1)
        told = np.concatenate([states, self._told[index]], axis=1)
        mean = np.tanh(_forward(self._network, told))
        return np.concatenate([index[:, None].astype(np.float32), mean], axis=1)

    def act(self, observation: Observation) -> DecodedAction:
        """The decision for an observation."""
        return self.view.action(self.vectors(self.view.state(observation)[None])[0], observation)


def _network(layers: dict[str, np.ndarray], prefix: str, inputs: int, outputs: int) -> Layers:
    count = sum(name.startswith(prefix) and name[len(prefix) :][:1].isdigit() for name in layers) // 2
    try:
        found = [
            (layers[f"{prefix}{k}.weight"].astype(np.float32), layers[f"{prefix}{k}.bias"].astype(np.float32))
            for k in range(count)
        ]
    except KeyError as error:
        raise ParameterError(f"weights: {error} is missing: must hold every layer") from None
    sizes = (found[0][0].shape[1], found[-1][0].shape[0]) if found else (0, 0)
    if sizes != (inputs, outputs):
        raise ParameterError(
            f"weights {prefix}*: {sizes[0]} inputs and {sizes[1]} outputs: must be {inputs} inputs and "
            f"{outputs} outputs"
        )
    return found


def _forward(layers: Layers, x: np.ndarray) -> np.ndarray:
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight.T + bias, 0.0)
    weight, bias = layers[-1]
    return x @ weight.T + bias
