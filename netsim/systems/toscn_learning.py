"""Which learning agents TOSCN has, with which settings, and the files of their trained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netsim.agents import files
from netsim.agents.catalogue import LEARNERS
from netsim.agents.learner import Trained
from netsim.agents.tally import Tally
from netsim.systems.toscn import Model, Toscn
from netsim.systems.toscn_agent_view import Decoding, ToscnView
from phy.parameters import Checked, ParameterError

if TYPE_CHECKING:
    from netsim.agents.learner import View

PRESETS = ("tuned", "paper")  # the first is the default (specification toscn 4.3)
ITERATIONS = 600  # of a training, unless told otherwise
SEGMENTS_KEPT = 5  # segments between checkpoints
SHIPPED = Path(__file__).resolve().parent.parent / "agents" / "weights"


def settings(agent: str, preset: str) -> tuple[Checked, Decoding]:
    """Parameters of the algorithm and how its vectors are decoded (specification toscn 4.3, 4.4, 5).

    Raises:
        ParameterError: no such agent or preset.
    """
    if agent not in LEARNERS:
        raise ParameterError(f"--agent {agent}: must be one of {', '.join(LEARNERS)}")
    if preset not in PRESETS:
        raise ParameterError(f"--preset {preset}: must be one of {', '.join(PRESETS)}")
    feasible = Decoding("feasible", 3.0) if preset == "tuned" else Decoding()
    match agent:
        case "a3c":
            from netsim.agents import a3c

            return a3c.PRESETS[preset], Decoding()
        case "greedy":
            from netsim.agents import greedy

            return greedy.parameters(preset), Decoding(feasible.eta_map, feasible.kappa, greedy.COMPRESS)
        case "greedy_sc":
            from netsim.agents import greedy_sc

            return greedy_sc.parameters(preset), feasible
        case _:
            from netsim.agents import ddpg

            return ddpg.preset(preset), feasible


def data(scenario: Toscn) -> dict[str, Any]:
    """What decides a training and is not in the plan: nothing."""
    return {}


def learning_world(scenario: Toscn, parameters: Checked) -> Toscn:
    """Where an agent learns: the scenario as it is."""
    return scenario


def judging_world(scenario: Toscn, parameters: Checked) -> Toscn:
    """Where it is judged: the same; other worlds by another seed."""
    return scenario


def judged_episodes(scenario: Toscn, most: int) -> int:
    """Episodes of an evaluation: bits cost more."""
    return most if scenario.phy == "paper" else most // 4


def quantities(scenario: Toscn) -> tuple[str, ...]:
    """What learning curves show beyond the common figures: nothing."""
    return ()


def tally(scenario: Toscn) -> Tally:
    """A recorder of what learning curves show."""
    return Tally(scenario.episode_slots)


def policy(looks: View, layers: dict[str, np.ndarray]) -> Trained:
    """The policy of given layers, without exploration."""
    return Trained(looks, layers)


def learner(agent: str, parameters: Checked, looks: View, horizon: int, seed: int) -> Any:
    """The algorithm of a training of `horizon` transitions, with fresh weights."""
    if agent == "a3c":
        from netsim.agents.a3c import A3c, A3cParameters

        assert isinstance(parameters, A3cParameters)
        return A3c(looks.state_size, looks.action_size, parameters, seed)
    from netsim.agents.ddpg import DdpgParameters, ddpg

    assert isinstance(parameters, DdpgParameters)
    return ddpg(looks.state_size, looks.action_size, parameters, horizon, seed)


def view(scenario: Toscn, decoding: Decoding) -> ToscnView:
    """The scenario as the agent sees it."""
    return ToscnView(Model(scenario), decoding)


def trained(scenario: Toscn) -> Trained:
    """The policy of the weights that the scenario names: a file, or empty for the shipped ones of its agent.

    Raises:
        ParameterError: no shipped weights for this packet size, a broken file, weights of another system.
    """
    agent = scenario.agent
    path = Path(agent.weights) if agent.weights else shipped(scenario)
    layers, about = files.load(path)
    return from_file(scenario, path, layers, about)


def from_file(scenario: Toscn, path: Path, layers: dict[str, np.ndarray], about: dict[str, Any]) -> Trained:
    """The policy of loaded weights, after a look at what they were trained for."""
    if about["system"] != scenario.name:
        raise ParameterError(f"{path}: trained for {about['system']}: must be weights of {scenario.name}")
    if about["agent"] != scenario.agent.name and scenario.agent.name in LEARNERS:
        raise ParameterError(f"{path}: weights of {about['agent']}: must be of {scenario.agent.name}")
    looks: View = view(scenario, Decoding(**about["decoding"]))
    try:
        return Trained(looks, layers)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None


def shipped(scenario: Toscn, seed: int = 0) -> Path:
    """File of the weights that come with the program, by agent and packet size."""
    bits = scenario.semantics.packet_bits
    path = SHIPPED / f"toscn-{scenario.agent.name}-{bits}-seed{seed}.safetensors"
    if not path.is_file():
        raise ParameterError(
            f"agent {scenario.agent.name}: no shipped weights for packets of {bits} bit: "
            "must be given with --set agent.weights=FILE (python -m netsim train writes them)"
        )
    return path
