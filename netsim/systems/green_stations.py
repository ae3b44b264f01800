"""Who decides in green: rules, and the learners of all stations; how a run is put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netsim import params
from netsim.agents import files
from netsim.agents.dqn import dqn
from netsim.agents.drqn import drqn
from netsim.agents.own import is_own
from netsim.agents.policy import DeferredPolicy, Policy, Transition
from netsim.agents.q_learning import Stations
from netsim.agents.stations import StationAgent
from netsim.streams import Streams
from netsim.systems.green import RULES, Agent, Green
from netsim.systems.green_model import num_inputs
from netsim.systems.green_system import GreenSystem, StationAction, StationObservation
from phy.parameters import ParameterError


class StationPolicy:
    """The rules that learn nothing (specification 6); exploration numbers are indexed by slot."""

    def __init__(self, scenario: Green, system: GreenSystem, streams: Streams, cell: int) -> None:
        self._agent, self._power = scenario.agent, scenario.power
        self._system, self._streams, self._cell = system, streams, cell

    def act(self, observation: StationObservation) -> StationAction:
        """Power level and symbols per word by the rule that `agent.name` names."""
        name, top = self._agent.name, self._power.num_levels - 1
        levels_k = self._system.model.levels_k
        if name == "silent":
            return StationAction(0, 1)
        if name == "fixed":
            return StationAction(self._agent.power_level, self._agent.symbols_per_word)
        if name == "level1":
            return StationAction(self._agent.power_level, self._best_k(observation))
        draws = self._streams.at(f"exploration/station{self._cell}", observation.slot).random(2)
        k = int(levels_k[int(draws[0] * len(levels_k))])
        return StationAction(top if name == "greedy" else int(draws[1] * (top + 1)), k)

    def _best_k(self, observation: StationObservation) -> int:
        """argmax of the own user's QoE at the measured SINR: what a station may know."""
        model = self._system.believed
        with np.errstate(divide="ignore"):
            sinr_db = 10.0 * np.log10(observation.sinr)
        k = np.repeat(model.levels_k[:, None], self._system.num_ues, axis=1)
        qoe = model.qoe_at(k, np.full(k.shape, sinr_db))[:, self._cell]
        return int(model.levels_k[int(qoe.argmax())])


class StationView:
    """How a station looks to Q-learning: the scaled observation, one index for power level and k (5.2)."""

    def __init__(self, num_levels_k: int) -> None:
        self._num_k = num_levels_k

    def state(self, observation: StationObservation) -> np.ndarray:
        """float32[7 or 8]."""
        return observation.vector

    def action(self, index: int) -> StationAction:
        """Power level and k of an index."""
        level, below = divmod(index, self._num_k)
        return StationAction(level, below + 1)

    def index(self, action: StationAction) -> int:
        """Index of power level and k."""
        return action.level * self._num_k + action.k - 1


def learners(scenario: Green, streams: Streams) -> Stations:
    """The learners of all stations, their arithmetic stacked."""
    m, inputs = scenario.layout.num_cells, num_inputs(scenario.decision)
    num_actions = scenario.power.num_levels * scenario.codec.num_levels
    if scenario.agent.name == "drqn":
        stations = drqn(scenario.agent.drqn, m, inputs, num_actions, streams)
    else:
        stations = dqn(scenario.agent.dqn, m, inputs, num_actions, streams)
    if scenario.agent.weights:
        stations.start_from(_read(scenario.agent, streams.run))
    return stations


def write_weights(
    policies: Sequence[Policy | DeferredPolicy], scenario: Green, run: int, folder: Path
) -> None:
    """The weights of all stations of a run that is over, to where `agent.weights` finds them."""
    first = policies[0]
    assert isinstance(first, FrozenAfter)
    about = {"agent": scenario.agent.name, "run": run, "scenario": params.as_dict(scenario)}
    files.save(_file(folder, run), first.stations.weights(), about)


def _read(agent: Agent, run: int) -> dict[str, np.ndarray]:
    path = _file(Path(agent.weights), run)
    weights, about = files.load(path)
    if about["agent"] != agent.name:
        raise ParameterError(f"{path}: weights of {about['agent']}: must be of agent.name={agent.name}")
    return weights


def _file(folder: Path, run: int) -> Path:
    return folder / f"run{run}.safetensors"


class FrozenAfter:
    """A station's learner that stops exploring and learning with slot `learn_slots`."""

    def __init__(self, agent: StationAgent, learn_slots: int) -> None:
        self._agent, self._learn_slots = agent, learn_slots
        self.stations = agent.stations

    def submit(self, observation: StationObservation) -> None:
        if observation.slot >= self._learn_slots:
            self.stations.frozen = True
        self._agent.submit(observation)

    def take(self) -> StationAction:
        return self._agent.take()

    def learn(self, transition: Transition) -> None:
        self._agent.learn(transition)


def build(scenario: Green, streams: Streams) -> tuple[GreenSystem, list[Policy | DeferredPolicy]]:
    """The system and one policy for every station (none if it is the user's own: `netsim.simulate.prepare`
    makes it).
    """
    sentences, link = None, None
    if scenario.phy != "paper":
        from netsim.systems.green_bits import CellLink, Sentences

        sentences, link = Sentences(scenario), CellLink(scenario, streams)
    system = GreenSystem(scenario, streams, sentences, link)
    cells = range(system.num_ues)
    if is_own(scenario.agent.name):
        return system, []
    if scenario.agent.name in RULES:
        return system, [StationPolicy(scenario, system, streams, m) for m in cells]
    stations, view = learners(scenario, streams), StationView(scenario.codec.num_levels)
    agents = [StationAgent(stations, m, view) for m in cells]
    return system, [FrozenAfter(agent, scenario.agent.learn_slots) for agent in agents]
