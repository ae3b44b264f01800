"""SC-QoS: the policies that learn nothing, on the observation of a slot, and the parts of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from netsim.agents.own import is_own
from netsim.agents.policy import DeferredPolicy, Policy
from netsim.streams import Streams
from netsim.systems.scqos import LEARNERS, Scqos
from netsim.systems.scqos_bank import Bank, moments, record
from netsim.systems.scqos_beliefs import (
    aware_belief,
    mapping_belief,
    mapping_valid_belief,
    probe_belief,
    snr_belief,
)
from netsim.systems.scqos_mdp import ActionSpace
from netsim.systems.scqos_meaning import ChainMeaning, TabledMeaning
from netsim.systems.scqos_model import Utility
from netsim.systems.scqos_oracles import Plan, Planner, equal_plan, random_plan
from netsim.systems.scqos_radio import assigned_channel
from netsim.systems.scqos_system import Action, Meaning, Observation, ScqosSystem, action_space
from phy.beamforming import mrt
from phy.units import linear_to_db

Belief = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (item[t, u], snr_db[t, u, c, s]) to W


def action_of(plan: Plan, h: np.ndarray) -> Action:
    """The first slot of a plan, with beams matched to the channel h[u, c, m] that the agent saw."""
    subchannel = plan.subchannel[0]
    beams = mrt(assigned_channel(h, subchannel))
    return Action(plan.bits[0], subchannel, plan.band_share[0], plan.power_share[0], beams)


def belief_of(scenario: Scqos, bank: Bank) -> Belief:
    """What the planner named in the scenario believes a sentence is worth."""
    utility, name = scenario.utility, scenario.agent.name
    mean = moments(bank, utility.min_similarity, by_sentence=False)
    if name == "oracle_snr":
        return lambda item, snr_db: snr_belief(mean, snr_db)
    if name == "oracle_aware":
        own = moments(bank, utility.min_similarity, by_sentence=True)
        return lambda item, snr_db: aware_belief(own, item, snr_db)
    if name == "local_probe":
        return lambda item, snr_db: probe_belief(bank.clean, mean, utility, item, snr_db)
    step_db = scenario.agent.record_accuracy_db
    if name == "mapping_valid":
        valid = record(mean.valid, mean.grid_db, step_db)
        return lambda item, snr_db: mapping_valid_belief(valid, snr_db)
    records = record(mean.mean, mean.grid_db, step_db)
    return lambda item, snr_db: mapping_belief(records, utility, snr_db)


class PlannerPolicy:
    """Searches the best decision of the slot under a belief (specification scqos 4.7)."""

    def __init__(self, planner: Planner, belief: Belief) -> None:
        self._planner, self._belief = planner, belief

    def act(self, observation: Observation) -> Action:
        full_snr = observation.full_snr[None]
        item = np.maximum(observation.item, 0)[None]
        worth = self._belief(item, linear_to_db(self._planner.snr(full_snr)))
        return action_of(self._planner.best(full_snr, worth), observation.h)


class RandomPolicy:
    """`random`: everything by chance but the direction of the beams; indexed by slot."""

    def __init__(self, space: ActionSpace, streams: Streams) -> None:
        self._space, self._streams = space, streams

    def act(self, observation: Observation) -> Action:
        rng = self._streams.at("exploration/random", observation.slot)
        return action_of(random_plan(self._space, 1, rng), observation.h)


class EqualPolicy:
    """`equal(n)`: equal shares, subchannel u for user u, n bits a feature."""

    def __init__(self, space: ActionSpace, bits: int) -> None:
        self._plan = equal_plan(space, 1, bits)

    def act(self, observation: Observation) -> Action:
        return action_of(self._plan, observation.h)


class RateOnlyPolicy:
    """`rate_only`: bits by chance, the resources for the sum of 1 / R whatever the bits."""

    def __init__(self, planner: Planner, streams: Streams) -> None:
        self._planner, self._streams = planner, streams

    def act(self, observation: Observation) -> Action:
        space = self._planner.space
        rng = self._streams.at("exploration/rate_only", observation.slot)
        bits = rng.integers(1, space.max_bits + 1, (1, space.num_ues))
        return action_of(self._planner.best_rates(observation.full_snr[None], bits), observation.h)


def believed_utility(scenario: Scqos) -> Utility:
    """The utility as a planner sees it: with the latency formula that `agent.plan` names."""
    plan = scenario.agent.plan
    return scenario.utility if plan == "world" else replace(scenario.utility, latency=plan)


def make_policy(scenario: Scqos, bank: Bank, streams: Streams) -> Policy:
    """The policy named by `agent.name`."""
    space = action_space(scenario)
    match scenario.agent.name:
        case "random":
            return RandomPolicy(space, streams)
        case "equal":
            return EqualPolicy(space, scenario.agent.bits)
        case name if name in LEARNERS:
            from netsim.systems.scqos_learning import trained

            return trained(scenario)
        case name:
            planner = Planner(scenario.downlink, believed_utility(scenario), scenario.ofdm, space)
            if name == "rate_only":
                return RateOnlyPolicy(planner, streams)
            return PlannerPolicy(planner, belief_of(scenario, bank))


def make_meaning(scenario: Scqos, bank: Bank, streams: Streams) -> Meaning:
    """Tables at level `paper`, the whole chain at the others."""
    if scenario.phy == "paper":
        return TabledMeaning(scenario, bank, streams)
    from netsim.semantics.text_codec import load_text_codec

    return ChainMeaning(scenario, bank, load_text_codec(bank.about["codec"]), streams)


def scenario_bank(scenario: Scqos) -> Bank:
    """The bank that the scenario names, limited to the sentences that agents are judged on, or learn on."""
    from netsim.systems.scqos_bank_file import learning_bank, load_bank

    training, name = scenario.semantics.sentences == "training", scenario.semantics.bank
    bank = load_bank(learning_bank(name) if training else name)
    return bank.select(bank.in_training == training)


def build(scenario: Scqos, streams: Streams) -> tuple[ScqosSystem, list[Policy | DeferredPolicy]]:
    """The system and its one policy (none if it is the user's own: `netsim.simulate.prepare` makes it)."""
    bank = scenario_bank(scenario)
    system = ScqosSystem(scenario, make_meaning(scenario, bank, streams), streams)
    return system, [] if is_own(scenario.agent.name) else [make_policy(scenario, bank, streams)]
