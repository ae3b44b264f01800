"""Scenarios that go wrong, importable by the workers of a campaign."""

from __future__ import annotations

import os
from dataclasses import dataclass

from netsim.systems.toscn import Toscn


@dataclass(frozen=True)
class Dies(Toscn):
    """Takes its process down."""

    def build(self, streams):
        if streams.run == 1:
            os._exit(3)
        return super().build(streams)


@dataclass(frozen=True)
class Fails(Toscn):
    """Raises in one of its runs."""

    def build(self, streams):
        if streams.run == 1:
            raise RuntimeError("a fault\nof two lines")
        return super().build(streams)
