"""SC-QoS: adaptive resource allocation for a semantic downlink of text; the scenario as a value.

Equation numbers (n) are the paper's, E-nn and section numbers those of our specification; see
docs/papers/scqos.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netsim.agents.own import policy_rule
from netsim.agents.policy import DeferredPolicy, Policy
from netsim.link import LEVELS
from netsim.scenario import Scenario
from netsim.streams import Streams
from netsim.system import System
from netsim.systems.scqos_mdp import Interface
from netsim.systems.scqos_model import LATENCY_MODELS, Utility
from netsim.systems.scqos_radio import Downlink
from netsim.traffic import Traffic
from phy.ofdm import Ofdm
from phy.parameters import (
    Checked,
    at_least_one,
    between,
    non_negative,
    one_of,
    parameter,
    positive,
    probability,
)

POLICIES = ("mapping", "mapping_valid", "oracle_snr", "oracle_aware", "local_probe", "rate_only", "random",
            "equal")  # fmt: skip
LEARNERS = ("hybrid", "sac", "ddpg", "td3", "d3qn")


@dataclass(frozen=True)
class Csi(Checked):
    """What the station knows of the channel, and how fast that becomes old."""

    doppler_hz: float | None = parameter(
        None,
        meaning="maximum Doppler; scattered part correlated by J0(2 pi f_d L) from slot to slot; "
        "none = independent slots",
        unit="Hz",
        source="scqos 3.4, 11.1",
        rule=non_negative,
    )
    estimation_error: float = parameter(
        0.0, meaning="error of the known channel: sqrt(1 - e^2) h + e w", source="scqos 11.1",
        rule=probability,
    )  # fmt: skip
    age_slots: int = parameter(
        0,
        meaning="the channel that the station knows was sounded this many slots ago (sentences are of now)",
        unit="slots",
        source="docs/fidelity.md",
        rule=between(0, 100),
    )


@dataclass(frozen=True)
class Semantics(Checked):
    """The text codec, its quantiser, and what its output is compared by."""

    quantiser: str = parameter(
        "midpoint",
        meaning="SBQ: mid-points (midpoint), edges in the tail (levels), literal (paper)",
        source="scqos 3.2",
        rule=one_of("midpoint", "levels", "paper"),
    )
    energy: str = parameter(
        "bank",
        meaning="symbols radiate what was granted (equal), what words make them (nominal), or as in the bank",
        source="docs/papers/scqos.md",
        rule=one_of("bank", "equal", "nominal"),
    )
    compensator: bool = parameter(
        True, meaning="offset compensator behind the dequantiser", source="SC-QoS (10)"
    )
    bank: str = parameter(
        "shipped",
        meaning="similarity bank: the one that ships, or a file of the same form",
        source="scqos 4.6",
    )
    sentences: str = parameter(
        "test",
        meaning="sentences of the bank: test (agents are judged on these) or training",
        source="scqos 4.6",
        rule=one_of("test", "training"),
    )
    surrogate: str = parameter(
        "mapping",
        meaning="level paper: mean similarity at (n, SNR) (mapping), or a draw from the measured ones (bank)",
        source="SC-QoS Fig. 10, scqos 4.6",
        rule=one_of("mapping", "bank"),
    )
    metric: str = parameter(
        "minilm",
        meaning="similarity: MiniLM sentence embeddings, bleu, or token F1",
        source="scqos 3.7",
        rule=one_of("minilm", "bleu", "token_f1"),
    )


@dataclass(frozen=True)
class Agent(Checked):
    """Who controls bits, subchannels, band and power."""

    name: str = parameter(
        "mapping", meaning="policy", source="scqos 6.3", rule=policy_rule(*POLICIES, *LEARNERS)
    )
    plan: str = parameter(
        "world",
        meaning="latency formula that planners believe in: utility.latency (world), shannon, qam, ofdm",
        source="docs/fidelity.md",
        rule=one_of("world", *LATENCY_MODELS),
    )
    bits: int = parameter(
        1, meaning="bits a feature of the policy equal", source="scqos 6.3", rule=between(1, 3)
    )
    record_accuracy_db: float = parameter(
        3.0,
        meaning="SNR step of the tables of the policies mapping and mapping_valid",
        unit="dB",
        source="SC-QoS Fig. 10",
        rule=positive,
    )
    weights: str = parameter(
        "",
        meaning="file of a learning agent's weights; empty: those that ship for the bank",
        source="docs/agents.md",
    )


@dataclass(frozen=True)
class Scqos(Scenario):
    """The scenario: three users, six antennas, a sentence each per slot."""

    name: str = parameter("scqos", meaning="scenario name, folder of its results")
    phy: str = parameter("bit", meaning="level of fidelity", source="README", rule=one_of(*LEVELS))
    episode_slots: int = parameter(
        100, meaning="slots between two directions of the users", source="scqos 5.4", rule=at_least_one
    )
    slot_ns: int = parameter(
        25_000_000,
        meaning="slot length; holds the longest latency, the cap",
        unit="ns",
        source="scqos 12",
        rule=positive,
    )
    traffic: Traffic = parameter(
        factory=lambda: Traffic(law="saturated", initial_queue="full", buffer_packets=1),
        meaning="sentences that wait",
    )
    service: str = parameter(
        "slot",
        meaning="a user's next sentence goes on the air at the slot's start (slot), or whenever its link is "
        "free (arrival)",
        source="scqos 12",
        rule=one_of("slot", "arrival"),
    )
    downlink: Downlink = parameter(factory=Downlink, meaning="antennas, users, noise")
    csi: Csi = parameter(factory=Csi, meaning="channel knowledge")
    ofdm: Ofdm = parameter(
        factory=lambda: Ofdm(subcarrier_spacing_hz=3750.0, fft_size=64, cp_len=16, pilot_symbols_per_frame=0),
        meaning="OFDM numerology of the bits",
    )
    utility: Utility = parameter(factory=Utility, meaning="what is maximised")
    interface: Interface = parameter(factory=Interface, meaning="what agents see and control")
    semantics: Semantics = parameter(factory=Semantics, meaning="text codec")
    agent: Agent = parameter(factory=Agent, meaning="who controls")

    def check(self) -> None:
        if self.slot_ns < round(self.utility.cap_s * 1e9):
            raise self.error("slot_ns", f"must be >= {self.utility.cap_s * 1e9:.0f}, the latency cap")
        if self.agent.bits > self.utility.max_bits:
            raise self.agent.error("bits", f"must be <= utility.max_bits={self.utility.max_bits}")

    @property
    def policy_name(self) -> str:
        return self.agent.name

    @property
    def total_bandwidth_hz(self) -> float:
        return self.downlink.bandwidth_hz

    @property
    def summary_kpis(self) -> tuple[str, ...]:
        return (
            "delivered per slot",
            "accuracy per packet",
            "objective per slot",
            "reward per slot",
            "bit error rate",
            "delay mean",
        )

    @property
    def net_bits_per_symbol(self) -> float | None:
        return None if self.phy == "paper" else 4.0 * (1.0 - self.ofdm.overhead)

    def build(self, streams: Streams) -> tuple[System, Sequence[Policy | DeferredPolicy]]:
        from netsim.systems.scqos_policies import build

        return build(self, streams)
