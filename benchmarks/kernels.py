"""Two choices inside the PHY kernels, measured: separate loops against a fused one, and our FFT in lanes.

    python benchmarks/kernels.py [--rounds 15]

The alternatives take turns round by round; figures are medians of nanoseconds per element and of the ratios
within a round, with their least and greatest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    # the folder of this file comes first on the path of a script, and its phy.py would hide the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.fft
from numba import njit

from phy.fft_kernels import LANES, fft_rows, twiddles
from phy.philox import CHUNK_PAIRS, LANE_RE_NOISE, box_muller, normals, philox4x32
from phy.qam import slice_symbols

_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


@njit(cache=True, nogil=True, fastmath=True)
def normals_fused(key, slot, num_pairs, out_i, out_q):
    """As `phy.philox.normals`, generator and transform in one loop."""
    for n in range(num_pairs):
        a, b, c, d = philox4x32(
            np.uint64(n) & _LOW, np.uint64(slot), np.uint64(0), LANE_RE_NOISE, key & _LOW, key >> _SHIFT
        )
        out_i[2 * n], out_q[2 * n] = box_muller(np.uint32(a), np.uint32(b))
        out_i[2 * n + 1], out_q[2 * n + 1] = box_muller(np.uint32(c), np.uint32(d))


@njit(cache=True, nogil=True)
def link_separate(key, chunks, sym, scale, scratch, gi, gq):
    """Noise of a chunk, then the slicer over it."""
    for slot in range(chunks):
        normals(key, slot, LANE_RE_NOISE, np.int64(0), CHUNK_PAIRS, scratch, gi, gq)
        slice_symbols(4, sym, gi, gq, scale, 2 * CHUNK_PAIRS)


@njit(cache=True, nogil=True, fastmath=True)
def link_fused(key, chunks, sym, scale):
    """16-QAM: noise and slicer element by element, in one loop."""
    for slot in range(chunks):
        for n in range(CHUNK_PAIRS):
            a, b, c, d = philox4x32(
                np.uint64(n) & _LOW, np.uint64(slot), np.uint64(0), LANE_RE_NOISE, key & _LOW, key >> _SHIFT
            )
            xi, xq = box_muller(np.uint32(a), np.uint32(b))
            yi, yq = box_muller(np.uint32(c), np.uint32(d))
            for k, zi, zq in ((2 * n, xi, xq), (2 * n + 1, yi, yq)):
                v = np.int32(sym[k])
                s = scale[k]
                ri = (1.0 - 2.0 * ((v >> 3) & 1)) * (2.0 - (1.0 - 2.0 * ((v >> 1) & 1))) + zi * s
                rq = (1.0 - 2.0 * ((v >> 2) & 1)) * (2.0 - (1.0 - 2.0 * (v & 1))) + zq * s
                i = (8 if ri < 0.0 else 0) | (2 if abs(ri) > 2.0 else 0)
                q = (4 if rq < 0.0 else 0) | (1 if abs(rq) > 2.0 else 0)
                sym[k] = np.uint8(i | q)


def alternate(rounds: int, elements: int, first: Callable[[], object], second: Callable[[], object]) -> str:
    """ns per element of both and the ratio second / first, over rounds in which they take turns."""
    for run in (first, second):
        run()
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        spent = []
        for run in (first, second):
            start = time.process_time_ns()
            run()
            spent.append((time.process_time_ns() - start) / elements)
        times.append((spent[0], spent[1]))
    ratios = [b / a for a, b in times]
    a, b = (statistics.median(column) for column in zip(*times))
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} ... {max(ratios):.2f})"
    return f"{a:.2f} ns | {b:.2f} ns | {ratio}"


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    key, chunks, size = np.uint64(1), 2000, 2 * CHUNK_PAIRS
    scratch = np.empty((4, CHUNK_PAIRS), np.uint32)
    gi, gq = np.empty((2, size), np.float32)
    sym, scale = np.zeros(size, np.uint8), np.full(size, 0.5, np.float32)

    def noise(fused: bool) -> None:
        for slot in range(chunks):
            if fused:
                normals_fused(key, slot, CHUNK_PAIRS, gi, gq)
            else:
                normals(key, slot, LANE_RE_NOISE, 0, CHUNK_PAIRS, scratch, gi, gq)

    print("| per element | this repository | alternative | alternative / ours |\n|---|---|---|---|")
    print("| noise: two loops, one loop |", alternate(
        rounds, chunks * size, lambda: noise(False), lambda: noise(True)), "|")  # fmt: skip
    print("| noise and 16-QAM slicer: separate, fused |", alternate(
        rounds, chunks * size, lambda: link_separate(key, chunks, sym, scale, scratch, gi, gq),
        lambda: link_fused(key, chunks, sym, scale)), "|")  # fmt: skip
    for n in (64, 256, 1024):
        table = twiddles(n)
        x = np.ones((2, n * LANES), np.float32)
        z = np.ones((LANES, n), np.complex64)
        repeats = max(1, 400_000 // (n * LANES))

        def ours(n=n, table=table, x=x, repeats=repeats) -> None:
            for _ in range(repeats):
                fft_rows(x[0], x[1], n, table)
                x *= np.float32(1.0 / n)

        def scipys(z=z, repeats=repeats) -> None:
            for _ in range(repeats):
                scipy.fft.fft(z, axis=1)

        print(f"| FFT of {n}, {LANES} vectors: rows, scipy.fft |",
              alternate(rounds, repeats * n * LANES, ours, scipys), "|")  # fmt: skip


if __name__ == "__main__":
    main()
