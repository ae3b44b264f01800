"""The coded block over a link: round trips, batching, and block error rates against a direct simulation."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import norm

from phy.block_channel import BlockChannel
from phy.channel import exponential_profile
from phy.coded_block import (
    CodedBlock,
    block_of_mcs,
    decode_blocks,
    encode_blocks,
    interleaver,
    random_payloads,
    transmit_blocks,
)
from phy.coding.mcs import MCS_64QAM, MCS_256QAM
from phy.modulation import demap_soft, map_bits
from phy.parameters import ParameterError
from phy.philox import random_bytes

SELECTIVE = BlockChannel("tdl", 2, tuple(exponential_profile(6, 1.5).tolist()), 1.0, 256, 36)
BLOCKS = [
    CodedBlock(200, 1, 0.5),
    CodedBlock(333, 2, 0.5, code="convolutional"),
    block_of_mcs(MCS_64QAM[14], 300),
    CodedBlock(401, 6, 0.75, code="convolutional"),
    CodedBlock(9001, 8, 0.8),
]


def name_of(block: CodedBlock) -> str:
    return f"{block.code}-{block.bits_per_symbol}-{block.num_bits}"


@pytest.mark.parametrize("block", BLOCKS, ids=name_of)
def test_without_noise_every_payload_comes_back(block):
    index = np.arange(3)
    bits = random_payloads(block, 1, index)
    got = transmit_blocks(bits, block, SELECTIVE.draw(1, index), 90.0, 1, index)
    assert got.crc_ok.all() and not got.num_bit_errors.any() and np.array_equal(got.bits, bits)


def test_crc_catches_what_noise_leaves():
    block, index = BLOCKS[2], np.arange(100)
    bits = random_payloads(block, 1, index)
    got = transmit_blocks(bits, block, BlockChannel().draw(1, index), 0.0, 1, index)
    assert not got.crc_ok.any() and np.all(got.num_bit_errors > 0)


def test_code_bits_are_equiprobable_whatever_the_payload():
    for block in BLOCKS:
        sent = encode_blocks(np.zeros((1, block.num_bits), np.uint8), block)
        assert abs(sent.mean() - 0.5) < 4.0 * 0.5 / math.sqrt(sent.size)


@pytest.mark.parametrize("num_coded", [1, 31, 32, 33, 400, 1001])
def test_interleaver(num_coded):
    """Against the standard's text, written as loops: 32 columns, dummies first, columns permuted."""
    columns = [
        1, 17, 9, 25, 5, 21, 13, 29, 3, 19, 11, 27, 7, 23, 15, 31,
        0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6, 22, 14, 30,
    ]  # fmt: skip
    num_rows = math.ceil(num_coded / 32)
    cells = [None] * (32 * num_rows - num_coded) + list(range(num_coded))
    wanted = [cells[32 * r + c] for c in columns for r in range(num_rows)]
    assert interleaver(num_coded).tolist() == [k for k in wanted if k is not None]


@pytest.mark.parametrize("block", BLOCKS[1:4], ids=name_of)
def test_result_does_not_depend_on_the_batch(block):
    index = np.arange(40)
    snr_db = 5.0 + 2.0 * block.bits_per_symbol

    def send(part: np.ndarray):
        bits = random_payloads(block, 9, part)
        return transmit_blocks(bits, block, SELECTIVE.draw(9, part), snr_db, 9, part)

    whole = send(index)
    assert whole.crc_ok.any()
    pieces = [send(part) for part in (index[:1], index[1:8], index[8:])]
    backwards = send(index[::-1].copy())
    for field in dataclasses.fields(whole):
        value = getattr(whole, field.name)
        assert np.array_equal(value, np.concatenate([getattr(p, field.name) for p in pieces]))
        assert np.array_equal(value, getattr(backwards, field.name)[::-1])


def test_random_payloads_are_those_of_philox():
    block = CodedBlock(77, 2, 0.5)
    for row, index in zip(random_payloads(block, 5, np.array([0, 3])), (0, 3)):
        assert np.array_equal(row, np.unpackbits(random_bytes(5, index, 16))[:77])


def direct_simulation(block: CodedBlock, snr_db: float, num: int, seed: int) -> int:
    """Block errors of the same code over AWGN, put together from NumPy noise and the plain demapper."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (num, block.num_bits), dtype=np.uint8)
    coded = encode_blocks(bits, block)
    padded = np.zeros((num, block.num_symbols * block.bits_per_symbol), np.uint8)
    padded[:, : block.num_coded] = coded
    x = map_bits(padded.ravel(), block.bits_per_symbol)
    n0 = 10.0 ** (-snr_db / 10.0)
    noise = rng.standard_normal((2, x.size)) * math.sqrt(n0 / 2.0)
    llr = demap_soft(x + noise[0] + 1j * noise[1], n0, block.bits_per_symbol).reshape(num, -1)
    decided, crc_ok = decode_blocks(np.ascontiguousarray(llr[:, : block.num_coded]), block)
    assert (decided == bits)[crc_ok].all()
    return int(num - crc_ok.sum())


@pytest.mark.parametrize(
    ("block", "snr_db"),
    [
        (CodedBlock(500, 4, 0.5), 6.2),
        (CodedBlock(333, 2, 0.5, code="convolutional"), 1.9),
        (CodedBlock(401, 6, 0.75, code="convolutional"), 15.6),
    ],
    ids=lambda v: name_of(v) if isinstance(v, CodedBlock) else "",
)
def test_block_error_rate_agrees_with_a_direct_simulation(block, snr_db):
    """Two samples, equal probability: |z| within the 99.9 % bound; 0.3 dB apart it is far outside."""
    num = 1500
    index = np.arange(num)
    bits = random_payloads(block, 3, index)

    def z_score(offset_db: float) -> float:
        h = BlockChannel().draw(3, index)
        ours = int((~transmit_blocks(bits, block, h, snr_db + offset_db, 3, index).crc_ok).sum())
        p = (ours + theirs) / (2 * num)
        return (ours - theirs) / math.sqrt(2 * num * p * (1 - p))

    theirs = direct_simulation(block, snr_db, num, 4)
    assert 0.05 < theirs / num < 0.95
    assert abs(z_score(0.0)) < norm.ppf(0.9995)
    assert z_score(0.3) < -norm.ppf(0.9995)


@pytest.mark.parametrize("kind", ["tdl", "tdl_a", "tdl_c", "tdl_d"])
def test_selective_channel_has_unit_energy_and_follows_its_key(kind):
    channel = SELECTIVE if kind == "tdl" else BlockChannel(kind, 2, num_subcarriers=36, delay_spread_s=3e-7)
    h = channel.draw(1, np.arange(1500))
    energy = (np.abs(h) ** 2).mean(axis=2)
    error = energy.std() / math.sqrt(energy.size)
    assert abs(energy.mean() - 1.0) < 4.0 * error and error < 0.02
    assert np.array_equal(channel.draw(1, np.array([17]))[0], h[17])
    assert not np.array_equal(channel.draw(2, np.array([17]))[0], h[17])


def test_sizes():
    block = block_of_mcs(MCS_64QAM[10], 240)
    assert (block.num_symbols, block.num_coded) == (240, 960)
    assert block.spectral_efficiency == pytest.approx(MCS_64QAM[10].spectral_efficiency, rel=0.05)
    assert CodedBlock(100, 4, 0.5).num_symbols == 50
    assert block_of_mcs(MCS_256QAM[27], 100).bits_per_symbol == 8
    code = CodedBlock(100, 4, 0.75, code="convolutional")
    assert code.num_coded == math.ceil((100 + 16 + 6) * 4 / 3) and code.crc == "16"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CodedBlock(0, 4, 0.5), "num_bits = 0"),
        (lambda: CodedBlock(100, 3, 0.5), "bits_per_symbol = 3"),
        (lambda: CodedBlock(100, 4, 1.0), "code_rate = 1.0"),
        (lambda: CodedBlock(100, 4, 0.6, code="convolutional"), "must be 1/2, 2/3, 3/4 or 5/6"),
        (lambda: CodedBlock(100, 4, 0.5, code="convolutional", num_re=9), "must be left out"),
        (lambda: CodedBlock(100_000, 4, 0.5, num_re=3), "number of code blocks"),
        (lambda: BlockChannel("awgn", 1, (0.5, 0.5)), "must be tdl for own taps"),
        (lambda: BlockChannel("tdl_c", 1, (1.0,), 2.0), "must be tdl for own taps"),
        (lambda: BlockChannel("awgn", num_subcarriers=2), "for several subcarriers"),
        (lambda: BlockChannel("tdl", 1, (0.5, 0.4)), "have the sum 1"),
        (lambda: BlockChannel("tdl", 1, (1.0,), 0.0, 64, 65), "must hold all taps"),
        (lambda: encode_blocks(np.zeros((2, 99), np.uint8), CodedBlock(100, 4, 0.5)), "(blocks, 100)"),
        (lambda: decode_blocks(np.zeros((2, 99), np.float32), CodedBlock(100, 4, 0.5)), "(blocks, 200)"),
    ],
)
def test_bad_input_is_one_line(make, words):
    with pytest.raises(ParameterError) as caught:
        make()
    assert words in str(caught.value) and "\n" not in str(caught.value)
