"""A link between level `paper` and level `bit`: the formula's rate with single mechanisms of the real one.

With none of them it is the formula, with all of them it decides as level `bit` does, to the bit (tests). It
exists to attribute the gap between the two (docs/fidelity.md).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netsim import params
from netsim.engine import SECOND_NS
from netsim.link import FLOOR_GUARD, Block, Grants, PaperLink
from netsim.streams import Streams
from netsim.world import World
from phy.bursts import Received
from phy.parameters import Checked, parameter

if TYPE_CHECKING:
    from netsim.systems.toscn import Toscn

_MOST_BITS = 64  # no element carries more at any SNR a double can hold


@dataclass(frozen=True)
class Partial(Checked):
    """What level `paper` takes from the real link and the real receiver."""

    constellation: bool = parameter(
        False,
        meaning="level paper: bits_per_symbol bits a resource element at any SNR",
        source="docs/fidelity.md",
    )
    overhead: bool = parameter(
        False,
        meaning="level paper: prefix and pilots take their share of the time",
        source="docs/fidelity.md",
    )
    whole_units: bool = parameter(
        False,
        meaning="level paper: whole subcarriers, OFDM symbols and resource elements",
        source="docs/fidelity.md",
    )
    decoder: bool = parameter(
        False,
        meaning="level paper: real images and the classifier instead of the accuracy curve, header included",
        source="docs/fidelity.md",
    )
    bit_errors: bool = parameter(
        False,
        meaning="level paper: the bits of the images pass the bit-level channel",
        source="docs/fidelity.md",
    )

    def check(self) -> None:
        if self.bit_errors and not self.decoder:
            raise self.error("bit_errors", "must be false without decoder: a curve sees no bits")

    @property
    def nothing(self) -> bool:
        """Whether this is the formula as it stands."""
        return self == Partial()


def as_level_bit(scenario: Toscn) -> Toscn:
    """The scenario at level `bit`."""
    off = {f"partial.{field.name}": False for field in dataclasses.fields(Partial)}
    resolved = params.override(scenario, {"phy": "bit", **off})
    return resolved  # type: ignore[return-value]


class PartialLink(PaperLink):
    """Level `paper` with the mechanisms that `scenario.partial` switches on."""

    def __init__(self, scenario: Toscn, streams: Streams) -> None:
        from netsim.link_ofdm import OfdmLink  # brings numba, which level `paper` does without

        super().__init__(scenario.radio)
        self.partial = scenario.partial
        self.carries_bits = self.partial.decoder
        self._real = OfdmLink(as_level_bit(scenario), streams)
        grid = {"radio.channel_knowledge": "perfect"}
        if not self.partial.overhead:
            grid |= {"ofdm.cp_len": 0, "ofdm.pilot_symbols_per_frame": 0}  # type: ignore[dict-item]
        self._grid = OfdmLink(params.override(as_level_bit(scenario), grid), streams)  # type: ignore[arg-type]
        self._data_share = 1.0 - self._grid.ofdm.overhead
        if self.partial.whole_units:
            self.padding_bits = self._real.padding_bits if self.partial.constellation else _MOST_BITS

    def quantise(self, bandwidth_hz: np.ndarray) -> np.ndarray:
        """Whole subcarriers if `whole_units` is on, else the steps of level `paper`, Hz."""
        return (
            self._grid.quantise(bandwidth_hz) if self.partial.whole_units else super().quantise(bandwidth_hz)
        )

    def spectral_efficiency(self, gain: np.ndarray) -> np.ndarray:
        """Bit/s/Hz with the mechanisms that are switched on."""
        snr = self.radio.power_w * gain / (self.radio.n0 * self.radio.bandwidth_hz)
        if self.partial.constellation and self.partial.whole_units:
            return self._grid.spectral_efficiency(gain)
        return self._bits_per_element(snr) * self._data_share

    def carried_bits(
        self, bandwidth_hz: np.ndarray, power_w: np.ndarray, gain: np.ndarray, duration_ns: int
    ) -> np.ndarray:
        """As `link.Link`, with the mechanisms that are switched on."""
        occupied = np.where(bandwidth_hz > 0.0, bandwidth_hz, 1.0)
        bits = self._bits_per_element(power_w * gain / (self.radio.n0 * occupied))
        if self.partial.whole_units:
            elements = self._grid.num_subcarriers(bandwidth_hz) * self._grid.ofdm.num_data_symbols(
                duration_ns
            )
            return np.where(power_w > 0.0, elements * bits, 0.0)
        carried = duration_ns / SECOND_NS * bandwidth_hz * bits * self._data_share
        return np.where(power_w > 0.0, carried, 0.0)

    def symbols(self, num_bits: float) -> int:
        """Resource elements of a packet where bits are carried, else 0."""
        return self._real.symbols(num_bits) if self.carries_bits else 0

    def completions_ns(
        self, bandwidth_hz: float, power_w: float, gain: float, num_bits: float, most: int, budget_ns: int
    ) -> list[int]:
        """As `link.Link`, with the mechanisms that are switched on."""
        if bandwidth_hz <= 0.0 or power_w <= 0.0:
            return []
        snr = power_w * gain / (self.radio.n0 * bandwidth_hz)
        bits = float(self._bits_per_element(np.array(snr)))
        if self.partial.whole_units:
            return self._whole_completions_ns(bandwidth_hz, bits, num_bits, most, budget_ns)
        rate = bandwidth_hz * bits * self._data_share
        count = min(math.floor(budget_ns / SECOND_NS * rate / num_bits + FLOOR_GUARD), most)
        packet_ns = num_bits / rate * SECOND_NS if count else 0.0
        return [min(round(k * packet_ns), budget_ns) for k in range(1, count + 1)]

    def transmit(self, slot: int, grants: Grants, world: World, blocks: list[Block]) -> Received | None:  # type: ignore[override]
        """The bits as they are, or as they pass the channel of level `bit` on the same grants."""
        if not self.carries_bits:
            return None
        if self.partial.bit_errors:
            return self._real.transmit(slot, grants, world, blocks)
        payloads = [block.payload for block in blocks]
        return Received(
            payload=np.concatenate(payloads) if blocks else np.empty(0, np.uint8),
            num_bit_errors=np.zeros(len(blocks), np.int64),
            snr_db=self.snr_db(grants, world)[np.array([block.ue for block in blocks], np.int64)],
        )

    def _bits_per_element(self, snr: np.ndarray) -> np.ndarray:
        """Bits that a resource element carries: the constellation's, or the formula's at this SNR."""
        if self.partial.constellation:
            return np.full(np.shape(snr), float(self.radio.bits_per_symbol))
        return self.law.efficiency(snr)

    def _whole_completions_ns(
        self, bandwidth_hz: float, bits: float, num_bits: float, most: int, budget_ns: int
    ) -> list[int]:
        subcarriers = int(self._grid.num_subcarriers(np.asarray(bandwidth_hz)))
        if subcarriers == 0:
            return []
        elements = math.ceil(num_bits / bits - FLOOR_GUARD)
        count = min(self._grid.ofdm.num_data_symbols(budget_ns) * subcarriers // elements, most)
        ends = (-(-k * elements // subcarriers) for k in range(1, count + 1))
        return [min(self._grid.data_symbols_ns(end), budget_ns) for end in ends]
