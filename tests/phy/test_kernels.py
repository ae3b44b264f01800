"""Kernels: compiled and interpreted give the same, and a second process finds them in the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from phy import (
    burst_kernels,
    cell_kernels,
    fading,
    flip_kernels,
    injection_kernels,
    modulation,
    packing,
    philox,
    qam,
    waveform,
    waveform_kernels,
)
from phy.dispatch import Part
from phy.fft_kernels import LANES
from phy.ofdm import Ofdm

ORDERS = modulation.ORDERS


def _multiply_row(x_r, x_i, at, c_r, c_i, y_r, y_i, to):
    rows = x_r[at : at + LANES] + 1j * x_i[at : at + LANES]
    product = rows * complex(c_r, c_i)
    y_r[to : to + LANES], y_i[to : to + LANES] = product.real, product.imag


def _multiply_add_row(x_r, x_i, at, c_r, c_i, y_r, y_i, to):
    before = y_r[to : to + LANES].copy(), y_i[to : to + LANES].copy()
    _multiply_row(x_r, x_i, at, c_r, c_i, y_r, y_i, to)
    y_r[to : to + LANES] += before[0]
    y_i[to : to + LANES] += before[1]


def _body(function):
    return getattr(function, "py_func", function)  # what `interpret` has replaced is one already


INTRINSICS = {
    "_bits_of": lambda x: np.float32(x).view(np.int32),
    "_float_of": lambda x: np.int32(x).view(np.float32),
    "_pattern_of": lambda x: np.float64(x).view(np.int64),
    "_double_of": lambda x: np.int64(x).view(np.float64),
    "ones": lambda x: int(x).bit_count(),
    "multiply_row": _multiply_row,
    "multiply_add_row": _multiply_add_row,
}
KERNELS = (
    burst_kernels, cell_kernels, fading, flip_kernels, injection_kernels, packing, philox, qam,
    waveform_kernels,
)  # fmt: skip
LEFT_COMPILED = {"fft_rows"}  # of intrinsics alone; compared with NumPy in test_waveform.py


@pytest.fixture
def interpret(monkeypatch):
    """Call it to replace every part that kernels call by its Python body, and intrinsics by the same in
    Python.
    """

    def swap():
        for module in KERNELS:
            for name, function in list(vars(module).items()):
                if name in INTRINSICS:
                    monkeypatch.setattr(module, name, INTRINSICS[name])
                elif isinstance(function, Part) and name not in LEFT_COMPILED:
                    monkeypatch.setattr(module, name, function.py_func)

    return swap


def test_normals(interpret):
    outs = []
    for pick in (lambda f: f, _body):
        i, q, scratch = np.zeros(40, np.float32), np.zeros(40, np.float32), np.empty((4, 20), np.uint32)
        pick(philox.normals)(np.uint64(2**63 + 5), np.int64(3), np.uint64(0), np.int64(11), 20, scratch, i, q)
        outs.append(np.concatenate([i, q]))
        interpret()
    assert np.allclose(outs[0], outs[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("m", ORDERS)
def test_slicer_and_demapper(interpret, m):
    rng = np.random.default_rng(m)
    n = 64
    sent = rng.integers(0, 1 << m, n, dtype=np.uint8)
    noise = rng.standard_normal((2, n + 2)).astype(np.float32)
    scale = np.abs(rng.standard_normal(n)).astype(np.float32) + np.float32(0.1)
    weight = (0.5 / scale**2).astype(np.float32)
    hard, soft = [], []
    for pick in (lambda f: f, _body):
        sym = sent.copy()
        pick(qam.slice_symbols)(m, sym, noise[0].copy(), noise[1], scale, n)
        hard.append(sym)
        llr, plane = np.zeros(n * m - 1, np.float32), np.zeros((8, n), np.float32)
        pick(qam.maxlog_symbols)(m, sent, noise[0].copy(), noise[1].copy(), scale, weight, n, plane)
        pick(qam.interleave)(m, plane, llr.size, llr)
        soft.append(llr)
        interpret()
    assert np.array_equal(*hard)
    assert np.allclose(*soft, rtol=1e-4, atol=1e-4)


def test_16_qam_alone_is_the_general_case_at_m_4(interpret):
    rng = np.random.default_rng(4)
    n = 64
    sent = rng.integers(0, 16, n, dtype=np.uint8)
    noise = rng.standard_normal((2, n)).astype(np.float32)
    scale = np.abs(rng.standard_normal(n)).astype(np.float32) + np.float32(0.1)
    weight = (0.5 / scale**2).astype(np.float32)
    general, plane, llr = sent.copy(), np.zeros((8, n), np.float32), np.zeros(4 * n, np.float32)
    qam.slice_symbols(4, general, noise[0].copy(), noise[1], scale, n)
    qam.maxlog_symbols(4, sent, noise[0].copy(), noise[1].copy(), scale, weight, n, plane)
    qam.interleave(4, plane, llr.size, llr)
    for pick in (lambda f: f, _body):
        hard, soft = sent.copy(), np.zeros(4 * n, np.float32)
        pick(qam.slice_qam16)(hard, noise[0], noise[1], scale, n)
        pick(qam.maxlog_qam16)(sent, noise[0], noise[1], scale, weight, n, soft)
        assert np.array_equal(hard, general)
        assert np.allclose(soft, llr, rtol=1e-4, atol=1e-4)
        interpret()


@pytest.mark.parametrize("m", ORDERS)
def test_packing(interpret, m):
    rng = np.random.default_rng(m)
    data = rng.integers(0, 256, 25, dtype=np.uint8)
    n = -(-200 // m)
    sym, out = [np.zeros(n + 8, np.uint8) for _ in range(2)], [np.zeros(25, np.uint8) for _ in range(2)]
    for i, pick in enumerate((lambda f: f, _body)):
        pick(packing.unpack_symbols)(m, data, 0, 25, n, sym[i])
        pick(packing.pack_symbols)(m, sym[i], 25, out[i], 0)
        interpret()
    assert np.array_equal(*sym)
    assert np.array_equal(out[0], data) and np.array_equal(out[1], data)


@pytest.mark.parametrize("m", ORDERS)
def test_symbol_kernels(m):
    rng = np.random.default_rng(m)
    y = (rng.standard_normal(50) + 1j * rng.standard_normal(50)).astype(np.complex64)
    var = np.full(50, 0.3, np.float32)
    for kernel in (modulation.maxlog_kernel, modulation.exact_kernel):
        a, b = np.zeros(50 * m, np.float32), np.zeros(50 * m, np.float32)
        kernel(m, y, var, a)
        kernel.py_func(m, y, var, b)
        assert np.allclose(a, b, rtol=1e-4, atol=1e-4)
    sym = [np.zeros(50, np.uint8) for _ in range(2)]
    modulation.decide_kernel(m, y, sym[0])
    modulation.decide_kernel.py_func(m, y, sym[1])
    assert np.array_equal(*sym)
    point = [np.zeros(50, np.complex64) for _ in range(2)]
    bits = [np.zeros(50 * m, np.uint8) for _ in range(2)]
    back = [np.zeros(50, np.uint8) for _ in range(2)]
    for i, pick in enumerate((lambda f: f, _body)):
        pick(modulation.split_kernel)(m, sym[0], bits[i])
        pick(modulation.join_kernel)(m, bits[i], back[i])
        assert np.array_equal(back[i], sym[0])
    assert np.array_equal(*bits)
    modulation.map_kernel(m, sym[0], 1.0, point[0])
    modulation.map_kernel.py_func(m, sym[0], 1.0, point[1])
    assert np.allclose(*point)


@pytest.mark.parametrize("m", ORDERS)
def test_burst_kernels(make_bursts, interpret, m):
    """Entries and all that they call, interpreted, against the compiled ones."""
    h = np.random.default_rng(1).standard_normal((2, 2, 3)) * (1 + 1j)
    b = make_bursts(m, {1: 2, 2: 4, 4: 11, 6: 17, 8: 22}[m], 48, num_bursts=2, h=h)
    start = np.array([0, 48 * m], np.int64)
    given = np.ones(96, np.complex64)
    table = np.linspace(0.4, 0.0, 20 * m).reshape(20, m)

    def through(kernel, noise, soft):
        received, llr = b.payload.copy(), np.zeros(96 * m, np.float32)
        ints, reals = b.tables()
        ints[:, burst_kernels.START] = start if noise is None else start // m
        out = (None, llr) if soft else (received, None)
        assert kernel(b.payload, b.h, ints, reals, 0, 2, False, b.any_order(), noise, *out) == -1
        return received, llr, ints, reals

    def injected(kernel):
        received = b.payload.copy()
        ints, reals = b.tables()
        assert kernel(b.payload, b.h, ints, reals, 0, 2, 1.1, 1.1, received) == -1
        return received, ints, reals

    def flipped(kernel):
        received, errors, snr = b.payload.copy(), np.zeros(2, np.int64), np.zeros(2)
        kernel(*b.arguments(table, 0.0, 1.0, received, errors, snr))
        return received, errors, snr

    calls = [
        lambda pick: through(pick(burst_kernels.transmit), None, False),
        lambda pick: through(pick(burst_kernels.transmit), None, True),
        lambda pick: through(pick(burst_kernels.transmit), given, False),
        lambda pick: injected(pick(injection_kernels.transmit_injected)),
        lambda pick: flipped(pick(flip_kernels.transmit_flips)),
    ]
    expected = [call(lambda f: f) for call in calls]
    interpret()
    plain = [call(_body) for call in calls]
    for compiled, interpreted in zip(expected, plain):
        for x, y in zip(compiled, interpreted):
            assert np.allclose(x, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_taps", [1, 7])
@pytest.mark.parametrize("m", [1, 4, 6])
def test_waveform_kernels(make_bursts, interpret, monkeypatch, m, num_taps):
    """Channels shorter and longer than the prefix; two frames, one of them of two bursts."""
    rng = np.random.default_rng(m)
    ofdm = Ofdm(fft_size=16, cp_len=4, pilot_symbols_per_frame=0)
    taps = np.zeros((3, 2, num_taps), np.complex64)
    taps[:] = rng.standard_normal((3, 2, num_taps, 2)) @ (1, 1j)
    taps[1] = taps[0]
    width = np.full(3, 12)
    h = waveform.response(ofdm, taps, width) if num_taps > 1 else taps
    bursts = make_bursts(m, {1: -8, 4: 0, 6: 6}[m], 30, num_bursts=3, h=h)
    bursts.key[:] = [1, 1, 2]
    bursts.first_symbol[:] = [0, 36, 3]
    expected = waveform.transmit_waveform(bursts, ofdm, taps, width)
    interpret()
    monkeypatch.setattr(waveform, "send_frames", waveform_kernels.send_frames.py_func)
    interpreted = waveform.transmit_waveform(bursts, ofdm, taps, width)
    assert np.array_equal(expected.payload, interpreted.payload)
    assert np.array_equal(expected.num_bit_errors, interpreted.num_bit_errors)
    assert expected.num_bit_errors.sum() > 0
    np.testing.assert_allclose(expected.snr_db, interpreted.snr_db, rtol=1e-12)


@pytest.mark.parametrize("m", [1, 4, 6])
def test_cell_kernels(interpret, m):
    """Three cells over five subcarriers, decisions and LLRs; the third is silent after half the elements."""
    rng = np.random.default_rng(m)
    cells, num = 3, 24
    index = np.arange(cells)
    num_bits = np.array([num * m, num * m - 1, num * m // 2])
    bursts = (
        rng.integers(0, 256, cells * 18, dtype=np.uint8), index * 18, num_bits, np.full(cells, m),
    )  # fmt: skip
    first, slot, key = np.zeros(cells, np.int64), np.full(cells, 3), index.astype(np.uint64)
    amplitude = (0.3 * rng.standard_normal((cells, cells, 5, 2)) @ (1, 1j)).astype(np.complex64)
    amplitude[index, index] += 1.5

    def through(interpreted):
        grid = np.zeros((cells, num), np.complex64)
        fill, send = cell_kernels.fill_grids, cell_kernels.transmit_cells
        (fill.py_func if interpreted else fill)(*bursts, first, index, grid)
        received, errors, llr = (
            bursts[0].copy(),
            np.zeros(cells, np.int64),
            np.zeros(cells * num * m, np.float32),
        )
        sinr, measured = np.zeros((2, cells)), np.zeros((2, cells))
        out = (received, errors, sinr[0], measured[0], None, None)
        soft = (None, None, sinr[1], measured[1], llr, index * num * m)
        for rest in (out, soft):
            (send.py_func if interpreted else send)(
                *bursts, {1: 2.0, 4: 0.3, 6: 0.1}[m], first, key, slot, index, amplitude, grid, *rest
            )
        return grid, received, errors, sinr, measured, llr

    expected = through(False)
    assert expected[2].sum() > 0
    interpret()
    for x, y in zip(expected, through(True)):
        assert np.allclose(x, y, rtol=1e-4, atol=1e-4)


PROBE = """
import json, time
import numpy as np
from phy import burst_kernels as k, injection_kernels as j
from phy.bursts import Bursts
from phy.injection import transmit_injected
from phy.link import demap_llr, transmit_bit
one = np.ones(1, np.int64)
b = Bursts(np.zeros(10, np.uint8), 0 * one, 80 * one, 4 * one, np.ones((1, 1, 1), np.complex64), np.ones(1),
           1.0, 0 * one, np.ones(1, np.uint64), 0 * one)
t = time.process_time()
transmit_bit(b), demap_llr(b), transmit_injected(b)
print(json.dumps({
    "seconds": time.process_time() - t,
    "hits": [sum(f.stats.cache_hits.values()) for f in (k.transmit, j.transmit_injected)],
    "misses": [sum(f.stats.cache_misses.values()) for f in (k.transmit, j.transmit_injected)],
}))
"""


@pytest.mark.slow
def test_a_second_process_hits_the_cache(tmp_path):
    """Hard, soft and injected link: some 4 CPU s cold (twice that on a loaded machine), cached below 1 s."""
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
    runs = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", PROBE], env=environment, check=True, capture_output=True)
        runs.append(json.loads(done.stdout))
    assert runs[0]["misses"] == [2, 1] and runs[0]["hits"] == [0, 0]
    assert runs[1]["misses"] == [0, 0] and runs[1]["hits"] == [2, 1]
    assert runs[0]["seconds"] < 20.0
    assert runs[1]["seconds"] < 1.0
