"""TOSCN: six cameras in a micro cell send image features over 16-QAM OFDM; who gets how much, and how
compressed?

Values only. Meaning, unit and source of each: python -m netsim show scenarios/toscn.py
"""

from netsim.systems.toscn import Toscn

scenario = Toscn()  # the physical regime: 200,704-bit packets, level bit

# the regimes of specification section 6
_PAPER = {"phy": "paper", "semantics.packet_bits": 1_600_000}
presets = {
    "mbyte": _PAPER,
    "mbit": {"phy": "paper"},
    "phy16": {"phy": "bit"},
    "saturated": {**_PAPER, "traffic.law": "saturated"},
    "u06": {**_PAPER, "traffic.law": "uniform"},
    "rate": {**_PAPER, "traffic.law": "rate"},
    "burst": {**_PAPER, "traffic.law": "burst", "traffic.initial_queue": "empty", "episode_slots": 20,
              "radio.bandwidth_hz": 1e6},
}  # fmt: skip
