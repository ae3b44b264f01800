"""First calls in a fresh process: cold (empty cache of compiled kernels) and from the cache.

    python -m benchmarks.startup ../other --rounds 5    # cold starts of another checkout and this, in turns

The speed of a machine may change from minute to minute, so a run in turns is divided by the time of a fixed
workload just before and after it; a run in which that changed by 15 % is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Runs in the fresh process: CPU seconds of the imports and of the first call of each kernel.
SCRIPT = """
import json, time
start = time.process_time()
import numpy as np
from phy.bursts import Bursts
from phy.coding.convolutional import ConvolutionalCode, decode
from phy.injection import transmit_injected
from phy.link import demap_llr, transmit_bit
from phy.ofdm import Ofdm
from phy.waveform import transmit_waveform
result = {"import": time.process_time() - start}
zero = np.zeros(1, np.int64)
bursts = Bursts(np.zeros(448, np.uint8), zero, zero + 3584, zero + 4, np.ones((1, 6, 1), np.complex64),
                np.ones(1), 1.0, zero, np.ones(1, np.uint64), zero)
numerology = Ofdm(fft_size=64, cp_len=16, pilot_symbols_per_frame=0)
calls = {
    "bit": lambda: transmit_bit(bursts),
    "soft": lambda: demap_llr(bursts),
    "injection": lambda: transmit_injected(bursts, sparse_below=2.0),
    "waveform": lambda: transmit_waveform(bursts, numerology, bursts.h, np.array([64])),
    "viterbi": lambda: decode(np.ones((1, 212), np.float32), 100, ConvolutionalCode()),
}
for name, call in calls.items():
    start = time.process_time()
    call()
    result[name] = time.process_time() - start
result["process"] = time.process_time()
print(json.dumps(result))
"""


def fresh_process(cache: Path | None = None, root: Path = ROOT) -> dict[str, float]:
    """CPU seconds of a new process of the checkout at `root`, with compiled kernels in `cache` or where they
    usually are.
    """
    environment = {**os.environ, "PYTHONPATH": str(root)}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        cwd=root,  # python -c looks there first
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def cold_and_cached(repeats: int) -> tuple[dict[str, float], list[dict[str, float]], bool]:
    """(CPU seconds cold, the same from the cache for each repeat, whether nothing was compiled again)."""
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        cold = fresh_process(cache)
        before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}
        warm = [fresh_process(cache) for _ in range(repeats)]
        after = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}
    return cold, warm, bool(before) and before == after


def _workload() -> float:
    """CPU seconds of a fixed piece of Python."""
    start = time.process_time()
    table: dict[int, str] = {}
    for i in range(1_200_000):
        table[i & 1023] = f"{i}x"
    return time.process_time() - start


def in_turns(roots: list[Path], rounds: int) -> dict[Path, dict[str, float]]:
    """Medians of cold first calls of each checkout, in units of the fixed workload."""
    runs: dict[Path, list[dict[str, float]]] = {root: [] for root in roots}
    for _ in range(rounds):
        for root in roots:
            with tempfile.TemporaryDirectory() as name:
                before = _workload()
                figures = fresh_process(Path(name), root)
                unit = (before + _workload()) / 2
            figures["all"] = sum(v for k, v in figures.items() if k not in ("import", "process"))
            if abs(before / unit - 1.0) < 0.075:
                runs[root].append({name: value / unit for name, value in figures.items()})
    return {
        r: {k: statistics.median(run[k] for run in kept) for k in kept[0]} for r, kept in runs.items() if kept
    }


def main() -> None:
    """Print both checkouts and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="directory that holds another version's package phy")
    parser.add_argument("--rounds", type=int, default=5, help="cold starts of each (default 5)")
    arguments = parser.parse_args()
    other = arguments.other.resolve()
    if not (other / "phy").is_dir():
        parser.error(f"other = {arguments.other}: must hold the package phy")
    figures = in_turns([other, ROOT], arguments.rounds)
    if len(figures) < 2:
        sys.exit("the machine's speed changed in every round: more --rounds")
    print(f"{'first call of':12s}{'other':>9s}{'this':>9s}{'ratio':>9s}   (units of the fixed workload)")
    for name, value in figures[other].items():
        print(f"{name:12s}{value:9.2f}{figures[ROOT][name]:9.2f}{figures[ROOT][name] / value:9.3f}")


if __name__ == "__main__":
    main()
