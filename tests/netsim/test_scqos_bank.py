"""Building a similarity bank with the true chain, and its file (specification scqos 4.6, checks 7 and 27)."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from netsim.semantics.sbq import Sbq
from netsim.semantics.sbq_levels import threshold
from netsim.semantics.sbq_mapping import mapping_of
from netsim.semantics.similarity import load_metric
from netsim.streams import Streams
from netsim.systems.scqos_bank_build import build_bank, decoded, smallest_hashes
from netsim.systems.scqos_bank_file import load_bank, save_bank
from netsim.systems.scqos_bank_synthetic import synthetic_bank
from netsim.systems.scqos_link import NOMINAL, on_air, over_awgn, symbol_energy
from phy.parameters import ParameterError
from phy.theory import ber_awgn

WORDS = [
    "we",
    "they",
    "support",
    "reject",
    "discuss",
    "the",
    "new",
    "old",
    "report",
    "budget",
    "treaty",
    "today",
    "tomorrow",
    "again",
]
GRID_DB = (0.0, 6.0, 14.0, 60.0)


class Codebook:
    """A codec that knows its sentences by heart: random features, the nearest of them decodes."""

    name, sha256 = "codebook", "0" * 64

    def __init__(self, num: int = 40) -> None:
        rng = np.random.default_rng(0)
        self.sentences = [" ".join(rng.choice(WORDS, 6)) for _ in range(num)]
        self.features = rng.exponential(1.0, (num, 8)).astype(np.float32)
        self.calls: list[int] = []

    def encode(self, sentences):
        return self.features[[self.sentences.index(s) for s in sentences]]

    def quantizer(self, bits, mode="midpoint"):
        return Sbq(mode, bits, threshold(self.features, "mse", mode, bits))

    def decode(self, received, bits):
        self.calls.append(len(received))
        distance = ((received[:, None] - self.features) ** 2).sum(axis=2)
        return [self.sentences[i] for i in distance.argmin(axis=1)]


def bank_of(seed: int, realisations: int = 16):
    codec = Codebook()
    done = []
    bank = build_bank(
        codec, codec.sentences, load_metric("token_f1"), Streams(seed), realisations, GRID_DB, corpus="words",
        advance=lambda k, total: done.append((k, total)),
    )  # fmt: skip
    assert done[-1] == (12, 12)
    return codec, bank


@pytest.fixture(scope="module")
def built():
    return bank_of(1)


def test_a_clean_link_gives_the_clean_decode(built):
    """Check 7: at 60 dB every realisation equals the error-free decode; equal words are decoded once."""
    codec, bank = built
    np.testing.assert_array_equal(bank.similarity[:, :, -1], bank.clean[:, :, None].repeat(16, axis=2))
    words = codec.quantizer(2).encode(codec.features)
    codec.calls.clear()
    twice = decoded(codec, np.concatenate([words, words]), codec.quantizer(2))
    assert twice[:40] == twice[40:] and codec.calls == [len(np.unique(words, axis=0))]


def test_more_noise_less_similarity(built):
    _, bank = built
    mean = bank.similarity.mean(axis=(0, 3))
    assert np.all(np.diff(mean, axis=1) > 0.0)
    assert bank.clean[:, 2].mean() >= bank.clean[:, 0].mean()


def test_same_seed_same_bank(built):
    """Banks are reproducible; another seed has other noise and, check 27, means within 3 standard errors."""
    _, bank = built
    np.testing.assert_array_equal(bank_of(1)[1].similarity, bank.similarity)
    other = bank_of(2)[1]
    assert not np.array_equal(other.similarity, bank.similarity)
    gap = (other.similarity.mean(axis=3) - bank.similarity.mean(axis=3)).astype(float)
    for n in range(3):
        for k in range(3):
            d = gap[:, n, k]
            assert abs(d.mean()) <= 3.5 * d.std(ddof=1) / np.sqrt(d.size)  # nine comparisons


def test_the_bank_says_what_it_is(built):
    codec, bank = built
    assert bank.about["codec"] == "codebook" and bank.about["metric"] == "token_f1"
    assert bank.about["corpus"] == "words" and bank.about["rounding"] == "half to even"
    assert bank.about["p_th"] == [codec.quantizer(n).p_th for n in (1, 2, 3)]
    assert 0.0 < bank.about["floor"] < 0.6


def test_words_radiate_what_was_granted(built):
    """`equal`: words of 2 bits scaled to unit mean energy, others scrambled, so that the closed form holds;
    `nominal`: symbols as they are.
    """
    codec, bank = built
    assert bank.energy == "equal"
    for n in (1, 2, 3):
        words, mapping = codec.quantizer(n).encode(codec.features), mapping_of(8, n)
        payload = np.repeat(mapping.pack(words), 2000, axis=0)
        energy, index = symbol_energy(payload, mapping.num_bits), np.arange(len(payload))
        assert bank.about["symbol_energy"][n - 1] == pytest.approx(energy)
        assert energy != pytest.approx(1.0, abs=0.02)
        assert on_air(mapping, "nominal", energy) == NOMINAL
        air = on_air(mapping, "equal", energy)
        masked = air.masked(payload, index)
        assert symbol_energy(masked, mapping.num_bits) / air.energy == pytest.approx(1.0, abs=0.01)
        np.testing.assert_array_equal(air.masked(masked, index), payload)
        arrived = over_awgn(payload, mapping.num_bits, 8.0, 5, index, air)
        wrong, bits = int(np.unpackbits(arrived ^ payload).sum()), payload.shape[0] * mapping.num_bits
        expected = float(ber_awgn(4, 10**0.8))
        inside = abs(wrong / bits - expected) < 4.0 * np.sqrt(expected / bits * 1.5)
        assert inside == (n != 2), n
    every = np.arange(256, dtype=np.uint8)[:, None]
    assert symbol_energy(every, 8) == pytest.approx(1.0, rel=1e-6)
    metric = load_metric("token_f1")
    nominal = build_bank(codec, codec.sentences, metric, Streams(1), 4, GRID_DB, energy="nominal")
    assert nominal.energy == "nominal" and nominal.about["symbol_energy"] == bank.about["symbol_energy"]
    with pytest.raises(ParameterError, match="must be one of equal, nominal"):
        on_air(mapping_of(8, 1), "loud", 1.0)


def test_file_holds_the_bank(built, tmp_path):
    _, bank = built
    path = tmp_path / "x.bank.npz"
    save_bank(bank, path)
    back = load_bank(str(path))
    assert back.sentences == bank.sentences and back.about == bank.about
    np.testing.assert_array_equal(back.embedding, bank.embedding)
    np.testing.assert_array_equal(back.grid_db, bank.grid_db)
    np.testing.assert_allclose(back.similarity, bank.similarity, atol=1e-5)
    for exact in (0.0, 1.0):
        np.testing.assert_array_equal(back.similarity == exact, bank.similarity == exact)
    again = tmp_path / "y.bank.npz"
    save_bank(back, again)
    assert again.read_bytes() == path.read_bytes(), "equal banks, equal files"


def test_damaged_files_are_refused_in_one_line(built, tmp_path):
    _, bank = built
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    save_bank(bank, good)
    data = good.read_bytes()

    def refused(content: bytes) -> str:
        bad.write_bytes(content)
        with pytest.raises(ParameterError, match="not a text bank") as caught:
            load_bank(str(bad))
        return str(caught.value)

    refused(data[: len(data) // 2])
    refused(b"hello")
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("about.npy", b"x")
    refused(bad.read_bytes())
    for name, array in {
        "similarity": np.zeros((2, 3), "<u2"),
        "clean": np.zeros((40, 3), "<f8"),
        "about": np.frombuffer(b'{"format": "other/1"}', np.uint8),
    }.items():
        refused(replaced(good, tmp_path, name, array))
    claimed = np.lib.format.header_data_from_array_1_0(np.zeros((40, 3, 4, 16), "<u2"))
    claimed["shape"] = (1 << 20, 1 << 20)
    assert "shape" in refused(replaced(good, tmp_path, "similarity", claimed))
    with pytest.raises(ParameterError, match="no such file"):
        load_bank("nowhere.npz")


def replaced(good, folder, name, content) -> bytes:
    """The archive `good` with one member replaced, by an array or by a header that only claims one."""
    out = folder / "replaced.npz"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(out, "w") as archive:
        for member in source.namelist():
            with archive.open(member, "w") as file:
                if member != f"{name}.npy":
                    file.write(source.read(member))
                elif isinstance(content, dict):
                    np.lib.format.write_array_header_1_0(file, content)
                else:
                    np.lib.format.write_array(file, content, allow_pickle=False)
    return out.read_bytes()


def test_objects_are_never_unpickled(built, tmp_path):
    _, bank = built
    save_bank(bank, tmp_path / "good.npz")
    header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    (tmp_path / "bad.npz").write_bytes(replaced(tmp_path / "good.npz", tmp_path, "clean", header))
    with pytest.raises(ParameterError, match="not a text bank"):
        load_bank(str(tmp_path / "bad.npz"))


def test_synthetic_bank_by_name():
    found, expected = load_bank("synthetic"), synthetic_bank(np.random.default_rng(0))
    np.testing.assert_array_equal(found.similarity, expected.similarity)


def test_sentences_are_chosen_by_hash():
    sentences = [f"sentence {i}" for i in range(100)]
    chosen = smallest_hashes([*sentences, *sentences], 10)
    assert len(set(chosen)) == 10
    assert chosen == smallest_hashes(sentences[::-1], 10)


def test_sentences_for_learning_are_not_those_of_judging(monkeypatch):
    """Whole ones first, then stretches that are none of them, of every length as many."""
    from types import SimpleNamespace

    from netsim.commands import bank as command

    judge = synthetic_bank(np.random.default_rng(0), 30, 2)
    judged = judge.select(~judge.in_training).sentences
    whole = [f"whole sentence number {'x' * k}" for k in range(1, 4)]
    spans = [
        "a b c",
        *whole,
        *(f"a b c {'y' * k}" for k in range(1, 9)),
        *(f"a b c d {k * 'z'}" for k in (1, 2, 3)),
    ]
    monkeypatch.setattr(command, "load_text", lambda *_, **__: SimpleNamespace(sentences=[*whole, *judged]))
    monkeypatch.setattr(
        command, "covered_spans", lambda *_, **__: [*spans, *judged, "one two three four five six"]
    )
    codec = SimpleNamespace(vocabulary=range(7), max_words=5)
    found, source = command._for_learning("sotu", codec, judge, 8)
    assert sorted(found[:3]) == sorted(whole) and "3 whole sentences, 5 stretches" in source
    assert len(set(found)) == 8 and not set(found) & set(judged)
    lengths = [len(s.split()) for s in found[3:]]
    assert lengths.count(4) == 3 and lengths.count(5) == 2
