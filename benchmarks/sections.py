"""What `benchmarks/phy.py` measures besides whole chains, and the order of all its tables."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import peers_numpy, peers_ours, sections_chains, trace
from benchmarks.reference import BLOCK_BITS, BLOCK_SYMBOLS, Work
from benchmarks.report import Report
from benchmarks.slots import event_costs, slot_loops
from benchmarks.startup import cold_and_cached, fresh_process
from benchmarks.timing import Effort, median, race
from phy.link import transmit_bit
from phy.plan import LinkPlan

Section = Callable[[Report, set[str], Effort, bool], None]  # report, installed peers, effort, quick


def stages(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """Each stage where it can be called alone, in us per block."""
    work = Work()
    chunk = Work(num_blocks=peers_numpy.CHUNK)
    tables = {
        "ours": (peers_ours.stages(work), 64),
        "NumPy c128": (peers_numpy.stages(chunk, True), chunk.num_blocks),
        "NumPy c64": (peers_numpy.stages(chunk, False), chunk.num_blocks),
    }
    if "torch" in peers:
        from benchmarks import peers_torch

        tables["torch"] = (peers_torch.stages(work), 64)
    if "commpy" in peers:
        from benchmarks import peers_commpy

        tables["commpy"] = (peers_commpy.stages(Work(num_blocks=1)), 1)
    if "sionna" in peers:
        from benchmarks import peers_sionna

        tables["Sionna"] = (peers_sionna.stages(work), 64)
    names = list(dict.fromkeys(name for table, _ in tables.values() for name in table))
    report.say("\nStages alone, us per block\n" + f"{'stage':16s}" + "".join(f"{t:>12s}" for t in tables))
    for name in names:
        here = {t: (table[name], float(b)) for t, (table, b) in tables.items() if name in table}
        seconds = race(here, effort)
        row = ""
        for t in tables:
            value = median(seconds[t]) * 1e6 if t in here else float("nan")
            row += f"{value:12.3g}" if t in here else f"{'-':>12s}"
            if t in here:
                report.figures[f"stage {name}, {t} us"] = value
        report.say(f"{name:16s}{row}")


def bounds(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """The link alone against the draws it cannot avoid; one block a call; two threads."""
    work, single, many, most = Work(), Work(num_blocks=1), Work(num_blocks=512), Work(num_blocks=4096)
    rng = np.random.default_rng(1)
    bulk, one, threaded, large = (peers_ours.OurChain(w).fresh() for w in (work, single, many, most))
    plan, plan_one = LinkPlan(bulk), LinkPlan(one)
    alone, together = ([LinkPlan(b, threads) for b in (threaded, large)] for threads in (1, 2))
    whole = peers_ours.hard("bit", work)
    block = 1.0 / BLOCK_BITS
    seconds = race(
        {
            "bound": (peers_ours.gaussian_bound(work), 64.0),
            "link": (plan.transmit, 64.0),
            "link, new arrays": (lambda: transmit_bit(bulk), 64.0),
            "bit": (whole.run, 64.0),
            "link B1": (plan_one.transmit, 1.0),
            "link B1, new arrays": (lambda: transmit_bit(one), 1.0),
            "numpy noise": (lambda: rng.standard_normal(2 * BLOCK_SYMBOLS * 64), 64.0),
            "one thread": (alone[0].transmit, 512.0),
            "two threads": (together[0].transmit, 512.0),
            "one thread, 4096 blocks": (alone[1].transmit, 4096.0),
            "two threads, 4096 blocks": (together[1].transmit, 4096.0),
        },
        effort,
    )
    report.say("\nThe link alone (payload and channel given), and what bounds it")
    for name, values in seconds.items():
        report.figures[f"{name} us"] = median(values) * 1e6
        report.rates[f"alone {name}"] = 1e-6 / (median(values) * block)
        report.say(
            f"{name:28s}{median(values) * 1e6:10.3g} us/block{report.rates[f'alone {name}']:10.4g} Mbit/s"
        )
    report.pairs(
        seconds,
        [
            ("link/bound", "bound", "link"),
            ("bit/bound", "bound", "bit"),
            ("link B1/link", "link B1", "link"),
            ("bit/numpy noise", "bit", "numpy noise"),
            ("two threads/one", "one thread", "two threads"),
            ("two threads/one, 4096", "one thread, 4096 blocks", "two threads, 4096 blocks"),
        ],
    )
    serial, parallel = transmit_bit(threaded), transmit_bit(threaded, threads=2)
    same = bool(np.array_equal(serial.payload, parallel.payload))
    report.figures["two threads identical"] = float(same)
    report.say(f"    two threads give {'the same bits' if same else 'OTHER BITS: WRONG'}")


def all_cores(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """All cores: CPU time and wall time of the threaded contenders."""
    cores = os.cpu_count() or 1
    work = Work(num_blocks=512)
    chains = {
        "bit 1": peers_ours.hard("ours, bit, 1 thread", work),
        "bit all": peers_ours.hard(f"ours, bit, {cores} threads", work, threads=cores),
    }
    if "torch" in peers:
        from benchmarks import peers_torch

        chains["torch 1"] = peers_torch.hard("torch, 1 thread", Work())
        chains["torch all"] = peers_torch.hard(f"torch, {cores} threads", Work(), threads=cores)
    pairs = [("all cores bit/bit", "bit all", "bit 1"), ("all cores torch/torch", "torch all", "torch 1")]
    pairs.append(("all cores bit/torch", "bit all", "torch all"))
    report.chains("All cores (per CPU second of all threads together)", "all cores ", chains, pairs, effort)


def loops(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """Slot loop and events."""
    seconds = slot_loops(effort, 400 if quick else 4000)
    report.say("\nSlot loop on SimPy, 4 users, a slot of 3584 bits and one call of the link each")
    for name, values in seconds.items():
        report.say(f"{name:48s}{1 / median(values):12,.0f} slots/s{median(values) * 1e6:9.3g} us")
    whole = "timeout, bit, queue, record"
    report.pairs(
        seconds,
        [
            ("slot loop/no phy", whole, "timeout, queue, record"),
            ("slot loop/numpy", "timeout, bit", "timeout, numpy"),
            ("slot loop whole/numpy", whole, "timeout, numpy, queue, record"),
        ],
    )
    report.figures["slots per s"] = 1.0 / median(seconds[whole])
    events = event_costs(effort, 100 if quick else 1000)
    report.say("\nEvents, 100 processes")
    for name, values in events.items():
        report.say(f"{name:28s}{median(values) * 1e6:8.3g} us")
    report.pairs(events, [("event/simpy", "simpy", "clock"), ("callback/simpy", "simpy", "callback")])


def start(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """Compile and start-up times in fresh processes."""
    if quick:
        warm, lines = [fresh_process()], ["(cold start left out by --quick)"]
    else:
        cold, warm, hit = cold_and_cached(3)
        lines = ["cold    " + _seconds(cold), f"the second process {'hits' if hit else 'MISSES'} the cache"]
        report.figures["cold s"] = cold["bit"]
        report.figures["cold kernels s"] = sum(v for k, v in cold.items() if k not in ("import", "process"))
        report.figures.update({f"cold, {name} s": value for name, value in cold.items()})
        report.figures["cache hit"] = float(hit)
    cached = {k: statistics.median(w[k] for w in warm) for k in warm[0]}
    report.figures["cached s"] = cached["bit"]
    report.figures["cached process s"] = cached["process"]
    report.say("\nFirst calls in a fresh process, CPU s")
    report.say("\n".join(["cached  " + _seconds(cached), *lines]))


def _seconds(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def recording(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """Rows of the trace."""
    rows, rounds = (30_000, 2) if quick else (100_000, 5)
    with tempfile.TemporaryDirectory() as name:
        times = trace.measure("slots", rows, rounds, Path(name))
    report.say("\nRecording, slots table")
    for peer, values in times.items():
        report.say(f"{peer:28s}{median(values) * 1e6:10.3g} us/row")
    report.figures["record us"] = median(times["rows, file"]) * 1e6
    report.pairs(times, [("record/h5py", "rows, file", "h5py row by row")])


# the figures of the goals first: --quick may have to leave out the last
ALL: tuple[Section, ...] = (
    sections_chains.hard_flat,
    sections_chains.soft_flat,
    sections_chains.coded,
    bounds,
    sections_chains.hard_taps,
    sections_chains.one_block,
    sections_chains.injection,
    loops,
    recording,
    start,
    stages,
    sections_chains.one_antenna,
    all_cores,
)
