"""The slotted model of TOSCN as a plain loop: no events, no buffers, no messages.

Written from the equations (M1)-(M11) against arrays of exogenous draws; the simulator with zero delays must
equal it exactly, table by table (test_zero_delay.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from netsim.streams import Streams
from netsim.systems.toscn import Observation, Toscn
from netsim.world import World


@dataclass
class Slotted:
    """Columns of the run, one list per column; rows in the order of the trace."""

    slots: dict = field(default_factory=lambda: {k: [] for k in ("slot", "episode", "reward", "objective")})
    buffers: dict = field(
        default_factory=lambda: {
            k: []
            for k in ("slot", "ue", "queued_start", "queued", "arrived", "delivered", "dropped", "blocked")
        }
    )
    grants: dict = field(default_factory=lambda: {k: [] for k in ("bandwidth_hz", "power_w", "compression")})
    gain: list = field(default_factory=list)
    packets: list = field(default_factory=list)  # (ue, created_ns, delivered_ns, score)


def arrivals_of(scenario: Toscn, streams: Streams) -> np.ndarray:
    """Poisson captures [slot, ue], drawn one at a time from the named streams."""
    counts = []
    for ue in range(scenario.cell.num_ues):
        stream = streams.sequential(f"traffic/ue{ue}")
        counts.append([stream.poisson(scenario.traffic.mean_per_slot) for _ in range(scenario.slots)])
    return np.array(counts).T


def simulate(scenario: Toscn, run: int, policy) -> Slotted:
    """The run as the paper describes it: observe, act, transmit, deliver, add arrivals, clip, fade."""
    streams = Streams(scenario.seed, run)
    num_ues, capacity = scenario.cell.num_ues, scenario.traffic.buffer_packets
    length = scenario.slot_ns
    world = World(scenario.cell, scenario.fading, length, streams)
    tasks = [streams.sequential(f"task/ue{ue}") for ue in range(num_ues)]
    initial = [streams.sequential(f"traffic/ue{ue}/episode") for ue in range(num_ues)]
    arrivals = arrivals_of(scenario, streams)
    radio, semantics = scenario.radio, scenario.semantics
    n0 = 10 ** (-20.4)
    out = Slotted()
    queues: list[list[int]] = [[] for _ in range(num_ues)]
    for t in range(scenario.slots):
        first = t % scenario.episode_slots == 0
        if first:
            world.new_drop(t // scenario.episode_slots)
            task = np.sort([int(stream.integers(3)) for stream in tasks])
            queues = [[t * length] * int(stream.random(2)[0] * (capacity + 1)) for stream in initial]
        admitted_first = [len(queue) if first else 0 for queue in queues]
        world.fade()
        start = np.array([len(queue) for queue in queues])
        action = policy.act(Observation(t, t // scenario.episode_slots, task, world.gain, start))
        objective, margins = 0.0, []
        for u in range(num_ues):
            curve = semantics.curves[task[u]]
            discarded = min(max(math.ceil(action.compression[u] * 512 - 1e-9), 0), 511)
            eta = discarded / 512
            bandwidth = math.floor(action.bandwidth_share[u] * radio.bandwidth_hz + 1e-9) * 1.0
            power = math.floor(action.power_share[u] * radio.power_w / 1e-6 + 1e-9) * 1e-6
            bits = (1 - eta) * semantics.packet_bits
            rate = 0.0
            if bandwidth > 0 and power > 0:
                rate = bandwidth * math.log2(1 + power * world.gain[u] / (n0 * bandwidth))
            sent = min(math.floor(length / 1e9 * rate / bits + 1e-9), len(queues[u]))
            accuracy = curve.a1 * np.power(eta, curve.a2) + curve.a3
            margins.append(accuracy - semantics.min_accuracy)
            for k in range(1, sent + 1):
                done = t * length + min(round(k * (bits / rate * 1e9)), length)
                out.packets.append((u, queues[u].pop(0), done, float(accuracy)))
                objective += float(accuracy)
            offered = int(arrivals[t, u])
            room = min(offered, capacity - len(queues[u]))
            queues[u] += [(t + 1) * length] * room
            last = (t + 1) % scenario.episode_slots == 0 and t + 1 < scenario.slots
            dropped = len(queues[u]) if last else 0
            if dropped:
                queues[u] = []
            row = (t, u, start[u], len(queues[u]), admitted_first[u] + room, sent, dropped, offered - room)
            for name, value in zip(out.buffers, row):
                out.buffers[name].append(value)
            for name, value in zip(out.grants, (bandwidth, power, eta)):
                out.grants[name].append(value)
        reward = objective if min(margins) >= 0 else float(min(margins))
        for name, value in zip(out.slots, (t, t // scenario.episode_slots, reward, objective)):
            out.slots[name].append(value)
        out.gain += list(world.gain)
    return out
