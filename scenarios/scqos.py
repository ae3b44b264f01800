"""SC-QoS: a sentence for each of three users in every slot; how many bits, which subchannel, how much power?

Values only. Meaning, unit and source of each: python -m netsim show scenarios/scqos.py
"""

from netsim.systems.scqos import Scqos
from netsim.systems.scqos_radio import THERMAL

scenario = Scqos()  # level bit: words through SBQ, 16-QAM, compensator and decoder

presets = {
    "tables": {"phy": "paper"},
    "bank": {"phy": "paper", "semantics.surrogate": "bank"},
    "thermal": THERMAL,
    # 500 sentences a second and user, each sent as soon as the user's link is free
    "poisson": {
        "service": "arrival",
        "traffic.law": "poisson",
        "traffic.instants": "async",
        "traffic.mean_per_slot": 12.5,
        "traffic.initial_queue": "empty",
        "traffic.buffer_packets": 1000,
    },
    "paper_reward": {"utility.reward": "paper"},
}
