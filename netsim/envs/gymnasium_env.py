"""A scenario as a `gymnasium.Env`, on the event-driven simulator itself.

Control is inverted: inside the simulation sits an agent whose policy answers with an event; `step` gives the
event its action and runs the clock until the agent wants the next one. What the environment returns is
therefore what has *arrived* at the agent: with signalling delays it is as old as it would be for any agent
here, and the reward of a step is the sum of the slot rewards that have become known since the last one.

An episode of the environment is a run of its own (one placement of the devices), numbered from the seed given
to `reset`; it ends by truncation, and its last observation is of the same placement.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from netsim import params, simulate, training
from netsim.envs.outside import Outside
from netsim.recorder import MemoryTrace
from netsim.scenario import Scenario
from phy.parameters import Checked, ParameterError

_BOUND = 10.0  # of observations, which are standardised: ten deviations


class ScenarioEnv(gymnasium.Env):
    """One agent's view of a scenario with one cell.

    Observation: Box float32[state_size]; action: Box float32[action_size] in [-1, 1]; both as the learning
    agents of the system see them (for TOSCN: netsim/systems/toscn_agent_view.py). `info` of a step: `slot` of
    the observation, `age_slots` between it and the newest slot that is over, `rewards` of single slots.

    Args:
        scenario: a scenario that has learning agents; level, delays and world seed are its own.
        decoding: how action vectors are decoded; the system's default for the preset `tuned` if not given.
        reward_divisor, reward_shift: the returned reward is r / divisor - shift.

    Raises:
        ParameterError: the scenario has no learning agents, or more than one cell.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's name and type)

    def __init__(
        self,
        scenario: Scenario,
        decoding: Checked | None = None,
        reward_divisor: float = 1.0,
        reward_shift: float = 0.0,
    ) -> None:
        system = training.system(scenario)
        if decoding is None:
            _, decoding = system.settings(training.MAIN_AGENT, training.AGENT_PRESETS[0])
        self.length = scenario.episode_slots
        # one slot more than the episode: its observation is the last one, and belongs to the same placement
        longer = {"episode_slots": self.length + 1, "slots": self.length + 1}
        changed = params.override(scenario, longer)
        assert isinstance(changed, Scenario)
        self.scenario = changed
        self.view = system.view(changed, decoding)
        self.divisor, self.shift = reward_divisor, reward_shift
        bound = np.full(self.view.state_size, _BOUND, np.float32)
        self.observation_space = gymnasium.spaces.Box(-bound, bound, dtype=np.float32)
        one = np.ones(self.view.action_size, np.float32)
        self.action_space = gymnasium.spaces.Box(-one, one, dtype=np.float32)
        self._run = -1
        self._policy = Outside()
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins run `seed` of the scenario's world, or the run after the last one."""
        super().reset(seed=seed)
        self._run = seed if seed is not None else self._run + 1
        self._policy = Outside()
        prepared = simulate.prepare(self.scenario, self._run, [self._policy])
        if len(prepared.policies) != len(prepared.system.nodes):
            cells = len(prepared.system.nodes)
            raise ParameterError(
                f"scenario {self.scenario.name}: {cells} cells: must be one for a Gymnasium Env"
            )
        about = simulate.attributes(self.scenario, self._run)
        self.trace = MemoryTrace(about, prepared.system.tables)
        self._slots_done = 0
        self._policy.network = prepared(self.trace, self._count)
        self._process = self._policy.network.start()
        self._advance()
        if self._policy.answer is None:
            raise ParameterError(f"scenario {self.scenario.name}: no observation arrives within an episode")
        self._over = False
        return self._state(), self._info([])

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """The action leaves the agent now; returns when the next observation is there to act on."""
        if self._over:
            raise ParameterError("step: the episode is over: must be reset first")
        vector = np.asarray(action, np.float32).copy()
        self._policy.known = []
        self._policy.decide(self.view.action(vector, self._policy.observation))
        self._advance()
        rewards = [transition.reward for transition in self._policy.known]
        self._over = self._process.processed or self._policy.observation.slot >= self.length
        if self._over:
            self.trace.close(complete=False)
        reward = sum(r / self.divisor - self.shift for r in rewards)
        return self._state(), float(reward), False, self._over, self._info(rewards)

    def _advance(self) -> None:
        """Runs the clock until the agent wants an action or the run is over."""
        network = self._policy.network
        assert network is not None
        while self._policy.answer is None and not self._process.processed:
            network.env.step()

    def _count(self, slots_done: int) -> None:
        self._slots_done = slots_done

    def _state(self) -> np.ndarray:
        return np.clip(self.view.state(self._policy.observation), -_BOUND, _BOUND)

    def _info(self, rewards: list[float]) -> dict[str, Any]:
        slot = self._policy.observation.slot
        return {"slot": slot, "age_slots": self._slots_done - slot, "rewards": rewards}
