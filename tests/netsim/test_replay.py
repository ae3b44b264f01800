"""A slot from the trace alone: bit-identical to what the run saw; pages that hold together."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim import params, simulate
from netsim.cli import main
from netsim.link import Link
from netsim.link_errors import error_places
from netsim.streams import Streams
from netsim.studies.page import embedded_json, render
from netsim.studies.replay import replay
from netsim.systems.toscn_system import ToscnSystem
from netsim.trace import read_trace
from phy.parameters import ParameterError

NOISY = {"semantics.data": "embedded", "slots": 14, "radio.noise_psd_dbm_hz": -145.0}


class Witness:
    """Looks over the shoulder of a link and keeps what it received."""

    def __init__(self, link: Link) -> None:
        self.link, self.seen = link, {}

    def __getattr__(self, name):
        return getattr(self.link, name)

    def transmit(self, slot, grants, world, blocks):
        received = self.link.transmit(slot, grants, world, blocks)
        parts = np.split(received.payload, np.cumsum([len(block.payload) for block in blocks])[:-1])
        for ue in {block.ue for block in blocks}:
            mine = [part for block, part in zip(blocks, parts) if block.ue == ue]
            self.seen[slot, ue] = np.concatenate(mine).tobytes()
        return received


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run in a file, and every payload that its server got."""
    scenario = toscn(**NOISY)
    prepared = simulate.prepare(scenario, 2)
    assert isinstance(prepared.system, ToscnSystem)
    witness = Witness(prepared.system.link)
    prepared.system.link = witness
    folder = tmp_path_factory.mktemp("replay")
    path = simulate.run_to_file(scenario, 2, folder)
    memory = simulate.MemoryTrace(simulate.attributes(scenario, 2), prepared.system.tables)
    prepared(memory).run()
    return path, witness.seen


def test_every_slot_is_bit_identical(recorded):
    """Before and past the change of episode: payloads as the server got them, counts as recorded."""
    path, seen = recorded
    trace = read_trace(path)
    for slot in (0, 3, 9, 10, 13):
        for ue in (0, 4):
            found = replay(trace, slot, ue)
            assert found.differences == []
            payload = b"".join(np.packbits(one.received).tobytes() for one in found.packets)
            assert payload == seen.get((slot, ue), b"")
            row = (trace["receptions"]["slot"] == slot) & (trace["receptions"]["ue"] == ue)
            assert sum(len(one.wrong) for one in found.packets) == trace["receptions"]["num_bit_errors"][row]
            assert found.gain == trace["receptions"]["gain"][row][0]
    assert trace["receptions"]["num_bit_errors"].sum() > 1000


def test_symbols_are_those_that_were_sliced(recorded):
    """Deciding the shown symbols gives the received bits (before descrambling: as many symbol errors)."""
    trace = read_trace(recorded[0])
    one = replay(trace, *noisiest(trace)).packets[0]
    points = np.unique(one.ideal)
    decided = points[np.abs(one.symbols[:, None] - points[None, :]).argmin(axis=1)]
    wrong = (one.sent != one.received).reshape(-1, 4).any(axis=1)
    np.testing.assert_array_equal(decided != one.ideal, wrong)
    assert wrong.any()


def noisiest(trace) -> tuple[int, int]:
    """Slot and device with the most wrong bits."""
    row = trace["receptions"]["num_bit_errors"].argmax()
    return int(trace["receptions"]["slot"][row]), int(trace["receptions"]["ue"][row])


@pytest.mark.parametrize("level", ["table", "bit"])
def test_other_levels_on_the_same_grants(recorded, level):
    trace = read_trace(recorded[0])
    slot, ue = noisiest(trace)
    found, own = replay(trace, slot, ue, level), replay(trace, slot, ue)
    assert [one.packet.id for one in found.packets] == [one.packet.id for one in own.packets]
    np.testing.assert_array_equal(found.packets[0].sent, own.packets[0].sent)
    same = np.array_equal(found.packets[0].received, own.packets[0].received)
    assert same == (level == "bit")


def test_a_trace_that_was_tampered_with_is_noticed(recorded):
    """The witness can fail: another seed in the provenance gives another slot."""
    trace = read_trace(recorded[0])
    trace.attributes["run"] = 3
    assert replay(trace, 3, 0).differences


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--slot", "99", "--ue", "0"], "--slot 99: must be in 0..13"),
        (["--slot", "0", "--ue", "6"], "--ue 6: must be in 0..5"),
        (["--slot", "0", "--ue", "0", "--phy", "bits"], "must be one of paper, table"),
    ],
)
def test_mistakes(recorded, options, message, capsys):
    assert main(["replay", str(recorded[0]), *options]) == 2
    assert message in capsys.readouterr().err


def test_level_paper_cannot_be_replayed_with_bits():
    trace = simulate.run_in_memory(toscn(phy="paper", slots=3)).trace()
    with pytest.raises(ParameterError, match="recorded no items"):
        replay(trace, 1, 0, "bit")


def check_page(text: str) -> None:
    """Nothing from the network, no placeholder left, every figure is JSON with data."""
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text.split('id="plotly-gz"')[0])
    figures = re.findall(r'<div class="figure"[^>]*><script type="application/json">(.*?)</script>', text)
    assert figures and all(json.loads(figure)["data"] for figure in figures)
    assert "{{" not in text and "Undefined" not in text


def test_pages(recorded, tmp_path, capsys):
    page = tmp_path / "slot.html"
    assert main(["replay", str(recorded[0]), "--slot", "3", "--ue", "0", "--page", str(page)]) == 0
    assert "bit-identical" in capsys.readouterr().out
    check_page(page.read_text())
    assert "features received" in page.read_text()
    assert main(["report", str(recorded[0]), "--page", str(page)]) == 0
    check_page(page.read_text())
    assert "accuracy per packet" in page.read_text()


def test_what_a_user_typed_cannot_break_a_page(recorded, tmp_path):
    """Names and figures are escaped: a file name with markup stays text."""
    evil = tmp_path / "<script>alert(1)<"
    evil.mkdir()
    path = evil / "run.h5"
    shutil.copy(recorded[0], path)
    page = tmp_path / "page.html"
    assert main(["report", str(path), "--page", str(page)]) == 0
    assert "<script>alert" not in page.read_text()
    assert "</script" not in embedded_json({"x": "</script><b>"})
    with pytest.raises(Exception, match="undefined"):
        render("trace.html", {})


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_pages_draw_in_a_browser(recorded, tmp_path):
    """Every figure becomes a drawing, from a file, without a network."""
    page = tmp_path / "slot.html"
    assert main(["replay", str(recorded[0]), "--slot", "3", "--ue", "0", "--page", str(page)]) == 0
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    assert 'data-ready="yes"' in done
    assert done.count('class="main-svg"') >= 4


def test_moved_errors_keep_the_count_of_every_packet():
    """Same world, same number of wrong bits in every packet, other decisions."""
    traces = {
        places: simulate.run_in_memory(toscn(**NOISY, **{"radio.error_places": places})).trace()["packets"]
        for places in ("channel", "independent", "bursts")
    }
    real = traces["channel"]
    for places in ("independent", "bursts"):
        np.testing.assert_array_equal(traces[places]["num_bit_errors"], real["num_bit_errors"])
        np.testing.assert_array_equal(traces[places]["item"], real["item"])
    assert any((traces[p]["decision"] != real["decision"]).any() for p in ("independent", "bursts"))


def test_error_places():
    rng = Streams(1).sequential("test")
    places = np.concatenate([error_places("independent", 64, 5, rng) for _ in range(4000)])
    expected = len(places) / 64
    assert np.abs(np.bincount(places, minlength=64) - expected).max() < 5 * np.sqrt(expected)
    burst = np.sort(error_places("bursts", 10_000, 50, rng))
    assert len(np.unique(burst)) == 50 and burst[-1] - burst[0] < 100
    assert len(error_places("bursts", 10, 0, rng)) == 0
    assert sorted(error_places("bursts", 8, 8, rng)) == list(range(8))


def test_provenance_gives_the_scenario_back(recorded):
    trace = read_trace(recorded[0])
    again = params.as_dict(replay(trace, 0, 0).scenario)
    assert again == trace.attributes["provenance"]["scenario"]
