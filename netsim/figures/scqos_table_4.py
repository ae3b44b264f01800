"""SC-QoS Table IV: sentences and what 1, 2 and 3 bits a feature leave of them; validity by length."""

from __future__ import annotations

import csv
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netsim import stats
from netsim.semantics.sbq_mapping import mapping_of
from netsim.semantics.similarity import SimilarityMetric
from netsim.streams import Streams
from netsim.systems.scqos_bank import Bank
from netsim.systems.scqos_bank_build import CHOICES, Codec, decoded
from netsim.systems.scqos_link import on_air, over_awgn, symbol_energy

SEED = 4
LENGTHS = ((1, 6), (7, 8), (9, 11), (12, 15), (16, 29))  # words


@dataclass(frozen=True)
class Example:
    """A sentence, and what was decoded without bit errors (snr_db inf) or over AWGN."""

    sentence: str
    snr_db: float
    bits: int
    received: str
    similarity: float


@dataclass(frozen=True)
class ByLength:
    """Share of valid sentences of a range of lengths without bit errors, with its 95 % interval."""

    shortest: int
    longest: int
    bits: int
    sentences: int
    valid: float
    low: float
    high: float


def chosen(bank: Bank, count: int) -> np.ndarray:
    """int64[count]: sentences at evenly spaced ranks of length; the bank's order decides among equal ones."""
    order = np.argsort(bank.length, kind="stable")
    return order[np.linspace(0, len(order) - 1, count).round().astype(int)]


def examples(
    bank: Bank,
    codec: Codec,
    metric: SimilarityMetric,
    count: int = 8,
    snrs_db: tuple[float, ...] = (np.inf, 10.0),
) -> list[Example]:
    """What is decoded of `count` sentences of all lengths at every SNR and number of bits."""
    items = chosen(bank, count)
    refs = [bank.sentences[i] for i in items]
    found = []
    for snr_db in snrs_db:
        for n in CHOICES:
            quantizer, mapping = codec.quantizer(n), mapping_of(bank.embedding.shape[1], n)
            payload = mapping.pack(quantizer.encode(bank.embedding[items]))
            air = on_air(mapping, bank.energy, symbol_energy(payload, mapping.num_bits))
            key = Streams(SEED).kernel_key(f"figure/scqos-table-4/n{n}")
            arrived = over_awgn(payload, mapping.num_bits, snr_db, key, np.arange(count), air)
            hyps = decoded(codec, mapping.unpack(arrived), quantizer)
            scores = metric.sim(refs, hyps)
            found += [Example(r, snr_db, n, h, float(s)) for r, h, s in zip(refs, hyps, scores)]
    return sorted(found, key=lambda e: refs.index(e.sentence))


def by_length(bank: Bank, min_similarity: float) -> list[ByLength]:
    """Validity without bit errors by length, from the bank."""
    found = []
    for low, high in LENGTHS:
        here = (bank.length >= low) & (bank.length <= high)
        for n in CHOICES if here.any() else ():
            valid = int((bank.clean[here, n - 1] >= min_similarity).sum())
            i = stats.wilson_interval(valid, int(here.sum()))
            found.append(ByLength(low, high, n, int(here.sum()), i.mean, i.low, i.high))
    return found


@dataclass(frozen=True)
class Choice:
    """Share of 1, 2 and 3 bits that a policy gives sentences of a range of lengths (95 % of the share of 1
    bit, over sentences sent).
    """

    policy: str
    shortest: int
    longest: int
    sent: int
    share_1: float
    low: float
    high: float
    share_2: float
    share_3: float


def choices(policy: str, length: np.ndarray, bits: np.ndarray) -> list[Choice]:
    """Bits by length: words int[t, u] of the sentences, bits int[..., t, u] that they were given."""
    found = []
    lengths = np.broadcast_to(length, bits.shape)
    for low, high in LENGTHS:
        given = bits[(lengths >= low) & (lengths <= high)]
        if len(given):
            i = stats.wilson_interval(int((given == 1).sum()), len(given))
            two, three = (float(np.mean(given == n)) for n in (2, 3))
            found.append(Choice(policy, low, high, len(given), i.mean, i.low, i.high, two, three))
    return found


def write_choices(found: list[Choice], path: Path) -> None:
    """One row per policy and range of lengths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f.name for f in dataclasses.fields(Choice)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for choice in found:
            values = [getattr(choice, name) for name in names]
            writer.writerow([f"{v:.4f}" if isinstance(v, float) else v for v in values])


def write_csv(found: list[Example], path: Path) -> None:
    """One row per sentence, SNR and number of bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("sentence", "snr_db", "bits", "received", "similarity"))
        for e in found:
            writer.writerow((e.sentence, f"{e.snr_db:g}", e.bits, e.received, f"{e.similarity:.4f}"))
