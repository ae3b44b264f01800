"""k symbols a word on a sentence codec, and the measurement of f_s, with a toy codec one can reason about."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.semantics.sbq import Sbq
from netsim.streams import Streams
from netsim.systems.green_accuracy import Measurement, descents, fit, over_the_air
from netsim.systems.green_table_file import Part, check_codec, read_table, table_named, write_table
from netsim.systems.green_words import RateMatched, bits_a_feature, log_likelihoods, rate_match
from phy import theory
from phy.parameters import ParameterError

FEATURES = 64


class Toy:
    """A sentence of up to 8 words out of 128: eight bits a word (the first says that there is one), each a
    feature of 0.25 or 1.5, so that a quantiser of any number of bits with p_th 1 carries it.
    """

    def encode(self, sentences):
        out = np.full((len(sentences), FEATURES), 0.25, np.float32)
        for row, sentence in zip(out, sentences):
            for i, word in enumerate(sentence.split()):
                bits = np.unpackbits(np.uint8([128 + int(word[1:])]))
                row[8 * i : 8 * i + 8] += 1.25 * bits
        return out

    def quantizer(self, bits):
        return Sbq("midpoint", bits, 1.0)

    def decode(self, received, bits):
        words = np.packbits((received > 1.0).reshape(len(received), 8, 8), axis=2)[..., 0]
        return [" ".join(f"w{w - 128}" for w in row if w >= 128) for row in words]


class Words:
    """Similarity: share of equal words in their places."""

    name, version = "words", "1"

    def sim(self, refs, hyps):
        pairs = [(a.split(), b.split()) for a, b in zip(refs, hyps)]
        return np.array([sum(x == y for x, y in zip(a, b)) / max(len(a), len(b), 1) for a, b in pairs])


def corpus(count, num_words=8, seed=1):
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{w}" for w in rng.integers(0, 128, num_words)) for _ in range(count)]


LINK = RateMatched(Toy(), FEATURES)


def measure(ks, sinrs, interference="awgn", sentences=None):
    """Points of the toy codec."""
    here = Measurement(LINK, Words(), sentences or corpus(200), interference, Streams(1))
    return [here.point(k, sinr_db) for k in ks for sinr_db in sinrs]


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (10, 3), (20, 3)])
def test_airtime_is_k_symbols_a_word(k, n):
    """4 k L bits whatever the codec; n is the largest that fits; without errors sentences come back."""
    sentences = corpus(5)
    sent = LINK.send(sentences, k)
    assert [len(bits) for bits in sent] == [4 * k * 8] * 5
    assert bits_a_feature(FEATURES, 4 * k * 8) == n
    decoded = LINK.receive(sent, k, 10.0)
    if k == 1:  # half of the features are sent: four words, the others unknown
        assert [d.split()[:4] for d in decoded] == [s.split()[:4] for s in sentences]
    else:
        assert decoded == sentences


def test_rate_matching():
    """Every bit once before any twice; a bit's second place is a strong one if the first was weak."""
    source = rate_match(64, 150)
    np.testing.assert_array_equal(np.sort(source[:64]), np.arange(64))
    np.testing.assert_array_equal(np.sort(source[64:128]), np.arange(64))
    first, second = np.argsort(source[:64]), np.argsort(source[64:128])
    assert np.all((first % 4 < 2) != (second % 4 < 2))


def test_votes_follow_the_error_rates_of_their_places():
    """One strong copy outvotes one weak copy; the log-likelihoods are those of the closed form."""
    p = theory.ber_awgn(4, 10.0, per_bit=True)
    np.testing.assert_allclose(log_likelihoods(6, 10.0), np.resize(np.log((1 - p) / p), 6))
    sentences = corpus(1)
    bits = LINK.send(sentences, 4)[0]  # 128 bits: 2 a feature, every bit once
    assert bits_a_feature(FEATURES, 128) == 2
    twice = LINK.send(sentences, 3)[0]  # 96 bits: 64 and 32 of them again
    weak = [place for place in range(32) if place % 4 >= 2]
    twice[weak] ^= 1  # the first copies in weak places; their second copies are strong
    again = rate_match(64, 96)[64:]
    covered = [place for place in weak if place in again]
    assert covered and LINK.receive([bits], 4, 10.0) == sentences
    restored = twice.copy()
    restored[[place for place in weak if place not in covered]] ^= 1
    assert LINK.receive([restored], 3, 10.0) == sentences


def test_over_the_air_has_the_error_rate_of_the_formula():
    """Gaussian noise: binomial interval at 99.99 %; without scrambling 8 % fewer errors (inner points)."""
    sent = LINK.send(corpus(300), 10)
    received = over_the_air(sent, 8.0, "awgn", Streams(1), "test")
    assert [len(bits) for bits in received] == [len(bits) for bits in sent]
    errors = sum(int((a != b).sum()) for a, b in zip(sent, received))
    total = sum(len(bits) for bits in sent)
    p = float(theory.ber_awgn(4, 10**0.8))
    assert abs(errors - total * p) < 3.9 * 1.2 * np.sqrt(total * p * (1 - p))  # bits of a rail correlate


@pytest.fixture(scope="module")
def table():
    return measure((2, 4, 8, 20), tuple(range(-10, 21, 3)))


def test_measured_table(table, tmp_path):
    """Non-decreasing, 1 at high SINR, better with more symbols; read back by the formulas; fitted by (M3)."""
    assert descents(table) == []
    at = {(p.k, p.sinr_db): p.similarity for p in table}
    assert at[2, 20].mean == at[20, 20].mean == 1.0
    assert at[20, 2].low > at[8, 2].high > at[2, 2].high
    # a word of 8 bits sent once survives with (1 - p)^8
    p = float(theory.ber_awgn(4, 10**1.4))
    assert at[2, 14].low - 0.01 < (1 - p) ** 8 < at[2, 14].high + 0.01
    path = tmp_path / "table.csv"
    write_table(table, path)
    f_s = read_table(path)
    np.testing.assert_allclose(f_s.at_db(np.array([8]), np.array([5.0])), at[8, 5].mean, atol=1e-6)
    assert f_s.floor < 0.1 and f_s.ceiling == 1.0
    fits = fit(table)
    assert [f.k for f in fits] == [2, 4, 8, 20] and max(f.largest_error for f in fits) < 0.08
    midpoints = [-f.coefficients[3] / f.coefficients[2] for f in fits]
    assert midpoints[0] > midpoints[2] > midpoints[3]


def test_interference_of_another_law_is_seen(table):
    """One real interferer at 14 dB is error-free where Gaussian noise of the same power is not."""
    real = measure((2,), (14.0,), "qam1")
    gaussian = next(p for p in table if (p.k, p.sinr_db) == (2, 14))
    assert real[0].similarity.mean == 1.0 > gaussian.similarity.high


def test_a_falling_table_is_reported(table):
    broken = [p for p in table if (p.k, p.sinr_db) != (8, 20)]
    low = next(p for p in table if (p.k, p.sinr_db) == (8, -10))
    falling = type(low)(8, 20, low.similarity, low.std, low.exact)
    assert any(line.startswith("k 8") for line in descents([*broken, falling]))


def test_mistakes_are_one_line():
    for sentences, interference in ((corpus(5), "gauss"), (corpus(1), "awgn")):
        with pytest.raises(ParameterError, match="must be"):
            measure((2,), (0.0,), interference, sentences)


def test_a_measurement_goes_on_where_it_was_killed(table, tmp_path):
    """Points of the same measurement are taken over, those of another codec are not; a point does not depend
    on which were measured before it.
    """
    path, about = tmp_path / "table.csv", {"codec_sha256": "a", "sentences": 200}
    wanted = [(p.k, p.sinr_db) for p in table]
    first = Part(path, about)
    for p in table[:5]:
        first.add(p)
    assert not path.exists()
    assert Part(path, {**about, "codec_sha256": "b"}).found == {}
    again = Part(path, about)
    assert list(again.found) == wanted[:5]
    for k, sinr_db in wanted[5:]:
        again.add(measure((k,), (sinr_db,))[0])
    again.complete(wanted)
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]
    whole = tmp_path / "whole.csv"
    write_table(table, whole, about)
    assert path.read_text() == whole.read_text()


def test_a_table_of_another_codec_is_noticed(table, tmp_path):
    path = tmp_path / "table.csv"
    write_table(table, path, {"codec_sha256": "a" * 64})
    f_s = read_table(path)
    check_codec(f_s, "a" * 64, "table")
    with pytest.raises(ParameterError, match="measured with codec aaaaaaaaaaaa, must be measured again"):
        check_codec(f_s, "b" * 64, "table")


@pytest.mark.parametrize("name", ["english", "grammar"])
def test_tables_that_ship_are_of_the_codecs_that_ship(name):
    """Also: full grid, floor and ceiling apart, every point within 0.06 of (M3)."""
    f_s = table_named(name)
    assert f_s.about["metric"] == "minilm" and f_s.about["interference"] == "awgn"
    assert f_s.k[0] == 1 and f_s.k[-1] == 20 and (f_s.sinr_db[0], f_s.sinr_db[-1]) == (-10, 20)
    assert 0.1 < f_s.floor < 0.3 < f_s.ceiling - 0.2
    spread = np.abs(np.diff(f_s.mean, axis=1).clip(max=0.0)).max()
    assert spread < 0.06  # falls by noise at most
