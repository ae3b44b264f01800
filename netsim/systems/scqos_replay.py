"""What a replay of SC-QoS begins with and shows: the agent's decision; symbols, sentence before and after."""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.link import Block, Grants
from netsim.studies.replay import Sent
from netsim.systems.scqos_meaning import ChainMeaning
from netsim.systems.scqos_system import Action, ScqosSystem
from netsim.tables import Trace


def actions(system: ScqosSystem, trace: Trace, slot: int) -> list[Action | None]:
    """The decision that was in force, from the tables grants, sentences and beams; None before the first."""
    beams, sentences, grants = trace["beams"], trace["sentences"], trace["grants"]
    rows = beams["slot"] == slot
    if not rows.any():
        return [None]
    num_ues = system.num_ues
    f = np.zeros((num_ues, system.downlink.num_tx_ant), complex)
    f[beams["ue"][rows], beams["antenna"][rows]] = beams["real"][rows] + 1j * beams["imag"][rows]
    mine = grants["slot"] == slot
    of_ue = np.argsort(grants["ue"][mine])
    left_out = grants["compression"][mine][of_ue]
    # users without a sentence have no row below, and nothing on the air; their shares are those of the grant
    band = grants["bandwidth_hz"][mine][of_ue] / system.downlink.bandwidth_hz
    power = grants["power_w"][mine][of_ue] / system.downlink.power_w
    told = sentences["slot"] == slot
    band[sentences["ue"][told]] = sentences["band_share"][told]
    power[sentences["ue"][told]] = sentences["power_share"][told]
    bits = np.rint((1.0 - left_out) * system.utility.max_bits).astype(np.int64)
    subchannel = grants["subchannel"][mine][of_ue].astype(np.int64)
    return [Action(bits, subchannel, band, power, f)]


def signals(
    system: ScqosSystem, slot: int, grants: Grants, blocks: list[Block]
) -> tuple[list[np.ndarray], list[np.ndarray]] | tuple[None, None]:
    """Equalised and ideal symbols of every sentence."""
    if not isinstance(system.meaning, ChainMeaning) or not blocks:
        return None, None
    return system.meaning.equalised(slot, *system.on_air(grants, blocks))


def content(system: ScqosSystem, one: Sent) -> dict[str, Any]:
    """The sentence, what the decoder makes of its words as sent, and of those that arrived."""
    assert isinstance(system.meaning, ChainMeaning)
    bits = len(one.sent) // system.utility.num_features
    read = [system.meaning.read(np.packbits(part), bits) for part in (one.sent, one.received)]
    return {
        "title": f"sentence {one.packet.item}, {bits} bits a feature",
        "texts": {
            "Sentence": system.meaning.sentence(one.packet.item),
            "Decoded without a channel": read[0],
            "Decoded as received": read[1],
        },
    }
