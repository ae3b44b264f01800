"""Green: semantic accuracy f_s(k, SINR) as fit, as toy surface and as measured table (P(5), (M3)).

k is the number of channel symbols a word takes; the SINR is linear and clipped to -10 .. 20 dB, the range of
the published table. Silence (SINR 0) therefore has the accuracy of -10 dB, the floor of the similarity
measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from netsim.systems.green_parameters import MAX_SYMBOLS_PER_WORD, TextCodec

LOW_DB, HIGH_DB = -10.0, 20.0
_LOW, _HIGH = 10.0 ** (LOW_DB / 10.0), 10.0 ** (HIGH_DB / 10.0)
FLOOR, CEILING = 0.42, 0.98  # of the published similarity table, for the scale mapping of section 10.4

# Least-squares fit of the specification to the DeepSC similarity table of Yan, Qin, Zhang, Li, Li, "Resource
# allocation for text semantic communications", IEEE WCL 2022: A1, A2, C1 (1/dB), C2 for k = 1 .. 20
_PUBLISHED = (
    (0.3631, 1.0000, 0.0500, -2.3027), (0.3834, 0.9700, 0.1706, -2.9997), (0.4173, 0.9192, 0.3613, -3.6242),
    (0.4094, 0.9715, 0.5080, -3.2624), (0.4185, 0.9751, 0.5576, -2.3688), (0.4228, 0.9732, 0.6183, -1.7477),
    (0.4280, 0.9831, 0.6718, -1.1680), (0.4130, 0.9769, 0.6518, -0.4213), (0.4261, 0.9836, 0.6867, -0.6242),
    (0.4154, 0.9825, 0.6516, -0.3367), (0.4302, 0.9742, 0.7356, 0.1012), (0.4419, 0.9742, 0.7369, 0.0982),
    (0.4274, 0.9757, 0.6557, 0.3654), (0.4163, 0.9841, 0.7588, 0.7580), (0.4231, 0.9815, 0.7370, 0.9300),
    (0.4151, 0.9834, 0.7040, 1.1102), (0.4344, 0.9831, 0.7136, 1.1925), (0.4234, 0.9811, 0.7416, 1.3179),
    (0.4389, 0.9814, 0.7197, 1.2156), (0.4421, 0.9702, 0.7513, 1.6478),
)  # fmt: skip


class Accuracy(Protocol):
    """f_s: what all three forms offer, with floor and ceiling of the similarity measure."""

    @property
    def floor(self) -> float:
        """Value for unrelated sentences."""

    @property
    def ceiling(self) -> float:
        """Value at high SINR."""

    def at_db(self, k: np.ndarray, sinr_db: np.ndarray) -> np.ndarray:
        """Accuracy for k (int) symbols a word and SINR in dB, already within -10 .. 20; broadcast."""


def clipped_db(sinr: np.ndarray) -> np.ndarray:
    """10 log10 of a linear SINR, clipped to the range of the table, float64, any shape."""
    return 10.0 * np.log10(np.clip(sinr, _LOW, _HIGH))


class LogisticAccuracy:
    """(M3): a logistic curve over dB for each k.

    Args:
        coefficients: float[K, 4], rows A1, A2, C1, C2 for k = 1 .. K.
    """

    def __init__(self, coefficients: np.ndarray, floor: float = FLOOR, ceiling: float = CEILING) -> None:
        self.floor, self.ceiling = floor, ceiling
        self._a1, self._a2, self._c1, self._c2 = np.asarray(coefficients, float).T

    def at_db(self, k: np.ndarray, sinr_db: np.ndarray) -> np.ndarray:
        i = np.asarray(k) - 1
        a1 = self._a1[i]
        return a1 + (self._a2[i] - a1) / (1.0 + np.exp(-(self._c1[i] * sinr_db + self._c2[i])))


def toy_coefficients() -> np.ndarray:
    """One smooth surface instead of twenty fits (specification 4.4, for tests), float64[20, 4]."""
    k = np.arange(1, MAX_SYMBOLS_PER_WORD + 1)
    slope = 0.687 * (1.0 - np.exp(-k / 3.62))
    midpoint_db = -1.40 + 26.9 * np.exp(-(k - 1) / 2.69)
    return np.stack([np.full(k.shape, 0.418), np.full(k.shape, 0.979), slope, -slope * midpoint_db], axis=1)


@dataclass(frozen=True)
class TableAccuracy:
    """Bilinear in (k, dB) between measured points; k is an integer, so linear in dB within a row.

    Attributes:
        k: int64[K], ascending; sinr_db: float64[S], ascending; mean: float64[K, S]. Beyond the table the
        nearest value holds; between two measured k the value is interpolated. about: what was measured
        (green_table_file), empty where the file does not say.
    """

    k: np.ndarray
    sinr_db: np.ndarray
    mean: np.ndarray
    floor: float
    ceiling: float
    about: Mapping[str, Any] = field(default_factory=dict)

    def at_db(self, k: np.ndarray, sinr_db: np.ndarray) -> np.ndarray:
        row, up = _bracket(self.k, np.asarray(k, float))
        column, right = _bracket(self.sinr_db, np.asarray(sinr_db, float))
        below = self.mean[row, column] * (1.0 - right) + self.mean[row, column + 1] * right
        above = self.mean[row + 1, column] * (1.0 - right) + self.mean[row + 1, column + 1] * right
        return below * (1.0 - up) + above * up


def _bracket(grid: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the grid point below each x and the distance to it in steps, clipped to [0, 1]."""
    i = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, len(grid) - 2)
    return i, np.clip((x - grid[i]) / (grid[i + 1] - grid[i]), 0.0, 1.0)


def accuracy_of(codec: TextCodec) -> Accuracy:
    """The accuracy function that the parameters choose."""
    if codec.accuracy == "measured":
        from netsim.systems.green_table_file import table_named

        return table_named(codec.accuracy_file)
    toy = codec.accuracy == "toy"
    return LogisticAccuracy(toy_coefficients() if toy else np.array(_PUBLISHED))
