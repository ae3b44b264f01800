"""Checkpoints of trainings: written whole or not at all, continued by the same training only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from phy.parameters import ParameterError


def save_checkpoint(path: Path, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Writes `state` (tensors, numbers, nested dicts of these) with what identifies the training."""
    part = path.with_name(path.name + ".part")
    torch.save({"identity": json.dumps(identity, sort_keys=True), **state}, part)
    os.replace(part, path)


def load_checkpoint(path: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a checkpoint of the training that `identity` describes; nothing in it is executed.

    Raises:
        ParameterError: one line: not a checkpoint, or of other data or settings.
    """
    try:
        state = torch.load(path, weights_only=True)
        found = state["identity"]
    except Exception as cause:
        reason = str(cause).splitlines()[0]
        raise ParameterError(
            f"{path}: cannot be continued ({reason}): must be a checkpoint of this command"
        ) from None
    if found != json.dumps(identity, sort_keys=True):
        raise ParameterError(f"{path}: made with other data or settings: remove it or choose another --out")
    return state
