"""What fidelity studies of SC-QoS compare: policies, beliefs of the planners, mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import ErrorPlaces, Mechanism, Study

_NO_PLAN = {"agent.plan": "world"}  # what these policies believe makes no difference
_ON_AIR = {"utility.latency": "ofdm"}  # bits on the air take the time of their OFDM symbols

study = Study(
    kpi="objective per slot",
    policies={
        "mapping 3 dB": {"agent.name": "mapping", "agent.record_accuracy_db": 3.0},
        "mapping of valid": {"agent.name": "mapping_valid", "agent.record_accuracy_db": 3.0},
        "oracle by SNR": {"agent.name": "oracle_snr"},
        "local probe": {"agent.name": "local_probe"},
        "rate only": {"agent.name": "rate_only"},
        "equal 1 bit": {"agent.name": "equal", "agent.bits": 1, **_NO_PLAN},
        "equal 2 bits": {"agent.name": "equal", "agent.bits": 2, **_NO_PLAN},
        "random": {"agent.name": "random", **_NO_PLAN},
        # SAC + discrete SAC, learned by formulas and the bank: the weights that ship
        "hybrid": {"agent.name": "hybrid", **_NO_PLAN},
    },
    planned={
        "paper": {"agent.plan": "shannon"},
        "table": {"agent.plan": "world"},
        "bit": {"agent.plan": "world"},
        "waveform": {"agent.plan": "world"},
    },
    judged={
        "paper": {"utility.latency": "shannon"},
        "table": _ON_AIR,
        "bit": _ON_AIR,
        "waveform": _ON_AIR,
    },
    # a slot begins when its grant is there: delays cost time, and a grant that is lost costs the slot
    formula={
        "phy": "paper",
        "utility.latency": "shannon",
        "semantics.surrogate": "mapping",
        "signalling.grant_gap": "idle",
    },
    mechanisms=(
        Mechanism(
            "constellation",
            "latency by log2(1 + SNR) → by four bits a symbol (16-QAM) at any SNR",
            {"utility.latency": "qam"},
        ),
        Mechanism(
            "whole symbols",
            "any bandwidth and time → whole subcarriers and OFDM symbols with their prefix",
            _ON_AIR,
            needs=("constellation",),
        ),
        Mechanism(
            "decoder",
            "mean similarity at (bits, SNR) → what the real decoder made of this very sentence, drawn from "
            "the measured bank",
            {"semantics.surrogate": "bank"},
        ),
        Mechanism(
            "every bit",
            "draws from the bank → words, 16-QAM, wrong bits, compensator, decoder and metric in the run",
            {"phy": "bit"},
            needs=("decoder",),
        ),
        Mechanism(
            "channel estimation",
            "perfect channel knowledge → beams and SNR from a channel with a tenth of amplitude error",
            {"csi.estimation_error": 0.1},
        ),
        Mechanism(
            "CSI age",
            "channel of this instant → sounded one slot ago",
            {"csi.age_slots": 1},
        ),
        Mechanism(
            "observation delay",
            "reports arrive at once → after 1 ms, which the sentence waits",
            {"signalling.observation_delay_ns": 1_000_000, "utility.counts_waiting": True},
        ),
        Mechanism(
            "inference delay",
            "decisions at once → after 1 ms, which the sentence waits",
            {"signalling.inference_ns": 1_000_000, "utility.counts_waiting": True},
        ),
        Mechanism(
            "signalling loss",
            "every message arrives → one of a hundred is lost, and its slot with it",
            {"signalling.loss": 0.01},
        ),
    ),
    absent={
        "code and finite block": "words are sent uncoded, 64 to 192 bits at 16-QAM; what their wrong bits do "
        "is in the parts of the decoder and of every bit",
        "actual interference": "subchannels are orthogonal and given one-to-one (E-14), so nobody disturbs "
        "anybody",
        "queueing": "every user has one new sentence a slot and a buffer of one: nothing waits for another; "
        "what waits for its grant is in the parts of the delays",
    },
    errors=ErrorPlaces(
        patterns={
            "as the channel made them": {"downlink.error_places": "channel"},
            "independent flips": {"downlink.error_places": "independent"},
            "bursts": {"downlink.error_places": "bursts"},
        },
        conditions={
            f"P = {power:g} dBm": {"downlink.power_dbm": power}
            for power in (-10.0, -13.0, -16.0, -19.0, -22.0, -25.0)
        },
        policy={"agent.name": "equal", "agent.bits": 2, "utility.latency": "qam"},
        kpi="accuracy per packet",
        harmed="similarity of sentences",
    ),
)
