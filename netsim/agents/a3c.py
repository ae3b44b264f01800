"""A3C: workers with simulators of their own send gradients of whole rollouts to shared networks (the paper's
first baseline).

Source: Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML 2016, algorithm S3, with
Adam in the place of RMSProp. The TOSCN paper gives no settings; those of the presets are specification toscn
4.4.

Departures from Mnih et al.:
* the deviation of the Gaussian policy does not depend on the state;
* a gradient and Adam's state are applied under a lock, not lock-free;
* the reproducible way of running (`turns`) lets the workers finish their rollouts in a fixed order: every
  gradient then rests on parameters that are exactly `workers - 1` updates old. In the other way
  (`processes`) each worker is a process and its staleness is whatever the machine makes it;
* the end of an episode is a time limit: the return bootstraps through it, into the next episode.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netsim.agents.networks import Adam, Mlp, layer_arrays, restore
from phy.parameters import Checked, at_least_one, non_negative, one_of, parameter, positive, probability


@dataclass(frozen=True)
class A3cParameters(Checked):
    """Settings of A3C; the defaults use the paper's learning rates."""

    discount: float = parameter(0.9, meaning="discount gamma", source="TOSCN Table I", rule=probability)
    actor_rate: float = parameter(
        3e-4, meaning="learning rate of the actor", source="TOSCN Table I", rule=positive
    )
    critic_rate: float = parameter(
        5e-4, meaning="learning rate of the critic", source="TOSCN Table I", rule=positive
    )
    units: int = parameter(
        64, meaning="units of each of the two hidden layers", source="toscn 4.2", rule=at_least_one
    )
    workers: int = parameter(
        4, meaning="workers, each with its own simulator", source="toscn 4.4", rule=at_least_one
    )
    order: str = parameter(
        "turns", meaning="turns: workers finish in a fixed order (reproducible); processes: each runs freely",
        source="toscn 4.4", rule=one_of("turns", "processes"),
    )  # fmt: skip
    rollout: int = parameter(
        10, meaning="transitions in a gradient", source="toscn 4.4: an episode", rule=at_least_one
    )
    value_weight: float = parameter(
        0.5, meaning="weight of the critic's loss", source="toscn 4.4", rule=non_negative
    )
    entropy_weight: float = parameter(
        1e-3, meaning="weight of the entropy", source="toscn 4.4", rule=non_negative
    )
    gradient_norm: float = parameter(
        5.0, meaning="largest norm of a gradient", source="toscn 4.4", rule=positive
    )
    log_deviation: float = parameter(
        -1.0, meaning="initial log of the policy's deviation", source="toscn 4.4"
    )
    reward_divisor: float = parameter(
        10.0, meaning="the critic sees r / this", source="toscn 4.4", rule=positive
    )


PRESETS = {"paper": A3cParameters(), "tuned": A3cParameters(actor_rate=3e-3, critic_rate=5e-3)}

_LAST_LAYER = 3e-3  # as the DDPG actor


class Shared:
    """What the workers share: actor, critic, and Adam's state for both."""

    def __init__(self, state_size: int, action_size: int, parameters: A3cParameters, seed: int) -> None:
        self.parameters, self.action_size = parameters, action_size
        units, generator = parameters.units, torch.Generator().manual_seed(seed)
        layers = (state_size, units, units, action_size)
        self.actor = Mlp(layers, generator, _LAST_LAYER, action_size, parameters.log_deviation)
        self.critic = Mlp((state_size, units, units, 1), generator)
        self.actor_adam = Adam(len(self.actor.flat), parameters.actor_rate)
        self.critic_adam = Adam(len(self.critic.flat), parameters.critic_rate)

    def descend(self, actor_gradient: Tensor, critic_gradient: Tensor) -> None:
        """One update of both networks; the norm of the whole gradient is limited."""
        norm = torch.sqrt(actor_gradient.square().sum() + critic_gradient.square().sum())
        scale = float(torch.clamp(self.parameters.gradient_norm / (norm + 1e-6), max=1.0))
        self.actor_adam.descend(self.actor.flat, actor_gradient * scale)
        self.critic_adam.descend(self.critic.flat, critic_gradient * scale)

    def tensors(self) -> dict[str, Tensor]:
        """The shared tensors by name."""
        networks = {"actor": self.actor.flat, "critic": self.critic.flat}
        return networks | self.actor_adam.tensors("actor_adam") | self.critic_adam.tensors("critic_adam")

    def attach(self, tensors: dict[str, Tensor]) -> None:
        """Uses given storage, e.g. memory that processes share."""
        self.actor.attach(tensors["actor"])
        self.critic.attach(tensors["critic"])
        for name in ("mean", "square", "steps"):
            setattr(self.actor_adam, name, tensors[f"actor_adam.{name}"])
            setattr(self.critic_adam, name, tensors[f"critic_adam.{name}"])


class Worker:
    """One worker: acts on its copy of the networks and sends the gradient of every rollout.

    Args:
        shared: the networks that all workers share.
        lock: held while the shared networks change.
    """

    def __init__(self, shared: Shared, lock: Any = None) -> None:
        self.shared, self.parameters = shared, shared.parameters
        self._lock = nullcontext() if lock is None else lock
        unused = torch.Generator()
        self.actor = Mlp(shared.actor.sizes, unused, extra=shared.action_size)
        self.critic = Mlp(shared.critic.sizes, unused)
        self._rollout: list[tuple[np.ndarray, np.ndarray, float]] = []
        self.pull()

    def pull(self) -> None:
        """Takes over the shared parameters."""
        with torch.no_grad():
            self.actor.flat.copy_(self.shared.actor.flat)
            self.critic.flat.copy_(self.shared.critic.flat)

    def explore(self, state: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        """A sample of the Gaussian policy; not clipped, the view clips what it decodes."""
        mean = self.actor.forward(torch.from_numpy(state)[None])[-1].tanh_()[0].numpy()
        deviation = np.exp(self.actor.extra.detach().numpy())
        return mean + deviation * draws.standard_normal(len(mean), dtype=np.float32)

    def learn(
        self,
        state: np.ndarray,
        action: np.ndarray,
        reward: float,
        next_state: np.ndarray,
        truncated: bool,
        draws: np.random.Generator,
    ) -> None:
        """Appends a transition; at the end of a rollout or an episode, one asynchronous update."""
        self._rollout.append((state, action, float(reward) / self.parameters.reward_divisor))
        if truncated or len(self._rollout) == self.parameters.rollout:
            gradients = self._gradients(next_state)
            self._rollout = []
            with self._lock:
                self.shared.descend(*gradients)
                self.pull()

    def _gradients(self, last_state: np.ndarray) -> tuple[Tensor, Tensor]:
        """Gradients of -log pi(a) advantage + w (G - V)^2 - entropy, means over the rollout."""
        states, actions, rewards = zip(*self._rollout)
        state, action = torch.from_numpy(np.stack(states)), torch.from_numpy(np.stack(actions))
        following = float(self.critic.forward(torch.from_numpy(last_state)[None])[-1])
        returns = torch.empty(len(rewards), 1)
        for k in range(len(rewards) - 1, -1, -1):
            following = rewards[k] + self.parameters.discount * following
            returns[k] = following
        critic_kept = self.critic.forward(state)
        advantage = returns - critic_kept[-1]
        count = len(rewards)
        slope = -2.0 * self.parameters.value_weight * advantage / count
        critic_gradient = self.critic.backward(critic_kept, slope)

        actor_kept = self.actor.forward(state)
        mean = torch.tanh(actor_kept[-1])
        with torch.no_grad():
            inverse = torch.exp(-2.0 * self.actor.extra)
            off = action - mean
            slope = -advantage * off * inverse * (1.0 - mean.square()) / count
            actor_gradient = self.actor.backward(actor_kept, slope)
            by_deviation = -(advantage * (off.square() * inverse - 1.0)).mean(0)
            actor_gradient[-len(inverse) :] = by_deviation - self.parameters.entropy_weight
        return actor_gradient, critic_gradient

    def arrays(self) -> dict[str, np.ndarray]:
        """The worker's own part of a checkpoint, taken between rollouts: its parameters, some updates old."""
        assert not self._rollout, "a checkpoint falls between rollouts"
        return {"actor": self.actor.flat.detach().numpy(), "critic": self.critic.flat.detach().numpy()}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""
        live = {"actor": self.actor.flat, "critic": self.critic.flat}
        restore(live, {name: torch.from_numpy(saved[name]) for name in live})


class A3c:
    """All workers of a training.

    Args:
        state_size, action_size: lengths of the vectors.
        parameters: settings.
        seed: of the initial weights.
    """

    def __init__(self, state_size: int, action_size: int, parameters: A3cParameters, seed: int) -> None:
        self.shared = Shared(state_size, action_size, parameters, seed)
        self.workers = [Worker(self.shared) for _ in range(parameters.workers)]

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the rest of the training depends on, for a checkpoint."""
        arrays = {f"shared.{name}": t.detach().numpy() for name, t in self.shared.tensors().items()}
        for k, worker in enumerate(self.workers):
            arrays |= {f"worker{k}.{name}": a for name, a in worker.arrays().items()}
        return arrays

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """The inverse of `arrays`."""
        live = self.shared.tensors()
        restore(live, {name: torch.from_numpy(saved[f"shared.{name}"]) for name in live})
        for k, worker in enumerate(self.workers):
            worker.restore({name: saved[f"worker{k}.{name}"] for name in ("actor", "critic")})

    def policy_arrays(self) -> dict[str, np.ndarray]:
        """Layers of the mean of the policy: what acts without exploration."""
        return layer_arrays(self.shared.actor)


def run_processes(algorithm: A3c, work: Callable[[Worker, int, Any], None], argument: Any) -> None:
    """Runs `work(worker, index, argument)` in one process a worker; they share the networks' memory.

    Raises:
        RuntimeError: a process has failed.
    """
    from torch import multiprocessing

    context = multiprocessing.get_context("spawn")
    lock = context.Lock()
    shared = {name: t.detach().clone().share_memory_() for name, t in algorithm.shared.tensors().items()}
    sizes = (algorithm.shared.actor.sizes[0], algorithm.shared.action_size, algorithm.shared.parameters)
    processes = [
        context.Process(target=_process, args=(work, index, argument, sizes, shared, lock))
        for index in range(len(algorithm.workers))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a worker process of A3C has failed")
    restore(algorithm.shared.tensors(), shared)


def _process(
    work: Callable[[Worker, int, Any], None],
    index: int,
    argument: Any,
    sizes: tuple[int, int, A3cParameters],
    tensors: dict[str, Tensor],
    lock: Any,
) -> None:
    torch.set_num_threads(1)
    shared = Shared(*sizes, seed=0)
    shared.attach(tensors)
    work(Worker(shared, lock), index, argument)
