"""Figures of SC-QoS on small inputs: what they claim is what they measured, and CSV and picture are there."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from test_scqos_bank import Codebook

from netsim import training
from netsim.figures import (
    scqos_2b,
    scqos_5,
    scqos_7,
    scqos_planners,
    scqos_planners_plot,
    scqos_table_4,
    scqos_trained,
)
from netsim.semantics.sbq import Sbq
from netsim.semantics.sbq_levels import threshold
from netsim.semantics.similarity import load_metric
from netsim.systems.scqos_bank import Bank
from netsim.systems.scqos_bank_file import shipped_banks
from netsim.systems.scqos_bank_synthetic import synthetic_bank
from netsim.systems.scqos_radio import Downlink
from phy.parameters import ParameterError


def rows_of(path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_figure_2b_measures_what_it_says(tmp_path):
    """Every entry is MSE over variance with an interval; the best threshold beats mean and median."""
    sets = scqos_2b.feature_sets(20_000, shipped_banks())
    x = sets["half-normal"]
    assert x.shape == (20, 1000)
    found = scqos_2b.entries("half-normal", x)
    value = {(e.quantiser, e.bits): e for e in found}
    for bits in (1, 2, 3):
        entry = value["midpoint, mean", bits]
        error = Sbq("midpoint", bits, threshold(x, "mean", "midpoint", bits)).mse(x) / x.var()
        assert entry.error == pytest.approx(error, rel=1e-9)
        assert entry.low < entry.error < entry.high
        assert value["midpoint, mse", bits].error <= min(
            value[f"midpoint, {r}", bits].error for r in ("mean", "median")
        )
        assert value["Lloyd-Max", bits].error <= min(e.error for e in found if e.bits == bits)
    assert ("signed levels, mean", 2) not in value
    assert any(e.quantiser == "signed levels, mean" for e in scqos_2b.entries("normal", sets["normal"]))
    shapes = [scqos_2b.shape_of("half-normal", x)]
    assert shapes[0].mean == pytest.approx(np.sqrt(2 / np.pi), abs=0.02) and shapes[0].zeros == 0.0
    paths = scqos_2b.write_csv(shapes, found, tmp_path)
    assert len(rows_of(paths[1])) == len(found) and rows_of(paths[0])[0]["features"] == "half-normal"
    scqos_2b.draw(found, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_figure_7_compares_schemes_over_the_same_channels(tmp_path):
    codec = Codebook()
    metric = load_metric("token_f1")
    bank = Bank(
        tuple(codec.sentences), codec.features, np.array([0.0, 20.0]), np.ones((40, 3, 2, 2), np.float32),
        np.ones((40, 3), np.float32), {},
    )  # fmt: skip
    found = scqos_7.measure(bank, codec, {"token_f1": (metric, 0.5)}, Downlink(), exponents=(-8.0, -2.5))
    value = {(p.scheme, p.exponent): p for p in found}
    assert len(found) == 2 * 6
    for scheme in ("1 bit", "3 bits", "ASCII", "ASCII, LDPC rate 1/2"):
        quiet, loud = value[scheme, -8.0], value[scheme, -2.5]
        assert quiet.ber == 0.0 and loud.ber > 0.0
        assert quiet.similarity > loud.similarity
        assert quiet.snr_db - loud.snr_db == pytest.approx(55.0)
    assert value["ASCII", -8.0].similarity == value["ASCII", -8.0].exact == 1.0
    assert value["2 bits", -8.0].bits == 16.0
    scqos_7.write_csv(found, tmp_path / "x.csv")
    assert len(rows_of(tmp_path / "x.csv")) == len(found)
    scqos_7.draw(found, {"token_f1": 0.1}, tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


def test_noise_of_the_paper():
    """E-13: 10^(13 + p_f) times the noise of 1 Hz at -174 dBm/Hz."""
    assert scqos_7.noise_dbm(-3.6) == pytest.approx(-80.0)


@pytest.mark.parametrize("name", list(scqos_planners.SWEEPS))
def test_sweeps_of_the_planners(name, tmp_path, monkeypatch):
    """Losses are paired differences to oracle_snr; shares sum to 1; the picture needs nothing else."""
    bank = synthetic_bank(np.random.default_rng(0), 40, 4)
    settings = scqos_planners.SWEEPS[name]
    if name != "scqos-10":
        monkeypatch.setitem(scqos_planners.SWEEPS, name, settings[1::2])
    found = scqos_planners.sweep(name, bank, 8)
    for score in found:
        assert score.share_1 + score.share_2 + score.share_3 == pytest.approx(1.0)
        same = {s.policy: s for s in found if (s.min_similarity, s.power_dbm, s.bandwidth_hz)
                == (score.min_similarity, score.power_dbm, score.bandwidth_hz)}  # fmt: skip
        assert score.loss == pytest.approx(same["oracle_snr"].psi - score.psi, abs=1e-12)
        assert same["aware_in"].psi >= score.psi - 1e-9 or score.policy == "aware_cf"
    scqos_planners_plot.write_csv(found, tmp_path / "x.csv")
    assert len(rows_of(tmp_path / "x.csv")) == len(found)
    scqos_planners_plot.draw(name, found, tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


def test_slots_of_a_training_are_halved_away_from_the_default_setting():
    budget = scqos_trained.budget(64_000, quick=False)
    assert (budget.iterations, budget.elsewhere) == (20, 10)
    here, there = scqos_planners.Setting(), scqos_planners.Setting(power_dbm=0.0)
    plans = scqos_trained.wanted([scqos_trained.Learner()], [here, there], "synthetic", budget)
    assert [(plan.iterations, plan.seed) for plan in plans] == [(20, 0), (20, 1), (20, 2), (10, 0)]
    assert scqos_trained.budget(None, quick=True) == scqos_trained.QUICK
    for slots, quick in ((32_000, False), (100_000, False), (64_000, True)):
        with pytest.raises(ParameterError, match=f"--slots {slots}: must be a multiple of 64000"):
            scqos_trained.budget(slots, quick)


def test_gains_are_paired_ratios_seed_by_seed():
    """By hand for one seed and for three; a learner with fewer seeds is compared by the common ones."""
    setting = scqos_planners.Setting()
    rng = np.random.default_rng(3)
    theirs = rng.uniform(0.5, 1.5, 400)
    mine = np.stack([1.1 * theirs, 1.2 * theirs, 1.3 * theirs])
    one = scqos_trained.gain(setting, "hybrid", "x", mine[:1] + rng.normal(0, 0.1, 400), theirs[None])
    assert one.seeds == 1 and one.low < 0.1 < one.high and one.high - one.low < 0.05
    three = scqos_trained.gain(setting, "hybrid", "x", mine, theirs[None])
    assert three.gain == pytest.approx(0.2) and three.seeds == 3
    assert three.high - three.gain == pytest.approx(4.3027 * 0.1 / np.sqrt(3), rel=1e-4)
    pairs = scqos_trained.gain(setting, "hybrid", "y", mine, mine[:2] / 1.5)
    assert pairs.seeds == 2 and pairs.gain == pytest.approx(0.5)


def test_learners_join_a_sweep_where_they_were_trained(tmp_path, monkeypatch):
    """Their gains are over every planner there, and over the learners before them."""
    here = scqos_planners.SWEEPS["scqos-6"][1:3]
    monkeypatch.setitem(scqos_planners.SWEEPS, "scqos-6", here)
    monkeypatch.setattr(scqos_trained, "judged", lambda slots, plans: _constant(slots, len(plans)))
    proposed, guided = scqos_trained.Learner(), scqos_trained.Learner(guided=True)
    lines = scqos_trained.Lines({guided: here[1:], proposed: here}, "grammar", scqos_trained.QUICK)
    bank = synthetic_bank(np.random.default_rng(0), 40, 4)
    found = scqos_planners.sweep("scqos-6", bank, 8, learners=lines)
    assert [s.min_similarity for s in found if s.policy == "hybrid"] == [0.75, 0.8]
    assert [s.min_similarity for s in found if s.policy == "hybrid, mapping-guided"] == [0.8]
    over = {g.over: g.gain for g in lines.gains if g.policy == "hybrid" and g.min_similarity == 0.8}
    assert over["hybrid, mapping-guided"] == pytest.approx(0.0)
    best = next(s.psi for s in found if s.policy == "oracle_snr" and s.min_similarity == 0.8)
    assert over["oracle_snr"] == pytest.approx(0.25 / best - 1.0)
    scqos_planners_plot.write_csv(lines.gains, tmp_path / "x.csv")
    assert len(rows_of(tmp_path / "x.csv")) == len(lines.gains)
    scqos_planners_plot.draw("scqos-6", found, tmp_path / "x.png")


def _constant(slots, seeds):
    bits = np.ones((seeds, slots.num_slots, 3), int)
    return scqos_trained.Judged(np.full((seeds, slots.num_slots), 0.25), bits)


@pytest.mark.parametrize("segments", [1, 8])
def test_figure_5_shows_curves_and_plateaus_of_long_trainings(segments, tmp_path):
    """A training of one segment (--quick) has curves, but no plateau."""
    iterations, rng = 10 * segments, np.random.default_rng(0)
    about = {"iterations": iterations, "cpu_s": 120.0, "parameters": {"pace": {"lanes": 32}}}
    names = ("reward", "user0", "user1", "user2")
    judged = 1.0 - 0.5 ** np.arange(1, segments + 1)
    results = {
        agent: [
            training.Result(
                tmp_path, about, {n: rng.uniform(0, 1, iterations) for n in names}, {}, judged + 0.001 * seed
            )
            for seed in range(2)
        ]
        for agent in ("hybrid", "td3")
    }
    at = -10.0, 90e3
    found = [
        scqos_planners.Score(0.8, *at, "oracle_snr", 0.7, 0.6, 0.8, 0, 0, 0, 0, 1, 0, 100),
        scqos_planners.Score(0.8, *at, "hybrid", 0.7, 0.6, 0.8, 0, 0, 0, 0, 1, 0, 100, 2),
    ]
    scqos_5.write_csv(results, found, tmp_path / "x.csv")
    rows = rows_of(tmp_path / "x.csv")
    assert sum(row["quantity"] == "judged" for row in rows) == 2 * segments
    ends = [row["value"] for row in rows if row["quantity"] == "slots to plateau"]
    # 99 % of the mean of segments 5 to 8 (0.985) is first reached by 1 - 2^-6 at segment 6
    assert ends == ([] if segments == 1 else [str(6 * 32_000)] * 2)
    minutes = [float(row["value"]) for row in rows if row["quantity"] == "CPU minutes to plateau"]
    assert minutes == ([] if segments == 1 else [1.5] * 2)
    scqos_5.draw(results, found, tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


def test_table_4_shows_sentences_of_all_lengths(tmp_path):
    codec = Codebook()
    bank = Bank(
        tuple(codec.sentences), codec.features, np.array([0.0, 20.0]), np.ones((40, 3, 2, 2), np.float32),
        np.tile(np.float32([0.0, 0.9, 1.0]), (40, 1)), {},
    )  # fmt: skip
    found = scqos_table_4.examples(bank, codec, load_metric("token_f1"), count=3)
    assert len(found) == 3 * 2 * 3
    clean = [e for e in found if np.isinf(e.snr_db) and e.bits == 3]
    assert [e.received for e in clean] == [e.sentence for e in clean]
    rows = scqos_table_4.by_length(bank, 0.8)
    assert [(r.shortest, r.bits, r.valid, r.sentences) for r in rows] == [
        (1, 1, 0.0, 40),
        (1, 2, 1.0, 40),
        (1, 3, 1.0, 40),
    ]
    scqos_table_4.write_csv(found, tmp_path / "x.csv")
    assert len(rows_of(tmp_path / "x.csv")) == len(found)
    lengths = synthetic_bank(np.random.default_rng(0), 50, 2)
    picked = lengths.length[scqos_table_4.chosen(lengths, 5)]
    assert (
        picked[0] == lengths.length.min()
        and picked[-1] == lengths.length.max()
        and np.all(np.diff(picked) >= 0)
    )
