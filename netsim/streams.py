"""Random streams by name: the same name gives the same numbers, whoever else draws.

A stream is a Philox counter whose key is a hash of (seed, run, name). Two kinds of use:

* *exogenous* streams (`traffic/ue3`, `fading/cell0/ue3`) are read from the start to the end, for every user
in every
  slot, whatever the policy does;
* what the policy can influence (noise, signalling, exploration) is *indexed by slot*: the counter is set from
the slot
  number, so the draws of slot t never shift those of slot t+1 and one packet can be replayed alone.

Kernels take `kernel_key(name)` and draw their own Philox4x32-10 numbers.
Source of the generator: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.random import Generator, Philox


class Streams:
    """All random numbers of one run.

    Args:
        seed: world seed, any integer >= 0.
        run: replication number; runs differ in every stream.
    """

    def __init__(self, seed: int, run: int = 0) -> None:
        self.seed = seed
        self.run = run
        self._indexed: dict[str, tuple[Generator, Any]] = {}

    def _digest(self, name: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}/{self.run}/{name}".encode(), digest_size=16).digest()

    def kernel_key(self, name: str) -> int:
        """64-bit key of stream `name` for the PHY kernels."""
        return int.from_bytes(self._digest(name)[:8], "little")

    def sequential(self, name: str) -> Generator:
        """A fresh generator at the start of stream `name`, to be read in order (exogenous streams)."""
        return Generator(Philox(key=int.from_bytes(self._digest(name), "little")))

    def at(self, name: str, slot: int) -> Generator:
        """The generator of stream `name` set to the numbers of `slot`.

        The returned object is reused by the next call with the same name: draw at once, do not keep it.
        """
        if name not in self._indexed:
            generator = self.sequential(name)
            self._indexed[name] = (generator, generator.bit_generator.state)
        generator, start = self._indexed[name]
        start["state"]["counter"][1] = slot  # word 0 counts the draws within the slot
        generator.bit_generator.state = start
        return generator


class Prefetched:
    """Reads an exogenous stream in blocks: the same numbers as one draw at a time, at a fraction of the cost.

    Args:
        draw: function of a count that returns that many further values, shape (count, ...).
        block: values fetched at a time.
    """

    def __init__(self, draw: Callable[[int], np.ndarray], block: int = 256) -> None:
        self._draw = draw
        self._block = block
        self._values: Iterator[Any] = iter(())

    def __next__(self) -> Any:
        for value in self._values:
            return value
        values = self._draw(self._block)
        # Python numbers cost half of what NumPy's do, here and where they are used
        self._values = iter(values.tolist() if values.ndim == 1 else values)
        return next(self._values)
