"""The SC-QoS scenario in the event loop: equal to a plain slotted loop, and the same chain at all levels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from netsim import checks, params, simulate
from netsim.streams import Streams
from netsim.systems.scqos import Scqos
from netsim.systems.scqos_meaning import TabledMeaning
from netsim.systems.scqos_model import latency_s, psi
from netsim.systems.scqos_policies import make_policy, scenario_bank
from netsim.systems.scqos_radio import assigned_channel, snr_of_beams
from netsim.systems.scqos_system import Observation
from netsim.systems.scqos_world import ScqosWorld

PAPER = {"phy": "paper", "semantics.bank": "synthetic", "semantics.surrogate": "bank"}
BITS = {
    "semantics.bank": "grammar",
    "semantics.metric": "token_f1",
    "slots": 12,
    "utility.min_similarity": 0.5,
}


def scqos(**values) -> Scqos:
    made = params.override(Scqos(), {"slots": 200, **values})
    assert isinstance(made, Scqos)
    return made


def slotted(scenario: Scqos, run: int) -> dict[str, np.ndarray]:
    """The model as a loop: no events, no buffers, no messages (specification scqos 12)."""
    streams = Streams(scenario.seed, run)
    bank, downlink = scenario_bank(scenario), scenario.downlink
    meaning = TabledMeaning(scenario, bank, streams)
    policy = make_policy(scenario, bank, streams)
    world = ScqosWorld(downlink, scenario.csi.doppler_hz, scenario.slot_ns, streams)
    # a slot's capture, and one at the beginning of each episode, which finds an empty buffer
    draws = [streams.sequential(f"items/ue{u}") for u in range(3)]
    rows: dict[str, list] = {name: [] for name in ("item", "bits", "snr", "similarity", "latency", "psi")}
    waiting = np.zeros(3, np.int64)
    for t in range(scenario.slots):
        if t % scenario.episode_slots == 0:
            world.new_drop()
            waiting = np.array([int(stream.random() * bank.num_items) for stream in draws])
        world.fade()
        seen = Observation(t, 0, waiting, meaning.features(waiting), world.h, world.full_snr, np.array)
        a = policy.act(seen)
        beams = np.sqrt(downlink.power_w * a.power_share)[:, None] * a.beams
        snr = snr_of_beams(downlink, assigned_channel(world.h, a.subchannel), beams)
        delay, dropped = latency_s(
            scenario.utility, scenario.ofdm, a.bits, downlink.bandwidth_hz * a.band_share, snr
        )
        similarity = meaning.similarity(t, np.arange(3), waiting, a.bits, snr, None).values
        similarity = np.where(dropped, 0.0, similarity)
        values = (waiting, a.bits, snr, similarity, delay, psi(scenario.utility, similarity, a.bits, delay))
        for name, value in zip(rows, values):
            rows[name].append(value)
        waiting = np.array([int(stream.random() * bank.num_items) for stream in draws])
    return {name: np.array(values) for name, values in rows.items()}


CASES = [
    *itertools.product(["mapping", "random"], [0, 1]),
    ("local_probe", 2), ("oracle_aware", 0), ("rate_only", 1), ("equal", 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "run"), CASES)
def test_without_delays_the_run_is_the_slotted_loop(name, run):
    """Check 23: sentences, decisions, SNR, similarity, latency and Psi equal, slot by slot."""
    scenario = scqos(**PAPER, **{"agent.name": name})
    expected = slotted(scenario, run)
    trace = simulate.run_in_memory(scenario, run).trace()
    assert checks.check(trace) == []
    found, packets = trace["sentences"], trace["packets"]
    np.testing.assert_array_equal(found["bits"].reshape(-1, 3), expected["bits"])
    np.testing.assert_array_equal(found["similarity"].reshape(-1, 3), expected["similarity"])
    np.testing.assert_array_equal(found["latency_s"].reshape(-1, 3), expected["latency"])
    np.testing.assert_array_equal(trace["slots"]["objective"], expected["psi"])
    snr_db = trace["receptions"]["sinr_db"].reshape(-1, 3)
    np.testing.assert_array_equal(snr_db, 10.0 * np.log10(expected["snr"]))
    order = np.lexsort((packets["ue"], packets["created_ns"]))
    sent = packets["sent_ns"][order] >= 0
    np.testing.assert_array_equal(packets["item"][order][sent].reshape(-1, 3), expected["item"])


def test_a_measured_sojourn_is_the_formula_without_delays_and_longer_with_them():
    trace = simulate.run_in_memory(scqos(**PAPER, slots=50)).trace()["sentences"]
    np.testing.assert_allclose(trace["sojourn_s"], trace["latency_s"], atol=1e-9)
    late = scqos(
        **PAPER, slots=50, **{"signalling.action_delay_ns": 2_000_000, "signalling.grant_gap": "idle"}
    )
    slow = simulate.run_in_memory(late).trace()["sentences"]
    np.testing.assert_allclose(slow["sojourn_s"] - slow["latency_s"], 2e-3, atol=1e-9)


def test_a_sentence_beyond_the_cap_is_dropped_and_worth_nothing():
    narrow = scqos(**PAPER, slots=20, **{"downlink.bandwidth_hz": 1e3, "agent.name": "equal"})
    trace = simulate.run_in_memory(narrow).trace()
    assert (trace["packets"]["fate"][: 3 * 19] == 2).all() and (trace["sentences"]["similarity"] == 0).all()
    assert (trace["sentences"]["latency_s"] == 20e-3).all()


def test_stale_observations_lose_the_knowledge_of_the_sentence():
    """Check 26: with an observation one slot old, the sentence-aware planner does no better than by SNR."""
    stale = {"signalling.observation_delay_ns": 25_000_000}
    value = {
        (name, bool(delay)): [
            simulate.run_in_memory(scqos(**PAPER, **{"agent.name": name}, **delay), run)
            .trace()["slots"]["objective"][1:]
            .mean()
            for run in range(3)
        ]
        for name, delay in itertools.product(("oracle_aware", "oracle_snr"), ({}, stale))
    }
    fresh = np.subtract(value["oracle_aware", False], value["oracle_snr", False])
    old = np.subtract(value["oracle_aware", True], value["oracle_snr", False])
    assert fresh.min() > 0.1
    assert old.mean() < 2.0 * np.std(fresh, ddof=1) / np.sqrt(3)


@pytest.fixture(scope="module")
def levels():
    return {
        level: simulate.run_in_memory(scqos(**BITS, phy=level)).trace()
        for level in ("table", "bit", "waveform")
    }


def test_bit_and_waveform_are_the_same_run(levels):
    for table in ("packets", "sentences", "slots"):
        for column, values in levels["bit"][table].items():
            np.testing.assert_array_equal(values, levels["waveform"][table][column], err_msg=column)


def test_all_levels_send_the_same_sentences_and_lose_some_bits(levels):
    for level, trace in levels.items():
        assert checks.check(trace) == []
        np.testing.assert_array_equal(trace["packets"]["item"], levels["bit"]["packets"]["item"])
        errors, bits = trace["receptions"]["num_bit_errors"].sum(), trace["receptions"]["num_bits"].sum()
        assert 0 < errors < 0.1 * bits, level


def test_without_noise_what_arrives_is_the_error_free_decode():
    """Check 7: at a very high SNR similarities equal those of the bank's error-free decodes."""
    clean = scqos(**{**BITS, "downlink.power_dbm": 60.0})
    trace, bank = simulate.run_in_memory(clean).trace(), scenario_bank(clean)
    assert trace["receptions"]["num_bit_errors"].sum() == 0
    from netsim.semantics.similarity import load_metric
    from netsim.semantics.text_codec import load_text_codec

    codec, metric = load_text_codec("grammar"), load_metric("token_f1")
    sent = trace["packets"]["sent_ns"] >= 0
    items = trace["packets"]["item"][sent]
    bits = np.rint(3 * (1.0 - trace["packets"]["compression"][sent])).astype(int)
    expected = []
    for item, n in zip(items, bits):
        quantiser = codec.quantizer(int(n))
        words = quantiser.encode(bank.embedding[item : item + 1])
        text = codec.decode(quantiser.decode(words), int(n))
        expected.append(metric.sim([bank.sentences[item]], text)[0])
    np.testing.assert_array_equal(trace["packets"]["score"][sent], expected)


def test_bit_errors_of_a_run_are_those_of_the_same_words_at_its_snr():
    """The words are not scrambled, so no closed form holds; the same payloads, sent by `over_awgn` under
    other keys at the SNR that the run recorded, do. 0.5 dB apart would be noticed.
    """
    from netsim.semantics.sbq_mapping import mapping_of
    from netsim.semantics.text_codec import load_text_codec
    from netsim.systems.scqos_link import over_awgn

    scenario = scqos(
        **{**BITS, "slots": 150, "agent.name": "equal", "agent.bits": 2, "downlink.power_dbm": -14.0}
    )
    trace, bank = simulate.run_in_memory(scenario).trace(), scenario_bank(scenario)
    packets, snr_db = trace["packets"], trace["receptions"]["sinr_db"]
    sent = packets["sent_ns"] >= 0
    order = np.lexsort((packets["ue"][sent], packets["sent_ns"][sent]))
    items = packets["item"][sent][order]
    words = load_text_codec("grammar").quantizer(2).encode(bank.embedding[items])
    payload = mapping_of(64, 2).pack(words)
    again = [
        int(np.unpackbits(over_awgn(payload, 128, snr_db, key, np.arange(len(items))) ^ payload).sum())
        for key in range(1, 9)
    ]
    found, expected = int(packets["num_bit_errors"][sent].sum()), float(np.mean(again))
    assert expected > 1500
    # errors of neighbouring bits come together: the spread over keys says how much
    assert abs(found - expected) < 4.0 * max(np.std(again, ddof=1), np.sqrt(expected))


def test_same_seed_same_digest_and_another_run_differs():
    """Check 25, at level bit."""
    scenario = scqos(**{**BITS, "slots": 6})
    first, again, other = (simulate.run_in_memory(scenario, run).digest for run in (0, 0, 1))
    assert first == again
    assert all(first[table] != other[table] for table in ("packets", "sentences", "slots", "receptions"))
