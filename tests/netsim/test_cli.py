"""The command line as a user meets it: what it prints, its exit status, and one line for every mistake."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netsim.cli import main
from netsim.trace import read_trace

ROOT = Path(__file__).resolve().parents[2]
TOSCN = str(ROOT / "scenarios" / "toscn.py")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def one_line_error(capsys) -> str:
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("netsim: ")
    return lines[0].removeprefix("netsim: ")


@pytest.fixture
def scenario_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(text)
        return path

    return write


MISTAKES = [
    (["nowhere.py"], "nowhere.py: no such scenario file"),
    ([TOSCN, "--phy", "bits"], "Toscn.phy = 'bits': must be one of paper, table, bit, waveform"),
    ([TOSCN, "--agent", "greedy2"], "Agent.name = 'greedy2': must be one of"),
    ([TOSCN, "--slots", "0"], "Toscn.slots = 0: must be >= 1"),
    ([TOSCN, "--slots", "ten"], "argument --slots: invalid int value: 'ten'"),
    ([TOSCN, "--set", "ofmd.cp_len=8"], "--set ofmd.cp_len=8: no parameter 'ofmd' (did you mean 'ofdm'?)"),
    ([TOSCN, "--set", "ofdm.cp_len=256"], "Ofdm.cp_len = 256: must be in [0, fft_size=256)"),
    ([TOSCN, "--preset", "mbit2"], "--preset mbit2: no such preset"),
    ([TOSCN, "--runs", "0"], "--runs 0: must be >= 1"),
    ([TOSCN, "--frobnicate"], "unrecognized arguments: --frobnicate"),
    ([], "the following arguments are required: scenario"),
    (["show", "nowhere.py"], "nowhere.py: no such scenario file"),
    (["trace", "nowhere.h5"], "nowhere.h5"),
    (["trace", TOSCN], "toscn.py"),
    (["figure", "toscn-policy"], "figure toscn-policy: no such figure (did you mean 'toscn-policies'?)"),
]


@pytest.mark.parametrize(("arguments", "text"), MISTAKES, ids=[" ".join(a)[-40:] for a, _ in MISTAKES])
def test_a_mistake_is_one_line_and_exit_status_2(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert text in one_line_error(capsys)
    assert not (tmp_path / "results").exists(), "a mistake leaves nothing behind"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("x = 1", "mine.py: no value named scenario: must define scenario = Toscn(...)"),
        ("scenario = 7", "mine.py: scenario is int: must define scenario = Toscn(...)"),
        ("scenario = ", "mine.py: line 1: invalid syntax: must be Python"),
        ("1/0", "mine.py: ZeroDivisionError: division by zero: must run without error"),
        (
            "from netsim.systems.toscn import Toscn\nfrom phy.ofdm import Ofdm\n"
            "scenario = Toscn(ofdm=Ofdm(fft_size=64, cp_len=80))",
            "mine.py: Ofdm.cp_len = 80: must be in [0, fft_size=64)",
        ),
    ],
)
def test_a_broken_scenario_file_is_one_line(scenario_file, code, text, capsys):
    assert run(scenario_file(code), "--phy", "paper") == 2
    assert text in one_line_error(capsys)


def test_missing_and_broken_images_are_one_line_and_leave_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETSIM_DATA", str(tmp_path / "mine"))
    folder = tmp_path / "mine" / "mnist"
    folder.mkdir(parents=True)
    assert run(TOSCN, "--slots", 1, "--set", "semantics.data=data") == 2
    assert "no test images of mnist" in one_line_error(capsys)
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).write_bytes(b"\x00\x00\x08\x03 not an image file")
    assert run(TOSCN, "--slots", 1) == 2
    assert "t10k-" in one_line_error(capsys)
    assert run(TOSCN, "--phy", "paper", "--slots", 1, "--out", folder / "t10k-images-idx3-ubyte" / "x") == 2
    assert "must be a folder to write to" in one_line_error(capsys)
    assert not (tmp_path / "results").exists()


def test_run_writes_a_trace_that_passes_its_checks_and_says_so(tmp_path, capsys):
    arguments = [TOSCN, "--phy", "paper", "--slots", 20, "--out", tmp_path]
    assert run(*arguments) == 0
    shown = capsys.readouterr()
    assert shown.err == "", "no progress line where there is no terminal"
    for word in (
        "toscn, level paper, policy je_qse",
        "SNR (Es/N0)",
        "accuracy",
        "checks",
        "conservation, causality",
    ):
        assert word in shown.out
    (file,) = tmp_path.rglob("run0.h5")
    assert run("trace", file) == 0
    assert "buffers" in capsys.readouterr().out
    assert run("trace", file, "--csv", "slots") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    np.testing.assert_array_equal([float(row["reward"]) for row in rows], read_trace(file)["slots"]["reward"])


def test_runs_do_not_depend_on_the_number_of_processes(tmp_path, capsys):
    for jobs, folder in ((1, "one"), (2, "two")):
        arguments = [
            TOSCN,
            "--phy",
            "paper",
            "--slots",
            20,
            "--runs",
            3,
            "--jobs",
            jobs,
            "--out",
            tmp_path / folder,
        ]
        assert run(*arguments) == 0
    assert "3 runs x 20 slots" in capsys.readouterr().out
    one, two = (sorted((tmp_path / folder).rglob("run*.h5")) for folder in ("one", "two"))
    assert [file.name for file in one] == [file.name for file in two] == ["run0.h5", "run1.h5", "run2.h5"]
    for a, b in zip(one, two):
        assert read_trace(a).attributes["digest"] == read_trace(b).attributes["digest"]


def test_a_trace_remembers_what_is_needed_to_run_it_again(tmp_path, capsys):
    from netsim import params, simulate
    from netsim.systems.toscn import Toscn

    assert run(TOSCN, "--phy", "paper", "--slots", 15, "--seed", 9, "--agent", "prop", "--out", tmp_path) == 0
    (file,) = tmp_path.rglob("run0.h5")
    trace = read_trace(file)
    again = params.from_dict(Toscn, trace.attributes["provenance"]["scenario"])
    assert simulate.run_in_memory(again, trace.attributes["run"]).digest == trace.attributes["digest"]
    for name in ("software", "commit", "libraries", "host", "wall_s"):
        assert name in trace.attributes["provenance"]


def test_csv_of_key_figures(tmp_path, capsys):
    assert run(TOSCN, "--phy", "paper", "--slots", 20, "--out", tmp_path, "--csv", tmp_path / "k.csv") == 0
    rows = list(csv.DictReader((tmp_path / "k.csv").open()))
    assert {"reward per slot", "accuracy per packet", "delay mean"} <= {row["kpi"] for row in rows}
    assert {"all", "0", "5"} <= {row["ue"] for row in rows}


def test_show_prints_every_parameter(capsys):
    assert run("show", TOSCN) == 0
    shown = capsys.readouterr().out
    for word in ("radio.bandwidth_hz", "3e+06", "TOSCN Table I", "ofdm.cp_len", "a power of"):
        assert word in shown


@pytest.mark.parametrize(
    "arguments", [["--help"], ["show", "--help"], ["trace", "--help"], ["figure", "--help"]]
)
def test_help_exits_0_and_is_fast_to_import(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 0
    assert "usage: python -m netsim" in capsys.readouterr().out


def test_a_missing_optional_package_is_one_line(tmp_path):
    """A user without torch who points at images of his own is told what to install."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from netsim import cli\n"
        "def needs_torch(arguments):\n    import torch\n"
        "cli.COMMANDS['run'] = needs_torch\n"
        "sys.exit(cli.main(['x']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "netsim: torch is not installed: in the checkout: pip install -e '.[learn]'\n"


def test_an_interrupted_run_leaves_no_result_and_keeps_the_old_ones(tmp_path, capsys):
    arguments = [TOSCN, "--phy", "paper", "--slots", 10, "--out", tmp_path]
    assert run(*arguments) == 0
    (file,) = tmp_path.rglob("run0.h5")
    before = file.read_bytes()
    code = (
        "import os, signal\nfrom netsim import network_rows\n"
        "from netsim.cli import main\n"
        "old = network_rows.Rows.slot\n"
        "def record(self, slot, *rest):\n"
        "    if slot == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    old(self, slot, *rest)\n"
        "network_rows.Rows.slot = record\n"
        f"main({[str(a) for a in arguments]!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -9
    assert file.read_bytes() == before
    assert list(tmp_path.rglob("*.h5")) == [file]
