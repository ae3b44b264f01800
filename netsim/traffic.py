"""Sources: devices that capture items at their own pace and offer them to their buffers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import simpy

from netsim.buffer import Buffer, Packet
from netsim.engine import Clock
from netsim.streams import Prefetched, Streams
from phy.parameters import Checked, between, non_negative, one_of, parameter, probability


@dataclass(frozen=True)
class Traffic(Checked):
    """How many images a device captures, and when."""

    law: str = parameter(
        "poisson",
        meaning="captures per slot: Poisson, saturated (full), uniform {0..6}, rate (fixed 2..6), burst",
        source="toscn E8 (not in the paper)",
        rule=one_of("poisson", "saturated", "uniform", "rate", "burst"),
    )
    mean_per_slot: float = parameter(
        4.0,
        meaning="mean captures per device and slot (law poisson)",
        unit="packets",
        source="toscn E8",
        rule=non_negative,
    )
    burst_probability: float = parameter(
        0.2,
        meaning="share of slots in which every device fills its buffer (law burst)",
        source="our choice",
        rule=probability,
    )
    instants: str = parameter(
        "batch",
        meaning="batch: captures counted at the slot's end, after departures; async: at own instants",
        source="docs/timing.md",
        rule=one_of("batch", "async"),
    )
    initial_queue: str = parameter(
        "uniform",
        meaning="packets waiting when an episode begins: uniform {0..capacity}, empty, full",
        source="our choice",
        rule=one_of("uniform", "empty", "full"),
    )
    buffer_packets: int = parameter(
        6,
        meaning="buffer capacity of a device",
        unit="packets",
        source="TOSCN Table I",
        rule=between(1, 1_000_000),
    )

    def check(self) -> None:
        if self.instants == "async" and self.law not in ("poisson", "rate"):
            raise self.error("instants", f"async needs law poisson or rate, not {self.law}")


class Source:
    """The captures of one device: counts, items and instants, all exogenous.

    Every capture takes one number of the item stream, blocked or not, so that what the n-th capture shows
    does not depend on the policy. Packet ids are `capture number * num_ues + ue`.
    """

    def __init__(
        self,
        env: Clock,
        traffic: Traffic,
        buffer: Buffer,
        streams: Streams,
        ue: int,
        num_ues: int,
        slot_ns: int,
    ) -> None:
        self.env, self.traffic, self.buffer = env, traffic, buffer
        self.ue, self.num_ues, self.slot_ns = ue, num_ues, slot_ns
        self.task = 0
        self.num_items = 1
        self.captures = 0
        self._items = Prefetched(streams.sequential(f"items/ue{ue}").random)
        self._episodes = streams.sequential(f"traffic/ue{ue}/episode")
        # a burst fills all buffers together, so its coin is common to the cell
        self._draws = streams.sequential("traffic/cell0" if traffic.law == "burst" else f"traffic/ue{ue}")
        self._counts = Prefetched(self._count_block)
        self._rate = 0

    def start(self) -> None:
        """Creates the process; it runs until the simulation ends."""
        self.env.process(self._batches() if self.traffic.instants == "batch" else self._instants())

    def begin_episode(self, task: int, num_items: int) -> None:
        """New drop: the device gets a task of `num_items` items and its initial queue."""
        self.task, self.num_items = task, num_items
        initial_draw, rate_draw = self._episodes.random(2)
        capacity = self.buffer.capacity
        self._rate = 2 + int(rate_draw * 5)
        initial = {"uniform": int(initial_draw * (capacity + 1)), "empty": 0, "full": capacity}
        for _ in range(initial[self.traffic.initial_queue]):
            self.capture()

    def capture(self) -> None:
        """One image is captured now; with a full buffer it is blocked and never processed."""
        draw, buffer, number = next(self._items), self.buffer, self.captures
        self.captures = number + 1
        if buffer.full:
            buffer.blocked += 1
            return
        item = int(draw * self.num_items) if self.num_items else -1
        buffer.admit(Packet(number * self.num_ues + self.ue, self.ue, self.task, item, self.env.now_ns))

    def _count_block(self, block: int) -> np.ndarray:
        capacity = self.buffer.capacity
        match self.traffic.law:
            case "poisson":
                return self._draws.poisson(self.traffic.mean_per_slot, block)
            case "uniform":
                return self._draws.integers(0, 7, block)
            case "burst":
                return np.where(self._draws.random(block) < self.traffic.burst_probability, capacity, 0)
            case _:  # saturated
                return np.full(block, capacity)

    def _batches(self) -> Generator[simpy.Event, None, None]:
        while True:
            yield self.env.timeout(self.slot_ns)
            count = self._rate if self.traffic.law == "rate" else next(self._counts)
            for _ in range(count):
                self.capture()

    def _instants(self) -> Generator[simpy.Event, None, None]:
        gaps = Prefetched(self._draws.standard_exponential)
        while True:
            if self.traffic.law == "rate":
                gap_ns = self.slot_ns // self._rate
            elif self.traffic.mean_per_slot == 0.0:
                return
            else:
                gap_ns = max(1, round(next(gaps) * self.slot_ns / self.traffic.mean_per_slot))
            yield self.env.timeout(gap_ns)
            self.capture()
