"""Scenarios that tests share."""

from __future__ import annotations

from typing import Any

from netsim import params
from netsim.systems.toscn import Toscn


def toscn(**assignments: Any) -> Toscn:
    """The default TOSCN scenario with values replaced, by path."""
    scenario = params.override(Toscn(), assignments)
    assert isinstance(scenario, Toscn)
    return scenario
