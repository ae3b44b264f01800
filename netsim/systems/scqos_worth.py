"""SC-QoS: what a slot was worth, worked out when somebody asks."""

from __future__ import annotations

from functools import cached_property, partial

import numpy as np

from netsim.systems.scqos_later import Later, Scores
from netsim.systems.scqos_model import Utility, penalties, valid_sqe


class SlotWorth:
    """Similarities, Psi (17), reward and violated limits of a slot; a user with several sentences counts with
    their mean, one without any not at all.

    Args:
        ue, arrived, scores, bits, latency: [k], of each sentence: whose it is, whether it came through in
            time (if not, its similarity is 0), its similarity, bits a feature, latency in s.
    """

    def __init__(
        self, utility: Utility, num_ues: int, ue: np.ndarray, arrived: np.ndarray, scores: Scores,
        bits: np.ndarray, latency: np.ndarray,
    ) -> None:  # fmt: skip
        self.utility, self.bits, self.latency = utility, bits, latency
        self._num_ues, self._ue, self._arrived, self._scores = num_ues, ue, arrived, scores
        self._weight = 1.0 / np.bincount(ue, minlength=num_ues)[ue]

    @cached_property
    def similarity(self) -> np.ndarray:
        """float64[k]."""
        return np.where(self._arrived, self._scores.values, 0.0)

    @cached_property
    def _sqe(self) -> np.ndarray:
        return valid_sqe(self.utility, self.similarity, self.bits)

    @cached_property
    def psi(self) -> float:
        """Effective SC-QoS (17)."""
        each = self._sqe - self.utility.latency_weight * self.latency
        return float((self._weight * each).sum())

    @cached_property
    def reward(self) -> float:
        """What the agent is told (20)."""
        if self.utility.reward == "psi":
            return self.psi
        p_s, p_g = penalties(self.utility, self.similarity, self.latency)
        each = self.utility.similarity_weight * p_s + self.utility.limit_weight * p_g
        return self.psi + float((self._weight * each).sum())

    @property
    def violations(self) -> int:
        """Sentences below the similarity and those above the latency that are asked for."""
        short = self.similarity < self.utility.min_similarity
        return int(short.sum() + (self.latency > self.utility.max_latency_s).sum())

    def valid_sqe_of_users(self) -> np.ndarray:
        """float64[u], S / n (14) of valid sentences, mean over a user's."""
        return self._of_users(self._sqe)

    def latency_of_users(self) -> np.ndarray:
        """float64[u] in s, mean over a user's sentences."""
        return self._of_users(self.latency)

    def _of_users(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self._ue, self._weight * values, self._num_ues)

    def of_sentence(self, k: int) -> Later:
        """Similarity of sentence k."""
        return Later(partial(self._of_sentence, k))

    def valid_of_sentence(self, k: int) -> Later:
        """1 where the similarity of sentence k reaches the minimum."""
        return Later(partial(self._valid_of_sentence, k))

    def _of_sentence(self, k: int) -> float:
        return float(self.similarity[k])

    def _valid_of_sentence(self, k: int) -> int:
        return int(self.similarity[k] >= self.utility.min_similarity)
