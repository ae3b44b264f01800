"""What fidelity studies of green compare: policies and mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import Mechanism, Study

study = Study(
    kpi="objective per slot",
    policies={
        "lowest power, best k": {"agent.name": "level1"},
        "lowest power, k = 5": {"agent.name": "fixed", "agent.symbols_per_word": 5},
        "full power, k = 5": {
            "agent.name": "fixed",
            "agent.symbols_per_word": 5,
            "agent.power_level": 6,
        },
        "full power, random k": {"agent.name": "greedy"},
        "random": {"agent.name": "random"},
        "silent": {"agent.name": "silent"},
    },
    mechanisms=(
        Mechanism(
            "sentences and bits",
            "f_s(k, SINR) → sentences through the codec, superposed 16-QAM of all cells, decoder, metric",
            {"phy": "bit"},
        ),
        Mechanism(
            "observation delay",
            "SINR of this instant → one slot old",
            {"signalling.observation_delay_ns": 20_000_000},
        ),
        Mechanism(
            "inference delay", "decisions at once → after 2 ms", {"signalling.inference_ns": 2_000_000}
        ),
        Mechanism("signalling loss", "every message arrives → one of ten is lost", {"signalling.loss": 0.1}),
    ),
)
