"""Formula against bits (new figure F-A): rate, accuracy, packets, and what the ranking of policies is worth.

Three rate laws of level `paper` (Shannon, capped, measured goodput) stand beside the bit-level link, with the
same knowledge base (`bkb=measured`), worlds and arrivals. Rates and accuracies are compared by SNR, policies
by running them in every world: what a policy planned with a law is worth in that law's world, and on bits.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from netsim import params, simulate, stats
from netsim.link import Radio, rate_law
from netsim.link_rates import ShannonRate
from netsim.streams import Streams
from netsim.systems import toscn_goodput as goodput
from netsim.systems.toscn import TASKS, Model, Toscn
from netsim.systems.toscn_goodput import Calibration, calibrate
from netsim.systems.toscn_jpeg import Carrier
from netsim.systems.toscn_knowledge import AccuracyTable, shipped
from netsim.world import World

LAWS = ("shannon", "capped", "measured")
BANDWIDTHS_HZ = (2e6, 3e6)  # of the runs; the rates by SNR need none and are given at 8 MHz too
POLICIES = ("random", "equal .5", "equal .85", "prop .85", "je_equal", "je_qse", "myopic", "sum_packets")
PLANNERS = ("je_equal", "je_qse", "myopic", "sum_packets")  # the others plan nothing
SEED = 123
BIN_EDGES_DB = (-10.0, 0.0, 5.0, 10.0, 14.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0)
LOW_POWER_W = 2e-4  # 30 dB less: the regime in which accuracy depends on the SNR
FRAME_BYTES, CODED_SNRS_DB = 312, tuple(float(snr) for snr in range(0, 21))


@dataclass(frozen=True)
class Run:
    """A policy in a world: `world` is a rate law of level paper, or "bit"; `plan` the law it plans with."""

    bandwidth_hz: float
    world: str
    policy: str
    plan: str
    power_w: float = 0.2


@dataclass(frozen=True)
class Result:
    """What a run was worth: objective of each episode (mean per slot), packets per slot, scored packets."""

    run: Run
    values: np.ndarray
    packets: float
    task: np.ndarray
    compression: np.ndarray
    snr_db: np.ndarray
    score: np.ndarray


def scenario_of(run: Run, episodes: int) -> Toscn:
    """200,704-bit packets, our knowledge base."""
    name, _, eta = run.policy.partition(" ")
    on_bits = run.world == "bit"
    values = {
        "phy": "bit" if on_bits else "paper",
        "semantics.bkb": "measured",
        "radio.bandwidth_hz": run.bandwidth_hz,
        "radio.power_w": run.power_w,
        "radio.power_step_w": min(1e-6, run.power_w * 1e-5),
        "radio.rate": "shannon" if on_bits else run.world,
        "agent.name": name,
        "agent.plan": run.plan if on_bits else "link",
        "agent.compression": float(eta or 0.85),
        "slots": 10 * episodes,
        "seed": SEED,
    }
    scenario = params.override(Toscn(), values)
    assert isinstance(scenario, Toscn)
    return scenario


def _measure(job: tuple[Run, int]) -> Result:
    run, episodes = job
    scenario = scenario_of(run, episodes)
    trace = simulate.run_in_memory(scenario).trace()
    values = trace["slots"]["objective"].reshape(episodes, -1).mean(axis=1)
    packets = trace["packets"]
    rows = packets["fate"] == 1
    slot = packets["sent_ns"][rows] // scenario.slot_ns
    snr_db = trace["receptions"]["sinr_db"].reshape(scenario.slots, -1)[slot, packets["ue"][rows]]
    task, compression, score = (packets[name][rows] for name in ("task", "compression", "score"))
    return Result(run, values, float(rows.sum() / scenario.slots), task, compression, snr_db, score)


def wanted_runs(bandwidths_hz: Sequence[float]) -> list[Run]:
    """Every policy in every world; on the bits, planners with every law and with the link's own rate."""
    runs = []
    for bandwidth in bandwidths_hz:
        for policy in POLICIES:
            runs += [Run(bandwidth, law, policy, law) for law in LAWS]
            plans = ("link", *LAWS) if policy in PLANNERS else ("link",)
            runs += [Run(bandwidth, "bit", policy, plan) for plan in plans]
    return [*runs, Run(3e6, "bit", "equal .85", "link", LOW_POWER_W)]


def measure(
    bandwidths_hz: Sequence[float], episodes: int, jobs: int, advance: Callable[[int, int], None]
) -> dict[Run, Result]:
    """All runs; `advance(done, total)`."""
    runs, found = wanted_runs(bandwidths_hz), {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for result in pool.map(_measure, [(run, episodes) for run in runs]):
            found[result.run] = result
            advance(len(found), len(runs))
    return found


def on_bits(found: dict[Run, Result], bandwidth_hz: float, policy: str, plan: str) -> Result:
    """The run on the bits of a policy that plans with `plan`, if it plans at all."""
    return found[Run(bandwidth_hz, "bit", policy, plan if policy in PLANNERS else "link")]


def regret(found: dict[Run, Result], bandwidth_hz: float, policy: str, plan: str) -> stats.Interval:
    """Share of the best PHY-aware policy's value that is lost on the bits (paired by episode, 95 %)."""
    aware = [on_bits(found, bandwidth_hz, name, "link").values for name in POLICIES]
    best = max(aware, key=lambda values: float(values.mean()))
    lost = stats.paired_interval(best, on_bits(found, bandwidth_hz, policy, plan).values)
    scale = float(best.mean())
    return stats.Interval(lost.mean / scale, lost.low / scale, lost.high / scale, lost.n)


def kendall_tau(found: dict[Run, Result], bandwidth_hz: float, law: str) -> float:
    """Agreement of the order of the policies: in the law's world, and on the bits when planned with it."""
    from scipy.stats import kendalltau

    formula = [found[Run(bandwidth_hz, law, name, law)].values.mean() for name in POLICIES]
    bits = [on_bits(found, bandwidth_hz, name, law).values.mean() for name in POLICIES]
    return float(kendalltau(formula, bits).statistic)


@dataclass(frozen=True)
class SnrBin:
    """Rates at the SNRs of a bin: share of devices and slots in it (equal shares), bit/s/Hz."""

    low_db: float
    high_db: float
    share: float
    shannon: float
    measured: float
    capped: float

    @property
    def rate_gap(self) -> float:
        """g_R = goodput / Shannon."""
        return self.measured / self.shannon


def rate_bins(bandwidth_hz: float, power_w: float = 0.2, placements: int = 20_000) -> list[SnrBin]:
    """Mean rates by SNR over random placements at equal power density."""
    scenario = Toscn()
    world = World(scenario.cell, scenario.fading, scenario.slot_ns, Streams(SEED))
    gains = []
    for placement in range(placements):
        world.new_drop(placement)
        world.fade()
        gains.append(world.gain)
    snr = power_w * np.array(gains).ravel() / (scenario.radio.n0 * bandwidth_hz)
    snr_db = 10.0 * np.log10(snr)
    laws = (ShannonRate(), rate_law(Radio(rate="measured")), rate_law(Radio(rate="capped")))
    bins = []
    for low, high in itertools.pairwise(BIN_EDGES_DB):
        inside = (snr_db >= low) & (snr_db < high)
        if inside.sum() >= 20:
            means = (float(law.efficiency(snr[inside]).mean()) for law in laws)
            bins.append(SnrBin(low, high, float(inside.mean()), *means))
    return bins


@dataclass(frozen=True)
class AccuracyBin:
    """Packets on the bits whose SNR lies in a bin: share of right decisions, and what formulas expected."""

    low_db: float
    high_db: float
    packets: int
    right: stats.Interval
    paper: float  # mean of the paper's curves (Table III)
    fitted: float  # mean of our curves
    table: float  # mean of our table A(eta, SNR)


def accuracy_bins(result: Result) -> list[AccuracyBin]:
    """Accuracy on the bits against the formulas, by SNR."""
    base = shipped()
    table = AccuracyTable([base.tables[base.of(task, "task_avg", "compressed")] for task in TASKS])
    ours = Model(scenario_of(result.run, 1))
    paper = Model(params.override(Toscn(), {"phy": "paper"}))  # type: ignore[arg-type]
    bins = []
    for low, high in itertools.pairwise(BIN_EDGES_DB):
        rows = (result.snr_db >= low) & (result.snr_db < high)
        if rows.sum() < 20:
            continue
        task, eta, count = result.task[rows], result.compression[rows], int(rows.sum())
        right = stats.wilson_interval(int(result.score[rows].sum()), count)
        by_paper, by_fit = (float(model.accuracy(task, eta).mean()) for model in (paper, ours))
        by_table = float(table.accuracy(task, eta, result.snr_db[rows]).mean())
        bins.append(AccuracyBin(low, high, count, right, by_paper, by_fit, by_table))
    return bins


def coded_bits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Goodput per symbol of 16-QAM with the K = 7 code of rate 1/2: frames of 2,496 bits, whole or lost."""
    carrier, streams = Carrier(4, "convolutional"), Streams(SEED)
    frames = streams.sequential("rate-gap/frames").integers(0, 256, (count, FRAME_BYTES)).astype(np.uint8)
    whole = [
        (carrier.send(frames, snr, streams.kernel_key(f"rate-gap/{snr}")) == frames).all(axis=1).mean()
        for snr in CODED_SNRS_DB
    ]
    per_symbol = 8 * FRAME_BYTES / carrier.num_symbols(FRAME_BYTES)
    return np.array(CODED_SNRS_DB), per_symbol * np.array(whole)


def calibrations(count: int) -> dict[str, tuple[np.ndarray, np.ndarray, Calibration]]:
    """Measured goodput (dB, bit per symbol) and fit: uncoded features, and coded frames for comparison."""
    measured = {"features, uncoded 16-QAM": goodput.measured_bits(), "16-QAM rate 1/2": coded_bits(count)}
    return {name: (snr_db, bits, calibrate(snr_db, bits)) for name, (snr_db, bits) in measured.items()}


def write_csv(found: dict[Run, Result], path: Path) -> None:
    """One row a run, 95 % intervals over episodes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = ("bandwidth_hz", "power_w", "world", "policy", "planned_with")
        writer.writerow((*head, "value", "low", "high", "packets", "accuracy", "episodes"))
        for run, result in found.items():
            i = stats.mean_interval(result.values)
            numbers = (
                i.mean,
                i.low,
                i.high,
                result.packets,
                result.score.mean() if result.score.size else 0.0,
            )
            named = (f"{run.bandwidth_hz:g}", f"{run.power_w:g}", run.world, run.policy, run.plan)
            writer.writerow((*named, *(f"{v:.4f}" for v in numbers), i.n))


def write_bins_csv(bins: dict[float, list[SnrBin]], path: Path) -> None:
    """Rates by SNR, one row a bandwidth and bin."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        rates = ("shannon", "measured", "capped", "rate_gap")
        writer.writerow(("bandwidth_hz", "low_db", "high_db", "share", *rates))
        for bandwidth, rows in bins.items():
            for b in rows:
                numbers = (b.share, b.shannon, b.measured, b.capped, b.rate_gap)
                writer.writerow((f"{bandwidth:g}", b.low_db, b.high_db, *(f"{v:.5f}" for v in numbers)))
