"""What a slot of SC-QoS was worth is found when somebody looks, and does not depend on when that is."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from netsim import params, simulate
from netsim.recorder import MemoryTrace
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_later import FULL, Backlog, Later
from netsim.systems.scqos_meaning import ChainMeaning
from netsim.systems.scqos_policies import make_policy, scenario_bank


def test_a_later_number_is_found_once_and_behaves_as_one():
    asked = []
    x = Later(lambda: asked.append(1) or 2.5)
    assert not asked
    assert x + 1 == 3.5 and 1 - x == -1.5 and 2 * x == 5.0 and x > 2 and -x == -2.5 and repr(x) == "2.5"
    assert float(np.asarray(x)) == 2.5 and not np.isnan(x) and np.sqrt(x) == np.sqrt(2.5)
    assert struct.unpack("<d", struct.pack("<d", x)) == (2.5,)
    assert struct.unpack("<i", struct.pack("<i", Later(lambda: 7))) == (7,)
    held = np.zeros(2, np.float32)
    held[1] = x
    assert held.tolist() == [0.0, 2.5] and len(asked) == 1
    with pytest.raises(TypeError):
        struct.pack("<i", Later(lambda: 0.5).__index__())


def test_a_backlog_judges_together_what_waits():
    calls = []

    def judge(item, features, bits):
        calls.append(len(item))
        return item + features[:, 0] + bits

    backlog = Backlog(judge)
    slots = [backlog.add(np.array([i, i]), np.full((2, 3), 0.5), np.array([1, 2])) for i in range(4)]
    assert calls == []
    np.testing.assert_array_equal(slots[2].values, (3.5, 4.5))
    np.testing.assert_array_equal(slots[3].values, (4.5, 5.5))
    assert calls == [8]
    last = backlog.add(np.array([9]), np.zeros((1, 3)), np.array([1]))
    for _ in range(FULL // 2):
        backlog.add(np.array([0, 0]), np.zeros((2, 3)), np.array([1, 1]))
    assert len(calls) == 2 and calls[1] >= FULL  # the backlog was full
    np.testing.assert_array_equal(last.values, (10.0,))
    backlog.settle()
    assert sum(calls) == 8 + 1 + FULL // 2 * 2


class Watcher:
    """Looks at the state in every slot, so that every slot is judged at its end."""

    def __init__(self, policy):
        self.policy, self.rewards = policy, []

    def act(self, observation):
        assert observation.vector.shape == (232,)
        return self.policy.act(observation)

    def learn(self, transition):
        assert type(transition.reward) is float  # once somebody watches, no number waits
        self.rewards.append(transition.reward)


def test_a_run_that_nobody_watches_is_judged_in_batches(monkeypatch):
    """Neither the conductor nor the rows of the trace look at a number before many wait."""
    calls = []
    judged = ChainMeaning._judge

    def counted(self, item, features, bits):
        calls.append(len(item))
        return judged(self, item, features, bits)

    monkeypatch.setattr(ChainMeaning, "_judge", counted)
    values = {"phy": "bit", "slots": 150, "semantics.bank": "grammar", "semantics.metric": "token_f1"}
    scenario = params.override(Scqos(), {**values, "agent.name": "random"})
    simulate.run_in_memory(scenario)
    assert sum(calls) == 450 and max(calls) >= FULL and len(calls) <= 4


@pytest.mark.parametrize("phy", ["paper", "bit"])
def test_the_run_is_the_same_whether_somebody_watches_or_not(phy):
    values = {"phy": phy, "slots": 40, "semantics.bank": "grammar", "semantics.metric": "token_f1",
              "agent.name": "random", "utility.min_similarity": 0.5, "episode_slots": 20}  # fmt: skip
    scenario = params.override(Scqos(), values)
    bank = scenario_bank(scenario)
    traces = []
    for watched in (False, True):
        policy = make_policy(scenario, bank, simulate.prepare(scenario, 0).streams)
        used = Watcher(policy) if watched else policy
        prepared = simulate.prepare(scenario, 0, [used])
        trace = MemoryTrace(simulate.attributes(scenario, 0), prepared.system.tables)
        prepared(trace).run()
        traces.append(trace.trace())
    for table in traces[0].tables:
        for column, found in traces[0][table].items():
            np.testing.assert_array_equal(found, traces[1][table][column], err_msg=f"{table}.{column}")
    assert used.rewards == traces[0]["slots"]["reward"][: len(used.rewards)].tolist()
    assert len(used.rewards) >= 38
