"""A progress line with rate and time left on stderr; silent when stderr is not a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType


class Progress:
    """Counts steps of a known total and redraws one line at most five times a second."""

    def __init__(self, total: int, unit: str) -> None:
        self.total = total
        self.unit = unit
        self.count = 0
        self.shown = sys.stderr.isatty()
        self.begun = time.monotonic()
        self.drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown:
            sys.stderr.write("\n")

    def advance(self, note: str = "") -> None:
        """One more step is done; `note` goes to the end of the line."""
        self.count += 1
        now = time.monotonic()
        if not self.shown or (now - self.drawn < 0.2 and self.count < self.total):
            return
        self.drawn = now
        rate = self.count / max(now - self.begun, 1e-9)
        left_s = (self.total - self.count) / rate
        sys.stderr.write(
            f"\r{self.count}/{self.total} {self.unit}  {rate:.1f}/s  {left_s / 60:.1f} min left  {note}\x1b[K"
        )
        sys.stderr.flush()
