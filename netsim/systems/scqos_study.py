"""What fidelity studies of SC-QoS compare: policies and mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import Mechanism, Study

study = Study(
    kpi="objective per slot",
    policies={
        "mapping 3 dB": {"agent.name": "mapping", "agent.record_accuracy_db": 3.0},
        "mapping of valid": {"agent.name": "mapping_valid", "agent.record_accuracy_db": 3.0},
        "oracle by SNR": {"agent.name": "oracle_snr"},
        "local probe": {"agent.name": "local_probe"},
        "equal 1 bit": {"agent.name": "equal", "agent.bits": 1},
        "equal 2 bits": {"agent.name": "equal", "agent.bits": 2},
        "rate only": {"agent.name": "rate_only"},
        "random": {"agent.name": "random"},
    },
    mechanisms=(
        Mechanism(
            "each sentence",
            "mean similarity at (bits, SNR) → what became of this sentence in the measured bank",
            {"semantics.surrogate": "bank"},
        ),
        Mechanism(
            "every bit",
            "look-up → words, 16-QAM, compensator, decoder and metric in the run",
            {"phy": "bit"},
        ),
        Mechanism(
            "whole OFDM symbols",
            "Shannon latency (16) → symbols with prefix on whole subcarriers",
            {"utility.latency": "ofdm"},
        ),
        Mechanism(
            "channel estimation",
            "perfect channel knowledge → error of a tenth of the amplitude",
            {"csi.estimation_error": 0.1},
        ),
        Mechanism(
            "observation delay",
            "channel and sentence of this instant → one slot old",
            {"signalling.observation_delay_ns": 25_000_000},
        ),
        Mechanism(
            "signalling loss", "every message arrives → one of a hundred is lost", {"signalling.loss": 0.01}
        ),
    ),
)
