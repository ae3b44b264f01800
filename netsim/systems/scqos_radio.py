"""SC-QoS, the downlink: geometry, Rician channel, beams, SNR and rate (specification scqos 3.4, 11.1).

Pure functions on arrays with any leading axes (slots, candidates). Axes: u users, c subchannels, m antennas.
A user receives h^T f (E-23); subchannels are orthogonal and given one-to-one, so nobody interferes (E-14).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netsim.link_errors import PATTERNS
from phy.beamforming import effective_gain, mrt
from phy.channel import array_response, complex_normal, rician_mix
from phy.parameters import (
    Checked,
    ParameterError,
    Rule,
    at_least_one,
    finite,
    non_negative,
    one_of,
    parameter,
    positive,
)
from phy.pathloss import log_distance_db
from phy.units import db_to_linear, dbm_to_watt

# E-12: the noise of 30 kHz at -174 dBm/Hz and 7 dB noise figure is 42.2 dB below the -80 dBm of the default,
# so the same SNRs need distances 10^(42.23 / 30) = 25.56 times as long
THERMAL = {"downlink.noise_dbm": -122.229, "downlink.distance_m": (153.4, 230.0, 306.7)}


@dataclass(frozen=True)
class Downlink(Checked):
    """One base station with an antenna array, single-antenna users, orthogonal subchannels."""

    num_ues: int = parameter(3, meaning="users (U)", source="SC-QoS Table I", rule=at_least_one)
    num_subchannels: int = parameter(3, meaning="subchannels (C)", source="SC-QoS Table I", rule=at_least_one)
    num_tx_ant: int = parameter(
        6, meaning="antennas of the base station (M)", source="SC-QoS Table I", rule=at_least_one
    )
    rician_k: float = parameter(3.0, meaning="Rician factor, linear", source="scqos E-29", rule=non_negative)
    distance_m: tuple[float, ...] = parameter(
        (6.0, 9.0, 12.0),
        meaning="distance of each user",
        unit="m",
        source="scqos E-12",
        rule=Rule(lambda v: all(d > 0 and math.isfinite(d) for d in v), "must all be > 0 and finite"),
    )
    path_loss_1m_db: float = parameter(
        30.0, meaning="path loss at 1 m", unit="dB", source="SC-QoS Table I", rule=finite
    )
    path_loss_exponent: float = parameter(
        3.0, meaning="path-loss exponent", source="SC-QoS Table I", rule=positive
    )
    power_dbm: float = parameter(
        -10.0, meaning="total transmit power", unit="dBm", source="SC-QoS Table I", rule=finite
    )
    noise_dbm: float = parameter(
        -80.0,
        meaning="noise power in a user's band: 0.01 nW (the paper prints 0.01)",
        unit="dBm",
        source="scqos E-12",
        rule=finite,
    )
    noise_scales_with_bandwidth: bool = parameter(
        False, meaning="noise power in proportion to a user's bandwidth, noise_dbm at an equal share",
        source="SC-QoS (15) has it fixed",
    )  # fmt: skip
    error_places: str = parameter(
        "channel",
        meaning="wrong bits stay where they fell (channel), or as many are put elsewhere in their sentence: "
        "independent, bursts",
        source="docs/fidelity.md",
        rule=one_of(*PATTERNS),
    )
    bandwidth_hz: float = parameter(
        90e3, meaning="total bandwidth (B)", unit="Hz", source="SC-QoS Table I", rule=positive
    )

    def check(self) -> None:
        if self.num_subchannels < self.num_ues:
            raise self.error("num_subchannels", f"must be >= num_ues={self.num_ues} (E-14)")
        if len(self.distance_m) != self.num_ues:
            raise self.error("distance_m", f"must have num_ues={self.num_ues} values")

    @cached_property
    def power_w(self) -> float:
        """Total transmit power."""
        return float(dbm_to_watt(self.power_dbm))

    @cached_property
    def noise_w(self) -> float:
        """Noise power of a user (at an equal share of the band where it scales)."""
        return float(dbm_to_watt(self.noise_dbm))

    @cached_property
    def path_gain(self) -> np.ndarray:
        """float64[u], linear power gain L_u."""
        loss_db = log_distance_db(self.distance_m, self.path_loss_exponent, self.path_loss_1m_db)
        return db_to_linear(-loss_db)

    @cached_property
    def mean_snr(self) -> np.ndarray:
        """float64[u], power_w L_u / noise_w: mean SNR per antenna at full power."""
        return self.power_w * self.path_gain / self.noise_w


def line_of_sight(angle_rad: np.ndarray, num_tx_ant: int) -> np.ndarray:
    """complex128[..., u, 1, m]: array response towards each user, the same on every subchannel."""
    return array_response(angle_rad, num_tx_ant)[..., None, :]


def channel(scatter: np.ndarray, los: np.ndarray, rician_k: float) -> np.ndarray:
    """h complex128[..., u, c, m], E|h|^2 = 1 an entry, from CN(0, 1) samples and `line_of_sight`."""
    return rician_mix(scatter, rician_k, los)


def estimated(rng: np.random.Generator, h: np.ndarray, error: float) -> np.ndarray:
    """What the base station knows of h: sqrt(1 - error^2) h + error w, w ~ CN(0, 1), error in [0, 1]."""
    if not 0.0 <= error <= 1.0:
        raise ParameterError(f"error = {error}: must be in [0, 1]")
    return math.sqrt(1.0 - error * error) * h + error * complex_normal(rng, h.shape)


def full_power_snr(downlink: Downlink, h: np.ndarray) -> np.ndarray:
    """float64[..., u, c]: SNR of a user on a subchannel with all power and its matched beam."""
    return downlink.mean_snr[:, None] * (h.real**2 + h.imag**2).sum(axis=-1)


def assigned(values: np.ndarray, subchannel: np.ndarray) -> np.ndarray:
    """Of values[..., u, c] those on the subchannels int[..., u] that the users have: [..., u].

    Leading axes must be equally many; axes of length 1 are broadcast.
    """
    return np.take_along_axis(values, subchannel[..., None], axis=-1)[..., 0]


def assigned_channel(h: np.ndarray, subchannel: np.ndarray) -> np.ndarray:
    """As `assigned` for channel vectors: h[..., u, c, m] to [..., u, m]."""
    return np.take_along_axis(h, subchannel[..., None, None], axis=-2)[..., 0, :]


def mrt_beams(downlink: Downlink, h: np.ndarray, power_share: np.ndarray) -> np.ndarray:
    """Matched beams sqrt(P p_u) conj(h) / |h| in sqrt(W): complex128[..., u, m] from h[..., u, m] and
    power_share[..., u].
    """
    return np.sqrt(downlink.power_w * power_share)[..., None] * mrt(h)


def isotropic_beams(rng: np.random.Generator, downlink: Downlink, power_share: np.ndarray) -> np.ndarray:
    """Beams of random direction in sqrt(W): complex128[..., u, m] from power_share[..., u]."""
    f = complex_normal(rng, (*power_share.shape, downlink.num_tx_ant))
    f *= np.sqrt(downlink.power_w * power_share)[..., None] / np.linalg.norm(f, axis=-1, keepdims=True)
    return f


def snr_of_beams(downlink: Downlink, h: np.ndarray, beams: np.ndarray) -> np.ndarray:
    """L_u |h^T f|^2 / noise, linear: float64[..., u] from h and beams (sqrt(W)) complex[..., u, m].

    With the noise of an equal share of the band; `noise_scale` gives the factor for another one.
    """
    gain = np.abs(effective_gain(h, beams)) ** 2
    return downlink.path_gain * gain / downlink.noise_w


def snr_of_mrt(
    downlink: Downlink, full_snr: np.ndarray, subchannel: np.ndarray, power_share: np.ndarray
) -> np.ndarray:
    """SNR under MRT, p_u times `full_power_snr` on the user's subchannel: float64[..., u]."""
    return power_share * assigned(full_snr, subchannel)


def noise_scale(downlink: Downlink, bandwidth_hz: np.ndarray) -> np.ndarray | float:
    """Noise power of a grant over that of an equal share: 1, or b_u / (B / U) where noise scales with it."""
    if not downlink.noise_scales_with_bandwidth:
        return 1.0
    return np.asarray(bandwidth_hz) * (downlink.num_ues / downlink.bandwidth_hz)


def rate_bps(bandwidth_hz: np.ndarray, snr: np.ndarray) -> np.ndarray:
    """Shannon rate b log2(1 + SNR) in bit/s (SC-QoS (15))."""
    return bandwidth_hz * np.log2(1.0 + snr)
