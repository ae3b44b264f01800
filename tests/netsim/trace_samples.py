"""A small, consistent recording for the tests of traces: queues with random arrivals, no simulator."""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.recorder import Recorder
from netsim.tables import Columns, Trace
from netsim.trace import MemoryTrace

ATTRIBUTES: dict[str, Any] = {
    "scenario": "sample",
    "phy": "bit",
    "seed": 7,
    "run": 0,
    "agent": "equal",
    "provenance": {"host": "here", "versions": {"numpy": "2"}},
}
SLOT_NS = 200_000_000


def record(recorder: Recorder, episodes: int = 2, slots: int = 10, ues: int = 3, seed: int = 1) -> None:
    """Fill every table of the schema with rows that obey all rules."""
    rng = np.random.default_rng(seed)
    next_id = 0
    for slot in range(episodes * slots):
        episode, start, first = slot // slots, slot * SLOT_NS, slot % slots == 0
        last = slot % slots == slots - 1 and slot < episodes * slots - 1
        if first:
            queues: list[list[dict[str, Any]]] = [[] for _ in range(ues)]
            where = {
                "distance_m": rng.uniform(10, 100, ues),
                "shadowing_db": rng.normal(0, 8, ues),
                "gain_db": -85.0,
            }
            recorder.extend("ues", episode=episode, ue=np.arange(ues), task=np.arange(ues) % 3, **where)
        counts: dict[str, list[int]] = {name: [] for name in ("queued_start", "queued", *FLOWS)}
        for ue, queue in enumerate(queues):
            arrived = int(rng.integers(0, 4)) if not first else 2
            for _ in range(arrived):
                queue.append(_packet(next_id, ue, start))
                next_id += 1
            counts["queued_start"].append(len(queue))
            sent = [queue.pop(0) for _ in range(min(len(queue), int(rng.integers(0, 3))))]
            for packet in sent:
                errors = int(rng.integers(0, 5))
                delivered = start + int(rng.integers(1, SLOT_NS))
                known = {"num_bits": 1000, "num_bit_errors": errors, "compression": 0.5, "decision": 3}
                times = {"sent_ns": start, "delivered_ns": delivered, "fate": 1, "score": float(errors < 4)}
                recorder.append("packets", **{**packet, **known, **times})
            dropped = queue[:] if last else []
            for packet in dropped:
                recorder.append("packets", **{**packet, "fate": 2})
                queue.remove(packet)
            numbers = (arrived, len(sent), len(dropped), int(rng.integers(0, 2)))
            for name, number in zip(FLOWS, numbers):
                counts[name].append(number)
            counts["queued"].append(len(queue))
        recorder.extend("buffers", slot=slot, ue=np.arange(ues), **counts)
        _radio(recorder, rng, slot, ues, np.array(counts["delivered"]))
        delivered_all = float(sum(counts["delivered"]))
        values = {
            "reward": delivered_all - 0.5,
            "objective": delivered_all,
            "num_violations": int(slot % 5 == 0),
        }
        recorder.append("slots", slot=slot, episode=episode, start_ns=start, **values)
    for queue in queues:
        for packet in queue:
            recorder.append("packets", **packet)


FLOWS = ("arrived", "delivered", "dropped", "blocked")


def _packet(number: int, ue: int, created_ns: int) -> dict[str, Any]:
    never = {"sent_ns": -1, "delivered_ns": -1, "fate": 0, "num_bits": 0, "num_bit_errors": -1}
    known = {
        "id": number,
        "ue": ue,
        "item": 100 + number,
        "task": ue % 3,
        "created_ns": created_ns,
        "label": 3,
    }
    return {**known, **never, "compression": np.nan, "decision": -1, "score": np.nan}


def _radio(recorder: Recorder, rng: np.random.Generator, slot: int, ues: int, sent: np.ndarray) -> None:
    start, ue, shared = slot * SLOT_NS, np.arange(ues), {"slot": slot, "cell": 0}
    share = {
        "bandwidth_hz": 3e6 / ues,
        "power_w": 0.2 / ues,
        "compression": 0.5,
        "bits_per_symbol": 4,
        "subchannel": -1,
    }
    recorder.extend("grants", ue=ue, start_ns=start, **shared, **share)
    errors = rng.integers(0, 5, ues) * (sent > 0)
    counts = {
        "num_bits": sent * 1000,
        "num_bit_errors": errors,
        "num_blocks": sent,
        "num_block_errors": errors > 0,
    }
    sinr_db = np.where(sent > 0, rng.uniform(0, 30, ues), np.nan)
    recorder.extend("receptions", ue=ue, gain=rng.exponential(1e-9, ues), sinr_db=sinr_db, **shared, **counts)
    times = {"t_ns": start + 3, "observed_ns": start, "received_ns": start + 2, "applied_ns": start + 5}
    recorder.append("decisions", agent="equal", slot=slot, reward=np.nan if slot == 0 else 1.0, **times)
    way = {"kind": "observation", "src": "server", "dst": "agent", "sent_ns": start}
    lost = int(slot % 4 == 3)
    recorder.append("messages", received_ns=-1 if lost else start + 2, lost=lost, **way)


def sample(attributes: dict[str, Any] | None = None, **size: int) -> Trace:
    """The recording as a trace in memory."""
    recorder = MemoryTrace({**ATTRIBUTES, **(attributes or {})})
    record(recorder, **size)
    return recorder.trace()


def tampered(trace: Trace, table: str, column: str, row: int, value: Any) -> Trace:
    """A copy of `trace` in which one value differs."""
    tables: dict[str, Columns] = {t: {name: v.copy() for name, v in trace[t].items()} for t in trace}
    tables[table][column][row] = value
    return Trace(trace.name, trace.attributes, list(tables), tables.__getitem__)
