"""The reference chain with Sionna (`pip install sionna-no-rt`), eager on the CPU, single precision.

Source, mapper, OFDM modulator, AWGN or ApplyTimeChannel, OFDM demodulator and demapper are Sionna's; the
Rician array (which Sionna has no block for) and the matched beam are torch. Its OFDM blocks take subcarriers
with zero frequency in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from sionna.phy.channel import AWGN, ApplyTimeChannel
from sionna.phy.fec.conv import ConvEncoder, ViterbiDecoder
from sionna.phy.mapping import BinarySource, Demapper, Mapper
from sionna.phy.ofdm import OFDMDemodulator, OFDMModulator

from benchmarks.peers_torch import TorchChain
from benchmarks.reference import BLOCK_BITS, CODED_BITS, FFT, ORDER, PERIOD, PREFIX, SYMBOLS, Contender, Work

torch.set_num_threads(1)
Tensor = torch.Tensor


class SionnaChain:
    """Stages of the MRT chain; bits float[B, 3584], x complex[B, 14, 64]."""

    def __init__(self, work: Work, hard_out: bool) -> None:
        self.work = work
        self.amplitude = math.sqrt(work.es)
        self.torch = TorchChain(work, seed=9)
        self.source = BinarySource(device="cpu")
        self.mapper = Mapper("qam", ORDER, device="cpu")
        self.demapper = Demapper("maxlog", "qam", ORDER, hard_out=hard_out, device="cpu")
        self.modulator = OFDMModulator(PREFIX, device="cpu")
        self.demodulator = OFDMDemodulator(FFT, 0, PREFIX, device="cpu")
        self.awgn = AWGN(device="cpu")
        self.delay_line = ApplyTimeChannel(SYMBOLS * PERIOD, work.num_taps, device="cpu")
        self.one = torch.tensor(1.0)

    def bits(self) -> Tensor:
        return self.source([self.work.num_blocks, BLOCK_BITS])

    def modulate(self, bits: Tensor) -> Tensor:
        return self.amplitude * self.mapper(bits).reshape(-1, SYMBOLS, FFT)

    def fade(self) -> tuple[Tensor, Tensor, Tensor]:
        """(taps [B, M, L], w [B, M, F], gain [B, 1, F]), subcarriers centred."""
        taps, h = self.torch.fade()
        if taps.shape[2] > 1:
            h = torch.fft.fftshift(h, dim=-1)
        gain, w = self.torch.beam(h)
        return taps, w, gain

    def antennas(self, x: Tensor, taps: Tensor, w: Tensor) -> Tensor:
        """Noiseless samples [B, 14 * 80] at the one receive antenna of a flat channel."""
        return (taps * (w * self.modulator(x)[:, None, :])).sum(dim=1)

    def received(self, bits: Tensor) -> tuple[Tensor, Tensor]:
        taps, w, gain = self.fade()
        x = self.modulate(bits)
        if taps.shape[2] == 1:
            return self.demodulator(self.awgn(self.antennas(x, taps, w), self.one)), gain
        sent = self.modulator(x[:, None] * w[:, :, None, :])
        b, m, l = taps.shape
        # [batch, rx, rx antenna, tx, tx antenna, time, tap]
        h_time = taps.reshape(b, 1, 1, 1, m, 1, l).expand(-1, -1, -1, -1, -1, SYMBOLS * PERIOD + l - 1, -1)
        y = self.delay_line(sent[:, None], h_time, self.one)[:, 0, 0]
        return self.demodulator(y[:, : SYMBOLS * PERIOD]), gain

    def demap(self, y: Tensor, gain: Tensor) -> Tensor:
        """Decisions, or LLRs with positive = 1."""
        scale = (self.amplitude * gain).expand(y.shape)
        return self.demapper((y / scale).reshape(len(y), -1), (1.0 / scale**2).reshape(len(y), -1))


def wrong(bits: Tensor, llr: Tensor) -> NDArray:
    """Wrong signs per block."""
    return ((llr > 0) != (bits > 0.5)).sum(dim=1).numpy()


def hard(name: str, work: Work) -> Contender:
    """Uncoded chain with hard decisions."""
    chain = SionnaChain(work, hard_out=True)

    @torch.inference_mode()
    def run() -> NDArray:
        bits = chain.bits()
        return (chain.demap(*chain.received(bits)) != bits).sum(dim=1).numpy()

    return Contender(name, work, run, lambda errors: errors)


def soft(name: str, work: Work) -> Contender:
    """Uncoded chain that ends at the max-log LLRs."""
    chain = SionnaChain(work, hard_out=False)

    @torch.inference_mode()
    def run() -> tuple[Tensor, Tensor]:
        bits = chain.bits()
        return bits, chain.demap(*chain.received(bits))

    return Contender(name, work, run, lambda result: wrong(*result))


def coded(name: str, work: Work) -> Contender:
    """Rate 1/2, K = 7 coded chain. `errors` counts the wrong code bits in front of the decoder."""
    chain = SionnaChain(work, hard_out=False)
    encoder = ConvEncoder(gen_poly=("1011011", "1111001"), terminate=True, device="cpu")
    decoder = ViterbiDecoder(encoder=encoder, method="soft_llr", device="cpu")

    @torch.inference_mode()
    def run() -> tuple[Tensor, Tensor, Tensor]:
        bits = chain.source([work.num_blocks, CODED_BITS])
        sent = encoder(bits)
        llr = chain.demap(*chain.received(sent))
        return sent, llr, (decoder(llr) != bits).sum(dim=1)

    return Contender(name, work, run, lambda result: wrong(*result[:2]), CODED_BITS)


def stages(work: Work) -> dict[str, Callable[[], Any]]:
    """Each stage alone, on data drawn once."""
    c, s = SionnaChain(work, hard_out=True), SionnaChain(work, hard_out=False)
    bits, (taps, w, gain) = c.bits(), c.fade()
    x = c.modulate(bits)
    samples = c.antennas(x, taps, w)
    y = c.demodulator(c.awgn(samples, c.one))
    got = c.demap(y, gain)
    return {
        "bits": c.bits,
        "modulate": lambda: c.modulate(bits),
        "fading, beam": c.fade,
        "ifft, prefix": lambda: c.modulator(x),
        "antennas": lambda: (taps * (w * samples[:, None, :])).sum(dim=1),
        "noise": lambda: c.awgn(samples, c.one),
        "fft": lambda: c.demodulator(samples),
        "decide": lambda: c.demap(y, gain),
        "llr": lambda: s.demap(y, gain),
        "count": lambda: (got != bits).sum(dim=1),
    }
