"""Levels `table`, `bit` and `waveform`: real bits on the resource elements of an OFDM carrier."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import replace

import numpy as np

from netsim.engine import SECOND_NS
from netsim.link import FLOOR_GUARD, Block, Grants, grant_snr_db
from netsim.streams import Streams
from netsim.systems.toscn import Toscn
from netsim.world import World
from phy.bursts import Bursts, Received, burst_bits
from phy.channel import frequency_response
from phy.estimation import Estimator, transmit_bit_estimated
from phy.injection import transmit_injected
from phy.link import equalised_symbols, transmit_bit
from phy.modulation import map_bits
from phy.scrambling import scramble
from phy.table import BerTable, measure_ber_table, transmit_table
from phy.waveform import equalised_waveform, transmit_waveform


class OfdmLink:
    """The same resource elements at three levels, which differ in how the errors come about.

    Devices lie side by side in the carrier, in the order of their index; a device's packets follow each other
    in its data resource elements, frequency first. Modulation is fixed (no code, no repetition): what arrives
    wrong stays wrong.
    """

    carries_bits = True

    def __init__(self, scenario: Toscn, streams: Streams) -> None:
        level, radio, ofdm, num_ues = scenario.phy, scenario.radio, scenario.ofdm, scenario.cell.num_ues
        self.level, self.radio, self.ofdm = level, radio, ofdm
        self.estimator: Estimator | None = None
        if radio.channel_knowledge != "perfect":
            powers = tuple(float(power) for power in scenario.fading.tap_powers())
            self.estimator = Estimator(method=radio.channel_knowledge, tap_powers=powers)
        self.padding_bits = radio.bits_per_symbol - 1
        self._data_positions = [s for s in range(ofdm.symbols_per_frame) if not ofdm.is_pilot(s)]
        self._keys = np.array([streams.kernel_key(f"noise/ue{u}") for u in range(num_ues)], dtype=np.uint64)

    def num_subcarriers(self, bandwidth_hz: np.ndarray) -> np.ndarray:
        """Whole subcarriers in each bandwidth, int64."""
        return np.floor(np.asarray(bandwidth_hz) / self.ofdm.subcarrier_spacing_hz + FLOOR_GUARD).astype(
            np.int64
        )

    def quantise(self, bandwidth_hz: np.ndarray) -> np.ndarray:
        """Whole subcarriers, Hz."""
        return self.num_subcarriers(bandwidth_hz) * self.ofdm.subcarrier_spacing_hz

    def spectral_efficiency(self, gain: np.ndarray) -> np.ndarray:
        """Net bits of the data resource elements per second and hertz; the same at every gain (fixed
        modulation).
        """
        data_symbols = self.ofdm.num_data_symbols(SECOND_NS)
        return np.full(
            np.shape(gain), self.radio.bits_per_symbol * data_symbols / self.ofdm.subcarrier_spacing_hz
        )

    def carried_bits(
        self, bandwidth_hz: np.ndarray, power_w: np.ndarray, gain: np.ndarray, duration_ns: int
    ) -> np.ndarray:
        """Bits of the data resource elements in `duration_ns`, pilots and prefix taken off, float64."""
        resource_elements = self.num_subcarriers(bandwidth_hz) * self.ofdm.num_data_symbols(duration_ns)
        return np.where(power_w > 0.0, resource_elements * float(self.radio.bits_per_symbol), 0.0)

    def symbols(self, num_bits: float) -> int:
        """Resource elements of a packet, the last one filled up."""
        return -(-int(num_bits) // self.radio.bits_per_symbol)

    def completions_ns(
        self, bandwidth_hz: float, power_w: float, gain: float, num_bits: float, most: int, budget_ns: int
    ) -> list[int]:
        """As `link.Link`: whole symbols, pilots in between included."""
        subcarriers = int(self.num_subcarriers(np.asarray(bandwidth_hz)))
        if subcarriers == 0 or power_w <= 0.0:
            return []
        symbols = self.symbols(num_bits)
        count = min(self.ofdm.num_data_symbols(budget_ns) * subcarriers // symbols, most)
        return [
            min(self.data_symbols_ns(-(-k * symbols // subcarriers)), budget_ns) for k in range(1, count + 1)
        ]

    def data_symbols_ns(self, count: int) -> int:
        """Time from the start of a grant to the end of its `count`-th data symbol, pilots in between
        included.
        """
        periods, rest = divmod(count - 1, len(self._data_positions))
        symbols = periods * self.ofdm.symbols_per_frame + self._data_positions[rest] + 1
        return math.ceil(symbols * self.ofdm.symbol_s * SECOND_NS)

    def snr_db(self, grants: Grants, world: World) -> np.ndarray:
        """`grant_snr_db` of the subcarriers in use."""
        return grant_snr_db(grants.power_w, self.quantise(grants.bandwidth_hz), world.gain, self.radio.n0)

    def transmit(self, slot: int, grants: Grants, world: World, blocks: list[Block]) -> Received:
        """One call of the PHY for all blocks: the bursts of a device share its channel and its noise key.

        Energy per resource element: P / n subcarriers over the useful symbol time 1 / spacing. The prefix
        costs time on top of that, the pilots whole symbols (SNR contract, docs/snr.md).
        """
        bursts, widths, lowest = self._on_air(slot, grants, world, blocks)
        taps = world.taps[np.array([block.ue for block in blocks], dtype=np.int64)]
        received = self._through_the_channel(bursts, taps, widths, lowest)
        parts = np.split(received.payload, bursts.offset[1:])
        decided = [self._scrambled(block.ue, part) for block, part in zip(blocks, parts)]
        return replace(received, payload=np.concatenate(decided) if blocks else received.payload)

    def equalised(
        self, slot: int, grants: Grants, world: World, blocks: list[Block]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What `transmit` slices and what was sent, complex64[symbols] a block, unit mean energy: for looking
        at, with the channel known to the receiver.
        """
        bursts, widths, lowest = self._on_air(slot, grants, world, blocks)
        if self.level == "waveform":
            taps = world.taps[np.array([block.ue for block in blocks], dtype=np.int64)]
            y, _, start, _ = equalised_waveform(bursts, self.ofdm, taps, widths, lowest)
        else:
            y, _, start, _ = equalised_symbols(bursts)
        order = self.radio.bits_per_symbol
        sent = [map_bits(burst_bits(bursts, i, pad=True), order) for i in range(bursts.size)]
        return [y[first:last] for first, last in itertools.pairwise(start)], sent

    def _on_air(
        self, slot: int, grants: Grants, world: World, blocks: list[Block]
    ) -> tuple[Bursts, np.ndarray, np.ndarray]:
        """The blocks as bursts, and the width and lowest subcarrier of each."""
        ue = np.array([block.ue for block in blocks], dtype=np.int64)
        flat = world.taps.shape[2] == 1 and self.estimator is None
        subcarriers = self.num_subcarriers(grants.bandwidth_hz)
        # a device without subcarriers sends no block; 1 keeps its row well defined
        occupied_hz = np.maximum(subcarriers, 1) * self.ofdm.subcarrier_spacing_hz
        es = grants.power_w * world.drop.path_gain / occupied_hz
        codewords = [self._scrambled(block.ue, block.payload) for block in blocks]
        lengths = np.array([len(codeword) for codeword in codewords], dtype=np.int64)
        lowest = (self.ofdm.fft_size - subcarriers.sum()) // 2 + np.cumsum(subcarriers) - subcarriers
        bursts = Bursts(
            payload=np.concatenate(codewords) if blocks else np.empty(0, np.uint8),
            offset=np.cumsum(lengths) - lengths,
            num_bits=np.array([block.num_bits for block in blocks], dtype=np.int64),
            bits_per_symbol=np.full(len(blocks), self.radio.bits_per_symbol, dtype=np.int64),
            h=world.taps.astype(np.complex64)[ue]
            if flat
            else self._response(world.taps, subcarriers, lowest)[ue],
            es=es[ue],
            n0=self.radio.n0,
            first_symbol=np.array([block.first_symbol for block in blocks], dtype=np.int64),
            key=self._keys[ue],
            slot=np.full(len(blocks), slot, dtype=np.int64),
            num_subcarriers=np.ones_like(ue) if flat else subcarriers[ue],
        )
        return bursts, subcarriers[ue], lowest[ue]

    def _through_the_channel(
        self, bursts: Bursts, taps: np.ndarray, widths: np.ndarray, lowest: np.ndarray
    ) -> Received:
        if self.level == "waveform":
            return transmit_waveform(bursts, self.ofdm, taps, widths, lowest, self.estimator)
        if self.level == "table":
            return transmit_table(bursts, measured_table(self.radio.bits_per_symbol))
        if self.estimator is not None:
            return transmit_bit_estimated(bursts, self.ofdm, self.estimator)
        if self.radio.errors == "injection":
            return transmit_injected(bursts)
        return transmit_bit(bursts)

    def _scrambled(self, ue: int, payload: np.ndarray) -> np.ndarray:
        """A device's codeword scrambled, or descrambled: the operation is its own inverse."""
        return scramble(payload, rnti=ue + 1) if self.radio.scrambling else payload

    def _response(self, taps: np.ndarray, subcarriers: np.ndarray, lowest: np.ndarray) -> np.ndarray:
        """Frequency response of each device on its own subcarriers, complex64[ue, antenna, widest]; one tap:
        flat.
        """
        response = np.zeros((*taps.shape[:2], int(subcarriers.max(initial=1))), np.complex64)
        for ue, width in enumerate(subcarriers):
            if width:
                bins = self.ofdm.bins(int(width), int(lowest[ue]) - self.ofdm.fft_size // 2)
                response[ue, :, :width] = frequency_response(taps[ue], self.ofdm.fft_size, bins)
        return response


TABLE_SNR_DB = tuple(range(-12, 41))  # beyond 40 dB uncoded 64-QAM makes fewer than 1e-9 errors
TABLE_BITS = 400_000


@functools.cache
def measured_table(bits_per_symbol: int) -> BerTable:
    """Bit error table of a modulation over AWGN, measured here with the bit-level link under a key of its
    own.

    Counts are kept in the table; the measurement takes a fraction of a second and is the same on every
    machine.
    """
    key = Streams(0).kernel_key(f"table/{bits_per_symbol}")
    return measure_ber_table(bits_per_symbol, np.array(TABLE_SNR_DB, float), TABLE_BITS, key)
