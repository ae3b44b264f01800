"""The convolutional code of IEEE 802.11: constraint length 7, generators (133, 171), punctured, soft Viterbi.

Code bits leave in the order A1 B1 A2 B2 ... (A from 133, B from 171); puncturing deletes some of them by the
patterns of IEEE 802.11-2020 17.3.5.6. Blocks are zero-terminated (six zero bits follow the information bits,
as in 802.11) or tail-biting (the encoder starts in the state it will end in: no rate loss).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phy.coding.viterbi import GENERATORS, MEMORY, NUM_STATES, viterbi_kernel
from phy.jit import entry
from phy.parameters import Checked, ParameterError, one_of, parameter

Bits = NDArray[np.uint8]

# Kept code bits of one period, rows A and B.
PATTERNS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "1/2": ((1,), (1,)),
    "2/3": ((1, 1), (1, 0)),
    "3/4": ((1, 1, 0), (1, 0, 1)),
    "5/6": ((1, 1, 0, 1, 0), (1, 0, 1, 0, 1)),
}
# Mean |llr| times this is where LLRs are clipped before they are scaled to the metric: measured on BPSK over
# AWGN, BER 0.4e-3: 16 bits lose nothing, 8 bits 0.03 dB (1.5: the same; 1.25 and 3: 0.06 dB).
_CLIP = {"int8": 1.75, "int16": 8.0}
# Steps by which a tail-biting block is repeated at either end: eight constraint lengths.
_WRAP_STEPS = 56


@dataclass(frozen=True)
class ConvolutionalCode(Checked):
    """Rate and termination of the K = 7 code."""

    rate: str = parameter(
        "1/2",
        meaning="code rate",
        source="IEEE 802.11-2020 17.3.5.6",
        rule=one_of("1/2", "2/3", "3/4", "5/6"),
    )
    termination: str = parameter(
        "zero",
        meaning="how the trellis ends",
        source="IEEE 802.11-2020 17.3.5.3",
        rule=one_of("zero", "tail_biting"),
    )

    def num_steps(self, num_bits: int) -> int:
        """Trellis steps of a block of `num_bits` information bits."""
        return num_bits + (MEMORY if self.termination == "zero" else 0)

    def num_coded_bits(self, num_bits: int) -> int:
        """Code bits of a block of `num_bits` information bits, after puncturing."""
        return len(kept_positions(self.num_steps(num_bits), self.rate))


@lru_cache(maxsize=256)
def kept_positions(num_steps: int, rate: str) -> NDArray[np.int64]:
    """int64[num_coded_bits]: which of the 2 num_steps code bits A1 B1 A2 B2 ... are sent at `rate`."""
    period = np.array(PATTERNS[rate], dtype=bool).T
    repeats = -(-num_steps // len(period))
    positions = np.flatnonzero(np.tile(period, (repeats, 1))[:num_steps].ravel())
    positions.flags.writeable = False
    return positions


@entry
def encode_kernel(bits, tail_biting, out):
    """Code bits out uint8[B, 2 num_steps] of bits uint8[B, num_bits]: XORs of delayed inputs."""
    num_bits, num_steps = bits.shape[1], out.shape[1] // 2
    padded = np.zeros(num_steps + 6, dtype=np.uint8)
    for b in range(bits.shape[0]):
        for t in range(num_bits):
            padded[t + 6] = bits[b, t]
        if tail_biting:
            for t in range(6):
                padded[t] = bits[b, (num_bits - 6 + t) % num_bits]
        for t in range(num_steps):
            common = padded[t + 6] ^ padded[t + 4] ^ padded[t + 3] ^ padded[t]
            out[b, 2 * t] = common ^ padded[t + 1]
            out[b, 2 * t + 1] = common ^ padded[t + 5]


def encode(bits: Bits, code: ConvolutionalCode) -> Bits:
    """Code bits uint8[B, code.num_coded_bits(num_bits)] of the blocks uint8[B, num_bits]."""
    rows = np.require(bits, np.uint8, ("C", "W"))
    if rows.ndim != 2 or rows.shape[1] < 1:
        raise ParameterError(f"bits.shape = {bits.shape}: must be (blocks, information bits >= 1)")
    num_steps = code.num_steps(rows.shape[1])
    mother = np.empty((rows.shape[0], 2 * num_steps), dtype=np.uint8)
    encode_kernel(rows, code.termination == "tail_biting", mother)
    if code.rate == "1/2":
        return mother
    return np.ascontiguousarray(mother[:, kept_positions(num_steps, code.rate)])


@lru_cache(maxsize=256)
def _run(num_bits: int, code: ConvolutionalCode) -> tuple[NDArray[np.int64], int, int]:
    """(positions, circular, steps) of the trellis run that decodes a block; see `viterbi_kernel`."""
    num_steps = code.num_steps(num_bits)
    kept = kept_positions(num_steps, code.rate)
    if code.termination == "zero":
        return kept, 0, num_steps
    laps = -(-_WRAP_STEPS // num_bits)
    wrap = laps * num_bits
    copies = np.arange(2 * laps + 1)[:, None] * (2 * num_bits)
    repeated = (copies + kept).ravel()
    repeated.flags.writeable = False
    return repeated, wrap, num_bits + 2 * wrap


def decode(llr: NDArray[np.float32], num_bits: int, code: ConvolutionalCode, metric: str = "int16") -> Bits:
    """Most likely information bits (zero-terminated) of each row; scale of the LLRs does not matter.

    Args:
        llr: float32[B, code.num_coded_bits(num_bits)], positive = bit 0; infinite values are allowed.
        num_bits: information bits of a block.
        code: rate and termination. Tail-biting blocks are decoded over a circularly repeated trellis, which
            is within the noise of the measurement of maximum likelihood for 60 bits or more.
        metric: "int16" (indistinguishable from real-valued metrics), or "int8": 1.4 times as fast, 0.03 dB
            worse where all LLRs are of one strength (AWGN), but too narrow for a faded block at high rate
            (six times the bit errors at rate 3/4 with fading from bit to bit).

    Returns:
        uint8[B, num_bits].
    """
    if metric not in _CLIP:
        raise ParameterError(f"metric = {metric!r}: must be one of int8, int16")
    rows = np.require(llr, np.float32, ("C", "W"))
    wanted = code.num_coded_bits(num_bits)
    if rows.ndim != 2 or rows.shape[1] != wanted:
        raise ParameterError(f"llr.shape = {np.shape(llr)}: must be (blocks, {wanted}) for {num_bits} bits")
    positions, circular, num_steps = _run(num_bits, code)
    narrow = metric == "int8"
    states = np.empty(NUM_STATES, dtype=np.uint8 if narrow else np.uint16)
    words = np.empty(num_steps, dtype=np.uint32 if narrow else np.uint64)
    out = np.empty((rows.shape[0], num_bits), dtype=np.uint8)
    if not viterbi_kernel(rows, positions, circular, np.float32(_CLIP[metric]), states, words, out):
        raise ParameterError("llr = nan: must be a number or infinite")
    return out


def decode_hard(bits: Bits, num_bits: int, code: ConvolutionalCode) -> Bits:
    """`decode` for hard decisions uint8[B, num_coded_bits]: the code word at the least Hamming distance."""
    llr = np.float32(1.0) - np.float32(2.0) * np.asarray(bits, dtype=np.float32)
    return decode(llr, num_bits, code, "int8")


__all__ = ["GENERATORS", "ConvolutionalCode", "decode", "decode_hard", "encode", "kept_positions"]
