"""The similarity bank of SC-QoS: what became of each sentence at each number of bits and SNR, measured once.

Learning needs 10^4 to 10^6 decisions; decoding and judging a sentence each time is too slow. A bank holds the
similarities of many noise realisations of the true chain (`scqos_bank_build`), from which the environment
draws; its means are the look-up tables of the mapping-guided baselines (specification scqos 4.6).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from phy.parameters import ParameterError

GRID_DB = (4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0)
_TRAIN_SHARE = 2 / 3


@dataclass(frozen=True, eq=False)
class Bank:
    """Similarities of N sentences; axes i sentence, n bits - 1, k SNR, r realisation."""

    sentences: tuple[str, ...]
    embedding: np.ndarray  # float32[i, D], features before quantisation
    grid_db: np.ndarray  # float64[k], increasing, Es/N0 of 16-QAM over AWGN
    similarity: np.ndarray  # float32[i, n, k, r] in [0, 1]
    clean: np.ndarray  # float32[i, n], without bit errors
    about: dict[str, Any]  # metric, its version and floor, codec, quantiser, seed

    def __post_init__(self) -> None:
        num = len(self.sentences)
        shape = self.similarity.shape
        if len(shape) != 4 or shape[0] != num or shape[2] != len(self.grid_db) or 0 in shape:
            raise ParameterError(
                f"Bank.similarity has shape {shape}: must be ({num}, bits, {len(self.grid_db)}, realisations)"
            )
        if self.clean.shape != shape[:2] or self.embedding.ndim != 2 or len(self.embedding) != num:
            raise ParameterError(
                f"Bank.clean {self.clean.shape}, embedding {self.embedding.shape}: must fit {num} sentences"
            )
        if np.any(np.diff(self.grid_db) <= 0):
            raise ParameterError("Bank.grid_db: must increase")
        for name in ("similarity", "clean"):
            values = getattr(self, name)
            if not (np.min(values) >= 0.0 and np.max(values) <= 1.0):
                raise ParameterError(f"Bank.{name}: must be in [0, 1]")

    @property
    def num_items(self) -> int:
        """Sentences."""
        return len(self.sentences)

    @property
    def max_bits(self) -> int:
        """Largest number of bits a feature."""
        return self.similarity.shape[1]

    @property
    def energy(self) -> str:
        """Whether the symbols of its words radiated what was granted (equal) or not (nominal)."""
        return self.about.get("energy", "nominal")

    @cached_property
    def length(self) -> np.ndarray:
        """int64[i], words of each sentence."""
        return np.array([len(s.split()) for s in self.sentences])

    @cached_property
    def in_training(self) -> np.ndarray:
        """bool[i]: agents learn on these, are judged on the others: two thirds, by a hash of the sentence; of
        a bank that was made for learning all.
        """
        if self.about.get("learning_for"):
            return np.ones(self.num_items, bool)
        # not the hash that splits the corpora: a bank holds test sentences, which are all low in that one
        digests = [hashlib.sha256(f"bank/{s}".encode()).digest() for s in self.sentences]
        return np.array([int.from_bytes(d[:8], "big") < _TRAIN_SHARE * 2.0**64 for d in digests])

    def select(self, items: np.ndarray) -> Bank:
        """The bank of some of the sentences (mask or indices)."""
        chosen = np.arange(self.num_items)[items]
        return replace(
            self,
            sentences=tuple(self.sentences[i] for i in chosen),
            embedding=self.embedding[chosen],
            similarity=self.similarity[chosen],
            clean=self.clean[chosen],
        )

    def realisations(self, chosen: slice | np.ndarray) -> Bank:
        """The bank with some of the noise realisations."""
        return replace(self, similarity=self.similarity[..., chosen])

    def place(self, snr_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower grid point int64 and weight of the next one float64 in [0, 1], clipped at the ends."""
        return grid_place(self.grid_db, snr_db)

    def draw(self, item: np.ndarray, bits: np.ndarray, snr_db: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Similarities that the environment draws: a neighbouring SNR by its weight, then any realisation.

        Args:
            item, bits, snr_db: arrays of one shape. uniform: float64[2, *shape] in [0, 1).
        """
        low, weight = self.place(snr_db)
        k = low + (uniform[0] < weight)
        r = (uniform[1] * self.similarity.shape[3]).astype(np.int64)
        return self.similarity[item, np.asarray(bits) - 1, k, r].astype(np.float64)


@dataclass(frozen=True, eq=False)
class Moments:
    """Means over realisations that depend on the threshold; float64[..., n, k] with or without a leading
    sentence axis.
    """

    grid_db: np.ndarray
    mean: np.ndarray  # E[S]
    valid: np.ndarray  # E[S 1{S >= S_th}]
    probability: np.ndarray  # P(S >= S_th)
    shortfall: np.ndarray  # E[(S_th - S)+]


def moments(bank: Bank, min_similarity: float, by_sentence: bool) -> Moments:
    """Means over realisations, of each sentence or over all of them."""
    s = bank.similarity.astype(np.float64)
    reached = s >= min_similarity
    axes: tuple[int, ...] = (3,) if by_sentence else (0, 3)
    return Moments(
        bank.grid_db,
        s.mean(axis=axes),
        (s * reached).mean(axis=axes),
        reached.mean(axis=axes),
        np.maximum(min_similarity - s, 0.0).mean(axis=axes),
    )


def grid_place(grid_db: np.ndarray, snr_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower neighbour int64 in [0, K - 2] and weight of the upper one in [0, 1], clipped at the ends."""
    low = np.clip(np.searchsorted(grid_db, snr_db, side="right") - 1, 0, len(grid_db) - 2)
    weight = (snr_db - grid_db[low]) / (grid_db[low + 1] - grid_db[low])
    return low, np.clip(weight, 0.0, 1.0)


def interpolated(table: np.ndarray, grid_db: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
    """table[..., n, k] at snr_db[*s]: float64[..., n, *s], linear in dB, constant beyond the ends."""
    low, weight = grid_place(grid_db, snr_db)
    return table[..., low] * (1.0 - weight) + table[..., low + 1] * weight


@dataclass(frozen=True, eq=False)
class Record:
    """A mapping table: values recorded every `step_db` dB (record accuracy, E-26)."""

    snr_db: np.ndarray  # float64[j]
    value: np.ndarray  # float64[n, j]
    nearest: bool = False

    def look_up(self, snr_db: np.ndarray) -> np.ndarray:
        """float64[n, *s]: value at the largest recorded SNR that is not above (or the nearest); at the ends
        the outermost.
        """
        points = self.snr_db
        if self.nearest:
            points = np.concatenate([points[:1], 0.5 * (points[1:] + points[:-1])])
        # the guard makes a recorded SNR find its own record
        at = np.searchsorted(points, np.asarray(snr_db) + 1e-9, side="right") - 1
        return self.value[:, np.clip(at, 0, len(self.snr_db) - 1)]


def record(table: np.ndarray, grid_db: np.ndarray, step_db: float, nearest: bool = False) -> Record:
    """The table[n, k] as recorded every `step_db` from the lowest SNR on."""
    if not step_db > 0.0:
        raise ParameterError(f"record accuracy = {step_db} dB: must be > 0")
    points = np.arange(grid_db[0], grid_db[-1] + 1e-9, step_db)
    return Record(points, interpolated(table, grid_db, points), nearest)
