"""The world that no policy can move: where the devices are and how their channels fade.

Everything here is exogenous: drawn for every device in every slot, by name, so that two policies or two
levels of fidelity see bit-identical positions, gains and fading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netsim.engine import SECOND_NS
from netsim.fading import GaussMarkov
from netsim.streams import Streams
from phy.channel import array_response, exponential_profile, jakes_correlation, rician_mix
from phy.parameters import Checked, at_least_one, between, non_negative, parameter, positive
from phy.pathloss import log_distance_db


@dataclass(frozen=True)
class Cell(Checked):
    """Geometry and large-scale propagation of one cell."""

    num_ues: int = parameter(
        6, meaning="devices in the cell (D)", source="TOSCN Table I", rule=between(1, 10_000)
    )
    radius_m: float = parameter(100.0, meaning="cell radius", unit="m", source="TOSCN Table I", rule=positive)
    min_distance_m: float = parameter(
        10.0,
        meaning="smallest distance of a device from the base station",
        unit="m",
        source="toscn E29",
        rule=positive,
    )
    path_loss_1km_db: float = parameter(
        128.1, meaning="path loss at 1 km", unit="dB", source="TOSCN Table I", rule=non_negative
    )
    path_loss_exponent: float = parameter(
        3.76, meaning="path-loss exponent (37.6 dB a decade)", source="TOSCN Table I", rule=positive
    )
    shadowing_db: float = parameter(
        6.0,
        meaning="standard deviation of log-normal shadowing, one draw per episode",
        unit="dB",
        source="TOSCN Table I",
        rule=non_negative,
    )

    def check(self) -> None:
        if self.min_distance_m >= self.radius_m:
            raise self.error("min_distance_m", f"must be < radius_m={self.radius_m}")


@dataclass(frozen=True)
class Fading(Checked):
    """Small-scale fading of a device's link, block-constant over a slot, unit mean power per antenna."""

    doppler_hz: float | None = parameter(
        1.0,
        meaning="maximum Doppler f_d; correlation over a slot rho = J0(2 pi f_d L); none = independent slots",
        unit="Hz",
        source="TOSCN (17), value toscn E5",
        rule=non_negative,
    )
    rician_k: float = parameter(
        0.0,
        meaning="Rician factor of the first tap (0 = Rayleigh)",
        source="TOSCN after (14)",
        rule=non_negative,
    )
    num_rx_ant: int = parameter(
        1, meaning="receive antennas, combined by MRC", source="TOSCN (15)", rule=between(1, 8)
    )
    num_taps: int = parameter(
        1,
        meaning="taps of the delay line, one sample apart, exponential profile",
        source="our choice",
        rule=at_least_one,
    )
    tap_decay_db: float = parameter(
        3.0,
        meaning="power step from tap to tap",
        unit="dB",
        source="our choice",
        rule=non_negative,
    )

    def correlation(self, slot_ns: int) -> float:
        """rho = J0(2 pi f_d L) of TOSCN (17); 0 for independent slots."""
        if self.doppler_hz is None:
            return 0.0
        return jakes_correlation(self.doppler_hz, slot_ns / SECOND_NS)

    def tap_powers(self) -> np.ndarray:
        """Mean power of each tap, float64[num_taps], sum 1."""
        return exponential_profile(self.num_taps, self.tap_decay_db)


@dataclass(frozen=True)
class Drop:
    """One placement of the devices: an episode's constants, arrays over ue."""

    episode: int
    distance_m: np.ndarray
    shadowing_db: np.ndarray
    path_gain: np.ndarray  # linear power gain alpha of TOSCN (16)
    arrival_rad: np.ndarray  # angle of the line of sight from the array's broadside


class World:
    """Positions and channels of the devices of one cell.

    Attributes:
        drop: constants of the running episode. taps: complex128[num_ues, num_rx_ant, num_taps], small-scale
        coefficients of the slot, E|h|^2 = 1 per antenna. gain: float64[num_ues], alpha * sum over antennas
        and taps of |h|^2: the power gain that the formulas see (toscn M3).
    """

    def __init__(self, cell: Cell, fading: Fading, slot_ns: int, streams: Streams) -> None:
        self.cell, self.fading = cell, fading
        self.rho = fading.correlation(slot_ns)
        self._topology = [streams.sequential(f"topology/cell0/ue{u}") for u in range(cell.num_ues)]
        links = [streams.sequential(f"fading/cell0/ue{u}") for u in range(cell.num_ues)]
        self._scatter = GaussMarkov(links, (fading.num_rx_ant, fading.num_taps), self.rho)
        self._amplitude = np.sqrt(fading.tap_powers())

    def new_drop(self, episode: int) -> Drop:
        """Places the devices anew; the next `fade` starts their channels from the stationary law.

        Distance is uniform in the ring between min_distance_m and radius_m (uniform area density).
        """
        cell = self.cell
        draws = np.array([[g.random(), g.standard_normal(), g.random()] for g in self._topology])
        inner, outer = cell.min_distance_m**2, cell.radius_m**2
        distance = np.sqrt(inner + draws[:, 0] * (outer - inner))
        shadowing = cell.shadowing_db * draws[:, 1]
        loss_at_1m_db = cell.path_loss_1km_db - 30.0 * cell.path_loss_exponent
        loss_db = log_distance_db(distance, cell.path_loss_exponent, loss_at_1m_db) + shadowing
        # half-wavelength uniform linear array, arrival angle uniform in (-pi/2, pi/2)
        arrival = np.pi * (draws[:, 2] - 0.5)
        self.drop = Drop(episode, distance, shadowing, 10.0 ** (-loss_db / 10.0), arrival)
        self._scatter.restart()
        return self.drop

    def fade(self) -> None:
        """Advances every link by one slot (TOSCN (17))."""
        scattered = self._scatter.step()
        self.taps = scattered * self._amplitude
        if self.fading.rician_k > 0.0:
            steering = array_response(self.drop.arrival_rad, self.fading.num_rx_ant)
            first = rician_mix(scattered[:, :, 0], self.fading.rician_k, steering)
            self.taps[:, :, 0] = self._amplitude[0] * first
        self.gain = self.drop.path_gain * (self.taps.real**2 + self.taps.imag**2).sum(axis=(1, 2))
