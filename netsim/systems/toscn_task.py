"""What a TOSCN packet means: which bytes it carries, what the server makes of them, what that is worth.

`FormulaTask` (level `paper`) scores a packet by the accuracy curve (21), or by the measured table
A(eta, SNR); `ImageTask` takes real feature maps from an image bank, and scores 1 when the server's decision
on the bits that arrived is right, else 0.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from netsim.buffer import Packet
from netsim.link import Block
from netsim.streams import Streams
from netsim.systems.toscn import TASKS, Model, Toscn
from netsim.systems.toscn_knowledge import AccuracyTable, shipped
from phy.bursts import Received

_NO_PAYLOAD = np.empty(0, np.uint8)


class Task(Protocol):
    """Contract between the conductor and the meaning of its packets."""

    model: Model
    of_ue: np.ndarray  # int64[num_ues], task of each device, sorted (E13)
    sources: list[str]  # which data the scores rest on, one line each

    def begin_episode(self, episode: int) -> None:
        """Draws every device's task anew."""

    def num_items(self, task: int) -> int:
        """Size of the data set of a task, 0 where the level carries no data."""

    def air_bits(self, compression: float) -> float:
        """Bits on the air of a packet, header included; integral where bits are carried."""

    def encode(self, packet: Packet) -> tuple[np.ndarray, int]:
        """Payload (uint8, packed bits) and its number of bits, at `packet.compression`."""

    def score(
        self, packets: list[Packet], blocks: list[Block], received: Received | None, snr_db: np.ndarray
    ) -> None:
        """Fills label, decision, bit errors and score of delivered packets; `snr_db` of each device."""


class TaskDraw:
    """The task of each device: iid uniform, then sorted, so that the state (35) stays sufficient (E13)."""

    def __init__(self, streams: Streams, num_ues: int) -> None:
        self._streams = [streams.sequential(f"task/ue{ue}") for ue in range(num_ues)]

    def draw(self) -> np.ndarray:
        """Tasks of all devices, int64[U], ascending."""
        return np.sort([int(stream.integers(len(TASKS))) for stream in self._streams])


class FormulaTask:
    """Level `paper`: no bits; a delivered packet is worth A_j(eta), or A_j(eta, SNR)."""

    def __init__(self, scenario: Toscn, streams: Streams) -> None:
        self.model = Model(scenario)
        semantics = scenario.semantics
        self.sources = [f"formulas: accuracy curves (21) of bkb={semantics.bkb}, no images"]
        self._table: AccuracyTable | None = None
        if semantics.accuracy == "snr":
            base = shipped()
            rows = [base.of(task, semantics.importance, semantics.classifier) for task in TASKS]
            self._table = AccuracyTable([base.tables[row] for row in rows])
            self.sources = ["measured table A(eta, SNR), no images in this run", *base.provenance["data"]]
        self._draw = TaskDraw(streams, scenario.cell.num_ues)

    def begin_episode(self, episode: int) -> None:
        self.of_ue = self._draw.draw()

    def num_items(self, task: int) -> int:
        return 0

    def air_bits(self, compression: float) -> float:
        return self.model.packet_bits(compression)

    def encode(self, packet: Packet) -> tuple[np.ndarray, int]:
        return _NO_PAYLOAD, round(self.air_bits(packet.compression))

    def score(
        self, packets: list[Packet], blocks: list[Block], received: Received | None, snr_db: np.ndarray
    ) -> None:
        task = np.array([packet.task for packet in packets], dtype=np.int64)
        compression = np.array([packet.compression for packet in packets])
        if self._table is None:
            worth = self.model.accuracy(task, compression)
        else:
            of_packet = snr_db[np.array([packet.ue for packet in packets], dtype=np.int64)]
            worth = self._table.accuracy(task, compression, of_packet)
        for packet, accuracy in zip(packets, worth.tolist()):
            packet.num_bit_errors = -1
            packet.score = accuracy
