"""Where a gap comes from: mechanisms are switched from formula to reality one by one, in all orders.

The game is played world by world, so every part has an interval, and the parts of a world add up to the gap
of that world. With few mechanisms all subsets are run (exact); with many, some random orders a world
(sampled).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from netsim.scenario import Scenario
from netsim.stats import Interval, mean_interval
from netsim.streams import Streams
from netsim.studies import campaign, shapley, values
from netsim.studies.campaign import Outcome, Variant, Wanted
from netsim.studies.declaration import Mechanism, Overrides, Study
from netsim.studies.shapley import Subset
from phy.parameters import ParameterError


@dataclass(frozen=True)
class Game:
    """Mechanisms of one policy over some worlds.

    Attributes:
        policy: parameters of the policy, and of what it plans with.
        orders: random orders a world; 0 plays all subsets.
    """

    scenario: Scenario
    study: Study
    policy: Overrides
    title: str
    mechanisms: tuple[Mechanism, ...]
    orders: int = 0

    @property
    def exact(self) -> bool:
        return self.orders == 0

    def effective(self, subset: Subset) -> Subset:
        """The subset without mechanisms that lack what they need; such a mechanism has no effect."""
        kept = set(subset)
        names = [mechanism.name for mechanism in self.mechanisms]
        while True:
            idle = [i for i in kept if any(names.index(n) not in kept for n in self.mechanisms[i].needs)]
            if not idle:
                return frozenset(kept)
            kept -= set(idle)

    def variant(self, subset: Subset) -> Variant:
        """The scenario with the mechanisms of a subset real and all others as in the formula."""
        kept = self.effective(subset)
        if kept not in self._made:
            self._made[kept] = self._make(kept)
        return self._made[kept]

    @functools.cached_property
    def _made(self) -> dict[Subset, Variant]:
        """Variants made so far: checking a scenario takes a millisecond, and games ask often."""
        return {}

    def _make(self, kept: Subset) -> Variant:
        chosen = [self.mechanisms[i] for i in sorted(kept)]
        assignments = {**self.study.formula, **self.policy}
        for mechanism in chosen:
            assignments |= mechanism.real
        labels = (
            ("attribution", self.title),
            ("real", " + ".join(mechanism.name for mechanism in chosen) or "nothing"),
        )
        return Variant(labels, campaign.override(self.scenario, labels, assignments))

    def sample(self, run: int) -> list[tuple[int, ...]]:
        """The orders that are played in a world."""
        rng = Streams(0, run).sequential("studies/orders")
        return shapley.orders(len(self.mechanisms), self.orders, rng)

    def wanted(self, runs: Sequence[int]) -> list[Wanted]:
        """All variants and runs that the game needs."""
        count = len(self.mechanisms)
        found: dict[Wanted, None] = {}
        for run in runs:
            if self.exact:
                subsets = shapley.subsets(count)
            else:
                subsets = [subset for order in self.sample(run) for subset in shapley.chain(order)]
            for subset in subsets:
                found[self.variant(subset), run] = None
        return list(found)


@dataclass(frozen=True)
class Part:
    """What one mechanism takes from, or adds to, the figure."""

    mechanism: Mechanism
    effect: Interval


@dataclass(frozen=True)
class Attribution:
    """A waterfall: from `formula` through the parts to `real`; formula + sum of parts = real."""

    title: str
    kpi: str
    formula: float
    real: float
    parts: tuple[Part, ...]
    total: Interval
    worlds: int
    variants: int
    exact: bool

    @property
    def residual(self) -> float:
        """real - formula - sum of parts: 0 up to rounding."""
        return self.real - self.formula - sum(part.effect.mean for part in self.parts)


def play(game: Game, outcome: Outcome, runs: Sequence[int]) -> Attribution:
    """The Shapley values of the game over the worlds in which every variant has a result.

    Raises:
        ParameterError: fewer than two such worlds.
    """
    count = len(game.mechanisms)
    cache: dict[tuple[Subset, int], float] = {}

    def figure(subset: Subset, run: int) -> float:
        key = game.effective(subset), run
        if key not in cache:
            variant = game.variant(subset)
            path = outcome.files[variant, run]
            cache[key] = values.figure_of_file(path, variant.scenario, game.study.kpi).value
        return cache[key]

    complete = dict.fromkeys(runs, True)
    wanted = game.wanted(runs)
    for variant, run in wanted:
        complete[run] &= (variant, run) in outcome.files
    worlds = [run for run in runs if complete[run]]
    if len(worlds) < 2:
        raise ParameterError(f"{game.title}: {len(worlds)} worlds are complete: must be 2 or more")
    parts: list[Sequence[float]] = []
    for run in worlds:
        if game.exact:
            table = {subset: figure(subset, run) for subset in shapley.subsets(count)}
            parts.append(shapley.exact(count, table))
        else:
            parts.append(shapley.sampled(count, game.sample(run), partial(figure, run=run)).tolist())
    nothing, everything = frozenset[int](), frozenset(range(count))
    formula = np.array([figure(nothing, run) for run in worlds])
    real = np.array([figure(everything, run) for run in worlds])
    effects = np.array(parts, float)  # [worlds, mechanisms]
    return Attribution(
        title=game.title,
        kpi=game.study.kpi,
        formula=float(formula.mean()),
        real=float(real.mean()),
        parts=tuple(Part(m, mean_interval(effects[:, i])) for i, m in enumerate(game.mechanisms)),
        total=mean_interval(real - formula),
        worlds=len(worlds),
        variants=len({variant.digest for variant, _ in wanted}),
        exact=game.exact,
    )
