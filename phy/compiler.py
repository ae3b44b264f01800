"""How kernels are compiled: numba's compiler, less what they do not need (`benchmarks/startup.py`).

What takes time in a first call, and what is done about it:

* Parts (functions that only kernels call) get no machine code and no wrapper for Python of their own.
* A part is optimised once, on its own, and linked after the optimisation of what calls it; numba would
  optimise it again within each caller. Parts marked `forceinline` are linked before, and so inlined. (A part
  that is optimised in its caller alone is not vectorised: normals take three times as long.)
* Glue, functions that leave the work to parts, is optimised lightly: LLVM would make vectors of its loops.
* Parts do not count references to arrays: none of them may make an array. That saves code, and atomic
  operations at run time.
* Passes for closures, generators, parallel loops, array expressions and literals are left out, and the repair
  of the intermediate form after each of the others.
* What an operation's types are is looked up once for each combination of argument types; numba looks at every
  occurrence, several times.
* numba's flags, which it compares at every operation, are compared as one tuple.
* The garbage collector pauses: it would look at the compiler's many objects again and again.
* numba imports scipy.linalg to see whether there is a BLAS (0.15 s); it is enough to find it.
* A kernel that comes from the cache needs none of the registries of typing and code generation; numba would
  fill them first (0.4 s).

All of this extends classes of numba that are not its public interface, so the version is pinned (setup.cfg).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from numba.core import compiler, ir_utils, sigutils, types
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.postproc import PostProcessor
from numba.core.registry import CPUDispatcher
from numba.core.runtime.nrt import rtsys
from numba.core.ssa import reconstruct_ssa
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import (
    DeadBranchPrune,
    FixupArgs,
    GenericRewrites,
    ReconstructSSA,
    RewriteSemanticConstants,
    TranslateByteCode,
)
from numba.np import linalg


class _Flags(compiler.Flags):
    """numba's flags, compared and hashed as one tuple."""

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


@register_pass(mutates_CFG=False, analysis_only=False)
class _SingleAssignment(ReconstructSSA):
    """numba's pass `ReconstructSSA` without another repair."""

    _name = "kernel_single_assignment"

    def run_pass(self, state: Any) -> bool:
        state.func_ir = reconstruct_ssa(state.func_ir)
        state.func_ir._definitions = ir_utils.build_definitions(state.func_ir.blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class _StripPhis(PreLowerStripPhis):
    """numba's pass of this name without another repair."""

    _name = "kernel_strip_phis"

    def run_pass(self, state: Any) -> bool:
        state.func_ir = self._strip_phi_nodes(state.func_ir)
        state.func_ir._definitions = ir_utils.build_definitions(state.func_ir.blocks)
        return True


_PASSES = (
    TranslateByteCode,
    FixupArgs,
    RewriteSemanticConstants,
    DeadBranchPrune,  # arguments that are None
    GenericRewrites,
    _SingleAssignment,
    NopythonTypeInference,
    _StripPhis,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
)


class _Passes(PassManager):
    """Runs passes, and repairs the intermediate form where branches have been cut out."""

    def _runPass(self, index: int, internal_state_pass: Any, state: Any) -> None:
        one = internal_state_pass
        one.analysis = self._analysis
        before = len(state.func_ir.blocks) if state.func_ir else 0
        one.run_pass(state)
        if isinstance(one, DeadBranchPrune) and len(state.func_ir.blocks) != before:
            PostProcessor(state.func_ir).run()


class _Library(JITCodeLibrary):
    """Code of one function; see above on when parts are linked."""

    inlined = glue = False

    def finalize(self) -> None:
        """Optimise, link, and make machine code."""
        libraries = list(dict.fromkeys(self._linking_libraries))
        for library in libraries:
            if getattr(library, "inlined", True):  # numba's own are as well
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        if self.glue:
            passes, builder = self._codegen._module_pass_manager(opt=1, loop_vectorize=False)
            passes.run(self._final_module, builder)
        else:
            super()._optimize_final_module()
        self._linking_libraries = [library for library in libraries if not getattr(library, "inlined", True)]
        super().finalize()

    def _optimize_final_module(self) -> None:
        """Done before linking."""

    def _optimize_functions(self, ll_module: Any) -> None:
        if not self.glue:
            super()._optimize_functions(ll_module)


class _PartLibrary(_Library):
    """Optimised code of a part, for linking."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _Compiler(compiler.CompilerBase):
    """Pipeline of an entry."""

    library: Callable[..., Any] = _Library
    glue = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags = _Flags(self.state.flags)

    def define_pipelines(self) -> list[PassManager]:
        state = self.state
        state.type_annotation = None
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        state.library.inlined, state.library.glue = bool(state.flags.forceinline), self.glue
        passes = _Passes("kernel")
        for one in _PASSES:
            passes.add_pass(one, one.__name__)
        passes.finalize()
        return [passes]


class _PartCompiler(_Compiler):
    """Pipeline of a part: to optimised code."""

    library = _PartLibrary

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags.no_compile = True
        self.state.flags.no_cpython_wrapper = True


class _GlueCompiler(_Compiler):
    glue = True


class _GluePartCompiler(_PartCompiler):
    glue = True


_types_of_calls: dict[tuple[Any, ...], Any] = {}


@contextmanager
def _prepared(target: Any) -> Iterator[None]:
    """While an entry is compiled: no collection of garbage, types of calls looked up once, registries read
    again only when they have grown.
    """
    typing = target.typing_context
    if "refresh" in vars(target):  # an entry that calls another
        yield
        return
    collecting = gc.isenabled()
    gc.disable()
    _read_registries(target)
    resolve, refresh = typing.resolve_function_type, target.refresh
    seen = _registrations(target)

    def remembered(function: Any, args: Any, keywords: Any) -> Any:
        key = (function, args, tuple(keywords.items()) if isinstance(keywords, dict) else keywords)
        try:
            found = _types_of_calls.get(key)
        except TypeError:  # the type of a literal slice has no hash
            return resolve(function, args, keywords)
        if found is None:
            found = _types_of_calls[key] = resolve(function, args, keywords)
        return found

    def when_grown() -> None:
        nonlocal seen
        if _registrations(target) != seen:
            refresh()
            seen = _registrations(target)

    # of the instances, so that the classes and what others compile later stay as they are
    typing.resolve_function_type = remembered
    target.refresh = when_grown
    try:
        yield
    finally:
        del typing.resolve_function_type, target.refresh
        if collecting:
            gc.enable()


def _registrations(target: Any) -> int:
    """How many implementations and types of functions numba's registries hold."""
    kinds = "functions", "attributes", "globals", "getattrs", "setattrs", "casts", "constants"
    registries = (*target._registries, *target.typing_context._registries)
    return sum(len(getattr(registry, kind, ())) for registry in registries for kind in kinds)


def _read_registries(target: Any) -> None:
    """`target.refresh()`, which the first time imports what it registers."""
    ensure_blas = linalg.ensure_blas
    if find_spec("scipy.linalg") is not None:
        linalg.ensure_blas = lambda: None  # as numba.np.arraymath calls it when imported
    try:
        target.refresh()
    finally:
        linalg.ensure_blas = ensure_blas


class _Cache(FunctionCache):
    """numba's cache on disk, which fills its registries only when something is compiled."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel for this signature, or None."""
        rtsys.initialize(target_context)  # what compiled code calls to make arrays
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


class Entry(CPUDispatcher):
    """A kernel that Python calls, kept in numba's cache on disk."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], glue: bool = False) -> None:
        options = {"nopython": True, "boundscheck": None, **options}
        super().__init__(function, None, options, _GlueCompiler if glue else _Compiler)
        self._cache = _Cache(function)
        compiling: Any = self._compiler  # type: ignore[attr-defined]
        self._compile_function, compiling.compile = compiling.compile, self._compile_prepared

    def _compile_prepared(self, args: Any, return_type: Any) -> Any:
        with _prepared(self.targetctx):
            return self._compile_function(args, return_type)


class _Name:
    """Under which a part's code is known to numba, which takes the function itself for that."""


class Part(CPUDispatcher):
    """A function that kernels call."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], glue: bool = False) -> None:
        options = {"nopython": True, "boundscheck": None, "_nrt": False, **options}
        super().__init__(function, None, options, _GluePartCompiler if glue else _PartCompiler)
        self._options = options

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """As numba's, but a literal number is a number: a part is not compiled for each."""
        return super().get_call_template(
            [types.unliteral(a) for a in args], {k: types.unliteral(v) for k, v in kws.items()}
        )

    def compile(self, sig: Any) -> Any:
        """Compile for a signature or tuple of types, unless that is done."""
        args = tuple(sigutils.normalize_signature(sig)[0])
        if args not in self.overloads:
            self.add_overload(self._compiler.compile(args, None))  # type: ignore[attr-defined]
        return self.overloads[args].entry_point  # type: ignore[attr-defined]

    def add_overload(self, cres: Any) -> None:
        """Make compiled code known to callers."""
        cres = cres._replace(entry_point=_Name())
        self.targetctx.insert_user_function(cres.entry_point, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres

    @cached_property
    def _called(self) -> Entry:
        return Entry(self.py_func, self._options)

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        """What Python calls, in a test say, is an entry."""
        return self._called
