"""The agents by name, and the parameters of the planners."""

from __future__ import annotations

from dataclasses import dataclass

from netsim.agents.own import policy_rule
from phy.parameters import Checked, between, non_negative, one_of, parameter

PLANNERS = ("random", "equal", "prop", "je_equal", "je_qse", "myopic", "sum_packets")
LEARNERS = ("ddpg", "a3c", "greedy", "greedy_sc")


@dataclass(frozen=True)
class Agent(Checked):
    """Who allocates, and what it believes."""

    name: str = parameter(
        "je_qse", meaning="policy", source="docs/papers/toscn.md", rule=policy_rule(*PLANNERS, *LEARNERS)
    )
    compression: float = parameter(
        0.85,
        meaning="fixed compression ratio of the policies equal and prop",
        source="docs/papers/toscn.md",
        rule=between(0.0, 0.999),
    )
    plan: str = parameter(
        "link",
        meaning="rate law that a planner believes in: link (of the level it runs on), or one of radio.rate",
        source="docs/papers/toscn.md",
        rule=one_of("link", "shannon", "capped", "measured"),
    )
    margin_ns: int = parameter(
        0,
        meaning="a planner plans with the slot shortened by this (known grant delay)",
        unit="ns",
        source="docs/timing.md",
        rule=non_negative,
    )
    weights: str = parameter(
        "",
        meaning="file of a learning agent's weights; empty: those that ship for the packet size",
        source="docs/agents.md",
    )
