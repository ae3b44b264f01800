"""Replay memory: the experience that an off-policy agent learns from, as NumPy columns."""

from __future__ import annotations

import numpy as np


class Replay:
    """Keeps up to `capacity` transitions of float32 vectors.

    When full, a new one takes the place of the oldest, or of a random one (the paper's loop, specification
    toscn 4.2).
    """

    def __init__(self, capacity: int, state_size: int, action_size: int, random_overwrite: bool) -> None:
        self.capacity, self.random_overwrite = capacity, random_overwrite
        self.added = 0
        self.state = np.zeros((capacity, state_size), np.float32)
        self.action = np.zeros((capacity, action_size), np.float32)
        self.reward = np.zeros((capacity, 1), np.float32)
        self.next_state = np.zeros((capacity, state_size), np.float32)

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(
        self,
        state: np.ndarray,
        action: np.ndarray,
        reward: float,
        next_state: np.ndarray,
        draws: np.random.Generator,
    ) -> None:
        """Takes in one transition; `draws` gives the place that is overwritten."""
        place = self.added % self.capacity
        if self.added >= self.capacity and self.random_overwrite:
            place = int(draws.integers(self.capacity))
        self.state[place], self.action[place] = state, action
        self.reward[place], self.next_state[place] = reward, next_state
        self.added += 1

    def sample(self, batch: int, draws: np.random.Generator) -> tuple[np.ndarray, ...]:
        """`batch` transitions drawn with replacement: state, action, reward [batch, 1], next state."""
        index = draws.integers(len(self), size=batch)
        return self.state[index], self.action[index], self.reward[index], self.next_state[index]

    def arrays(self) -> dict[str, np.ndarray]:
        """The filled part, for a checkpoint."""
        n = len(self)
        return {
            "replay.state": self.state[:n],
            "replay.action": self.action[:n],
            "replay.reward": self.reward[:n],
            "replay.next_state": self.next_state[:n],
            "replay.added": np.array([self.added], np.int64),
        }

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""
        self.added = int(saved["replay.added"][0])
        n = len(self)
        for name in ("state", "action", "reward", "next_state"):
            getattr(self, name)[:n] = saved[f"replay.{name}"]
