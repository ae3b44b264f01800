"""OFDM numerology: time and frequency grid, prefix and pilot accounting."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from phy.parameters import (
    Checked,
    ParameterError,
    at_least_one,
    non_negative,
    parameter,
    positive,
    power_of_two,
)

_SYMBOLS_PER_15_PERIODS = 14


@dataclass(frozen=True)
class Ofdm(Checked):
    """Numerology of one carrier.

    Symbol period: fft_size + cp_len samples, except for the normal prefix of 3GPP TS 38.211 5.3.1 (144 of
    2048 samples, 18 of 256), where the standard lengthens two prefixes of every 14 symbols so that 14 symbols
    fill 15 useful periods, 1 ms at 15 kHz. Those spare samples (4 of 3840 at the default numerology) are
    counted in the mean period and carry nothing: 200 ms hold 2800 symbols, not 2802.
    """

    subcarrier_spacing_hz: float = parameter(
        15e3, unit="Hz", meaning="subcarrier spacing", source="TS 38.211 4.2", rule=positive
    )
    fft_size: int = parameter(256, meaning="samples of the useful symbol", rule=power_of_two)
    cp_len: int = parameter(
        18, unit="samples", meaning="cyclic prefix", source="TS 38.211 5.3.1", rule=non_negative
    )
    symbols_per_frame: int = parameter(
        14, meaning="period of the pilot pattern in OFDM symbols", source="TS 38.211 4.3.2", rule=at_least_one
    )
    pilot_symbols_per_frame: int = parameter(
        2,
        meaning="whole OFDM symbols of each period that carry pilots",
        source="our choice",
        rule=non_negative,
    )

    def check(self) -> None:
        if self.cp_len >= self.fft_size:
            raise self.error("cp_len", f"must be in [0, fft_size={self.fft_size})")
        if self.pilot_symbols_per_frame >= self.symbols_per_frame:
            raise self.error(
                "pilot_symbols_per_frame", f"must be below symbols_per_frame = {self.symbols_per_frame}"
            )

    @property
    def sample_rate_hz(self) -> float:
        """Samples per second: fft_size * subcarrier_spacing_hz."""
        return self.fft_size * self.subcarrier_spacing_hz

    @property
    def useful_symbol_s(self) -> float:
        """Duration of the symbol without prefix, 1 / subcarrier_spacing_hz."""
        return 1.0 / self.subcarrier_spacing_hz

    @property
    def normal_prefix(self) -> bool:
        """Whether the prefix is the normal one: 14 symbols fill 15 useful periods but for <= fft_size/64
        samples.
        """
        spare = 15 * self.fft_size - _SYMBOLS_PER_15_PERIODS * (self.fft_size + self.cp_len)
        return 0 <= spare <= self.fft_size // 64

    @property
    def symbol_s(self) -> float:
        """Mean OFDM symbol period with prefix in s: 1/14 ms at the default numerology."""
        if self.normal_prefix:
            return 15.0 / _SYMBOLS_PER_15_PERIODS * self.useful_symbol_s
        return (self.fft_size + self.cp_len) / self.sample_rate_hz

    @property
    def symbol_rate(self) -> float:
        """OFDM symbols per second."""
        return 1.0 / self.symbol_s

    @property
    def prefix_overhead(self) -> float:
        """Share of time (and of energy) that the prefix takes, in [0, 1)."""
        return 1.0 - self.useful_symbol_s / self.symbol_s

    @property
    def pilot_overhead(self) -> float:
        """Share of the OFDM symbols that carry pilots, in [0, 1)."""
        return self.pilot_symbols_per_frame / self.symbols_per_frame

    @property
    def overhead(self) -> float:
        """Share of time and energy that goes into prefix and pilots together."""
        return 1.0 - (1.0 - self.prefix_overhead) * (1.0 - self.pilot_overhead)

    def num_symbols(self, duration_ns: int) -> int:
        """Whole OFDM symbols, pilots included, that fit into `duration_ns`: 2800 in 200 ms by default."""
        return math.floor(duration_ns * 1e-9 * self.symbol_rate * (1.0 + 1e-12) + 1e-9)

    def pilot_positions(self) -> tuple[int, ...]:
        """Indices of the pilot symbols in a period, spread evenly ((3, 10) by default)."""
        n, p = self.symbols_per_frame, self.pilot_symbols_per_frame
        return tuple((2 * i + 1) * n // (2 * p) for i in range(p))

    def is_pilot(self, symbol: int) -> bool:
        """Whether OFDM symbol number `symbol` of a slot carries pilots."""
        return symbol % self.symbols_per_frame in self.pilot_positions()

    def num_data_symbols(self, duration_ns: int) -> int:
        """OFDM symbols that carry data in `duration_ns`: 2400 in 200 ms by default."""
        whole, rest = divmod(self.num_symbols(duration_ns), self.symbols_per_frame)
        per_frame = self.symbols_per_frame - self.pilot_symbols_per_frame
        return whole * per_frame + rest - sum(1 for p in self.pilot_positions() if p < rest)

    def num_subcarriers(self, bandwidth_hz: float) -> int:
        """Whole subcarriers in `bandwidth_hz`, floor with a guard of 1e-9 against rounding."""
        return max(0, math.floor(bandwidth_hz / self.subcarrier_spacing_hz + 1e-9))

    def bins(self, num_subcarriers: int, first: int | None = None) -> np.ndarray:
        """FFT bins of contiguous subcarriers, int64[num_subcarriers], negative bins for negative frequencies.

        Args:
            first: lowest subcarrier relative to the carrier frequency; default centres the block.
        """
        if not 1 <= num_subcarriers <= self.fft_size:
            raise ParameterError(
                f"num_subcarriers = {num_subcarriers}: must be in [1, fft_size={self.fft_size}]"
            )
        low = -(num_subcarriers // 2) if first is None else first
        if low < -self.fft_size // 2 or low + num_subcarriers > self.fft_size // 2:
            raise ParameterError(
                f"first = {low}: the block must lie in [-{self.fft_size // 2}, {self.fft_size // 2})"
            )
        return np.arange(low, low + num_subcarriers, dtype=np.int64)
