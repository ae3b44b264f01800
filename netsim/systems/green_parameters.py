"""Green: energy-efficient multi-cell semantic network, its parameters and the presets of the specification.

M co-channel cells with one base station and one user each; every station chooses a transmit power level and
k, the channel symbols spent on a word. P(n) are equations of the paper, (Mn), En and section numbers those of
our specification; see docs/papers/green.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phy.parameters import Checked, Rule, between, non_negative, one_of, parameter, positive

MAX_SYMBOLS_PER_WORD = 20  # rows of the published accuracy table, Q of P(6)
_range = Rule(lambda v: len(v) == 2 and 0 <= v[0] <= v[1], "must be two values, 0 <= low <= high")
_normal = Rule(lambda v: len(v) == 2 and v[1] >= 0, "must be mean and standard deviation >= 0")


@dataclass(frozen=True)
class Layout(Checked):
    """Where stations and users are, and how much of a signal arrives."""

    num_cells: int = parameter(
        3, meaning="cells = stations = users = agents (M)", source="P 5.1", rule=between(1, 1000)
    )
    radius_m: float = parameter(200.0, meaning="cell radius R", unit="m", source="P table 1", rule=positive)
    isd_m: float = parameter(
        400.0, meaning="distance of neighbouring stations", unit="m", source="E10: 2R", rule=positive
    )
    min_distance_m: float = parameter(
        10.0, meaning="smallest distance of a user from its station", unit="m", source="E10", rule=positive
    )
    placement: str = parameter(
        "radius",
        meaning="users: uniform radius and angle, or uniform on the area of the hexagon",
        source="E10",
        rule=one_of("radius", "hexagon"),
    )
    path_loss_1km_db: float = parameter(
        120.9, meaning="path loss at 1 km", unit="dB", source="P 5.1", rule=non_negative
    )
    path_loss_exponent: float = parameter(
        3.76, meaning="path-loss exponent (37.6 dB a decade)", source="P 5.1", rule=positive
    )
    shadowing_db: float = parameter(
        0.0,
        meaning="standard deviation of log-normal shadowing, independent per link",
        unit="dB",
        source="E10",
        rule=non_negative,
    )
    fading_correlation: float = parameter(
        0.64,
        meaning="correlation rho of a link's coefficient from slot to slot",
        source="P table 1, E9: J0(2 pi 10 Hz 20 ms)",
        rule=between(0.0, 1.0),
    )

    def check(self) -> None:
        if self.min_distance_m >= self.radius_m:
            raise self.error("min_distance_m", f"must be < radius_m={self.radius_m}")


@dataclass(frozen=True)
class Power(Checked):
    """What is transmitted, what hardware draws, what the receiver adds."""

    max_power_w: float = parameter(
        0.1, meaning="largest transmit power p_max", unit="W", source="P table 1: 20 dBm", rule=positive
    )
    num_levels: int = parameter(
        7,
        meaning="transmit power levels, linear in watts, 0 included",
        source="P table 2",
        rule=between(2, 128),
    )
    station_w: float = parameter(
        10.0**0.9,
        meaning="static power P_BS of a station",
        unit="W",
        source="P table 1: 9 dBW, E5",
        rule=non_negative,
    )
    user_w: float = parameter(
        0.01,
        meaning="static power P_UT of a user",
        unit="W",
        source="P table 1: 10 dBm, E6",
        rule=non_negative,
    )
    inference_w: float = parameter(
        10.0**-2.5, meaning="power P_AI of the codec", unit="W", source="P table 1: 5 dBm", rule=non_negative
    )
    noise_w: float = parameter(
        10.0**-14.4,
        meaning="noise power in the channel N0",
        unit="W",
        source="E4: -114 dBm in all",
        rule=positive,
    )

    def check(self) -> None:
        if self.static_w <= 0.0:
            raise self.error("station_w", "must be > 0 together with user_w and inference_w")

    @property
    def static_w(self) -> float:
        """P_c: static power of a cell in W (M6)."""
        return self.station_w + self.user_w + self.inference_w


@dataclass(frozen=True)
class TextCodec(Checked):
    """The semantic codec as the formulas see it."""

    entropy_suts: float = parameter(
        4.0, meaning="semantic entropy of a word", unit="sut/word", source="E15", rule=positive
    )
    symbol_rate_hz: float = parameter(
        180e3, meaning="channel symbols per second W", unit="Hz", source="P table 1", rule=positive
    )
    num_levels: int = parameter(
        MAX_SYMBOLS_PER_WORD,
        meaning="compression levels, k = 1 .. num_levels symbols a word",
        source="P table 1, E8",
        rule=between(1, MAX_SYMBOLS_PER_WORD),
    )
    accuracy: str = parameter(
        "auto",
        meaning="f_s(k, SINR): published (our fit), toy (one smooth surface), measured (table of our codec), "
        "auto (published at level paper, measured at the levels with bits)",
        source="specification 4.4",
        rule=one_of("auto", "published", "toy", "measured"),
    )
    accuracy_file: str = parameter(
        "english",
        meaning="measured table: the one that ships with a codec (english, grammar), or a CSV file; with "
        "accuracy=auto that of the codec that text.sentences names",
        source="docs/papers/green.md",
    )
    data_share: float = parameter(
        0.8,
        meaning="data resource elements per symbol of the ideal rate: 144,000 of 180,000 a second (12 "
        "subcarriers, 12 of the 14 OFDM symbols of a millisecond)",
        source="specification 10.2",
        rule=between(0.0, 1.0),
    )
    rate_basis: str = parameter(
        "ideal",
        meaning="the rate that QoE counts: ideal (P(6): symbol rate W) or elements (data resource elements)",
        source="E16, specification 10.2",
        rule=one_of("ideal", "elements"),
    )
    rate_counts_accuracy: bool = parameter(
        False, meaning="the semantic rate is multiplied by the accuracy", source="E15"
    )

    def check(self) -> None:
        if not self.accuracy_file:
            raise self.error("accuracy_file", "must be english, grammar or a CSV file")


@dataclass(frozen=True)
class Qoe(Checked):
    """What the users want: laws of the requirements, drawn once per user and drop."""

    rate_required_ksuts: tuple[float, ...] = parameter(
        (80.0, 100.0),
        meaning="rate requirement, uniform between",
        unit="ksut/s",
        source="P table 1, E7",
        rule=_range,
    )
    accuracy_required: tuple[float, ...] = parameter(
        (0.8, 0.9), meaning="accuracy requirement, uniform between", source="P table 1, E7", rule=_range
    )
    rate_growth: tuple[float, ...] = parameter(
        (0.1, 0.02),
        meaning="logistic growth alpha of the rate term, normal with mean and deviation, >= 0.001",
        unit="s/ksut",
        source="E12",
        rule=_normal,
    )
    accuracy_growth: tuple[float, ...] = parameter(
        (55.0, 2.5),
        meaning="logistic growth lambda of the accuracy term, normal with mean and deviation, >= 1",
        source="E12",
        rule=_normal,
    )
    rate_weight: float | None = parameter(
        0.5, meaning="weight omega of the rate term; none = uniform in [0, 1] per user", source="E12",
        rule=between(0.0, 1.0),
    )  # fmt: skip


@dataclass(frozen=True)
class Decision(Checked):
    """What an agent sees and what it is paid."""

    timing: str = parameter(
        "pre",
        meaning="observation: pre (new channel, powers still on air) or post (all of the last slot)",
        source="P(17)-(19), E11",
        rule=one_of("pre", "post"),
    )
    measurement_error_db: float = parameter(
        0.0,
        meaning="standard deviation of the error, in dB, with which a user measures its wanted power",
        unit="dB",
        source="docs/fidelity.md",
        rule=non_negative,
    )
    observe_level: bool = parameter(
        False, meaning="the agent's own last k is an eighth input", source="specification 5.1"
    )
    reward: str = parameter(
        "ee",
        meaning="ee (energy efficiency), qoe (without the energy term), local (of the own cell)",
        source="P(20), specification 5.3",
        rule=one_of("ee", "qoe", "local"),
    )
    reward_scale: float = parameter(1.0, meaning="factor on the reward", source="E27", rule=positive)
    reward_difference: bool = parameter(
        False, meaning="reward is the change since the last slot", source="E13"
    )


@dataclass(frozen=True)
class System(Checked):
    """All that defines the system of the paper, without agents and events."""

    layout: Layout = parameter(factory=Layout, meaning="geometry and propagation")
    power: Power = parameter(factory=Power, meaning="powers and noise")
    codec: TextCodec = parameter(factory=TextCodec, meaning="semantic codec")
    qoe: Qoe = parameter(factory=Qoe, meaning="what the users want")
    decision: Decision = parameter(factory=Decision, meaning="observation and reward")


PRESETS: dict[str, dict[str, Any]] = {
    "literal": {},
    "ec_visible": {"power.max_power_w": 1.0},
    "text_task": {"qoe.rate_required_ksuts": (50.0, 70.0), "qoe.rate_growth": (0.2, 0.05)},
    "pbs_dbm": {"power.station_w": 10.0**-2.1},
    "noise_psd": {"power.noise_w": 10.0**-9.145},
    "hex_area": {"layout.placement": "hexagon", "layout.isd_m": 200.0 * 3.0**0.5},
    "shadow8": {"layout.shadowing_db": 8.0},
    "post_obs": {"decision.timing": "post"},
    "k19": {"codec.num_levels": 19},
    "omega_random": {"qoe.rate_weight": None},
}
