"""First calls in a fresh process: cold (empty cache of compiled kernels) and from the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
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


def fresh_process(cache: Path | None = None) -> dict[str, float]:
    """CPU seconds of a new process, with compiled kernels in `cache` or where they usually are."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
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
