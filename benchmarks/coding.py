"""Decoders on the same noisy code words: ours, vectorised NumPy, plain numba loops, and the peers that are
installed.

    python benchmarks/coding.py [--rounds 7] [--quick] [--json FILE]

Viterbi: K = 7, rate 1/2, 64 code words of 1786 bits (3584 code bits), Eb/N0 3 dB. LDPC: base graph 2, k =
1792, rate 1/2, 64 code words, 8 iterations of layered min-sum without early stop (pure noise) and at Eb/N0 2
dB with it. scikit-commpy and Sionna (`sionna-no-rt`) take part where they import, on fewer code words. The
peers take turns round by round; figures are information bits per second of process CPU time, ratios are
medians of the ratios within a round, with their least and greatest. Every peer's bit error rate is printed:
equal work is checked, not assumed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    # the folder of this file comes first on the path of a script, and its phy.py would hide the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numba import njit
from numpy.typing import NDArray

from phy.coding import convolutional, crc, ldpc
from phy.coding.convolutional import ConvolutionalCode
from phy.coding.ldpc_rate import encode_matched, recover, rows_used
from phy.coding.viterbi import GENERATORS

BATCH, CONV_BITS, LDPC_BITS, ITERATIONS = 64, 1786, 1792, 8


@dataclass(frozen=True)
class Peer:
    """One contender: `run` decodes `num_bits` information bits and returns its decisions."""

    name: str
    num_bits: int
    run: Callable[[], NDArray]
    sent: NDArray


def bpsk_llr(coded: NDArray, eb_n0_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """LLRs of rate 1/2 code bits sent by BPSK over AWGN (n0 = 1)."""
    es = np.float32(0.5 * 10 ** (eb_n0_db / 10))
    noise = np.sqrt(np.float32(0.5)) * rng.standard_normal(coded.shape, dtype=np.float32)
    return 4 * np.sqrt(es) * (np.sqrt(es) * (1 - 2 * coded.astype(np.float32)) + noise)


def branch_outputs() -> NDArray[np.int64]:
    """int64[2, 64]: code bits 2 A + B on the branch into state p from the even and the odd old state."""
    register = (np.arange(64) >> 5 << 6) + 2 * (np.arange(64) & 31) + np.arange(2)[:, None]
    parity = [np.vectorize(lambda r, g=g: bin(r & g).count("1") & 1)(register) for g in GENERATORS]
    return 2 * parity[0] + parity[1]


def numpy_viterbi(llr: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Vectorised over 64 states and all code words, states first: llr float32[B, 2 n] to uint8[B, n - 6].

    Float32 costs, no temporary arrays in the loop: the fastest of the NumPy forms that were tried.
    """
    num_words, num_steps = len(llr), llr.shape[1] // 2
    pair = np.ascontiguousarray(llr.reshape(num_words, num_steps, 2).transpose(1, 2, 0))
    costs = np.stack([np.zeros_like(pair[:, 0]), pair[:, 1], pair[:, 0], pair[:, 0] + pair[:, 1]], axis=1)
    even, odd = branch_outputs()
    metric = np.full((64, num_words), 1e9, dtype=np.float32)
    metric[0] = 0
    came = np.empty((num_steps, 64, num_words), dtype=bool)
    a, b = np.empty((2, 64, num_words), dtype=np.float32)
    for t in range(num_steps):
        np.take(costs[t], even, axis=0, out=a, mode="clip")
        np.take(costs[t], odd, axis=0, out=b, mode="clip")
        for half in (slice(0, 32), slice(32, 64)):
            a[half] += metric[0::2]
            b[half] += metric[1::2]
        np.less(b, a, out=came[t])
        np.minimum(a, b, out=metric)
    state, words = np.zeros(num_words, dtype=np.int64), np.arange(num_words)
    out = np.empty((num_steps, num_words), dtype=np.uint8)
    for t in range(num_steps - 1, -1, -1):
        out[t] = state >> 5
        state = 2 * (state & 31) + came[t, state, words]
    return np.ascontiguousarray(out[:-6].T)


@njit(cache=True, nogil=True)
def plain_viterbi(llr, first, second, out):
    """The same as butterflies in plain numba loops: int16 costs of int16 inputs llr[B, 2 n].

    first, second: int16[32], code bits A and B on the branch from old state 2 i to new state i; the other
    three branches of the butterfly carry the same or the opposite pair.
    """
    num_steps = llr.shape[1] // 2
    came = np.empty((num_steps, 64), dtype=np.uint8)
    old, new = np.empty(64, dtype=np.int16), np.empty(64, dtype=np.int16)
    for b in range(llr.shape[0]):
        for s in range(64):
            old[s] = 0 if s == 0 else 4000
        for t in range(num_steps):
            a, c = llr[b, 2 * t], llr[b, 2 * t + 1]
            total, base, row = np.int16(a + c), old[0], came[t]
            for i in range(32):
                low, high = np.int16(old[2 * i] - base), np.int16(old[2 * i + 1] - base)
                same = np.int16(np.int16(first[i] * a) + np.int16(second[i] * c))
                other = np.int16(total - same)
                x, y = np.int16(low + same), np.int16(high + other)
                row[i] = y < x
                new[i] = min(x, y)
                x, y = np.int16(low + other), np.int16(high + same)
                row[i + 32] = y < x
                new[i + 32] = min(x, y)
            for s in range(64):
                old[s] = new[s]
        state = 0
        for t in range(num_steps - 1, -1, -1):
            if t < out.shape[1]:
                out[b, t] = state >> 5
            state = 2 * (state & 31) + came[t, state]


def numpy_ldpc(soft: NDArray[np.float32], code: ldpc.LdpcCode, num_rows: int) -> NDArray[np.uint8]:
    """Layered min-sum (11/16) in float32, vectorised over code words and the checks of a row."""
    plan, z = ldpc.schedule(code.base_graph, code.lifting_size, num_rows), code.lifting_size
    graph = code.graph
    shift = graph.shift[ldpc.lifting_set(z)] % z
    num_cols = len(plan.last_shift)
    belief = np.zeros((len(soft), num_cols * z), dtype=np.float32)
    belief[:, 2 * z :] = soft[:, : (num_cols - 2) * z]
    belief[:, code.num_bits : code.num_systematic] = 1e3
    index = graph.col[:, None] * z + (np.arange(z) + shift[:, None]) % z
    messages = [np.zeros((len(soft), n, z), dtype=np.float32) for n in np.diff(plan.row_start)]
    for _ in range(ITERATIONS):
        for r, message in enumerate(messages):
            lanes = index[plan.row_start[r] : plan.row_start[r + 1]]
            value = belief[:, lanes] - message
            size = np.abs(value)
            two = np.partition(size, 1, axis=1)[:, :2]
            negative = value < 0
            flip = np.logical_xor.reduce(negative, axis=1, keepdims=True) ^ negative
            least = np.where(size == two[:, :1], two[:, 1:], two[:, :1]) * np.float32(0.6875)
            message[:] = np.where(flip, -least, least)
            belief[:, lanes] = value + message
    return (belief[:, : code.num_bits] < 0).astype(np.uint8)


def viterbi_peers(rng: np.random.Generator) -> list[Peer]:
    """All Viterbi decoders on one set of code words."""
    code = ConvolutionalCode()
    bits = rng.integers(0, 2, (BATCH, CONV_BITS), dtype=np.uint8)
    llr = bpsk_llr(convolutional.encode(bits, code), 3.0, rng)
    whole = np.rint(np.clip(llr * 16, -255, 255)).astype(np.int16)
    outputs = branch_outputs()[0, :32]
    first, second = (outputs >> 1).astype(np.int16), (outputs & 1).astype(np.int16)

    def plain() -> NDArray:
        out = np.empty_like(bits)
        plain_viterbi(whole, first, second, out)
        return out

    size = BATCH * CONV_BITS
    peers = [
        Peer("int16", size, lambda: convolutional.decode(llr, CONV_BITS, code, "int16"), bits),
        Peer("int8", size, lambda: convolutional.decode(llr, CONV_BITS, code, "int8"), bits),
        Peer("numpy", size, lambda: numpy_viterbi(llr), bits),
        Peer("plain numba", size, plain, bits),
    ]
    try:
        from commpy.channelcoding import convcode
    except ImportError:
        print("scikit-commpy is not installed: left out")
    else:
        short = rng.integers(0, 2, (1, 58), dtype=np.uint8)
        received = -bpsk_llr(convolutional.encode(short, code), 3.0, rng)[0].astype(float)
        machine = convcode.Trellis(np.array([6]), np.array([[0o155, 0o117]]))
        peers.append(
            Peer(
                "commpy",
                58,
                lambda: convcode.viterbi_decode(received, machine, 70, "unquantized")[None, :58],
                short,
            )
        )
    try:
        import torch
        from sionna.phy.fec.conv import ConvEncoder, ViterbiDecoder
    except ImportError:
        print("sionna-no-rt is not installed: left out")
    else:
        torch.set_num_threads(1)
        encoder = ConvEncoder(gen_poly=("1011011", "1111001"), terminate=True)
        tensor = torch.tensor(bits).float()
        decoder = ViterbiDecoder(encoder=encoder, method="soft_llr")
        logits = torch.tensor(-bpsk_llr(encoder(tensor).cpu().numpy(), 3.0, rng))
        peers.append(Peer("sionna", size, lambda: decoder(logits).cpu().numpy(), bits))
    return peers


def ldpc_peers(rng: np.random.Generator, eb_n0_db: float | None) -> list[Peer]:
    """All LDPC decoders on the same code words; eb_n0_db None: pure noise, so that none stops early."""
    code, num_coded = ldpc.LdpcCode(2, LDPC_BITS), 2 * LDPC_BITS
    bits = rng.integers(0, 2, (BATCH, LDPC_BITS), dtype=np.uint8)
    coded = encode_matched(bits, code, num_coded)
    if eb_n0_db is None:
        llr = rng.standard_normal(coded.shape, dtype=np.float32)
    else:
        llr = bpsk_llr(coded, eb_n0_db, rng)
    rows, size = rows_used(code, num_coded), BATCH * LDPC_BITS

    def ours(metric: str) -> Callable[[], NDArray]:
        return lambda: ldpc.decode(recover(llr, code), code, ITERATIONS, rows, metric).bits

    peers = [
        Peer("int16", size, ours("int16"), bits),
        Peer("int8", size, ours("int8"), bits),
        Peer("numpy", size, lambda: numpy_ldpc(recover(llr, code), code, rows), bits),
    ]
    try:
        import torch
        from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
    except ImportError:
        return peers
    torch.set_num_threads(1)
    decoder = LDPC5GDecoder(LDPC5GEncoder(LDPC_BITS, num_coded), cn_update="minsum", num_iter=ITERATIONS)
    logits = torch.tensor(-llr[:16])
    peers.append(Peer("sionna", 16 * LDPC_BITS, lambda: decoder(logits).cpu().numpy(), bits[:16]))
    return peers


def measure(peers: list[Peer], rounds: int) -> dict[str, list[float]]:
    """Mbit of information per CPU second, one figure per peer and round."""
    result: dict[str, list[float]] = {p.name: [] for p in peers}
    for peer in peers:
        peer.run()
    for _ in range(rounds):
        for peer in peers:
            start, repeats = time.process_time(), 0
            while repeats == 0 or time.process_time() - start < 0.05:
                peer.run()
                repeats += 1
            result[peer.name].append(repeats * peer.num_bits / (time.process_time() - start) / 1e6)
    return result


def report(
    title: str, key: str, peers: list[Peer], rounds: int, ratios: dict[str, float], mbit: dict[str, float]
) -> None:
    """Print one table and add to the results."""
    figures = measure(peers, rounds)
    print(f"\n{title}\n{'peer':14s}{'Mbit/s':>10s}{'BER':>10s}   {peers[0].name} is ... x (least - greatest)")
    for peer in peers:
        paired = [a / b for a, b in zip(figures[peers[0].name], figures[peer.name])]
        middle, speed = statistics.median(paired), statistics.median(figures[peer.name])
        error_rate = float((peer.run() != peer.sent).mean())
        spread = f"({min(paired):.4g} - {max(paired):.4g})"
        print(f"{peer.name:14s}{speed:10.4g}{error_rate:10.2e}   {middle:.4g} {spread}")
        mbit[f"{key}/{peer.name}"] = speed
        if peer is not peers[0]:
            ratios[f"{key}/{peer.name}"] = middle


def encoder_peers(rng: np.random.Generator) -> list[Peer]:
    """Our encoders and CRCs: no peers, figures only."""
    bits = rng.integers(0, 2, (BATCH, LDPC_BITS), dtype=np.uint8)
    code = ldpc.LdpcCode(2, LDPC_BITS)
    size = BATCH * LDPC_BITS
    return [
        Peer("ldpc encode", size, lambda: encode_matched(bits, code, 2 * LDPC_BITS)[:, :1], bits[:, :1]),
        Peer(
            "conv encode", size, lambda: convolutional.encode(bits, ConvolutionalCode())[:, :1], bits[:, :1]
        ),
        Peer("crc 24A", size, lambda: crc.attach(bits, "24A")[:, :LDPC_BITS], bits),
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9, help="rounds of all peers")
    parser.add_argument("--quick", action="store_true", help="three rounds, under 50 s")
    parser.add_argument("--json", type=Path, help="write ratios and Mbit/s to this file")
    args = parser.parse_args()
    rounds = 3 if args.quick else args.rounds
    rng = np.random.default_rng(1)
    ratios: dict[str, float] = {}
    mbit: dict[str, float] = {}
    conv = f"Viterbi K=7 rate 1/2, {BATCH} x {CONV_BITS} bits, Eb/N0 3 dB"
    report(conv, "viterbi", viterbi_peers(rng), rounds, ratios, mbit)
    words = f"LDPC base graph 2, k = {LDPC_BITS}, rate 1/2, {BATCH} code words, "
    report(words + f"{ITERATIONS} full iterations", "ldpc", ldpc_peers(rng, None), rounds, ratios, mbit)
    stopped = words + "Eb/N0 2 dB, ours stop early"
    report(stopped, "ldpc early stop", ldpc_peers(rng, 2.0), rounds, ratios, mbit)
    report("Encoders", "encode", encoder_peers(rng), rounds, {}, mbit)
    if args.json:
        args.json.write_text(json.dumps({"ratios": ratios, "mbit_per_cpu_s": mbit}, indent=1) + "\n")


if __name__ == "__main__":
    main()
