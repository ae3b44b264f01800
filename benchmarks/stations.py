"""Learning stations: CPU time of a slot (push, one update, act) for stacks of 1, 3, 7 and for torch.

    python -m benchmarks.stations [--quick]

The torch peers do an update of one station with autograd, nn.Linear, nn.LSTM and torch.optim (no acting, no
memory), which favours them. Contenders take turns; one thread (OMP_NUM_THREADS=1); other work on the
machine slows all of them, hence the best round beside the median. The specification asks for
8,000 DQN and 3,000 DRQN station-slots per second and core (green 12).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.timing import FULL, QUICK, median, race, ratio
from netsim.agents.dqn import DqnParameters, dqn
from netsim.agents.drqn import DrqnParameters, drqn
from netsim.agents.q_learning import Stations
from netsim.streams import Streams

INPUTS, ACTIONS = 7, 140
GOALS = {"dqn": 8000.0, "drqn 4x8": 3000.0}


def stack(kind: str, num_stations: int) -> Stations:
    """Learners in the middle of a training: rings full, past the warm-up."""
    streams = Streams(1)
    if kind == "dqn":
        stations = dqn(DqnParameters(), num_stations, INPUTS, ACTIONS, streams)
    else:
        batch = kind.partition(" ")[2]
        stations = drqn(DrqnParameters(batch=batch), num_stations, INPUTS, ACTIONS, streams)
    step = slot_of(stations)
    for _ in range(600):
        step()
    return stations


def slot_of(stations: Stations) -> Callable[[], None]:
    """One slot of all stations; exploration is at its floor."""
    rng, everyone, slot = np.random.default_rng(0), np.arange(stations.num_agents), [20_000]
    before = rng.random((stations.num_agents, INPUTS), dtype=np.float32)

    def step() -> None:
        slot[0] += 1
        after = rng.random(before.shape, dtype=np.float32)
        for m in range(stations.num_agents):
            stations.push(m, before[m], int(rng.integers(ACTIONS)), 0.5, after[m])
        stations.act(everyone, after, slot[0])
        before[:] = after

    return step


def torch_update(recurrent: bool) -> Callable[[], None]:
    """One update of one station in plain torch."""
    import torch
    from torch import Tensor, nn

    torch.set_num_threads(1)
    if recurrent:
        first, lstm, head = nn.Linear(INPUTS, 64), nn.LSTM(64, 32), nn.Linear(32, ACTIONS)
        parts = nn.ModuleList([first, lstm, head])

        def values(x: Tensor) -> Tensor:
            return head(lstm(first(x).relu())[0])

        seen, after = torch.rand(8, 4, INPUTS), torch.rand(9, 4, INPUTS)
    else:
        parts = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Linear(INPUTS, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, ACTIONS)
                )
            ]
        )
        values = parts[0]
        seen, after = torch.rand(32, 1, INPUTS), torch.rand(32, 1, INPUTS)
    action, reward = torch.randint(ACTIONS, (*seen.shape[:2], 1)), torch.rand(seen.shape[:2])
    optimiser = torch.optim.RMSprop(parts.parameters(), 5e-4, alpha=0.9, eps=1e-7)

    def step() -> None:
        with torch.no_grad():
            best = values(after).max(-1).values[-len(seen) :]
        error = reward + 0.5 * best - values(seen).gather(-1, action)[..., 0]
        optimiser.zero_grad()
        error.square().mean().backward()
        optimiser.step()

    return step


def main() -> None:
    """Prints station-slots per CPU second of each implementation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    effort = QUICK if parser.parse_args().quick else FULL
    for kind in ("dqn", "drqn 4x8", "drqn 32x8_last"):
        runs: dict[str, tuple[Callable[[], None], float]] = {
            f"{m} stations": (slot_of(stack(kind, m)), float(m)) for m in (1, 3, 7, 21)
        }
        if kind in GOALS:
            runs["torch, one station"] = (torch_update("drqn" in kind), 1.0)
        seconds = race(runs, effort)
        goal = f"; goal {GOALS[kind]:,.0f}" if kind in GOALS else ""
        print(f"\n{kind}: CPU us a station and slot, station-slots per CPU second; in the best round{goal}")
        for name, values in seconds.items():
            rates = f"{1 / median(values):10,.0f}{1 / min(values):10,.0f}"
            print(f"  {name:20s}{1e6 * median(values):9.0f}{rates}")
        if kind in GOALS:
            faster = ratio(seconds["torch, one station"], seconds["7 stations"])
            print(f"  7 stations are {faster} times as fast as torch")


if __name__ == "__main__":
    main()
