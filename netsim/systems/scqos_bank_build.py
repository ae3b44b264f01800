"""Measures a similarity bank with the true chain: features, SBQ, 16-QAM over the bit-level link, dequantiser,
compensator, decoder, metric (specification scqos 4.6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from netsim.semantics.sbq import ROUNDING, Sbq
from netsim.semantics.sbq_mapping import mapping_of
from netsim.semantics.similarity import SimilarityMetric, measured_floor
from netsim.streams import Streams
from netsim.systems.scqos_bank import GRID_DB, Bank
from netsim.systems.scqos_link import on_air, over_awgn, symbol_energy

CHOICES = (1, 2, 3)


class Codec(Protocol):
    """What a bank needs of a text codec (`netsim.semantics.text_codec.TextCodec`)."""

    @property
    def name(self) -> str:
        """What the codec is called."""

    @property
    def sha256(self) -> str:
        """Hash of its file."""

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Features float32[n, D], >= 0."""

    def quantizer(self, bits: int, mode: str = "midpoint") -> Sbq:
        """The quantiser with the codec's threshold."""

    def decode(self, received: np.ndarray, bits: np.ndarray | int | None) -> list[str]:
        """Sentences from dequantised features float[n, D]; the compensator of `bits`, or none."""


def smallest_hashes(sentences: Sequence[str], count: int) -> list[str]:
    """`count` of the distinct sentences: those of smallest SHA-256, an arbitrary but fixed choice."""
    distinct = dict.fromkeys(sentences)
    return sorted(distinct, key=lambda s: hashlib.sha256(s.encode()).digest())[:count]


def decoded(codec: Codec, words: np.ndarray, quantizer: Sbq, compensated: bool = True) -> list[str]:
    """Sentences of received words uint8[n, D]; equal words are decoded once."""
    distinct, back = np.unique(words, axis=0, return_inverse=True)
    bits = quantizer.bits if compensated else None
    sentences = codec.decode(quantizer.decode(distinct), bits)
    return [sentences[i] for i in back.ravel()]


def build_bank(
    codec: Codec,
    sentences: Sequence[str],
    metric: SimilarityMetric,
    streams: Streams,
    realisations: int,
    grid_db: Sequence[float] = GRID_DB,
    mode: str = "midpoint",
    energy: str = "equal",
    corpus: str = "",
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Bank:
    """Sends every sentence `realisations` times at every number of bits and SNR.

    Args:
        sentences: those of the bank, that the codec was not trained on. grid_db: Es/N0. mode: of SBQ.
        energy: whether symbols radiate what was granted (equal) or as their words make them (nominal),
            `scqos_link`.
        corpus: where the sentences come from, for the record. advance: called with (done, total).
    """
    refs = list(sentences)
    embedding = codec.encode(refs)
    num, num_features = embedding.shape
    similarity = np.empty((num, len(CHOICES), len(grid_db), realisations), np.float32)
    clean = np.empty((num, len(CHOICES)), np.float32)
    energies: list[float] = []
    repeated = [s for s in refs for _ in range(realisations)]
    for column, n in enumerate(CHOICES):
        quantizer, mapping = codec.quantizer(n, mode), mapping_of(num_features, n)
        words = quantizer.encode(embedding)
        clean[:, column] = metric.sim(refs, decoded(codec, words, quantizer))
        payload = np.repeat(mapping.pack(words), realisations, axis=0)
        energies.append(symbol_energy(mapping.pack(words), mapping.num_bits))
        air = on_air(mapping, energy, energies[-1])
        for k, snr_db in enumerate(grid_db):
            key = streams.kernel_key(f"bank/n{n}/{snr_db:g}")
            arrived = over_awgn(payload, mapping.num_bits, snr_db, key, np.arange(len(payload)), air)
            hyps = decoded(codec, mapping.unpack(arrived), quantizer)
            similarity[:, column, k] = metric.sim(repeated, hyps).reshape(num, realisations)
            advance(column * len(grid_db) + k + 1, len(CHOICES) * len(grid_db))
    about = _about(codec, metric, refs, streams, mode, corpus)
    about |= {"symbol_energy": energies, "energy": energy}
    return Bank(tuple(refs), embedding, np.array(grid_db, np.float64), similarity, clean, about)


def _about(
    codec: Codec, metric: SimilarityMetric, refs: list[str], streams: Streams, mode: str, corpus: str
) -> dict[str, Any]:
    floor = measured_floor(metric, refs, streams.sequential("bank/floor"))
    return {
        "codec": codec.name,
        "codec_sha256": codec.sha256,
        "corpus": corpus,
        "metric": metric.name,
        "metric_version": metric.version,
        "floor": floor.mean,
        "floor_std": floor.std,
        "floor_pairs": floor.pairs,
        "quantiser": mode,
        "p_th": [codec.quantizer(n, mode).p_th for n in CHOICES],
        "rounding": ROUNDING,
        "seed": streams.seed,
    }
