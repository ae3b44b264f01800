"""Deep Q-learning of many stations at once: what DQN and DRQN share (specification green 5.5).

Every station has its own weights, ring, exploration and counters, and sees nothing of the others; only the
arithmetic is done together. Time enters as the slot of an observation (exploration) and as the number of a
station's own transitions and updates (start of learning, rate, targets), so that late or lost rewards delay
learning and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np

from netsim.agents.rings import Rings, Windows
from netsim.agents.stacked import Adam, RmsProp, Shapes, Weights, initial_weights, num_weights, views
from netsim.streams import Streams
from phy.parameters import (
    Checked,
    ParameterError,
    at_least_one,
    non_negative,
    one_of,
    parameter,
    positive,
    probability,
)


@dataclass(frozen=True)
class QLearning(Checked):
    """Settings of the learning, the same for DQN and DRQN."""

    discount: float = parameter(0.5, meaning="discount", source="P table 2", rule=probability)
    replay: int = parameter(500, meaning="transitions kept", source="P table 2", rule=at_least_one)
    warm_up: int = parameter(
        100,
        meaning="slots of random actions, transitions before the first update (T_b)",
        source="specification 5.5",
        rule=at_least_one,
    )
    target_period: int = parameter(
        100, meaning="updates between two copies to the target network", source="P table 2", rule=at_least_one
    )
    explore_first: float = parameter(
        0.6, meaning="exploration probability at the start", source="P table 2", rule=probability
    )
    explore_last: float = parameter(0.1, meaning="its lower limit", source="P table 2, E26", rule=probability)
    explore_decay: float = parameter(
        1e-4, meaning="share it loses in a slot", source="specification 5.5", rule=probability
    )
    optimiser: str = parameter(
        "rmsprop", meaning="optimiser", source="E26: Keras RMSprop", rule=one_of("rmsprop", "adam")
    )
    rate: float = parameter(5e-4, meaning="learning rate", source="P table 2", rule=positive)
    rate_decay: float = parameter(
        1e-4,
        meaning="its decay: rate / (1 + decay t) with rmsprop, rate (1 - decay)^t with adam",
        source="P table 2, E26",
        rule=non_negative,
    )
    act_with_target: bool = parameter(False, meaning="act with the target network", source="E33")

    def exploration(self, slot: int) -> float:
        """Probability of a random action in a slot."""
        if slot < self.warm_up:
            return 1.0
        return max(self.explore_last, self.explore_first * (1.0 - self.explore_decay) ** slot)


class Network(Protocol):
    """Stacked Q-networks of one shape: the mathematics of an algorithm, without state of its own.

    Attributes:
        shapes, fan_in: of the weights, by name. window: successive observations a value depends on. batch:
        windows in an update.
    """

    shapes: Shapes
    fan_in: dict[str, int]
    window: int
    batch: int

    def values(self, flat: np.ndarray, first: int, history: np.ndarray) -> np.ndarray:
        """Q of every action, float32[r, A], after the last observations float32[r, window, inputs] of the
        stations first, first + 1, ...; flat: float32[M, P], a network's weights a row.
        """

    def gradient(
        self, flat: np.ndarray, first: int, windows: Windows, discount: float, out: np.ndarray
    ) -> np.ndarray:
        """Gradient of the mean squared TD error of r stations, the first of which is `first`, into `out`
        float32[r, P]; flat: float32[2, M, P], online and target networks.

        Returns: the loss of each network before the step, float32[r].
        """


class Stations:
    """The learners of all stations.

    Args:
        network: DQN or DRQN. num_inputs: length of an observation. num_actions: size of the action set.
        streams: `init/station<m>`, `exploration/station<m>` (indexed by slot), `replay/station<m>` (indexed
            by update).

    Attributes:
        frozen: no exploration and no learning (evaluation). loss: float32[M], of each station's last update.
        updates: int64[M].
    """

    def __init__(
        self,
        network: Network,
        settings: QLearning,
        num_agents: int,
        num_inputs: int,
        num_actions: int,
        streams: Streams,
    ) -> None:
        self.network, self.settings, self.streams = network, settings, streams
        self.num_agents, self.num_actions = num_agents, num_actions
        size = num_weights(network.shapes)
        self.flat = np.empty((2, num_agents, size), np.float32)  # online and target networks
        for m in range(num_agents):
            draws = streams.sequential(f"init/station{m}")
            self.flat[:, m] = initial_weights(network.shapes, network.fan_in, draws)
        optimiser = RmsProp if settings.optimiser == "rmsprop" else Adam
        self._optimiser = optimiser(num_agents, size, settings.rate, settings.rate_decay)
        self._gradient = np.zeros((num_agents, size), np.float32)
        self.rings = Rings(num_agents, settings.replay, num_inputs)
        self._history = np.zeros((num_agents, network.window, num_inputs), np.float32)
        self._due = np.zeros(num_agents, bool)
        self.updates = np.zeros(num_agents, np.int64)
        self.loss = np.full(num_agents, np.nan, np.float32)
        self.frozen = False
        self._submitted: dict[int, tuple[int, np.ndarray]] = {}
        self._taken: dict[int, int] = {}

    def push(
        self, agent: int, observation: np.ndarray, action: int, reward: float, next_observation: np.ndarray
    ) -> None:
        """A completed transition of a station; its update is done with the others' at the next `learn`."""
        if self.frozen:
            return
        self.rings.add(agent, observation, action, reward, next_observation)
        self._due[agent] = True

    def learn(self) -> None:
        """One update of every station that has had a transition since its last one."""
        ready, self._due[:] = self._due.copy(), False
        for m in np.flatnonzero(ready).tolist():
            enough = self.rings.num_windows(m, self.network.window) > 0
            ready[m] = enough and self.rings.added[m] >= self.settings.warm_up
        for rows in _runs(ready):
            self._update(rows)

    def _update(self, rows: slice) -> None:
        agents, settings, network = np.arange(rows.start, rows.stop), self.settings, self.network
        first = np.stack(
            [
                self.streams.at(f"replay/station{m}", int(self.updates[m])).integers(
                    self.rings.num_windows(m, network.window), size=network.batch
                )
                for m in agents
            ]
        )
        windows = self.rings.windows(agents, first, network.window)
        gradient = self._gradient[rows]
        self.loss[rows] = network.gradient(self.flat, rows.start, windows, settings.discount, gradient)
        # t of the schedules is the slot: in slot t a station has t transitions
        self._optimiser.descend(rows, self.flat[0, rows], gradient, self.rings.added[rows])
        for m in agents[self.updates[rows] % settings.target_period == 0]:
            self.flat[1, m] = self.flat[0, m]
        self.updates[rows] += 1

    def act(self, agents: np.ndarray, observations: np.ndarray, slot: int) -> np.ndarray:
        """Actions int64[r] of stations int64[r] (ascending) for their observations float32[r, inputs]."""
        self.learn()
        history = self._history
        history[agents, :-1] = history[agents, 1:]
        history[agents, -1] = observations
        actions = np.full(len(agents), -1, np.int64)
        if not self.frozen:
            probability = self.settings.exploration(slot)
            for i, m in enumerate(agents):
                draws = self.streams.at(f"exploration/station{m}", slot).random(2)
                if draws[0] < probability:
                    actions[i] = int(draws[1] * self.num_actions)
        thinking = np.zeros(self.num_agents, bool)
        thinking[agents] = actions < 0
        chosen = np.empty(self.num_agents, np.int64)
        flat = self.flat[int(self.settings.act_with_target)]
        for rows in _runs(thinking):
            values = self.network.values(flat, rows.start, history[rows])
            chosen[rows] = values.argmax(axis=1)
        return np.where(actions < 0, chosen[agents], actions)

    def submit(self, agent: int, observation: np.ndarray, slot: int) -> None:
        """The observation a station acts on; computed with all others of the same instant at the first
        `take`.
        """
        self._submitted[agent] = (slot, observation)

    def take(self, agent: int) -> int:
        """The action for the submitted observation."""
        if agent in self._submitted:
            for slot in sorted({slot for slot, _ in self._submitted.values()}):
                agents = np.array(sorted(m for m, (s, _) in self._submitted.items() if s == slot))
                observations = np.stack([self._submitted[m][1] for m in agents.tolist()])
                self._taken.update(zip(agents.tolist(), self.act(agents, observations, slot).tolist()))
            self._submitted.clear()
        return self._taken.pop(agent)

    def weights(self) -> Weights:
        """The online networks of all stations, live, {name: float32[M, ...]}: all that acting needs."""
        return views(self.flat[0], self.network.shapes)

    def start_from(self, weights: Mapping[str, np.ndarray]) -> None:
        """Begins with what `weights` gave elsewhere, in both networks.

        Raises:
            ParameterError: weights of other networks, or of another number of stations.
        """
        own = self.weights()
        wanted = {name: part.shape for name, part in own.items()}
        found = {name: part.shape for name, part in weights.items()}
        if found != wanted:
            raise ParameterError(f"weights {found}: must be {wanted}")
        for name, part in own.items():
            part[...] = weights[name]
        self.flat[1] = self.flat[0]

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state, live: weights, optimiser, rings, histories, counters."""
        state: dict[str, np.ndarray] = {
            "weights": self.flat,
            "history": self._history,
            "updates": self.updates,
            "due": self._due,
        }
        state |= {f"optimiser.{name}": array for name, array in self._optimiser.arrays().items()}
        return state | {f"ring.{name}": array for name, array in self.rings.arrays().items()}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""
        for name, array in self.arrays().items():
            array[...] = saved[name]


def _runs(mask: np.ndarray) -> Iterator[slice]:
    """The runs of True in a mask as slices: neighbours are computed together, without copies of weights."""
    start = 0
    for value, group in groupby(mask.tolist()):
        stop = start + sum(1 for _ in group)
        if value:
            yield slice(start, stop)
        start = stop
