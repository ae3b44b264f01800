"""One slot of a recorded run, regenerated from the trace alone: what was sent, and what came out, to the bit.

The world before the slot is a matter of named streams and of the clock, not of the policy; what the policy
decided is in the trace. So nothing but the slot itself has to be simulated.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netsim import params, simulate
from netsim.buffer import Buffer, Packet
from netsim.link import Block, Grants
from netsim.scenario import Scenario
from netsim.system import System, Transmission
from netsim.tables import Trace
from netsim.trace_schema import TraceError
from phy.bursts import Received
from phy.parameters import ParameterError

Symbols = tuple[list[np.ndarray], list[np.ndarray]]
Signals = Callable[[System, int, Grants, list[Block]], Symbols | tuple[None, None]]


@dataclass
class Sent:
    """One packet on the air in the slot. `sent`, `received`: 0/1 bits, uint8[num_bits], empty where the level
    carries none; `symbols`, `ideal`: what the receiver slices and what was sent, complex64[symbols], where
    the system can tell; `content`: what the packet means before and after.
    """

    packet: Packet
    sent: np.ndarray
    received: np.ndarray
    symbols: np.ndarray | None = None
    ideal: np.ndarray | None = None
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def wrong(self) -> np.ndarray:
        """Positions of wrong bits, int64."""
        return np.flatnonzero(self.sent != self.received)


Content = Callable[[System, Sent], dict[str, Any]]
Payloads = Callable[[System, list[Transmission]], list[tuple[np.ndarray, np.ndarray]]]
Actions = Callable[[System, Trace, int], list[Any]]


@dataclass
class Replay:
    """A slot of one device as it was, or as it would have been at another level.

    `differences` from the trace, one line each; empty means bit-identical (only asked at the trace's own
    level).
    """

    scenario: Scenario
    slot: int
    ue: int
    level: str
    own_level: bool
    gain: float
    sinr_db: float
    packets: list[Sent]
    differences: list[str]


def scenario_of(trace: Trace) -> Scenario:
    """The resolved scenario of a trace.

    Raises:
        TraceError: the trace names no scenario that this code knows.
    """
    origin = trace.attributes["provenance"]
    kind, values = origin.get("system"), origin.get("scenario")
    if not isinstance(kind, str) or not re.fullmatch(r"[A-Za-z]\w*", kind) or not isinstance(values, dict):
        raise TraceError(f"{trace.name}: provenance names no scenario: must hold system and scenario")
    try:
        found = getattr(importlib.import_module(f"netsim.systems.{kind.lower()}"), kind)
        scenario = params.from_dict(found, values)
    except (ModuleNotFoundError, AttributeError):
        raise TraceError(f"{trace.name}: system {kind}: must be one of this code") from None
    except ParameterError as error:
        raise TraceError(f"{trace.name}: its scenario is not one of this code: {error}") from None
    assert isinstance(scenario, Scenario)
    return scenario


def replay(trace: Trace, slot: int, ue: int, level: str | None = None) -> Replay:
    """Regenerates `slot` and shows device `ue`, at the trace's level or at another one.

    Raises:
        ParameterError: no such slot or device, a trace without items at a level that needs them.
        TraceError: the trace is damaged or of other code.
    """
    scenario = scenario_of(trace)
    count = len(trace["slots"]["slot"])
    if not 0 <= slot < count:
        raise ParameterError(f"--slot {slot}: must be in 0..{count - 1}, the slots of {trace.name}")
    own = level is None or level == scenario.phy
    if not own:
        changed = params.override(scenario, {"phy": level})
        assert isinstance(changed, Scenario)
        scenario = changed
    # no policy acts here, and the trace may name a file of somebody else's
    system = simulate.prepare(scenario, trace.attributes["run"], policies=()).system
    if not 0 <= ue < system.num_ues:
        raise ParameterError(f"--ue {ue}: must be in 0..{system.num_ues - 1}, the devices of {trace.name}")
    _advance(system, scenario, slot)
    packets = packets_of_slot(trace, slot, scenario.slot_ns)
    if scenario.phy != "paper" and any(packet.item < 0 for packet in packets):
        raise ParameterError(
            f"{trace.name}: level {trace.attributes['phy']} recorded no items: must carry bits"
        )
    hooks = _hooks(system)
    recorded = grants_of_slot(trace, slot, system.num_ues)
    grants = system.grants(hooks["actions"](system, trace, slot)) if "actions" in hooks else recorded
    sent, received = _transmit(system, scenario, slot, grants, packets)
    gain, sinr_db = system.reception(grants)
    shown = _shown(system, hooks, slot, grants, sent, received, ue)
    differences = []
    if own:
        errors = np.full(len(sent), -1) if received is None else received.num_bit_errors
        differences = _grants_differ(recorded, grants)
        differences += _differences(trace, slot, scenario.slot_ns, sent, errors, gain)
    return Replay(
        scenario, slot, ue, scenario.phy, own, float(gain[ue]), float(sinr_db[ue]), shown, differences
    )


def _advance(system: System, scenario: Scenario, slot: int) -> None:
    """The world up to and with the slot: placements and fading, which no policy can move."""
    for past in range(slot + 1):
        if past % scenario.episode_slots == 0:
            system.begin_episode(past // scenario.episode_slots)
        system.fade()


def packets_of_slot(trace: Trace, slot: int, slot_ns: int) -> list[Packet]:
    """The packets whose transmission began in the slot, as they waited: by device, then by time. What began
    and ended at its very end, for want of a grant until then, is of this slot, not of the next.
    """
    columns = trace["packets"]
    start_ns = int(trace["slots"]["start_ns"][slot])
    sent_ns, end_ns = columns["sent_ns"], start_ns + slot_ns
    instant = columns["delivered_ns"] == sent_ns
    inside = (sent_ns >= start_ns) & (sent_ns < end_ns) & ~(instant & (sent_ns == start_ns))
    inside |= instant & (sent_ns == end_ns)
    rows = np.flatnonzero(inside)
    rows = rows[np.lexsort((columns["id"][rows], columns["sent_ns"][rows], columns["ue"][rows]))]
    names = ("id", "ue", "task", "item", "created_ns")
    return [Packet(**{name: int(columns[name][row]) for name in names}) for row in rows]


def grants_of_slot(trace: Trace, slot: int, num_ues: int) -> Grants:
    """The grants that were in force."""
    columns = trace["grants"]
    rows = np.flatnonzero(columns["slot"] == slot)
    values: dict[str, np.ndarray] = {}
    for column in dataclasses.fields(Grants):
        whole = np.zeros(num_ues, columns[column.name].dtype)
        whole[columns["ue"][rows]] = columns[column.name][rows]
        values[column.name] = whole
    return Grants(**values)


def _grants_differ(recorded: Grants, found: Grants) -> list[str]:
    """A line for each column of the grants that is not as recorded."""
    lines = []
    for column in dataclasses.fields(Grants):
        mine, theirs = getattr(found, column.name), getattr(recorded, column.name)
        if not np.array_equal(np.broadcast_to(mine, theirs.shape), theirs, equal_nan=True):
            lines.append(f"grants: {column.name} differs from that of the trace")
    return lines


def _transmit(
    system: System, scenario: Scenario, slot: int, grants: Grants, packets: list[Packet]
) -> tuple[list[Transmission], Any]:
    """The phases of the conductor from encode to score, for this slot only."""
    buffers = [Buffer(max(1, len(packets))) for _ in range(system.num_ues)]
    for packet in packets:
        buffers[packet.ue].admit(packet)
    system.observe(slot, slot // scenario.episode_slots, buffers)
    sent = system.encode(slot, grants, buffers, scenario.slot_ns)
    received = system.transmit(slot, grants, [transmission.block for transmission in sent])
    system.score(slot, grants, sent, received)
    for transmission in sent:  # a system may find its scores when they are looked at
        transmission.packet.score = float(transmission.packet.score)
    return sent, received


def _shown(
    system: System,
    hooks: Mapping[str, Any],
    slot: int,
    grants: Grants,
    sent: list[Transmission],
    received: Received | None,
    ue: int,
) -> list[Sent]:
    """What there is to see of one device."""
    blocks = [transmission.block for transmission in sent]
    if received is None:
        none = np.empty(0, np.uint8)
        return [Sent(one.packet, none, none) for one in sent if one.block.ue == ue]
    payloads: Payloads | None = hooks.get("payloads")
    bits = payloads(system, sent) if payloads is not None else _bits_of_blocks(blocks, received.payload)
    signals: Signals | None = hooks.get("signals")
    content: Content | None = hooks.get("content")
    symbols, ideal = signals(system, slot, grants, blocks) if signals is not None else (None, None)
    shown = []
    for index, (transmission, (before, after)) in enumerate(zip(sent, bits, strict=True)):
        if transmission.block.ue != ue:
            continue
        one = Sent(transmission.packet, before, after)
        if symbols is not None and ideal is not None:
            one.symbols, one.ideal = symbols[index], ideal[index]
        if content is not None and len(before):
            one.content = content(system, one)
        shown.append(one)
    return shown


def _bits_of_blocks(blocks: list[Block], payload: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Bits of each block as they were sent and as they arrived in the concatenated payload uint8."""
    ends = np.cumsum([len(block.payload) for block in blocks], dtype=np.int64)
    pairs = zip(blocks, np.split(payload, ends))  # the part beyond the last block is empty
    return [
        (np.unpackbits(block.payload)[: block.num_bits], np.unpackbits(part)[: block.num_bits])
        for block, part in pairs
    ]


def _hooks(system: System) -> Mapping[str, Any]:
    """Functions of the module `<system's module without _system>_replay`, if there is one.

    `actions` gives the agents' decisions of a slot back from the trace, where the grants alone do not
    determine what went on the air; `payloads` the bits, where they are not those of the blocks; `signals` and
    `content` what there is to look at.
    """
    name = type(system).__module__.removesuffix("_system") + "_replay"
    try:
        return vars(importlib.import_module(name))
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}


def _differences(
    trace: Trace, slot: int, slot_ns: int, sent: list[Transmission], errors: np.ndarray, gain: np.ndarray
) -> list[str]:
    """Where the replay and the trace disagree, one line each: packets, bit errors, decisions, gains."""
    columns, found = trace["packets"], []
    row_of = {int(id): row for row, id in enumerate(columns["id"])}
    recorded = len(packets_of_slot(trace, slot, slot_ns))
    if recorded != len(sent):
        found.append(f"{len(sent)} packets on the air, the trace has {recorded}")
    for transmission, wrong in zip(sent, errors.tolist()):
        packet, row = transmission.packet, row_of[transmission.packet.id]
        mine = {
            "num_bits": transmission.block.num_bits,
            "num_bit_errors": wrong,
            "label": packet.label,
            "decision": packet.decision,
            "score": packet.score,
        }
        for name, value in mine.items():
            if not np.array_equal(value, columns[name][row], equal_nan=True):
                found.append(f"packet {packet.id}: {name} {value}, the trace has {columns[name][row]}")
    receptions = trace["receptions"]
    rows = receptions["slot"] == slot
    if not np.array_equal(receptions["gain"][rows], gain[receptions["ue"][rows]]):
        found.append("channel gains differ from those of the trace")
    return found
