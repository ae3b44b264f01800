"""Streams by name: equal names give equal numbers, whoever else draws; slots never shift each other."""

from __future__ import annotations

import numpy as np

from netsim.streams import Prefetched, Streams


def test_a_name_gives_the_same_numbers_whoever_else_draws():
    alone = Streams(7).sequential("fading/cell0/ue3").standard_normal(100)
    crowded = Streams(7)
    for ue in range(10):
        crowded.sequential(f"traffic/ue{ue}").random(1000)
        crowded.at("noise", ue).random(3)
    np.testing.assert_array_equal(crowded.sequential("fading/cell0/ue3").standard_normal(100), alone)


def test_seed_run_and_name_all_matter():
    keys = [
        Streams(seed, run).kernel_key(name)
        for seed in range(5)
        for run in range(5)
        for name in ("a", "b", "a/b")
    ]
    assert len(set(keys)) == len(keys)


def test_indexed_streams_do_not_shift():
    streams = Streams(1)
    straight = [streams.at("exploration", slot).random(4) for slot in range(20)]
    backwards = [streams.at("exploration", slot).random(9)[:4] for slot in reversed(range(20))]
    np.testing.assert_array_equal(straight, backwards[::-1])


def test_slots_of_an_indexed_stream_are_independent():
    """Correlation between neighbouring slots within 4 standard errors of 0; uniform by a chi-square bound."""
    streams = Streams(3)
    draws = np.array([streams.at("x", slot).random(200) for slot in range(500)])
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 4 / np.sqrt(draws.size)
    counts = np.histogram(draws, 50, (0, 1))[0]
    chi2 = ((counts - draws.size / 50) ** 2 / (draws.size / 50)).sum()
    assert chi2 < 49 + 4 * np.sqrt(2 * 49)


def test_prefetching_changes_nothing():
    one_by_one = Streams(2).sequential("fading/cell0/ue0")
    expected = [one_by_one.standard_normal(3) for _ in range(25)]
    for block in (1, 7, 256):
        generator = Streams(2).sequential("fading/cell0/ue0")
        stream = Prefetched(lambda count, g=generator: g.standard_normal((count, 3)), block)
        np.testing.assert_array_equal([next(stream) for _ in range(25)], expected)
