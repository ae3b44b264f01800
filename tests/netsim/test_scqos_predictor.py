"""Regression from features to valid similarity: it finds what is there, and picks by leave-one-out errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netsim.systems import scqos_predictor
from netsim.systems.scqos_bank import Bank, moments
from netsim.systems.scqos_predictor import predicted_valid


def bank(num, seed, noise=0.0):
    """Sentences that are valid at 1 bit if one feature outweighs another, at 2 bits always, at 3 never."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0.1, 1.0, (num, 6)).astype(np.float32)
    similarity = np.full((num, 3, 2, 4), 0.9, np.float32)
    similarity[:, 0] = np.where(features[:, 0] > features[:, 1], 0.9, 0.5)[:, None, None]
    similarity[:, 0] += noise * rng.uniform(-1, 1, (num, 2, 4)).astype(np.float32)
    similarity[:, 2] = 0.3
    similarity = np.minimum(similarity, 1.0)
    sentences = tuple(f"sentence {seed} {i}" for i in range(num))
    return Bank(sentences, features, np.array([4.0, 20.0]), similarity, similarity[:, :, -1, 0], {})


def test_what_the_features_say_is_found_on_other_sentences():
    learned, judged = bank(400, 1), bank(200, 2)
    found = predicted_valid(learned, judged.embedding, 0.8)
    assert found.shape == (200, 3, 2)
    truth = moments(judged, 0.8, by_sentence=True).valid
    np.testing.assert_allclose(found[:, 1:], truth[:, 1:], atol=1e-6)  # the same for everyone
    error = np.mean((found[:, 0] - truth[:, 0]) ** 2)
    assert error < 0.25 * truth[:, 0].var()
    scaled = dataclasses.replace(learned, embedding=3.0 * learned.embedding)
    np.testing.assert_allclose(predicted_valid(scaled, 0.5 * judged.embedding, 0.8), found, atol=1e-4)


@pytest.mark.parametrize("seed", [3, 4])
def test_the_penalty_is_that_of_the_least_leave_one_out_error(seed, monkeypatch):
    learned, judged = bank(30, seed, 0.4), bank(5, 9)
    found = predicted_valid(learned, judged.embedding, 0.8)
    by_hand = []
    for width in scqos_predictor.WIDTHS:
        for penalty in scqos_predictor.PENALTIES:
            by_hand.append((_error_by_hand(learned, width, penalty), width, penalty))
    _, width, penalty = min(by_hand)
    monkeypatch.setattr(scqos_predictor, "WIDTHS", (width,))
    monkeypatch.setattr(scqos_predictor, "PENALTIES", (penalty,))
    np.testing.assert_allclose(predicted_valid(learned, judged.embedding, 0.8), found)


def _error_by_hand(learned, width, penalty):
    """Every sentence predicted from the others; the mean stays that of all, as in the closed form."""
    target = moments(learned, 0.8, by_sentence=True).valid.reshape(learned.num_items, -1)
    target = target - target.mean(axis=0)
    x = scqos_predictor._directions(learned.embedding)
    kernel = scqos_predictor._kernel(x, x, width)
    errors = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        system = kernel[np.ix_(others, others)] + penalty * np.eye(len(x) - 1)
        predicted = kernel[i, others] @ np.linalg.solve(system, target[others])
        errors.append(target[i] - predicted)
    return np.mean(np.square(errors))
