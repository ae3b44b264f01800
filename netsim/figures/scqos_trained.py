"""Trained agents of SC-QoS that figures share: one training per agent, setting, bank and seed, and what its
decisions are worth on the slots that the planners are judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netsim import params, stats, training
from netsim.agents import files
from netsim.figures import trainings
from netsim.figures.scqos_planners import REFERENCE, SWEEPS, Earned, Score, Setting, Slots
from netsim.systems import scqos_learning
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_mdp import Previous, nothing
from netsim.systems.scqos_model import latency_s, reward, valid_sqe
from netsim.systems.scqos_oracles import Plan
from netsim.systems.scqos_radio import assigned_channel, snr_of_beams
from netsim.systems.scqos_trained import TrainedScqos
from phy.parameters import ParameterError
from phy.units import linear_to_db

CACHE = trainings.CACHE
PROPOSED = "hybrid"
AGENTS = ("hybrid", "td3", "ddpg", "d3qn")
SLOTS_PER_ITERATION = 3200  # 100 of each of 32 lanes
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Budget:
    """How long agents learn for a figure, in iterations, and how often: at the default setting, elsewhere."""

    iterations: int = scqos_learning.ITERATIONS
    elsewhere: int = scqos_learning.ITERATIONS // 2
    seeds: tuple[int, ...] = (0, 1, 2)
    seeds_elsewhere: tuple[int, ...] = (0,)

    def at(self, setting: Setting) -> tuple[int, tuple[int, ...]]:
        """Iterations and seeds of the trainings at a setting."""
        default = setting == Setting()
        return (self.iterations, self.seeds) if default else (self.elsewhere, self.seeds_elsewhere)


QUICK = Budget(training.SEGMENT, training.SEGMENT, (0,), (0,))


def budget(slots: int | None, quick: bool) -> Budget:
    """What the command line asks for; `slots` of a training at the default setting, half of it elsewhere.

    Raises:
        ParameterError: slots that make no whole segments of a training.
    """
    least = 2 * training.SEGMENT * SLOTS_PER_ITERATION
    if slots is None:
        return QUICK if quick else Budget()
    if quick or slots < least or slots % least:
        raise ParameterError(f"--slots {slots}: must be a multiple of {least}, without --quick")
    return Budget(slots // SLOTS_PER_ITERATION, slots // SLOTS_PER_ITERATION // 2)


@dataclass(frozen=True)
class Learner:
    """One kind of trained agent. `guided`: it learned from the mean similarity at (bits, SNR), not from what
    became of sentences.
    """

    agent: str = PROPOSED
    guided: bool = False

    @property
    def name(self) -> str:
        """How figures call it."""
        return f"{self.agent}, mapping-guided" if self.guided else self.agent

    def plan(self, setting: Setting, bank: str, seed: int, iterations: int) -> training.Plan:
        """Its training."""
        changes = {"world": "scenario"} if self.guided else {}
        scenario = scenario_of(setting, bank)
        if self.guided:
            scenario = _changed(scenario, {"phy": "paper", "semantics.surrogate": "mapping"})
        return training.plan(scenario, self.agent, training.AGENT_PRESETS[0], iterations, seed, changes)


def scenario_of(setting: Setting, bank: str) -> Scqos:
    """The scenario at a setting of the figures."""
    return _changed(
        Scqos(),
        {
            "semantics.bank": bank,
            "utility.min_similarity": setting.min_similarity,
            "downlink.power_dbm": setting.power_dbm,
            "downlink.bandwidth_hz": setting.bandwidth_hz,
        },
    )


def _changed(scenario: Scqos, values: dict[str, Any]) -> Scqos:
    changed = params.override(scenario, values)
    assert isinstance(changed, Scqos)
    return changed


def trained_at(name: str) -> list[Setting]:
    """Settings of a figure at which agents are trained: those that differ from the default in one value."""
    chosen = {*SWEEPS["scqos-6"], *SWEEPS["scqos-8"], *SWEEPS["scqos-9"]}
    return [setting for setting in SWEEPS[name] if setting in chosen]


def wanted(
    learners: Iterable[Learner], settings: Iterable[Setting], bank: str, budget: Budget
) -> list[training.Plan]:
    """The trainings behind a figure; of the mapping-guided ones a seed."""
    plans = []
    for setting in settings:
        iterations, seeds = budget.at(setting)
        for learner in learners:
            mine = seeds[:1] if learner.guided else seeds
            plans += [learner.plan(setting, bank, seed, iterations) for seed in mine]
    return plans


def ensure(plans: Sequence[training.Plan], jobs: int, advance: Advance) -> list[training.Result]:
    """The trained agents, in the order of the plans; trains those that are missing."""
    return trainings.ensure(plans, CACHE, jobs, advance)


def policy_of(plan: training.Plan) -> TrainedScqos:
    """The policy of a training that is done."""
    assert isinstance(plan.scenario, Scqos)
    path = training.weights_file(plan, CACHE)
    return scqos_learning.from_file(plan.scenario, path, *files.load(path))


def decisions(slots: Slots, policy: TrainedScqos) -> Plan:
    """What a trained agent decides in the slots, one after the other (its state holds what became of the
    last one: drawn from the bank).
    """
    space, layout = slots.space, policy.view.layout
    num, users = slots.num_slots, slots.space.num_ues
    uniform = slots.streams.sequential("figure/scqos/outcomes").random((num, 2, users))
    features = slots.bank.embedding[slots.item]
    previous = nothing(space, (1,))
    found = []
    for t in range(num):
        h = slots.h[t : t + 1]
        state = layout.vector(previous, features[t : t + 1], h, slots.full_snr[t : t + 1])
        bits, subchannel, band, power, beams = policy.view.decode(policy.vectors(state), h)
        found.append((bits[0], subchannel[0], band[0], power[0]))
        previous = _outcome(slots, t, uniform[t], (bits, subchannel, band, power, beams))
    bits, subchannel, band, power = (np.array(part) for part in zip(*found))
    return Plan(bits, subchannel, band, power, np.full(num, np.nan))


def _outcome(slots: Slots, t: int, uniform: np.ndarray, decision: tuple[np.ndarray, ...]) -> Previous:
    bits, subchannel, band, power, beams = decision
    downlink, utility = slots.downlink, slots.utility
    h = assigned_channel(slots.h[t : t + 1], subchannel)
    snr = snr_of_beams(downlink, h, np.sqrt(downlink.power_w * power)[..., None] * beams)
    latency, dropped = latency_s(utility, slots.planner.ofdm, bits, downlink.bandwidth_hz * band, snr)
    drawn = slots.bank.draw(slots.item[t : t + 1], bits, linear_to_db(snr), uniform[:, None])
    similarity = np.where(dropped, 0.0, drawn)
    return Previous(
        bits=bits,
        subchannel=subchannel,
        band_share=band,
        power_share=power,
        beams=np.sqrt(power)[..., None] * beams,
        valid_sqe=valid_sqe(utility, similarity, bits),
        latency=latency / utility.max_latency_s,
        reward=reward(utility, similarity, bits, latency),
    )


@dataclass(frozen=True)
class Judged:
    """A learner on the slots of a setting: Psi float64[seed, t] and bits int64[seed, t, u]."""

    psi: np.ndarray
    bits: np.ndarray


def judged(slots: Slots, plans: Sequence[training.Plan]) -> Judged:
    """The seeds of one learner on the same slots."""
    made = [decisions(slots, policy_of(plan)) for plan in plans]
    return Judged(np.stack([slots.psi(plan) for plan in made]), np.stack([plan.bits for plan in made]))


def score(setting: Setting, name: str, found: Judged, reference: np.ndarray) -> Score:
    """A learner's line: means over seeds and slots; intervals over seeds (Student's t), over slots where
    there is one seed.
    """
    if len(found.psi) > 1:
        i = stats.mean_interval(found.psi.mean(axis=1))
        loss = stats.mean_interval((reference - found.psi).mean(axis=1))
    else:
        i, loss = stats.mean_interval(found.psi[0]), stats.paired_interval(reference, found.psi[0])
    one, two, three = (float(np.mean(found.bits == n)) for n in (1, 2, 3))
    return Score(
        setting.min_similarity, setting.power_dbm, setting.bandwidth_hz, name, i.mean, i.low, i.high,
        loss.mean, loss.low, loss.high, one, two, three, found.psi.shape[1], len(found.psi),
    )  # fmt: skip


@dataclass(frozen=True)
class Gain:
    """What a learner earns more than somebody else on the same slots, as a share of what that one earns."""

    min_similarity: float
    power_dbm: float
    bandwidth_hz: float
    policy: str
    over: str
    gain: float
    low: float
    high: float
    slots: int
    seeds: int


def gain(setting: Setting, name: str, over: str, mine: np.ndarray, theirs: np.ndarray) -> Gain:
    """Psi float64[seed, t] of a learner against that of another one, seed by seed, or of a planner
    (float64[1, t]), who earns something. Intervals as those of `score`; over slots by linearisation (Cochran,
    Sampling Techniques, 3rd ed., 2.11).
    """
    seeds = len(mine) if len(theirs) == 1 else min(len(mine), len(theirs))
    mine, theirs = mine[:seeds], theirs[:seeds]
    if seeds > 1:
        i = stats.mean_interval(mine.mean(axis=1) / theirs.mean(axis=1) - 1.0)
    else:
        ratio = mine[0].mean() / theirs[0].mean()
        apart = stats.mean_interval((mine[0] - ratio * theirs[0]) / theirs[0].mean())  # of a mean of 0
        i = stats.Interval(ratio - 1.0, ratio - 1.0 + apart.low, ratio - 1.0 + apart.high, apart.n)
    at = setting.min_similarity, setting.power_dbm, setting.bandwidth_hz
    return Gain(*at, name, over, i.mean, i.low, i.high, mine.shape[1], seeds)


class Lines:
    """The learners' lines of a sweep, as `scqos_planners.sweep` asks for them.

    Args:
        trained_at: settings at which each kind of agent is trained.

    Attributes:
        gains: of every learner over the planners and the learners before it in `trained_at`, where they earn
            something beyond doubt.
    """

    def __init__(self, trained_at: Mapping[Learner, Sequence[Setting]], bank: str, budget: Budget) -> None:
        self._trained_at, self._bank, self._budget = trained_at, bank, budget
        self.gains: list[Gain] = []

    def plans(self) -> list[training.Plan]:
        """All trainings that the lines need."""
        return [
            plan
            for learner, settings in self._trained_at.items()
            for plan in wanted([learner], settings, self._bank, self._budget)
        ]

    def __call__(self, setting: Setting, slots: Slots, earned: Earned) -> list[Score]:
        """Scores at a setting; none where nobody was trained."""
        found = []
        others = {name: psi[None] for name, psi in earned.items()}
        for learner, settings in self._trained_at.items():
            if setting not in settings:
                continue
            mine = judged(slots, wanted([learner], [setting], self._bank, self._budget))
            found.append(score(setting, learner.name, mine, earned[REFERENCE]))
            some = {o: psi for o, psi in others.items() if stats.mean_interval(psi.mean(axis=0)).low > 0.0}
            self.gains += [gain(setting, learner.name, over, mine.psi, psi) for over, psi in some.items()]
            others[learner.name] = mine.psi
        return found
