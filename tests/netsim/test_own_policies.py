"""Policies of a user's own file: every scenario takes them, traces of others do not run them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from netsim.agents.own import fingerprint, is_own
from netsim.cli import main
from netsim.trace import read_trace

ROOT = Path(__file__).resolve().parents[2]

TOSCN = (
    (ROOT / "docs" / "agents.md").read_text().partition("## A policy of your own")[2].split("```python")[1]
)
TOSCN = TOSCN.partition("```")[0]
GREEN = """
from netsim.systems.green_system import StationAction

class Mine:
    def __init__(self, scenario, streams, node):
        self.node, self.learned = node, 0

    def act(self, observation):
        assert self.node.cell == f"cell{observation.cell}"
        return StationAction(1, 5)

    def learn(self, transition):
        self.learned += 1
"""
SCQOS = """
from netsim.systems.scqos_mdp import ActionSpace
from netsim.systems.scqos_policies import EqualPolicy
from netsim.systems.scqos_system import action_space

def mine(scenario, streams, node):
    return EqualPolicy(action_space(scenario), 2)
"""


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def trace_of(folder: Path):
    (file,) = folder.rglob("run0.h5")
    return read_trace(file)


@pytest.mark.parametrize(
    "scenario, source, name, like",
    [
        ("toscn", TOSCN, "Mine", ("--agent", "equal", "--set", "agent.compression=0.5")),
        ("green", GREEN, "Mine", ("--agent", "fixed", "--set", "agent.symbols_per_word=5")),
        ("scqos", SCQOS, "mine", ("--agent", "equal", "--set", "agent.bits=2")),
    ],
)
def test_a_policy_of_ones_own_decides_like_its_twin(tmp_path, scenario, source, name, like, capsys):
    file = tmp_path / "own_policy.py"
    file.write_text(source)
    common = (ROOT / "scenarios" / f"{scenario}.py", "--phy", "paper", "--slots", 12, "--out")
    assert run(*common, tmp_path / "own", "--agent", f"{file}:{name}") == 0
    assert f"{file}:{name}" in "".join(capsys.readouterr().out.split())
    assert run(*common, tmp_path / "like", *like) == 0
    own, shipped = trace_of(tmp_path / "own").digest, trace_of(tmp_path / "like").digest
    assert own["slots"] == shipped["slots"] and own["grants"] == shipped["grants"]


def test_an_edited_policy_has_results_of_its_own(tmp_path):
    file = tmp_path / "own_policy.py"
    common = (ROOT / "scenarios" / "toscn.py", "--phy", "paper", "--slots", 3, "--out", tmp_path / "out")
    for source in (TOSCN, TOSCN.replace("0.5", "0.25")):
        file.write_text(source)
        assert run(*common, "--agent", f"{file}:Mine") == 0
    assert len(list((tmp_path / "out").rglob("run0.h5"))) == 2


def test_a_module_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "own_module_policy.py").write_text(TOSCN)
    monkeypatch.syspath_prepend(tmp_path)
    common = (ROOT / "scenarios" / "toscn.py", "--phy", "paper", "--slots", 3, "--out", tmp_path / "out")
    assert run(*common, "--agent", "own_module_policy:Mine") == 0
    assert fingerprint("own_module_policy:Mine") == fingerprint(f"{tmp_path / 'own_module_policy.py'}:Mine")


def test_a_trace_that_names_a_file_does_not_run_it(tmp_path):
    file, mark = tmp_path / "own_policy.py", tmp_path / "ran"
    file.write_text(TOSCN)
    common = (ROOT / "scenarios" / "toscn.py", "--slots", 3, "--out", tmp_path / "out")
    assert run(*common, "--agent", f"{file}:Mine") == 0
    file.write_text(f"open({str(mark)!r}, 'w')\n{TOSCN}")
    (trace,) = (tmp_path / "out").rglob("run0.h5")
    packets = read_trace(trace)["packets"]
    ue = int(packets["ue"][np.flatnonzero(packets["sent_ns"] >= 0)[0]])
    assert run("replay", trace, "--slot", 0, "--ue", ue) == 0
    assert run("trace", trace) == 0
    assert not mark.exists()


@pytest.mark.parametrize(
    "source, name, message",
    [
        (TOSCN, "Other", "has no 'Other'"),
        ("class Mine:\n    pass\n", "Mine", "TypeError: Mine() takes no arguments: must make a policy"),
        ("def mine(*a):\n    return 3\n", "mine", "made int: must have a method act(observation)"),
        ("import no_such_package_anywhere\n", "Mine", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_is_no_policy_is_one_line(tmp_path, source, name, message, capsys):
    file = tmp_path / "own_policy.py"
    file.write_text(source)
    arguments = (ROOT / "scenarios" / "toscn.py", "--phy", "paper", "--agent", f"{file}:{name}")
    assert run(*arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.h5"))


def test_names(tmp_path, capsys):
    assert is_own("a.py:B") and is_own("a.b:C")
    assert not any(map(is_own, ("je_qse", ":B", "a.py:", "")))
    assert run(ROOT / "scenarios" / "toscn.py", "--agent", "nobody", "--out", tmp_path) == 2
    assert "or your own as file.py:NAME or module:NAME" in capsys.readouterr().err
    assert run(ROOT / "scenarios" / "toscn.py", "--agent", "nowhere.py:B", "--out", tmp_path) == 2
    assert "nowhere.py" in capsys.readouterr().err
    assert "nowhere" not in sys.modules
