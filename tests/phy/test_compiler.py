"""Entries and parts: what is left out of numba's compiler changes no result."""

import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from numba.core.errors import NumbaError

from phy.jit import entry, part, scratch

_TWO = np.float32(2.0)


@part(forceinline=True)
def _twice(x):
    return _TWO * x


@part
def _scaled(x, factor, out):
    for i in range(x.size):
        out[i] = _twice(x[i]) if factor > 1 else x[i]
    return x.size


@part
def _three_ways(x, mode, out):
    total = 0
    for begin in range(0, x.size, 8):
        end = begin + 8 if begin + 8 < x.size else x.size
        total += _scaled(x[begin:end], 2, out[begin:end])
    if mode is not None:
        for i in range(out.size):
            out[i] += mode[i]
    return total


@entry
def _kernel(x, mode, out):
    work = scratch(x.size, np.float32)
    total = _three_ways(x, mode, work)
    for i in range(x.size):
        out[i] = work[i] - np.float32(1.0)
    return total


@entry
def _fails(x):
    if x < 0:
        raise ValueError("must be >= 0")
    return x + 1


@pytest.mark.parametrize("more", [None, np.arange(21, dtype=np.float32)])
def test_a_kernel_computes_what_it_says(more):
    x = np.arange(-10, 11, dtype=np.float32)  # whole numbers: no rounding
    out = np.empty_like(x)
    assert _kernel(x, more, out) == 21
    np.testing.assert_array_equal(out, 2 * x - 1 + (0 if more is None else more))


def test_a_part_is_compiled_once_whatever_the_literal():
    @part
    def add(x, y):
        return x + y

    @njit  # an entry would come from the cache when the test runs again
    def around(x):
        return add(x, 1) + add(x, 2) + add(x, x)

    assert around(3) == 15 and len(add.overloads) == 1


def test_parts_are_called_from_python_and_from_numba():
    x = np.ones(5, np.float32)
    out = np.zeros(5, np.float32)
    assert _scaled(x, 2, out) == 5 and (out == 2).all()

    @njit
    def around(x, out):
        return _scaled(x, 2, out) + _kernel(x, None, out)

    assert around(x, out) == 10 and (out == 1).all()


@pytest.mark.parametrize(
    "makes", [lambda x: np.zeros(3).sum(), lambda x: (x + x)[0], lambda x: x.copy()[0], lambda x: (-x)[0]]
)
def test_a_part_makes_no_array(makes):
    """Nobody would free it."""
    one = part(makes)

    @njit
    def around(x):
        return one(x)

    with pytest.raises(NumbaError, match=r"must make no array|Only accept returning of array passed"):
        around(np.ones(3))


def test_a_part_may_look_at_arrays_in_other_shapes():
    @part
    def seen(x):
        return x.reshape(x.size)[2:].view(np.uint64)[0]

    @njit
    def around(x):
        return seen(x)

    assert around(np.ones((2, 2))) == np.float64(1.0).view(np.uint64)


def test_arrays_live_and_die_by_their_references():
    """Nothing is freed too early or too late though parts do not count references."""
    x = np.ones(64, np.float32)
    before = sys.getrefcount(x)
    out = np.empty_like(x)
    for _ in range(100):
        _kernel(x, None, out)
    assert sys.getrefcount(x) == before


def test_exceptions_come_through():
    assert _fails(1) == 2
    with pytest.raises(ValueError, match="must be >= 0"):
        _fails(-1)


_FROM_CACHE = """
import sys
import numpy as np
from phy.philox import random_bytes
random_bytes(1, 0, 8)
print("scipy.linalg" in sys.modules)
from numba import njit
@njit
def norm(x):
    return np.dot(x, x) + np.linalg.norm(x)
print(norm(np.full(4, 2.0)))
"""


def test_numba_works_as_ever_after_a_start_from_the_cache(tmp_path, monkeypatch):
    """A kernel from the cache leaves numba's registries empty; what is compiled later fills them."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    printed = [
        subprocess.run([sys.executable, "-c", _FROM_CACHE], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [text.split() for text in printed] == [["False", "20.0"]] * 2
