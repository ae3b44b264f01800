"""Calling somebody else's function: loading it, handing arrays or tensors over, and taking the answer apart.

Whatever goes wrong in there becomes one line that names the function and what it did.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from phy.parameters import ParameterError

LAYOUTS = ("complex", "pairs", "real")
ARRAYS = ("auto", "numpy", "torch")


class AuditError(ParameterError):
    """The function cannot be measured; one line says why."""


def load(name: str) -> Callable[..., Any]:
    """The callable `module:function` or `file.py:function`; `file.py:Class.method` makes an object first.

    The module is imported, i.e. its code runs with the rights of this process.
    """
    where, colon, attribute = name.rpartition(":")
    if not colon or not where or not attribute:
        raise AuditError(f"{name!r}: must be module:function or file.py:function")
    try:
        found: Any = _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except AuditError:
        raise
    except (Exception, SystemExit) as error:
        raise AuditError(f"{where} cannot be imported: {type(error).__name__}: {error}") from None
    for part in attribute.split("."):
        try:
            if isinstance(found, type) and inspect.isfunction(inspect.getattr_static(found, part)):
                found = found()  # a method: of an object made without arguments
            found = getattr(found, part)
        except AttributeError:
            raise AuditError(f"{where} has no {attribute!r}") from None
        except (Exception, SystemExit) as error:
            raise AuditError(f"{name}: its class cannot be made without arguments: {error}") from None
    if not callable(found):
        raise AuditError(f"{name} is {type(found).__name__}: must be callable")
    return found


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise AuditError(f"no file {path}")
    sys.path.insert(0, str(path.parent.resolve()))  # its neighbours, as if it were run from there
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AuditError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


class Subject:
    """A function under audit with its layout of complex numbers.

    Args:
        function: the callable. name: for messages.
        layout: `complex`: complex arrays; `pairs`: real arrays whose last axis holds I, Q, I, Q, ...; `real`:
            real arrays, one real dimension an entry.
        arrays: `numpy`, `torch` (needs torch already imported by the function's module), or `auto`: NumPy,
            and tensors if the function rejects NumPy arrays.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, layout: str = "complex", arrays: str = "auto"
    ) -> None:
        self.function, self.name, self.layout = function, name, layout
        self.tensors = arrays == "torch"
        self._may_switch = arrays == "auto"
        if self.tensors and "torch" not in sys.modules:
            raise AuditError(f"{name}: tensors asked for, but its module does not import torch")

    def __call__(self, *arguments: Any) -> Any:
        """Calls the function; complex arrays among the arguments are handed over in its layout."""
        try:
            return self._run(arguments)
        except (TypeError, AttributeError) as error:
            given = any(isinstance(a, np.ndarray) for a in arguments)
            if not (self._may_switch and given and not self.tensors and "torch" in sys.modules):
                raise self._raised(error, arguments) from None
        except (Exception, SystemExit) as error:
            raise self._raised(error, arguments) from None
        self.tensors = True
        try:
            return self._run(arguments)
        except (Exception, SystemExit) as error:
            raise self._raised(error, arguments) from None

    def array(self, answer: Any, what: str, scalar: bool = False) -> np.ndarray:
        """One returned array or tensor, in the audit's own form: complex128, or float64 for layout `real`.

        `scalar`: a single number is an array of shape (1,).
        """
        try:
            if hasattr(answer, "detach"):  # a tensor; views that conjugate or negate lazily are settled first
                answer = answer.detach().cpu().resolve_conj().resolve_neg().numpy()
            a = np.atleast_1d(answer) if scalar else np.asarray(answer)
            if a.dtype.kind not in "biufc":
                raise TypeError(a.dtype)
            a = a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)
        except (TypeError, ValueError, AttributeError):
            raise AuditError(
                f"{self.name} returned {type(answer).__name__} as {what}: must be an array of numbers"
            ) from None
        if a.ndim == 0 or a.size == 0:
            raise AuditError(f"{self.name} returned {what} of shape {a.shape}: must hold numbers")
        bad = int(a.size - np.count_nonzero(np.isfinite(a)))
        if bad:
            raise AuditError(f"{self.name} returned {bad} of {a.size} values of {what} not finite")
        if self.layout == "complex":
            return a.astype(np.complex128)
        if np.iscomplexobj(a):
            raise AuditError(f"{self.name} returned complex {what}: layout {self.layout} means real arrays")
        if self.layout == "real":
            return a
        if a.shape[-1] % 2:
            raise AuditError(
                f"{self.name} returned {what} of shape {a.shape}: layout pairs needs an even last axis"
            )
        return a[..., 0::2] + 1j * a[..., 1::2]

    def _run(self, arguments: tuple[Any, ...]) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):  # its prints would drown the report
            return self.function(*[self._give(a) for a in arguments])

    def _give(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        if np.iscomplexobj(value) and self.layout == "pairs":
            value = np.stack([value.real, value.imag], axis=-1).reshape(*value.shape[:-1], -1)
        if not self.tensors:
            return value.copy()  # the function may work in place
        single = {"c": np.complex64, "f": np.float32}.get(value.dtype.kind, value.dtype)
        return sys.modules["torch"].from_numpy(np.array(value, single, order="C"))

    def _raised(self, error: BaseException, arguments: tuple[Any, ...]) -> AuditError:
        shown = ", ".join(
            f"{a.dtype}{list(a.shape)}" if isinstance(a, np.ndarray) else f"{a:.4g}"
            if isinstance(a, float) else type(a).__name__ if isinstance(a, np.random.Generator) else str(a)
            for a in map(self._give, arguments)
        )  # fmt: skip
        kind = "tensors" if self.tensors else "arrays"
        return AuditError(f"{self.name}({shown}), {kind}, raised {type(error).__name__}: {error}")
