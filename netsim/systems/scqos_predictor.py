"""What the features of a sentence say about what will become of it: kernel ridge regression.

A base station that decodes its own words before sending knows much (`local_probe`). This looks at less: the
64 features that every learning agent sees, and a regression from them to the mean valid similarity at each
number of bits and SNR. It answers whether the features hold anything that an agent could learn, and how many
sentences that takes.

Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2nd ed., 5.8 (regularised
regression in a reproducing kernel space), 7.10 (leave-one-out errors of linear smoothers).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from netsim.systems.scqos_bank import Bank, moments

WIDTHS = (1.0, 3.0, 8.0)  # kernel exp(-width |a - b|^2) of unit vectors
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)


def predicted_valid(learned: Bank, features: np.ndarray, min_similarity: float) -> np.ndarray:
    """Mean valid similarity float64[i, n, k] of sentences with features float[i, D], from those of the bank;
    width and penalty are those of the least leave-one-out error on the bank.
    """
    valid = moments(learned, min_similarity, by_sentence=True).valid
    target = valid.reshape(len(valid), -1)
    mean = target.mean(axis=0)
    best, weights, width = np.inf, target, 0.0
    for candidate in WIDTHS:
        values, vectors = _spectrum(learned, candidate)
        rotated = vectors.T @ (target - mean)
        for penalty in PENALTIES:
            inverse = 1.0 / (values + penalty)
            coefficients = vectors @ (inverse[:, None] * rotated)
            left_out = coefficients / ((vectors**2) @ inverse)[:, None]
            error = float((left_out**2).mean())
            if error < best:
                best, weights, width = error, coefficients, candidate
    found = mean + _kernel(_directions(features), _directions(learned.embedding), width) @ weights
    return np.clip(found, 0.0, 1.0).reshape(len(features), *valid.shape[1:])


@cache
def _spectrum(learned: Bank, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of the kernel between the bank's sentences."""
    x = _directions(learned.embedding)
    return np.linalg.eigh(_kernel(x, x, width))


def _directions(features: np.ndarray) -> np.ndarray:
    x = np.asarray(features, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _kernel(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-2.0 * width * (1.0 - a @ b.T))
