"""The text baseline of SC-QoS: 8-bit ASCII, uncoded and coded."""

from __future__ import annotations

import numpy as np
import pytest

from netsim.semantics.similarity import load_metric
from netsim.systems.scqos_ascii import CODES, send_ascii, text_bytes, text_of
from phy import theory
from phy.parameters import ParameterError

SENTENCES = [
    "the vote is now closed",
    "we need more time for this report",
    "i agree with the rapporteur",
] * 40
INDEX = np.arange(len(SENTENCES))


@pytest.mark.parametrize("code", CODES)
def test_without_noise_the_text_arrives(code):
    found = send_ascii(SENTENCES[:3], 60.0, key=1, index=INDEX[:3], code=code)
    assert found.sentences == SENTENCES[:3]
    assert not found.num_bit_errors.any()
    plain = np.array([8 * len(s) for s in SENTENCES[:3]])
    if code == "uncoded":
        np.testing.assert_array_equal(found.sent_bits, plain)
    else:
        assert np.all(found.sent_bits >= 2 * plain)


def test_uncoded_errors_are_those_of_16_qam():
    """Bit error rate at 8 and 12 dB within 4 standard errors over sentences. Text is not equiprobable on the
    points, so the formula is tested where the deviation is small against the interval.
    """
    for snr_db in (8.0, 12.0):
        found = send_ascii(SENTENCES, snr_db, key=2, index=INDEX)
        rate = found.num_bit_errors / found.sent_bits
        expected = float(theory.ber_awgn(4, 10.0 ** (snr_db / 10.0)))
        assert rate.mean() == pytest.approx(expected, rel=0.25)
        assert all(len(a) == len(b) for a, b in zip(found.sentences, SENTENCES))


def test_codes_pay_where_uncoded_text_fails():
    """At 10 dB hardly a sentence survives uncoded and nearly all do at rate 1/2; the ranking holds in every
    metric.
    """
    metric = load_metric("token_f1")
    score, exact = {}, {}
    for code in CODES:
        found = send_ascii(SENTENCES, 10.0, key=3, index=INDEX, code=code)
        score[code] = float(metric.sim(SENTENCES, found.sentences).mean())
        exact[code] = np.mean([a == b for a, b in zip(found.sentences, SENTENCES)])
    assert score["uncoded"] < 0.3 < 0.9 < score["convolutional"]
    assert exact["uncoded"] < 0.05 and exact["ldpc"] > 0.9


def test_noise_belongs_to_the_index_and_not_to_the_batch():
    together = send_ascii(SENTENCES, 8.0, key=4, index=INDEX)
    each = send_ascii(SENTENCES, np.where(INDEX == 5, 8.0, 60.0), key=4, index=INDEX)
    assert each.sentences[5] == together.sentences[5] and each.sentences[6] == SENTENCES[6]
    alone = send_ascii([SENTENCES[5]], 8.0, key=4, index=INDEX[5:6])
    assert alone.sentences == [together.sentences[5]]


def test_unprintable_characters_become_question_marks():
    assert text_of(np.array([0x61, 0x07, 0x7F, 0x80, 0xFF, 0x7E], np.uint8)) == "a????~"
    assert text_bytes("a~").tolist() == [0x61, 0x7E]
    for bad in ("", "caf\u00e9", "a\tb"):
        with pytest.raises(ParameterError, match="must be"):
            text_bytes(bad)
    with pytest.raises(ParameterError, match="must be one of uncoded"):
        send_ascii(["a"], 8.0, 1, np.array([0]), code="turbo")
