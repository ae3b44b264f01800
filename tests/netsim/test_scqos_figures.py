"""Figures of SC-QoS on small inputs: what they claim is what they measured, and CSV and picture are there."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from test_scqos_bank import Codebook

from netsim.figures import scqos_2b, scqos_7, scqos_planners, scqos_planners_plot, scqos_table_4
from netsim.semantics.sbq import Sbq
from netsim.semantics.sbq_levels import threshold
from netsim.semantics.similarity import load_metric
from netsim.systems.scqos_bank import Bank
from netsim.systems.scqos_bank_file import shipped_banks
from netsim.systems.scqos_bank_synthetic import synthetic_bank
from netsim.systems.scqos_radio import Downlink


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
