"""Parameters from the outside: `--set path=value`, and the table that `show` prints.

A path names a field through nested parameter sets (`ofdm.cp_len`). Values are parsed by the field's declared
type and checked by constructing the parameter sets anew, so that the rules stand in one place.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from dataclasses import dataclass
from typing import Any

from phy.parameters import Checked, ParameterError


def paths(parameters: Checked, prefix: str = "") -> dict[str, dataclasses.Field]:
    """All leaf parameters by path, in the order of declaration."""
    found: dict[str, dataclasses.Field] = {}
    for f in dataclasses.fields(parameters):
        value = getattr(parameters, f.name)
        if isinstance(value, Checked):
            found.update(paths(value, f"{prefix}{f.name}."))
        else:
            found[prefix + f.name] = f
    return found


def get(parameters: Checked, path: str) -> Any:
    """The value at `path`."""
    value: Any = parameters
    for name in path.split("."):
        value = getattr(value, name)
    return value


def override(parameters: Checked, assignments: dict[str, Any]) -> Checked:
    """A copy with the values at the given paths replaced; all rules are checked on the result.

    Assignments are applied together, so that two that only fit each other may come in any order.

    Raises:
        ParameterError: unknown path (with the nearest known one), wrong type, broken rule.
    """
    known = paths(parameters)
    nested: dict[str, dict[str, Any]] = {}
    own: dict[str, Any] = {}
    for path, value in assignments.items():
        head, _, rest = path.partition(".")
        if rest and isinstance(getattr(parameters, head, None), Checked):
            nested.setdefault(head, {})[rest] = value
        elif path in known:
            own[path] = value
        else:
            raise _unknown(parameters, path, known)
    for head, inner in nested.items():
        try:
            own[head] = override(getattr(parameters, head), inner)
        except UnknownPath as error:
            raise _unknown(parameters, f"{head}.{error.path}", known) from None
    return dataclasses.replace(parameters, **own)


class UnknownPath(ParameterError):
    """No parameter at `path`."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path


def _unknown(parameters: Checked, path: str, known: dict[str, dataclasses.Field]) -> UnknownPath:
    head, _, rest = path.partition(".")
    sections = [
        f.name for f in dataclasses.fields(parameters) if isinstance(getattr(parameters, f.name), Checked)
    ]
    if rest and head not in sections:
        wrong, near = head, difflib.get_close_matches(head, sections, 1)
    elif path in sections:
        return UnknownPath(path, f"'{path}' is a group of parameters, set one of {path}.*")
    else:
        wrong, near = path, difflib.get_close_matches(path, list(known), 1)
    hint = f" (did you mean '{near[0]}'?)" if near else " (see: python -m netsim show SCENARIO)"
    return UnknownPath(path, f"no parameter '{wrong}'{hint}")


def parse_assignment(parameters: Checked, text: str) -> dict[str, Any]:
    """`ofdm.cp_len=8` to {path: value of the declared type}.

    Raises:
        ParameterError: not of the form path=value, unknown path (with the nearest known one), wrong type.
    """
    path, equals, raw = text.partition("=")
    if not equals or not path:
        raise ParameterError("must be path=value")
    known = paths(parameters)
    if path not in known:
        override(parameters, {path: raw})  # raises with the nearest known path
    return {path: parse(parameters, path, raw)}


def parse(parameters: Checked, path: str, raw: str) -> Any:
    """`raw` as the type of the parameter at `path`."""
    owner_path, _, name = path.rpartition(".")
    owner = get(parameters, owner_path) if owner_path else parameters
    hint = typing.get_type_hints(type(owner))[name]
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if type(None) in kinds and raw.lower() in ("none", ""):
        return None
    for kind in kinds:
        if kind is bool and raw.lower() in ("true", "false"):
            return raw.lower() == "true"
        if kind is str:
            return raw
        if kind in (int, float):
            try:
                return kind(raw.replace("_", ""))
            except ValueError:
                if kind is int and _integral(raw):
                    return int(float(raw))
        elif typing.get_origin(kind) is tuple and typing.get_args(kind)[0] in (int, float):
            try:
                return tuple(typing.get_args(kind)[0](part) for part in raw.split(","))
            except ValueError:
                pass
    wanted = " or ".join("none" if k is type(None) else getattr(k, "__name__", str(k)) for k in kinds)
    raise ParameterError(f"must be {wanted}")


def _integral(raw: str) -> bool:
    try:
        return float(raw).is_integer()
    except ValueError:
        return False


@dataclass(frozen=True)
class Row:
    """One line of `show`."""

    path: str
    value: str
    unit: str
    meaning: str
    source: str
    rule: str


def table(parameters: Checked) -> list[Row]:
    """Every parameter with value, unit, meaning, source and rule."""
    rows = []
    for path, f in paths(parameters).items():
        rule = f.metadata.get("rule")
        rows.append(
            Row(
                path,
                _text(get(parameters, path)),
                f.metadata.get("unit", ""),
                f.metadata.get("meaning", ""),
                f.metadata.get("source", ""),
                rule.text if rule else "",
            )
        )
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Checked):
        return "(" + ", ".join(_text(getattr(value, f.name)) for f in dataclasses.fields(value)) + ")"
    if isinstance(value, tuple):
        return ", ".join(_text(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_dict(parameters: Any) -> Any:
    """Parameter sets as plain JSON values, for provenance and digests."""
    if isinstance(parameters, Checked):
        return {f.name: as_dict(getattr(parameters, f.name)) for f in dataclasses.fields(parameters)}
    if isinstance(parameters, tuple):
        return [as_dict(v) for v in parameters]
    return parameters


def digest(parameters: Checked) -> str:
    """12 hexadecimal digits that equal parameter sets share."""
    text = json.dumps(as_dict(parameters), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def from_dict(kind: type, values: dict) -> Any:
    """The inverse of `as_dict` for parameter set class `kind`: how a trace gives its scenario back.

    Raises:
        ParameterError: unknown or missing names, wrong types, broken rules.
    """
    hints = typing.get_type_hints(kind)
    unknown = set(values) - set(hints)
    if unknown:
        raise ParameterError(f"{kind.__name__}: no parameter '{min(unknown)}'")
    arguments = {}
    for name, value in values.items():
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, Checked):
            value = from_dict(hint, value)
        elif typing.get_origin(hint) is tuple:
            item = typing.get_args(hint)[0]
            is_set = isinstance(item, type) and issubclass(item, Checked)
            value = tuple(from_dict(item, v) if is_set else v for v in value)
        arguments[name] = value
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ParameterError(f"{kind.__name__}: {error}") from None
