"""Levels with bits: packets carry feature maps of real images, the server classifies what arrives."""

from __future__ import annotations

import functools
import os

import numpy as np

from netsim.buffer import Packet
from netsim.link import Block
from netsim.semantics.bank import ImageBank, load_bank
from netsim.streams import Streams
from netsim.systems.toscn import TASKS, Model, Toscn
from netsim.systems.toscn_task import TaskDraw
from phy.bursts import Received


@functools.lru_cache(maxsize=len(TASKS))
def _bank(
    task: str, data: str, importance: str, bits: int, classifier: str, _data_dir: str | None, _folder: str
) -> ImageBank:
    """The bank of a task; runs that follow each other in a process share it (loading takes half of the time
    of a short run). What decides where it is found is part of the key.
    """
    return load_bank(task, data, importance, bits, classifier)


class ImageTask:
    """A delivered packet is worth 1 if the server names the right class from the bits that arrived, else
    0.
    """

    def __init__(self, scenario: Toscn, streams: Streams) -> None:
        semantics = scenario.semantics
        self.banks = [
            _bank(
                task,
                semantics.data,
                semantics.importance,
                semantics.feature_bits,
                semantics.classifier,
                os.environ.get("NETSIM_DATA"),
                os.getcwd(),
            )
            for task in TASKS
        ]
        self.model = Model(scenario, self.banks[0].header_bits())
        self.sources = [
            f"{bank.source}; {bank.noiseless_accuracy():.3f} of these are right without compression and bit "
            f"errors, {bank.test_accuracy:.3f} of the whole test set"
            for bank in self.banks
        ]
        self._draw = TaskDraw(streams, scenario.cell.num_ues)

    def begin_episode(self, episode: int) -> None:
        self.of_ue = self._draw.draw()

    def num_items(self, task: int) -> int:
        return self.banks[task].num_items

    def air_bits(self, compression: float) -> int:
        return round(self.model.packet_bits(compression))

    def encode(self, packet: Packet) -> tuple[np.ndarray, int]:
        bank = self.banks[packet.task]
        return bank.encode(packet.item, packet.compression), bank.packet_bits(packet.compression)

    def score(
        self, packets: list[Packet], blocks: list[Block], received: Received | None, snr_db: np.ndarray
    ) -> None:
        assert received is not None, "image packets need a link that carries bits"
        lengths = np.array([len(block.payload) for block in blocks], dtype=np.int64)
        offset = np.cumsum(lengths) - lengths
        task_of = np.array([packet.task for packet in packets], dtype=np.int64)
        for task in np.unique(task_of):
            bank, rows = self.banks[task], np.flatnonzero(task_of == task)
            items = np.array([packets[row].item for row in rows])
            kept = np.array([bank.num_kept(packets[row].compression) for row in rows])
            decisions = bank.predict(received.payload, offset[rows], items, kept)
            for row, decision in zip(rows, decisions):
                packet = packets[row]
                packet.num_bit_errors = int(received.num_bit_errors[row])
                packet.label, packet.decision = int(bank.labels[packet.item]), int(decision)
                packet.score = float(packet.decision == packet.label)
