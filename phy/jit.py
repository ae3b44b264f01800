"""Decorators of kernels: entries, which Python calls, and parts, which kernels call (`phy.dispatch`).

Entries make arrays and hand them to parts, which do the work: a part must make no array, and does not count
references to those it gets, which would cost an atomic operation for every view. Parts of a few lines that
are called for every element are `forceinline`.

Habits that keep first calls short: no min, max or array assignment where a comparison or a loop does it and
no second kind of `np.empty` (each is a function of its own), few statements, few parts, and few arrays as
arguments of entries. Division by zero gives inf or nan as in NumPy, so that a division keeps no loop from
vectorising.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_name
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin
from numba.np.arrayobj import populate_array

from phy.dispatch import Entry, Part

# processors that lower their clock when they use vectors of 512 bits
_SLOWED_BY_512 = ("skylake-avx512", "cascadelake", "cooperlake")

_COMMON: dict[str, Any] = {
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}


def _use_wide_vectors() -> None:
    """Vectors of 512 bits where the processor has them: LLVM prefers 256 on most of those, with which level
    `bit` takes a sixth longer. Whoever sets NUMBA_CPU_NAME or NUMBA_CPU_FEATURES has decided already.
    """
    settings: Any = config
    if settings.CPU_NAME is None and settings.CPU_FEATURES is None:
        features = get_host_cpu_features()
        if "+avx512f" in features and get_host_cpu_name() not in _SLOWED_BY_512:
            settings.CPU_FEATURES = f"{features},-prefer-256-bit"


_use_wide_vectors()


def entry(function: Callable[..., Any] | None = None, *, glue: bool = False, **options: Any) -> Any:
    """Decorator of a kernel that Python calls.

    It is compiled at its first call, kept in numba's cache on disk, and runs without the GIL.

    Args:
        glue: it has no loop worth vectors, so light optimisation is enough.
        options: as `numba.njit` takes them (`fastmath`, ...).
    """
    if function is None:
        return lambda f: entry(f, glue=glue, **options)
    return Entry(function, {**_COMMON, "nogil": True, **options}, glue)


def part(function: Callable[..., Any] | None = None, *, glue: bool = False, **options: Any) -> Any:
    """Decorator of a function that kernels call; glue, options: as `entry` takes them."""
    if function is None:
        return lambda f: part(f, glue=glue, **options)
    return Part(function, {**_COMMON, **options}, glue)


def same_bits(source: Any, target: Any) -> Any:
    """Function for kernels: the number of type `target` with the bit pattern of one of type `source`."""

    @intrinsic
    def reinterpret(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], context.get_data_type(target))

        return target(source), codegen

    return reinterpret


_MAX_ON_STACK = 65536  # bytes


def scratch(shape: Any, dtype: Any) -> np.ndarray:
    """`np.empty` for entries; on the stack if the shape is of constants, which saves 0.06 us.

    numba would compile its own `np.empty` anew for each kind of shape and dtype.
    """
    return np.empty(shape, dtype)


@infer_global(scratch)
class _ScratchType(AbstractTemplate):
    """Types of `scratch`."""

    prefer_literal = True

    def generic(self, args: Any, kws: Any) -> Any:
        """Signature for a shape and a dtype."""
        shape, dtype = args
        ndim = len(shape) if isinstance(shape, types.BaseTuple) else 1
        return signature(types.Array(dtype.dtype, ndim, "C"), shape, dtype)


@lower_builtin(scratch, types.Any, types.Any)
def _lower_scratch(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array_type, shape_type = signature.return_type, signature.args[0]
    several = isinstance(shape_type, types.BaseTuple)
    values = cgutils.unpack_tuple(builder, args[0]) if several else [args[0]]
    kinds = list(shape_type) if several else [shape_type]
    data_type = context.get_data_type(array_type.dtype)
    bytes_each = context.get_abi_sizeof(data_type)
    lengths: list[Any] = [getattr(kind, "literal_value", None) for kind in kinds]
    itemsize = context.get_constant(types.intp, bytes_each)
    if None not in lengths and math.prod(lengths) * bytes_each <= _MAX_ON_STACK:
        shape = [context.get_constant(types.intp, length) for length in lengths]
        with builder.goto_entry_block():
            place = builder.alloca(ir.ArrayType(data_type, math.prod(lengths)))
        place.align = 64
        meminfo, data = None, builder.bitcast(place, data_type.as_pointer())
    else:
        shape = [context.cast(builder, v, kind, types.intp) for v, kind in zip(values, kinds)]
        size = functools.reduce(builder.mul, [itemsize, *shape])
        meminfo = context.nrt.meminfo_alloc_aligned(builder, size=size, align=64)
        data = builder.bitcast(context.nrt.meminfo_data(builder, meminfo), data_type.as_pointer())
    strides = [itemsize]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(array_type)(context, builder)
    populate_array(
        array,
        data=data,
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=itemsize,
        meminfo=meminfo,
    )
    return array._getvalue()
