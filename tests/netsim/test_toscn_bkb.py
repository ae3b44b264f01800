"""Background knowledge base: counts against the bank's own accuracy, the fit against a curve it must find."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.semantics.bank import load_bank
from netsim.streams import Streams
from netsim.systems.toscn import Curve
from netsim.systems.toscn_bkb import COMPRESSIONS, measure
from netsim.systems.toscn_knowledge import fit


def test_without_errors_it_is_the_accuracy_of_the_quantised_features():
    bank = load_bank("fashion-mnist", "embedded")
    knowledge = measure(bank, Streams(1), snrs_db=(np.inf,), compressions=(0.0, 0.5, 0.95))
    expected = [bank.noiseless_accuracy(eta) for eta in knowledge.compression]
    np.testing.assert_allclose(knowledge.accuracy[0], expected, atol=1e-12)


def test_noise_costs_accuracy_and_high_snr_costs_none():
    bank = load_bank("fashion-mnist", "embedded")
    low, high, clean = measure(bank, Streams(1), snrs_db=(0.0, 22.0, np.inf), compressions=(0.9,)).correct[
        :, 0
    ]
    assert low < high == clean


@pytest.mark.parametrize("curve", [Curve(-0.633, 15.408, 0.925), Curve(-0.737, 12.474, 0.917)])
def test_the_fit_finds_the_paper_s_parameters_from_the_paper_s_curve(curve):
    found = fit(COMPRESSIONS, curve.accuracy(np.array(COMPRESSIONS)))
    np.testing.assert_allclose(found.alpha, (curve.a1, curve.a2, curve.a3), rtol=1e-5)
    assert found.mse < 1e-12


def test_the_fit_s_errors_cover_the_truth():
    """Binomial noise of 200 images: true parameters within 4 standard errors, in each of 20 repeats."""
    truth = Curve(-0.639, 19.136, 0.901)
    eta = np.array(COMPRESSIONS)
    rng = np.random.default_rng(7)
    for _ in range(20):
        found = fit(COMPRESSIONS, rng.binomial(200, truth.accuracy(eta)) / 200)
        z = (np.array(found.alpha) - (truth.a1, truth.a2, truth.a3)) / found.deviation
        assert np.all(np.abs(z) < 4)


def test_a_flat_curve_determines_no_exponent():
    found = fit(COMPRESSIONS, np.full(len(COMPRESSIONS), 0.9) + 1e-3 * np.cos(np.arange(len(COMPRESSIONS))))
    assert not found.determined
    assert found.alpha[2] == pytest.approx(0.9, abs=2e-3)
