"""Vector arithmetic and FFT over rows of LANES numbers, for kernels.

A signal is kept as rows: element k of LANES different signals lies at [k * LANES, (k + 1) * LANES) of a
float32 array, real and imaginary parts apart. Every operation takes whole rows, so it is the same few vector
instructions for every length, and needs no transposition.

The row operations are written in LLVM's vector types: of the same loops in Python the compiler makes vector
code only behind run-time checks of all pairs of arrays for overlap, which cost as much as the row (measured:
the transform took five times as long). An FFT of 64 takes 40 ns a signal, of which a library call alone would
take more.

Source: radix-4 decimation in frequency, Oppenheim and Schafer, Discrete-Time Signal Processing, ch. 9.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from phy.jit import part

LANES = 16  # signals in a row: one vector register of 512 bits, two of 256

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INDEX = ir.IntType(32)
_CONTRACT = ("contract",)  # multiply-add in one instruction where there is one


class _Rows:
    """Emits the arithmetic of an intrinsic whose arguments are arrays, row offsets and scalars."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder, self.types, self.args = context, builder, signature.args, args

    def _at(self, array: int, offset: Any) -> Any:
        data = self.context.make_array(self.types[array])(self.context, self.builder, self.args[array]).data
        return self.builder.bitcast(self.builder.gep(data, [offset]), _VECTOR.as_pointer())

    def load(self, array: int, offset: Any) -> Any:
        return self.builder.load(self._at(array, offset), align=4)

    def store(self, value: Any, array: int, offset: Any) -> None:
        self.builder.store(value, self._at(array, offset), align=4)

    def splat(self, scalar: Any) -> Any:
        empty = ir.Constant(_VECTOR, ir.Undefined)
        one = self.builder.insert_element(empty, scalar, ir.Constant(_INDEX, 0))
        zeros = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        return self.builder.shuffle_vector(one, empty, zeros)

    def add(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(x, y, flags=_CONTRACT)

    def sub(self, x: Any, y: Any) -> Any:
        return self.builder.fsub(x, y, flags=_CONTRACT)

    def times(self, x: tuple[Any, Any], scalar: tuple[Any, Any]) -> tuple[Any, Any]:
        """Complex product of a row and a scalar."""
        c, s = self.splat(scalar[0]), self.splat(scalar[1])
        mul = functools.partial(self.builder.fmul, flags=_CONTRACT)
        return self.sub(mul(x[0], c), mul(x[1], s)), self.add(mul(x[0], s), mul(x[1], c))


@intrinsic
def multiply_row(typingctx, x_r, x_i, at, c_r, c_i, y_r, y_i, to):
    """y[to : to + LANES] = c * x[at : at + LANES]; x, y float32 arrays, c float32 scalars, offsets int64."""

    def codegen(context, builder, signature, args):
        r = _Rows(context, builder, signature, args)
        u, v = r.times((r.load(0, args[2]), r.load(1, args[2])), (args[3], args[4]))
        r.store(u, 5, args[7])
        r.store(v, 6, args[7])
        return context.get_dummy_value()

    f, i = types.float32, types.int64
    return types.void(x_r, x_i, i, f, f, y_r, y_i, i), codegen


@intrinsic
def multiply_add_row(typingctx, x_r, x_i, at, c_r, c_i, y_r, y_i, to):
    """y[to : to + LANES] += c * x[at : at + LANES]; arguments as `multiply_row`."""

    def codegen(context, builder, signature, args):
        r = _Rows(context, builder, signature, args)
        u, v = r.times((r.load(0, args[2]), r.load(1, args[2])), (args[3], args[4]))
        r.store(r.add(r.load(5, args[7]), u), 5, args[7])
        r.store(r.add(r.load(6, args[7]), v), 6, args[7])
        return context.get_dummy_value()

    f, i = types.float32, types.int64
    return types.void(x_r, x_i, i, f, f, y_r, y_i, i), codegen


def _radix4(r, at, step, factors):
    """Butterfly of the four rows at, at + step, ...; outputs 1, 2, 3 times their factor, in place."""
    places = [at]
    for _ in range(3):
        places.append(r.builder.add(places[-1], step))
    (a_r, b_r, c_r, d_r), (a_i, b_i, c_i, d_i) = ([r.load(part, p) for p in places] for part in (0, 1))
    s_r, s_i, e_r, e_i = r.add(a_r, c_r), r.add(a_i, c_i), r.sub(a_r, c_r), r.sub(a_i, c_i)
    u_r, u_i = r.add(b_r, d_r), r.add(b_i, d_i)
    v_r, v_i = r.sub(b_i, d_i), r.sub(d_r, b_r)  # -j (b - d)
    out = [
        (r.add(s_r, u_r), r.add(s_i, u_i)),
        (r.add(e_r, v_r), r.add(e_i, v_i)),
        (r.sub(s_r, u_r), r.sub(s_i, u_i)),
        (r.sub(e_r, v_r), r.sub(e_i, v_i)),
    ]
    for k, factor in enumerate(factors, 1):
        out[k] = r.times(out[k], factor)
    for place, (re, im) in zip(places, out):
        r.store(re, 0, place)
        r.store(im, 1, place)


@intrinsic
def _butterfly(typingctx, x_r, x_i, at, step, c1, s1, c2, s2, c3, s3):
    def codegen(context, builder, signature, args):
        factors = [(args[4], args[5]), (args[6], args[7]), (args[8], args[9])]
        _radix4(_Rows(context, builder, signature, args), args[2], args[3], factors)
        return context.get_dummy_value()

    f = types.float32
    return types.void(x_r, x_i, types.int64, types.int64, f, f, f, f, f, f), codegen


@intrinsic
def _last_radix4(typingctx, x_r, x_i, at):
    def codegen(context, builder, signature, args):
        step = ir.Constant(args[2].type, LANES)
        _radix4(_Rows(context, builder, signature, args), args[2], step, [])
        return context.get_dummy_value()

    return types.void(x_r, x_i, types.int64), codegen


@intrinsic
def _last_radix2(typingctx, x_r, x_i, at):
    def codegen(context, builder, signature, args):
        r = _Rows(context, builder, signature, args)
        other = builder.add(args[2], ir.Constant(args[2].type, LANES))
        for side in (0, 1):
            a, b = r.load(side, args[2]), r.load(side, other)
            r.store(r.add(a, b), side, args[2])
            r.store(r.sub(a, b), side, other)
        return context.get_dummy_value()

    return types.void(x_r, x_i, types.int64), codegen


@functools.cache
def twiddles(n: int) -> np.ndarray:
    """exp(-2j pi k / n) as float32[2, n]: real parts, imaginary parts. Read only."""
    phase = -2.0 * np.pi * np.arange(n) / n
    out = np.stack([np.cos(phase), np.sin(phase)]).astype(np.float32)
    out.flags.writeable = False
    return out


@functools.cache
def output_rows(n: int) -> np.ndarray:
    """int64[n]: the row in which `fft_rows` leaves output k. Read only."""
    out = np.zeros(1, np.int64)
    if n > 1:
        radix = 4 if n % 4 == 0 else 2
        k = np.arange(n)
        out = (k % radix) * (n // radix) + output_rows(n // radix)[k // radix]
    out.flags.writeable = False
    return out


@part(glue=True)
def fft_rows(x_r, x_i, n, table):
    """Unnormalised forward transform of the LANES signals in rows 0 .. n - 1, in place, outputs reordered.

    With x_i, x_r exchanged it is the inverse transform: swapping the parts conjugates up to a factor j.

    Args:
        x_r, x_i: float32[>= n * LANES]; n: power of two; table: twiddles(n).

    Output k is in row output_rows(n)[k].
    """
    size = n
    step = 1
    while size > 4:
        quarter = size // 4
        for j in range(quarter):
            c1, s1 = table[0, j * step], table[1, j * step]
            c2, s2 = table[0, 2 * j * step], table[1, 2 * j * step]
            c3, s3 = table[0, 3 * j * step], table[1, 3 * j * step]
            for row in range(j, n, size):
                _butterfly(x_r, x_i, row * LANES, quarter * LANES, c1, s1, c2, s2, c3, s3)  # type: ignore
        size = quarter
        step *= 4
    for row in range(0, n, max(size, 2)):
        if size == 4:
            _last_radix4(x_r, x_i, row * LANES)  # type: ignore
        elif size == 2:
            _last_radix2(x_r, x_i, row * LANES)  # type: ignore
