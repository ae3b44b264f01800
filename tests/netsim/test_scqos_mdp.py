"""States and actions of specification scqos 5.1 and 5.2, check 14."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from netsim.systems.scqos_mdp import ActionSpace, Previous, StateLayout, nothing
from phy.channel import complex_normal
from phy.parameters import ParameterError

SPACE = ActionSpace(3, 3, 6)
RAW = ActionSpace(3, 3, 6, beam="raw")


@pytest.mark.parametrize(("space", "gain", "size"), [(SPACE, True, 232), (RAW, False, 364), (RAW, True, 373)])
def test_state_sizes(space, gain, size):
    layout = StateLayout(space, observe_gain=gain)
    assert layout.size == size
    state = layout.vector(nothing(space), np.ones((3, 64)), np.ones((3, 3, 6), complex), np.ones((3, 3)))
    assert state.shape == (size,) and state.dtype == np.float32


@pytest.mark.parametrize("space", [SPACE, RAW])
def test_parts_of_the_state(space):
    """Every part where 5.1 puts it, for a batch of slots."""
    rng = np.random.default_rng(0)
    layout = StateLayout(space)
    embedding, full_snr = rng.exponential(1.0, (5, 3, 64)), rng.exponential(50.0, (5, 3, 3))
    h, beams = complex_normal(rng, (5, 3, 3, 6)), complex_normal(rng, (5, 3, 6))
    bits, sub = rng.integers(1, 4, (5, 3)), np.stack([rng.permutation(3) for _ in range(5)])
    band, power, sqe, late = rng.random((4, 5, 3))
    reward = rng.standard_normal(5)
    previous = Previous(bits, sub, band, power, beams, sqe, late, reward)
    state = layout.vector(previous, embedding, h, full_snr)
    ends = np.cumsum(list(layout.sizes.values()))
    part = dict(zip(layout.sizes, np.split(state, ends[:-1], axis=-1)))
    assert state.shape == (5, layout.size)
    np.testing.assert_array_equal(part["bits"].reshape(5, 3, 3).argmax(-1) + 1, bits)
    np.testing.assert_array_equal(part["subchannel"].reshape(5, 3, 3).argmax(-1), sub)
    assert part["bits"].sum() == part["subchannel"].sum() == 15
    np.testing.assert_allclose(part["band"], band, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(part["embedding"].reshape(5, 3, 64), axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(part["sqe"], sqe, rtol=1e-6)
    np.testing.assert_allclose(part["latency"], late, rtol=1e-6)
    np.testing.assert_allclose(part["reward"][:, 0], reward, rtol=1e-6)
    gain = part["gain"].reshape(5, 3, 3) * 5.0 + 18.0
    np.testing.assert_allclose(gain, 10 * np.log10(full_snr), rtol=1e-4, atol=1e-4)
    if space is RAW:
        beam = part["beam"].reshape(5, 3, 6, 2)
        np.testing.assert_allclose(beam[..., 0] + 1j * beam[..., 1], beams, rtol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(part["h"].reshape(5, 3, -1), axis=-1), 1.0, rtol=1e-6)
    else:
        np.testing.assert_allclose(part["beam"], power, rtol=1e-6)


def test_first_state_knows_nothing_of_a_last_slot():
    state = StateLayout(SPACE).vector(
        nothing(SPACE), np.ones((3, 64)), np.ones((3, 3, 6)), np.full((3, 3), 10**1.8)
    )
    assert np.count_nonzero(state) == 192


def test_joint_discrete_action():
    """27 x 6 = 162 joint actions, each another one, one-to-one (check 14), and back."""
    index = np.arange(SPACE.num_discrete)
    bits, sub = SPACE.discrete(index)
    assert SPACE.num_discrete == 162
    assert len({(*b, *s) for b, s in zip(bits, sub)}) == 162
    assert all(sorted(s) == [0, 1, 2] for s in sub)
    assert bits.min() == 1 and bits.max() == 3
    np.testing.assert_array_equal(SPACE.index(bits, sub), index)
    with pytest.raises(ParameterError, match="one-to-one"):
        SPACE.index(np.array([1, 1, 1]), np.array([0, 0, 1]))


def test_more_subchannels_than_users():
    space = ActionSpace(2, 4, 6)
    assert len(space.assignments) == 12 and space.num_discrete == 9 * 12
    assert all(len(set(s)) == 2 for s in space.assignments)


def test_too_many_assignments_are_refused():
    with pytest.raises(ParameterError, match="use assignment scores"):
        _ = ActionSpace(10, 10, 1).assignments


def test_best_assignment_by_scores():
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((20, 3, 4))
    found = ActionSpace(3, 4, 6).assign(scores)
    for one, sub in zip(scores, found):
        best = max(itertools.permutations(range(4), 3), key=lambda s: sum(one[u, c] for u, c in enumerate(s)))
        assert tuple(sub) == best


def test_shares():
    """Check 14: shares sum to 1; the smallest possible share is 1 / (1 + 2 e^4)."""
    assert SPACE.num_continuous == 6
    band, power = SPACE.shares(np.random.default_rng(2).uniform(-1, 1, (100, 6)))
    np.testing.assert_allclose(band.sum(-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(power.sum(-1), 1.0, rtol=1e-12)
    band, power = SPACE.shares(np.array([-1.0, 1, 1, 1, -1, -1]))
    assert band[0] == pytest.approx(1 / (1 + 2 * np.exp(4))) and power[0] == pytest.approx(
        1 / (1 + 2 * np.exp(-4))
    )


def test_raw_beams_use_all_power():
    """Check 14: sum |f|^2 = P to 1e-9; order Re f, Im f of each user."""
    x = np.random.default_rng(3).uniform(-1, 1, (10, RAW.num_continuous))
    assert RAW.num_continuous == 39
    _, beams = RAW.raw_beams(x, 1e-4)
    np.testing.assert_allclose((np.abs(beams) ** 2).sum(axis=(-2, -1)), 1e-4, rtol=1e-9)
    np.testing.assert_allclose(beams[0, 1] / np.abs(beams[0, 1, 0]),
                               (x[0, 15:21] + 1j * x[0, 21:27]) / np.hypot(x[0, 15], x[0, 21]))  # fmt: skip
    assert np.isfinite(RAW.raw_beams(np.zeros(39), 1e-4)[1]).all()


def test_templates_of_d3qn():
    """2592 actions: every joint discrete action with every pair of templates."""
    assert SPACE.num_templated == 2592
    bits, sub, band, power = SPACE.templated(np.arange(2592))
    np.testing.assert_allclose(band.sum(-1), 1.0)
    assert len({(*b, *s, *f, *p) for b, s, f, p in zip(bits, sub, band.round(6), power.round(6))}) == 2592
    np.testing.assert_allclose(SPACE.templates[0], 1 / 3)
    assert SPACE.templates[2].argmax() == 1


def test_one_hot_of_the_discrete_action():
    hot = SPACE.one_hot(np.array([1, 2, 3]), np.array([2, 0, 1]))
    assert hot.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0]
