"""Check 10 of the TOSCN specification: its table 8.1, and that more bandwidth or power never hurts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from netsim import params, stats
from netsim.figures import toscn_policies
from netsim.simulate import run_in_memory


def _reward(policy: str, episodes: int, **changes) -> np.ndarray:
    """Mean reward per slot of each episode in the paper's regime."""
    scenario = params.override(
        toscn_policies.scenario_of(3e6, policy, float("nan"), toscn_policies.SEED, episodes), changes
    )
    return run_in_memory(scenario).trace()["slots"]["reward"].reshape(episodes, -1).mean(axis=1)


@pytest.mark.parametrize("policy", ["myopic", "je_qse", "je_equal"])
def test_more_of_a_resource_never_hurts(policy):
    """The same 8 episodes at 2, 3, 8 MHz and at 0.14, 0.2 W."""
    by_band = [_reward(policy, 8, **{"radio.bandwidth_hz": b}).mean() for b in (2e6, 3e6, 8e6)]
    by_power = [_reward(policy, 8, **{"radio.power_w": p}).mean() for p in (0.14, 0.2)]
    assert all(more > less for less, more in itertools.pairwise(by_band))
    assert by_power[1] >= by_power[0] - 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["myopic", "je_qse", "je_equal", "equal .85", "sum_packets"])
@pytest.mark.parametrize("bandwidth_hz", [2e6, 3e6])
def test_table_8_1(policy, bandwidth_hz):
    """200 episodes here and there: within four standard errors of a difference (sd of an episode 1.0)."""
    name, _, eta = policy.partition(" ")
    changes = {"radio.bandwidth_hz": bandwidth_hz, "agent.compression": float(eta or 0.85)}
    column = toscn_policies.BANDWIDTHS_HZ.index(bandwidth_hz)
    expected = toscn_policies.REFERENCE["equal best" if eta else name][column]
    if eta and bandwidth_hz == 2e6:
        changes["agent.compression"] = 0.875
    reward = _reward(name, 200, **changes)
    spread = (stats.mean_interval(reward).high - reward.mean()) / 1.97
    assert reward.mean() == pytest.approx(expected, abs=4 * np.sqrt(2) * spread)
