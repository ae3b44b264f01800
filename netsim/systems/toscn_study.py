"""What fidelity studies of TOSCN compare: policies, beliefs of the planners, mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import Mechanism, Study

study = Study(
    kpi="reward per slot",
    policies={
        "je_qse": {"agent.name": "je_qse"},
        "myopic": {"agent.name": "myopic"},
        "je_equal": {"agent.name": "je_equal"},
        "equal .85": {"agent.name": "equal", "agent.compression": 0.85},
        "prop .85": {"agent.name": "prop", "agent.compression": 0.85},
        "random": {"agent.name": "random"},
    },
    planned={
        "paper": {"agent.plan": "shannon"},
        "table": {"agent.plan": "link"},
        "bit": {"agent.plan": "link"},
        "waveform": {"agent.plan": "link"},
    },
    mechanisms=(
        Mechanism(
            "observation delay",
            "queues and gains are 2 ms old when the agent sees them",
            {"signalling.observation_delay_ns": 2_000_000},
        ),
        Mechanism(
            "inference delay",
            "the agent thinks for 2 ms",
            {"signalling.inference_ns": 2_000_000},
        ),
        Mechanism(
            "signalling loss",
            "one message of a hundred is lost",
            {"signalling.loss": 0.01},
        ),
    ),
)
