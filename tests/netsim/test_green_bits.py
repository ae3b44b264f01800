"""Green with bits: the levels agree where they should, and interference is what the other cells send."""

from __future__ import annotations

import numpy as np
import pytest

from netsim import checks, params, simulate
from netsim.systems.green import Green
from phy.parameters import ParameterError

TEXT = {
    "text.sentences": "grammar",
    "text.metric": "token_f1",
    "text.burst_sentences": 3,
    "codec.accuracy": "published",
}


def run(phy: str, **values):
    scenario = params.override(Green(), {"phy": phy, "slots": 8, "agent.name": "level1", **TEXT, **values})
    assert isinstance(scenario, Green)
    trace = simulate.run_in_memory(scenario).trace()
    assert checks.check(trace) == []
    return trace


@pytest.fixture(scope="module")
def levels():
    return {level: run(level) for level in ("paper", "table", "bit", "waveform")}


def test_bit_and_waveform_decide_alike(levels):
    for table, column in (
        ("receptions", "num_bit_errors"),
        ("stations", "accuracy"),
        ("slots", "objective"),
        ("packets", "score"),
    ):
        np.testing.assert_array_equal(levels["bit"][table][column], levels["waveform"][table][column])


def test_the_first_slot_has_the_same_world_and_decisions_at_all_levels(levels):
    """Later slots may differ: an observation holds the QoE that was delivered."""
    for level in ("table", "bit"):
        for table, column in (
            ("grants", "power_w"),
            ("stations", "symbols_per_word"),
            ("receptions", "sinr_db"),
        ):
            np.testing.assert_array_equal(
                levels[level][table][column][:3], levels["paper"][table][column][:3], err_msg=level
            )


def test_measured_sinr_is_the_formula_up_to_the_burst(levels):
    """Some hundred symbols with a few interferers: the energy of the very samples scatters about (M2)."""
    bit = levels["bit"]
    apart = bit["stations"]["sinr_measured_db"] - bit["receptions"]["sinr_db"]
    assert abs(np.mean(apart)) < 0.3 and np.abs(apart).max() < 2.0


def test_without_interferers_the_error_rate_is_that_of_the_closed_form():
    """One cell: 16-QAM over its own channel, scrambled; binomial interval at 99.9 %."""
    from phy import theory

    alone = {"layout.num_cells": 1, "slots": 300, "power.noise_w": 10.0**-9.3}
    trace = run("bit", **alone, **{"agent.name": "fixed", "agent.power_level": 6})
    r = trace["receptions"]
    expected = (theory.ber_awgn(4, 10.0 ** (r["sinr_db"] / 10.0)) * r["num_bits"]).sum()
    assert expected > 10_000  # 0.2 dB would move it by 4 %
    assert abs(r["num_bit_errors"].sum() - expected) < 3.3 * np.sqrt(1.5 * expected)


def test_a_silent_station_sends_nothing_and_is_worth_nothing():
    trace = run("bit", **{"agent.name": "silent"})
    assert (trace["receptions"]["num_bits"] == 0).all()
    assert (trace["stations"]["accuracy"] == 0.0).all()
    np.testing.assert_allclose(trace["slots"]["objective"], 0.5, atol=1e-9)  # rate credit alone (4.8.4)


def test_with_bits_the_requirements_are_on_the_scale_of_the_codec():
    """10.4: at the levels with bits f_s is the measured table of the codec whose sentences are sent; one of
    another metric is refused.
    """
    scenario = params.override(Green(), {"phy": "bit", "text.sentences": "grammar"})
    assert isinstance(scenario, Green)
    codec = scenario.parameters.codec
    assert (codec.accuracy, codec.accuracy_file) == ("measured", "grammar")
    assert Green().parameters.codec.accuracy == "auto"  # published at level paper
    with pytest.raises(ParameterError, match=r"measured by minilm, must be by text\.metric=token_f1"):
        run("bit", **{"codec.accuracy": "auto"})
