"""SC-QoS: what a slot was worth, worked out when somebody asks."""

from __future__ import annotations

from functools import cached_property, partial

import numpy as np

from netsim.systems.scqos_later import Later, Scores
from netsim.systems.scqos_model import Utility, psi, reward, valid_sqe


class SlotWorth:
    """Similarities, Psi (17), reward and violated limits of a slot.

    Args:
        ue, arrived, scores: [k], who was sent a sentence, whether it came through in time, how similar it is;
            a sentence that did not has similarity 0. bits, latency: [u], of all users (1 and 0 where none).
    """

    def __init__(
        self, utility: Utility, ue: np.ndarray, arrived: np.ndarray, scores: Scores, bits: np.ndarray,
        latency: np.ndarray,
    ) -> None:  # fmt: skip
        self.utility, self.bits, self.latency = utility, bits, latency
        self._ue, self._arrived, self._scores = ue, arrived, scores

    @cached_property
    def similarity(self) -> np.ndarray:
        """float64[u]."""
        found = np.zeros(len(self.bits))
        found[self._ue] = np.where(self._arrived, self._scores.values, 0.0)
        return found

    @cached_property
    def valid_sqe(self) -> np.ndarray:
        """float64[u], S / n (14) of valid sentences."""
        return valid_sqe(self.utility, self.similarity, self.bits)

    @cached_property
    def psi(self) -> float:
        """Effective SC-QoS (17)."""
        return float(psi(self.utility, self.similarity, self.bits, self.latency))

    @cached_property
    def reward(self) -> float:
        """What the agent is told."""
        return float(reward(self.utility, self.similarity, self.bits, self.latency))

    @property
    def violations(self) -> int:
        """Users below the similarity or above the latency that is asked for."""
        short = self.similarity < self.utility.min_similarity
        return int(short.sum() + (self.latency > self.utility.max_latency_s).sum())

    def of_user(self, u: int) -> Later:
        """Similarity of user u."""
        return Later(partial(self._of_user, u))

    def valid_of_user(self, u: int) -> Later:
        """1 where the similarity of user u reaches the minimum."""
        return Later(partial(self._valid_of_user, u))

    def _of_user(self, u: int) -> float:
        return float(self.similarity[u])

    def _valid_of_user(self, u: int) -> int:
        return int(self.similarity[u] >= self.utility.min_similarity)
