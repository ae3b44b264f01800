"""Training inside the event-driven run: resumes to the same result, workers in turns, weights in use."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scenarios_for_tests import toscn

pytest.importorskip("torch")

from netsim import cli, simulate, training
from netsim.agents import files
from netsim.agents.learner import Trained
from netsim.systems import toscn_learning
from netsim.systems.toscn import Model, Observation
from netsim.systems.toscn_agent_view import Decoding, ToscnView
from phy.parameters import ParameterError

PAPER = {"phy": "paper", "semantics.packet_bits": 1_600_000}


@pytest.fixture(autouse=True)
def short_evaluation(monkeypatch):
    monkeypatch.setattr(training, "EVALUATION_EPISODES", 4)


def _plan(agent="ddpg", preset="tuned", iterations=20, seed=0, scenario=None, **changes):
    scenario = toscn(**PAPER) if scenario is None else scenario
    return training.plan(scenario, agent, preset, iterations, seed, changes)


class _Interrupted(Exception):
    pass


def _same(one, other):
    a, b = files.load(one.path)[0], files.load(other.path)[0]
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize(("agent", "preset"), [("ddpg", "tuned"), ("greedy_sc", "paper"), ("a3c", "tuned")])
def test_an_interrupted_training_ends_as_one_that_was_not(agent, preset, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_SEGMENTS_KEPT", 1)
    plan = _plan(agent, preset, iterations=30)
    whole = training.train(plan, tmp_path / "whole", resume=False)

    def stop(done, reward):
        if done == 20:
            raise _Interrupted

    with pytest.raises(_Interrupted):
        training.train(plan, tmp_path / "parts", report=stop)
    assert training.finished(plan, tmp_path / "parts") is None
    seen = []
    parts = training.train(plan, tmp_path / "parts", report=lambda done, reward: seen.append(done))
    assert seen == [20, 30], "what was learned before the checkpoint is not learned again"
    _same(whole, parts)
    again = training.train(plan, tmp_path / "parts", report=lambda done, reward: seen.append(done))
    assert seen == [20, 30] and again.about == parts.about, "what is finished is read"


def test_seeds_differ_and_worlds_are_not_those_of_evaluation(tmp_path):
    one, other = (training.train(_plan(seed=s, iterations=10), tmp_path) for s in (0, 1))
    assert one.path.parent == other.path.parent
    assert (one.curve["reward"] != other.curve["reward"]).all()
    numbers = []

    def prepare(scenario, run, policies):
        numbers.append(run)
        return simulate_prepare(scenario, run, policies)

    simulate_prepare = simulate.prepare
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.simulate, "prepare", prepare)
        training.train(_plan("a3c", iterations=20), tmp_path)
    assert sorted(numbers) == [0] + [w * 1_000_000 + s for w in (1, 2, 3, 4) for s in (0, 1)]


def test_a3c_gradients_rest_on_parameters_three_updates_old(tmp_path, monkeypatch):
    """Workers in turns: between a worker's pull and its gradient, the three others have updated once each."""
    from netsim.agents import a3c

    ages, updates, pulled = [], [0], {}
    pull, descend = a3c.Worker.pull, a3c.Shared.descend

    def counted_pull(self):
        pulled[id(self)] = updates[0]
        pull(self)

    def counted_descend(self, *gradients):
        descend(self, *gradients)
        updates[0] += 1

    learn = a3c.Worker.learn

    def watched_learn(self, *arguments):
        before = updates[0]
        since = before - pulled[id(self)]
        learn(self, *arguments)
        if updates[0] > before:
            ages.append(since)

    monkeypatch.setattr(a3c.Worker, "pull", counted_pull)
    monkeypatch.setattr(a3c.Shared, "descend", counted_descend)
    monkeypatch.setattr(a3c.Worker, "learn", watched_learn)
    training.train(_plan("a3c", iterations=20), tmp_path)
    assert len(ages) == 80
    assert ages[:4] == [0, 1, 2, 3] and set(ages[4:]) == {3}


@pytest.mark.slow  # a process needs seconds to begin
def test_a3c_in_processes_learns_something(tmp_path):
    result = training.train(_plan("a3c", iterations=10, order="processes", workers="2"), tmp_path)
    assert result.curve["reward"].shape == (10,)
    plan = _plan("a3c", iterations=10)
    fresh = training._algorithm(plan, toscn_learning.view(plan.scenario, plan.decoding))[0]
    moved = [np.abs(a - fresh.policy_arrays()[name]).max() for name, a in _layers(result).items()]
    assert min(moved) > 1e-4


def _layers(result):
    return {name: a for name, a in files.load(result.path)[0].items() if name[0].isdigit()}


def test_greedy_never_compresses_and_numpy_equals_torch(tmp_path):
    from netsim.agents.ddpg import DdpgParameters, ddpg

    scenario = toscn(**PAPER)
    view = ToscnView(Model(scenario), Decoding("literal", 1.0, compress=False))
    rng = np.random.default_rng(0)
    agent = ddpg(view.state_size, view.action_size, DdpgParameters(), 10, 1)
    policy = Trained(view, agent.policy_arrays())
    for slot in range(20):
        observation = Observation(
            slot, 0, np.sort(rng.integers(0, 3, 6)), 10 ** rng.uniform(-11, -6, 6), rng.integers(0, 7, 6)
        )
        action = policy.act(observation)
        np.testing.assert_allclose(action.vector, agent.rule.act(view.state(observation)[None])[0], atol=1e-6)
        assert (action.compression == 0.0).all()
        assert action.bandwidth_share.sum() == pytest.approx(1.0)
        assert action.power_share.sum() == pytest.approx(1.0)


def test_decoding_limits_compression_and_shares():
    model = Model(toscn(**PAPER))
    observation = Observation(0, 0, np.array([0, 0, 1, 1, 2, 2]), np.full(6, 1e-9), np.full(6, 3))
    ends = np.repeat([[1.0, -1.0, 1.0]], 6, axis=0).T.ravel().astype(np.float32)
    feasible = ToscnView(model, Decoding("feasible", 3.0)).action(3.0 * ends, observation)
    np.testing.assert_allclose(feasible.compression, model.max_compression(observation.task))
    literal = ToscnView(model, Decoding()).action(ends, observation)
    np.testing.assert_allclose(literal.compression, 1.0)
    one = np.zeros(18, np.float32)
    one[6], one[7:12] = 1.0, -1.0
    for kappa in (1.0, 3.0):
        shares = ToscnView(model, Decoding("feasible", kappa)).action(one, observation).bandwidth_share
        assert shares[0] / shares[1] == pytest.approx(np.exp(2.0 * kappa))
    state = ToscnView(model, Decoding()).state(observation)
    np.testing.assert_allclose(state[:3], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(state[3:9], -5 / 11, rtol=1e-5)
    np.testing.assert_allclose(state[9:], 0.5)


def test_trained_weights_run_by_name_and_by_file(tmp_path):
    """`--agent ddpg --set agent.weights=FILE` acts as the evaluation did, and with the shipped weights
    torch stays out.
    """
    result = training.train(_plan(iterations=10), tmp_path)
    scenario = toscn(
        **PAPER, **{"agent.name": "ddpg", "agent.weights": str(result.path), "seed": 123, "slots": 40}
    )
    reward = simulate.run_in_memory(scenario).trace()["slots"]["reward"]
    np.testing.assert_array_equal(reward.reshape(4, 10).mean(1), result.evaluation["reward"])
    with pytest.raises(ParameterError, match="weights of ddpg: must be of a3c"):
        simulate.prepare(toscn(**PAPER, **{"agent.name": "a3c", "agent.weights": str(result.path)}), 0)
    with pytest.raises(ParameterError, match="no shipped weights for packets of 1000 bit"):
        simulate.prepare(toscn(**{**PAPER, "semantics.packet_bits": 1000, "agent.name": "ddpg"}), 0)
    with pytest.raises(ParameterError, match="15 inputs and 18 outputs: must be 11 inputs and 12 outputs"):
        simulate.prepare(dataclasses.replace(scenario, cell=dataclasses.replace(scenario.cell, num_ues=4)), 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agent", "dqdn"], "must be one of ddpg"),
        (["--agent", "ddpg", "--iterations", "15"], "must be a multiple of 10"),
        (["--agent", "ddpg", "--seeds", "0,x"], "must be integers"),
        (["--agent", "ddpg", "--seeds", "1,1"], "must be different"),
        (["--agent", "ddpg", "--preset", "tuned", "--preset", "paper"], "second of its kind"),
        (["--agent", "ddpg", "--preset", "mbite"], "did you mean"),
        (["--agent", "ddpg", "--param", "discont=0"], "did you mean 'discount'"),
        (["--agent", "ddpg", "--param", "discount"], "must be NAME=VALUE"),
        (["--agent", "ddpg", "--jobs", "0"], "must be >= 1"),
        (["--preset", "tuned"], "--agent"),
    ],
)
def test_mistakes_are_one_line(arguments, said, capsys):
    assert cli.main(["train", "scenarios/toscn.py", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_the_command_writes_weights_curve_and_evaluation(tmp_path, capsys):
    common = [
        "train",
        "scenarios/toscn.py",
        "--preset",
        "mbyte",
        "--iterations",
        "10",
        "--out",
        str(tmp_path),
    ]
    assert (
        cli.main([*common, "--agent", "ddpg", "--seeds", "0,1", "--param", "units=8", "--out", str(tmp_path)])
        == 0
    )
    (folder,) = tmp_path.iterdir()
    found = sorted(path.name for path in folder.iterdir())
    curve = ["learning-curve.csv", "learning-curve.png"]
    assert found == ["evaluation.csv", *curve, "seed0.safetensors", "seed1.safetensors"]
    assert len((folder / "learning-curve.csv").read_text().splitlines()) == 21
    assert "over seeds" in capsys.readouterr().out


def test_shipped_weights_are_whole():
    """Every shipped file loads, fits the scenario, and says what it was trained for."""
    found = sorted(toscn_learning.SHIPPED.glob("toscn-*.safetensors"))
    assert found
    for path in found:
        layers, about = files.load(path)
        bits = about["scenario"].get("semantics.packet_bits", 200_704)
        assert path.name == f"toscn-{about['agent']}-{bits}-seed{about['seed']}.safetensors"
        scenario = toscn(**{**PAPER, "semantics.packet_bits": bits, "agent.name": about["agent"]})
        toscn_learning.from_file(scenario, path, layers, about)
        assert path.stat().st_size < 60_000
