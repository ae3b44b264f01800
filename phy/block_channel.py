"""The channel that a coded block sees: realisations by number, for measurements of link tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from phy import tdl
from phy.channel import frequency_response, tapped_delay_line
from phy.parameters import Checked, at_least_one, non_negative, one_of, parameter, positive


@dataclass(frozen=True)
class BlockChannel(Checked):
    """The small-scale channel of a block, constant in time over the block; E|h|^2 = 1 per antenna.

    Kinds: "awgn", h = 1; "tdl", sample-spaced taps of the given powers; "tdl_a", "tdl_c", "tdl_d", the
    models of `phy.tdl` with their own powers, delays and line of sight. Receive antennas are independent.
    """

    kind: str = parameter(
        "awgn",
        meaning="awgn, tdl (own taps), or a TDL model of TR 38.901",
        source="TR 38.901 7.7.2",
        rule=one_of("awgn", "tdl", "tdl_a", "tdl_c", "tdl_d"),
    )
    num_rx_ant: int = parameter(1, meaning="receive antennas, combined by MRC", rule=at_least_one)
    tap_powers: tuple[float, ...] = parameter((1.0,), meaning="powers of sample-spaced taps, sum 1 (tdl)")
    k_factor: float = parameter(
        0.0, meaning="Rician factor of the first tap, linear (tdl)", rule=non_negative
    )
    fft_size: int = parameter(256, meaning="samples of the useful symbol (tdl)", rule=at_least_one)
    num_subcarriers: int = parameter(1, meaning="subcarriers of the allocation, adjacent", rule=at_least_one)
    delay_spread_s: float = parameter(
        100e-9,
        unit="s",
        meaning="RMS delay spread of a TDL model",
        source="TR 38.901 7.7.3",
        rule=non_negative,
    )
    subcarrier_spacing_hz: float = parameter(
        15e3, unit="Hz", meaning="subcarrier spacing, for a TDL model", source="TS 38.211 4.2", rule=positive
    )

    def check(self) -> None:
        powers = np.array(self.tap_powers)
        if powers.size < 1 or not np.all(powers >= 0.0) or abs(powers.sum() - 1.0) > 1e-6:
            raise self.error("tap_powers", "must be >= 0 and have the sum 1")
        if powers.size > self.fft_size or (self.kind == "tdl" and self.num_subcarriers > self.fft_size):
            raise self.error("fft_size", "must hold all taps and all subcarriers")
        if self.kind == "awgn" and self.num_subcarriers != 1:
            raise self.error("kind", "must be tdl, tdl_a, tdl_c or tdl_d for several subcarriers")
        if self.kind != "tdl" and (powers.size != 1 or self.k_factor > 0.0):
            raise self.error("kind", "must be tdl for own taps")

    def draw(self, key: int, index: NDArray[np.int64]) -> NDArray[np.complex64]:
        """complex64[B, num_rx_ant, num_subcarriers]: the realisations with these numbers under this key."""
        if self.kind == "awgn":
            return np.ones((len(index), self.num_rx_ant, 1), np.complex64)
        bins = np.arange(self.num_subcarriers) - self.num_subcarriers // 2
        out = np.empty((len(index), self.num_rx_ant, self.num_subcarriers), np.complex64)
        antennas = (self.num_rx_ant,)
        model = None if self.kind == "tdl" else tdl.profile(self.kind[-1].upper(), self.delay_spread_s)
        powers = np.array(self.tap_powers)
        for b, number in enumerate(index):
            rng = Generator(Philox(key=(int(number) << 64) | (key & 0xFFFFFFFFFFFFFFFF)))
            if model is None:
                taps = tapped_delay_line(rng, antennas, powers, self.k_factor)
                out[b] = frequency_response(taps, self.fft_size, bins)
            else:
                gains = tdl.path_gains(rng, antennas, model)
                out[b] = tdl.path_response(gains, model.delay_s, bins * self.subcarrier_spacing_hz)
        return out
