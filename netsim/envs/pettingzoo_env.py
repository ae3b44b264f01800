"""Scenarios with several agents as a `pettingzoo.ParallelEnv`, on the event-driven simulator itself.

One step runs the clock until at least one station has an observation to act on; without delays these are all
of them, once a slot. A station that has nothing to decide (its observation is late or lost) is marked
`due: False` in its info, and its action of the step is ignored.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from pettingzoo import ParallelEnv

from netsim import params, simulate
from netsim.envs.outside import Outside
from netsim.network import Network
from netsim.recorder import MemoryTrace
from netsim.systems.green import Green
from netsim.systems.green_model import num_inputs
from netsim.systems.green_stations import StationView
from netsim.systems.green_system import GreenSystem
from phy.parameters import ParameterError


class GreenParallelEnv(ParallelEnv):
    """The stations of green as agents `station0`, `station1`, ...

    Observation: Box float32[7 or 8] (specification 5.1); action: Discrete, index of power level and k (5.2);
    reward: the sum of the common rewards that have reached the station since the last step. Truncated after
    `scenario.slots` slots. `info`: due, qoe, sinr_db, accuracy, rate_ksuts, power_w, ee of the newest slot,
    observation_age_slots, and `rewards` of single slots.

    Args:
        scenario: level, delays, number of cells, world seed; its own agent is not used.
    """

    metadata: dict[str, Any] = {"name": "green_v0", "render_modes": []}  # noqa: RUF012 (PettingZoo's name)

    def __init__(self, scenario: Green | None = None) -> None:
        self.base = scenario if scenario is not None else Green()
        self.render_mode = None
        self._configure(self.base)
        self._run = -1

    def _configure(self, scenario: Green) -> None:
        self.scenario = scenario
        self.possible_agents = [f"station{m}" for m in range(scenario.layout.num_cells)]
        self._view = StationView(scenario.codec.num_levels)
        size, actions = num_inputs(scenario.decision), scenario.power.num_levels * scenario.codec.num_levels
        box = gymnasium.spaces.Box(-1.0, 1.5, (size,), np.float32)
        self.observation_spaces = dict.fromkeys(self.possible_agents, box)
        self.action_spaces = {agent: gymnasium.spaces.Discrete(actions) for agent in self.possible_agents}
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> gymnasium.spaces.Box:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.spaces.Discrete:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begins run `seed` of the scenario's world, or the run after the last one.

        Args:
            options: under "parameters" parameters of the scenario by path, for this and later episodes
                (`{"parameters": {"layout.num_cells": 7}}`); other keys are for other wrappers.
        """
        changes = (options or {}).get("parameters")
        if changes:
            changed = params.override(self.base, changes)
            assert isinstance(changed, Green)
            self._configure(changed)
        self._run = seed if seed is not None else self._run + 1
        self.agents = list(self.possible_agents)
        self._policies = [Outside() for _ in self.agents]
        prepared = simulate.prepare(self.scenario, self._run, self._policies)
        assert isinstance(prepared.system, GreenSystem)
        self._system = prepared.system
        trace = MemoryTrace(simulate.attributes(self.scenario, self._run), prepared.system.tables)
        self._network: Network = prepared(trace)
        for policy in self._policies:
            policy.network = self._network
        self._process = self._network.start()
        size = num_inputs(self.scenario.decision)
        self._seen = [np.zeros(size, np.float32) for _ in self.agents]
        self._advance()
        return self._observations(), self._infos()

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """The actions of those that are due leave their stations now."""
        if not self.agents:
            raise ParameterError("step: the episode is over: must be reset first")
        for m, (agent, policy) in enumerate(zip(self.agents, self._policies)):
            policy.known = []
            if policy.answer is not None:
                if agent not in actions or not self.action_spaces[agent].contains(np.int64(actions[agent])):
                    raise ParameterError(
                        f"action of {self.agents[m]} = {actions.get(agent)}: must be in "
                        f"[0, {self.action_spaces[agent].n})"
                    )
                policy.decide(self._view.action(int(actions[agent])))
        self._advance()
        over = bool(self._process.processed)
        found = (
            self._observations(),
            {a: float(sum(t.reward for t in p.known)) for a, p in zip(self.agents, self._policies)},
            dict.fromkeys(self.agents, False),
            dict.fromkeys(self.agents, over),
            self._infos(),
        )
        if over:
            self.agents = []
        return found

    def _advance(self) -> None:
        """Runs the clock until somebody is due, then to the end of that instant but for its edge."""
        env = self._network.env
        while not self._process.processed and not any(p.answer is not None for p in self._policies):
            env.step()
        if not self._process.processed:
            env.settle()

    def _observations(self) -> dict[str, np.ndarray]:
        for m, policy in enumerate(self._policies):
            if policy.observation is not None:
                self._seen[m] = self._view.state(policy.observation)
        return {agent: self._seen[m] for m, agent in enumerate(self.agents)}

    def _infos(self) -> dict[str, dict[str, Any]]:
        stations, ee = self._system.newest()
        now = self._network.env.now_ns // self.scenario.slot_ns
        infos = {}
        for m, (agent, policy) in enumerate(zip(self.agents, self._policies)):
            seen = policy.observation
            age = now - seen.slot if seen is not None else -1
            own = {name: float(values[m]) for name, values in stations.items()}
            infos[agent] = {
                "due": policy.answer is not None,
                "observation_age_slots": age,
                "rewards": [transition.reward for transition in policy.known],
                "ee": ee,
                **own,
            }
        return infos
