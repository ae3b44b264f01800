"""Are bit errors just a rate? A link whose errors are put elsewhere: as many in every packet, other places.

`channel`      where they fell
`independent`  each bit of the packet equally likely, without repetition
`bursts`       within one stretch of twice as many bits, half of which flip

The number of wrong bits of every packet stays what the channel made it, so whatever changes is due to the
places alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from netsim.link import Block, Grants, Link
from netsim.streams import Streams
from netsim.world import World
from phy.bursts import Received

PATTERNS = ("channel", "independent", "bursts")


class MovedErrors:
    """Any link that carries bits, with its errors moved within each packet.

    Places come from the streams `errors/ue<u>` indexed by slot, so that they depend neither on other devices
    nor on other slots.
    """

    def __init__(self, link: Link, pattern: str, streams: Streams) -> None:
        self._link, self._pattern, self._streams = link, pattern, streams
        self.level, self.carries_bits, self.padding_bits = link.level, link.carries_bits, link.padding_bits
        # all but `transmit` is the link's own
        self.quantise, self.spectral_efficiency = link.quantise, link.spectral_efficiency
        self.carried_bits, self.symbols = link.carried_bits, link.symbols
        self.completions_ns, self.snr_db = link.completions_ns, link.snr_db

    def transmit(self, slot: int, grants: Grants, world: World, blocks: list[Block]) -> Received | None:
        """The link's counts at other places."""
        received = self._link.transmit(slot, grants, world, blocks)
        return received if received is None else moved(received, blocks, self._pattern, slot, self._streams)


def moved(received: Received, blocks: Sequence[Block], pattern: str, slot: int, streams: Streams) -> Received:
    """What arrived of a slot's blocks, with as many wrong bits in each, at places by `pattern`."""
    draws: dict[int, np.random.Generator] = {}
    parts = [np.empty(0, np.uint8)]
    for block, errors in zip(blocks, received.num_bit_errors.tolist()):
        if block.ue not in draws:  # one generator a device and slot, read packet after packet
            draws[block.ue] = streams.at(f"errors/ue{block.ue}", slot)
        places = error_places(pattern, block.num_bits, errors, draws[block.ue])
        flipped = np.zeros(8 * len(block.payload), np.uint8)
        flipped[places] = 1
        parts.append(block.payload ^ np.packbits(flipped))
    return replace(received, payload=np.concatenate(parts))


def error_places(pattern: str, num_bits: int, errors: int, rng: np.random.Generator) -> np.ndarray:
    """Which bits of a packet are wrong: int64[errors], different ones below num_bits."""
    if pattern == "independent":
        return rng.choice(num_bits, errors, replace=False)
    width = min(num_bits, 2 * errors)
    first = int(rng.integers(0, num_bits - width + 1))
    return first + rng.choice(width, errors, replace=False) if errors else np.empty(0, np.int64)
