"""Levels `table`, `bit` and `waveform`: real bits on the resource elements of an OFDM carrier."""

from __future__ import annotations

import math

import numpy as np

from netsim.engine import SECOND_NS
from netsim.link import FLOOR_GUARD, Block, Grants, Radio, grant_snr_db
from netsim.streams import Streams
from netsim.world import World
from phy.link import Bursts, Received, transmit_bit, transmit_waveform
from phy.ofdm import Ofdm
from phy.table import BerTable, measure_ber_table, transmit_table


class OfdmLink:
    """Levels `table`, `bit` and `waveform`: the same resource elements, three ways to get the errors."""

    carries_bits = True

    def __init__(self, level: str, radio: Radio, ofdm: Ofdm, streams: Streams, num_ues: int) -> None:
        self.level, self.radio, self.ofdm = level, radio, ofdm
        self.padding_bits = radio.bits_per_symbol - 1
        self._data_positions = [s for s in range(ofdm.symbols_per_frame) if not ofdm.is_pilot(s)]
        self._keys = np.array([streams.kernel_key(f"noise/ue{u}") for u in range(num_ues)], dtype=np.uint64)
        self._table: BerTable | None = measured_table(radio.bits_per_symbol) if level == "table" else None

    def quantise(self, bandwidth_hz: np.ndarray) -> np.ndarray:
        return self.num_subcarriers(bandwidth_hz) * self.ofdm.subcarrier_spacing_hz

    def num_subcarriers(self, bandwidth_hz: np.ndarray) -> np.ndarray:
        """Whole subcarriers in each bandwidth, int64."""
        return np.floor(np.asarray(bandwidth_hz) / self.ofdm.subcarrier_spacing_hz + FLOOR_GUARD).astype(np.int64)

    def spectral_efficiency(self, gain: np.ndarray) -> np.ndarray:
        data_symbols = self.ofdm.num_data_symbols(SECOND_NS)
        return np.full(np.shape(gain), self.radio.bits_per_symbol * data_symbols / self.ofdm.subcarrier_spacing_hz)

    def carried_bits(
        self, bandwidth_hz: np.ndarray, power_w: np.ndarray, gain: np.ndarray, duration_ns: int
    ) -> np.ndarray:
        resource_elements = self.num_subcarriers(bandwidth_hz) * self.ofdm.num_data_symbols(duration_ns)
        return np.where(power_w > 0.0, resource_elements * float(self.radio.bits_per_symbol), 0.0)

    def symbols(self, num_bits: int) -> int:
        return -(-num_bits // self.radio.bits_per_symbol)

    def completions_ns(
        self, bandwidth_hz: float, power_w: float, gain: float, num_bits: int, most: int, budget_ns: int
    ) -> list[int]:
        subcarriers = int(self.num_subcarriers(np.asarray(bandwidth_hz)))
        if subcarriers == 0 or power_w <= 0.0:
            return []
        symbols = self.symbols(num_bits)
        count = min(self.ofdm.num_data_symbols(budget_ns) * subcarriers // symbols, most)
        return [min(self._data_symbols_ns(-(-k * symbols // subcarriers)), budget_ns) for k in range(1, count + 1)]

    def _data_symbols_ns(self, count: int) -> int:
        """Time from the start of a slot to the end of its `count`-th data symbol, pilots in between included."""
        periods, rest = divmod(count - 1, len(self._data_positions))
        symbols = periods * self.ofdm.symbols_per_frame + self._data_positions[rest] + 1
        return math.ceil(symbols * self.ofdm.symbol_s * SECOND_NS)

    def snr_db(self, grants: Grants, world: World) -> np.ndarray:
        return grant_snr_db(grants.power_w, self.quantise(grants.bandwidth_hz), world.gain, self.radio.n0)

    def transmit(self, slot: int, grants: Grants, world: World, blocks: list[Block]) -> Received:
        """One call of the PHY for all blocks: bursts share a device's channel and its noise key.

        Energy per resource element: P/n subcarriers for the useful symbol time 1/spacing; the prefix costs power-time on
        top of that (SNR contract, DESIGN 9).
        """
        ue = np.array([block.ue for block in blocks], dtype=np.int64)
        subcarriers = self.num_subcarriers(grants.bandwidth_hz)
        first = np.concatenate([[0], np.cumsum(subcarriers)])[:-1]  # users side by side in the grid
        es = grants.power_w * world.drop.path_gain / (np.maximum(subcarriers, 1) * self.ofdm.subcarrier_spacing_hz)
        lengths = np.array([len(block.payload) for block in blocks], dtype=np.int64)
        bursts = Bursts(
            payload=np.concatenate([block.payload for block in blocks]) if blocks else np.empty(0, np.uint8),
            offset=np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64),
            num_bits=np.array([block.num_bits for block in blocks], dtype=np.int64),
            bits_per_symbol=np.full(len(blocks), self.radio.bits_per_symbol, dtype=np.int64),
            h=self._response(world, subcarriers, first)[ue],
            es=es[ue],
            n0=self.radio.n0,
            first_symbol=np.array([block.first_symbol for block in blocks], dtype=np.int64),
            key=self._keys[ue],
            slot=np.full(len(blocks), slot, dtype=np.int64),
        )
        if self.level == "bit":
            return transmit_bit(bursts)
        if self.level == "table":
            assert self._table is not None
            return transmit_table(bursts, self._table)
        return transmit_waveform(bursts, self.ofdm, world.taps[ue], subcarriers[ue], first[ue])

    def _response(self, world: World, subcarriers: np.ndarray, first: np.ndarray) -> np.ndarray:
        if world.taps.shape[2] == 1:
            return world.taps.astype(np.complex64)
        raise NotImplementedError
