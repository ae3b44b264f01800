"""Greedy transmission (a baseline of the TOSCN paper): DDPG that looks at the slot alone and never
compresses.
"""

from __future__ import annotations

from netsim.agents.ddpg import DdpgParameters, preset

DISCOUNT = 0.0
COMPRESS = False  # the view decodes eta = 0 whatever the actor says (E32)


def parameters(name: str) -> DdpgParameters:
    """DDPG's preset `name` with discount 0 (specification toscn 5)."""
    return preset(name, DISCOUNT)
