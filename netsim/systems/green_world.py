"""Green: where stations and users are, and how all links between them fade.

Exogenous: drawn for every link in every slot, by name, whatever agents, levels and delays do. In every array
over links the first index is the receiving user, the second the transmitting station (E2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from netsim.fading import GaussMarkov
from netsim.streams import Streams
from netsim.systems.green_parameters import Layout
from phy.parameters import at_least_one
from phy.pathloss import log_distance_db
from phy.units import db_to_linear


@dataclass(frozen=True)
class Drop:
    """One placement: constants of a run.

    Attributes:
        station_m, user_m: complex128[M], positions x + jy. distance_m, path_gain: float64[M, M], link
        (user, station); path_gain is the power gain beta of (M1), shadowing included.
    """

    station_m: np.ndarray
    user_m: np.ndarray
    distance_m: np.ndarray
    path_gain: np.ndarray


def station_sites(num_cells: int, isd_m: float) -> np.ndarray:
    """complex128[M]: the sites of a triangular lattice nearest to the origin, by distance, then by angle
    from -30 degrees on. Three cells are an equilateral triangle, seven a cell and its ring (specification
    4.1).
    """
    rings = math.isqrt(num_cells) + 1
    steps = np.arange(-rings, rings + 1)
    a, b = (axis.ravel() for axis in np.meshgrid(steps, steps))
    sites = a * np.exp(-1j * np.pi / 6.0) + b * np.exp(1j * np.pi / 6.0)
    turn = np.round((np.angle(sites) + np.pi / 6.0) % (2.0 * np.pi), 9) % round(2.0 * np.pi, 9)
    nearest = np.lexsort((turn, np.round(np.abs(sites), 9)))[:num_cells]
    return isd_m * sites[nearest]


def user_offsets(layout: Layout, draws: np.ndarray) -> np.ndarray:
    """Position of each user relative to its station, complex128[M], from uniform draws float64[M, 3].

    `radius`: angle U[0, 2 pi), distance U[min_distance, R]. `hexagon`: uniform on the hexagon of circumradius
    R, made of three rhombi; who falls nearer than min_distance is moved out to it.
    """
    if layout.placement == "radius":
        distance = layout.min_distance_m + draws[:, 1] * (layout.radius_m - layout.min_distance_m)
        return distance * np.exp(2j * np.pi * draws[:, 0])
    first = np.exp(2j * np.pi / 3.0 * np.floor(3.0 * draws[:, 0]))
    offset = layout.radius_m * first * (draws[:, 1] + draws[:, 2] * np.exp(2j * np.pi / 3.0))
    distance = np.maximum(np.abs(offset), 1e-9)
    return offset * np.maximum(1.0, layout.min_distance_m / distance)


def path_loss_db(layout: Layout, distance_m: np.ndarray) -> np.ndarray:
    """(M1): 120.9 + 37.6 log10(d / km) dB with the defaults, any shape."""
    loss_at_1m_db = layout.path_loss_1km_db - 30.0 * layout.path_loss_exponent
    return log_distance_db(distance_m, layout.path_loss_exponent, loss_at_1m_db)


class GreenWorld:
    """Positions and channels of all cells.

    Args:
        steps_per_slot: channel steps in a slot, for clocks that are not aligned; rho becomes rho^(1/n)
            (specification 11.4).

    Attributes:
        drop: placement of the running episode. g: complex128[M, M], small-scale coefficients, E|g|^2 = 1.
        gain: float64[M, M], power gains beta |g|^2 (M2).
    """

    def __init__(self, layout: Layout, streams: Streams, steps_per_slot: int = 1) -> None:
        if not at_least_one.holds(steps_per_slot):
            raise layout.error("fading_correlation", f"steps_per_slot = {steps_per_slot}: must be >= 1")
        self.layout = layout
        num_cells = layout.num_cells
        links = [(m, j) for m in range(num_cells) for j in range(num_cells)]
        self._topology = [streams.sequential(f"topology/ue{m}") for m in range(num_cells)]
        self._shadowing = [streams.sequential(f"shadowing/cell{j}/ue{m}") for m, j in links]
        fading = [streams.sequential(f"fading/cell{j}/ue{m}") for m, j in links]
        self.rho = layout.fading_correlation ** (1.0 / steps_per_slot)
        self._fading = GaussMarkov(fading, (), self.rho)

    def new_drop(self) -> Drop:
        """Places the users anew; the next `fade` starts all links from the stationary law."""
        layout, m = self.layout, self.layout.num_cells
        draws = np.array([stream.random(3) for stream in self._topology])
        shadowing = np.array([stream.standard_normal() for stream in self._shadowing]).reshape(m, m)
        station = station_sites(m, layout.isd_m)
        user = station + user_offsets(layout, draws)
        distance = np.abs(user[:, None] - station[None, :])
        loss_db = path_loss_db(layout, distance) + layout.shadowing_db * shadowing
        self.drop = Drop(station, user, distance, db_to_linear(-loss_db))
        self._fading.restart()
        return self.drop

    def fade(self) -> None:
        """One step of every link (P(4))."""
        self.g = self._fading.step().reshape(self.drop.path_gain.shape)
        self.gain = self.drop.path_gain * (self.g.real**2 + self.g.imag**2)

    def gains(self, num_slots: int) -> np.ndarray:
        """The power gains of the next slots, float64[T, M, M]: what `fade` gives one by one."""
        found = np.empty((num_slots, *self.drop.path_gain.shape))
        for slot in range(num_slots):
            self.fade()
            found[slot] = self.gain
        return found
