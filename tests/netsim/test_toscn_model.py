"""Acceptance checks of the TOSCN specification that concern the formulas: 1-4, 7-9, 11 (section 12 there)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scenarios_for_tests import toscn

from netsim import simulate
from netsim.link import PaperLink
from netsim.streams import Streams
from netsim.systems import toscn_system
from netsim.systems.toscn import TASKS, Action, Model, Observation
from netsim.systems.toscn_oracle import oracle_bound
from netsim.world import World

PAPER = {"phy": "paper", "semantics.packet_bits": 1_600_000}
EACH_TASK = np.arange(len(TASKS))


def paper(**assignments):
    return toscn(**{**PAPER, **assignments})


@pytest.fixture(scope="module")
def gains():
    """Power gains of 20,000 independent placements, float64[20000, 6]."""
    scenario = paper()
    world = World(scenario.cell, scenario.fading, scenario.slot_ns, Streams(11))
    rows = []
    for episode in range(20_000):
        world.new_drop(episode)
        world.fade()
        rows.append(world.gain)
    return np.array(rows)


def test_link_budget(gains):
    """Check 1: spectral efficiency, SNR quantiles and capacity at equal power density."""
    radio = paper().radio
    snr = radio.power_w * gains / (radio.n0 * radio.bandwidth_hz)
    efficiency = np.log2(1.0 + snr)
    assert efficiency.mean() == pytest.approx(15.62, abs=0.05)
    assert efficiency.std() == pytest.approx(3.62, abs=0.05)
    np.testing.assert_allclose(
        10 * np.log10(np.quantile(snr, [0.05, 0.5, 0.95])), [30.1, 46.5, 66.0], atol=0.3
    )
    for bandwidth, capacity in ((2e6, 4.05), (3e6, 5.86), (4e6, 7.60), (6e6, 10.96), (8e6, 14.2)):
        mean = np.log2(1.0 + radio.power_w * gains / (radio.n0 * bandwidth)).mean()
        assert 0.2 * bandwidth * mean / 1.6e6 == pytest.approx(capacity, rel=0.01)


def test_gain_is_standardised_as_the_state_assumes(gains):
    """Section 4.1: 10 log10 h has mean -85.2 dB and standard deviation 10.9 dB."""
    gain_db = 10 * np.log10(gains)
    assert gain_db.mean() == pytest.approx(-85.2, abs=0.2)
    assert gain_db.std() == pytest.approx(10.9, abs=0.2)


def test_gauss_markov_correlation():
    """(17): lag-one correlation J0(2 pi f_d L) = 0.643 at 1 Hz and 200 ms, unit power, within 4 standard
    errors.
    """
    scenario = paper()
    world = World(scenario.cell, scenario.fading, scenario.slot_ns, Streams(5))
    world.new_drop(0)
    taps = []
    for _ in range(20_000):
        world.fade()
        taps.append(world.taps[:, 0, 0])
    g = np.array(taps)
    assert world.rho == pytest.approx(0.6425, abs=5e-4)
    samples = g.size * (1 - world.rho) / (1 + world.rho)  # effective number of independent samples
    assert np.mean(np.abs(g) ** 2) == pytest.approx(1.0, abs=4 / np.sqrt(samples))
    assert np.mean(g[1:] * g[:-1].conj()).real == pytest.approx(world.rho, abs=4 / np.sqrt(samples))


@pytest.mark.parametrize(("antennas", "k"), [(1, 3.0), (4, 0.0), (6, 2.0)])
def test_fading_power_per_antenna_is_one(antennas, k):
    """E|h|^2 = 1 per antenna whatever K, taps and antennas (SNR contract), within 4 standard errors."""
    scenario = paper(
        **{
            "fading.num_rx_ant": antennas,
            "fading.rician_k": k,
            "fading.num_taps": 3,
            "fading.doppler_hz": None,
        }
    )
    world = World(scenario.cell, scenario.fading, scenario.slot_ns, Streams(5))
    power = []
    for episode in range(3000):
        world.new_drop(episode)
        world.fade()
        power.append((np.abs(world.taps) ** 2).sum(axis=2))
    power = np.array(power)
    error = power.std(axis=(0, 1)) / np.sqrt(power.shape[0] * power.shape[1])
    assert np.all(np.abs(power.mean(axis=(0, 1)) - 1.0) < 4 * error)


def test_accuracy_curve():
    """Check 2: values F2 and F3 of the specification to the digits printed there."""
    model = Model(paper())
    expected = {0.7: (0.922, 0.900, 0.908), 0.8: (0.905, 0.892, 0.871), 0.85: (0.873, 0.873, 0.820),
                0.9: (0.800, 0.816, 0.719), 0.95: (0.638, 0.662, 0.528)}  # fmt: skip
    for eta, values in expected.items():
        np.testing.assert_allclose(
            model.accuracy(EACH_TASK, eta), values, atol=5.1e-4
        )  # printed with 3 digits
    assert np.all(model.accuracy(EACH_TASK, 0.0) - model.accuracy(EACH_TASK, 0.5) <= 1.3e-4)
    for floor, values in (
        (0.6, (0.9577, 0.9614, 0.9346)),
        (0.7, (0.9351, 0.9413, 0.9066)),
        (0.8, (0.9001, 0.9081, 0.8628)),
    ):
        most = Model(paper(**{"semantics.min_accuracy": floor})).max_compression(EACH_TASK)
        np.testing.assert_array_equal(most, np.floor(np.array(values) * 512) / 512)
    grid = np.arange(512) / 512
    for task in EACH_TASK:
        allowed = grid[grid <= model.max_compression(task)]
        assert np.all(np.diff(model.accuracy(task, allowed) / (1.0 - allowed)) > 0.0)


def test_hand_case():
    """Check 3: one device at 0.5 MHz, 1/30 W, gain 1e-9, eta 0.5."""
    link = PaperLink(paper().radio)
    rate = link.carried_bits(np.array([5e5]), np.array([1 / 30]), np.array([1e-9]), 1_000_000_000)[0]
    assert rate == pytest.approx(7.02e6, rel=0.005)
    assert 0.2 * rate / 0.8e6 == pytest.approx(1.754, rel=0.005)
    for queue, delivered in ((0, 0), (1, 1), (5, 1)):
        done = link.completions_ns(5e5, 1 / 30, 1e-9, 800_000, queue, 200_000_000)
        assert len(done) == delivered


def test_floors():
    """Check 4: a power grant in watts is not rounded to 0; eta close to 1 keeps one map."""
    model = Model(paper())
    grants = model.grants(
        Action(np.array([0.999999]), np.array([1.0]), np.array([1 / 6])), PaperLink(paper().radio)
    )
    assert grants.compression[0] == 511 / 512
    assert 0.03333 < grants.power_w[0] <= 0.2 / 6
    assert model.packet_bits(grants.compression)[0] == 1_600_000 / 512
    exact = model.effective(np.arange(512) / 512)
    np.testing.assert_array_equal(exact, np.arange(512) / 512)


def _policy(scenario, name, model, streams):
    return toscn_system.make_policy(
        toscn(**{**PAPER, "agent.name": name}), PaperLink(scenario.radio), model, streams
    )


@pytest.mark.parametrize("name", ["equal", "prop", "je_equal", "je_qse", "myopic", "sum_packets"])
def test_permuting_users_within_a_task_permutes_the_action(name):
    """Check 7: no policy depends on the numbering of devices of the same task."""
    scenario = paper()
    model = Model(scenario)
    rng = np.random.default_rng(3)
    policy = _policy(scenario, name, model, Streams(1))
    for slot in range(20):
        task, gain, queue = np.zeros(6, int), 10 ** rng.uniform(-10, -7, 6), rng.integers(0, 7, 6)
        order = rng.permutation(6)
        plain = policy.act(Observation(slot, 0, task, gain, queue))
        permuted = policy.act(Observation(slot, 0, task, gain[order], queue[order]))
        np.testing.assert_allclose(permuted.compression, plain.compression[order], atol=1e-12)
        np.testing.assert_allclose(permuted.bandwidth_share, plain.bandwidth_share[order], rtol=1e-9)


def _slots(count, seed=0):
    """Random contexts of one slot: tasks, gains of real placements, queues."""
    scenario = paper()
    world = World(scenario.cell, scenario.fading, scenario.slot_ns, Streams(seed))
    rng = np.random.default_rng(seed)
    for slot in range(count):
        world.new_drop(slot)
        world.fade()
        yield Observation(slot, 0, np.sort(rng.integers(0, 3, 6)), world.gain, rng.integers(0, 7, 6))


def _value(model, link, observation, action):
    """Objective (M9) of one slot at level paper."""
    grants = model.grants(action, link)
    sent = [
        len(link.completions_ns(b, p, g, float(model.packet_bits(eta)), int(q), model.scenario.slot_ns))
        for b, p, g, eta, q in zip(
            grants.bandwidth_hz, grants.power_w, observation.gain, grants.compression, observation.queue
        )
    ]
    return float((np.array(sent) * model.accuracy(observation.task, grants.compression)).sum())


@pytest.mark.parametrize("bandwidth_hz", [2e6, 3e6, 8e6])
def test_myopic_between_the_rules_and_its_dual_bound(bandwidth_hz):
    """Check 9: myopic <= dual bound in every slot, mean gap < 0.1 %; myopic >= je_qse >= je_equal in the
    mean.
    """
    scenario = paper(**{"radio.bandwidth_hz": bandwidth_hz})
    model, link = Model(scenario), PaperLink(scenario.radio)
    names = ("myopic", "je_qse", "je_equal")
    policies = [
        toscn_system.make_policy(toscn(**{**PAPER, "agent.name": n}), link, model, Streams(1)) for n in names
    ]
    values, bounds = [], []
    for observation in _slots(250):
        values.append([_value(model, link, observation, policy.act(observation)) for policy in policies])
        bounds.append(policies[0].solve(observation).dual_bound)
    values, bounds = np.array(values), np.array(bounds)
    assert np.all(values[:, 0] <= bounds + 1e-9)
    assert (bounds - values[:, 0]).mean() < 1e-3 * bounds.mean()
    myopic, by_queue, equal = values.mean(axis=0)
    assert myopic >= by_queue >= equal


def test_myopic_against_brute_force_for_two_devices():
    """Check 9: within 0.3 % of the best (v1, v2, eta1, eta2) on average."""
    scenario = paper(**{"cell.num_ues": 2, "radio.bandwidth_hz": 7e5})
    model, link = Model(scenario), PaperLink(scenario.radio)
    policy = toscn_system.make_policy(toscn(**{**PAPER, "agent.name": "myopic"}), link, model, Streams(1))
    grid = np.arange(512) / 512
    gaps = []
    for observation in itertools.islice(_slots(60, seed=2), 60):
        two = Observation(0, 0, observation.task[:2], observation.gain[:2], observation.queue[:2])
        if two.queue.sum() == 0:
            continue
        carried = policy.carried_bits(np.ones(2), two.gain)
        most = model.max_compression(two.task)
        best = 0.0
        for v1, v2 in itertools.product(range(two.queue[0] + 1), range(two.queue[1] + 1)):
            # for given counts, sweep eta_1 over the grid; eta_2 is then the smallest that fits
            eta1 = grid[grid <= most[0]] if v1 else np.zeros(1)
            used = v1 * model.packet_bits(eta1) / carried[0]
            left = 1.0 - used
            with np.errstate(divide="ignore", invalid="ignore"):
                need = np.where(v2 > 0, 1.0 - left * carried[1] / (max(v2, 1) * 1.6e6), 0.0)
            eta2 = np.clip(np.ceil(need * 512 - 1e-9) / 512, 0.0, None)
            fits = (left >= -1e-12) & ((eta2 <= most[1]) if v2 else True)
            value = v1 * model.accuracy(two.task[0], eta1) + v2 * model.accuracy(
                two.task[1], np.minimum(eta2, most[1])
            )
            if fits.any():
                best = max(best, float(value[fits].max()))
        gaps.append((best - _value(model, link, two, policy.act(two))) / max(best, 1e-9))
    assert len(gaps) > 40
    assert np.mean(gaps) < 3e-3
    assert np.max(gaps) < 3e-2


def _episode(trace, episode, length):
    rows = slice(episode * length, (episode + 1) * length)
    shape = (-1, 6)
    gain = trace["receptions"]["gain"].reshape(shape)[rows]
    buffers = trace["buffers"]
    offered = (buffers["arrived"] + buffers["blocked"]).reshape(shape)[rows].copy()
    start = buffers["queued_start"].reshape(shape)[rows][0]
    offered[0] -= start  # the initial packets count as arrived in the first slot
    task = trace["ues"]["task"].reshape(shape)[episode]
    return task, gain, offered, start


def _oracle_gap(episodes, slack, **assignments):
    """Objective of the myopic policy and the clairvoyant bound, float64[episodes] each."""
    length = assignments.get("episode_slots", 10)
    scenario = paper(**{"slots": length * episodes, "agent.name": "myopic", **assignments})
    trace = simulate.run_in_memory(scenario).trace()
    objective = trace["slots"]["objective"].reshape(episodes, length).sum(axis=1)
    model = Model(scenario)
    bounds = np.array(
        [oracle_bound(model, *_episode(trace, e, length), slack=slack) for e in range(episodes)]
    )
    return objective, bounds


@pytest.mark.parametrize(("bandwidth_hz", "most"), [(2e6, 0.012), (3e6, 0.012), (8e6, 0.012)])
def test_oracle_bounds_myopic_tightly(bandwidth_hz, most):
    """Check 11: oracle - myopic in [0, 1.2 %] of the reward for Poisson(4), and no episode above the
    bound.
    """
    objective, bounds = _oracle_gap(12, 1.004, **{"radio.bandwidth_hz": bandwidth_hz})
    assert np.all(objective <= bounds * (1 + 1e-6))
    assert 0.0 <= (bounds - objective).sum() / bounds.sum() <= most


def test_planning_matters_for_bursts_only():
    """Check 11: with burst(0.2) at 1 MHz a clairvoyant planner gains at least 20 %."""
    objective, bounds = _oracle_gap(
        12,
        1.004,
        **{
            "radio.bandwidth_hz": 1e6,
            "traffic.law": "burst",
            "traffic.initial_queue": "empty",
            "episode_slots": 20,
        },
    )
    assert (bounds - objective).sum() / objective.sum() >= 0.20


@pytest.mark.parametrize(("floor", "bandwidth_hz", "most"), [(0.6, 3e6, 5e-4), (0.8, 2e6, 0.01)])
def test_saturated_arrivals_decouple_the_slots(floor, bandwidth_hz, most):
    """Check 8: with buffers refilled every slot the myopic plan is optimal but for whole packets (F4)."""
    saturated = {"traffic.law": "saturated", "traffic.initial_queue": "full"}
    limits = {"semantics.min_accuracy": floor, "radio.bandwidth_hz": bandwidth_hz}
    objective, bounds = _oracle_gap(16, 1.0, **saturated, **limits)
    gap = (bounds - objective).sum() / bounds.sum()
    assert -1e-9 <= gap <= most
