"""Green: M co-channel cells, one station, one user and one agent each; the scenario as a value.

Equation numbers P(n) are the paper's, (Mn) and section numbers those of our specification; see
docs/papers/green.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netsim.agents.dqn import DqnParameters
from netsim.agents.drqn import DrqnParameters
from netsim.agents.own import policy_rule
from netsim.agents.policy import DeferredPolicy, Policy
from netsim.clocks import Clocks
from netsim.link import LEVELS
from netsim.scenario import Scenario
from netsim.streams import Streams
from netsim.system import System
from netsim.systems.green_parameters import Decision, Layout, Power, Qoe, TextCodec
from netsim.systems.green_parameters import System as Parameters
from netsim.traffic import Traffic
from phy.ofdm import Ofdm
from phy.parameters import Checked, at_least_one, between, non_negative, one_of, parameter, positive

RULES = ("level1", "fixed", "greedy", "random", "silent")
LEARNERS = ("drqn", "dqn", "dqn_woec")
_TABLES = {"shipped": "english", "english": "english", "grammar": "grammar"}  # text.sentences -> f_s


@dataclass(frozen=True)
class Agent(Checked):
    """Who chooses power and k at every station."""

    name: str = parameter(
        "level1",
        meaning="policy of every station: level1 (lowest power, best k for the measured SINR), fixed, greedy "
        "(full power, random k), random, silent; drqn, dqn, dqn_woec (reward without the energy term) learn",
        source="specification 6",
        rule=policy_rule(*RULES, *LEARNERS),
    )
    plan: str = parameter(
        "world",
        meaning="f_s that level1 believes in: the one in force (world), or published, with its requirements",
        source="docs/fidelity.md",
        rule=one_of("world", "published"),
    )
    learn_slots: int = parameter(
        100_000,
        meaning="slots in which a learner explores and learns; after them it is frozen",
        source="specification 5.5",
        rule=non_negative,
    )
    weights: str = parameter(
        "",
        meaning="folder with the weights run<k>.safetensors that the learners of run k begin with (with "
        "learn_slots=0 they keep them); empty: drawn anew",
        source="specification 10.6",
    )
    dqn: DqnParameters = parameter(factory=DqnParameters, meaning="settings of dqn and dqn_woec")
    drqn: DrqnParameters = parameter(factory=DrqnParameters, meaning="settings of drqn")
    power_level: int = parameter(
        1, meaning="power level of the policies level1 and fixed", source="specification 6", rule=non_negative
    )
    symbols_per_word: int = parameter(5, meaning="k of the policy fixed", source="E17", rule=between(1, 20))


@dataclass(frozen=True)
class Text(Checked):
    """What the stations really send at the levels with bits."""

    sentences: str = parameter(
        "shipped",
        meaning="similarity bank whose sentences and codec are used: shipped, grammar, or a file",
        source="docs/papers/green.md",
    )
    burst_sentences: int = parameter(
        8,
        meaning="sentences simulated per cell and slot; block fading makes the rest alike",
        source="specification 10.2",
        rule=between(1, 1000),
    )
    metric: str = parameter(
        "minilm",
        meaning="similarity: MiniLM sentence embeddings, bleu, or token F1",
        source="specification 10.1",
        rule=one_of("minilm", "bleu", "token_f1"),
    )


@dataclass(frozen=True)
class Green(Scenario):
    """The scenario: co-channel cells that spend symbols and watts on meaning."""

    name: str = parameter("green", meaning="scenario name, folder of its results")
    phy: str = parameter("paper", meaning="level of fidelity", source="README", rule=one_of(*LEVELS))
    slots: int = parameter(2_000, meaning="slots in a run", source="P table 2: 100,000", rule=at_least_one)
    episode_slots: int = parameter(
        100_000,
        meaning="slots between two placements of the users; the paper has one a run",
        source="P 5.1",
        rule=at_least_one,
    )
    slot_ns: int = parameter(20_000_000, meaning="slot length T_s", unit="ns", source="E9", rule=positive)
    traffic: Traffic = parameter(
        factory=lambda: Traffic(law="saturated", initial_queue="full", buffer_packets=1),
        meaning="bursts of sentences that wait for the next slot",
    )
    layout: Layout = parameter(factory=Layout, meaning="geometry and propagation")
    power: Power = parameter(factory=Power, meaning="powers and noise")
    codec: TextCodec = parameter(factory=TextCodec, meaning="semantic codec by formula")
    text: Text = parameter(factory=Text, meaning="semantic codec by bits")
    ofdm: Ofdm = parameter(
        factory=lambda: Ofdm(subcarrier_spacing_hz=15e3, fft_size=128, cp_len=10),
        meaning="OFDM numerology of the bits",
    )
    qoe: Qoe = parameter(factory=Qoe, meaning="what the users want")
    decision: Decision = parameter(factory=Decision, meaning="observation and reward")
    agent: Agent = parameter(factory=Agent, meaning="who decides")
    clocks: Clocks = parameter(factory=Clocks, meaning="clocks of the stations against the controller's")

    def check(self) -> None:
        if self.traffic.law != "saturated" or self.traffic.buffer_packets != 1:
            raise self.traffic.error("law", "must be saturated with buffer_packets=1 (full buffer)")
        if self.agent.power_level >= self.power.num_levels:
            raise self.agent.error("power_level", f"must be < power.num_levels={self.power.num_levels}")
        if self.agent.symbols_per_word > self.codec.num_levels:
            raise self.agent.error("symbols_per_word", f"must be <= codec.num_levels={self.codec.num_levels}")
        if not self.clocks.agree:
            if self.phy != "paper":
                raise self.error(
                    "clocks", "must agree (offset 0, drift 0, one channel step) but at phy=paper"
                )
            if self.decision.timing != "pre":
                raise self.decision.error("timing", "must be pre where clocks do not agree")
            if self.signalling.grant_gap != "hold":
                raise self.signalling.error("grant_gap", "must be hold where clocks do not agree")

    @property
    def policy_name(self) -> str:
        return self.agent.name

    @property
    def station_clocks(self) -> Clocks | None:
        return None if self.clocks.agree else self.clocks

    @property
    def summary_kpis(self) -> tuple[str, ...]:
        return ("accuracy per packet", "objective per slot", "reward per slot", "bit error rate")

    @property
    def parameters(self) -> Parameters:
        """The part that the formulas know; dqn_woec is paid without the energy term, and where real
        sentences are judged f_s is that of their codec.
        """
        decision = replace(self.decision, reward="qoe") if self.agent.name == "dqn_woec" else self.decision
        codec = self.codec
        if codec.accuracy == "auto" and self.phy != "paper":
            table = _TABLES.get(self.text.sentences, codec.accuracy_file)
            codec = replace(codec, accuracy="measured", accuracy_file=table)
        return Parameters(self.layout, self.power, codec, self.qoe, decision)

    def build(self, streams: Streams) -> tuple[System, Sequence[Policy | DeferredPolicy]]:
        from netsim.systems.green_stations import build

        return build(self, streams)
