"""The slot loop on SimPy: what the PHY, the queue and the record cost in it, and the engine's own events.

Four users, one 3584-bit slot at a time each, one call of the link per slot (the worst case; the simulator
hands all users of a slot over at once). Payloads and channels are drawn beforehand. The record is the trace
that the simulator writes, to a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import simpy

from benchmarks.peers_numpy import NumpyChain
from benchmarks.peers_ours import OurChain
from benchmarks.reference import BLOCK_BITS, ES_N0_DB, Work
from benchmarks.timing import Effort, Seconds, race
from netsim.engine import Clock, after
from netsim.trace import TraceWriter
from phy.bursts import Bursts
from phy.link import transmit_bit
from phy.plan import LinkPlan

USERS = 4
BANK = 256  # channels drawn beforehand
ATTRIBUTES = {"scenario": "benchmark", "phy": "bit", "seed": 1, "run": 0}

Phy = Callable[[int], int]  # slot to wrong bits


def our_phy() -> Phy:
    """One burst a call through a plan: its arrays are reused."""
    chain = OurChain(Work(num_blocks=1))
    plan = LinkPlan(chain.fresh())
    bank = [chain.response(chain.taps()) for _ in range(BANK)]

    def phy(slot: int) -> int:
        plan.slot[0] = slot
        plan.h[0] = bank[slot % BANK][0]
        return int(plan.transmit()[0])

    return phy


def our_phy_new_bursts() -> Phy:
    """The same, with a `Bursts` built for every slot."""
    chain = OurChain(Work(num_blocks=1))
    payload = chain.payload(0)
    bank = [chain.response(chain.taps()) for _ in range(BANK)]

    def phy(slot: int) -> int:
        burst: Bursts = chain.bursts(bank[slot % BANK], payload)
        return int(transmit_bit(burst).num_bit_errors[0])

    return phy


def numpy_phy() -> Phy:
    """The NumPy chain at sample level, one block a call, its payload and channels drawn beforehand too."""
    chain = NumpyChain(Work(num_blocks=1))
    payload = chain.bits()
    bank = [chain.fade() for _ in range(BANK)]

    def phy(slot: int) -> int:
        y, gain = chain.received_mrt(chain.modulate(payload), *bank[slot % BANK])
        return int(chain.count(payload, chain.decide(y, gain))[0])

    return phy


def no_phy(slot: int) -> int:
    return 0


def user(
    env: simpy.Environment, ue: int, phy: Phy, store: simpy.Store | None, writer: TraceWriter | None
) -> Generator[Any, Any, None]:
    """A user's slots for ever."""
    slot = ue
    record = writer.rows("receptions") if writer is not None else None
    while True:
        yield env.timeout(1)
        wrong = phy(slot)
        if store is not None:
            yield store.put((slot, wrong))
        if record is not None:
            record(
                slot=slot,
                ue=ue,
                cell=0,
                gain=1.0,
                sinr_db=ES_N0_DB,
                num_bits=BLOCK_BITS,
                num_bit_errors=wrong,
                num_blocks=1,
                num_block_errors=int(wrong > 0),
            )
        slot += USERS


def drain(store: simpy.Store) -> Generator[Any, Any, None]:
    """The other end of the queue."""
    while True:
        yield store.get()


def run_slots(phy: Phy, slots: int, queue: bool, writer: TraceWriter | None) -> None:
    """`slots` slots of every user."""
    env = simpy.Environment()
    store = simpy.Store(env) if queue else None
    for ue in range(USERS):
        env.process(user(env, ue, phy, store, writer))
    if store is not None:
        env.process(drain(store))
    env.run(until=slots + 0.5)


def slot_loops(effort: Effort, slots: int) -> Seconds:
    """CPU seconds per slot and user: the loop without PHY, with ours and with NumPy's.

    The files are opened and closed outside the measurement: a run of the simulator has one, too.
    """
    few = max(slots // 20, 20)
    phys = {"": no_phy, ", bit": our_phy(), ", bit, new Bursts": our_phy_new_bursts(), ", numpy": numpy_phy()}
    runs: dict[str, tuple[Callable[[], None], float]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:

        def add(name: str, phy: Phy, queue: bool, record: bool) -> None:
            number = few if phy is phys[", numpy"] else slots
            writer = None
            if record:
                writer = TraceWriter(Path(folder) / f"{len(runs)}.h5", ATTRIBUTES)
                stack.callback(writer.close, complete=True)
            runs[name] = (lambda: run_slots(phy, number, queue, writer), float(number * USERS))

        add("timeout, queue", no_phy, True, False)
        for what, phy in phys.items():
            add(f"timeout{what}", phy, False, False)
            add(f"timeout{what}, queue, record", phy, True, True)
        return race(runs, effort)


def _ticks(env: simpy.Environment) -> Generator[Any, Any, None]:
    while True:
        yield env.timeout(1)


def _callbacks(env: Clock) -> None:
    def fire(event: Any) -> None:
        after(env, 1, fire)

    fire(None)


def event_costs(effort: Effort, instants: int, processes: int = 100) -> Seconds:
    """CPU seconds per event: bare SimPy timeouts, the same on our clock, and our callbacks."""

    def bare() -> None:
        env = simpy.Environment()
        for _ in range(processes):
            env.process(_ticks(env))
        env.run(until=instants + 0.5)

    def clock() -> None:
        env = Clock()
        for _ in range(processes):
            env.process(_ticks(env))
        env.run(until=instants + 1)

    def callback() -> None:
        env = Clock()
        for _ in range(processes):
            _callbacks(env)
        env.run(until=instants + 1)

    units = float(instants * processes)
    return race({"simpy": (bare, units), "clock": (clock, units), "callback": (callback, units)}, effort)
