"""Cyclic redundancy checks of NR and LTE: attach, check, and the plain remainder.

All of them start from a zero register, process the most significant bit first, reflect nothing and
invert nothing at the end (TS 38.212 5.1). A zero register means that leading zero bits change nothing, so a
block whose length is no multiple of 8 is handled as if zeros stood in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phy.jit import entry
from phy.parameters import ParameterError

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Crc:
    """One generator: `num_bits` parity bits; `polynomial` holds its coefficients below the leading one."""

    num_bits: int
    polynomial: int


# TS 38.212 5.1; CRC-8 is not used by NR: TS 36.212 5.1.1.
CRCS: dict[str, Crc] = {
    "6": Crc(6, 0x21),
    "8": Crc(8, 0x9B),
    "11": Crc(11, 0x621),
    "16": Crc(16, 0x1021),
    "24A": Crc(24, 0x864CFB),
    "24B": Crc(24, 0x800063),
    "24C": Crc(24, 0xB2B117),
}


def _table(crc: Crc) -> NDArray[np.uint32]:
    """uint32[256]: the register (left-aligned in 32 bits) after one byte has been shifted in."""
    register = np.arange(256, dtype=np.uint64) << np.uint64(24)
    polynomial = np.uint64(crc.polynomial << (32 - crc.num_bits))
    for _ in range(8):
        carry = (register >> np.uint64(31)) & np.uint64(1)
        register = ((register << np.uint64(1)) & np.uint64(0xFFFFFFFF)) ^ (carry * polynomial)
    return register.astype(np.uint32)


_TABLES = {name: _table(crc) for name, crc in CRCS.items()}


@entry
def crc_bytes_kernel(payload, table, out):
    """Left-aligned registers out uint32[B] of the byte rows payload uint8[B, num_bytes]."""
    for b in range(payload.shape[0]):
        register = np.uint32(0)
        for i in range(payload.shape[1]):
            index = np.uint32(register >> np.uint32(24)) ^ np.uint32(payload[b, i])
            register = np.uint32(register << np.uint32(8)) ^ table[index]
        out[b] = register


@entry
def crc_bits_kernel(bits, table, out):
    """Left-aligned registers out uint32[B] of the bit rows bits uint8[B, num_bits], eight bits a step."""
    num_bits = bits.shape[1]
    head = num_bits % 8
    for b in range(bits.shape[0]):
        byte = np.uint32(0)
        for i in range(head):
            byte = np.uint32(byte << np.uint32(1)) | np.uint32(bits[b, i])
        register = table[byte]
        for start in range(head, num_bits, 8):
            byte = np.uint32(0)
            for i in range(8):
                byte = np.uint32(byte << np.uint32(1)) | np.uint32(bits[b, start + i])
            index = np.uint32(register >> np.uint32(24)) ^ byte
            register = np.uint32(register << np.uint32(8)) ^ table[index]
        out[b] = register


def crc_of(name: str) -> Crc:
    """The generator called `name`; ParameterError when there is none."""
    if name not in CRCS:
        raise ParameterError(f"crc = {name!r}: must be one of " + ", ".join(CRCS))
    return CRCS[name]


def remainder(bits: Bits, name: str) -> NDArray[np.uint32]:
    """CRC register of each bit row.

    Args:
        bits: uint8[..., num_bits], 0/1.
        name: "6", "8", "11", "16", "24A", "24B" or "24C".

    Returns:
        uint32[...], right-aligned: the parity bits read as a number, first parity bit most significant.
    """
    crc = crc_of(name)
    rows = np.require(bits, np.uint8, ("C", "W"))
    flat = rows.reshape(-1, rows.shape[-1])
    out = np.empty(flat.shape[0], dtype=np.uint32)
    crc_bits_kernel(flat, _TABLES[name], out)
    return (out >> np.uint32(32 - crc.num_bits)).reshape(rows.shape[:-1])


def remainder_bytes(payload: Bits, name: str) -> NDArray[np.uint32]:
    """CRC register of byte rows uint8[..., num_bytes], most significant bit first; see `remainder`."""
    crc = crc_of(name)
    rows = np.require(payload, np.uint8, ("C", "W"))
    flat = rows.reshape(-1, rows.shape[-1])
    out = np.empty(flat.shape[0], dtype=np.uint32)
    crc_bytes_kernel(flat, _TABLES[name], out)
    return (out >> np.uint32(32 - crc.num_bits)).reshape(rows.shape[:-1])


def attach(bits: Bits, name: str) -> Bits:
    """`bits` uint8[..., num_bits] followed by their parity bits: uint8[..., num_bits + L]."""
    num_parity = crc_of(name).num_bits
    shifts = np.arange(num_parity - 1, -1, -1, dtype=np.uint32)
    parity = (remainder(bits, name)[..., None] >> shifts) & np.uint32(1)
    return np.concatenate([bits, parity.astype(np.uint8)], axis=-1)


def check(bits: Bits, name: str) -> NDArray[np.bool_]:
    """bool[...]: whether uint8[..., num_bits + L] is a block followed by its parity bits."""
    num_parity = crc_of(name).num_bits
    if bits.shape[-1] < num_parity:
        raise ParameterError(f"bits.shape[-1] = {bits.shape[-1]}: must be >= {num_parity} for CRC-{name}")
    return remainder(bits, name) == 0
