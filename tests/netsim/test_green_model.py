"""Acceptance checks 1, 2, 8 of the green specification, and the action, observation and reward."""

from __future__ import annotations

import numpy as np
import pytest
from green_drops import green, sample

from netsim.streams import Streams
from netsim.systems.green_curves import (
    CEILING,
    FLOOR,
    LogisticAccuracy,
    TableAccuracy,
    accuracy_of,
    clipped_db,
)
from netsim.systems.green_model import (
    Observer,
    RequirementDraw,
    energy_efficiency,
    logistic,
    received_powers,
    reward_of,
    semantic_rate,
)
from netsim.systems.green_parameters import PRESETS, Decision, Layout, TextCodec
from netsim.systems.green_table_file import read_table
from netsim.systems.green_world import GreenWorld, path_loss_db, station_sites
from phy.parameters import ParameterError


def world_of(num_cells=3, seed=3, run=0, **layout):
    world = GreenWorld(Layout(num_cells=num_cells, **layout), Streams(seed, run))
    world.new_drop()
    return world


def test_path_loss():
    """Check 1: 94.62 dB at 200 m, 45.70 dB at 10 m."""
    np.testing.assert_allclose(path_loss_db(Layout(), np.array([200.0, 10.0])), [94.62, 45.70], atol=5e-3)


@pytest.mark.parametrize(("num_cells", "neighbours"), [(1, 0), (2, 1), (3, 3), (7, 12), (19, 42)])
def test_sites(num_cells, neighbours):
    """3 cells: equilateral triangle; 7: one and a ring at -30 + 60 n degrees; nearest distance is the ISD."""
    sites = station_sites(num_cells, 400.0)
    distance = np.abs(sites[:, None] - sites[None, :])
    pairs = distance[np.triu_indices(num_cells, 1)]
    assert np.isclose(pairs, 400.0).sum() == neighbours
    assert np.all(pairs > 399.0)
    if num_cells == 7:
        angles = np.degrees(np.angle(sites[1:]))
        np.testing.assert_allclose((angles + 30.0) % 360.0, 60.0 * np.arange(6), atol=1e-6)


def test_placement_laws():
    """Distance uniform in [10, 200] m; on the hexagon E|z|^2 = 5/12 R^2; within 4 standard errors."""
    rings = [world_of(num_cells=7, run=run).drop for run in range(300)]
    own = np.concatenate([np.diag(drop.distance_m) for drop in rings])
    assert own.min() >= 10.0 and own.max() <= 200.0
    assert own.mean() == pytest.approx(105.0, abs=4 * 190.0 / np.sqrt(12 * own.size))
    area = [world_of(num_cells=7, run=run, placement="hexagon").drop for run in range(300)]
    offset = np.concatenate([drop.user_m - drop.station_m for drop in area])
    energy = np.abs(offset) ** 2
    assert energy.mean() == pytest.approx(200.0**2 * 5 / 12, abs=4 * energy.std() / np.sqrt(energy.size))
    # inside the hexagon with corners at 0, 60, ... degrees: no farther than the apothem towards each side
    normals = np.exp(1j * np.pi / 6 + 1j * np.pi / 3 * np.arange(6))
    reach = (offset[:, None] * normals.conj()).real
    assert reach.max() <= 200.0 * np.sqrt(0.75) * (1 + 1e-9)
    assert np.abs(offset).min() >= 10.0 * (1 - 1e-12)


def test_fading_law():
    """Check 1: mean of |g|^2 is 1 and its lag correlation rho^2 = 0.41, within 4 standard errors."""
    world, rows = world_of(), []
    for _ in range(20_000):
        world.fade()
        rows.append(np.abs(world.g) ** 2)
    power = np.array(rows).reshape(len(rows), -1)
    effective = power.size * (1 - 0.64**2) / (1 + 0.64**2)
    assert power.mean() == pytest.approx(1.0, abs=4 / np.sqrt(effective))
    centred = power - 1.0
    assert (centred[1:] * centred[:-1]).mean() == pytest.approx(0.64**2, abs=4 * 3 / np.sqrt(effective))


def test_first_index_is_the_receiver():
    """Check 1: gain[m, j] is user m from station j: only powers of station j reach through column j."""
    world = world_of()
    world.fade()
    drop = world.drop
    np.testing.assert_array_equal(drop.distance_m, np.abs(drop.user_m[:, None] - drop.station_m[None, :]))
    own, other = received_powers(np.array([0.0, 2.0, 0.0]), world.gain)
    np.testing.assert_allclose(own, [0.0, 2.0 * world.gain[1, 1], 0.0])
    np.testing.assert_allclose(other, [2.0 * world.gain[0, 1], 0.0, 2.0 * world.gain[2, 1]])


def test_streams_by_name():
    """A link's fading and a user's place do not depend on who else is there, on presets or on block size."""
    small, large = world_of(num_cells=3), world_of(num_cells=7, shadowing_db=8.0)
    np.testing.assert_array_equal(small.drop.user_m, large.drop.user_m[:3])
    for _ in range(130):
        small.fade()
        large.fade()
        np.testing.assert_array_equal(small.g, large.g[:3, :3])
    draws = [
        RequirementDraw(green(3, preset).qoe, 3, Streams(1)).draw(accuracy_of(TextCodec()))
        for preset in ("literal", "text_task")
    ]
    np.testing.assert_array_equal(draws[0].accuracy, draws[1].accuracy)
    np.testing.assert_allclose(draws[0].rate_ksuts - 80.0, draws[1].rate_ksuts - 50.0)


def test_substeps_keep_the_slot_correlation():
    world = GreenWorld(Layout(), Streams(1), steps_per_slot=4)
    assert world.rho**4 == pytest.approx(0.64)
    with pytest.raises(ParameterError, match="steps_per_slot"):
        GreenWorld(Layout(), Streams(1), steps_per_slot=0)


def test_rate_and_qoe_at_the_requirement():
    """Check 2: rate 720 / k exactly; both factors are 1/2 where what is required is delivered."""
    k = np.arange(1, 21)
    np.testing.assert_array_equal(semantic_rate(TextCodec(), k), 720.0 / k)
    assert logistic(np.array(0.1), np.array(0.0)) == 0.5
    assert logistic(np.array(55.0), np.array([-1e9, 1e9])).tolist() == pytest.approx([1.0, 0.0])


def test_rate_over_resource_elements():
    """10.2: 144,000 data elements of 180,000 symbols a second, 576 / k ksut/s; logged, or what QoE counts."""
    s = sample(green(3), 20, 0)
    power_w, k = s.rng.choice(s.model.levels_w, (20, 3)), s.rng.integers(1, 21, (20, 3))
    ideal = s.model.outcome(power_w, k, s.gain)
    rate, qoe = s.model.by_elements(k, ideal.accuracy)
    np.testing.assert_allclose(rate, 576.0 / k)
    assert (qoe <= ideal.qoe).all() and (qoe < ideal.qoe).any()
    counted = sample(green(3, codec__rate_basis="elements"), 20, 0).model.outcome(power_w, k, s.gain)
    np.testing.assert_array_equal(counted.rate_ksuts, rate)
    np.testing.assert_array_equal(counted.qoe, qoe)


def test_silent_network_and_sandwich():
    """Check 2: EE = mean(omega) = 0.5 in silence; mean(QoE) P_c/(P_c + p_max) <= EE <= mean(QoE)."""
    s = sample(green(7), 200, 0)
    silent = s.model.outcome(np.zeros((200, 7)), np.ones((200, 7), int), s.gain)
    np.testing.assert_allclose(silent.ee, 0.5, atol=1e-6)
    power_w = s.rng.choice(s.model.levels_w, (200, 7))
    out = s.model.outcome(power_w, s.rng.integers(1, 21, (200, 7)), s.gain)
    mean = out.qoe.mean(axis=1)
    static = s.model.system.power.static_w
    assert static == pytest.approx(7.956445, abs=5e-7)
    assert static / (static + 0.1) == pytest.approx(0.987588, abs=5e-7)
    assert np.all(mean * static / (static + 0.1) <= out.ee) and np.all(out.ee <= mean)
    assert np.all(out.ee / static <= 0.125684)


def test_published_curves():
    """Midpoints and floors of the fit (4.4), clip at -10 and 20 dB, silence at the floor."""
    f_s = accuracy_of(TextCodec())
    assert f_s.at_db(np.array(5), np.array(4.25)) == pytest.approx((0.4185 + 0.9751) / 2, abs=1e-3)
    assert clipped_db(np.array([0.0, 1e9])).tolist() == pytest.approx([-10.0, 20.0])
    silent = f_s.at_db(np.arange(1, 21), clipped_db(np.zeros(20)))
    assert silent[1:].min() > 0.38 and silent.max() < 0.46
    toy = accuracy_of(TextCodec(accuracy="toy"))
    k, x = np.arange(1, 21)[:, None], np.arange(-10.0, 21.0)
    # the specification has 0.095 against the table itself, of which the fit is up to 0.025 off
    assert np.abs(toy.at_db(k, x) - f_s.at_db(k, x)).max() == pytest.approx(0.095, abs=0.025)


def test_measured_table(tmp_path):
    """A table sampled from the curves gives them back between its points; bad files say what is wrong."""
    f_s, path = accuracy_of(TextCodec()), tmp_path / "table.csv"
    k, x = np.arange(1, 21), np.arange(-10.0, 21.0)
    rows = ["k,sinr_db,mean"] + [f"{a},{b},{f_s.at_db(a, b)}" for a in k for b in x]
    path.write_text("\n".join(rows))
    table = accuracy_of(TextCodec(accuracy="measured", accuracy_file=str(path)))
    fine = np.linspace(-10.0, 20.0, 301)
    np.testing.assert_allclose(table.at_db(k[:, None], fine), f_s.at_db(k[:, None], fine), atol=0.011)
    np.testing.assert_allclose(table.at_db(k[:, None], x), f_s.at_db(k[:, None], x), atol=1e-12)
    path.write_text("\n".join(rows[:-1]))
    for name, text in ((path, "full grid"), (tmp_path / "absent.csv", "no such file")):
        with pytest.raises(ParameterError, match=text):
            read_table(name)
    with pytest.raises(ParameterError, match="accuracy_file"):
        TextCodec(accuracy="measured", accuracy_file="")


def test_requirements_follow_the_scale_of_the_similarity():
    """10.4: with floor A1' and ceiling A2' a user is as hard to please as on the published scale."""
    plain = RequirementDraw(green().qoe, 3, Streams(1)).draw(accuracy_of(TextCodec()))
    half = TableAccuracy(
        np.array([1, 2]), np.array([0.0, 1.0]), np.array([[0.0, 0.1], [0.1, 0.28]]), 0.0, 0.28
    )
    mapped = RequirementDraw(green().qoe, 3, Streams(1)).draw(half)
    np.testing.assert_allclose(mapped.accuracy, (plain.accuracy - FLOOR) / 2)
    np.testing.assert_allclose(mapped.accuracy_growth, 2 * plain.accuracy_growth)
    assert LogisticAccuracy(np.zeros((1, 4))).ceiling == CEILING


def test_actions():
    """140 actions, levels linear in watts with 0, k = 1 .. 20; 133 with the literal codebook."""
    model = sample(green(), 1, 0).model
    level, k = model.decode(np.arange(140))
    assert model.num_actions == 140
    assert level[[0, 19, 20, 139]].tolist() == [0, 0, 1, 6] and k[[0, 19, 20, 139]].tolist() == [1, 20, 1, 20]
    np.testing.assert_allclose(model.levels_w * 1e3, [0, 16.667, 33.333, 50, 66.667, 83.333, 100], atol=1e-3)
    assert sample(green(3, "k19"), 1, 0).model.num_actions == 133


def observed(system, powers, gains, qoe=0.5, k=3):
    """Observations of successive slots with the given powers on air in the slot before."""
    observer, m = Observer(system), system.layout.num_cells
    return np.array([observer.take(p, g, np.full(m, qoe), np.full(m, k)) for p, g in zip(powers, gains)])


def test_observation_entries():
    """5.1: newest channel with old powers, then the same a slot earlier; scaled and clipped."""
    s = sample(green(), 3, 0)
    powers = s.rng.choice(s.model.levels_w, (3, 3))
    o = observed(s.model.system, powers, s.gain)
    own, other = received_powers(powers[2], s.gain[2])
    own_before, other_before = received_powers(powers[1], s.gain[1])
    noise = 10.0**-14.4
    with np.errstate(divide="ignore"):
        db = [10 * np.log10(x / noise) for x in (own, own_before, other + noise, other_before + noise)]
        sinr_db = 10 * np.log10(own / (other + noise))
    expected = [powers[2] / 0.1, np.clip(sinr_db, -20, 40) / 40, np.full(3, 0.5)]
    expected += [np.clip(x, -20, 60) / 60 for x in db]
    np.testing.assert_allclose(o[2], np.stack(expected, axis=1), rtol=1e-6)
    assert o.dtype == np.float32 and o.min() >= -0.5 and o.max() <= 1.0
    with_level = observed(green(decision__observe_level=True), powers, s.gain)
    assert with_level.shape == (3, 3, 8) and with_level[0, 0, 7] == np.float32(3 / 20)


def test_silence_is_observed_at_the_clip():
    o = observed(green(), np.zeros((2, 3)), sample(green(), 2, 0).gain)
    np.testing.assert_allclose(o[1, :, [0, 1, 3, 4]], [[0] * 3, [-0.5] * 3, [-1 / 3] * 3, [-1 / 3] * 3])
    np.testing.assert_allclose(o[1, :, 5:], 0.0, atol=1e-7)


def test_old_channel_equals_an_observation_one_slot_old():
    """Check 8: with constant powers what `post` measures is what `pre` measured a slot before."""
    s = sample(green(), 6, 0)
    powers = np.full((6, 3), s.model.levels_w[2])
    pre = observed(s.model.system, powers, s.gain)
    post = observed(green(3, "post_obs"), powers, s.gain)
    np.testing.assert_array_equal(post[2:], pre[1:-1])


def test_rewards():
    """5.3: ee and qoe are common, local is the own cell's; difference and scale."""
    s = sample(green(), 1, 0)
    qoe, power_w = np.array([[0.2, 0.4, 0.9]]), np.array([[0.0, 0.05, 0.1]])
    system = s.model.system
    ee = energy_efficiency(system.power, qoe, power_w)
    assert s.model.payoff(qoe, power_w)[0].tolist() == [ee[0]] * 3
    woec = sample(green(decision__reward="qoe"), 1, 0).model.payoff(qoe, power_w)
    np.testing.assert_allclose(woec, 0.5)
    local = sample(green(decision__reward="local"), 1, 0).model.payoff(qoe, power_w)
    static = system.power.static_w
    np.testing.assert_allclose(local, qoe * static / (static + power_w))
    assert reward_of(Decision(), np.array(0.7), np.array(0.5)) == 0.7
    change = reward_of(Decision(reward_difference=True, reward_scale=10.0), np.array(0.7), np.array(0.5))
    assert change == pytest.approx(2.0)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid(preset):
    assert green(3, preset).layout.num_cells == 3
