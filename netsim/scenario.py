"""The front door: a scenario file is a Python module with a value `scenario` and, if it likes, `presets`.

scenario = Toscn(...)                       # a frozen parameter set
presets = {"mbyte": {"semantics.packet_bits": 1_600_000}}
"""

from __future__ import annotations

import difflib
import runpy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netsim import params
from netsim.agents.policy import DeferredPolicy, Policy
from netsim.clocks import Clocks
from netsim.link import LEVELS
from netsim.signalling import Signalling
from netsim.streams import Streams
from netsim.system import System
from netsim.traffic import Traffic
from phy.parameters import Checked, ParameterError, at_least_one, non_negative, one_of, parameter, positive

SUMMARY_KPIS = (
    "delivered per slot",
    "blocked per slot",
    "accuracy per packet",
    "objective per slot",
    "reward per slot",
    "bit error rate",
    "delay mean",
    "bandwidth utilisation",
)


@dataclass(frozen=True)
class Scenario(Checked):
    """What all scenarios have in common; a system's own scenario class adds its parameters and `build`."""

    name: str = parameter("", meaning="scenario name, folder of its results")
    phy: str = parameter("bit", meaning="level of fidelity", source="README", rule=one_of(*LEVELS))
    slots: int = parameter(100, meaning="slots in a run", rule=at_least_one)
    episode_slots: int = parameter(
        10, meaning="slots between two placements of the devices (T)", rule=at_least_one
    )
    slot_ns: int = parameter(200_000_000, meaning="slot length L", unit="ns", rule=positive)
    seed: int = parameter(1, meaning="world seed", rule=non_negative)
    signalling: Signalling = parameter(factory=Signalling, meaning="delays between world and agent")
    traffic: Traffic = parameter(factory=Traffic, meaning="captures and buffers")

    @property
    def policy_name(self) -> str:
        """Name of the policy."""
        raise NotImplementedError

    @property
    def policy_text(self) -> str:
        """The policy and what it believes in, for summaries."""
        return self.policy_name

    @property
    def station_clocks(self) -> Clocks | None:
        """The stations' clocks where they do not agree with the conductor's; None where they do."""
        return None

    @property
    def total_bandwidth_hz(self) -> float | None:
        """Bandwidth that the policy divides, in Hz; None where it divides none."""
        return None

    @property
    def summary_kpis(self) -> tuple[str, ...]:
        """The key figures that a run prints."""
        return SUMMARY_KPIS

    @property
    def net_bits_per_symbol(self) -> float | None:
        """Payload bits per data symbol with prefix and pilots paid: Es/N0 over Eb/N0 (docs/snr.md); None at
        levels without symbols.
        """
        return None

    def build(self, streams: Streams) -> tuple[System, Sequence[Policy | DeferredPolicy]]:
        """The system and one policy for each of its nodes; imports what the level needs.

        Raises:
            ParameterError: what is missing or broken in the user's data, in one line.
        """
        raise NotImplementedError


def load(path: str | Path) -> tuple[Scenario, dict[str, dict[str, Any]]]:
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
    if not isinstance(scenario, Scenario):
        found = f"scenario is {type(scenario).__name__}" if "scenario" in names else "no value named scenario"
        raise ParameterError(f"{path}: {found}: must define scenario = Toscn(...) or another scenario")
    presets = names.get("presets", {})
    if not isinstance(presets, dict) or not all(isinstance(values, dict) for values in presets.values()):
        raise ParameterError(f"{path}: presets is no dict of dicts: must map a name to {{path: value}}")
    return scenario, presets


def resolve(path: str | Path, preset: str | None, assignments: list[str], **options: Any) -> Scenario:
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
    assert isinstance(resolved, Scenario)
    return resolved
