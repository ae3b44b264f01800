"""Policies that users bring along: `--agent file.py:NAME` or `--agent module:NAME`, for every scenario.

NAME is called once for each node as NAME(scenario, streams, node) and gives a `Policy` (or a
`DeferredPolicy`): a class whose constructor takes the three will do. Its code runs with the rights of this
process, so it is loaded where a run is asked for by name, never for a trace that somebody else may have made.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from netsim.agents.policy import DeferredPolicy, Policy
from netsim.scenario import Scenario
from netsim.streams import Streams
from netsim.system import Node
from phy.audit_call import load
from phy.parameters import ParameterError, Rule


def policy_rule(*names: str) -> Rule:
    """The value is one of the names, or names a policy of the user's own."""
    shipped = ", ".join(names)
    return Rule(
        lambda value: value in names or is_own(value),
        f"must be one of {shipped}, or your own as file.py:NAME or module:NAME",
    )


def is_own(name: str) -> bool:
    """Whether a policy's name is that of a user's file or module."""
    where, _, attribute = name.rpartition(":")
    return bool(where and attribute)


def make(scenario: Scenario, streams: Streams, nodes: Sequence[Node]) -> list[Policy | DeferredPolicy]:
    """The user's policy for every node.

    Raises:
        ParameterError: it cannot be imported or made, or is no policy.
    """
    name = scenario.policy_name
    factory = load(name)
    made: list[Policy | DeferredPolicy] = []
    for node in nodes:
        try:
            policy = factory(scenario, streams, node)
        except ParameterError:
            raise
        except Exception as error:
            raise ParameterError(
                f"{name}(scenario, streams, node): {type(error).__name__}: {error}: must make a policy"
            ) from error
        if not callable(getattr(policy, "act", None)) and not isinstance(policy, DeferredPolicy):
            raise ParameterError(f"{name}: made {type(policy).__name__}: must have a method act(observation)")
        made.append(policy)
    return made


def fingerprint(name: str) -> str:
    """8 hexadecimal digits over the file that holds the policy, so that results of an edited one are others.

    What that file imports is not in it.

    Raises:
        ParameterError: there is no such file or module.
    """
    where = name.rpartition(":")[0]
    path = Path(where)
    if not where.endswith(".py"):
        try:
            spec = importlib.util.find_spec(where)
        except (ImportError, ValueError):
            spec = None
        path = Path(spec.origin) if spec is not None and spec.origin is not None else path
    try:
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:8]
    except OSError:
        raise ParameterError(f"agent.name = {name!r}: {where} must be a Python file or module") from None
