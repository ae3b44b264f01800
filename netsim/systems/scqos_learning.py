"""Which learning agents SC-QoS has, with which settings and in which world they learn; their shipped weights.

hybrid   SAC for band and power beside discrete SAC for bits and subchannels: the paper's proposal
sac      SAC alone on relaxed actions (the counterpart of the library's)
ddpg     DDPG on relaxed actions          td3     TD3 on relaxed actions
d3qn     D3QN on 2592 templates

Sources: SC-QoS Table III, specification scqos 5, 6.2, 6.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from netsim import params
from netsim.agents import files
from netsim.systems.scqos import LEARNERS, Scqos
from netsim.systems.scqos_agent_view import Decoding, ScqosView
from netsim.systems.scqos_bank_file import learning_bank, load_bank
from netsim.systems.scqos_lanes import Lanes, refusal
from netsim.systems.scqos_mdp import StateLayout
from netsim.systems.scqos_policies import scenario_bank
from netsim.systems.scqos_system import action_space
from netsim.systems.scqos_tally import Judge, LaneRun, Tally
from netsim.systems.scqos_tally import quantities as quantities
from netsim.systems.scqos_trained import TrainedScqos
from phy.parameters import Checked, ParameterError, at_least_one, non_negative, one_of, parameter

PRESETS = ("tuned", "paper")  # the first is the default
ITERATIONS = 80  # of a training, unless told otherwise: 100 slots of every lane each; flat from 40 on
SEGMENTS_KEPT = 1  # segments between checkpoints
JUDGE_SEED, JUDGE_LANES, JUDGE_EPISODES = 321, 32, 2  # 6,400 slots after every segment of a training
SHIPPED = Path(__file__).resolve().parent.parent / "agents" / "weights"
KIND = {"hybrid": "hybrid", "d3qn": "templated", "ddpg": "relaxed", "td3": "relaxed", "sac": "relaxed"}
PAPER_RATE = {"hybrid": 1e-4, "sac": 1e-4, "ddpg": 2e-4, "td3": 3e-4, "d3qn": 3e-4}  # SC-QoS Table III


@dataclass(frozen=True)
class Pace(Checked):
    """How a training proceeds, whatever the algorithm."""

    lanes: int = parameter(
        32,
        meaning="runs side by side, without the event loop (scqos_lanes); 0: one run in the event loop",
        source="our choice (scqos 6.2: 8)",
        rule=non_negative,
    )
    update_every: int = parameter(
        32, meaning="transitions between two updates", source="our choice (scqos 6.2: 8)", rule=at_least_one
    )
    layers: int = parameter(
        3, meaning="hidden layers of every network", source="SC-QoS Table III", rule=at_least_one
    )


@dataclass(frozen=True)
class Settings(Checked):
    """All that decides a training besides scenario, length and seed."""

    algorithm: Checked = parameter(meaning="settings of the algorithm")
    world: str = parameter(
        "bank",
        meaning="agents learn from draws of the bank (what the bits do at every SNR, measured once), or from "
        "the scenario as it is (scenario)",
        source="scqos 4.6",
        rule=one_of("bank", "scenario"),
    )
    pace: Pace = parameter(factory=Pace, meaning="how the training proceeds")


def settings(agent: str, preset: str) -> tuple[Settings, Decoding]:
    """Settings of a training and how the agent's vectors are decoded.

    Preset `tuned` makes large batches and large steps, which cost a third of the specification's fast profile
    (3 x 128, batch 64, rate 3e-4, an update every 8 transitions) and end higher. Preset `paper` has the
    printed networks, rates, discount and target entropies (its reward is the scenario's `paper_reward`).

    Raises:
        ParameterError: no such agent or preset.
    """
    if agent not in LEARNERS:
        raise ParameterError(f"--agent {agent}: must be one of {', '.join(LEARNERS)}")
    if preset not in PRESETS:
        raise ParameterError(f"--preset {preset}: must be one of {', '.join(PRESETS)}")
    values: dict[str, Any] = {"batch": 256, "units": 64, "actor_rate": 2e-3, "critic_rate": 2e-3}
    if agent == "hybrid":
        values |= {"heads": "user"}
    if agent in ("ddpg", "td3"):  # at 2e-3 their tanh saturates: DDPG ended at a reward of -1.9
        values |= {"actor_rate": 3e-4, "critic_rate": 1e-3}
    if agent == "ddpg":
        values |= {"actor_gradient": "inverting"}
    if preset == "paper":
        rate = PAPER_RATE[agent]
        values = {"discount": 0.99, "units": 512, "batch": 128, "actor_rate": rate, "critic_rate": rate}
        if agent in ("hybrid", "sac"):
            values |= {"entropy": -1.0}
        if agent == "hybrid":
            values |= {"discrete_entropy": -1.0, "joint": False, "heads": "joint"}
    pace = Pace() if preset == "tuned" else Pace(lanes=8, update_every=8)
    return Settings(params.override(_algorithm(agent), values), pace=pace), Decoding(KIND[agent])


def _algorithm(agent: str) -> Checked:
    """Settings of the algorithm as its module has them."""
    if agent == "hybrid":
        from netsim.agents.hybrid import HybridParameters

        return HybridParameters()
    if agent == "sac":
        from netsim.agents.sac import SacParameters

        return SacParameters()
    if agent == "td3":
        from netsim.agents.td3 import Td3Parameters

        return Td3Parameters()
    if agent == "d3qn":
        from netsim.agents.d3qn import D3qnParameters

        return D3qnParameters()
    from netsim.agents.ddpg import DdpgParameters

    return DdpgParameters(
        discount=0.0, target_rate=5e-3, units=128, replay=20_000, random_overwrite=False, learn_from=1000,
        actor_rate=2e-4, critic_rate=2e-4, noise_first=0.2, noise_last=0.2,
    )  # fmt: skip


def view(scenario: Scqos, decoding: Decoding) -> ScqosView:
    """The scenario as the agent sees it."""
    space = action_space(scenario)
    layout = StateLayout(space, scenario.utility.num_features, scenario.interface.observe_gain)
    return ScqosView(space, layout, scenario.downlink.power_w, decoding)


def learner(agent: str, settings: Settings, looks: ScqosView, horizon: int, seed: int) -> Any:
    """The algorithm of a training of `horizon` transitions, with fresh weights."""
    from netsim.agents.off_policy import OffPolicy

    algorithm: Any = settings.algorithm
    hidden, state, action = (algorithm.units,) * settings.pace.layers, looks.state_size, looks.action_size
    rule: Any
    if agent == "hybrid":
        from netsim.agents.hybrid import Hybrid

        rule = Hybrid(state, action - 1, looks.told, looks.parts, algorithm, hidden, seed)
    elif agent == "sac":
        from netsim.agents.sac import Sac

        rule = Sac(state, action, algorithm, hidden, seed)
    elif agent == "td3":
        from netsim.agents.td3 import Td3

        rule = Td3(state, action, algorithm, hidden, seed)
    elif agent == "d3qn":
        from netsim.agents.d3qn import D3qn

        rule = D3qn(state, looks.space.num_templated, algorithm, hidden, seed)
    else:
        from netsim.agents.ddpg import DdpgRule

        rule = DdpgRule(state, action, algorithm, hidden, seed)
    return OffPolicy(rule, algorithm, settings.pace.update_every, state, action, horizon)


def learning_world(scenario: Scqos, settings: Settings) -> Scqos:
    """Where the agent learns: on the training sentences, from the bank unless told otherwise."""
    values: dict[str, Any] = {"semantics.sentences": "training"}
    return _changed(scenario, values | _world(settings))


def judging_world(scenario: Scqos, settings: Settings) -> Scqos:
    """Where it is judged: the same on the sentences that nobody learned from."""
    return _changed(scenario, {"semantics.sentences": "test"} | _world(settings))


def _world(settings: Settings) -> dict[str, Any]:
    return {"phy": "paper", "semantics.surrogate": "bank"} if settings.world == "bank" else {}


def _changed(scenario: Scqos, values: dict[str, Any]) -> Scqos:
    changed = params.override(scenario, values)
    assert isinstance(changed, Scqos)
    return changed


def judged_episodes(scenario: Scqos, most: int) -> int:
    """Episodes of an evaluation; they are ten times as long as those that `most` counts (2000 slots:
    specification scqos 5.4).
    """
    return max(1, most // 10)


def tally(scenario: Scqos) -> Tally:
    """A recorder of what learning curves show."""
    return Tally(scenario)


def data(scenario: Scqos) -> dict[str, Any]:
    """What decides a training and is only named by the scenario: the bank, by its digest, and that of
    learning where it is another.
    """
    name = scenario.semantics.bank
    found = {"bank": bank_digest(name)}
    if learning_bank(name) != name:
        found["learning_bank"] = bank_digest(learning_bank(name))
    return found


def lane_run(scenario: Scqos, looks: ScqosView, algorithm: Any, runs: Sequence[int]) -> LaneRun:
    """A segment of a training on runs side by side.

    Raises:
        ParameterError: delays, queues or bits need the event loop.
    """
    reason = refusal(scenario)
    if reason is not None:
        raise ParameterError(f"{reason} with lanes; --param pace.lanes=0 trains in the event loop")
    return LaneRun(Lanes(scenario, looks, scenario_bank(scenario), runs, scenario.slots), algorithm)


def judge(scenario: Scqos, settings: Settings, looks: ScqosView) -> Judge:
    """What a policy is worth while it is being trained, on the sentences that it does not learn from."""
    world = _changed(judging_world(scenario, settings), {"seed": JUDGE_SEED})
    slots = JUDGE_EPISODES * world.episode_slots
    return Judge(Lanes(world, looks, scenario_bank(world), range(JUDGE_LANES), slots))


@cache
def bank_digest(name: str) -> str:
    """16 hexadecimal digits of what a bank holds."""
    bank = load_bank(name)
    text = hashlib.sha256("\n".join(bank.sentences).encode())
    for part in (bank.embedding, bank.similarity, bank.clean):
        text.update(np.ascontiguousarray(part).tobytes())
    return text.hexdigest()[:16]


def trained(scenario: Scqos) -> TrainedScqos:
    """The policy of the weights that the scenario names: a file, or empty for those that ship for its bank.

    Raises:
        ParameterError: no shipped weights, a broken file, weights of another system or agent.
    """
    agent = scenario.agent
    path = Path(agent.weights) if agent.weights else shipped(scenario)
    layers, about = files.load(path)
    if not agent.weights and about.get("bank") != bank_digest(scenario.semantics.bank):
        raise ParameterError(
            f"{path.name}: trained on another bank {scenario.semantics.bank}: must be trained anew "
            f"(python -m netsim train, --export {path.name})"
        )
    return from_file(scenario, path, layers, about)


def from_file(
    scenario: Scqos, path: Path, layers: dict[str, np.ndarray], about: dict[str, Any]
) -> TrainedScqos:
    """The policy of loaded weights, after a look at what they were trained for."""
    if about["system"] != scenario.name:
        raise ParameterError(f"{path}: trained for {about['system']}: must be weights of {scenario.name}")
    if about["agent"] != scenario.agent.name and scenario.agent.name in LEARNERS:
        raise ParameterError(f"{path}: weights of {about['agent']}: must be of {scenario.agent.name}")
    try:
        return policy(view(scenario, Decoding(**about["decoding"])), layers)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None


def policy(looks: ScqosView, layers: dict[str, np.ndarray]) -> TrainedScqos:
    """The policy of given layers, without exploration."""
    return TrainedScqos(looks, layers)


def shipped(scenario: Scqos, seed: int = 0) -> Path:
    """File of the weights that come with the program, by agent and bank."""
    bank = scenario.semantics.bank
    name = "english" if bank == "shipped" else bank
    path = SHIPPED / f"scqos-{scenario.agent.name}-{name}-seed{seed}.safetensors"
    if "/" in name or not path.is_file():
        raise ParameterError(
            f"agent {scenario.agent.name}: no shipped weights for bank {name}: must be given with "
            "--set agent.weights=FILE (python -m netsim train writes them)"
        )
    return path
