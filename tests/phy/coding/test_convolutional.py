"""K = 7 code and soft Viterbi: against exhaustive search, scikit-commpy and the union bound."""

import itertools

import numpy as np
import pytest
from numba import njit
from scipy.special import ndtr

from phy.coding import viterbi
from phy.coding.convolutional import (
    ConvolutionalCode,
    decode,
    decode_hard,
    encode,
    encode_kernel,
    kept_positions,
)
from phy.parameters import ParameterError

ALL = [ConvolutionalCode(r, t) for r in ("1/2", "2/3", "3/4", "5/6") for t in ("zero", "tail_biting")]


def bpsk_llr(coded, es_n0_db, rng):
    """LLRs 4 sqrt(Es) y of BPSK over AWGN: y = sqrt(Es) x + n, n0 = 1, so 1/2 in the real dimension."""
    es = np.float32(10 ** (es_n0_db / 10))
    noise = np.sqrt(np.float32(0.5)) * rng.standard_normal(coded.shape, dtype=np.float32)
    return 4 * np.sqrt(es) * (np.sqrt(es) * (1 - 2 * coded.astype(np.float32)) + noise)


def shift_register(bits, start):
    """The encoder as the standard draws it: six delays, two modulo-2 sums."""
    delays, out = list(start), []
    for u in bits:
        window = [int(u), *delays]
        out += [sum(window[i] for i in taps) % 2 for taps in ((0, 2, 3, 5, 6), (0, 1, 2, 3, 6))]
        delays = window[:6]
    return out


def test_encoder_is_the_shift_register():
    bits = np.random.default_rng(0).integers(0, 2, (3, 41), dtype=np.uint8)
    zero, biting = encode(bits, ConvolutionalCode()), encode(bits, ConvolutionalCode("1/2", "tail_biting"))
    for i, row in enumerate(bits):
        assert zero[i].tolist() == shift_register([*row, 0, 0, 0, 0, 0, 0], [0] * 6)
        assert biting[i].tolist() == shift_register(row, row[:-7:-1].tolist())


def commpy_trellis(convcode):
    """The same code in commpy 0.8.0, which reads generators with the newest bit least significant."""
    return convcode.Trellis(np.array([6]), np.array([[0o155, 0o117]]))


def test_encoder_equals_commpy():
    convcode = pytest.importorskip("commpy.channelcoding.convcode")
    trellis = commpy_trellis(convcode)
    bits = np.random.default_rng(1).integers(0, 2, 150)
    assert encode(bits[None], ConvolutionalCode())[0].tolist() == convcode.conv_encode(bits, trellis).tolist()


def test_puncturing_sends_the_bits_the_standard_draws():
    # IEEE 802.11-2020 Figures 17-9 and 19-11: A1 B1 A2 | A1 B1 A2 B3 | A1 B1 A2 B3 A4 B5.
    names = [f"{output}{step}" for step in range(1, 6) for output in "AB"]
    sent = {rate: [names[i] for i in kept_positions(5, rate)] for rate in ("2/3", "3/4", "5/6")}
    assert sent["2/3"][:3] == ["A1", "B1", "A2"]
    assert sent["3/4"][:4] == ["A1", "B1", "A2", "B3"]
    assert sent["5/6"] == ["A1", "B1", "A2", "B3", "A4", "B5"]
    assert [ConvolutionalCode(r).num_coded_bits(54) for r in ("1/2", "2/3", "3/4", "5/6")] == [
        120,
        90,
        80,
        72,
    ]


@pytest.mark.parametrize("code", ALL, ids=str)
def test_noiseless_round_trip(code):
    rng = np.random.default_rng(2)
    for num_bits in (1, 2, 6, 7, 31, 1000):
        bits = rng.integers(0, 2, (5, num_bits), dtype=np.uint8)
        coded = encode(bits, code)
        assert coded.shape == (5, code.num_coded_bits(num_bits))
        if num_bits < 6 and code.termination == "tail_biting":
            continue  # so short and punctured that two blocks share a code word
        for metric in ("int8", "int16"):
            assert (decode(1.0 - 2.0 * coded, num_bits, code, metric) == bits).all()
        assert (decode_hard(coded, num_bits, code) == bits).all()


@pytest.mark.parametrize("rate", ["1/2", "2/3", "3/4", "5/6"])
def test_is_maximum_likelihood(rate):
    """On pure noise, of all 2^9 code words none correlates better than the chosen one by more than rounding.

    Rounding: 16 bits, half a step of 8 / 511 of the mean magnitude on each code bit, for two code words.
    """
    code = ConvolutionalCode(rate)
    words = np.array(list(itertools.product((0, 1), repeat=9)), dtype=np.uint8)
    signs = 1.0 - 2.0 * encode(words, code)
    llr = np.random.default_rng(3).standard_normal((400, signs.shape[1])).astype(np.float32)
    correlation = llr @ signs.T
    chosen = correlation[np.arange(400), decode(llr, 9, code) @ (1 << np.arange(8, -1, -1))]
    deficit = correlation.max(axis=1) - chosen
    assert (deficit <= llr.shape[1] * 8 / 511 * np.abs(llr).mean(axis=1)).all()
    assert (deficit == 0).mean() > 0.97


def test_soft_decisions_equal_commpy():
    """Decoded bits, right or wrong, equal commpy's in 'unquantized' and 'soft' mode (positive = bit 1 there).

    commpy decides from the best final state; eight sure zero steps behind the block make that the zero state.
    """
    convcode = pytest.importorskip("commpy.channelcoding.convcode")
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 2, (4, 100), dtype=np.uint8)
    llr = bpsk_llr(encode(bits, ConvolutionalCode()), -2.5, rng)
    ours = decode(llr, 100, ConvolutionalCode())
    assert (ours != bits).any(), "the comparison must see wrong decisions too"
    for row in range(4):
        received = np.concatenate([-llr[row].astype(float), np.full(16, -30.0)])
        for mode in ("unquantized", "soft"):
            depth = received.size // 2 + 6  # one traceback, over the whole block
            theirs = convcode.viterbi_decode(received, commpy_trellis(convcode), depth, decoding_type=mode)
            assert theirs[:100].tolist() == ours[row].tolist()


def test_hard_decisions_are_as_likely_as_commpys():
    """Hard decisions tie, so the bits may differ where the Hamming distance to the received word does not."""
    convcode = pytest.importorskip("commpy.channelcoding.convcode")
    trellis = commpy_trellis(convcode)
    rng = np.random.default_rng(5)
    code = ConvolutionalCode()
    bits = rng.integers(0, 2, (2, 100), dtype=np.uint8)
    received = encode(bits, code) ^ (rng.random((2, 212)) < 0.08).astype(np.uint8)
    ours = encode(decode_hard(received, 100, code), code)
    for row in range(2):
        decided = convcode.viterbi_decode(received[row].astype(int), trellis, 112, decoding_type="hard")[:100]
        theirs = encode(decided.astype(np.uint8)[None], code)[0]
        assert (ours[row] != received[row]).sum() == (theirs != received[row]).sum()


def spectrum(max_distance):
    """float64[max_distance + 1]: information bit errors of all paths that leave state 0 once, by distance."""
    weights = np.zeros(max_distance + 1)
    live = {32: (np.eye(1, max_distance + 1, 2)[0], np.eye(1, max_distance + 1, 2)[0])}
    while live:
        later: dict = {}
        for (r, (paths, bits)), u in itertools.product(live.items(), (0, 1)):
            window = (u << 6) | r
            d = sum(bin(window & g).count("1") % 2 for g in viterbi.GENERATORS)
            moved = [np.concatenate([np.zeros(d), x[: len(x) - d]]) for x in (paths, bits + u * paths)]
            to = (u << 5) | (r >> 1)
            if to == 0:
                weights += moved[1]
            elif moved[0].any():
                old = later.get(to, (0.0, 0.0))
                later[to] = (old[0] + moved[0], old[1] + moved[1])
        live = later
    return weights


def test_distance_spectrum():
    """The published weights of (133, 171) (P. Frenger et al., IEEE Commun. Lett. 3(11), 1999)."""
    assert spectrum(20)[8:].tolist() == [0, 0, 36, 0, 211, 0, 1404, 0, 11633, 0, 77433, 0, 502690]


def union_bound(eb_n0_db):
    """BER bound of the soft rate 1/2 code over BPSK-AWGN: sum over d of B_d Q(sqrt(2 d R Eb/N0))."""
    weights = spectrum(26)
    d = np.arange(len(weights))
    return float(weights @ ndtr(-np.sqrt(d * 10 ** (eb_n0_db / 10))))


def check_against_union_bound(eb_n0_db, num_blocks, seed):
    """Measured BER lies under the bound at this Eb/N0 and above the bound 0.2 dB further right (99.9 %).

    Errors come in events of several bits, so the interval is drawn from the number of events.
    """
    rng, code, num_bits = np.random.default_rng(seed), ConvolutionalCode(), 4000
    errors = events = 0
    for _ in range(0, num_blocks, 500):
        bits = rng.integers(0, 2, (500, num_bits), dtype=np.uint8)
        wrong = decode(bpsk_llr(encode(bits, code), eb_n0_db - 10 * np.log10(2), rng), num_bits, code) != bits
        where = np.flatnonzero(wrong)
        errors += where.size
        events += where.size and 1 + int((np.diff(where) > 6).sum())
    ber = errors / (num_blocks * num_bits)
    slack = 3.3 * 1.3 / np.sqrt(events)  # 1.3: spread of the bits per event adds to the Poisson count
    assert slack < 0.6
    assert union_bound(eb_n0_db + 0.2) * (1 - slack) < ber < union_bound(eb_n0_db) * (1 + slack)


def test_ber_follows_the_union_bound():
    check_against_union_bound(3.75, 2000, 6)


@pytest.mark.slow
def test_ber_follows_the_union_bound_closely():
    check_against_union_bound(4.5, 25000, 7)


def test_eight_bit_metrics_cost_little():
    """On the same noise the 8-bit decoder makes at most 30 % more errors (0.07 dB here)."""
    rng, code = np.random.default_rng(8), ConvolutionalCode()
    bits = rng.integers(0, 2, (1600, 1000), dtype=np.uint8)
    llr = bpsk_llr(encode(bits, code), 2.5 - 10 * np.log10(2), rng)
    fine, coarse = ((decode(llr, 1000, code, m) != bits).mean() for m in ("int16", "int8"))
    assert 1e-3 < fine < coarse < 1.3 * fine


def test_scale_and_infinite_llrs():
    rng, code = np.random.default_rng(9), ConvolutionalCode("3/4")
    bits = rng.integers(0, 2, (20, 200), dtype=np.uint8)
    llr = bpsk_llr(encode(bits, code), 2.0, rng)
    assert (decode(llr, 200, code) == decode(np.float32(2.0**-20) * llr, 200, code)).all()
    sure = np.where(encode(bits, code) == 1, -np.inf, np.inf)
    assert (decode(sure, 200, code) == bits).all()


def test_kernels_equal_py_func():
    rng = np.random.default_rng(10)
    llr = (4 * rng.standard_normal((2, 58))).astype(np.float32)
    for metric_type, word_type, width, high in ((np.uint8, np.uint32, 8, 9), (np.uint16, np.uint64, 16, 511)):
        costs = [np.zeros(29, word_type) for _ in range(2)]
        for kernel, words in zip((viterbi.branch_costs, viterbi.branch_costs.py_func), costs):
            kernel(llr[0], np.float32(high / 6), high, width, words)
        assert costs[0].tolist() == costs[1].tolist()
        for circular, positions, size in ((0, np.arange(58), 23), (8, np.arange(58), 13)):
            outs, metrics = np.zeros((2, 2, size), np.uint8), np.zeros((2, 64), metric_type)
            for i, kernel in enumerate((viterbi.viterbi_kernel, viterbi.viterbi_kernel.py_func)):
                words = np.zeros(29, word_type)
                assert kernel(llr, positions, circular, np.float32(2), metrics[i], words, outs[i])
            assert (outs[0] == outs[1]).all()
            assert (metrics[0] == metrics[1]).all()
    survivors = rng.integers(0, 2**63, 40, dtype=np.uint64)
    traced = np.zeros((2, 30), np.uint8)
    viterbi.trace_back(survivors, 5, traced[0])
    viterbi.trace_back.py_func(survivors, 5, traced[1])
    assert (traced[0] == traced[1]).all()
    assert viterbi.mean_magnitude(llr[0]) == pytest.approx(viterbi.mean_magnitude.py_func(llr[0]), rel=1e-6)
    bits, coded = rng.integers(0, 2, (2, 9), dtype=np.uint8), np.zeros((2, 2, 18), np.uint8)
    encode_kernel(bits, True, coded[0])
    encode_kernel.py_func(bits, True, coded[1])
    assert (coded[0] == coded[1]).all()


@pytest.mark.parametrize(
    "metric_type,word_type,width,high", [(np.uint8, np.uint32, 8, 9), (np.uint16, np.uint64, 16, 511)]
)
def test_costs_never_overflow(metric_type, word_type, width, high):
    """Random signs at full scale make every path dear; all decisions equal those of unbounded arithmetic."""
    rng = np.random.default_rng(11)
    llr = np.where(rng.random(2 * 997) < 0.5, -high, high).astype(np.float32)
    words, survivors = np.zeros(997, word_type), np.zeros((2, 997), np.uint64)
    viterbi.branch_costs(llr, np.float32(1), high, width, words)
    metrics = np.full((2, 64), 12 * high + 1, metric_type)
    metrics[:, 0] = 0
    run_steps(words, metrics[0], survivors[0])
    viterbi._step_all(words, metrics[1], survivors[1])
    assert (survivors[0] == survivors[1]).all()
    assert (metrics[0] == metrics[1]).all()


@njit
def run_steps(words, metric, survivors):
    viterbi._step_all(words, metric, survivors)


def test_errors_are_one_line():
    code = ConvolutionalCode()
    with pytest.raises(ParameterError, match=r"ConvolutionalCode.rate = '7/8': must be one of"):
        ConvolutionalCode("7/8")
    with pytest.raises(ParameterError, match=r"llr.shape = \(1, 30\): must be \(blocks, 32\) for 10 bits"):
        decode(np.zeros((1, 30)), 10, code)
    with pytest.raises(ParameterError, match="llr = nan"):
        decode(np.full((1, 32), np.nan), 10, code)
    with pytest.raises(ParameterError, match="metric = 'float'"):
        decode(np.zeros((1, 32)), 10, code, "float")
    with pytest.raises(ParameterError, match=r"bits.shape = \(8,\)"):
        encode(np.zeros(8, np.uint8), code)
