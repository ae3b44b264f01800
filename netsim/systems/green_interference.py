"""Green at symbol level: 16-QAM through co-channel cells that really send (specification 10.3, 10.5).

Every cell of `superpose` is a receiver and an interferer of all others, with the same profile of powers, so
that no symbol is computed without being counted. The interferers' phases are independent and uniform, new for
every block of symbols.
"""

from __future__ import annotations

import numpy as np

from phy.bursts import Bursts
from phy.cells import transmit_cells
from phy.philox import random_bytes

BLOCK_SYMBOLS = 40  # symbols between two draws of the phases
BLOCK_BYTES = BLOCK_SYMBOLS // 2  # 16-QAM: two symbols a byte
INR_DB = 30.0  # interference over noise
_MOST_SYMBOLS = 40_000  # per cell and call: amplitudes of seven cells take 16 MB

# relative powers of the interferers; none: all of the disturbance is Gaussian noise
PROFILES: dict[str, tuple[float, ...]] = {
    "awgn": (),
    "qam1": (1.0,),
    "qam2": (1.0, 1.0),
    "qam6": (1.0,) * 6,
    "geo": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003),
}


def superpose(
    payload: np.ndarray, sinr_db: float, profile: tuple[float, ...], key: int, draws: np.random.Generator
) -> np.ndarray:
    """What hard decisions make of a payload that cells send at once on the same elements.

    The payload is cut into as many parts as there are cells, padded with random bytes; each part is received
    by its own cell. Own symbols have unit energy, interference and noise together 1 / SINR.

    Args:
        payload: uint8[n], packed bits. sinr_db: mean wanted over mean unwanted power. profile: relative
            powers of the interferers (PROFILES). key: of the noise and the padding. draws: phases.

    Returns: uint8[n].
    """
    num_cells = len(profile) + 1
    per_call = num_cells * _MOST_SYMBOLS // BLOCK_SYMBOLS * BLOCK_BYTES
    parts = [payload[first : first + per_call] for first in range(0, len(payload), per_call)]
    received = [_superpose(part, sinr_db, profile, key, call, draws) for call, part in enumerate(parts)]
    return np.concatenate(received)


def _superpose(
    payload: np.ndarray,
    sinr_db: float,
    profile: tuple[float, ...],
    key: int,
    call: int,
    draws: np.random.Generator,
) -> np.ndarray:
    num_cells = len(profile) + 1
    blocks = -(-len(payload) // (BLOCK_BYTES * num_cells))
    num_bytes = blocks * BLOCK_BYTES
    padding = random_bytes(key, call, num_cells * num_bytes - len(payload))
    cell = np.arange(num_cells, dtype=np.int64)
    disturbance = 10.0 ** (-sinr_db / 10.0)
    interference = disturbance / (1.0 + 10.0 ** (-INR_DB / 10.0)) if profile else 0.0
    bursts = Bursts(
        payload=np.concatenate([payload, padding]),
        offset=cell * num_bytes,
        num_bits=0 * cell + 8 * num_bytes,
        bits_per_symbol=0 * cell + 4,
        h=np.ones((num_cells, 1, 1), np.complex64),
        es=np.ones(num_cells),
        n0=disturbance - interference,
        first_symbol=0 * cell,
        key=np.array([(key + i) % 2**64 for i in range(num_cells)], np.uint64),
        slot=0 * cell + call,
    )
    amplitude = np.zeros((num_cells, num_cells, blocks), np.complex64)
    amplitude[cell, cell] = 1.0
    for q, power in enumerate(profile):
        phase = np.exp(2j * np.pi * draws.random((num_cells, blocks)))
        amplitude[cell, (cell + 1 + q) % num_cells] = np.sqrt(interference * power / sum(profile)) * phase
    received, _ = transmit_cells(bursts, cell, np.repeat(amplitude, BLOCK_SYMBOLS, axis=2))
    return received.payload[: len(payload)]
