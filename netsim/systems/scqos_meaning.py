"""What sentences are worth at each level of SC-QoS: by tables of similarity, or by every bit.

`paper`: the mean similarity at (n, SNR), or a draw from the bank of measured ones; no bits. `table`, `bit`,
`waveform`: features -> SBQ words -> 16-QAM -> words -> compensator -> decoder -> metric, where the levels
differ in how the bits fall.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from netsim.semantics.sbq_mapping import BITS_PER_SYMBOL, mapping_of
from netsim.semantics.similarity import Memory, load_metric
from netsim.semantics.text_codec import TextCodec
from netsim.streams import Streams
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_bank import Bank, interpolated, moments
from netsim.systems.scqos_later import Backlog, Scores
from netsim.systems.scqos_link import OnAir, on_air, symbol_energy
from phy.bursts import Bursts, Received, burst_bits
from phy.link import equalised_symbols, transmit_bit
from phy.modulation import map_bits
from phy.table import transmit_table
from phy.units import linear_to_db
from phy.waveform import equalised_waveform, transmit_waveform

_NO_PAYLOAD = np.empty(0, np.uint8)
_DECODED = 20_000  # sentences that are remembered by what arrived of them


class TabledMeaning:
    """Level `paper`: the similarity of a sentence is looked up at (n, SNR), or drawn from the bank."""

    carries_bits = False

    def __init__(self, scenario: Scqos, bank: Bank, streams: Streams) -> None:
        self._bank, self._streams = bank, streams
        self._mean = moments(bank, scenario.utility.min_similarity, by_sentence=False).mean
        self._drawn = scenario.semantics.surrogate == "bank"
        self.num_items = bank.num_items
        kind = "draws from the bank" if self._drawn else "mean similarity over sentences at (n, SNR)"
        self.sources: Sequence[str] = [f"formulas: {kind}; {described(bank)}"]

    def features(self, item: np.ndarray) -> np.ndarray:
        """Embeddings of these sentences of the bank, float32[n, D]."""
        return self._bank.embedding[item]

    def payload(self, item: int, bits: int) -> np.ndarray:
        return _NO_PAYLOAD

    def transmit(
        self, slot: int, ue: np.ndarray, payloads: Sequence[np.ndarray], num_bits: np.ndarray,
        first_symbol: np.ndarray, snr: np.ndarray, subcarriers: np.ndarray,
    ) -> None:  # fmt: skip
        return None

    def similarity(
        self, slot: int, ue: np.ndarray, item: np.ndarray, bits: np.ndarray, snr: np.ndarray,
        received: Received | None,
    ) -> Scores:  # fmt: skip
        snr_db = linear_to_db(np.maximum(snr, 1e-12))
        if self._drawn:
            number = np.arange(len(ue)) - np.searchsorted(ue, ue)  # among the user's sentences of the slot
            draws = {
                u: self._streams.at(f"similarity/ue{u}", slot).random((sum(ue == u), 2)) for u in set(ue)
            }
            uniform = np.stack([draws[u][k] for u, k in zip(ue, number)], axis=1)
            return Scores(self._bank.draw(item, bits, snr_db, uniform))
        every = interpolated(self._mean, self._bank.grid_db, snr_db)
        return Scores(every[bits - 1, np.arange(len(bits))])


class ChainMeaning:
    """Levels with bits: the words that arrive, wrong ones included, are all that the receiver has."""

    carries_bits = True

    def __init__(self, scenario: Scqos, bank: Bank, codec: TextCodec, streams: Streams) -> None:
        self._level, self._ofdm = scenario.phy, scenario.ofdm
        self._bank, self._codec = bank, codec
        self._compensated = scenario.semantics.compensator
        self._metric = load_metric(scenario.semantics.metric)
        num_features = scenario.utility.num_features
        choices = range(1, scenario.utility.max_bits + 1)
        self._quantisers = {n: codec.quantizer(n, scenario.semantics.quantiser) for n in choices}
        self._mappings = {n: mapping_of(num_features, n) for n in choices}
        self._keys = np.array(
            [streams.kernel_key(f"noise/ue{u}") for u in range(scenario.downlink.num_ues)], dtype=np.uint64
        )
        self._payloads: dict[tuple[int, int], np.ndarray] = {}
        energy = scenario.semantics.energy
        self._air = {n: self._on_air(n, bank.energy if energy == "bank" else energy) for n in choices}
        self._backlog = Backlog(self._judge)
        self._decoded = Memory(_DECODED)  # sentences by received features and bits
        self.num_items = bank.num_items
        self.sources: Sequence[str] = [
            f"text codec {codec.name} ({codec.sha256[:12]}), similarity {self._metric.name} "
            f"({self._metric.version}); {described(bank)}"
        ]

    def _on_air(self, bits: int, energy: str) -> OnAir:
        known = self._bank.about.get("symbol_energy")
        if known is None:
            words = self._quantisers[bits].encode(self._bank.embedding)
            mapping = self._mappings[bits]
            return on_air(mapping, energy, symbol_energy(mapping.pack(words), mapping.num_bits))
        return on_air(self._mappings[bits], energy, float(known[bits - 1]))

    def features(self, item: np.ndarray) -> np.ndarray:
        """Embeddings of these sentences of the bank, float32[n, D]."""
        return self._bank.embedding[item]

    def payload(self, item: int, bits: int) -> np.ndarray:
        """Words of a sentence as the bits of its 16-QAM symbols; the same every time it is sent."""
        key = (item, bits)
        if key not in self._payloads:
            words = self._quantisers[bits].encode(self._bank.embedding[item : item + 1])
            self._payloads[key] = self._mappings[bits].pack(words)[0]
        return self._payloads[key]

    def transmit(
        self, slot: int, ue: np.ndarray, payloads: Sequence[np.ndarray], num_bits: np.ndarray,
        first_symbol: np.ndarray, snr: np.ndarray, subcarriers: np.ndarray,
    ) -> Received:  # fmt: skip
        """With matched beams and a channel that is flat over a sentence, what is left is one real gain: the
        SNR. Users lie on their own subcarriers, so nobody disturbs anybody (E-14).
        """
        bursts, air, number = self._bursts(slot, ue, payloads, num_bits, first_symbol, snr)
        received = self._sent(bursts, subcarriers)
        arrived = np.split(received.payload, bursts.offset[1:])
        plain = [a.masked(p[None], k[None])[0] for a, p, k in zip(air, arrived, number)]
        return replace(received, payload=np.concatenate([*plain, _NO_PAYLOAD]))

    def _bursts(
        self, slot: int, ue: np.ndarray, payloads: Sequence[np.ndarray], num_bits: np.ndarray,
        first_symbol: np.ndarray, snr: np.ndarray,
    ) -> tuple[Bursts, list[OnAir], np.ndarray]:  # fmt: skip
        """The payloads as they go on the air, how each is masked, and its number."""
        num = len(ue)
        lengths = np.array([len(payload) for payload in payloads], dtype=np.int64)
        air = [self._air[bits // self._bank.embedding.shape[1]] for bits in num_bits.tolist()]
        # a sentence's number: of a user's sentences the later ones of a slot come after the first
        number = slot + np.arange(num) - np.searchsorted(ue, ue)
        masked = [a.masked(p[None], k[None])[0] for a, p, k in zip(air, payloads, number)]
        bursts = Bursts(
            payload=np.concatenate([*masked, _NO_PAYLOAD]),
            offset=np.cumsum(lengths) - lengths,
            num_bits=num_bits,
            bits_per_symbol=np.full(num, BITS_PER_SYMBOL, np.int64),
            h=np.ones((num, 1, 1), np.complex64),
            es=snr / np.array([a.energy for a in air]),
            n0=1.0,
            first_symbol=first_symbol,
            key=self._keys[ue],
            slot=np.full(num, slot, np.int64),
        )
        return bursts, air, number

    def _sent(self, bursts: Bursts, subcarriers: np.ndarray) -> Received:
        if self._level == "waveform":
            taps = np.ones((bursts.size, 1, 1), np.complex128)
            return transmit_waveform(bursts, self._ofdm, taps, subcarriers)
        if self._level == "table":
            from netsim.link_ofdm import measured_table

            return transmit_table(bursts, measured_table(BITS_PER_SYMBOL))
        return transmit_bit(bursts)

    def equalised(
        self, slot: int, ue: np.ndarray, payloads: Sequence[np.ndarray], num_bits: np.ndarray,
        first_symbol: np.ndarray, snr: np.ndarray, subcarriers: np.ndarray,
    ) -> tuple[list[np.ndarray], list[np.ndarray]] | tuple[None, None]:  # fmt: skip
        """What `transmit` slices and what was sent, complex64[symbols] a payload: for looking at. Level
        `table` has no symbols.
        """
        bursts, _, _ = self._bursts(slot, ue, payloads, num_bits, first_symbol, snr)
        if self._level == "table":
            return None, None
        if self._level == "waveform":
            taps = np.ones((bursts.size, 1, 1), np.complex128)
            y, _, start, _ = equalised_waveform(bursts, self._ofdm, taps, subcarriers)
        else:
            y, _, start, _ = equalised_symbols(bursts)
        sent = [map_bits(burst_bits(bursts, i, pad=True), BITS_PER_SYMBOL) for i in range(bursts.size)]
        return [y[first:last] for first, last in itertools.pairwise(start)], sent

    def read(self, payload: np.ndarray, bits: int) -> str:
        """The sentence that the receiver makes of one payload uint8 of `bits` bits a feature."""
        words = self._mappings[bits].unpack(payload[None, :])
        features = self._quantisers[bits].decode(words)
        return self._codec.decode(features, np.array([bits]) if self._compensated else None)[0]

    def sentence(self, item: int) -> str:
        """The sentence of the bank."""
        return self._bank.sentences[item]

    def similarity(
        self, slot: int, ue: np.ndarray, item: np.ndarray, bits: np.ndarray, snr: np.ndarray,
        received: Received | None,
    ) -> Scores:  # fmt: skip
        assert received is not None, "sentences need a link that carries bits"
        sizes = [self._mappings[int(n)].num_bytes for n in bits]
        parts = np.split(received.payload, np.cumsum(sizes)[:-1])
        features = np.empty((len(item), self._bank.embedding.shape[1]), np.float32)
        for row, (part, n) in enumerate(zip(parts, bits.tolist())):
            words = self._mappings[n].unpack(part[None, :])
            features[row] = self._quantisers[n].decode(words)[0]
        return self._backlog.add(item, features, bits)

    def _judge(self, item: np.ndarray, features: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Similarities float64[k] of received features; equal ones, as error-free ones are, decoded once."""
        keys = [row.tobytes() for row in np.column_stack([features, bits.astype(np.float32)])]
        sentences = {key: self._decoded[key] for key in keys if key in self._decoded}
        new = {key: row for row, key in enumerate(keys) if key not in sentences}
        if new:
            rows = np.array(list(new.values()))
            read = self._codec.decode(features[rows], bits[rows] if self._compensated else None)
            for key, sentence in zip(new, read):
                sentences[key] = self._decoded[key] = sentence
        return self._metric.sim([self._bank.sentences[i] for i in item], [sentences[key] for key in keys])


def described(bank: Bank) -> str:
    """The bank in a line: how many sentences, of what, and the floor of its metric."""
    about = bank.about
    origin = about.get("corpus", "made-up sentences")
    floor = f", floor of {about['metric']} {about['floor']:.2f}" if "floor" in about else ""
    return f"{bank.num_items} sentences ({origin}){floor}"
