"""A bank without a codec, for tests and examples: similarities drawn to match the means and valid shares that
the specification's prototype measured (scqos 9.4).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from netsim.systems.scqos_bank import GRID_DB, Bank
from phy.theory import ber_awgn
from phy.units import db_to_linear

# [n, k] on GRID_DB
MEAN = np.array(
    [
        [0.43, 0.49, 0.56, 0.65, 0.71, 0.75, 0.76, 0.77],
        [0.68, 0.73, 0.79, 0.84, 0.87, 0.89, 0.90, 0.90],
        [0.58, 0.67, 0.75, 0.82, 0.88, 0.91, 0.93, 0.93],
    ]
)
PROBABILITY = np.array(
    [
        [0.06, 0.11, 0.19, 0.31, 0.40, 0.47, 0.50, 0.50],
        [0.37, 0.48, 0.57, 0.65, 0.72, 0.76, 0.78, 0.78],
        [0.25, 0.37, 0.50, 0.61, 0.74, 0.81, 0.84, 0.84],
    ]
)
_THRESHOLD, _SPREAD, _EXACT = 0.8, 0.2, 0.8


def synthetic_bank(rng: np.random.Generator, num_items: int = 300, realisations: int = 16) -> Bank:
    """Sentences of 4 to 20 made-up words. Each has a difficulty, common to all its realisations; how much the
    noise adds to it grows with the bit error rate, so that at 20 dB all realisations agree.
    """
    length = rng.integers(4, 21, num_items)
    # one sentence from each equal part of the distribution: 300 sentences have the means of many
    difficulty = ndtri((rng.permutation(num_items) + 0.5) / num_items)
    noisy = 1.0 - np.exp(-20.0 * ber_awgn(4, db_to_linear(np.array(GRID_DB))))
    noise = rng.standard_normal((num_items, 3, len(GRID_DB), realisations))
    share = noisy[:, None]
    latent = np.sqrt(1.0 - share) * difficulty[:, None, None, None] + np.sqrt(share) * noise
    similarity = _similarity(ndtr(latent), MEAN[..., None], PROBABILITY[..., None])
    clean = _similarity(ndtr(np.tile(difficulty[:, None], 3)), MEAN[:, -1], PROBABILITY[:, -1])
    return Bank(
        sentences=tuple(" ".join(f"w{i}x{j}" for j in range(n)) for i, n in enumerate(length)),
        embedding=rng.exponential(1.0, (num_items, 64)).astype(np.float32),
        grid_db=np.array(GRID_DB),
        similarity=similarity.astype(np.float32),
        clean=clean.astype(np.float32),
        about={"metric": "synthetic", "floor": 0.21},
    )


def _similarity(quantile: np.ndarray, mean: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Similarity of a sentence whose luck is `quantile` (uniform): the luckiest `probability` are valid, four
    fifths of those exact; the others spread about the level that gives the mean.
    """
    rank = (quantile - (1.0 - probability)) / probability  # >= 0: valid
    valid = np.where(rank > 1.0 - _EXACT, 1.0, _THRESHOLD + (1.0 - _THRESHOLD) * rank / (1.0 - _EXACT))
    mean_valid = _EXACT + (1.0 - _EXACT) * 0.5 * (1.0 + _THRESHOLD)
    centre = (mean - probability * mean_valid) / (1.0 - probability)
    low, high = centre - _SPREAD, np.minimum(centre + _SPREAD, _THRESHOLD - 1e-3)
    failed = low + (high - low) * quantile / (1.0 - probability)
    return np.clip(np.where(rank >= 0.0, valid, failed), 0.0, 1.0)
