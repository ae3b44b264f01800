"""Kernels as Python and as other kernels see them: entries and parts, and how a compilation is prepared.

Beside what `phy.compiler` leaves out, of a first call:

* What an operation's types are is looked up once for each combination of argument types; numba looks at every
  occurrence, several times. Its registries are read again only when they have grown.
* The garbage collector pauses: it would look at the compiler's many objects again and again.
* numba imports scipy.linalg to see whether there is a BLAS (0.15 s); it is enough to find it.
* A kernel that comes from the cache needs none of the registries of typing and code generation; numba would
  fill them first (0.4 s).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from numba.core import sigutils, types
from numba.core.caching import FunctionCache
from numba.core.registry import CPUDispatcher
from numba.core.runtime.nrt import rtsys
from numba.np import linalg

from phy.compiler import EntryCompiler, GlueCompiler, GluePartCompiler, PartCompiler

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
        super().__init__(function, None, options, GlueCompiler if glue else EntryCompiler)
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
        super().__init__(function, None, options, GluePartCompiler if glue else PartCompiler)
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
