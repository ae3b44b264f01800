"""Figures 6 to 12 and the ordering: one training for all figures, CSV and picture, on tiny settings."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("torch")

from netsim import training
from netsim.commands import figure_toscn_agents
from netsim.commands.figure_request import Request
from netsim.figures import learning_curve, toscn_ordering, toscn_trained


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Ten iterations, two episodes; counts the trainings."""
    monkeypatch.setattr(toscn_trained, "CACHE", tmp_path / "agents")
    monkeypatch.setattr(toscn_trained, "QUICK_ITERATIONS", 10)
    monkeypatch.setattr(training, "EVALUATION_EPISODES", 2)
    trained = []
    train = training.train

    def counted(plan, out, *rest, **options):
        trained.append((plan.agent, plan.preset, plan.seed, plan.scenario.radio.bandwidth_hz))
        return train(plan, out, *rest, **options)

    monkeypatch.setattr(training, "train", counted)
    return trained


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_learning_curves_share_their_trainings(tiny, tmp_path, capsys):
    for name in ("toscn-6", "toscn-8"):
        figure_toscn_agents.main(Request(name, None, 1, True, tmp_path))
    assert len(tiny) == len(set(tiny)) == 16, "four agents, two presets, two seeds, once"
    rows = _rows(tmp_path / "toscn-6.csv")
    schemes = {row["scheme"] for row in rows}
    assert len(schemes) == 10 and {"myopic", "je_qse"} < schemes
    judged = [row for row in rows if row["iteration"] == "noise-free"]
    assert len(judged) == 8 and all(float(row["low"]) <= float(row["reward"]) for row in judged)
    assert (tmp_path / "toscn-6.png").stat().st_size > 10_000
    assert "DDPG (proposed), tuned" in capsys.readouterr().out


@pytest.mark.slow
def test_resources_are_judged_at_both_levels(tiny, tmp_path, monkeypatch):
    figure_toscn_agents.main(Request("toscn-9", None, 1, True, tmp_path))
    trained = len(tiny)
    assert trained == 8, "four agents, two bandwidths, one seed"
    figure_toscn_agents.main(Request("toscn-10", None, 1, True, tmp_path))
    assert len(tiny) == trained
    rows = _rows(tmp_path / "toscn-9.csv")
    assert {row["level"] for row in rows} == {"paper", "bit"}
    at = {(row["scheme"], row["level"], row["bandwidth_hz"]): float(row["value"]) for row in rows}
    for level in ("paper", "bit"):
        assert at["greedy, tuned", level, "8e+06"] > at["greedy, tuned", level, "2e+06"]
        assert at["myopic", level, "8e+06"] >= at["myopic", level, "2e+06"]


def test_trailing_mean_starts_with_what_there_is(monkeypatch):
    monkeypatch.setattr(learning_curve, "WINDOW", 2)
    np.testing.assert_allclose(learning_curve._trailing(np.array([4.0, 2.0, 6.0])), [4.0, 3.0, 4.0])


def test_bound_lies_above_every_planner():
    setting = toscn_trained.Setting()
    bound = toscn_ordering.clairvoyant(setting, 3)
    for name in ("myopic", "je_qse", "sum_packets"):
        found = toscn_trained.evaluate(toscn_trained.planner_job(name, setting, "paper", 3))
        assert (found.figures["reward"] <= bound).all()
        assert found.scheme == name and found.accuracy <= 0.925
