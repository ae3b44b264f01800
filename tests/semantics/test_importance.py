"""Importance lists: the identity E25 against autograd, how many maps are kept, and the modes."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.semantics import importance
from phy.parameters import ParameterError


def test_autograd_omega_equals_weight_over_49() -> None:
    """Spec toscn, acceptance check 17: P(2) by autograd through the network's own head is W / 49."""
    import torch

    from netsim.semantics.network import Shape
    from netsim.semantics.training import new_network

    network = new_network(Shape(1, 28, 1), seed=3)
    maps = torch.rand((2, 512, 7, 7), requires_grad=True)
    logits = network.classify(network.pooled(maps))
    weight = network.fc.weight.detach().numpy()
    for c in range(10):
        (gradient,) = torch.autograd.grad(logits[:, c].sum(), maps, retain_graph=True)
        omega = gradient.mean(dim=(2, 3)).numpy()
        np.testing.assert_allclose(omega, np.tile(importance.omega(weight)[c], (2, 1)), rtol=0, atol=1e-6)
        assert np.abs(omega).max() > 1e-4, "the comparison is not of zeros"


@pytest.mark.parametrize(
    ("eta", "kept"),
    [(0.0, 512), (0.5, 256), (0.501, 255), (1 / 512, 511), (3 / 512, 509), (0.999999, 1), (1.0, 1)],
)
def test_kept_maps_round_as_m4(eta: float, kept: int) -> None:
    assert importance.num_kept(eta) == kept


def test_every_grid_ratio_keeps_what_it_says() -> None:
    assert [importance.num_kept(m / 512) for m in range(512)] == [512 - m for m in range(512)]


@pytest.mark.parametrize("eta", [-0.01, 1.01, float("nan")])
def test_ratio_outside_is_refused(eta: float) -> None:
    with pytest.raises(ParameterError, match=r"must be in \[0, 1\]"):
        importance.num_kept(eta)


def test_header_bits_follow_e26() -> None:
    bits = {m: importance.header_bits(m) for m in importance.MODES}
    assert bits == {"task_avg": 10, "class_pred": 14, "class_true": 14, "gradact": 512, "random": 512}
    with pytest.raises(ParameterError, match="must be one of task_avg"):
        importance.header_bits("best")


def lists(mode: str) -> np.ndarray:
    weight = np.zeros((10, 6), np.float32)
    weight[0] = [1, -9, 3, 0, 0, 2]
    weight[1] = [0, 0, 0, 5, -6, 1]
    means = np.ones((3, 6), np.float32)
    means[0, 0] = 100.0
    labels, predicted = np.array([0, 1, 0], np.uint8), np.array([0, 1, 1], np.uint8)
    return importance.rankings(mode, weight, labels, predicted, means, np.array([1, 2, 3], np.uint64))


def test_modes_sort_by_magnitude_and_ties_by_index() -> None:
    assert lists("class_true").tolist() == [[1, 2, 5, 0, 3, 4], [4, 3, 5, 0, 1, 2], [1, 2, 5, 0, 3, 4]]
    assert lists("class_pred")[2].tolist() == [4, 3, 5, 0, 1, 2]
    assert lists("task_avg").tolist() == [[1, 4, 3, 2, 5, 0]] * 3
    assert lists("gradact")[0].tolist() == [0, 1, 2, 5, 3, 4]


def test_random_lists_are_permutations_that_belong_to_the_image() -> None:
    first, second = lists("random"), lists("random")
    np.testing.assert_array_equal(first, second)
    assert all(sorted(row) == list(range(6)) for row in first.tolist())
