"""Rate matching, segmentation and transport blocks, HARQ combining, MCS tables and link adaptation."""

import numpy as np
import pytest

from phy.coding import crc, harq, mcs
from phy.coding.ldpc import LdpcCode
from phy.coding.ldpc_rate import encode_matched, positions, recover, recover_kernel
from phy.coding.transport import (
    TransportBlock,
    decode_transport,
    encode_transport,
    join,
    recover_transport,
    segment,
    transport_rows,
)
from phy.coding.transport_size import SMALL_SIZES, transport_block_size
from phy.parameters import ParameterError


def qpsk_llr(coded, es_n0_db, rng):
    """LLRs 2 sqrt(2 Es) y of Gray QPSK over AWGN, n0 = 1: per bit a rail of energy Es/2 and noise 1/2."""
    es = np.float32(10 ** (es_n0_db / 10))
    noise = np.sqrt(np.float32(0.5)) * rng.standard_normal(coded.shape, dtype=np.float32)
    return 2 * np.sqrt(2 * es) * (np.sqrt(es / 2) * (1 - 2 * coded.astype(np.float32)) + noise)


@pytest.mark.parametrize("number,num_bits,starts", [(1, 500, (0, 17, 33, 56)), (2, 300, (0, 13, 25, 43))])
@pytest.mark.parametrize("rv", [0, 1, 2, 3])
def test_positions_are_the_loop_of_the_standard(number, num_bits, starts, rv):
    """TS 38.212 5.4.2.1 and 5.4.2.2 word by word: skip NULL, wrap round, then f[i + j Q] = e[i E/Q + j]."""
    code, order = LdpcCode(number, num_bits), 4
    z, buffer_size = code.lifting_size, code.buffer_size
    for num_coded in (400, 2000, 2 * buffer_size):
        selected, j = [], 0
        while len(selected) < num_coded:
            place = (starts[rv] * z + j) % buffer_size
            if not num_bits <= place + 2 * z < code.num_systematic:
                selected.append(place)
            j += 1
        sent = [0] * num_coded
        for j in range(num_coded // order):
            for i in range(order):
                sent[i + j * order] = selected[i * (num_coded // order) + j]
        assert positions(code, num_coded, rv, order).tolist() == sent


def test_recover_adds_what_was_repeated():
    code = LdpcCode(2, 100)
    num_coded = 3 * code.buffer_size
    ones = recover(np.ones((2, num_coded)), code, 2, 2)
    first, last = code.fillers
    assert ones.sum() == 2 * num_coded and (ones[:, max(first, 0) : last] == 0).all()
    assert set(np.unique(np.delete(ones, np.arange(max(first, 0), last), axis=1))) <= {3.0, 4.0}
    llr = np.random.default_rng(0).standard_normal((2, 300)).astype(np.float32)
    soft = np.zeros((2, 2, code.buffer_size), dtype=np.float32)
    recover_kernel(llr, positions(code, 300), soft[0])
    recover_kernel.py_func(llr, positions(code, 300), soft[1])
    assert (soft[0] == soft[1]).all()


def test_only_the_needed_parity_is_computed_and_it_is_the_same():
    code = LdpcCode(1, 1000)
    bits = np.random.default_rng(1).integers(0, 2, (2, 1000), dtype=np.uint8)
    whole = encode_matched(bits, code, 3100)
    assert (encode_matched(bits, code, 1200) == whole[:, :1200]).all()


@pytest.mark.parametrize(
    "num_bits,rate,graph,name,blocks,per_block,z",
    [
        (100, 0.5, 2, "16", 1, 116, 20),
        (292, 0.9, 2, "16", 1, 308, 40),
        (293, 0.9, 1, "16", 1, 309, 15),
        (3824, 0.67, 2, "16", 1, 3840, 384),
        (3824, 0.68, 1, "16", 1, 3840, 176),
        (8424, 0.5, 1, "24A", 1, 8448, 384),
        (8425, 0.5, 1, "24A", 2, 4249, 208),  # one zero to make two equal segments
        (8448, 0.25, 2, "24A", 3, 2848, 288),
        (30000, 0.8, 1, "24A", 4, 7530, 352),
    ],
)
def test_sizes_follow_the_standard(num_bits, rate, graph, name, blocks, per_block, z):
    """Base graph (7.2.2), CRC (7.2.1), number and size of code blocks (5.2.2), worked by hand."""
    block = TransportBlock(num_bits, rate)
    assert (block.base_graph, block.crc, block.num_blocks) == (graph, name, blocks)
    assert (block.code.num_bits, block.code.lifting_size) == (per_block, z)


def test_segments_carry_their_crcs_and_join_again():
    block = TransportBlock(20011, 0.6)
    bits = np.random.default_rng(2).integers(0, 2, (3, 20011), dtype=np.uint8)
    blocks = segment(bits, block)
    assert blocks.shape == (3, 3, block.code.num_bits) and crc.check(blocks, "24B").all()
    whole = blocks[:, :, :-24].reshape(3, -1)[:, : 20011 + 24]
    assert (whole == crc.attach(bits, "24A")).all()
    blocks[1, 2, 5] ^= 1
    back, ok, each = join(blocks, block)
    assert ok.tolist() == [True, False, True] and each[1].tolist() == [True, True, False]
    assert (back[[0, 2]] == bits[[0, 2]]).all()


def test_coded_bits_divide_in_whole_symbols():
    """TS 38.212 5.4.2.1: the first blocks get the floor, the last ones the ceiling."""
    block = TransportBlock(20000, 0.6)
    sizes = block.coded_sizes(33328, 4)
    assert sizes.tolist() == [11108, 11108, 11112]
    for scheme in mcs.MCS_256QAM:
        sent = TransportBlock(1000, scheme.code_rate).num_coded(scheme.bits_per_symbol)
        assert sent % scheme.bits_per_symbol == 0
        assert 1000 / sent <= scheme.code_rate < 1000 / (sent - scheme.bits_per_symbol)
    with pytest.raises(ParameterError, match="num_coded = 33330: must be a multiple of 4"):
        block.coded_sizes(33330, 4)


@pytest.mark.parametrize(
    "num_bits,num_coded,order", [(40, 120, 2), (3000, 6000, 4), (12000, 16000, 2), (12000, 50004, 6)]
)
def test_transport_round_trip_and_failure(num_bits, num_coded, order):
    """Without noise all is received; buried in noise the CRC says so, for every block."""
    rng = np.random.default_rng(3)
    block = TransportBlock(num_bits, num_bits / num_coded)
    bits = rng.integers(0, 2, (2, num_bits), dtype=np.uint8)
    sent = encode_transport(bits, block, num_coded, order)
    rows = transport_rows(block, num_coded, order)
    for es_n0_db, received in ((20.0, True), (-15.0, False)):
        result = decode_transport(
            recover_transport(qpsk_llr(sent, es_n0_db, rng), block, order), block, 10, rows
        )
        assert result.crc_ok.tolist() == [received] * 2
        assert (result.bits == bits).all() == received
        assert result.iterations.shape == result.block_ok.shape == (2, block.num_blocks)


def test_nothing_received_is_not_acknowledged():
    """The all-zero word passes every CRC with zero register; without any LLR it must still count as lost."""
    block = TransportBlock(1000, 0.5)
    useless = np.zeros((1, 1, block.code.buffer_size), dtype=np.float32)
    useless[..., -block.code.lifting_size :] = -1.0  # one parity column says nothing about the information
    result = decode_transport(useless, block, 5)
    assert not result.bits.any() and crc.check(np.zeros(1016, np.uint8), "16")
    assert not result.crc_ok.any() and not result.block_ok.any()


def test_chase_combining_is_a_stronger_signal():
    """Two transmissions at half the energy carry the LLRs of one: BLER agrees within the interval."""
    rng = np.random.default_rng(4)
    block = TransportBlock(1000, 0.5)
    bits = rng.integers(0, 2, (1500, 1000), dtype=np.uint8)
    sent = encode_transport(bits, block, 2032, 2)
    rows = transport_rows(block, 2032, 2)
    es_n0_db = 1.15
    once = recover_transport(qpsk_llr(sent, es_n0_db, rng), block, 2)
    half = [recover_transport(qpsk_llr(sent, es_n0_db - 10 * np.log10(2), rng), block, 2) for _ in range(2)]
    lost = [
        1 - decode_transport(s, block, 20, rows).crc_ok.mean() for s in (once, half[0], harq.combine(*half))
    ]
    assert lost[1] == 1.0
    assert 0.05 < lost[0] < 0.5
    assert abs(lost[0] - lost[2]) < 3.3 * np.sqrt(2 * lost[0] * (1 - lost[0]) / 1500)


def test_incremental_redundancy_beats_chase_at_high_rate():
    """Rate 0.85, second transmission needed: new parity is worth more than the same bits again."""
    rng = np.random.default_rng(5)
    block = TransportBlock(2000, 0.85)
    bits = rng.integers(0, 2, (300, 2000), dtype=np.uint8)
    lost = {}
    for order in (harq.RV_CHASE, harq.RV_INCREMENTAL):
        soft, rows = np.zeros((300, 1, block.code.buffer_size), dtype=np.float32), 4
        for transmission in range(2):
            rv = harq.redundancy_version(transmission, order)
            llr = qpsk_llr(encode_transport(bits, block, 2372, 2, rv), 1.6, rng)
            soft = harq.combine(soft, recover_transport(llr, block, 2, rv))
            rows = max(rows, transport_rows(block, 2372, 2, rv))
        lost[order] = 1 - decode_transport(soft, block, 20, rows).crc_ok.mean()
    assert lost[harq.RV_CHASE] > 0.5
    assert lost[harq.RV_INCREMENTAL] < 0.1


def test_combine_is_pure_and_bounded():
    soft, more = np.array([1.0, -np.inf, np.inf], np.float32), np.array([2.0, -5.0, -np.inf], np.float32)
    assert harq.combine(soft, more).tolist() == [3.0, -1e6, 0.0]
    assert soft.tolist() == [1.0, -np.inf, np.inf]
    assert [harq.redundancy_version(t) for t in range(6)] == [0, 2, 3, 1, 0, 2]
    with pytest.raises(ParameterError, match=r"received.shape = \(2,\): must equal the buffer's, \(3,\)"):
        harq.combine(soft, more[:2])


def test_mcs_tables():
    """Spectral efficiencies as printed in TS 38.214 Tables 5.1.3.1-1 and -2 (four digits)."""
    printed = {
        "64qam": {
            0: 0.2344,
            4: 0.6016,
            9: 1.3262,
            10: 1.3281,
            16: 2.5703,
            17: 2.5664,
            22: 3.9023,
            28: 5.5547,
        },
        "256qam": {
            0: 0.2344,
            4: 1.1758,
            5: 1.4766,
            10: 2.5703,
            11: 2.7305,
            19: 5.1152,
            20: 5.3320,
            27: 7.4063,
        },
    }
    for name, length in (("64qam", 29), ("256qam", 28)):
        table = mcs.mcs_table(name)
        assert [m.index for m in table] == list(range(length))
        for index, efficiency in printed[name].items():
            assert table[index].spectral_efficiency == pytest.approx(efficiency, abs=5.1e-5)
    with pytest.raises(ParameterError, match="mcs table = '1024qam'"):
        mcs.mcs_table("1024qam")


def test_transport_block_sizes():
    """TS 38.214 5.1.3.2: table of 93 sizes; cases of every branch.

    The cases are what Sionna 2.2.0's calculate_tb_size gives; with it all 57 schemes on 9 allocations were
    compared on 2026-11-22: equal.
    """
    assert len(SMALL_SIZES) == 93 and sum(SMALL_SIZES) == 104_712
    sizes = {
        (0, 12): 24,
        (5, 5000): 3752,
        (13, 1680): 3240,
        (28, 2500): 13832,
        (3, 20000): 9744,
        (28, 20000): 110632,
    }
    assert {key: transport_block_size(key[1], mcs.MCS_64QAM[key[0]]) for key in sizes} == sizes
    for scheme in mcs.MCS_256QAM:
        for num_re in (100, 1000, 10000):
            size = transport_block_size(num_re, scheme)
            assert size == pytest.approx(num_re * scheme.spectral_efficiency, rel=0.04, abs=12)
            block = TransportBlock(size, scheme.code_rate)
            assert (size + crc.CRCS[block.crc].num_bits) % block.num_blocks == 0  # equal segments


def test_selection():
    thresholds = mcs.gap_thresholds_db(mcs.MCS_64QAM)
    assert (np.diff(thresholds) >= 0).all()
    at = np.array([-30.0, thresholds[5], thresholds[5] - 1e-9, 60.0])
    assert mcs.select(at, thresholds).tolist() == [0, 5, 4, 28]
    assert mcs.select(at[1], thresholds, -0.01).tolist() == 4


@pytest.mark.parametrize("target", [0.1, 0.3])
def test_outer_loop_settles_at_its_target(target):
    """The reported SINR is 3 dB too good: the offset finds that, the block error rate its target."""
    rng = np.random.default_rng(6)
    thresholds = mcs.gap_thresholds_db(mcs.MCS_64QAM)
    olla = mcs.Olla(bler_target=target, step_down_db=0.2)
    offset, lost, offsets = olla.initial_db, [], []
    for _ in range(6000):
        true_db = 10 + 3 * rng.standard_normal()
        chosen = mcs.select(true_db + 3.0, thresholds, offset)
        received = rng.random() > 1 / (1 + np.exp(6 * (true_db - thresholds[chosen])))
        offset = mcs.update_offset(offset, bool(received), olla)
        lost.append(not received)
        offsets.append(offset)
    assert np.mean(lost[1000:]) == pytest.approx(target, abs=0.02)
    assert -4.0 < np.mean(offsets[1000:]) < -2.0
    assert mcs.update_offset(-9.9, False, olla) == -10.0


def test_kinds_of_bad_input():
    with pytest.raises(ParameterError, match="rv = 4"):
        positions(LdpcCode(1, 100), 200, 4)
    with pytest.raises(ParameterError, match="num_coded = 201: must be a positive multiple of 2"):
        positions(LdpcCode(1, 100), 201, 0, 2)
    with pytest.raises(ParameterError, match=r"TransportBlock.code_rate = 1.5: must be in \(0, 1\)"):
        TransportBlock(100, 1.5)
    with pytest.raises(ParameterError, match=r"bits.shape = \(1, 99\)"):
        segment(np.zeros((1, 99), np.uint8), TransportBlock(100, 0.5))
