"""A slot of SC-QoS at level `bit`, similarity included: CPU time, judged slot by slot and in batches.

    python -m benchmarks.scqos_slots [--bank grammar] [--slots 300] [--agents mapping,random]

CPU time of one thread (OMP_NUM_THREADS=1) behind the first slots, which compile kernels and read weights. `in
batches`: nobody looks at a slot's worth before the trace does; `at once`: a policy looks at its state, which
holds the last slot's worth, in every slot; `known`: so, and the metric has seen all these sentences (the same
run once more).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from netsim import params, simulate
from netsim.recorder import MemoryTrace
from netsim.semantics import similarity
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_meaning import ChainMeaning
from netsim.systems.scqos_policies import make_policy, scenario_bank

_WARM = 30  # slots


class Watcher:
    """A policy that looks at the state before it acts as another one does."""

    def __init__(self, policy) -> None:
        self._policy = policy

    def act(self, observation):
        """The other policy's action."""
        observation.vector.sum()
        return self._policy.act(observation)


def cost_ms(scenario: Scqos, watched: bool, known: bool) -> tuple[float, float, float]:
    """CPU ms a slot, share of it in decoder and metric, and sentences judged a slot."""
    if not known:
        similarity._minilm.cache_clear()  # what another run has judged is not known
    prepared = simulate.prepare(scenario, 0)
    policy = make_policy(scenario, scenario_bank(scenario), prepared.streams)
    policies = [Watcher(policy) if watched else policy]
    prepared = simulate.prepare(scenario, 0, policies)
    judging, judged = [0.0], [0]
    meaning = prepared.system.meaning
    assert isinstance(meaning, ChainMeaning)
    inner = meaning._backlog._judge
    meaning._backlog._judge = _timed(inner, judging, judged)
    marks: dict[int, tuple[float, float, int]] = {}

    def progress(done: int) -> None:
        if done == _WARM:
            meaning._backlog.settle()
            marks[done] = time.process_time(), judging[0], judged[0]

    trace = MemoryTrace(simulate.attributes(scenario, 0), prepared.system.tables)
    prepared(trace, progress).run()
    trace.close(complete=True)
    start, before, count = marks[_WARM]
    total, slots = time.process_time() - start, scenario.slots - _WARM
    return total / slots * 1e3, (judging[0] - before) / total, (judged[0] - count) / slots


def _timed(judge: Callable, spent: list[float], count: list[int]) -> Callable:
    def timed(item: np.ndarray, features: np.ndarray, bits: np.ndarray) -> np.ndarray:
        start = time.process_time()
        found = judge(item, features, bits)
        spent[0] += time.process_time() - start
        count[0] += len(item)
        return found

    return timed


def main() -> None:
    """Prints a line for each agent and way of judging."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", default="shipped")
    parser.add_argument("--slots", type=int, default=300)
    parser.add_argument("--agents", default="mapping,oracle_snr,random")
    parser.add_argument("--metric", default="minilm")
    given = parser.parse_args()
    print(f"bank {given.bank}, {given.metric}, slots {_WARM} to {given.slots}, three sentences a slot")
    for name in given.agents.split(","):
        values = {"slots": given.slots, "semantics.bank": given.bank, "agent.name": name}
        scenario = params.override(Scqos(), {**values, "semantics.metric": given.metric})
        assert isinstance(scenario, Scqos)
        for way, watched, known in (
            ("in batches", False, False), ("at once", True, False), ("known", True, True)
        ):  # fmt: skip
            cost, share, judged = cost_ms(scenario, watched, known)
            print(
                f"{name:>12} {way:>10}: {cost:5.1f} ms of CPU a slot, {share:.0%} of it decoder and metric"
                f" ({judged:.1f} sentences)"
            )


if __name__ == "__main__":
    main()
