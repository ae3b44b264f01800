"""How kernels are compiled: numba's compiler, less what they do not need (`benchmarks/startup.py`).

What takes time in a first call, and what is done about it:

* Parts (functions that only kernels call) get no machine code and no wrapper for Python of their own.
* A part is optimised once, on its own, and linked after the optimisation of what calls it; numba would
  optimise it again within each caller. Parts marked `forceinline` are linked before, and so inlined. (A part
  that is optimised in its caller alone is not vectorised: normals take three times as long.)
* Glue, functions without a loop worth vectors, is optimised lightly. numba's passes over each function before
  the module is optimised are left to entries (the Viterbi decoder would lose another 4 % without them).
* Parts do not count references to arrays: none of them may make an array. That saves code, and atomic
  operations at run time.
* Passes for closures, generators, parallel loops, array expressions and literals are left out, and the repair
  of the intermediate form after each of the others.
* numba's flags, which it compares at every operation, are compared as one tuple.

`phy.dispatch` has the rest. All of this extends classes of numba that are not its public interface, so the
version is pinned (setup.cfg).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from numba.core import compiler, errors, ir_utils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import AnalysisPass, PassManager, register_pass
from numba.core.postproc import PostProcessor
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


@register_pass(mutates_CFG=False, analysis_only=True)
class _NoNewArrays(AnalysisPass):
    """Refuses a part that makes an array: nothing would free it."""

    _name = "kernel_no_new_arrays"
    _VIEWS = ("array.reshape", "array.view")

    def __init__(self) -> None:
        AnalysisPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Look at the types of all operations."""
        if state.flags.nrt:
            return False
        for operation, signature in state.calltypes.items():
            kind = getattr(operation, "op", None)
            if kind in ("call", "binop", "unary", "inplace_binop") and signature is not None:
                called = state.typemap[operation.func.name] if kind == "call" else None
                view = getattr(called, "key", (None,))[0] if isinstance(called, types.BoundFunction) else None
                if isinstance(signature.return_type, types.Array) and view not in self._VIEWS:
                    raise errors.TypingError("a part must make no array", loc=operation.loc)
        return False


_PASSES = (
    TranslateByteCode,
    FixupArgs,
    RewriteSemanticConstants,
    DeadBranchPrune,  # arguments that are None
    GenericRewrites,
    _SingleAssignment,
    NopythonTypeInference,
    _NoNewArrays,
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

    inlined = glue = part = False

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
        if self.glue or self.part:  # left to the optimisation of the module
            ll_module.data_layout = self._codegen._data_layout
        else:
            super()._optimize_functions(ll_module)


class _PartLibrary(_Library):
    """Optimised code of a part, for linking."""

    part = True

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class EntryCompiler(compiler.CompilerBase):
    """Pipeline of an entry."""

    library: Callable[..., Any] = _Library
    glue = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags = _Flags(self.state.flags)

    def define_pipelines(self) -> list[PassManager]:
        """The passes, after the library that they fill."""
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


class PartCompiler(EntryCompiler):
    """Pipeline of a part: to optimised code."""

    library = _PartLibrary

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags.no_compile = True
        self.state.flags.no_cpython_wrapper = True


class GlueCompiler(EntryCompiler):
    """Pipeline of an entry without a loop worth vectors."""

    glue = True


class GluePartCompiler(PartCompiler):
    """Pipeline of a part of that kind."""

    glue = True
