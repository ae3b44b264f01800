"""Measuring `phy.bler` tables with the chain of `phy.coded_block`: adaptive effort, reproducible by key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from phy.bler import BlerTable, Counts, Reals, ScoreTable
from phy.block_channel import BlockChannel
from phy.coded_block import CodedBlock, random_payloads, transmit_blocks
from phy.parameters import Checked, ParameterError, at_least_one, parameter


@dataclass(frozen=True)
class Effort(Checked):
    """How long to measure at one SNR. The rule is looked at after whole rounds, so that the result does not
    depend on the batch size.
    """

    target_errors: int = parameter(50, meaning="block errors after which a point is done", rule=at_least_one)
    max_blocks: int = parameter(2000, meaning="blocks after which a point is done", rule=at_least_one)
    round_blocks: int = parameter(
        50, meaning="blocks between two looks at the error count", rule=at_least_one
    )


def point_key(key: int, *what: object) -> int:
    """64-bit key of one point of a measurement: a hash of the key and of what the point is (its SNR).

    A point stays what it is when others are added.
    """
    text = "/".join([str(key), *(repr(w) for w in what)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def count_blocks(
    block: CodedBlock,
    draw: Callable[[NDArray[np.int64]], NDArray[np.complex64]],
    snr_db: float,
    effort: Effort,
    key: int,
    batch: int = 500,
) -> Counts:
    """Send blocks at one SNR until `effort` is met.

    Args:
        draw: channels complex64[B, num_rx_ant, F] of the blocks with the numbers int64[B].
        key: blocks 0, 1, ... have payload and noise of this key.
        batch: most blocks in memory at once; the result does not depend on it.

    Returns: int64[5]: errors, trials, undetected, bit errors, squared bit errors.
    """
    if batch < 1:
        raise ParameterError(f"batch = {batch}: must be >= 1")
    counts = np.zeros(5, np.int64)
    while counts[0] < effort.target_errors and counts[1] < effort.max_blocks:
        end = min(counts[1] + effort.round_blocks, effort.max_blocks)
        while counts[1] < end:
            index = np.arange(counts[1], min(counts[1] + batch, end))
            bits = random_payloads(block, key, index)
            got = transmit_blocks(bits, block, draw(index), snr_db, key, index)
            wrong = got.num_bit_errors
            undetected = np.count_nonzero(got.crc_ok & (wrong > 0))
            counts += [np.count_nonzero(~got.crc_ok), index.size, undetected, wrong.sum(), (wrong**2).sum()]
    return counts


def _table(block: CodedBlock, rows: dict[float, Counts]) -> BlerTable:
    grid = sorted(rows)
    return BlerTable(block.num_bits, np.array(grid), *np.array([rows[snr] for snr in grid]).T.copy())


def _point(
    block: CodedBlock, channel: BlockChannel, snr_db: float, effort: Effort, key: int, batch: int
) -> Counts:
    seed = point_key(key, snr_db)
    return count_blocks(block, partial(channel.draw, seed), snr_db, effort, seed, batch)


def measure_bler(
    block: CodedBlock,
    channel: BlockChannel,
    snr_db: ArrayLike,
    effort: Effort,
    key: int,
    batch: int = 500,
) -> BlerTable:
    """Block error rates of `block` over `channel` (a fresh realisation for every block).

    Args:
        snr_db: float[G], increasing, Es/N0 per resource element and antenna.
        key: seed of payloads, channels and noise; each SNR has its own, independent of the others.
    """
    grid = np.atleast_1d(np.asarray(snr_db, np.float64)).tolist()
    return _table(block, {snr: _point(block, channel, snr, effort, key, batch) for snr in grid})


def measure_waterfall(
    block: CodedBlock,
    channel: BlockChannel,
    effort: Effort,
    key: int,
    step_db: float = 0.5,
    floor: float = 0.01,
    batch: int = 500,
) -> BlerTable:
    """`measure_bler` on a grid that finds its ends: multiples of `step_db` from the last at which every block
    fails to the first at which the rate is at most `floor`, within 30 dB of where capacity is the block's
    spectral efficiency.
    """
    if not 0.0 < step_db <= 10.0:
        raise ParameterError(f"step_db = {step_db}: must be in (0, 10]")
    limit_db = 10.0 * np.log10(2.0**block.spectral_efficiency - 1.0)
    start = round((limit_db + 2.0) / step_db)
    rows: dict[float, Counts] = {}

    def rate(step: int) -> float:
        snr = step * step_db
        rows[snr] = _point(block, channel, snr, effort, key, batch)
        return float(rows[snr][0] / rows[snr][1])

    first, step = rate(start), start
    last = first
    while last > floor and step * step_db < limit_db + 30.0:
        step += 1
        last = rate(step)
    step = start
    while first < 1.0 and step * step_db > limit_db - 30.0:
        step -= 1
        first = rate(step)
    return _table(block, rows)


def measure_scores(
    run: Callable[[float, NDArray[np.int64], int], Reals],
    snr_db: ArrayLike,
    num_blocks: int,
    key: int,
    half_width: float = 0.0,
    round_blocks: int = 50,
    increasing: bool = True,
) -> ScoreTable:
    """Mean score of blocks at a grid of SNRs.

    Args:
        run: (snr_db, block numbers int64[B], key) -> scores float[B]; must depend on these alone.
        num_blocks: blocks at each SNR, at most.
        half_width: stop before, after whole rounds, once the 95 % interval of the mean is this narrow.
        increasing: whether the score rises with the SNR.
    """
    if num_blocks < 2 or round_blocks < 2:
        raise ParameterError(f"num_blocks = {num_blocks}, round_blocks = {round_blocks}: must be >= 2")
    grid = np.atleast_1d(np.asarray(snr_db, np.float64))
    rows = []
    for snr in grid.tolist():
        seed = point_key(key, snr)
        scores = np.zeros(0)
        while scores.size < num_blocks:
            index = np.arange(scores.size, min(scores.size + round_blocks, num_blocks))
            scores = np.concatenate([scores, np.asarray(run(snr, index, seed), np.float64)])
            width = stdtrit(scores.size - 1, 0.975) * scores.std(ddof=1) / np.sqrt(scores.size)
            if width <= half_width and scores.size >= 2 * round_blocks:
                break
        rows.append((scores.size, scores.sum(), (scores**2).sum()))
    num, total, squares = zip(*rows)
    return ScoreTable(
        grid, np.array(num, np.int64), np.array(total), np.array(squares), increasing=increasing
    )
