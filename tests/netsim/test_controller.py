"""The central controller: when it judges, what stands in for a missing report, who is told; and the green
scenario through it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netsim import checks, params, simulate
from netsim.agents.timed import Decision
from netsim.controller import Controller
from netsim.engine import Clock, after
from netsim.signalling import Message, Signalling
from netsim.system import Node
from netsim.systems.green import Green

NODES = (Node("cell0", "station0"), Node("cell1", "station1"), Node("cell2", "station2"))
MS = 1_000_000


class Wire:
    """Carries messages with the delays that a test gives, None = lost."""

    def __init__(self, env: Clock, delays_ns: dict[tuple[str, int], int | None]) -> None:
        self.env, self.delays_ns = env, delays_ns
        self.rewards: list[tuple[str, int, int, float]] = []

    def send(self, kind: str, src: str, dst: str, slot: int, content: Any, deliver) -> None:
        if kind == "reward":
            self.rewards.append((dst, slot, self.env.now_ns, content[1]))
            return
        delay = self.delays_ns.get((src, slot), 0)
        if delay is not None:
            message = Message(kind, slot, self.env.now_ns, self.env.now_ns + delay, content)
            after(self.env, delay, lambda _event: deliver(message))


class Listener:
    def on_reward(self, message: Message) -> None:
        pass


def story(missing: str, delays_ns: dict[tuple[str, int], int | None], num_slots: int = 2):
    """Slots of 20 ms, deadline 5 ms; cell m of slot t reports (10 t + m,); the reward is the sum."""
    env, recorded = Clock(), []
    wire = Wire(env, delays_ns)
    signalling = Signalling(report_deadline_ns=5 * MS, report_missing=missing)
    agents = [Listener() for _ in NODES]
    controller = Controller(
        env, wire, signalling, NODES, agents, lambda reports: sum(r[0] for r in reports), recorded.append
    )  # type: ignore[arg-type]

    def live():
        for slot in range(num_slots):
            yield env.timeout(20 * MS)
            decisions: list[Decision | None] = [Decision(n.agent, None, None, 0, 0, slot) for n in NODES]
            controller.judge(slot, decisions, [(10.0 * slot + m,) for m in range(3)])

    env.process(live())
    env.run()
    controller.finish()
    return wire.rewards, recorded


def test_all_reports_there_the_slot_is_judged_at_once():
    rewards, recorded = story("hold", {("cell1", 0): 3 * MS})
    assert [r for r in rewards if r[1] == 0] == [(f"station{m}", 0, 23 * MS, 3.0) for m in range(3)]
    assert [r for r in rewards if r[1] == 1] == [(f"station{m}", 1, 40 * MS, 33.0) for m in range(3)]
    assert [d.reward for d in recorded] == [3.0] * 3 + [33.0] * 3


@pytest.mark.parametrize(("missing", "expected"), [("hold", 10 + 12 + 1), ("mean", 33), ("skip", None)])
def test_a_lost_report_is_replaced_at_the_deadline(missing, expected):
    rewards, recorded = story(missing, {("cell1", 1): None})
    later = [r for r in rewards if r[1] == 1]
    if expected is None:
        assert later == []
        assert np.isnan([d.reward for d in recorded[3:]]).all() and len(recorded) == 6
    else:
        assert later == [(f"station{m}", 1, 45 * MS, expected) for m in range(3)]


def test_without_anything_to_hold_the_slot_is_skipped_and_a_late_report_serves_later():
    rewards, _ = story("hold", {("cell1", 0): 7 * MS, ("cell1", 1): None})
    assert [r[1] for r in rewards] == [1, 1, 1]
    assert rewards[0][3] == 10 + 12 + 1  # the report of slot 0 came after its deadline, and is held in slot 1


def green(**values: Any) -> Green:
    scenario = params.override(
        Green(), {"slots": 200, **{k.replace("__", "."): v for k, v in values.items()}}
    )
    assert isinstance(scenario, Green)
    return scenario


PHYSICS = ("receptions", "stations", "buffers", "packets")


@pytest.mark.parametrize("name", ["random", "level1", "greedy"])
def test_reports_under_way_leave_the_physics_alone(name):
    base = simulate.run_in_memory(green(agent__name=name))
    late = simulate.run_in_memory(
        green(agent__name=name, signalling__report_delay_ns=3 * MS, signalling__reward_delay_ns=2 * MS)
    )
    assert {t: base.digest[t] for t in PHYSICS} == {t: late.digest[t] for t in PHYSICS}
    assert checks.check(base.trace()) == [] and checks.check(late.trace()) == []
    messages = late.trace()["messages"]
    rewards = messages["kind"] == "reward"
    # a reward leaves 3 ms after the slot's end; those of the last slot are still under way
    assert (messages["sent_ns"][rewards] % (20 * MS) == 3 * MS).all() and rewards.sum() == 3 * 199


def test_the_common_reward_is_the_energy_efficiency_of_the_stations_table():
    trace = simulate.run_in_memory(green(agent__name="random")).trace()
    scenario = green()
    stations, slots, decisions = trace["stations"], trace["slots"], trace["decisions"]
    qoe = stations["qoe"].reshape(-1, 3)
    power_w = trace["grants"]["power_w"].reshape(-1, 3)
    static = scenario.power.static_w
    ee = qoe.mean(axis=1) * static / (static + power_w.mean(axis=1))
    np.testing.assert_allclose(slots["reward"], ee, rtol=1e-12)
    np.testing.assert_allclose(decisions["reward"], np.repeat(ee, 3), rtol=1e-12)


def test_an_older_observation_costs_energy_efficiency():
    """Specification 11.4: with an observation one slot old, choosing k by the SINR loses some 0.04."""
    fresh, old = (
        np.mean(
            [
                simulate.run_in_memory(green(slots=400, signalling__observation_delay_ns=delay), run)
                .trace()["slots"]["objective"]
                .mean()
                for run in range(6)
            ]
        )
        for delay in (0, 20 * MS)
    )
    assert 0.015 < fresh - old < 0.08
