"""What a replay of green begins with and shows: the decisions; symbols and sentences before and after."""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.link import Block, Grants
from netsim.studies.replay import Sent
from netsim.system import Transmission
from netsim.systems.green_system import GreenSystem, StationAction
from netsim.tables import Trace
from phy.cells import equalised_cells


def actions(system: GreenSystem, trace: Trace, slot: int) -> list[StationAction | None]:
    """The decisions that were in force, from the table stations."""
    stations = trace["stations"]
    rows = np.flatnonzero(stations["slot"] == slot)
    found: list[StationAction | None] = [None] * system.num_ues
    for row in rows:
        level, k = int(stations["power_level"][row]), int(stations["symbols_per_word"][row])
        found[int(stations["cell"][row])] = StationAction(level, k)
    return found


def payloads(system: GreenSystem, sent: list[Transmission]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Bits of every station's burst as sent and as received, uint8; none of a silent one."""
    none = np.empty(0, np.uint8)
    air = system.air
    if air is None:
        return [(none, none)] * len(sent)
    arrived = np.split(air.received.payload, np.cumsum(air.num_bits))
    of_cell = {int(cell): (system.bits[i], arrived[i]) for i, cell in enumerate(air.cell)}
    return [of_cell.get(transmission.block.ue, (none, none)) for transmission in sent]


def signals(
    system: GreenSystem, slot: int, grants: Grants, blocks: list[Block]
) -> tuple[list[np.ndarray], list[np.ndarray]] | tuple[None, None]:
    """Equalised symbols, interference and all, and ideal ones of every station; at level `waveform` those of
    the same elements, which its samples give to rounding. Level `table` has none.
    """
    air = system.air
    if air is None or system.scenario.phy == "table":
        return None, None
    received, sent = equalised_cells(air.bursts, air.of, air.coefficient[:, :, None].astype(np.complex64))
    none = np.empty(0, np.complex64)
    place = {int(cell): i for i, cell in enumerate(air.cell)}
    pairs = [(received[place[b.ue]], sent[place[b.ue]]) if b.ue in place else (none, none) for b in blocks]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def content(system: GreenSystem, one: Sent) -> dict[str, Any]:
    """The first sentences of the burst, without a channel and as they were received."""
    sentences, ue, item = system.sentences, one.packet.ue, one.packet.item
    assert sentences is not None
    k, sinr_db = int(system.symbols_per_word[ue]), float(system.sinr_db[ue])
    clean = sentences.read(item, k, one.sent, sinr_db)
    received = sentences.read(item, k, one.received, sinr_db)
    texts = {}
    for i, sentence in enumerate(sentences.burst(item)[:3]):
        texts[f"Sentence {i + 1}"] = sentence
        texts[f"Sentence {i + 1}, decoded without a channel"] = clean[i]
        texts[f"Sentence {i + 1}, decoded as received"] = received[i]
    return {"title": f"{len(clean)} sentences at {k} symbols a word", "texts": texts}
