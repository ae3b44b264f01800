"""A training stands on its plateau when its second half is flat."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.figures.plateau import plateau


def _curves(slope, noise, seeds=3, segments=12):
    rng = np.random.default_rng(5)
    rise = 1.0 - np.exp(-np.arange(segments) / 0.8) + slope * np.arange(segments)
    return rise + 0.1 * np.arange(seeds)[:, None] + noise * rng.standard_normal((seeds, segments))


def test_a_flat_half_is_a_plateau_and_says_where_it_begins():
    found = plateau(_curves(0.0, 0.002))
    assert found.reached and found.low < 0.0 < found.high
    assert found.begins == 5  # 1 - exp(-x / 0.8) + 0.1 is within 1 % of 1.1 from x = 4 on
    assert found.level == pytest.approx(1.1, rel=0.01)


def test_what_rises_is_none_however_far_seeds_lie_apart():
    found = plateau(_curves(0.03, 0.002))
    assert not found.reached
    assert found.gain == pytest.approx(0.03 * 5 / found.level, rel=0.1)


def test_a_rise_below_one_percent_counts_as_flat():
    found = plateau(_curves(0.001, 1e-5))
    assert found.low > 0.0 and found.reached


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        found = plateau(1.0 + 0.05 * rng.standard_normal((2, 10)))
        inside += found.low <= 0.0 <= found.high
    assert 0.91 <= inside / 400 <= 0.985


def test_short_trainings_say_nothing():
    with pytest.raises(ValueError, match="3 segments: must be >= 4"):
        plateau(np.ones((2, 3)))
