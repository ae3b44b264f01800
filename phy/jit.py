"""How kernels are compiled: entries, which Python calls, and parts, which kernels call.

numba compiles every function that a kernel calls as a library of its own: optimised, turned into machine
code and wrapped for Python, though the kernel takes in no more than its code. A `part` stops before: it is
typed and translated to LLVM's language, and optimised once, inside the entry that calls it. With the
garbage collector paused and compact flags that is a third less time for a first call
(`benchmarks/startup.py`). It extends classes of numba that are not its public interface, so a new version of
numba may need a change here; every kernel test would show it.

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
from numba import _dynfunc, types  # type: ignore[attr-defined]
from numba.core import cgutils, compiler, typed_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.registry import CPUDispatcher
from numba.extending import lower_builtin, type_callable
from numba.np.arrayobj import populate_array

_COMMON: dict[str, Any] = {
    "nopython": True,
    "boundscheck": None,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}


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


class _Library(JITCodeLibrary):
    """Code of a part: kept as it was written, for the optimiser of the entry that links it."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(typed_passes.NativeLowering):
    """Translates a part to LLVM's language, without machine code."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = state.flags.no_cpython_wrapper = True
        super().run_pass(state)
        fndesc = state.cr.fndesc
        # what numba knows the compiled part by; nobody can call it, since `_Part` answers Python's calls
        name = _dynfunc.make_function(
            fndesc.lookup_module(), fndesc.qualname, "", 0, state.cr.env, (state.library,)
        )
        state.targetctx.insert_user_function(name, fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=name)
        return True


class _PartCompiler(_Compiler):
    """numba's pipeline with `_Lowering` in the place of its lowering."""

    def define_pipelines(self) -> list[PassManager]:
        passes = PassManager("part")
        for step, text in super().define_pipelines()[0].passes:
            passes.add_pass(_Lowering if step is typed_passes.NativeLowering else step, text)
        passes.finalize()
        return [passes]


class _Entry(CPUDispatcher):
    """A kernel that Python calls."""

    def compile(self, sig: Any) -> Any:
        # the collector would look at the compiler's many objects again and again: a fifth of the time
        collecting = gc.isenabled()
        gc.disable()
        try:
            return super().compile(sig)
        finally:
            if collecting:
                gc.enable()


class _Part(CPUDispatcher):
    """A part; called from Python, for tests, it is compiled as a kernel of its own."""

    @cached_property
    def _alone(self) -> _Entry:
        return _Entry(self.py_func, None, {**self.targetoptions, "nogil": True}, _Compiler)

    def __call__(self, *args: Any) -> Any:
        return self._alone(*args)


def entry(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator of a kernel that Python calls; options as `numba.njit` takes them (`fastmath`, ...).

    It is compiled at its first call, kept in numba's cache on disk, and runs without the GIL.
    """
    if function is None:
        return lambda f: entry(f, **options)
    kernel = _Entry(function, None, {**_COMMON, "nogil": True, **options}, _Compiler)
    kernel.enable_caching()
    return kernel


def part(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator of a function that kernels call; options as `numba.njit` takes them (`fastmath`, ...)."""
    if function is None:
        return lambda f: part(f, **options)
    return _Part(function, None, {**_COMMON, **options}, _PartCompiler)


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
