"""Threads, batches and the compile cache: results must not depend on how the work is run."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from phy.coding import convolutional, ldpc_kernels, viterbi
from phy.coding.convolutional import ConvolutionalCode
from phy.coding.ldpc import LdpcCode, decode


def test_results_do_not_depend_on_threads_or_batches():
    """The kernels release the lock and keep no state: four threads on pieces give what one call gives."""
    rng = np.random.default_rng(0)
    llr = (1.0 + rng.standard_normal((40, 412))).astype(np.float32)
    code = ConvolutionalCode()
    short = LdpcCode(2, 200)
    soft = (1.5 + rng.standard_normal((40, short.buffer_size))).astype(np.float32)
    whole = convolutional.decode(llr, 200, code), decode(soft, short)
    pieces = [slice(0, 7), slice(7, 8), slice(8, 31), slice(31, 40)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            first = list(pool.map(lambda s: convolutional.decode(llr[s], 200, code), pieces))
            second = list(pool.map(lambda s: decode(soft[s], short), pieces))
            assert (np.concatenate(first) == whole[0]).all()
            assert (np.concatenate([d.bits for d in second]) == whole[1].bits).all()
            assert (np.concatenate([d.iterations for d in second]) == whole[1].iterations).all()


def test_read_only_input_compiles_nothing_new():
    code, short = ConvolutionalCode(), LdpcCode(2, 200)
    llr, soft = np.ones((1, 412), np.float32), np.ones((1, short.buffer_size), np.float32)
    kernels = (viterbi.viterbi_kernel, ldpc_kernels.decode_kernel)
    convolutional.decode(llr, 200, code), decode(soft, short)
    before = [len(k.signatures) for k in kernels]
    llr.flags.writeable = soft.flags.writeable = False
    convolutional.decode(llr, 200, code), decode(soft, short)
    convolutional.decode(llr[:, :400], 200, ConvolutionalCode("1/2", "tail_biting"))
    assert [len(k.signatures) for k in kernels] == before


SCRIPT = """
import numpy as np
from phy.coding import convolutional, ldpc, ldpc_kernels, viterbi
code = ldpc.LdpcCode(2, 100)
ldpc.decode(np.ones((1, code.buffer_size), np.float32), code)
convolutional.decode(np.ones((1, 112), np.float32), 50, convolutional.ConvolutionalCode())
for kernel in (viterbi.viterbi_kernel, ldpc_kernels.decode_kernel):
    print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_second_process_loads_the_vector_code_from_the_cache(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    lines = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=Path(__file__).parents[3],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\n")[:2]
        for _ in range(2)
    ]
    assert lines == [["0 1", "0 1"], ["1 0", "1 0"]]
