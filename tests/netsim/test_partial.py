"""Between the formula and the bits: no mechanism is level paper, all of them are level bit, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim import simulate
from netsim.buffer import Buffer
from netsim.link import PaperLink
from netsim.link_partial import Partial, PartialLink
from netsim.streams import Streams
from netsim.studies.attribution import Game
from netsim.studies.declaration import study_of
from netsim.studies.shapley import subsets
from phy.parameters import ParameterError

EVERY = {f"partial.{name}": True for name in Partial.__dataclass_fields__}
EMBEDDED = {"semantics.data": "embedded", "slots": 6}


def digests(**assignments):
    return simulate.run_in_memory(toscn(**EMBEDDED, **assignments)).trace().digest


@pytest.mark.parametrize(
    "more",
    [
        {"agent.name": "je_qse"},
        {"agent.name": "myopic", "agent.plan": "shannon"},
        {"agent.name": "equal", "radio.noise_psd_dbm_hz": -145.0, "radio.bandwidth_hz": 2e6},
        {"radio.channel_knowledge": "ls", "radio.noise_psd_dbm_hz": -145.0},
    ],
    ids=["je_qse", "shannon plan", "noisy", "estimated"],
)
def test_all_mechanisms_are_level_bit(more):
    """Every table of the trace: the same packets, times, bits, errors, decisions, rewards."""
    assert digests(phy="paper", **EVERY, **more) == digests(phy="bit", **more)


def test_no_mechanism_is_level_paper():
    """The link with everything off computes what the formula's link computes, to the last digit."""
    scenario = toscn(phy="paper")
    streams = Streams(1)
    mine, formula = PartialLink(scenario, streams), PaperLink(scenario.radio)
    rng = streams.sequential("test")
    for _ in range(200):
        bandwidth, power = rng.uniform(0, 1e6, 6).round(), rng.uniform(0, 0.05, 6)
        gain = 10.0 ** rng.uniform(-14, -7, 6)
        for link in (mine, formula):
            np.testing.assert_array_equal(link.quantise(bandwidth), formula.quantise(bandwidth))
        found = mine.carried_bits(bandwidth, power, gain, 200_000_000)
        np.testing.assert_array_equal(found, formula.carried_bits(bandwidth, power, gain, 200_000_000))
        grant = (float(bandwidth[0]), float(power[0]), float(gain[0]), 30_000.5, 6, 190_000_000)
        assert mine.completions_ns(*grant) == formula.completions_ns(*grant)
    np.testing.assert_array_equal(mine.spectral_efficiency(gain), formula.spectral_efficiency(gain))


def test_a_planner_that_believes_the_link_loses_nothing_to_rounding():
    """What carried_bits promises, completions_ns keeps, with every combination of the rate's mechanisms."""
    rng = Streams(2).sequential("test")
    for subset in subsets(3):
        names = ("constellation", "overhead", "whole_units")
        chosen = {f"partial.{names[i]}": True for i in subset}
        link = PartialLink(toscn(phy="paper", **chosen), Streams(1))
        for _ in range(30):
            bandwidth = link.quantise(rng.uniform(2e5, 1e6, 1))
            power, gain, packets = np.array([0.03]), 10.0 ** rng.uniform(-12, -8, 1), int(rng.integers(1, 6))
            capacity = link.carried_bits(bandwidth, power, gain, 200_000_000)
            size = float(np.floor(capacity[0] * (1 - 2e-6) / packets) - link.padding_bits)
            if size < 100:
                continue
            ends = link.completions_ns(bandwidth[0], power[0], gain[0], size, 9, 200_000_000)
            assert len(ends) >= packets, (sorted(subset), size)


def test_every_mechanism_of_the_study_matters():
    """Each one alone changes the trace, where what it needs is on."""
    study = study_of(toscn())
    names = [mechanism.name for mechanism in study.mechanisms]
    for i, mechanism in enumerate(study.mechanisms):
        # a message of a hundred is lost: it takes some slots to lose one
        slots = 60 if mechanism.name == "signalling loss" else 6
        noisy = {"radio.noise_psd_dbm_hz": -145.0, "radio.bandwidth_hz": 2e6, "slots": slots}
        scenario = toscn(**{**EMBEDDED, **noisy})
        game = Game(scenario, study, study.policy("je_qse"), "test", study.mechanisms)
        below = frozenset(names.index(need) for need in mechanism.needs)
        runs = [
            simulate.run_in_memory(game.variant(chosen).scenario).trace().digest
            for chosen in (below, below | {i})
        ]
        assert runs[0] != runs[1], mechanism.name


def test_old_channel_state_is_that_of_the_slots_before():
    """Gains of two slots ago, of the oldest slot where an episode is younger; queues are of now."""
    prepared = simulate.prepare(toscn(phy="paper", **{"radio.csi_age_slots": 2}), 0)
    system = prepared.system
    buffers = [Buffer(6) for _ in range(system.num_ues)]
    for episode in range(2):
        system.begin_episode(episode)
        gains = []
        for slot in range(5):
            system.fade()
            gains.append(system.world.gain)
            (observation,) = system.observe(slot, episode, buffers)
            np.testing.assert_array_equal(observation.gain, gains[max(0, slot - 2)])


def test_mechanisms_without_their_need_are_not_run():
    scenario = toscn(**EMBEDDED)
    study = study_of(scenario)
    game = Game(scenario, study, study.policy("je_qse"), "test", study.chosen(("decoder", "bit errors")))
    assert game.variant(frozenset({1})).digest == game.variant(frozenset()).digest
    with pytest.raises(ParameterError, match="'bit errors': has no effect without 'decoder'"):
        study.chosen(("bit errors",))
    with pytest.raises(ParameterError, match="mechanism 'decode': no such one"):
        study.chosen(("decode",))


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"phy": "bit", "partial.overhead": True}, "phy = 'bit': must be paper"),
        ({"phy": "paper", "partial.bit_errors": True}, "bit_errors = True: must be false without decoder"),
    ],
)
def test_rules(assignments, message):
    with pytest.raises(ParameterError, match=message):
        toscn(**assignments)
