"""The link at its levels of fidelity: how many packets a grant carries, and which of their bits arrive wrong.

`paper`     rate by formula (Shannon, TOSCN (13), or capped or measured goodput); no bits
`table`     OFDM resource elements and real bits; errors drawn from a table measured with the bit-level link
`bit`       real bits through Gray QAM, per-subcarrier channel, noise, MRC, one-tap equaliser, hard decisions
`waveform`  as `bit` on samples: IFFT, prefix, tapped delay line, noise, FFT

All levels see the same world; they differ in what a slot can carry and in what arrives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from netsim.engine import SECOND_NS
from netsim.link_rates import CappedRate, MeasuredRate, RateLaw, ShannonRate
from netsim.world import World
from phy.bursts import Received
from phy.parameters import Checked, between, finite, one_of, parameter, positive

LEVELS = ("paper", "table", "bit", "waveform")
FLOOR_GUARD = 1e-9  # toscn (M5), (M7): a quotient this close below an integer counts as the integer


@dataclass(frozen=True)
class Radio(Checked):
    """The resources that a policy divides, and the noise."""

    bandwidth_hz: float = parameter(
        3e6, meaning="total bandwidth B_max", unit="Hz", source="TOSCN Table I", rule=positive
    )
    power_w: float = parameter(
        0.2, meaning="total transmit power P_max", unit="W", source="TOSCN Table I", rule=positive
    )
    noise_psd_dbm_hz: float = parameter(
        -174.0, meaning="noise power spectral density N0", unit="dBm/Hz", source="TOSCN Table I", rule=finite
    )
    bits_per_symbol: int = parameter(
        4,
        meaning="bits per QAM symbol of levels table, bit and waveform (2 QPSK, 4 16-QAM, 6 64-QAM)",
        unit="bit",
        source="our choice",
        rule=one_of(1, 2, 4, 6, 8),
    )
    scrambling: bool = parameter(
        True,
        meaning="scramble codewords so that symbols are equiprobable; feature bytes are mostly zeros",
        source="TS 38.211 6.3.1.1",
    )
    errors: str = parameter(
        "noise",
        meaning="level bit: noise on every symbol, or the same law of errors injected into the payload",
        source="docs/phy.md",
        rule=one_of("noise", "injection"),
    )
    error_places: str = parameter(
        "channel",
        meaning="wrong bits stay where they fell (channel), or as many are put elsewhere in their packet: "
        "independent, bursts",
        source="docs/fidelity.md",
        rule=one_of("channel", "independent", "bursts"),
    )
    csi_age_slots: int = parameter(
        0,
        meaning="the gains that an observation reports were sounded this many slots ago (queues are of now)",
        unit="slots",
        source="docs/fidelity.md",
        rule=between(0, 100),
    )
    channel_knowledge: str = parameter(
        "perfect",
        meaning="receiver of levels bit and waveform: perfect, or estimated from pilots by ls or lmmse",
        source="TS 38.211 6.4.1.1 (pilots)",
        rule=one_of("perfect", "ls", "lmmse"),
    )
    bandwidth_step_hz: float = parameter(
        1.0,
        meaning="granularity of a bandwidth grant at level paper",
        unit="Hz",
        source="toscn E6",
        rule=positive,
    )
    power_step_w: float = parameter(
        1e-6, meaning="granularity of a power grant", unit="W", source="toscn E6", rule=positive
    )
    rate: str = parameter(
        "shannon",
        meaning="rate law of level paper: shannon (13), capped (rate_* below), measured (goodput of bits)",
        source="docs/papers/toscn.md, rate gap",
        rule=one_of("shannon", "capped", "measured"),
    )
    rate_efficiency: float = parameter(
        0.8,
        meaning="capped and measured: share of time and band that carries data (prefix and pilots cost it)",
        source="phy.ofdm: 14,000 symbols/s of 15 kHz, 12 of 14 with data",
        rule=between(0.0, 1.0),
    )
    rate_cap_bits: float = parameter(
        3.99,
        meaning="capped: most bits of a symbol",
        unit="bit",
        source="python -m netsim figure toscn-rate-gap",
        rule=positive,
    )
    rate_gap_db: float = parameter(
        -5.05,
        meaning="capped: SNR gap to Shannon below the cap; negative: worth survives bit errors",
        unit="dB",
        source="python -m netsim figure toscn-rate-gap",
        rule=finite,
    )

    @property
    def n0(self) -> float:
        """Noise power spectral density in W/Hz = noise energy per resource element in J."""
        return 10.0 ** ((self.noise_psd_dbm_hz - 30.0) / 10.0)


@dataclass
class Grants:
    """What each device may use in a slot; arrays over ue. -1: the level or the system has no such thing."""

    compression: np.ndarray  # share of the semantic content to leave out, as whole units of it allow
    bandwidth_hz: np.ndarray
    power_w: np.ndarray
    bits_per_symbol: np.ndarray | int = -1
    subchannel: np.ndarray | int = -1


@dataclass
class Block:
    """One packet on its way through the link in one slot."""

    ue: int
    payload: np.ndarray  # uint8, packed bits, MSB first
    num_bits: int
    first_symbol: int  # resource element within the device's slot


class Link(Protocol):
    """Contract of all levels (tests/netsim/test_link_contract.py)."""

    level: str
    carries_bits: bool
    padding_bits: int  # most bits that rounding a packet up to whole symbols can add

    def quantise(self, bandwidth_hz: np.ndarray) -> np.ndarray:
        """Bandwidth grants rounded down to what the link can allocate, Hz."""

    def spectral_efficiency(self, gain: np.ndarray) -> np.ndarray:
        """Bits per second and hertz at equal power density, for planners; `gain` linear power gain."""

    def carried_bits(
        self, bandwidth_hz: np.ndarray, power_w: np.ndarray, gain: np.ndarray, duration_ns: int
    ) -> np.ndarray:
        """Bits that each grant carries in `duration_ns`, float64."""

    def symbols(self, num_bits: float) -> int:
        """Resource elements that a packet of `num_bits` occupies (0 where there are none)."""

    def completions_ns(
        self, bandwidth_hz: float, power_w: float, gain: float, num_bits: float, most: int, budget_ns: int
    ) -> list[int]:
        """When packet 1, 2, ... of `num_bits` each is complete, ns after the grant; at most `most`, none
        after `budget_ns`.
        """

    def snr_db(self, grants: Grants, world: World) -> np.ndarray:
        """SNR of each device per resource element after combining, -inf without a grant."""

    def transmit(self, slot: int, grants: Grants, world: World, blocks: list[Block]) -> Received | None:
        """All blocks of the slot, of all devices, through the channel; None where no bits are carried."""


def grant_snr_db(power_w: np.ndarray, occupied_hz: np.ndarray, gain: np.ndarray, n0: float) -> np.ndarray:
    """SNR P h / (N0 B) in dB of grants that occupy `occupied_hz`, -inf where nothing is granted (contract:
    DESIGN 9).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.where(occupied_hz > 0.0, power_w * gain / (n0 * occupied_hz), 0.0)
        return 10.0 * np.log10(snr)


def rate_law(radio: Radio) -> RateLaw:
    """The law that `radio.rate` names."""
    if radio.rate == "shannon":
        return ShannonRate()
    if radio.rate == "capped":
        return CappedRate(radio.rate_efficiency, radio.rate_cap_bits, radio.rate_gap_db)
    from netsim.systems.toscn_goodput import measured_bits

    snr_db, bits = measured_bits()
    return MeasuredRate(snr_db, radio.rate_efficiency * bits)


class PaperLink:
    """TOSCN (13): R = B log2(1 + P h / (N0 B)), or another law of the SNR in place of the logarithm; a packet
    is delivered whole or not at all (19).
    """

    level = "paper"
    carries_bits = False
    padding_bits = 0

    def __init__(self, radio: Radio) -> None:
        self.radio = radio
        self.law = rate_law(radio)

    def quantise(self, bandwidth_hz: np.ndarray) -> np.ndarray:
        """Rounded down to whole steps `radio.bandwidth_step_hz`, Hz."""
        step = self.radio.bandwidth_step_hz
        return np.floor(bandwidth_hz / step + FLOOR_GUARD) * step

    def spectral_efficiency(self, gain: np.ndarray) -> np.ndarray:
        """The rate law at `radio.power_w` spread over the whole band, bit/s/Hz."""
        return self.law.efficiency(self.radio.power_w * gain / (self.radio.n0 * self.radio.bandwidth_hz))

    def carried_bits(
        self, bandwidth_hz: np.ndarray, power_w: np.ndarray, gain: np.ndarray, duration_ns: int
    ) -> np.ndarray:
        """Rate times duration, float64 bits, without rounding to symbols."""
        occupied = np.where(
            bandwidth_hz > 0.0, bandwidth_hz, 1.0
        )  # 0 Hz carries 0 bits, without a division by zero
        efficiency = self.law.efficiency(power_w * gain / (self.radio.n0 * occupied))
        return duration_ns / SECOND_NS * bandwidth_hz * efficiency

    def symbols(self, num_bits: float) -> int:
        """0: the formula has no resource elements."""
        return 0

    def completions_ns(
        self, bandwidth_hz: float, power_w: float, gain: float, num_bits: float, most: int, budget_ns: int
    ) -> list[int]:
        """Packet k is complete after k num_bits / rate, to the nearest nanosecond; none without power."""
        if bandwidth_hz <= 0.0 or power_w <= 0.0:
            return []
        rate = bandwidth_hz * self.law.efficiency_at(power_w * gain / (self.radio.n0 * bandwidth_hz))
        count = min(math.floor(budget_ns / SECOND_NS * rate / num_bits + FLOOR_GUARD), most)
        packet_ns = num_bits / rate * SECOND_NS if count else 0.0
        # from k * tau, never by accumulating; the guard may put the last one a hair behind the edge
        return [min(round(k * packet_ns), budget_ns) for k in range(1, count + 1)]

    def snr_db(self, grants: Grants, world: World) -> np.ndarray:
        """`grant_snr_db` of the granted bandwidth."""
        return grant_snr_db(grants.power_w, grants.bandwidth_hz, world.gain, self.radio.n0)

    def transmit(self, slot: int, grants: Grants, world: World, blocks: list[Block]) -> None:
        """None: no bits are carried."""
        return None
