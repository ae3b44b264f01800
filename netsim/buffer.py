"""Packets and the finite buffer in which they wait at a device."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from netsim.trace_schema import DELIVERED, DROPPED, QUEUED

NEVER = -1  # a time that did not come


@dataclass(slots=True)
class Packet:
    """One captured item on its way to the server. Times in ns, -1 while they have not come."""

    id: int
    ue: int
    task: int
    item: int
    created_ns: int
    sent_ns: int = NEVER
    delivered_ns: int = NEVER
    fate: int = QUEUED
    num_bits: int = 0
    num_bit_errors: int = 0
    compression: float = math.nan
    label: int = -1
    decision: int = -1
    score: float = math.nan


class Buffer:
    """First-in first-out buffer of `capacity` packets; a capture that finds it full is blocked (toscn E34).

    Counters run from `begin_slot` on: arrived, delivered, dropped, blocked.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.waiting: deque[Packet] = deque()
        self.on_admit: Callable[[Packet], None] | None = None  # told of every packet that comes in
        self.arrived = self.delivered = self.dropped = self.blocked = 0

    def __len__(self) -> int:
        return len(self.waiting)

    def begin_slot(self) -> None:
        """Zeroes the counters of the slot."""
        self.arrived = self.delivered = self.dropped = self.blocked = 0

    @property
    def full(self) -> bool:
        return len(self.waiting) >= self.capacity

    def admit(self, packet: Packet) -> None:
        """Appends a packet; the source has looked for room."""
        assert len(self.waiting) < self.capacity, "a full buffer admits nothing"
        self.waiting.append(packet)
        self.arrived += 1
        if self.on_admit is not None:
            self.on_admit(packet)

    def deliver(self, now_ns: int) -> Packet:
        """Removes the oldest packet: its last symbol has been received."""
        packet = self.waiting.popleft()
        packet.delivered_ns = now_ns
        packet.fate = DELIVERED
        self.delivered += 1
        return packet

    def drop(self) -> Packet:
        """Removes the oldest packet: its deadline has passed."""
        packet = self.waiting.popleft()
        packet.fate = DROPPED
        self.dropped += 1
        return packet

    def clear(self) -> list[Packet]:
        """Drops all waiting packets (the device leaves the cell) and returns them."""
        gone = list(self.waiting)
        self.waiting.clear()
        self.dropped += len(gone)
        for packet in gone:
            packet.fate = DROPPED
        return gone
