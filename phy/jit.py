"""How kernels are compiled: entries, which Python calls, and parts, which kernels call.

A first call takes less time with the garbage collector paused and compact flags (`benchmarks/startup.py`);
both extend classes of numba that are not its public interface, so a new version may need a change here.
Parts are compiled as numba does it, each optimised on its own before it goes into its kernel. A part that is
optimised only there saves a sixth of a first call, but its loops are not vectorised any more: normals then
take three times as long.

Habits: no literal number where callers differ (numba compiles a part once for each literal), no min, max or
array assignment where a comparison or a loop does it and no second kind of `np.empty` (each is a function of
its own), few statements and few parts. Division by zero gives inf or nan as in NumPy, so that a division
keeps no loop from vectorising.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_name
from numba import njit, types
from numba.core import cgutils, compiler, config
from numba.core.codegen import get_host_cpu_features
from numba.core.compiler_machinery import PassManager
from numba.core.registry import CPUDispatcher
from numba.extending import lower_builtin, type_callable
from numba.np.arrayobj import populate_array

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


class _Flags(compiler.Flags):
    """numba's flags, which it compares and hashes at every operation that it types: both from one tuple."""

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        return tuple(self.values())

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Flags) and self._key == other._key


class _Compiler(compiler.CompilerBase):
    """numba's pipeline."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags = _Flags(self.state.flags)

    def define_pipelines(self) -> list[PassManager]:
        return [compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)]


class _Entry(CPUDispatcher):
    """A kernel that Python calls."""

    def compile(self, sig: Any) -> Any:
        """As numba's, for a signature or tuple of types, with the garbage collector paused."""
        # the collector would look at the compiler's many objects again and again: a fifth of the time
        collecting = gc.isenabled()
        gc.disable()
        try:
            return super().compile(sig)
        finally:
            if collecting:
                gc.enable()


def entry(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator of a kernel that Python calls; options as `numba.njit` takes them (`fastmath`, ...).

    It is compiled at its first call, kept in numba's cache on disk, and runs without the GIL.
    """
    if function is None:
        return lambda f: entry(f, **options)
    kernel = _Entry(
        function,
        None,
        {"nopython": True, "boundscheck": None, **_COMMON, "nogil": True, **options},
        _Compiler,
    )
    kernel.enable_caching()
    return kernel


def part(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator of a function that kernels call; options as `numba.njit` takes them (`fastmath`, ...)."""
    if function is None:
        return lambda f: part(f, **options)
    return njit(**_COMMON, **options)(function)


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
