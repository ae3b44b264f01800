"""Golden digests: the default scenario, level by level, table by table.

A digest that moves means that results have changed: regenerate with `pytest tests/golden --regenerate-golden`
and write into CHANGELOG.md which and why. Reals enter with 9 significant digits, so that the last bit of a
library's logarithm does not count as a change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim import simulate

GOLDEN = Path(__file__).parent / "digests.json"


def digests(trace) -> dict[str, str]:
    found = {}
    for table in trace:
        total = hashlib.sha256()
        for name, values in sorted(trace[table].items()):
            if values.dtype.kind == "f":
                text = "\n".join(f"{value:.9g}" for value in values.tolist())
            else:
                text = "\n".join(str(value) for value in values.tolist())
            total.update(f"{name}\n{text}\n".encode())
        found[table] = total.hexdigest()[:16]
    return found


@pytest.mark.parametrize("level", ["paper", "table", "bit"])
def test_default_scenario_has_the_recorded_digests(level, request):
    scenario = toscn(**{"phy": level, "slots": 25, "semantics.data": "embedded"})
    found = digests(simulate.run_in_memory(scenario).trace())
    recorded = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--regenerate-golden"):
        recorded[f"toscn/{level}"] = found
        GOLDEN.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n")
    assert recorded[f"toscn/{level}"] == found


def test_a_digest_notices_a_changed_number():
    trace = simulate.run_in_memory(toscn(phy="paper", slots=5)).trace()
    before = digests(trace)
    trace["slots"]["reward"][2] = np.nextafter(np.float32(trace["slots"]["reward"][2]), np.float32(0))
    assert digests(trace)["slots"] != before["slots"]
    assert digests(trace)["buffers"] == before["buffers"]
