"""What late grants cost (new figure F-B): reward against the delay between decision and grant, level `paper`.

A grant that arrives after the slot's start leaves less of the slot (`signalling.grant_gap=idle`). A planner
that does not know this fills the slot to the brim and loses one packet per device; one that plans with the
slot shortened by the delay (`agent.margin_ns`) does not. A delay of one whole slot leaves nothing of the slot
it was meant for: there, the action of the slot before is held (`hold`).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from netsim import params, simulate, stats
from netsim.systems.toscn import Toscn

POLICIES = ("myopic", "je_qse", "equal")  # equal: eta 0.85 whatever happens, so there is nothing to know
SLOT_MS = 200.0
DELAYS_MS = (0.0, 2.0, 20.0, 50.0, SLOT_MS)
EPISODE_SLOTS = 50
SEED = 123


@dataclass(frozen=True)
class Cell:
    """One policy at one delay."""

    policy: str
    aware: bool
    delay_ms: float
    reward: stats.Interval  # per slot, over episodes
    lost: stats.Interval  # reward lost against no delay, paired by episode
    packets: float
    accuracy: float


def scenario_of(policy: str, delay_ms: float, aware: bool, episodes: int) -> Toscn:
    """The paper's regime (1.6 Mbit, 3 MHz) with a grant delay; one whole slot: the old action is held."""
    delay_ns = round(delay_ms * 1e6)
    scenario = params.override(
        Toscn(),
        {
            "phy": "paper",
            "semantics.packet_bits": 1_600_000,
            "agent.name": policy,
            "agent.margin_ns": delay_ns if aware else 0,
            "signalling.action_delay_ns": delay_ns,
            "signalling.grant_gap": "hold" if delay_ms in (0.0, SLOT_MS) else "idle",
            "episode_slots": EPISODE_SLOTS,
            "slots": EPISODE_SLOTS * episodes,
            "seed": SEED,
        },
    )
    assert isinstance(scenario, Toscn)
    return scenario


def _measure(job: tuple[str, float, bool, int]) -> tuple[np.ndarray, float, float]:
    """Reward of each episode (mean per slot), packets per slot, accuracy per packet."""
    scenario = scenario_of(*job)
    trace = simulate.run_in_memory(scenario).trace()
    reward = trace["slots"]["reward"].reshape(job[-1], -1).mean(axis=1)
    packets, delivered = trace["packets"], trace["packets"]["fate"] == 1
    return reward, float(delivered.sum() / scenario.slots), float(packets["score"][delivered].mean())


def table(episodes: int, jobs: int, advance: Callable[[int, int], None]) -> list[Cell]:
    """All cells; planners that know the delay at delays within a slot. `advance(done, total)`."""
    wanted = [(policy, delay, False, episodes) for policy in POLICIES for delay in DELAYS_MS]
    wanted += [
        (policy, delay, True, episodes)
        for policy in POLICIES if policy != "equal" for delay in DELAYS_MS if 0.0 < delay < SLOT_MS
    ]  # fmt: skip
    cells: list[Cell] = []
    prompt: dict[str, np.ndarray] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for (policy, delay, aware, _), (reward, packets, accuracy) in zip(wanted, pool.map(_measure, wanted)):
            prompt.setdefault(policy, reward)  # the first of each policy has no delay
            lost = stats.paired_interval(prompt[policy], reward)
            cells.append(Cell(policy, aware, delay, stats.mean_interval(reward), lost, packets, accuracy))
            advance(len(cells), len(wanted))
    return cells


def write_csv(cells: list[Cell], path: Path) -> None:
    """One row a cell, 95 % intervals over episodes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        intervals = ("reward", "low", "high", "lost", "lost_low", "lost_high")
        writer.writerow(("policy", "planner", "delay_ms", *intervals, "packets", "accuracy", "episodes"))
        for c in cells:
            values = (c.reward.mean, c.reward.low, c.reward.high, c.lost.mean, c.lost.low, c.lost.high)
            numbers = [f"{v:.4f}" for v in (*values, c.packets, c.accuracy)]
            knows = "aware" if c.aware else "unaware"
            writer.writerow((c.policy, knows, f"{c.delay_ms:g}", *numbers, c.reward.n))


def draw(cells: list[Cell], path: Path) -> None:
    """Reward over delay; solid: unaware, dashed: aware."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    whole, panel = plt.subplots(figsize=(8.5, 4.8), layout="constrained")
    places = {delay: i for i, delay in enumerate(DELAYS_MS)}
    for policy, colour in zip(POLICIES, ("tab:blue", "tab:orange", "tab:green")):
        for aware in (False, True):
            mine = [c for c in cells if c.policy == policy and c.aware == aware]
            if not mine:
                continue
            at = np.array([places[c.delay_ms] for c in mine]) + (0.06 if aware else -0.06)
            mean = np.array([c.reward.mean for c in mine])
            spread = [mean - [c.reward.low for c in mine], np.array([c.reward.high for c in mine]) - mean]
            name = "equal shares, eta 0.85" if policy == "equal" else policy
            label = f"{name}, plans with the slot that is left" if aware else name
            kind = "s--" if aware else "o-"
            panel.errorbar(at, mean, spread, None, kind, color=colour, capsize=3, linewidth=1.4, label=label)
    names = [f"{delay:g} ms" for delay in DELAYS_MS]
    names[-1] = "one slot\n(old action held)"
    panel.set_xticks(list(places.values()), names)
    panel.set(xlabel="delay of the grant", ylabel="reward per slot (95 % interval over episodes)")
    panel.set_title("TOSCN at level paper, 3 MHz: what late grants cost", fontsize=11)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=9)
    whole.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(whole)
