"""What fidelity studies of green compare: rules of the stations and mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import Mechanism, Study

study = Study(
    kpi="objective per slot",
    policies={name: {"agent.name": name} for name in ("level1", "fixed", "greedy", "random")},
    mechanisms=(
        Mechanism(
            "bits",
            "accuracy curve of the SINR → bits, superposed signals of all cells, the codec's own decoder",
            {"phy": "bit"},
        ),
        Mechanism(
            "observation delay",
            "measurements of this instant → 2 ms old",
            {"signalling.observation_delay_ns": 2_000_000},
        ),
        Mechanism(
            "inference delay",
            "decisions at once → after 2 ms",
            {"signalling.inference_ns": 2_000_000},
        ),
        Mechanism(
            "signalling loss",
            "every message arrives → one of a hundred is lost",
            {"signalling.loss": 0.01},
        ),
    ),
)
