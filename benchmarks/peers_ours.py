"""The reference chain with this project's link, whole: payload, fading and error count included."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.reference import (
    BLOCK_BYTES,
    BLOCK_SYMBOLS,
    CODED_BITS,
    DECAY_DB,
    FFT,
    K_FACTOR,
    ORDER,
    PREFIX,
    SYMBOLS,
    Contender,
    Work,
    wrong_bits,
)
from phy import beamforming, channel, modulation, philox
from phy.bursts import Bursts
from phy.coding import convolutional
from phy.coding.convolutional import ConvolutionalCode
from phy.fading import BlockFading
from phy.link import demap_llr, transmit_bit
from phy.ofdm import Ofdm
from phy.plan import LinkPlan
from phy.waveform import transmit_waveform

NUMEROLOGY = Ofdm(fft_size=FFT, cp_len=PREFIX, symbols_per_frame=SYMBOLS, pilot_symbols_per_frame=0)
CODE = ConvolutionalCode()


class OurChain:
    """Bursts of the reference chain; every call takes the next slot, so bits, channels and noise are new."""

    def __init__(self, work: Work, seed: int = 2) -> None:
        self.work, self.seed = work, seed
        self.slots = itertools.count()
        index = np.arange(work.num_blocks, dtype=np.int64)
        self.fixed: dict[str, Any] = {
            "offset": index * BLOCK_BYTES,
            "num_bits": np.full(index.size, 8 * BLOCK_BYTES),
            "bits_per_symbol": np.full(index.size, ORDER),
            "es": np.full(index.size, work.es),
            "n0": 1.0,
            "first_symbol": np.zeros_like(index),
            "key": (index + (seed << 32)).astype(np.uint64),
        }
        bins = NUMEROLOGY.bins(FFT) if work.num_taps > 1 else [0]
        self.fading = BlockFading(
            num_ant=work.num_ant,
            k_factor=K_FACTOR,
            tap_powers=tuple(channel.exponential_profile(work.num_taps, DECAY_DB).tolist()),
            fft_size=FFT,
            bins=tuple(int(k) for k in bins),
        )

    def payload(self, slot: int) -> NDArray[np.uint8]:
        """uint8[B * 448]."""
        return philox.random_bytes(self.seed, slot, self.work.num_blocks * BLOCK_BYTES)

    def taps(self) -> NDArray[np.complex64]:
        """complex64[B, M, L] of the next slot: Rician first tap over a half-wave linear array."""
        return self.fading.taps(self.seed, next(self.slots), self.work.num_blocks)

    def response(self, taps: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """`Bursts.h` of the taps."""
        return taps if taps.shape[2] == 1 else self.fading.at_bins(taps)

    def bursts(self, h: NDArray[np.complex64], payload: NDArray[np.uint8] | None = None) -> Bursts:
        """Bursts over h in the next slot; new bits unless a payload is given."""
        slot = next(self.slots)
        return Bursts(
            payload=self.payload(slot) if payload is None else payload,
            h=h,
            slot=np.full(self.work.num_blocks, slot),
            **self.fixed,
        )

    def fresh(self) -> Bursts:
        """Bursts of the next slot with a new channel and new bits."""
        return self.bursts(self.response(self.taps()))

    def renewal(self, plan: LinkPlan) -> Callable[[], None]:
        """Call that draws new bits and a new channel into the arrays of a plan."""
        renew = plan.renewal(self.fading, self.seed)
        return lambda: renew(next(self.slots))


def hard(name: str, work: Work, inject: bool = False, threads: int = 1) -> Contender:
    """Uncoded chain with hard decisions: Gaussian noise or, with `inject`, exact error injection."""
    chain = OurChain(work, seed=3 if inject else 2)
    plan = LinkPlan(chain.fresh(), threads)
    send, renew = plan.inject if inject else plan.transmit, chain.renewal(plan)

    def run() -> NDArray[np.int64]:
        renew()
        return send()

    return Contender(name, work, run, lambda errors: errors)


def waveform(name: str, work: Work, beam: bool = False) -> Contender:
    """Sample level. The array receives (MRC, every antenna explicit); with `beam` it transmits (MRT) and the
    one receive antenna sees h^T w, which only a flat channel keeps within the prefix.
    """
    chain = OurChain(work, seed=4)
    width = np.full(work.num_blocks, FFT)

    def run() -> NDArray[np.int64]:
        taps = chain.taps()
        if beam:
            h = taps[:, :, 0]
            taps = beamforming.effective_gain(h, beamforming.mrt(h))[:, None, None]
        return transmit_waveform(
            chain.bursts(chain.response(taps)), NUMEROLOGY, taps.astype(np.complex64), width
        ).num_bit_errors

    return Contender(name, work, run, lambda errors: errors)


def soft(name: str, work: Work) -> Contender:
    """Uncoded chain that ends at the max-log LLRs."""
    chain = OurChain(work, seed=5)
    plan = LinkPlan(chain.fresh())
    renew = chain.renewal(plan)

    def run() -> tuple[NDArray, NDArray]:
        renew()
        return plan.payload.reshape(-1, BLOCK_BYTES), plan.demap()

    return Contender(name, work, run, lambda result: wrong_bits(*result))


def coded(name: str, work: Work, metric: str = "int16") -> Contender:
    """Rate 1/2, K = 7 coded chain. `errors` counts the wrong code bits in front of the decoder."""
    chain = OurChain(work, seed=6)
    rng = np.random.default_rng(6)

    def run() -> tuple[NDArray, NDArray, NDArray]:
        bits = rng.integers(0, 2, (work.num_blocks, CODED_BITS), np.uint8)
        payload = np.packbits(convolutional.encode(bits, CODE), axis=1)
        bursts = chain.bursts(chain.response(chain.taps()), payload.reshape(-1))
        llr = demap_llr(bursts).llr.reshape(work.num_blocks, -1)
        got = convolutional.decode(llr, CODED_BITS, CODE, metric)
        return payload, llr, (got != bits).sum(axis=1)

    return Contender(name, work, run, lambda result: wrong_bits(*result[:2]), CODED_BITS)


@njit(cache=True, nogil=True)
def draw_noise(num_blocks, num_pairs, scratch, out_i, out_q):
    """The noise of num_blocks blocks by the link's own generator, and nothing else."""
    for b in range(num_blocks):
        philox.normals(np.uint64(b), np.int64(0), np.uint64(0), 0, num_pairs, scratch, out_i, out_q)


def gaussian_bound(work: Work) -> Callable[[], None]:
    """Draws the normals that the blocks need into a buffer that stays in the cache."""
    pairs = BLOCK_SYMBOLS // 2
    scratch = np.empty((4, pairs), np.uint32)
    z = np.empty((2, 2 * pairs), np.float32)
    return lambda: draw_noise(work.num_blocks, pairs, scratch, z[0], z[1])


def stages(work: Work) -> dict[str, Callable[[], Any]]:
    """The parts of our chain that can be called alone, on data drawn once."""
    c = OurChain(work)
    taps = c.taps()
    bursts = c.fresh()
    plan = LinkPlan(bursts)
    bits = np.unpackbits(bursts.payload)
    x = modulation.map_bits(bits, ORDER)
    noise = philox.complex_normals(1, 0, 0, 0, x.size)
    y = x + np.complex64(0.1) * noise
    return {
        "bits": lambda: philox.random_bytes(1, 1, plan.payload.size, plan.payload),
        "modulate": lambda: modulation.map_bits(bits, ORDER),
        "fading, beam": lambda: c.fading.response(1, 1, out=plan.h),
        "noise": gaussian_bound(work),
        "decide": lambda: modulation.demap_hard(y, ORDER),
        "llr": lambda: modulation.demap_soft(y, 0.02, ORDER),
        "link, hard": plan.transmit,
        "link, soft": plan.demap,
        "link, injected": plan.inject,
        "link, new arrays": lambda: transmit_bit(bursts),
        "waveform link": lambda: transmit_waveform(
            bursts, NUMEROLOGY, taps.astype(np.complex64), np.full(work.num_blocks, FFT)
        ),
    }
