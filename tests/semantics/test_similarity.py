"""Similarity metrics: one contract for all, values of each, floors (specification scqos 3.7)."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest

from netsim.semantics import similarity
from netsim.semantics.similarity import Floor, Memory, Rescaled, TokenF1, load_metric, measured_floor
from netsim.semantics.similarity_minilm import PACKAGE, WordPiece, _gelu, _words
from phy.parameters import ParameterError

MINILM = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="extra `similarity` is not installed"
)
EACH = [pytest.param("minilm", marks=MINILM), "bleu", "token_f1"]
# similarities that transformers 5 computes with the same weights
A = "the vote will take place tomorrow"
B = "i would like to thank the rapporteur"
C = "when can we expect the commission proposal"
REFERENCE = {(A, B): 0.146081, (A, C): 0.336454, (B, C): 0.079778}
CORPUS = [
    A,
    B,
    C,
    "the debate is closed",
    "we need a new regulation for fisheries",
    "many workers support the reform",
]


@pytest.fixture(scope="module", params=EACH)
def metric(request):
    return load_metric(request.param)


def test_exact_cases(metric):
    """Equal sentences give exactly 1, an empty one 0, also against itself."""
    assert metric.sim([A, A, "", "", "   "], [A, "", A, "", A]).tolist()[:4] == [1.0, 0.0, 0.0, 0.0]
    assert metric.sim([], []).shape == (0,)


def test_scores_are_similarities(metric):
    """Within [0, 1]; the same whatever else is judged with them; one word off is nearer than a sentence."""
    near = A.replace("tomorrow", "today")
    refs, hyps = [A, A, B, A], [near, B, C, near]
    scores = metric.sim(refs, hyps)
    assert scores.dtype == np.float64 and np.all((scores >= 0) & (scores <= 1))
    alone = [float(load_metric(metric.name).sim([r], [h])[0]) for r, h in zip(refs[:1], hyps[:1])]
    assert scores[0] == scores[3] == pytest.approx(alone[0], abs=2e-6)
    assert 1.0 > scores[0] > max(scores[1:3])


def test_pairs_are_judged_once(metric, monkeypatch):
    asked = []
    memory = metric._memory
    judge = memory._judge
    monkeypatch.setattr(memory, "_judge", lambda pairs: asked.append(list(pairs)) or judge(pairs))
    pair = (A, "the vote was " + metric.name)
    first = metric.sim([pair[0]] * 2, [pair[1]] * 2)
    assert asked == [[pair]]
    np.testing.assert_array_equal(metric.sim([pair[0], A], [pair[1], A]), [first[0], 1.0])
    assert len(asked) == 1


def test_unequal_lists_are_refused(metric):
    with pytest.raises(ParameterError, match="2 and 1 sentences"):
        metric.sim([A, B], [A])


def test_floor_is_the_mean_of_unrelated_pairs(metric):
    found = measured_floor(metric, CORPUS, np.random.default_rng(0), pairs=200)
    every = [(a, b) for a in CORPUS for b in CORPUS if a != b]
    scores = metric.sim([a for a, _ in every], [b for _, b in every])
    assert found.mean == pytest.approx(scores.mean(), abs=4 * scores.std() / np.sqrt(200))
    assert found.pairs == 200
    with pytest.raises(ParameterError, match="must be >= 2"):
        measured_floor(metric, [A, A], np.random.default_rng(0))


def test_rescaled_metric_starts_at_its_floor(metric):
    raw = metric.sim([A, A], [B, A])
    found = Rescaled(metric, float(raw[0])).sim([A, A], [B, A])
    assert found.tolist() == [0.0, 1.0]
    half = Rescaled(TokenF1(), 0.5).sim(["a b c d"], ["a b c x"])
    assert half[0] == pytest.approx(0.5)
    with pytest.raises(ParameterError, match="floor"):
        Rescaled(metric, 1.0)


def test_token_f1_by_hand():
    scores = load_metric("token_f1").sim(["a b c d", "a a b", "a b"], ["a b x", "a b", "c"])
    np.testing.assert_allclose(scores, (2 * 2 / 7, 2 * 2 / 5, 0.0), atol=1e-6)


def test_bleu_by_hand():
    """Precisions 3/4, 2/3, 1/2 and the floor 0.1/1 of a four-word sentence; brevity exp(1 - 4/3) of three."""
    scores = load_metric("bleu").sim(["a b c d", "a b c d"], ["a b c x", "a b c"])
    assert scores[0] == pytest.approx((3 / 4 * 2 / 3 * 1 / 2 * 0.1) ** 0.25, abs=1e-6)
    assert scores[1] == pytest.approx(math.exp(-1 / 3), abs=1e-6)
    assert load_metric("bleu").sim(["a"], ["b"])[0] == pytest.approx(0.1, abs=1e-6)


def test_unknown_metric_is_refused():
    with pytest.raises(ParameterError, match="must be one of minilm, bleu, token_f1"):
        load_metric("albert")
    assert set(similarity.MIN_SIMILARITY) == set(similarity.METRICS)


def test_memory_forgets_the_oldest():
    memory = Memory(2)
    memory["a"], memory["b"] = 1, 2
    assert memory["a"] == 1  # now the newer one
    memory["c"] = 3
    assert "a" in memory and "c" in memory and "b" not in memory


def test_word_pieces():
    """Longest piece from the left, ## within a word, unknown words whole, punctuation alone, accents off."""
    tokens = WordPiece(["[CLS]", "[SEP]", "[UNK]", "fish", "##er", "##ies", "##erman", "'", "s", "cafe"])
    assert tokens.encode("Fisherman fisheries").tolist() == [0, 3, 6, 3, 4, 5, 1]
    assert tokens.encode("Café's fishx").tolist() == [0, 9, 7, 8, 2, 1]
    assert len(tokens.encode("fish " * 500)) == 256
    assert tokens.encode("f" * 101).tolist() == [0, 2, 1]
    assert _words("a\u00a0b\tc\u200bd\n?!") == ["a", "b", "cd", "?", "!"]


def test_gelu_is_x_times_the_normal_distribution():
    x = np.linspace(-9.0, 9.0, 10_001, dtype=np.float32).reshape(1, -1).repeat(70, axis=0)
    expected = [v * 0.5 * math.erfc(-v / math.sqrt(2.0)) for v in x[0].tolist()]
    np.testing.assert_allclose(_gelu(x.copy())[69], expected, atol=2e-6)


@MINILM
def test_minilm_equals_the_reference_implementation():
    metric = load_metric("minilm")
    scores = metric.sim([a for a, _ in REFERENCE], [b for _, b in REFERENCE])
    np.testing.assert_allclose(scores, list(REFERENCE.values()), atol=3e-6)
    np.testing.assert_allclose(np.linalg.norm(metric.embed([A, B]), axis=1), 1.0, rtol=1e-6)


@MINILM
def test_weights_that_are_not_the_published_ones_are_refused(tmp_path, monkeypatch):
    from netsim.semantics.similarity_minilm import MiniLM

    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ParameterError, match="must be 53aa51172d14"):
        MiniLM(tmp_path)
    with pytest.raises(ParameterError, match="cannot be read"):
        MiniLM(tmp_path / "nowhere")


def test_a_missing_package_is_named(monkeypatch):
    from netsim.semantics import similarity_minilm

    monkeypatch.setattr(similarity_minilm, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(ModuleNotFoundError, match="no_such_package_of_weights"):
        similarity_minilm.model_folder()


def test_floor_is_a_value():
    assert Floor(0.2, 0.1, 500) == Floor(0.2, 0.1, 500)
