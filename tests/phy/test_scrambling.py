"""Gold sequence against its definition, bit by bit, and what scrambling is for."""

from __future__ import annotations

import numpy as np
import pytest

from phy.modulation import map_bits
from phy.parameters import ParameterError
from phy.scrambling import gold_sequence, scramble


def by_definition(c_init, length):
    x1 = [1] + [0] * 30
    x2 = [(c_init >> i) & 1 for i in range(31)]
    for n in range(1600 + length):
        x1.append((x1[n + 3] + x1[n]) % 2)
        x2.append((x2[n + 3] + x2[n + 2] + x2[n + 1] + x2[n]) % 2)
    return [(x1[n + 1600] + x2[n + 1600]) % 2 for n in range(length)]


@pytest.mark.parametrize("c_init", [0, 1, 1234567, (1 << 31) - 1])
@pytest.mark.parametrize("length", [0, 1, 27, 28, 29, 500, 9001])
def test_sequence_follows_the_recursion(c_init, length):
    assert gold_sequence(c_init, length).tolist() == by_definition(c_init, length)


def test_descrambling_undoes_it_and_devices_differ():
    payload = np.random.default_rng(1).integers(0, 256, 25_088, dtype=np.uint8)
    once = scramble(payload, 3, 7)
    np.testing.assert_array_equal(scramble(once, 3, 7), payload)
    assert (once != scramble(payload, 4, 7)).mean() > 0.9
    assert (once != payload).mean() > 0.9


def test_scrambled_zeros_spend_the_granted_energy():
    """16-QAM symbols of an all-zero codeword have energy 0.2; scrambled, 1 within 4 standard errors (0.06
    dB).
    """
    zeros = np.zeros(25_088, np.uint8)
    plain = map_bits(np.unpackbits(zeros), 4)
    white = map_bits(np.unpackbits(scramble(zeros, 1)), 4)
    assert np.mean(np.abs(plain) ** 2) == pytest.approx(0.2, abs=1e-6)
    energy = np.abs(white) ** 2
    assert energy.mean() == pytest.approx(1.0, abs=4 * energy.std() / np.sqrt(energy.size))


@pytest.mark.parametrize(("c_init", "length"), [(-1, 5), (1 << 31, 5), (0, -1)])
def test_bad_arguments(c_init, length):
    with pytest.raises(ParameterError, match="must be"):
        gold_sequence(c_init, length)
