"""SC-QoS: the world that no policy can move: directions of the users and their channels, slot by slot."""

from __future__ import annotations

import numpy as np

from netsim.engine import SECOND_NS
from netsim.fading import GaussMarkov
from netsim.streams import Streams
from netsim.systems.scqos_radio import Downlink, channel, full_power_snr, line_of_sight
from phy.channel import jakes_correlation


class ScqosWorld:
    """Channels of all users on all subchannels.

    Attributes:
        h: complex128[u, c, m], E|h|^2 = 1 an entry, scattered part Gauss-Markov from slot to slot.
        full_snr: float64[u, c], SNR with all power and the matched beam.
        angle_rad: float64[u], direction of the line of sight, constant over an episode.
    """

    def __init__(self, downlink: Downlink, doppler_hz: float | None, slot_ns: int, streams: Streams) -> None:
        self.downlink = downlink
        rho = 0.0 if doppler_hz is None else jakes_correlation(doppler_hz, slot_ns / SECOND_NS)
        links = [streams.sequential(f"fading/cell0/ue{u}") for u in range(downlink.num_ues)]
        self._scatter = GaussMarkov(links, (downlink.num_subchannels, downlink.num_tx_ant), rho)
        self._topology = [streams.sequential(f"topology/cell0/ue{u}") for u in range(downlink.num_ues)]

    def new_drop(self) -> None:
        """Draws the directions, U(-pi/2, pi/2); the next `fade` starts from the stationary law."""
        self.angle_rad = np.pi * (np.array([stream.random() for stream in self._topology]) - 0.5)
        self._los = line_of_sight(self.angle_rad, self.downlink.num_tx_ant)
        self._scatter.restart()

    def fade(self) -> None:
        """Advances every link by one slot."""
        self.h = channel(self._scatter.step(), self._los, self.downlink.rician_k)
        self.full_snr = full_power_snr(self.downlink, self.h)
