"""What fidelity studies of SC-QoS compare: policies and mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import Mechanism, Study

study = Study(
    kpi="reward per slot",
    policies={
        name: {"agent.name": name} for name in ("mapping", "mapping_valid", "rate_only", "equal", "random")
    },
    mechanisms=(
        Mechanism(
            "spread of similarity",
            "mean of the table → a draw from what was measured at this SNR",
            {"semantics.surrogate": "bank"},
        ),
        Mechanism(
            "bits",
            "table by SNR → every bit through modulation, channel and decoder of the sentence itself",
            {"phy": "bit"},
        ),
        Mechanism(
            "channel estimation",
            "perfect channel knowledge → an error of a tenth of the amplitude",
            {"csi.estimation_error": 0.1},
        ),
        Mechanism(
            "observation delay",
            "channel of this instant → 2 ms old",
            {"signalling.observation_delay_ns": 2_000_000},
        ),
        Mechanism(
            "signalling loss",
            "every message arrives → one of a hundred is lost",
            {"signalling.loss": 0.01},
        ),
    ),
)
