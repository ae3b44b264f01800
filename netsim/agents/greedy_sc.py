"""Greedy transmission with semantic compression (a baseline of the TOSCN paper): DDPG that looks at the slot
alone.
"""

from __future__ import annotations

from netsim.agents.ddpg import DdpgParameters, preset

DISCOUNT = 0.0
COMPRESS = True


def parameters(name: str) -> DdpgParameters:
    """DDPG's preset `name` with discount 0 (specification toscn 5)."""
    return preset(name, DISCOUNT)
