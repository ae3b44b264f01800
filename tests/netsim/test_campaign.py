"""Campaigns: only what is missing is run, failures are listed, a killed one ends as one that was not."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from broken_scenarios import Dies, Fails
from scenarios_for_tests import toscn

from netsim import metrics, params
from netsim.cli import main
from netsim.studies import campaign, values, version
from netsim.studies.workers import in_processes, in_this_process, on_cluster
from netsim.trace import read_trace
from phy.parameters import ParameterError

ROOT = Path(__file__).resolve().parents[2]
TOSCN = str(ROOT / "scenarios" / "toscn.py")
FORMULA = {"phy": "paper", "slots": 10, "semantics.packet_bits": 1_600_000}


def formula(**assignments):
    return toscn(**FORMULA, **assignments)


def digests(outcome: campaign.Outcome) -> dict:
    return {(v.text, run): read_trace(path).digest for (v, run), path in outcome.files.items()}


def run_all(store, variants, runs, workers) -> campaign.Outcome:
    return campaign.execute(store, campaign.replicated(variants, runs), workers)


def two_policies() -> list[campaign.Variant]:
    axis = campaign.Axis.of_path("agent.name", ["je_qse", "equal"])
    return campaign.variants(formula(), [axis])


def test_all_combinations_in_order():
    axes = [
        campaign.parse_axis(formula(), "radio.bandwidth_hz=2e6,3e6"),
        campaign.parse_axis(formula(), "agent.name=equal,random"),
    ]
    found = campaign.variants(formula(), axes)
    assert [v.text.split("=")[-1] for v in found] == ["equal", "random"] * 2
    assert [v.scenario.radio.bandwidth_hz for v in found] == [2e6, 2e6, 3e6, 3e6]
    assert campaign.variants(formula(), [])[0].text == "as it is"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("radio.bandwidth_hz", "must be path=value,value"),
        ("radio.bandwidth_hz=", "must be path=value,value"),
        ("radio.width=1", "no parameter 'radio.width'"),
        ("slots=1,x", "--vary slots=1,x: must be int"),
        ("slots=1,1", "a value stands there twice"),
    ],
)
def test_an_axis_that_is_none_is_one_line(text, message):
    with pytest.raises(ParameterError, match=message):
        campaign.parse_axis(formula(), text)


def test_a_combination_that_breaks_a_rule_is_named():
    axes = [campaign.parse_axis(formula(), "phy=paper,bit"), campaign.parse_axis(formula(), "slots=5")]
    with pytest.raises(ParameterError, match=r"^phy=bit, slots=5: .*packet_bits"):
        campaign.variants(formula(), axes)
    with pytest.raises(ParameterError, match="is varied twice"):
        campaign.variants(formula(), [axes[1], axes[1]])


def test_only_what_is_missing_is_run(tmp_path):
    store, asked = campaign.Store(tmp_path), []

    def counting(tasks):
        asked.append([task.text for task in tasks])
        return in_this_process(tasks)

    first = run_all(store, two_policies(), range(2), counting)
    again = run_all(store, two_policies(), range(3), counting)
    assert [len(tasks) for tasks in asked] == [4, 2]
    assert asked[0][:2] == ["agent.name=je_qse, run 0", "agent.name=equal, run 0"]
    assert (first.found, again.found, len(again.files)) == (0, 4, 6)
    assert {key: digests(again)[key] for key in digests(first)} == digests(first)


def test_equal_scenarios_share_their_runs(tmp_path):
    """agent.plan says nothing at level paper's own rate law, but is another scenario; the same value twice
    under two names is not.
    """
    names = campaign.Axis("x", (("a", {"slots": 10}), ("b", {"slots": 10})))
    outcome = run_all(
        campaign.Store(tmp_path), campaign.variants(formula(), [names]), range(2), in_this_process
    )
    assert len(outcome.files) == 4
    assert len(set(outcome.files.values())) == 2


def test_other_code_does_not_answer_unless_told(tmp_path, monkeypatch):
    variant = campaign.variants(formula(), [])
    monkeypatch.setattr(campaign, "code_version", lambda: "older0000000")
    run_all(campaign.Store(tmp_path), variant, range(2), in_this_process)
    monkeypatch.undo()
    assert campaign.Store(tmp_path).find(variant[0].scenario, 0) is None
    found = campaign.Store(tmp_path, any_version=True).find(variant[0].scenario, 0)
    assert found is not None and found.parent.name == "older0000000"


def test_code_version_follows_what_a_run_depends_on(tmp_path, monkeypatch):
    for name in ("netsim/world.py", "netsim/studies/page.py", "phy/link.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    for package in ("netsim", "phy"):
        (tmp_path / package / "__init__.py").write_text("")
        module = type(sys)(package)
        module.__file__ = str(tmp_path / package / "__init__.py")
        monkeypatch.setattr(version, package, module)

    def edited(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        version.code_version.cache_clear()
        return version.code_version()

    try:
        before = edited("netsim/world.py", "x = 1\n")
        assert edited("netsim/studies/page.py", "x = 2\n") == before
        assert edited("netsim/world.py", "x = 1\r\n") == before
        assert edited("phy/link.py", "x = 2\n") != before
    finally:
        monkeypatch.undo()
        version.code_version.cache_clear()


def test_failures_are_listed_and_never_averaged_in(tmp_path):
    scenario = Fails(**vars(formula()))
    outcome = run_all(campaign.Store(tmp_path), campaign.variants(scenario, []), range(3), in_this_process)
    assert [str(failure) for failure in outcome.failures] == [
        "as it is, run 1: RuntimeError: a fault of two lines"
    ]
    (variant,) = campaign.variants(scenario, [])
    assert outcome.runs_of(variant) == [0, 2]


def test_a_worker_that_dies_takes_only_its_own_run_along(tmp_path):
    """Two processes give the same files as one; run 1 of one scenario kills its process."""
    variants = campaign.variants(formula(), [])
    deadly = [campaign.Variant((("is", "deadly"),), Dies(**{**vars(formula()), "name": "deadly"}))]
    store = campaign.Store(tmp_path / "two")
    alone = run_all(campaign.Store(tmp_path / "one"), variants, range(2), in_this_process)
    outcome = run_all(store, [*deadly, *variants], range(2), lambda tasks: in_processes(tasks, 2))
    assert [(f.run, f.reason) for f in outcome.failures] == [(1, "the process that ran it died")]
    assert isinstance(outcome.failures[0].variant.scenario, Dies)
    found = digests(outcome)
    assert {key: found[key] for key in digests(alone)} == digests(alone)
    assert ("is=deadly", 0) in found


def sweep(out: Path, *more: str) -> list[str]:
    assignments = [f"--set={path}={value}" for path, value in FORMULA.items() if path != "phy"]
    return ["sweep", TOSCN, "--phy", "paper", *assignments, "--out", str(out), *more]


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_killed_and_called_again(tmp_path, capsys):
    """kill -9 in the middle: no half file under its name, no orphan, and the second call ends as if nothing
    had happened.
    """
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    options = ["--set", "slots=60", "--runs", "6", "--jobs", "2"]
    command = [sys.executable, "-m", "netsim", *sweep(killed, *options)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(killed.rglob("run*.h5")) and time.monotonic() < deadline:
        assert process.poll() is None, "the sweep ended too early for this test"
        time.sleep(0.005)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    there = list(killed.rglob("run*.h5"))
    assert 0 < len(there) < 6
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if alive(pid)]
    assert main(sweep(killed, *options[:4])) == 0
    assert main(sweep(whole, *options[:4])) == 0
    capsys.readouterr()
    traces = [{p.name: read_trace(p).digest for p in folder.rglob("run*.h5")} for folder in (killed, whole)]
    assert traces[0] == traces[1]
    assert len(traces[0]) == 6
    tables = [(folder / "toscn" / "sweep.csv").read_text() for folder in (killed, whole)]
    assert tables[0] == tables[1]


def test_sweep_from_the_command_line(tmp_path, capsys):
    assert main(sweep(tmp_path, "--policies", "je_qse,equal", "--runs", "2", "--list")) == 0
    assert not list(tmp_path.rglob("*.h5"))
    assert "4 to run" in capsys.readouterr().out
    assert main(sweep(tmp_path, "--policies", "je_qse,equal", "--runs", "2")) == 0
    assert "0 runs were there, 4 made" in capsys.readouterr().out
    with (tmp_path / "toscn" / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    mine = [r for r in rows if r["agent.name"] == "equal" and r["ue"] == "all"]
    # pooled from the tidy rows, a figure is what netsim.metrics says of the traces
    digest = mine[0]["digest"]
    traces = [read_trace(path) for path in sorted(tmp_path.glob(f"toscn/{digest}/*/run*.h5"))]
    for record in metrics.summarise(traces, bandwidth_hz=3e6):
        if record.ue != "all" or record.kpi.startswith(("delay ", "sinr ")) or math.isnan(record.mean):
            continue
        kept = [r for r in mine if r["kpi"] == record.kpi]
        pooled = sum(float(r["numerator"]) for r in kept) / sum(float(r["denominator"]) for r in kept)
        assert pooled == pytest.approx(record.mean, abs=1e-12), record.kpi


def test_estimates_are_those_of_metrics(tmp_path):
    variants = campaign.variants(formula(), [])
    outcome = run_all(campaign.Store(tmp_path), variants, range(3), in_this_process)
    paths = list(outcome.files.values())
    records = metrics.summarise([read_trace(path) for path in paths], bandwidth_hz=3e6)
    for record in records:
        if record.ue != "all" or math.isnan(record.mean) or "error rate" in record.kpi:
            continue
        found = values.estimate(
            [values.figure_of_file(path, variants[0].scenario, record.kpi) for path in paths]
        )
        # metrics ends an interval where the figure ends
        low = max(found.low, 0.0) if record.low == 0.0 else found.low
        assert (found.mean, low) == pytest.approx((record.mean, record.low)), record.kpi


def test_a_damaged_result_is_listed(tmp_path, capsys):
    assert main(sweep(tmp_path, "--runs", "2")) == 0
    (path,) = tmp_path.rglob("run1.h5")
    path.write_bytes(b"not a trace")
    assert main(sweep(tmp_path, "--runs", "2")) == 1
    out = capsys.readouterr().out
    assert "1 failed, in no average" in out and "run1.h5: not readable" in out


def test_figures_beside_a_trace_are_those_of_the_trace(tmp_path):
    """They are found by the worker; half a file, one of another trace or of other code is not believed."""
    (variant,) = campaign.variants(formula(), [])
    outcome = run_all(campaign.Store(tmp_path), [variant], range(1), in_this_process)
    path = outcome.files[variant, 0]
    beside = path.with_suffix(".figures.json")
    whole = beside.read_text()
    truth = tuple(values.values_of(read_trace(path), variant.scenario.total_bandwidth_hz))

    def found() -> tuple:
        values._of_file.cache_clear()
        return values.values_of_file(path, variant.scenario, each_ue=True)

    assert found() == truth
    for broken in (whole[:100], whole.replace('"about": [', '"about": [1, '), ""):
        beside.write_text(broken)
        assert found() == truth
        assert beside.read_text() == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--runs", "0"], "--runs 0: must be >= 1"),
        (["--jobs", "0"], "--jobs 0: must be >= 1"),
        (["--kpi", "reward per slo"], "figure 'reward per slo': no such figure (did you mean"),
        (["--levels", "paper,bits"], "phy=bits: Toscn.phy = 'bits'"),
        (["--table", "x.xls"], "x.xls: must end in .csv or .parquet"),
    ],
)
def test_mistakes_are_one_line(options, message, tmp_path, capsys):
    assert main(sweep(tmp_path, *options)) == 2
    assert message in capsys.readouterr().err


def test_parquet_holds_the_same(tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    tables = [f"--table={tmp_path / name}" for name in ("a.csv", "a.parquet")]
    assert main(sweep(tmp_path, "--runs", "1", *tables)) == 0
    found = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["kpi"] for r in found] == [r["kpi"] for r in rows]
    assert found[0]["value"] == float(rows[0]["value"])


@pytest.mark.slow
def test_a_cluster_gives_the_same(tmp_path):
    pytest.importorskip("distributed")
    variants = two_policies()
    here = run_all(campaign.Store(tmp_path / "a"), variants, range(2), in_this_process)
    there = run_all(
        campaign.Store(tmp_path / "b"), variants, range(2), lambda tasks: on_cluster(tasks, "local", 2)
    )
    assert digests(there) == digests(here)
    with pytest.raises(ParameterError, match="must be a running Dask scheduler"):
        list(on_cluster([campaign.Task(variants[0], 0, tmp_path)], "tcp://127.0.0.1:9", 1))


@pytest.mark.slow
def test_a_scheduler_with_an_address_gives_the_same(tmp_path, capsys):
    """`--scheduler tcp://...`: the workers of somebody else's Dask cluster, from the command line."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tcp://")
        assert main(sweep(tmp_path / "there", "--runs", "3", "--scheduler", address)) == 0
    assert main(sweep(tmp_path / "here", "--runs", "3")) == 0
    assert "3 made" in capsys.readouterr().out
    tables = [(tmp_path / name / "toscn" / "sweep.csv").read_text() for name in ("there", "here")]
    assert tables[0] == tables[1]


def test_params_digest_is_the_key(tmp_path):
    store = campaign.Store(tmp_path)
    a, b = formula(), formula(seed=2)
    assert store.folder(a) != store.folder(b)
    assert params.digest(a) in str(store.folder(a))
