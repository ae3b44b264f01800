"""Fidelity studies: the tables say what the traces say, known gaps are found, parts add up, pages hold."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim.cli import main
from netsim.studies import attribution, campaign, fidelity, fidelity_report, precision
from netsim.studies.attribution import Game, play
from netsim.studies.declaration import Mechanism, Study, study_of
from netsim.studies.fidelity import ADAPTED, DEPLOYED, Data, Design, Point, by_point
from netsim.studies.verdict import verdicts
from netsim.trace import read_trace
from phy.parameters import ParameterError

ROOT = Path(__file__).resolve().parents[2]
TOSCN = str(ROOT / "scenarios" / "toscn.py")
KPI = "reward per slot"


def known_data(shift: float, n: int = 40) -> Data:
    """Three policies whose figures are made up: at level bit, `b` loses `shift` and `a` nothing but noise."""
    study = Study(kpi=KPI, policies={"a": {}, "b": {}, "c": {}})
    design = Design(toscn(phy="paper"), study, ("paper", "bit"), ("a", "b", "c"), n, 0.02)
    rng = fidelity.generator("test")
    world = rng.normal(0, 1, n)
    base = {"a": 20.0, "b": 21.0, "c": 10.0}
    figures = {}
    for point in design.points():
        value = base[point.policy] + world + 0.05 * rng.normal(size=n)
        if point.level == "bit" and point.policy == "b":
            value = value - (shift if point.planned == "paper" else shift / 10)
        figures[point] = {KPI: value, "always zero": np.zeros(n)}
    return Data(design, list(range(n)), figures, {KPI: "1", "always zero": "1"})


def test_known_gaps_are_found():
    data = known_data(5.0)
    rows = fidelity.gaps(data)
    (lost,) = by_point(rows, policy="b", kind=DEPLOYED, kpi=KPI)
    assert lost["low"] < -5.0 < lost["high"] and lost["verdict"] == "beyond the margin"
    assert lost["variance_reduction"] > 100  # the worlds' spread is 1, that within a world 0.05
    (held,) = by_point(rows, policy="a", kind=DEPLOYED, kpi=KPI)
    assert held["verdict"] == "equivalent" and held["p_holm"] >= held["p"]
    (zero,) = by_point(rows, policy="a", kind=ADAPTED, kpi="always zero")
    assert zero["gap"] == 0 and math.isnan(zero["margin"]) and "no margin" in zero["verdict"]


def test_the_formulas_winner_and_what_it_costs():
    data = known_data(5.0)
    taus, swaps, regrets = fidelity.rankings(data)
    (deployed,) = by_point(regrets, kind=DEPLOYED)
    assert (deployed["chosen"], deployed["best"], deployed["best_planned"]) == ("b", "b", "bit")
    assert deployed["mean"] == pytest.approx(4.5, abs=0.1)
    (swap,) = by_point(swaps, kind=DEPLOYED, first="a", second="b")
    assert swap["certain"] and swap["swap_of_means"] == 1.0
    (tau,) = by_point(taus, kind=DEPLOYED)
    assert tau["mean"] == pytest.approx(1 / 3)
    sentences = verdicts(KPI, "paper", "bit", fidelity.gaps(data), taus, regrets, [])
    assert [v.kind for v in sentences[:3]] == ["bad", "bad", "bad"]
    assert f"costs {deployed['mean']:.4g}" in sentences[2].text
    calm = known_data(0.0)
    assert fidelity.rankings(calm)[2][0]["mean"] == pytest.approx(0.0, abs=0.05)


def test_worlds_that_failed_anywhere_count_nowhere(tmp_path, monkeypatch):
    design = small_design(runs=3)
    points = list(design.points().values())
    outcome = campaign.Outcome()
    outcome.files = {(variant, run): tmp_path for variant in points for run in range(3)}
    del outcome.files[points[-1], 1]
    value = [fidelity.values.Value(KPI, "all", "1", 1.0, 1.0)]
    monkeypatch.setattr(fidelity.values, "values_of_file", lambda path, scenario: value)
    data = fidelity.gather(design, outcome, range(3))
    assert (data.worlds, data.lost) == ([0, 2], [1])
    del outcome.files[points[0], 0]
    with pytest.raises(ParameterError, match="1 runs have a result at every point"):
        fidelity.gather(design, outcome, range(3))


def small_design(runs: int) -> Design:
    scenario = toscn(phy="paper", slots=4)
    return Design(scenario, study_of(scenario), ("paper", "bit"), ("je_qse", "random"), runs, 0.02)


def test_points_that_are_the_same_scenario_run_once():
    """Random does not plan: its four points are two scenarios; je_qse planned at paper or bit differs."""
    digests = {point: variant.digest for point, variant in small_design(1).points().items()}
    assert len({d for point, d in digests.items() if point.policy == "random"}) == 2
    assert len({d for point, d in digests.items() if point.policy == "je_qse"}) == 4
    assert digests[Point("random", "paper", "bit")] == digests[Point("random", "bit", "bit")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": ("paper",)}, "--levels paper: must name 2 or more"),
        ({"levels": ("paper", "paper")}, "each of them once"),
        ({"policies": ("equal", "equal")}, "--policies equal,equal"),
        ({"margin": 2.0}, "--margin 2.0: must be in"),
    ],
)
def test_designs_that_make_no_sense(change, message):
    with pytest.raises(ParameterError, match=message):
        replace(small_design(2), **change)


def toy_game(orders: int) -> Game:
    """Mechanisms that are parameters of level paper: less bandwidth, less power, a delay."""
    scenario = toscn(**{"phy": "paper", "slots": 10, "semantics.packet_bits": 1_600_000})
    mechanisms = (
        Mechanism("band", "3 → 1.5 MHz", {"radio.bandwidth_hz": 1.5e6}),
        Mechanism("delay", "0 → 20 ms", {"signalling.observation_delay_ns": 20_000_000}),
        Mechanism("loss", "none → 1 in 10", {"signalling.loss": 0.1}, needs=("delay",)),
    )
    return Game(scenario, Study(KPI, {"je_qse": {}}), {}, "toy", mechanisms, orders)


def in_memory(tmp_path, wanted) -> campaign.Outcome:
    from netsim.studies.workers import in_this_process

    return campaign.execute(campaign.Store(tmp_path), wanted, in_this_process)


def test_attribution_adds_up_world_by_world(tmp_path):
    game, runs = toy_game(0), range(4)
    wanted = game.wanted(runs)
    assert len({variant.digest for variant, _ in wanted}) == 6  # of 8 subsets, two lack what loss needs
    outcome = in_memory(tmp_path, wanted)
    found = play(game, outcome, runs)
    assert abs(found.residual) < 1e-12
    assert found.total.mean == pytest.approx(found.real - found.formula, abs=1e-12)
    means = {part.mechanism.name: part.effect.mean for part in found.parts}
    assert means["band"] < 0 and means["delay"] < 0
    ends = [game.variant(frozenset()), game.variant(frozenset({0, 1, 2}))]
    rewards = [
        np.mean([read_trace(outcome.files[v, run])["slots"]["reward"].mean() for run in runs]) for v in ends
    ]
    assert (found.formula, found.real) == pytest.approx(tuple(rewards), abs=1e-12)
    sampled = play(toy_game(6), in_memory(tmp_path, toy_game(6).wanted(runs)), runs)
    assert abs(sampled.residual) < 1e-12
    for mine, exact in zip(sampled.parts, found.parts):
        assert mine.effect.mean == pytest.approx(exact.effect.mean, abs=0.8)


def test_an_attribution_without_enough_worlds_says_so(tmp_path):
    with pytest.raises(ParameterError, match="toy: 0 worlds are complete"):
        play(toy_game(0), campaign.Outcome(), range(3))


def test_precision_is_asked_of_the_widest_gap():
    data = known_data(5.0)
    difference, mean = fidelity.widest(data, precision.Precision(0.01, True))
    halves = []
    for policy in data.design.policies:
        before = data.kpi(Point(policy, "paper", "paper"))
        for planned in ("paper", "bit"):
            gap = data.kpi(Point(policy, planned, "bit")) - before
            halves.append(gap.std(ddof=1) / before.mean())
    assert difference.std(ddof=1) / mean == pytest.approx(max(halves))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A whole study from the command line, small."""
    out = tmp_path_factory.mktemp("study")
    options = ["--levels", "paper,bit", "--policies", "je_qse,equal .85", "--runs", "3", "--slots", "5"]
    options += ["--set", "semantics.data=embedded", "--set", "radio.bandwidth_hz=2e6", "--no-errors"]
    options += ["--mechanisms", "constellation,decoder", "--out", str(out)]
    assert main(["fidelity", TOSCN, *options]) == 0
    return out, options


def test_study_says_what_the_traces_say(study):
    out, _ = study
    found = json.loads((out / "toscn" / "fidelity" / "fidelity.json").read_text())
    assert found["schema"] == fidelity_report.SCHEMA
    (row,) = [
        r for r in found["gaps"]
        if (r["policy"], r["kind"], r["kpi"]) == ("je_qse", "deployed", KPI)
    ]  # fmt: skip
    traces = [read_trace(path) for path in out.glob("toscn/*/*/run*.h5")]
    rewards: dict[str, dict[int, float]] = {"paper": {}, "bit": {}}
    for trace in traces:
        told = trace.attributes["provenance"]["scenario"]
        planned = (told["agent"]["name"], told["agent"]["plan"])
        if planned == ("je_qse", "shannon") and not any(told["partial"].values()):
            rewards[told["phy"]][trace.attributes["run"]] = float(trace["slots"]["reward"].mean())
    gap = np.mean([rewards["bit"][run] - rewards["paper"][run] for run in range(3)])
    assert row["gap"] == pytest.approx(gap, abs=1e-9)
    assert row["verdict"] == "beyond the margin"
    with (out / "toscn" / "fidelity" / "gaps.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found["gaps"])
    for a in found["attributions"]:
        assert a["formula"] + sum(p["mean"] for p in a["parts"]) == pytest.approx(a["real"], abs=1e-9)


def test_study_page_is_whole(study):
    from test_replay import check_page

    text = (study[0] / "toscn" / "fidelity" / "fidelity.html").read_text()
    check_page(text)
    order = ["brings", "<h2>Does the winner change?", "<h2>Where it comes from", "<h2>Details"]
    assert sorted(order, key=text.index) == order
    assert "python -m netsim fidelity" in text and "Kendall" in text


def test_study_called_again_runs_nothing(study, monkeypatch, capsys):
    out, options = study
    before = (out / "toscn" / "fidelity" / "gaps.csv").read_text()
    monkeypatch.setattr("netsim.simulate.run_to_file", lambda *a, **k: pytest.fail("nothing is missing"))
    assert main(["fidelity", TOSCN, *options]) == 0
    assert (out / "toscn" / "fidelity" / "gaps.csv").read_text() == before


def test_precision_adds_runs_until_the_interval_is_narrow(tmp_path):
    """The whole command: ten runs at least, batches of ten until the gap is known to 3 % of the reference
    mean, and one more batch that took no part in the decision; or it gives up and says how many it has.
    """
    options = ["--levels", "paper,bit", "--policies", "equal .85", "--slots", "10", "--no-errors"]
    options += ["--set", "semantics.data=embedded", "--mechanisms", "none", "--runs", "2"]
    half = {}
    for name, width, most in (("narrow", "3%", "60"), ("never", "0.001%", "12")):
        report = tmp_path / name
        more = ["--precision", width, "--most-runs", most, "--report", str(report)]
        assert main(["fidelity", TOSCN, *options, *more, "--out", str(tmp_path)]) == 0
        found = json.loads((report / "fidelity.json").read_text())
        (row,) = [r for r in found["gaps"] if r["kpi"] == KPI and r["kind"] == "deployed"]
        half[name] = (row["high"] - row["low"]) / 2 / row["reference"]
        runs = len(list(tmp_path.glob("toscn/*/*/run*.h5"))) // 2
        assert row["worlds"] == (runs if name == "narrow" else 12)
        if name == "narrow":
            assert runs >= 20 and runs % 10 == 0  # 10 to decide on, 10 to confirm
    assert half["narrow"] < 0.03 < 1 and half["never"] > 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--levels", "paper"], "--levels paper: must name 2 or more"),
        (["--mechanisms", "gravity"], "mechanism 'gravity': no such one"),
        (["--margin", "wide"], "--margin wide: must be a share"),
        (["--precision", "0"], "--precision 0: must be a positive number"),
        (["--policies", "je_qse,greedier"], "policy=greedier, planned=paper, level=paper: Agent.name"),
        (["--orders", "-1"], "--orders -1: must be >= 0"),
    ],
)
def test_mistakes_are_one_line(options, message, tmp_path, capsys):
    assert main(["fidelity", TOSCN, "--out", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


def test_what_is_not_installed_is_one_line(tmp_path, capsys, monkeypatch):
    import sys

    for package, command in (
        ("jinja2", ["fidelity", TOSCN, "--out", str(tmp_path)]),
        ("pyarrow", ["sweep", TOSCN, "--out", str(tmp_path), "--table", "x.parquet"]),
        ("distributed", ["sweep", TOSCN, "--out", str(tmp_path), "--runs", "1", "--scheduler", "local"]),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            assert main(command) == 2
        error = capsys.readouterr().err
        assert f"{package} is not installed" in error and "pip install" in error


def test_names_with_commas_can_be_chosen():
    from netsim.commands.study_options import _declared

    assert _declared("a, b,c,d", ["a, b", "c"]) == ("a, b", "c", "d")
    assert _declared("a,b", ["a, b"]) == ("a", "b")
    assert _declared("", ["a"]) == ()


def test_a_system_without_declaration_has_its_reward():
    scenario = toscn()
    assert study_of(scenario).policies["je_qse"] == {"agent.name": "je_qse"}
    assert attribution.Game(scenario, study_of(scenario), {}, "x", (), 0).exact
