"""Weights of many equal networks in one array, and their optimisers.

The stations' networks have the same shape and nothing else in common. Stacked along a leading axis one call
serves them all; every network is still computed on its own numbers alone, so that a stack of M equals M
stacks of one bit for bit (test), and it does not matter which of them happen to be computed together.
"""

from __future__ import annotations

import math

import numpy as np

from netsim.agents.q_kernels import rmsprop

_KERAS_EPSILON = np.float32(1e-7)
_SMALLEST_SQUARE = np.float32(1e-30)  # its root is nothing beside the epsilon
_BETA_1, _BETA_2, _ADAM_EPSILON = 0.9, 0.999, 1e-8  # Kingma, Ba, "Adam", ICLR 2015, section 2

Shapes = dict[str, tuple[int, ...]]
Weights = dict[str, np.ndarray]


def num_weights(shapes: Shapes) -> int:
    """Weights of one network."""
    return sum(math.prod(shape) for shape in shapes.values())


def views(flat: np.ndarray, shapes: Shapes) -> Weights:
    """The named parts of flat[..., P] as views [..., *shape]."""
    parts, first = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        parts[name] = flat[..., first : first + size].reshape(*flat.shape[:-1], *shape)
        first += size
    return parts


def initial_weights(shapes: Shapes, fan_in: dict[str, int], draws: np.random.Generator) -> np.ndarray:
    """One network's weights, uniform in +-1/sqrt(fan_in) of each part, float32[P] (specification green
    5.4).
    """
    parts = []
    for name, shape in shapes.items():
        bound = 1.0 / math.sqrt(fan_in[name])
        parts.append(draws.uniform(-bound, bound, math.prod(shape)))
    return np.concatenate(parts).astype(np.float32)


class RmsProp:
    """RMSprop as Keras does it: v <- 0.9 v + 0.1 g^2, w <- w - rate g / (sqrt(v) + 1e-7); the rate falls as
    rate / (1 + decay t) (specification green 5.5).

    Args:
        size: networks; num_weights: weights of each.
    """

    def __init__(self, size: int, num_weights: int, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay
        self.square = np.zeros((size, num_weights), np.float32)

    def descend(self, rows: slice, weights: np.ndarray, gradient: np.ndarray, step: np.ndarray) -> None:
        """One step of weights[rows], in place. gradient float32[r, P]; step int64[r] is t."""
        rate = (self.rate / (1.0 + self.decay * step)).astype(np.float32)
        # weights without gradient (dead units) would decay into denormal numbers, which are slow
        rmsprop(weights, gradient, self.square[rows], rate, _KERAS_EPSILON, _SMALLEST_SQUARE)

    def arrays(self) -> Weights:
        """The state, live."""
        return {"square": self.square}


class Adam:
    """Adam on a stack; the rate falls as rate (1 - decay)^t."""

    def __init__(self, size: int, num_weights: int, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay
        self.mean = np.zeros((size, num_weights), np.float32)
        self.square = np.zeros((size, num_weights), np.float32)
        self.steps = np.zeros(size, np.int64)

    def descend(self, rows: slice, weights: np.ndarray, gradient: np.ndarray, step: np.ndarray) -> None:
        """One step of weights[rows], in place."""
        mean, square = self.mean[rows], self.square[rows]
        self.steps[rows] += 1
        steps = self.steps[rows]
        mean += np.float32(1.0 - _BETA_1) * (gradient - mean)
        square += np.float32(1.0 - _BETA_2) * (gradient * gradient - square)
        rate = self.rate * (1.0 - self.decay) ** step / (1.0 - _BETA_1**steps)
        correction = (1.0 / (1.0 - _BETA_2**steps)).astype(np.float32)[:, None]
        root = np.sqrt(square * correction) + np.float32(_ADAM_EPSILON)
        weights -= rate.astype(np.float32)[:, None] * mean / root

    def arrays(self) -> Weights:
        """The state, live."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}
