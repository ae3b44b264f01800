"""What a paper adds to the house: the contract between the conductor and a system.

The conductor (netsim.network) owns time: buffers, sources, signalling, agents as processes, the order of a
slot. A system owns the model: who the devices are, what agents see and decide, what goes on the air, what its
arrival is worth. It never sees the clock; times it returns are relative to the grant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from netsim.buffer import Buffer, Packet
from netsim.link import Block, Grants
from netsim.recorder import Recorder
from netsim.trace_schema import DELIVERED, Table
from phy.bursts import Received

# from the reports of all cells, in the order of the nodes: one reward for all, or one for each
Combine = Callable[[Sequence[tuple[float, ...]]], float | Sequence[float]]


@dataclass(frozen=True, slots=True)
class Node:
    """One agent and the cell that it decides for: names in the signalling."""

    cell: str
    agent: str


@dataclass(slots=True)
class Transmission:
    """One packet that goes on the air in a slot: from `begin_ns` to `end_ns` after the grant.

    `fate` is what happens at `end_ns`: delivered, or dropped (a deadline has passed).
    """

    packet: Packet
    block: Block
    begin_ns: int
    end_ns: int
    fate: int = DELIVERED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a slot was worth.

    `reports`: what each cell tells the central controller, a tuple of floats per node; empty where the cell
    itself rewards its agent with `reward`.
    """

    objective: float
    reward: float
    violations: int
    reports: tuple[tuple[float, ...], ...] = ()


class System(Protocol):
    """Contract of all systems (netsim/systems); arrays are over ue, lists of actions over `nodes`."""

    @property
    def num_ues(self) -> int:
        """Devices of all cells."""

    @property
    def cell_of_ue(self) -> np.ndarray:
        """int64[num_ues], index into `nodes`."""

    @property
    def nodes(self) -> Sequence[Node]:
        """One per agent."""

    @property
    def tables(self) -> Mapping[str, Table]:
        """Schema of its traces: that of the house, or an extension."""

    @property
    def sources(self) -> Sequence[str]:
        """Which data the scores rest on, one line each."""

    @property
    def combine(self) -> Combine | None:
        """What the agents are paid for the reports of all cells; None without a central controller."""

    def begin_episode(self, episode: int) -> dict[str, np.ndarray]:
        """Draws what stays the same within an episode; returns columns task, distance_m, shadowing_db,
        gain_db of the table `ues`.
        """

    def num_items(self, task: int) -> int:
        """Size of the data set of a task, 0 where the level carries no data."""

    def fade(self) -> None:
        """Every link advances by one slot, granted or not."""

    def observe(self, slot: int, episode: int, buffers: Sequence[Buffer]) -> list[Any]:
        """What each node's agent is told now; every observation has the attributes `slot` and `episode`."""

    def grants(self, actions: Sequence[Any | None]) -> Grants:
        """The actions in force as grants; None: no action has come into force for this node."""

    def encode(
        self, slot: int, grants: Grants, buffers: Sequence[Buffer], budget_ns: int
    ) -> list[Transmission]:
        """Which waiting packets go on the air, by device and then by time; sets their payload and size."""

    def transmit(self, slot: int, grants: Grants, blocks: list[Block]) -> Received | None:
        """All blocks of the slot, of all cells, through the channel; None where no bits are carried."""

    def score(
        self, slot: int, grants: Grants, sent: list[Transmission], received: Received | None
    ) -> Outcome:
        """Fills label, decision, bit errors and score of the packets, and judges the slot.

        Called at the slot's end, when every departure of the slot has happened.
        """

    def reception(self, grants: Grants) -> tuple[np.ndarray, np.ndarray]:
        """Linear power gain and SINR in dB of each device under these grants, -inf without a grant."""

    def record(self, slot: int, trace: Recorder) -> None:
        """Rows of the system's own tables, if it has any."""


@runtime_checkable
class OnArrival(Protocol):
    """A system that may put packets on the air that arrive within a grant (beside those that wait when it
    begins).
    """

    @property
    def joins(self) -> bool:
        """Whether it does."""

    def join(self, packet: Packet, after_ns: int) -> Transmission | None:
        """A packet that arrived `after_ns` after the grant; None: it waits for another grant."""
