"""Decorators of kernels: entries, which Python calls, and parts, which kernels call (`phy.compiler`).

Entries make arrays and hand them to parts, which do the work: a part must make no array, and does not count
references to those it gets, which would cost an atomic operation for every view. Parts of a few lines that
are called for every element are `forceinline`.

Habits that keep first calls short: no min, max or array assignment where a comparison or a loop does it and
no second kind of `np.empty` (each is a function of its own), few statements, few parts, and few arrays as
arguments of entries. Division by zero gives inf or nan as in NumPy, so that a division keeps no loop from
vectorising.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_name
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.extending import lower_builtin, type_callable
from numba.np.arrayobj import populate_array

from phy.compiler import Entry, Part

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
        glue: it leaves the work to parts, so light optimisation is enough.
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


def scratch(shape: Any, dtype: Any) -> np.ndarray:
    """`np.empty` for kernels: numba compiles that one anew for each kind of shape and dtype."""
    return np.empty(shape, dtype)


@type_callable(scratch)
def _type_scratch(context: Any) -> Any:
    def typer(shape: Any, dtype: Any) -> Any:
        ndim = len(shape) if isinstance(shape, types.BaseTuple) else 1
        return types.Array(dtype.dtype, ndim, "C")

    return typer


@lower_builtin(scratch, types.Any, types.Any)
def _lower_scratch(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array_type, shape_type = signature.return_type, signature.args[0]
    several = isinstance(shape_type, types.BaseTuple)
    values = cgutils.unpack_tuple(builder, args[0]) if several else [args[0]]
    kinds = list(shape_type) if several else [shape_type]
    shape = [context.cast(builder, v, kind, types.intp) for v, kind in zip(values, kinds)]
    array = context.make_array(array_type)(context, builder)
    data_type = context.get_data_type(array_type.dtype)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(data_type))
    strides = [itemsize]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    size = builder.mul(strides[0], shape[0])
    meminfo = context.nrt.meminfo_alloc_aligned(builder, size=size, align=64)
    populate_array(
        array,
        data=builder.bitcast(context.nrt.meminfo_data(builder, meminfo), data_type.as_pointer()),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=itemsize,
        meminfo=meminfo,
    )
    return array._getvalue()
