"""What fidelity studies of TOSCN compare: policies, beliefs of the planners, mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import ErrorPlaces, Mechanism, Study

_NO_PLAN = {"agent.plan": "link"}  # what these policies believe makes no difference

study = Study(
    kpi="reward per slot",
    policies={
        "je_qse": {"agent.name": "je_qse"},
        "myopic": {"agent.name": "myopic"},
        "je_equal": {"agent.name": "je_equal"},
        "equal .85": {"agent.name": "equal", "agent.compression": 0.85, **_NO_PLAN},
        "prop .85": {"agent.name": "prop", "agent.compression": 0.85, **_NO_PLAN},
        "random": {"agent.name": "random", **_NO_PLAN},
        # the weights that ship for this packet size: learned on the capped rate (docs/agents.md)
        "DDPG": {"agent.name": "ddpg", **_NO_PLAN},
        "A3C": {"agent.name": "a3c", **_NO_PLAN},
        "greedy + compression": {"agent.name": "greedy_sc", **_NO_PLAN},
    },
    planned={
        "paper": {"agent.plan": "shannon"},
        "table": {"agent.plan": "link"},
        "bit": {"agent.plan": "link"},
        "waveform": {"agent.plan": "link"},
    },
    # a slot begins when its grant is there: delays cost time, and a grant that is lost costs the slot
    formula={"phy": "paper", "signalling.grant_gap": "idle"},
    mechanisms=(
        Mechanism(
            "constellation",
            "log2(1 + SNR) → four bits a symbol (16-QAM) at any SNR",
            {"partial.constellation": True},
        ),
        Mechanism(
            "overhead",
            "all time carries data → prefix and pilots take a fifth of it",
            {"partial.overhead": True},
        ),
        Mechanism(
            "whole units",
            "any bandwidth and time → whole subcarriers and OFDM symbols",
            {"partial.whole_units": True},
        ),
        Mechanism(
            "decoder",
            "accuracy curve → real images and the classifier, packet headers included",
            {"partial.decoder": True},
        ),
        Mechanism(
            "bit errors",
            "bits arrive as sent → bits pass the channel of level bit",
            {"partial.bit_errors": True},
            needs=("decoder",),
        ),
        Mechanism(
            "channel estimation",
            "perfect channel knowledge → LMMSE from the pilots",
            {"radio.channel_knowledge": "lmmse"},
            needs=("decoder", "bit errors"),
        ),
        Mechanism(
            "CSI age",
            "channel gains of this instant → sounded one slot ago",
            {"radio.csi_age_slots": 1},
        ),
        Mechanism(
            "observation delay",
            "reports arrive at once → after 2 ms, and the slot waits for its grant",
            {"signalling.observation_delay_ns": 2_000_000},
        ),
        Mechanism(
            "inference delay",
            "decisions at once → after 2 ms, and the slot waits for its grant",
            {"signalling.inference_ns": 2_000_000},
        ),
        Mechanism(
            "signalling loss",
            "every message arrives → one of a hundred is lost, and its slot with it",
            {"signalling.loss": 0.01},
        ),
    ),
    absent={
        "code and finite block": "features are sent uncoded at one modulation, so there is no code that "
        "could fall short of capacity; what wrong bits do is the part of the bit errors",
        "actual interference": "one cell, and every device has subcarriers of its own",
        "queueing": "buffers of six packets, blocking and whole packets, (19) and (20), are in the paper's "
        "formulas, so they stand on both sides",
    },
    errors=ErrorPlaces(
        patterns={
            "as the channel made them": {"radio.error_places": "channel"},
            "independent flips": {"radio.error_places": "independent"},
            "bursts": {"radio.error_places": "bursts"},
        },
        conditions={
            f"N0 = {psd:g} dBm/Hz": {"radio.noise_psd_dbm_hz": psd}
            for psd in (-155.0, -150.0, -145.0, -140.0, -135.0, -130.0)
        },
        policy={"agent.name": "equal", "agent.compression": 0.85},
        kpi="accuracy per packet",
        harmed="share of right decisions on images",
    ),
)
