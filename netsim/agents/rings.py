"""Replay of many agents: one ring each, and windows of successive transitions out of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Windows:
    """B windows of W successive transitions of r agents.

    Attributes:
        observation, next_observation: float32[r, B, W, inputs]. action: int64[r, B, W]. reward: float32[r, B,
            W].
    """

    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_observation: np.ndarray


class Rings:
    """The last `capacity` transitions of each agent; a new one takes the place of the oldest."""

    def __init__(self, num_agents: int, capacity: int, num_inputs: int) -> None:
        self.capacity = capacity
        self.added = np.zeros(num_agents, np.int64)
        # observation and what came after it side by side: a window is one gather
        self.pair = np.zeros((num_agents, capacity, 2, num_inputs), np.float32)
        self.action = np.zeros((num_agents, capacity), np.int64)
        self.reward = np.zeros((num_agents, capacity), np.float32)

    def add(
        self, agent: int, observation: np.ndarray, action: int, reward: float, next_observation: np.ndarray
    ) -> None:
        """Takes in one transition of an agent."""
        place = int(self.added[agent]) % self.capacity
        self.pair[agent, place, 0] = observation
        self.pair[agent, place, 1] = next_observation
        self.action[agent, place] = action
        self.reward[agent, place] = reward
        self.added[agent] += 1

    def num_windows(self, agent: int, window: int) -> int:
        """Windows of that many successive transitions that an agent's ring holds."""
        return min(int(self.added[agent]), self.capacity) - window + 1

    def windows(self, agents: np.ndarray, first: np.ndarray, window: int) -> Windows:
        """Windows by their place in time: first int64[r, B], 0 is the oldest transition kept.

        In time order no window runs from the newest transition into the oldest (the write position).
        """
        oldest = np.maximum(self.added[agents] - self.capacity, 0)
        place = (oldest[:, None] + first)[..., None] + np.arange(window)
        place %= self.capacity
        row = agents[:, None, None]
        pair = self.pair[row, place]
        return Windows(pair[..., 0, :], self.action[row, place], self.reward[row, place], pair[..., 1, :])

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole content, live."""
        return {"added": self.added, "pair": self.pair, "action": self.action, "reward": self.reward}
