"""Figures 2 and F-A of TOSCN: what their numbers are made of, on small inputs."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.figures import toscn_2, toscn_rate_gap
from netsim.figures.toscn_rate_gap import PLANNERS, POLICIES, Result, Run
from netsim.semantics.bank import load_bank


@pytest.fixture(scope="module")
def bank():
    return load_bank("mnist", "embedded")


def test_top_maps_tell_the_class_and_bottom_maps_do_not(bank):
    """Fig. 2: 16 of 512 maps by |omega| of the class found, against the 16 at the list's end."""
    images = np.full((bank.num_items, 1, 28, 28), 200, np.uint8)
    top, bottom = toscn_2.worth("mnist", bank, images)
    assert top.accuracy.low > 0.9
    assert bottom.accuracy.high < 0.25
    assert top.logit_share.low > 0.05 > abs(bottom.logit_share.mean)
    assert top.object_share == 1.0
    assert top.on_object.mean == pytest.approx(1.0)


def test_an_example_holds_the_maps_of_the_list(bank):
    images = np.zeros((bank.num_items, 1, 28, 28), np.uint8)
    one = toscn_2.example("mnist", bank, images, 3)
    order = bank.using("class_pred").rankings[3]
    maps = bank.quantizer.decode(bank.codes[3])
    np.testing.assert_allclose(one.top[0].ravel(), maps[order[0]])
    np.testing.assert_allclose(one.bottom[-1].ravel(), maps[order[-1]])
    logit = one.cam.sum() / 49 + bank.fc_bias[one.decided]
    assert logit == pytest.approx((bank.map_means[3] @ bank.fc_weight.T + bank.fc_bias).max(), rel=1e-4)


def test_a_mask_keeps_the_cell_that_is_lit():
    maps = np.zeros((16, 7, 7))
    maps[:, 3, 3] = 1.0
    mask = toscn_2._mask(maps, maps, 28)
    assert mask.shape == (28, 28)
    assert mask[13:15, 13:15].min() > 0.75
    assert mask[:8].max() == mask[20:].max() == 0.0
    assert toscn_2._mosaic(maps, 2.0).shape == (31, 31)


def result(run: Run, value: float) -> Result:
    empty = np.empty(0)
    return Result(run, np.array([value - 1.0, value + 1.0]), 1.0, empty, empty, empty, empty)


def test_regret_and_order_of_a_made_up_world():
    """The law's world ranks by name, the bits the other way round; Shannon's planners lose three quarters."""
    found = {}
    for rank, policy in enumerate(POLICIES):
        plans = ("link", "shannon") if policy in PLANNERS else ("link",)
        runs = [(Run(2e6, "shannon", policy, "shannon"), 10.0 + rank)]
        runs += [
            (Run(2e6, "bit", policy, p), (20.0 - rank) * (0.25 if p == "shannon" else 1.0)) for p in plans
        ]
        found |= {run: result(run, value) for run, value in runs}
    assert toscn_rate_gap.kendall_tau(found, 2e6, "shannon") == pytest.approx(-1.0)
    lost = toscn_rate_gap.regret(found, 2e6, "je_equal", "shannon")
    assert lost.mean == pytest.approx((20.0 - 4.0) / 20.0)
    assert toscn_rate_gap.regret(found, 2e6, "random", "shannon").mean == 0.0


def test_every_policy_runs_in_every_world_and_planners_with_every_law():
    runs = toscn_rate_gap.wanted_runs((2e6,))
    assert len(set(runs)) == len(runs) == len(POLICIES) * 4 + len(PLANNERS) * 3 + 1
    scenario = toscn_rate_gap.scenario_of(Run(2e6, "bit", "myopic", "capped"), 3)
    assert (scenario.phy, scenario.agent.plan, scenario.radio.rate) == ("bit", "capped", "shannon")
    scenario = toscn_rate_gap.scenario_of(Run(2e6, "capped", "equal .5", "capped"), 3)
    assert (scenario.phy, scenario.agent.compression, scenario.radio.rate) == ("paper", 0.5, "capped")


def test_rate_gap_at_the_median_snr():
    """Specification 10.6: 3.2 of 15.6 bit/s/Hz at the median of 46.5 dB, 0.68 at 14 dB."""
    bins = {b.low_db: b for b in toscn_rate_gap.rate_bins(3e6, placements=1500)}
    assert bins[40.0].rate_gap == pytest.approx(3.2 / 15.0, abs=0.01)
    assert sum(b.share for b in bins.values()) > 0.98
    snr_db, bits = toscn_rate_gap.goodput.measured_bits()
    at_14 = 0.8 * bits[list(snr_db).index(14.0)] / np.log2(1 + 10**1.4)
    assert at_14 == pytest.approx(0.68, abs=0.01)


def test_accuracy_gap_counts_right_decisions_by_snr():
    n = 400
    task, eta, snr = np.zeros(n, int), np.full(n, 0.5), np.repeat([12.0, 55.0], n // 2)
    score = np.concatenate([np.zeros(n // 2), np.ones(n // 2)])
    run = Run(3e6, "bit", "equal .5", "link")
    low, high = toscn_rate_gap.accuracy_bins(Result(run, score, 1.0, task, eta, snr, score))
    assert (low.packets, high.packets) == (200, 200)
    assert (low.right.mean, high.right.mean) == (0.0, 1.0)
    assert high.paper == pytest.approx(0.925, abs=1e-3)
    assert high.fitted == pytest.approx(0.992, abs=2e-3) == low.fitted
