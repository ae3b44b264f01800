"""TOSCN: task-oriented semantic communication of images (DDPG paper), what is its own: task, observation,
action, reward.

Equation numbers (n) are the paper's, (Mn) and En those of our specification; see docs/papers/toscn.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from netsim.agents.catalogue import LEARNERS, Agent
from netsim.agents.own import is_own
from netsim.agents.policy import Policy
from netsim.link import Grants, Link, Radio
from netsim.link_partial import Partial
from netsim.scenario import Scenario
from netsim.streams import Streams
from netsim.system import System
from netsim.world import Cell, Fading
from phy.ofdm import Ofdm
from phy.parameters import Checked, Rule, at_least_one, between, one_of, parameter, positive

TASKS = ("mnist", "fashion-mnist", "cifar10")
MAP_CELLS = 49  # a feature map is 7 x 7 (Table II)


@dataclass(frozen=True)
class Curve(Checked):
    """Accuracy of a task against compression, A = a1 eta^a2 + a3 (21)."""

    a1: float = parameter(meaning="alpha_1 of (21)", source="TOSCN Table III")
    a2: float = parameter(meaning="alpha_2 of (21)", source="TOSCN Table III", rule=positive)
    a3: float = parameter(meaning="alpha_3 of (21): accuracy without compression", source="TOSCN Table III")

    def accuracy(self, compression: np.ndarray | float) -> np.ndarray:
        """(21) at compression ratio(s) in [0, 1)."""
        return self.a1 * np.power(compression, self.a2) + self.a3


_CURVES = (Curve(-0.633, 15.408, 0.925), Curve(-0.639, 19.136, 0.901), Curve(-0.737, 12.474, 0.917))


@dataclass(frozen=True)
class Semantics(Checked):
    """The image codec as the allocation sees it: sizes, accuracy curves, which maps go first."""

    num_maps: int = parameter(
        512, meaning="feature maps of an image (F)", unit="maps", source="TOSCN Table II", rule=at_least_one
    )
    feature_bits: int = parameter(
        8, meaning="bits per feature", unit="bit", source="docs/codec.md", rule=one_of(8)
    )
    packet_bits: int = parameter(
        200_704,
        meaning="uncompressed packet b: 200,704 = 512 x 49 x 8; 1,600,000 is the paper's regime (E1)",
        unit="bit",
        source="TOSCN Table I: 0.2 M",
        rule=at_least_one,
    )
    min_accuracy: float = parameter(
        0.6,
        meaning="accuracy floor A_min of every device",
        source="TOSCN Table I: 0.6-0.8, toscn E10",
        rule=between(0.0, 1.0),
    )
    bkb: str = parameter(
        "paper",
        meaning="background knowledge base: paper (`curves`), measured (fits to our codec at 14 dB)",
        source="docs/papers/toscn.md, Table III",
        rule=one_of("paper", "measured"),
    )
    accuracy: str = parameter(
        "constant",
        meaning="worth of a packet at level paper: constant (the curve), snr (measured table A(eta, SNR))",
        source="toscn E23",
        rule=one_of("constant", "snr"),
    )
    curves: tuple[Curve, ...] = parameter(
        _CURVES,
        meaning="accuracy curve (21) of each task with bkb=paper",
        source="TOSCN Table III",
        rule=Rule(lambda v: len(v) == len(TASKS), f"must have {len(TASKS)} curves"),
    )
    importance: str = parameter(
        "task_avg",
        meaning="ranking of maps; class_pred and class_true tell the receiver the label by choice (E24)",
        source="docs/codec.md",
        rule=one_of("task_avg", "class_pred", "class_true", "random", "gradact"),
    )
    classifier: str = parameter(
        "compressed",
        meaning="the server's last layer: compressed (trained with maps left out), plain (the extractor's)",
        source="docs/codec.md",
        rule=one_of("compressed", "plain"),
    )
    data: str = parameter(
        "auto",
        meaning="images: data (your own), embedded (the bank that ships), auto (data, else embedded)",
        source="",
        rule=one_of("auto", "embedded", "data"),
    )

    def check(self) -> None:
        if self.accuracy == "snr" and self.bkb != "measured":
            raise self.error("accuracy", "must be constant with bkb=paper, which knows no SNR")


@dataclass(frozen=True)
class Toscn(Scenario):
    """The scenario: six devices, one base station with an edge server, one agent."""

    name: str = parameter("toscn", meaning="scenario name, folder of its results")
    episode_slots: int = parameter(
        10,
        meaning="slots between two placements of the devices (T)",
        source="TOSCN Table I: step size 10",
        rule=at_least_one,
    )
    slot_ns: int = parameter(
        200_000_000, meaning="slot length L", unit="ns", source="TOSCN Table I", rule=positive
    )
    cell: Cell = parameter(factory=Cell, meaning="geometry and large-scale propagation")
    fading: Fading = parameter(factory=Fading, meaning="small-scale fading")
    radio: Radio = parameter(factory=Radio, meaning="resources and noise")
    ofdm: Ofdm = parameter(factory=Ofdm, meaning="OFDM numerology")
    semantics: Semantics = parameter(factory=Semantics, meaning="image codec")
    agent: Agent = parameter(factory=Agent, meaning="who allocates")
    partial: Partial = parameter(
        factory=Partial, meaning="mechanisms of the real link that level paper takes over (docs/fidelity.md)"
    )

    @property
    def policy_name(self) -> str:
        return self.agent.name

    @property
    def policy_text(self) -> str:
        plans = f", plans with the rate of {self.agent.plan}"
        return self.agent.name + (
            "" if self.agent.name in ("random", *LEARNERS) or is_own(self.agent.name) else plans
        )

    @property
    def total_bandwidth_hz(self) -> float:
        return self.radio.bandwidth_hz

    @property
    def net_bits_per_symbol(self) -> float | None:
        return None if self.phy == "paper" else self.radio.bits_per_symbol * (1.0 - self.ofdm.overhead)

    def build(self, streams: Streams) -> tuple[System, Sequence[Policy]]:
        from netsim.systems.toscn_system import build

        return build(self, streams)

    def check(self) -> None:
        if self.semantics.accuracy == "snr" and self.radio.rate != "shannon":
            raise self.semantics.error(
                "accuracy",
                f"must be constant with rate={self.radio.rate}, whose goodput counts damage already",
            )
        if self.phy == "paper" and self.partial.nothing:
            return
        if self.phy != "paper" and not self.partial.nothing:
            raise self.error("phy", "must be paper where mechanisms of the link are switched one by one")
        physical = self.semantics.num_maps * MAP_CELLS * self.semantics.feature_bits
        if self.semantics.packet_bits != physical:
            raise self.semantics.error(
                "packet_bits",
                f"must be {physical} = {self.semantics.num_maps} maps x 49 x "
                f"{self.semantics.feature_bits} bit at level {self.phy} (other sizes: --phy paper)",
            )
        if self.radio.errors == "injection" and self.radio.channel_knowledge != "perfect":
            raise self.radio.error("errors", "must be noise with an estimated channel")
        if self.radio.channel_knowledge != "perfect" and self.ofdm.pilot_symbols_per_frame == 0:
            raise self.ofdm.error("pilot_symbols_per_frame", "must be >= 1 for an estimated channel")
        subcarriers = self.ofdm.num_subcarriers(self.radio.bandwidth_hz)
        if not 0 < subcarriers <= self.ofdm.fft_size:
            raise self.radio.error(
                "bandwidth_hz",
                f"must hold 1 to fft_size={self.ofdm.fft_size} subcarriers of "
                f"{self.ofdm.subcarrier_spacing_hz:g} Hz, holds {subcarriers}",
            )


@dataclass(frozen=True, slots=True)
class Observation:
    """What the base station reports at a slot's start (35); arrays over ue."""

    slot: int
    episode: int
    task: np.ndarray  # int64, sorted by task (E13)
    gain: np.ndarray  # float64, linear power gain h
    queue: np.ndarray  # int64, packets waiting


@dataclass(frozen=True, slots=True)
class Action:
    """What a policy decides (36): arrays over ue; the two shares each sum to at most 1."""

    compression: np.ndarray
    bandwidth_share: np.ndarray
    power_share: np.ndarray


Ratio = TypeVar("Ratio", float, np.ndarray)  # one compression ratio or an array of them


def known_curves(semantics: Semantics) -> tuple[tuple[Curve, ...], float]:
    """The accuracy curve of each task, and the compression up to which they are known.

    Raises:
        ParameterError: bkb=measured, and nothing was measured for this importance mode and classifier.
    """
    if semantics.bkb == "paper":
        return semantics.curves, 1.0
    from netsim.systems.toscn_knowledge import FITTED_SNR_DB, shipped

    base, curves, known_up_to = shipped(), [], 1.0
    for task in TASKS:
        index = base.of(task, semantics.importance, semantics.classifier)
        table = base.tables[index]
        found = base.fits[index][table.snr_db.index(FITTED_SNR_DB)]
        assert found is not None, "the file that ships has this fit (test)"
        curves.append(Curve(*found.alpha))
        known_up_to = min(known_up_to, table.compression[-1])
    return tuple(curves), known_up_to


class Model:
    """The paper's formulas on arrays: sizes, accuracy, floors. Planners and simulator use the same object.

    Args:
        scenario: the resolved scenario.
        header_bits: side information of a packet (E26), 0 at level `paper`.
    """

    def __init__(self, scenario: Toscn, header_bits: int = 0) -> None:
        self.scenario = scenario
        self.num_maps = scenario.semantics.num_maps
        self.header_bits = header_bits
        self.min_accuracy = scenario.semantics.min_accuracy
        curves, known_up_to = known_curves(scenario.semantics)
        self._a1, self._a2, self._a3 = (
            np.array([getattr(curve, name) for curve in curves]) for name in ("a1", "a2", "a3")
        )
        grid = np.arange(self.num_maps) / self.num_maps
        allowed = self.accuracy(np.arange(len(TASKS))[:, None], grid) >= self.min_accuracy
        allowed &= grid <= known_up_to
        # largest grid value from 0 on without a gap; -1 maps discarded would mean that even eta = 0 violates
        # the floor
        self.most_discarded = np.where(allowed.all(axis=1), self.num_maps, np.argmin(allowed, axis=1)) - 1
        if (self.most_discarded < 0).any():
            raise scenario.semantics.error(
                "min_accuracy", "must be reached by every task's curve without compression"
            )

    def discarded(self, compression: ArrayLike) -> np.ndarray:
        """(M4): m = min(ceil(eta F), F - 1) maps are left out; the guard keeps exact multiples exact."""
        maps = np.ceil(np.asarray(compression) * self.num_maps - 1e-9)
        return np.clip(maps, 0, self.num_maps - 1).astype(np.int64)

    def effective(self, compression: ArrayLike) -> np.ndarray:
        """Compression ratio that whole maps allow: m / F, used in size and accuracy alike (M4)."""
        return self.discarded(compression) / self.num_maps

    def accuracy(self, task: ArrayLike, compression: ArrayLike) -> np.ndarray:
        """(21) for tasks and effective compression ratios, broadcast."""
        j = np.asarray(task)
        return self._a1[j] * np.power(compression, self._a2[j]) + self._a3[j]

    def curve_slope(self, task: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(alpha_1, alpha_2) of each task: dA/deta = alpha_1 alpha_2 eta^(alpha_2 - 1)."""
        return self._a1[task], self._a2[task]

    def max_compression(self, task: np.ndarray) -> np.ndarray:
        """Largest multiple of 1/F at which the task still reaches the accuracy floor."""
        return self.most_discarded[task] / self.num_maps

    def packet_bits(self, compression: Ratio) -> Ratio:
        """Bits on the air of a packet: (1 - eta) b of (12) plus header; integral where bits are carried."""
        return (1.0 - compression) * self.scenario.semantics.packet_bits + self.header_bits

    def grants(self, action: Action, link: Link) -> Grants:
        """(M5): shares to grants, rounded down to what the link can allocate."""
        radio = self.scenario.radio
        power_steps = np.floor(action.power_share * radio.power_w / radio.power_step_w + 1e-9)
        return Grants(
            compression=self.effective(action.compression),
            bandwidth_hz=link.quantise(action.bandwidth_share * radio.bandwidth_hz),
            power_w=power_steps * radio.power_step_w,
        )

    def reward(self, task: np.ndarray, compression: np.ndarray, objective: float) -> tuple[float, int]:
        """(M11): the objective, or min_u (A_u - A_min) when a device is planned below the floor; and how many
        are.
        """
        margin = self.accuracy(task, compression) - self.min_accuracy
        violations = int((margin < 0.0).sum())
        return (float(margin.min()) if violations else objective), violations
