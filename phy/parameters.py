"""Checked parameters: frozen dataclasses whose fields carry unit, meaning, source and rule.

A parameter set is a value. It is checked once, at construction, and a bad value is reported in one line that
names the field, the value and the rule it breaks. The metadata is what `python -m netsim show` prints.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from typing import Any


class ParameterError(ValueError):
    """A parameter has a value that its rule forbids. `str(error)` is one line: name, value, rule."""


@dataclass(frozen=True)
class Rule:
    """A predicate on one value and the words that state it."""

    holds: Callable[[Any], bool]
    text: str


positive = Rule(lambda v: v > 0 and math.isfinite(v), "must be > 0 and finite")
non_negative = Rule(lambda v: v >= 0 and math.isfinite(v), "must be >= 0 and finite")
finite = Rule(math.isfinite, "must be finite")
probability = Rule(lambda v: 0.0 <= v <= 1.0, "must be in [0, 1]")
at_least_one = Rule(lambda v: v >= 1, "must be >= 1")
power_of_two = Rule(lambda v: v > 0 and (v & (v - 1)) == 0, "must be a power of two")


def one_of(*allowed: Any) -> Rule:
    """The value is one of `allowed`."""
    return Rule(lambda v: v in allowed, "must be one of " + ", ".join(str(a) for a in allowed))


def between(low: float, high: float) -> Rule:
    """The value lies in the closed interval [low, high]."""
    return Rule(lambda v: low <= v <= high, f"must be in [{low}, {high}]")


def parameter(
    default: Any = MISSING,
    *,
    meaning: str,
    unit: str = "",
    source: str = "",
    rule: Rule | None = None,
    factory: Callable[[], Any] | None = None,
) -> Any:
    """A dataclass field with the metadata that `show` prints and `Checked` enforces.

    Args:
        default: default value; leave out for a required parameter.
        meaning: one line, what the parameter is.
        unit: SI unit, empty for pure numbers.
        source: where the default comes from ("TOSCN Table I", "TS 38.211 4.2").
        rule: what the value must satisfy on its own; rules across fields go into `Checked.check`.
        factory: instead of `default`, for nested parameter sets.
    """
    metadata = {"meaning": meaning, "unit": unit, "source": source, "rule": rule}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Checked:
    """Base of all parameter sets: types and rules are checked when the value is made.

    An int is accepted where a float is declared (and becomes one); nothing else is converted.
    """

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for f in dataclasses.fields(self):
            value = _typed(self, f.name, getattr(self, f.name), hints[f.name])
            object.__setattr__(self, f.name, value)
            rule: Rule | None = f.metadata.get("rule")
            if rule is not None and value is not None:
                try:
                    holds = rule.holds(value)
                except TypeError:
                    holds = False
                if not holds:
                    raise self.error(f.name, rule.text)
        self.check()

    def check(self) -> None:
        """Rules across fields; subclasses override and raise `self.error(name, rule)`."""

    def error(self, name: str, rule: str) -> ParameterError:
        """The one-line error for field `name`: class, field, value, rule."""
        value = getattr(self, name)
        shown = repr(value) if isinstance(value, str) else str(value)
        return ParameterError(f"{type(self).__name__}.{name} = {shown}: {rule}")


def _typed(owner: Checked, name: str, value: Any, hint: Any) -> Any:
    """`value` as the declared type, or a ParameterError that says which type was wanted."""
    if _accepts(value, hint):
        return value
    allowed = _alternatives(hint)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise owner.error(name, "must be a float, is beyond its range") from None
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, tuple | list):
        item = args[0]
        if all(_accepts(v, item) or (item is float and isinstance(v, int)) for v in value):
            return tuple(float(v) if item is float else v for v in value)
    wanted = " or ".join("nothing" if a is type(None) else getattr(a, "__name__", str(a)) for a in allowed)
    raise owner.error(name, f"must be {wanted}, is {type(value).__name__}")


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _accepts(value: Any, hint: Any) -> bool:
    for kind in _alternatives(hint):
        origin = typing.get_origin(kind)
        if origin is tuple:
            args = typing.get_args(kind)
            if isinstance(value, tuple) and all(_accepts(v, args[0]) for v in value):
                return True
        elif kind is Any or (
            isinstance(kind, type)
            and isinstance(value, kind)
            and not (isinstance(value, bool) and kind in (int, float))
        ):
            return True
    return False
