"""The front door: a scenario file is a Python module with a value `scenario` and, if it likes, `presets`.

scenario = Toscn(...)                       # a frozen parameter set
presets = {"mbyte": {"semantics.packet_bits": 1_600_000}}
"""

from __future__ import annotations

import difflib
import runpy
from pathlib import Path
from typing import Any

from netsim import params
from netsim.systems.toscn import Toscn
from phy.parameters import ParameterError


def load(path: str | Path) -> tuple[Toscn, dict[str, dict[str, Any]]]:
    """The scenario and the presets of a scenario file.

    Raises:
        ParameterError: one line that begins with the file's name: missing, does not run, holds no scenario,
        breaks a rule.
    """
    file = Path(path)
    if not file.is_file():
        raise ParameterError(f"{path}: no such scenario file")
    try:
        names = runpy.run_path(str(file))
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    except SyntaxError as error:
        raise ParameterError(f"{path}: line {error.lineno}: {error.msg}: must be Python") from None
    except Exception as error:
        raise ParameterError(f"{path}: {type(error).__name__}: {error}: must run without error") from None
    scenario = names.get("scenario")
    if not isinstance(scenario, Toscn):
        found = f"scenario is {type(scenario).__name__}" if "scenario" in names else "no value named scenario"
        raise ParameterError(f"{path}: {found}: must define scenario = Toscn(...)")
    presets = names.get("presets", {})
    if not isinstance(presets, dict) or not all(isinstance(values, dict) for values in presets.values()):
        raise ParameterError(f"{path}: presets is no dict of dicts: must map a name to {{path: value}}")
    return scenario, presets


def resolve(path: str | Path, preset: str | None, assignments: list[str], **options: Any) -> Toscn:
    """Scenario file, then preset, then command-line options, then `--set`, checked at the end.

    Args:
        options: top-level parameters by path given as options of their own (`phy`, `slots`, ...); None = not
        given.

    Raises:
        ParameterError: one line.
    """
    scenario, presets = load(path)
    values: dict[str, Any] = {}
    if preset is not None:
        if preset not in presets:
            near = difflib.get_close_matches(preset, presets, 1)
            hint = f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(presets)
            raise ParameterError(f"--preset {preset}: no such preset in {path} ({hint})")
        values.update(presets[preset])
    values.update({name: value for name, value in options.items() if value is not None})
    for text in assignments:
        try:
            values.update(params.parse_assignment(scenario, text))
        except ParameterError as error:
            raise ParameterError(f"--set {text}: {error}") from None
    try:
        resolved = params.override(scenario, values)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    assert isinstance(resolved, Toscn)
    return resolved
