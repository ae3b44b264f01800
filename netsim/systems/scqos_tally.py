"""What the learning curves of SC-QoS show, from a run in the event loop or from runs side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from netsim.agents import tally
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_lanes import Lanes, Slots
from netsim.systems.scqos_model import Utility, valid_sqe
from netsim.systems.scqos_trained import TrainedScqos


def quantities(scenario: Scqos) -> tuple[str, ...]:
    """Names of the figures beyond reward, packets, objective and violations: Psi of each user, shares of
    sentences sent with 1, 2, ... bits, share of sentences that are valid.
    """
    users = tuple(f"user{u}" for u in range(scenario.downlink.num_ues))
    return (*users, *(f"bits{n}" for n in range(1, scenario.utility.max_bits + 1)), "valid")


def _figures(
    scenario: Scqos,
    slots: dict[str, np.ndarray],
    bits: np.ndarray,
    similarity: np.ndarray,
    latency: np.ndarray,
) -> dict[str, np.ndarray]:
    """Means per slot of each episode, {name: float64[episodes]}, of arrays [t] and [t, u]; 0 bits: nothing
    was sent; slots after the last whole episode do not count.
    """
    utility: Utility = scenario.utility
    sent = bits > 0
    sqe = valid_sqe(utility, similarity, np.maximum(bits, 1))
    value = np.where(sent, sqe - utility.latency_weight * latency, 0.0)
    columns = dict(slots)
    columns |= {f"user{u}": value[:, u] for u in range(value.shape[1])}
    columns |= {f"bits{n}": (bits == n).mean(axis=1) for n in range(1, utility.max_bits + 1)}
    columns["valid"] = (sent & (similarity >= utility.min_similarity)).mean(axis=1)
    return tally.by_episode(columns, scenario.episode_slots)


class Tally:
    """A recorder of what the learning curve needs."""

    def __init__(self, scenario: Scqos) -> None:
        self._scenario = scenario
        self._common = tally.Tally(scenario.episode_slots)
        self._sentences: list[tuple[int, int, int, float, float]] = []

    def append(self, table: str, **columns: Any) -> None:
        """Keeps the columns of `slots` and `sentences` that a curve needs."""
        self._common.append(table, **columns)
        if table == "sentences":
            names = ("slot", "ue", "bits", "similarity", "latency_s")
            self._sentences.append(tuple(columns[name] for name in names))  # type: ignore[arg-type]

    def rows(self, table: str) -> Callable[..., None]:
        """`append` for one table."""
        return partial(self.append, table)

    def extend(self, table: str, **columns: Any) -> None:
        """Keeps how many sentences a slot delivered."""
        self._common.extend(table, **columns)

    def figures(self) -> dict[str, np.ndarray]:
        """Figures of the episodes, {name: float64[episodes]}."""
        slots = self._common.columns()
        shape = (len(slots["packets"]), self._scenario.downlink.num_ues)
        bits, similarity, latency = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
        if self._sentences:
            slot, ue, n, s, g = zip(*self._sentences)
            place = np.array(slot), np.array(ue)
            bits[place], similarity[place], latency[place] = n, [float(x) for x in s], g
        return _figures(self._scenario, slots, bits, similarity, latency)


def lane_figures(scenario: Scqos, played: list[Slots]) -> dict[str, np.ndarray]:
    """As `Tally.figures`, means over the lanes."""
    found = []
    for lane in range(len(played[0].psi)):
        slots = {
            "reward": np.array([s.reward[lane] for s in played]),
            "objective": np.array([s.psi[lane] for s in played]),
            "packets": np.array([(~s.dropped[lane]).sum() for s in played]),
            "violations": np.array([(s.late[lane] | s.invalid[lane]).any() for s in played]),
        }
        parts = (np.array([getattr(s, n)[lane] for s in played]) for n in ("bits", "similarity", "latency"))
        found.append(_figures(scenario, slots, *parts))
    return {name: np.mean([f[name] for f in found], axis=0) for name in found[0]}


class LaneRun:
    """One segment of a training on runs side by side, episode by episode: what `training._Run` is in the
    event loop.

    Args:
        lanes: the runs, one slot longer than their episodes (its observation completes the last transition).
        algorithm: `off_policy.OffPolicy`.
    """

    def __init__(self, lanes: Lanes, algorithm: Any) -> None:
        self._lanes, self._algorithm = lanes, algorithm
        self._played: list[Slots] = []
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def advance(self, episodes: int) -> None:
        """Runs on until `episodes` are over and their last transition is learned."""
        lanes, algorithm = self._lanes, self._algorithm
        length = lanes.scenario.episode_slots
        while True:
            states, slot = lanes.states(), lanes.slot
            if self._last is not None:
                before, vectors = self._last
                truncated = slot % length == 0
                for e, streams in enumerate(lanes.streams):
                    draws = streams.at("replay/agent", slot - 1)
                    rewarded = float(self._played[-1].reward[e])
                    algorithm.learn(before[e], vectors[e], rewarded, states[e], truncated, draws)
            self._last = None
            if slot >= episodes * length:
                return
            exploration = [streams.at("exploration/agent", slot) for streams in lanes.streams]
            vectors = algorithm.explore_all(states, exploration)
            self._played.append(lanes.step(vectors))
            self._last = states, vectors

    def figures(self) -> dict[str, np.ndarray]:
        """Figures of the episodes, all over, {name: float64[episodes]}."""
        return lane_figures(self._lanes.scenario, self._played)


class Judge:
    """Mean Psi of a policy over the same slots each time it is asked.

    Args:
        lanes: the runs; they are played anew for every policy.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    def __call__(self, policy: TrainedScqos) -> float:
        """Psi a slot, without exploration."""
        lanes, found = self._lanes, []
        lanes.slot = 0  # its states begin with an episode, so nothing is left of the last policy
        for _ in range(lanes.num_slots):
            found.append(lanes.step(policy.vectors(lanes.states())).psi)
        return float(np.mean(found))
