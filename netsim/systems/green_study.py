"""What fidelity studies of green compare: policies, beliefs of the rules, mechanisms."""

from __future__ import annotations

from netsim.studies.declaration import Mechanism, Study

_NO_PLAN = {"agent.plan": "world"}  # what these policies believe makes no difference

study = Study(
    kpi="objective per slot",
    policies={
        "lowest power, best k": {"agent.name": "level1"},
        "full power, best k": {"agent.name": "level1", "agent.power_level": 6},
        "lowest power, k = 5": {"agent.name": "fixed", "agent.symbols_per_word": 5, **_NO_PLAN},
        "full power, k = 5": {
            "agent.name": "fixed",
            "agent.symbols_per_word": 5,
            "agent.power_level": 6,
            **_NO_PLAN,
        },
        "full power, random k": {"agent.name": "greedy", **_NO_PLAN},
        "random": {"agent.name": "random", **_NO_PLAN},
        "silent": {"agent.name": "silent", **_NO_PLAN},
    },
    planned={
        "paper": {"agent.plan": "published"},
        "table": {"agent.plan": "world"},
        "bit": {"agent.plan": "world"},
        "waveform": {"agent.plan": "world"},
    },
    mechanisms=(
        Mechanism(
            "overhead",
            "180,000 symbols a second carry data → less prefix and pilots",
            {"codec.rate_basis": "elements"},
        ),
        Mechanism(
            "decoder",
            "published f_s(k, SINR) → sentences through our codec and metric, 16-QAM, wrong bits by the SINR "
            "as if interference were noise; requirements on the scale of the metric",
            {"phy": "table"},
        ),
        Mechanism(
            "actual interference",
            "interference as noise → the other cells' symbols superposed",
            {"phy": "bit"},
            needs=("decoder",),
        ),
        Mechanism(
            "channel estimation",
            "perfect SINR → measured with an error of 1 dB",
            {"decision.measurement_error_db": 1.0},
        ),
        Mechanism(
            "CSI age",
            "SINR on the channel of this slot → all of the slot before",
            {"decision.timing": "post"},
        ),
        Mechanism(
            "observation delay",
            "reports arrive at once → a slot (20 ms) later",
            {"signalling.observation_delay_ns": 20_000_000},
        ),
        Mechanism(
            "inference delay",
            "decisions at once → after 2 ms, so they come into force with the next slot",
            {"signalling.inference_ns": 2_000_000},
        ),
        Mechanism(
            "signalling loss",
            "every message arrives → one of a hundred is lost, and the old decision stands",
            {"signalling.loss": 0.01},
        ),
    ),
    absent={
        "constellation": "the rate (M4) counts symbols a word and knows no log2(1 + SINR); 16-QAM is in the "
        "part of the decoder",
        "code and finite block": "no code but repetition, which k symbols a word buy; it is in the part of "
        "the decoder",
        "whole packets and symbols": "a burst of sentences fills the slot whatever k is",
        "queueing": "full buffers (a burst always waits) in the paper and here",
    },
)
