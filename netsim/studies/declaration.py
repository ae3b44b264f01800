"""What a system declares about itself so that it can be studied: its figure, its policies, its mechanisms.

The declaration of the scenario class in `netsim/systems/<name>.py` is the value `study` in
`netsim/systems/<name>_study.py`: parameters by path, nothing else, so that studies know no system.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netsim.scenario import Scenario
from phy.parameters import ParameterError

Overrides = Mapping[str, Any]


@dataclass(frozen=True)
class Mechanism:
    """One thing that reality has and the formula leaves out.

    `real` sets it; `needs` names mechanisms without which it has no effect (the variant is then the same as
    without it, and is not run).
    """

    name: str
    meaning: str
    real: Overrides
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErrorPlaces:
    """Are bit errors just a rate? The same number of errors in every packet at real and at other places.

    `patterns`: name -> parameters, real errors first. `conditions`: name -> parameters, from few errors to
    many. `policy`: one whose decisions do not depend on errors. `kpi`: what the errors harm, `harmed`: that
    figure in the system's words.
    """

    patterns: Mapping[str, Overrides]
    conditions: Mapping[str, Overrides]
    policy: Overrides
    kpi: str
    harmed: str


@dataclass(frozen=True)
class Study:
    """Declaration of one system.

    Attributes:
        kpi: the figure by which policies are compared and verdicts are given; larger is better.
        policies: name -> parameters; the first is the one whose gap is attributed. They stand above those of
            `planned`: a policy to which it makes no difference where it planned fixes them, and is run once.
        planned: level -> parameters with which every policy plans, or was trained, at that level; levels that
            are not named plan as the scenario says.
        judged: level -> parameters that belong to being judged at that level, besides its name: what the
            level takes for granted and the scenario leaves open.
        formula: parameters of the formulas' world, in which mechanisms are switched on.
        mechanisms: in the order in which a page lists them.
        absent: mechanisms that one might look for and that this system does not have -> why.
        margin: relative margin of equivalence that the system's makers find fair.
        errors: the same errors at other places; None where the system has no such parameter.
    """

    kpi: str
    policies: Mapping[str, Overrides]
    planned: Mapping[str, Overrides] = field(default_factory=dict)
    judged: Mapping[str, Overrides] = field(default_factory=dict)
    formula: Overrides = field(default_factory=lambda: {"phy": "paper"})
    mechanisms: tuple[Mechanism, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    margin: float = 0.02
    errors: ErrorPlaces | None = None

    def policy(self, name: str) -> Overrides:
        """Parameters of a policy: a declared one, or the name of an agent."""
        return self.policies.get(name, {"agent.name": name})

    def chosen(self, names: Sequence[str]) -> tuple[Mechanism, ...]:
        """The mechanisms of these names, all for none.

        Raises:
            ParameterError: unknown name, or one whose need is not among them.
        """
        known = {mechanism.name: mechanism for mechanism in self.mechanisms}
        for name in names:
            if name not in known:
                raise ParameterError(f"mechanism '{name}': no such one (known: {', '.join(known) or 'none'})")
            lacking = [need for need in known[name].needs if need not in names]
            if lacking:
                raise ParameterError(f"mechanism '{name}': has no effect without '{lacking[0]}'")
        return tuple(known[name] for name in names) if names else self.mechanisms


def study_of(scenario: Scenario) -> Study:
    """The declaration of the scenario's system; without one, its own policy and the reward.

    Raises:
        ParameterError: the module is there but declares no study.
    """
    name = f"{type(scenario).__module__}_study"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return Study(kpi="reward per slot", policies={scenario.policy_name: {}})
    study = getattr(module, "study", None)
    if not isinstance(study, Study):
        raise ParameterError(f"{name}: must define study = Study(...)")
    return study
