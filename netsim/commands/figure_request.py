"""What the command line asks of a figure, and the progress line that all figures share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from phy.parameters import ParameterError


@dataclass(frozen=True)
class Request:
    """One figure and its options; None where the command line does not say.

    `episodes`: replications behind each number (episodes, drops). `slots`: of a training. `codec`: the text
    codec of figures of SC-QoS.
    """

    name: str
    episodes: int | None
    jobs: int
    quick: bool
    out: Path
    slots: int | None = None
    codec: str | None = None

    def codecs(self) -> list[str]:
        """The text codec that was asked for, else all with a bank that ships.

        Raises:
            ParameterError: there is no bank of this codec.
        """
        from netsim.systems.scqos_bank_file import shipped_banks

        known = shipped_banks()
        if self.codec is not None and self.codec not in known:
            raise ParameterError(f"--codec {self.codec}: must be one of {', '.join(known)}")
        return known if self.codec is None else [self.codec]

    def one_process(self) -> None:
        """For figures that neither run episodes nor use several processes.

        Raises:
            ParameterError: `--episodes`, `--slots` or `--jobs` was given.
        """
        if self.episodes is not None or self.slots is not None or self.jobs != 1:
            raise ParameterError(f"figure {self.name}: has no episodes and runs in one process")


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function of (done, total) that moves a progress line; quiet when not on a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task(title)
        yield lambda done, total: bar.update(line, completed=done, total=total)


def console(width: int = 120) -> Console:
    """Where figures print: the terminal's width, or `width` columns into a file."""
    return Console(width=None if sys.stdout.isatty() else width, highlight=False)
