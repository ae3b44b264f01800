"""Small-scale fading that nobody can influence: CN(0, 1) coefficients of named links, slot by slot.

g <- rho g + sqrt(1 - rho^2) e, e ~ CN(0, 1): the Gauss-Markov process of TOSCN (17) and green P(4). The draws
of a link come from its own stream, in every slot, whoever else draws and whatever policies do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from netsim.streams import Prefetched


class GaussMarkov:
    """The coefficients of several links.

    Args:
        links: one generator per link, read in order.
        shape: coefficients of a link (antennas, taps, subchannels ...).
        rho: correlation from slot to slot; 0 for independent slots.
    """

    def __init__(self, links: Sequence[np.random.Generator], shape: tuple[int, ...], rho: float) -> None:
        self.rho = rho
        self._fresh = math.sqrt(1.0 - rho**2)
        self._links, self._shape = links, (*shape, 2)
        self._innovations = Prefetched(self._draw, 128)
        self._g: np.ndarray | None = None

    def restart(self) -> None:
        """The next `step` starts from the stationary law."""
        self._g = None

    def step(self) -> np.ndarray:
        """The coefficients of the next slot, complex128[links, *shape], E|g|^2 = 1 each."""
        innovation = next(self._innovations)
        self._g = innovation if self._g is None else self.rho * self._g + self._fresh * innovation
        return self._g

    def _draw(self, count: int) -> np.ndarray:
        """Innovations of `count` slots, complex128[count, links, *shape]: real part first, then imaginary."""
        draws = np.stack([link.standard_normal((count, *self._shape)) for link in self._links], axis=1)
        return (draws[..., 0] + 1j * draws[..., 1]) * math.sqrt(0.5)
