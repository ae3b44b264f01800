"""Stations whose clocks disagree with the controller's: when slots begin, what they are worth, what is equal
to clocks that agree (green specification 11.4)."""

from __future__ import annotations

import numpy as np
import pytest

from netsim import checks, params, simulate
from netsim.clocks import Clocks, SlotStarts
from netsim.streams import Streams
from netsim.systems.green import Green
from netsim.systems.green_stations import build
from phy.parameters import ParameterError

SLOT = 20_000_000


def green(name: str = "level1", **values) -> Green:
    small = {"slots": 120, "agent.name": name, "agent.dqn.learning.warm_up": 20}
    scenario = params.override(Green(), {**small, **values})
    assert isinstance(scenario, Green)
    return scenario


def traced(scenario: Green, run: int = 0):
    memory = simulate.run_in_memory(scenario, run)
    assert checks.check(memory.trace()) == []
    return memory


@pytest.mark.parametrize("name", ["level1", "random", "dqn"])
def test_clocks_that_are_apart_by_nothing_change_nothing(name):
    """Offsets of less than a nanosecond go the other way through the conductor and give the same trace."""
    together, apart = traced(green(name)), traced(green(name, **{"clocks.offset_slots": 1e-9}))
    assert together.digest == apart.digest


def test_starts_by_offset_and_drift():
    """Own slot n begins at offset + n T (1 + drift); every start is given out once, in order."""
    starts = SlotStarts(Clocks(offset_slots=1.0, drift_ppm=90_000.0), SLOT, 5, Streams(3))
    assert len(set(starts.offset_ns)) == 5 and all(0 <= offset < SLOT for offset in starts.offset_ns)
    assert min(starts.drift) < -0.01 and max(starts.drift) > 0.01
    seen = [[] for _ in range(5)]
    for slot in range(200):
        found = starts.before((slot + 1) * SLOT)
        assert list(found) == sorted(found)
        for at_ns, nodes in found.items():
            assert slot * SLOT <= at_ns < (slot + 1) * SLOT
            for node in nodes:
                seen[node].append(at_ns)
    for node, times in enumerate(seen):
        period = SLOT * (1 + starts.drift[node])
        expected = starts.offset_ns[node] + period * np.arange(len(times))
        np.testing.assert_allclose(times, expected, atol=1.0)
        assert abs(len(times) - 200 * SLOT / period) <= 1.5


def test_an_own_slot_is_worth_the_mean_of_its_pieces():
    """Constant powers: the accuracy of an own slot is f_s on the two channels it sees, weighted by time, and
    QoE and EE follow from it.
    """
    scenario = green("fixed", **{"clocks.offset_slots": 1.0, "agent.power_level": 3, "slots": 40})
    trace, streams = traced(scenario).trace(), Streams(scenario.seed, 0)
    starts = SlotStarts(scenario.clocks, SLOT, 3, Streams(scenario.seed, 0))
    system, _ = build(scenario, streams)
    system.begin_episode(0)
    gains = system._world.gains(40)
    model = system.model
    power_w, k = np.full(3, model.levels_w[3]), np.full(3, scenario.agent.symbols_per_word)
    f_s = model.outcome(np.repeat(power_w[None], 40, axis=0), np.repeat(k[None], 40, axis=0), gains).accuracy
    late = np.array(starts.offset_ns) / SLOT
    assert (late > 0.02).all()
    expected = (1 - late) * f_s[2:-1] + late * f_s[3:]  # all stations are on the air by slot 2
    accuracy = trace["stations"]["accuracy"].reshape(-1, 3)
    # an own slot that began in slot 2 ends, and is judged, in slot 3
    np.testing.assert_allclose(accuracy[3:], expected, rtol=1e-12)
    qoe = trace["stations"]["qoe"].reshape(-1, 3)
    static = scenario.power.static_w
    ee = qoe.mean(axis=1) * static / (static + power_w.mean())
    np.testing.assert_allclose(trace["slots"]["objective"][3:], ee[3:], rtol=1e-12)
    np.testing.assert_allclose(trace["slots"]["reward"], trace["slots"]["objective"], rtol=1e-12)


def test_observations_leave_when_the_own_slot_begins():
    scenario = green("level1", **{"clocks.offset_slots": 1.0})
    trace = traced(scenario).trace()
    messages, starts = trace["messages"], SlotStarts(scenario.clocks, SLOT, 3, Streams(scenario.seed, 0))
    left = np.unique(messages["sent_ns"][messages["kind"] == "observation"] % SLOT)
    assert left.tolist() == sorted(starts.offset_ns)
    judged = messages["sent_ns"][messages["kind"] == "reward"]
    assert (judged % SLOT == 0).all()
    rewards = trace["decisions"]["reward"]
    assert np.isfinite(rewards).sum() >= 3 * 117  # all but the slots cut off by the end


def test_drift_slips_a_slot_and_keeps_the_books():
    """Clocks 4 % apart: some controller's slots see no own slot begin, others two; decisions are not lost."""
    scenario = green("random", **{"clocks.drift_ppm": 40_000.0, "slots": 300})
    trace = traced(scenario).trace()
    starts = SlotStarts(scenario.clocks, SLOT, 3, Streams(scenario.seed, 0))
    counts = [sum(m in nodes for nodes in starts.before(300 * SLOT).values()) for m in range(3)]
    begun = [300 / (1 + drift) for drift in starts.drift]
    decisions = trace["decisions"]
    agents = np.array([str(a) for a in decisions["agent"]])
    for m, name in enumerate(sorted(set(agents))):
        assert abs((agents == name).sum() - begun[m]) <= 2
    assert counts != [300, 300, 300] or max(abs(d) for d in starts.drift) < 1e-3


def test_steps_of_the_channel():
    """The channel of a slot's start has the correlation of a whole slot, whatever the steps within."""
    worth = {}
    for steps in (1, 4):
        scenario = green("level1", **{"clocks.channel_steps": steps, "slots": 400})
        worth[steps] = np.mean(
            [traced(scenario, run).trace()["slots"]["objective"].mean() for run in range(4)]
        )
    assert 0.005 < worth[1] - worth[4] < 0.05  # the SINR ages within the slot


def test_late_clocks_cost_something_and_less_than_an_old_observation():
    values = {
        name: np.mean(
            [
                traced(green("level1", slots=400, **change), run).trace()["slots"]["objective"].mean()
                for run in range(5)
            ]
        )
        for name, change in {
            "together": {},
            "apart": {"clocks.offset_slots": 1.0},
            "old": {"signalling.observation_delay_ns": SLOT},
        }.items()
    }
    assert values["old"] < values["apart"] < values["together"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"clocks.offset_slots": 0.5, "phy": "bit"}, "must agree"),
        ({"clocks.drift_ppm": 5.0, "decision.timing": "post"}, "must be pre"),
        ({"clocks.channel_steps": 2, "signalling.grant_gap": "idle"}, "must be hold"),
        ({"clocks.offset_slots": 1.5}, "must be in"),
        ({"clocks.drift_ppm": -1.0}, "must be in"),
    ],
)
def test_mistakes_are_one_line(change, rule):
    with pytest.raises(ParameterError, match=rule):
        green(**change)


def test_from_outside_stations_are_due_one_by_one():
    """PettingZoo: a step runs to the next own slot that begins; the others' actions are ignored."""
    pytest.importorskip("pettingzoo")
    from netsim.envs.pettingzoo_env import GreenParallelEnv

    env = GreenParallelEnv(green(**{"clocks.offset_slots": 1.0, "slots": 20}))
    env.reset(seed=0)
    due = []
    while env.agents:
        _, _, _, _, infos = env.step(dict.fromkeys(env.agents, 25))
        due.append([info["due"] for info in infos.values()])
    assert all(sum(step) == 1 for step in due[:-1]) and 3 * 18 <= len(due) <= 3 * 20
