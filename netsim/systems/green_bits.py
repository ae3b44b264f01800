"""Green with bits: bursts of sentences as 16-QAM symbols of cells that really interfere.

Every station sends its own sentences; a burst shorter than the longest one of the slot is filled up with
random bits, so that all cells are on the air for as long. A station without power sends nothing, and nothing
of it arrives. `table` draws errors at the SINR from the table of the Gaussian channel, `bit` superposes the
symbols, `waveform` the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from netsim.semantics.similarity import load_metric
from netsim.semantics.text_codec import load_text_codec
from netsim.streams import Streams
from netsim.systems.green import Green
from netsim.systems.green_curves import Accuracy, TableAccuracy
from netsim.systems.green_table_file import check_codec
from netsim.systems.green_words import RateMatched
from netsim.systems.scqos_bank_file import load_bank
from phy.bursts import Bursts, Received
from phy.cells import transmit_cells, transmit_cells_waveform
from phy.parameters import ParameterError
from phy.philox import random_bytes
from phy.scrambling import scramble
from phy.table import transmit_table

_BITS = 4  # 16-QAM
_FEATURES = 64


@dataclass(frozen=True)
class OnAir:
    """What a slot sent and what arrived; lists over the stations that sent, in ascending order.

    Attributes:
        cell: int64[B]. received: bits that were decided, padding left out. sinr_db: float64[B] of the very
            samples, nan where the level has none. bursts, of: all bursts, the fill-up behind those of `cell`,
            and the station of each; coefficient: as in `CellLink.send`.
    """

    cell: np.ndarray
    received: Received
    num_bits: np.ndarray
    sinr_db: np.ndarray
    bursts: Bursts
    of: np.ndarray
    coefficient: np.ndarray


class Sentences:
    """Bursts of held-out sentences, as bits and back."""

    def __init__(self, scenario: Green) -> None:
        text = scenario.text
        bank = load_bank(text.sentences)
        self._sentences = bank.sentences
        self._burst = text.burst_sentences
        self.codec = load_text_codec(bank.about["codec"])
        self.metric = load_metric(text.metric)
        self._link = RateMatched(self.codec, _FEATURES)
        self._features: dict[int, np.ndarray] = {}  # of each sentence: they do not depend on k
        self._sent: dict[tuple[int, int], np.ndarray] = {}
        self.num_items = len(self._sentences)
        self.source = (
            f"text codec {self.codec.name} ({self.codec.sha256[:12]}), {self.num_items} sentences "
            f"({bank.about.get('corpus', 'made-up')}), similarity {self.metric.name} ({self.metric.version})"
        )

    def must_fit(self, accuracy: Accuracy) -> None:
        """Is a measured f_s one of this codec and this metric?

        Raises:
            ParameterError: it is one of others, whose floor and ceiling mean nothing here.
        """
        if not isinstance(accuracy, TableAccuracy):
            return
        check_codec(accuracy, self.codec.sha256, "codec.accuracy_file")
        judged_by = accuracy.about.get("metric", self.metric.name)
        if judged_by != self.metric.name:
            raise ParameterError(
                f"codec.accuracy_file: measured by {judged_by}, must be by text.metric={self.metric.name} "
                "(or set codec.accuracy=published)"
            )

    def burst(self, item: int) -> list[str]:
        """The sentences of a burst, the given one first."""
        return [self._sentences[(item + i) % self.num_items] for i in range(self._burst)]

    def bits(self, item: int, k: int) -> list[np.ndarray]:
        """Bits uint8[4 k L] of each sentence of the burst at k symbols a word."""
        return [self._bits(index % self.num_items, k) for index in range(item, item + self._burst)]

    def _bits(self, index: int, k: int) -> np.ndarray:
        sentence = self._sentences[index]
        if index not in self._features:
            self._features[index] = self.codec.encode([sentence])[0]
        if (index, k) not in self._sent:
            self._sent[index, k] = self._link.matched(self._features[index], sentence, k)
        return self._sent[index, k]

    def similarity(self, item: int, k: int, bits: np.ndarray, sinr_db: float) -> float:
        """Mean similarity of the burst's sentences from the bits uint8[n] that arrived."""
        return float(self.metric.sim(self.burst(item), self.read(item, k, bits, sinr_db)).mean())

    def read(self, item: int, k: int, bits: np.ndarray, sinr_db: float) -> list[str]:
        """The sentences that a user makes of the bits uint8[n] of a burst."""
        ends = np.cumsum([len(part) for part in self.bits(item, k)])
        return self._link.receive(np.split(bits, ends[:-1]), k, sinr_db)


class CellLink:
    """All stations' bursts of a slot through the channel, together."""

    def __init__(self, scenario: Green, streams: Streams) -> None:
        m = scenario.layout.num_cells
        self._level, self._ofdm, self._noise_w = scenario.phy, scenario.ofdm, scenario.power.noise_w
        self._width = scenario.ofdm.num_subcarriers(scenario.codec.symbol_rate_hz)
        self._keys = np.array([streams.kernel_key(f"noise/ue{i}") for i in range(m)], dtype=np.uint64)
        self._padding = [streams.kernel_key(f"padding/cell{i}") for i in range(m)]

    def send(
        self, slot: int, cells: np.ndarray, bits: Sequence[np.ndarray], coefficient: np.ndarray,
        sinr: np.ndarray,
    ) -> OnAir:  # fmt: skip
        """Bits of the stations `cells` through the channel.

        Args:
            coefficient: complex128[M, M], sqrt(p_j beta_ij) g_ij of station j at user i, in sqrt(W); the
                noise of a user is noise_w, both spread evenly over the subcarriers. sinr: float64[M], (M2).
        """
        sizes = np.array([len(part) for part in bits], dtype=np.int64)
        air = [scramble(np.packbits(part), rnti=int(cell) + 1) for cell, part in zip(cells, bits)]
        longest = int(sizes.max(initial=0))
        # the fill-up begins with the next whole byte; the codeword's own spare bits belong to it
        fill = [
            random_bytes(self._padding[int(cell)], slot, (longest + 7) // 8 - len(part))
            for cell, part in zip(cells, air)
        ]
        lengths = np.array([len(part) for part in air], dtype=np.int64)
        tails = np.array([len(part) for part in fill], dtype=np.int64)
        filled = np.flatnonzero(tails > 0)
        parts = [*air, *(fill[i] for i in filled)]
        of = np.concatenate([np.arange(len(cells)), filled]).astype(np.int64)
        all_lengths = np.concatenate([lengths, tails[filled]])
        bursts = Bursts(
            payload=np.concatenate([*parts, np.empty(0, np.uint8)]),
            offset=np.cumsum(all_lengths) - all_lengths,
            num_bits=np.concatenate([sizes, 8 * tails[filled]]),
            bits_per_symbol=np.full(len(of), _BITS, np.int64),
            h=np.ones((len(of), 1, 1), np.complex64),
            es=np.maximum(sinr[cells[of]], 1e-30),
            n0=1.0,
            first_symbol=np.concatenate([np.zeros(len(cells), np.int64), 2 * lengths[filled]]),
            key=self._keys[cells[of]],
            slot=np.full(len(of), slot, np.int64),
        )
        received, sinr_db = self._through(bursts, cells[of], coefficient)
        kept = len(cells)
        decided = [
            np.unpackbits(scramble(part, rnti=int(cell) + 1))[:size]
            for cell, part, size in zip(cells, np.split(received.payload, np.cumsum(lengths)), sizes)
        ]
        own = Received(
            np.concatenate([*decided, np.empty(0, np.uint8)]), received.num_bit_errors[:kept],
            received.snr_db[:kept],
        )  # fmt: skip
        noisy = replace(bursts, n0=self._noise_w)
        return OnAir(cells, own, sizes, sinr_db[:kept], noisy, cells[of], coefficient)

    def _through(
        self, bursts: Bursts, cell: np.ndarray, coefficient: np.ndarray
    ) -> tuple[Received, np.ndarray]:
        unknown = np.full(bursts.size, np.nan)
        if self._level == "table":
            from netsim.link_ofdm import measured_table

            return transmit_table(bursts, measured_table(_BITS)), unknown
        noisy = replace(bursts, n0=self._noise_w)
        if self._level == "waveform":
            taps = coefficient[:, :, None]
            return transmit_cells_waveform(noisy, cell, taps, self._ofdm, self._width), unknown
        return transmit_cells(noisy, cell, coefficient[:, :, None].astype(np.complex64))
