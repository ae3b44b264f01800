"""Files of agents: weights and checkpoints as safetensors with a JSON header, never a pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from phy.parameters import ParameterError

FORMAT = "netsim-agent/1"


def save(path: Path, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Writes arrays and their description (JSON values); whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    metadata = {"format": FORMAT, "about": json.dumps(about, sort_keys=True)}
    save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, part, metadata=metadata)
    part.chmod(0o644)  # the library writes for the owner alone
    os.replace(part, path)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and description of a file written by `save`.

    Raises:
        ParameterError: one line: missing, no safetensors file, not one of ours.
    """
    if not path.is_file():
        raise ParameterError(f"{path}: no such file: must be written by python -m netsim train")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(f"{path}: cannot be read ({reason}): must be a safetensors file") from None
    if metadata.get("format") != FORMAT:
        raise ParameterError(
            f"{path}: format {metadata.get('format')}: must be {FORMAT}, written by python -m netsim train"
        )
    return arrays, json.loads(metadata["about"])
