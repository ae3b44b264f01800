"""Agents of SC-QoS: views, trained policies in NumPy, training that resumes, shipped weights, delays."""

from __future__ import annotations

import numpy as np
import pytest

from netsim import cli, params, simulate, training
from netsim.agents import files
from netsim.systems import scqos_learning
from netsim.systems.scqos import LEARNERS, Scqos
from netsim.systems.scqos_agent_view import KINDS, Decoding
from phy.parameters import ParameterError

BANK = {"phy": "paper", "semantics.bank": "synthetic", "semantics.surrogate": "bank"}
SMALL = {
    "algorithm.units": "8", "algorithm.learn_from": "20", "algorithm.batch": "16", "pace.lanes": "2",
    "pace.update_every": "8",
}  # fmt: skip


def scqos(**values) -> Scqos:
    made = params.override(Scqos(), {**BANK, "episode_slots": 20, "slots": 61, **values})
    assert isinstance(made, Scqos)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_every_vector_is_a_decision(kind):
    """Shares sum to 1, subchannels are one-to-one, beams have unit norm; out of bounds is clipped."""
    rng = np.random.default_rng(0)
    view = scqos_learning.view(scqos(), Decoding(kind))
    vectors = rng.uniform(-3.0, 3.0, (50, view.action_size)).astype(np.float32)
    if kind != "relaxed":
        vectors[:, 0] = rng.integers(0, 162 if kind == "hybrid" else 2592, 50)
    h = rng.standard_normal((50, 3, 3, 6, 2)) @ [1.0, 1j]
    bits, subchannel, band, power, beams = view.decode(vectors, h)
    assert set(np.unique(bits)) <= {1, 2, 3} and (np.sort(subchannel, axis=1) == [0, 1, 2]).all()
    np.testing.assert_allclose(band.sum(axis=1), 1.0)
    np.testing.assert_allclose(power.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.linalg.norm(beams, axis=-1), 1.0)
    clipped = np.clip(vectors, -1.0, 1.0)
    if kind != "relaxed":
        clipped[:, 0] = vectors[:, 0]
    np.testing.assert_array_equal(view.decode(clipped, h)[2], band)


def test_parts_and_what_is_told_name_the_discrete_action():
    view = scqos_learning.view(scqos(), Decoding())
    assert view.told.shape == (162, 18) and view.parts.shape == (162, 27)
    assert (view.told.sum(axis=1) == 6).all() and (view.parts.sum(axis=1) == 3).all()
    assert len(np.unique(view.told, axis=0)) == len(np.unique(view.parts, axis=0)) == 162
    bits, subchannel = view.space.discrete(np.array(100))
    for u in range(3):
        assert view.parts[100].reshape(3, 3, 3)[u, bits[u] - 1, subchannel[u]] == 1.0


def test_whole_beams_spend_the_power_and_templates_refuse_them():
    raw = scqos(**{"interface.beam": "raw"})
    view = scqos_learning.view(raw, Decoding("hybrid"))
    assert (view.state_size, view.action_size) == (373, 40)
    rng = np.random.default_rng(1)
    vectors = rng.uniform(-1.0, 1.0, (20, 40)).astype(np.float32)
    _, _, _, power, _ = view.decode(vectors, rng.standard_normal((20, 3, 3, 6)) + 0j)
    np.testing.assert_allclose(power.sum(axis=1), 1.0)
    with pytest.raises(ParameterError, match=r"interface\.beam = raw"):
        scqos_learning.view(raw, Decoding("templated"))


@pytest.mark.parametrize("agent", LEARNERS)
def test_numpy_acts_as_torch_does(agent):
    pytest.importorskip("torch")
    settings, decoding = scqos_learning.settings(agent, "tuned")
    view = scqos_learning.view(scqos(), decoding)
    learner = scqos_learning.learner(agent, settings, view, 100, 3)
    states = np.random.default_rng(2).standard_normal((40, view.state_size)).astype(np.float32)
    policy = scqos_learning.policy(view, learner.policy_arrays())
    np.testing.assert_allclose(policy.vectors(states), learner.rule.act(states), atol=1e-4)


class _Interrupted(Exception):
    pass


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(training, "SEGMENT", 2)
    monkeypatch.setattr(training, "EVALUATION_EPISODES", 10)
    plan = training.plan(scqos(), "hybrid", "tuned", 6, 0, SMALL)
    whole = training.train(plan, tmp_path / "whole", resume=False)

    def stop(done, reward):
        if done == 4:
            raise _Interrupted

    with pytest.raises(_Interrupted):
        training.train(plan, tmp_path / "parts", report=stop)
    parts = training.train(plan, tmp_path / "parts")
    one, other = files.load(whole.path)[0], files.load(parts.path)[0]
    assert one.keys() == other.keys() and {"curve.user2", "curve.bits3", "evaluation.valid"} <= one.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    total = sum(whole.curve[f"user{u}"] for u in range(3))
    np.testing.assert_allclose(total, whole.curve["objective"])
    np.testing.assert_allclose(sum(whole.curve[f"bits{n}"] for n in (1, 2, 3)), 1.0)


def test_agents_learn_with_delays_in_the_event_loop(tmp_path, monkeypatch):
    """Observation, thinking and grant take their time; the lanes refuse, the event loop learns."""
    pytest.importorskip("torch")
    monkeypatch.setattr(training, "SEGMENT", 2)
    monkeypatch.setattr(training, "EVALUATION_EPISODES", 10)
    late = {"signalling.observation_delay_ns": 25_000_000, "signalling.inference_ns": 1_000_000}
    plan = training.plan(scqos(**late), "hybrid", "tuned", 2, 0, SMALL)
    with pytest.raises(ParameterError, match=r"pace.lanes=0"):
        training.train(plan, tmp_path)
    found = training.train(
        training.plan(scqos(**late), "hybrid", "tuned", 2, 0, {**SMALL, "pace.lanes": "0"}), tmp_path
    )
    assert np.isfinite(found.curve["reward"]).all()


def test_the_world_of_learning_is_not_the_one_of_judging():
    settings, _ = scqos_learning.settings("hybrid", "tuned")
    learning = scqos_learning.learning_world(Scqos(), settings)
    judging = scqos_learning.judging_world(Scqos(), settings)
    assert (learning.phy, learning.semantics.surrogate) == ("paper", "bank")
    assert (learning.semantics.sentences, judging.semantics.sentences) == ("training", "test")
    as_is = params.override(settings, {"world": "scenario"})
    assert scqos_learning.learning_world(Scqos(), as_is).phy == "bit"
    assert scqos_learning.bank_digest("synthetic") != scqos_learning.bank_digest("grammar")
    english, grammar = (scqos_learning.data(scqos(**{"semantics.bank": b})) for b in ("english", "grammar"))
    assert english.keys() == {"bank", "learning_bank"} and grammar.keys() == {"bank"}
    assert english["bank"] != english["learning_bank"]


def test_shipped_weights_run_at_once_and_beat_what_does_not_look():
    """On 300 slots of test sentences the shipped agent earns more than one bit for everybody."""
    found = sorted(scqos_learning.SHIPPED.glob("scqos-*.safetensors"))
    assert found
    for path in found:
        bank = path.name.split("-")[2]
        earned = {}
        for name in ("hybrid", "equal"):
            scenario = scqos(
                **{"semantics.bank": bank, "agent.name": name, "episode_slots": 100, "slots": 300}
            )
            earned[name] = simulate.run_in_memory(scenario).trace()["slots"]["objective"].mean()
        assert earned["hybrid"] > earned["equal"], path.name
        assert path.stat().st_size < 400_000


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"agent.name": "td3"}, "no shipped weights for bank synthetic"),
        ({"agent.name": "d3qn", "agent.weights": "nowhere.safetensors"}, "no such file"),
    ],
)
def test_missing_weights_are_one_line(values, said):
    with pytest.raises(ParameterError, match=said):
        simulate.prepare(scqos(**values), 0)


def test_mistakes_on_the_command_line_are_one_line(capsys):
    assert cli.main(["train", "scenarios/scqos.py", "--agent", "a3c"]) == 2
    assert "must be one of hybrid" in capsys.readouterr().err
    assert cli.main(["train", "scenarios/scqos.py", "--agent", "td3", "--param", "unit=3"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
