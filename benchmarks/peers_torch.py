"""The reference chain in eager torch (complex64, one thread unless told), written as the NumPy one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.reference import (
    BLOCK_BYTES,
    FFT,
    K_FACTOR,
    PREFIX,
    SYMBOLS,
    Contender,
    Work,
    gray_points,
    wrong_bits,
)

torch.set_num_threads(1)
Tensor = torch.Tensor


class TorchChain:
    """Stages of the MRT chain for one `Work`; shapes as in `peers_numpy.NumpyChain`."""

    def __init__(self, work: Work, seed: int = 7) -> None:
        self.work = work
        self.generator = torch.Generator().manual_seed(seed)
        points = math.sqrt(work.es) * gray_points()
        byte = np.arange(256)
        pairs = np.stack([points[byte >> 4], points[byte & 15]], axis=1)
        self.pairs = torch.tensor(pairs).to(torch.complex64)
        self.popcount = torch.tensor([bin(i).count("1") for i in range(256)], dtype=torch.int64)
        self.powers = torch.tensor(np.sqrt(work.tap_powers)).float()
        self.distance = math.sqrt(work.es / 10.0)

    def noise(self, *shape: int) -> Tensor:
        """CN(0, 1)."""
        return torch.randn(shape, dtype=torch.complex64, generator=self.generator)

    def bits(self) -> Tensor:
        shape = (self.work.num_blocks, BLOCK_BYTES)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=self.generator)

    def modulate(self, payload: Tensor) -> Tensor:
        index = payload.to(torch.int32).reshape(-1)
        return self.pairs.index_select(0, index).reshape(-1, SYMBOLS, FFT)

    def fade(self) -> tuple[Tensor, Tensor]:
        b, m, l = self.work.num_blocks, self.work.num_ant, self.work.num_taps
        taps = self.noise(b, m, l)
        angle = math.pi * (torch.rand((b, 1), generator=self.generator) - 0.5)
        phase = math.pi * torch.sin(angle) * torch.arange(m)
        line = torch.polar(torch.ones_like(phase), phase)
        taps[..., 0] *= math.sqrt(1 / (1 + K_FACTOR))
        taps[..., 0] += math.sqrt(K_FACTOR / (1 + K_FACTOR)) * line
        taps *= self.powers
        return taps, taps if l == 1 else torch.fft.fft(taps, FFT, dim=-1)

    def beam(self, h: Tensor) -> tuple[Tensor, Tensor]:
        gain = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        return gain, h.conj() / gain

    def with_prefix(self, x: Tensor) -> Tensor:
        useful = torch.fft.ifft(x, dim=-1, norm="ortho")
        return torch.cat([useful[..., FFT - PREFIX :], useful], dim=-1)

    def antennas(self, x: Tensor, taps: Tensor, w: Tensor) -> Tensor:
        b, m, l = taps.shape
        if l == 1:
            sent = self.with_prefix(x).reshape(b, 1, -1) * w
        else:
            sent = self.with_prefix(x[:, None] * w[:, :, None, :]).reshape(b, m, -1)
        mixed = torch.bmm(taps.transpose(1, 2), sent)
        out = mixed[:, 0]
        for i in range(1, l):
            out[:, i:] += mixed[:, i, :-i]
        return out

    def demodulate(self, samples: Tensor) -> Tensor:
        return torch.fft.fft(samples.reshape(-1, SYMBOLS, FFT + PREFIX)[..., PREFIX:], dim=-1, norm="ortho")

    def received(self, payload: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """(y, gain) over fresh channels, at level "td" samples or "fd" symbols."""
        taps, h = self.fade()
        x = self.modulate(payload)
        gain, w = self.beam(h)
        if domain == "fd":
            return x * gain + self.noise(*x.shape), gain
        samples = self.antennas(x, taps, w)
        return self.demodulate(samples + self.noise(*samples.shape)), gain

    def decide(self, y: Tensor, gain: Tensor) -> Tensor:
        rails = torch.view_as_real(y)
        outer = rails.abs() > (2 * self.distance * gain)[..., None]
        code = (rails < 0).to(torch.uint8) * 4 + outer.to(torch.uint8)
        symbol = (code[..., 0] * 2 + code[..., 1]).reshape(len(y), -1)
        return symbol[:, 0::2] * 16 + symbol[:, 1::2]

    def count(self, sent: Tensor, got: Tensor) -> Tensor:
        wrong = torch.bitwise_xor(sent, got).to(torch.int32).reshape(-1)
        return self.popcount.index_select(0, wrong).reshape(sent.shape).sum(dim=1)

    def llr(self, y: Tensor, gain: Tensor) -> Tensor:
        """Max-log LLRs [B, 3584], positive = bit 0."""
        a = (self.distance * gain)[..., None]
        rails = torch.view_as_real(y)
        size = rails.abs()
        first = 4 * a * (rails + torch.copysign((size - 2 * a).clamp_(min=0), rails))
        return torch.cat([first, 4 * a * (2 * a - size)], dim=-1).reshape(len(y), -1)


@torch.inference_mode()
def _hard(chain: TorchChain, domain: str) -> Tensor:
    payload = chain.bits()
    return chain.count(payload, chain.decide(*chain.received(payload, domain)))


@torch.inference_mode()
def _soft(chain: TorchChain, domain: str) -> tuple[Tensor, Tensor]:
    payload = chain.bits()
    return payload, chain.llr(*chain.received(payload, domain))


def hard(name: str, work: Work, domain: str = "td", threads: int = 1) -> Contender:
    """Uncoded chain with hard decisions."""
    chain = TorchChain(work)

    def run() -> NDArray[np.int64]:
        if threads == 1:
            return _hard(chain, domain).numpy()
        torch.set_num_threads(threads)
        try:
            return _hard(chain, domain).numpy()
        finally:
            torch.set_num_threads(1)

    return Contender(name, work, run, lambda errors: errors)


def soft(name: str, work: Work, domain: str = "td") -> Contender:
    """Uncoded chain that ends at the max-log LLRs."""
    chain = TorchChain(work)
    return Contender(
        name, work, lambda: _soft(chain, domain), lambda result: wrong_bits(*(t.numpy() for t in result))
    )


def stages(work: Work) -> dict[str, Callable[[], Any]]:
    """Each stage alone, on data drawn once."""
    c = TorchChain(work)
    payload, (taps, h) = c.bits(), c.fade()
    x = c.modulate(payload)
    gain, w = c.beam(h)
    samples = c.antennas(x, taps, w)
    y = c.demodulate(samples + c.noise(*samples.shape))
    got = c.decide(y, gain)
    return {
        "bits": c.bits,
        "modulate": lambda: c.modulate(payload),
        "fading, beam": lambda: c.beam(c.fade()[1]),
        "ifft, prefix": lambda: c.with_prefix(x),
        "antennas": lambda: c.antennas(x, taps, w),
        "noise": lambda: c.noise(*samples.shape),
        "fft": lambda: c.demodulate(samples),
        "decide": lambda: c.decide(y, gain),
        "llr": lambda: c.llr(y, gain),
        "count": lambda: c.count(payload, got),
    }
