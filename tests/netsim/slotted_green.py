"""The slotted model of green as a plain loop (specification 5.5): no events, no messages, no delays.

The simulator with zero delays must equal it exactly. As a program it screens a learner on several drops:

    python tests/netsim/slotted_green.py --agent dqn --cells 3 --slots 30000 --drops 5
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2])]

from netsim import params, stats
from netsim.agents.dqn import DqnParameters, dqn
from netsim.agents.drqn import DrqnParameters, drqn
from netsim.agents.q_learning import Stations
from netsim.streams import Streams
from netsim.systems.green_curves import accuracy_of
from netsim.systems.green_model import Model, Observer, RequirementDraw, num_inputs, reward_of
from netsim.systems.green_parameters import PRESETS, System
from netsim.systems.green_world import GreenWorld


@dataclass
class Slotted:
    """Columns of a run: [T, M], `ee` and `reward` [T]."""

    level: list = field(default_factory=list)
    k: list = field(default_factory=list)
    gain: list = field(default_factory=list)
    sinr: list = field(default_factory=list)
    accuracy: list = field(default_factory=list)
    qoe: list = field(default_factory=list)
    loss: list = field(default_factory=list)
    ee: list = field(default_factory=list)
    reward: list = field(default_factory=list)

    def array(self, name: str) -> np.ndarray:
        return np.array(getattr(self, name))


class Slots:
    """A run that can be continued: the world, what was on air, what the agents remember."""

    def __init__(self, system: System, streams: Streams) -> None:
        self.system, self.streams = system, streams
        self.num_cells = system.layout.num_cells
        self.world = GreenWorld(system.layout, streams)
        self.world.new_drop()
        required = RequirementDraw(system.qoe, self.num_cells, streams).draw(accuracy_of(system.codec))
        self.model = Model(system, required)
        self.observer = Observer(system)
        self.power_w = self.qoe = self.payoff = np.zeros(self.num_cells)
        self.k = np.ones(self.num_cells, int)
        self.slot = 0
        self.before: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def run(self, num_slots: int, act: Callable[[np.ndarray, int], np.ndarray], learner=None) -> Slotted:
        """`act` maps observations float32[M, inputs] and the slot to action indices int[M]; `learner` takes
        transitions.
        """
        out = Slotted()
        for _ in range(num_slots):
            self.world.fade()
            gain = self.world.gain
            observation = self.observer.take(self.power_w, gain, self.qoe, self.k)
            if learner is not None and self.before is not None:
                for m in range(self.num_cells):
                    old, action, reward = (column[m] for column in self.before)
                    learner.push(m, old, int(action), float(reward), observation[m])
            actions = act(observation, self.slot)
            level, self.k = self.model.decode(actions)
            self.power_w = self.model.levels_w[level]
            o = self.model.outcome(self.power_w, self.k, gain)
            payoff = self.model.payoff(o.qoe, self.power_w)
            reward = reward_of(self.system.decision, payoff, self.payoff)
            self.qoe, self.payoff, self.before = o.qoe, payoff, (observation, actions, reward)
            self.slot += 1
            row = (level, self.k, gain, o.sinr, o.accuracy, o.qoe)
            row += (np.zeros(0) if learner is None else learner.loss.copy(), float(o.ee), float(reward[0]))
            for name, value in zip(out.__dataclass_fields__, row):
                getattr(out, name).append(value)
        return out


def learners(name: str, system: System, streams: Streams, **settings) -> Stations:
    """The stations' learners: dqn, drqn, or drqn with `settings` on top."""
    m, inputs = system.layout.num_cells, num_inputs(system.decision)
    num_actions = system.power.num_levels * system.codec.num_levels
    if name == "drqn":
        return drqn(params.override(DrqnParameters(), settings), m, inputs, num_actions, streams)
    return dqn(params.override(DqnParameters(), settings), m, inputs, num_actions, streams)


def train(name: str, system: System, streams: Streams, slots: int, evaluate: int = 2000, **settings):
    """Training, then frozen evaluation: Slotted twice."""
    run, stations = Slots(system, streams), learners(name, system, streams, **settings)
    everyone = np.arange(run.num_cells)

    def act(observation: np.ndarray, slot: int) -> np.ndarray:
        return stations.act(everyone, observation, slot)

    trained = run.run(slots, act, stations)
    stations.frozen = True
    return trained, run.run(evaluate, act, stations)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--agent", choices=("dqn", "dqn_woec", "drqn"), default="dqn")
    parser.add_argument("--cells", type=int, default=3)
    parser.add_argument("--preset", choices=PRESETS, default="literal")
    parser.add_argument("--slots", type=int, default=30_000)
    parser.add_argument("--drops", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the learner, path=value")
    options = parser.parse_args()
    values = {"layout.num_cells": options.cells, **PRESETS[options.preset]}
    if options.agent == "dqn_woec":
        values["decision.reward"] = "qoe"
    system = params.override(System(), values)
    kind = DrqnParameters() if options.agent == "drqn" else DqnParameters()
    settings = {}
    for text in options.set:
        settings |= params.parse_assignment(kind, text)
    rows = []
    for drop in range(options.drops):
        begin = time.process_time()
        streams = Streams(options.seed, drop)
        trained, frozen = train(options.agent, system, streams, options.slots, **settings)
        last = slice(-min(10_000, options.slots // 2), None)
        histogram = np.bincount(frozen.array("level").ravel(), minlength=7) / frozen.array("level").size
        rows.append((trained.array("ee")[last].mean(), frozen.array("ee").mean(), frozen.array("qoe").mean(),
                     trained.array("ee")[last].std(), frozen.array("ee").std(), frozen.array("level").mean(),
                     *histogram))  # fmt: skip
        cost = (time.process_time() - begin) / (options.slots + 2000)
        reached = f"training {rows[-1][0]:.4f}, frozen {rows[-1][1]:.4f}"
        print(f"drop {drop}: {reached}; {1e3 * cost:.2f} ms CPU a slot", flush=True)
    names = ("training EE", "frozen EE", "QoE", "slot std train", "slot std frozen", "power index")
    for name, values in zip((*names, *(f"P(level {i})" for i in range(7))), np.array(rows).T):
        interval = stats.mean_interval(values)
        print(f"{name:>16}: {interval.mean:.4f} +- {interval.high - interval.mean:.4f}")


if __name__ == "__main__":
    main()
