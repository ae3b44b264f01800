"""What the check measures: every function under test, held in one value so that a test can put a fault in
place of any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from phy import (
    cells,
    channel,
    estimation,
    injection,
    link,
    modulation,
    philox,
    samples,
    tdl,
    theory,
    units,
    waveform,
)
from phy.bursts import Bursts, Received, Soft
from phy.ofdm import Ofdm

Draw = Callable[[Generator, int], np.ndarray]


@dataclass(frozen=True)
class Fading:
    """A small-scale fading model: `draw(rng, n)` gives complex[n, num_ant], independent along n.

    `law` is (k_factor, branches) where the sum of |h|^2 over the antennas has the law `theory.gain_cdf`.
    """

    draw: Draw
    law: tuple[float, int] | None = None


def _rician(k_factor: float, num_ant: int) -> Fading:
    def draw(rng: Generator, n: int) -> np.ndarray:
        los = channel.array_response(rng.uniform(-np.pi / 2, np.pi / 2, n), num_ant)
        return channel.rician(rng, (n, num_ant), k_factor, los)

    return Fading(draw, (k_factor, num_ant))


def _gauss_markov(rng: Generator, n: int) -> np.ndarray:
    h = channel.rayleigh(rng, (n, 1))
    for _ in range(5):
        h = channel.gauss_markov_step(rng, h, 0.8)
    return h


def _jakes(rng: Generator, n: int) -> np.ndarray:
    return channel.jakes(rng, np.array([0.02]), 70.0, n)


def _delay_line(k_factor: float) -> Draw:
    def draw(rng: Generator, n: int) -> np.ndarray:
        powers = channel.exponential_profile(6, 2.0)
        taps = channel.tapped_delay_line(rng, n, powers, k_factor, np.exp(2j * np.pi * rng.random(n)))
        return channel.frequency_response(taps, 64, np.array([11]))

    return draw


def _tdl(name: str) -> Draw:
    def draw(rng: Generator, n: int) -> np.ndarray:
        model = tdl.profile(name, 300e-9)
        gains = tdl.path_gains(rng, n, model, np.exp(2j * np.pi * rng.random(n)))
        return tdl.path_response(gains, model.delay_s, np.array([1.5e6]))

    return draw


def _correlated(rng: Generator, n: int) -> np.ndarray:
    return channel.correlate(channel.rayleigh(rng, (n, 4)), channel.exponential_correlation(4, 0.7j))


def fading_models() -> dict[str, Fading]:
    """Every channel model of the package by the name that the report prints."""
    return {
        "Rayleigh": Fading(lambda rng, n: channel.rayleigh(rng, (n, 1)), (0.0, 1)),
        "Rayleigh, 4 antennas": Fading(lambda rng, n: channel.rayleigh(rng, (n, 4)), (0.0, 4)),
        "Rician K=0.5": _rician(0.5, 1),
        "Rician K=3": _rician(3.0, 1),
        "Rician K=10": _rician(10.0, 1),
        "Rician K=3, 6 antennas": _rician(3.0, 6),
        "Gauss-Markov, 5 steps": Fading(_gauss_markov, (0.0, 1)),
        "Jakes, 32 paths": Fading(_jakes),
        "delay line, exponential": Fading(_delay_line(0.0), (0.0, 1)),
        "delay line, first tap K=4": Fading(_delay_line(4.0)),
        "TDL-A": Fading(_tdl("A"), (0.0, 1)),
        "TDL-C": Fading(_tdl("C"), (0.0, 1)),
        "TDL-D": Fading(_tdl("D")),
        "correlated Rayleigh, 4 antennas": Fading(_correlated),
    }


@dataclass(frozen=True)
class Subjects:
    """The functions under test; the defaults are the simulator's own."""

    constellation: Callable[[int], np.ndarray] = modulation.constellation
    map_bits: Callable[[np.ndarray, int], np.ndarray] = modulation.map_bits
    awgn: Callable[[Generator, np.ndarray, float], np.ndarray] = channel.awgn
    kernel_noise: Callable[[int, int, int, int, int], np.ndarray] = philox.complex_normals
    fading: Mapping[str, Fading] = field(default_factory=fading_models)
    es_to_eb_db: Callable[..., np.ndarray] = units.es_to_eb_db
    eb_to_es_db: Callable[..., np.ndarray] = units.eb_to_es_db
    noise_density: Callable[..., float] = units.noise_density_w_per_hz
    ofdm: type[Ofdm] = Ofdm
    frame_noise: Callable[..., np.ndarray] = samples.frame_noise
    through_samples: Callable[..., np.ndarray] = samples.through_samples
    transmit_bit: Callable[[Bursts], Received] = link.transmit_bit
    transmit_injected: Callable[[Bursts], Received] = injection.transmit_injected
    transmit_waveform: Callable[..., Received] = waveform.transmit_waveform
    equalised_waveform: Callable[..., tuple[np.ndarray, ...]] = waveform.equalised_waveform
    transmit_cells: Callable[..., tuple[Received, np.ndarray]] = cells.transmit_cells
    transmit_estimated: Callable[..., Received] = estimation.transmit_bit_estimated
    demap_llr: Callable[..., Soft] = link.demap_llr
    ber_awgn: Callable[..., np.ndarray] = theory.ber_awgn
    ber_rician: Callable[..., np.ndarray] = theory.ber_rician
    ber_estimated: Callable[..., np.ndarray] = theory.ber_qpsk_estimated


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    samples: int  # of every energy
    symbols: int  # of every bit error rate
    targets: tuple[float, ...]  # bit error rates that choose the SNRs


FULL = Effort(samples=200_000, symbols=120_000, targets=(0.1, 0.03, 0.01, 0.003))
QUICK = Effort(samples=100_000, symbols=24_000, targets=(0.05, 0.01))


def make_bursts(
    bits_per_symbol: int, snr_db: float, num_symbols: int, h: np.ndarray, rng: Generator, slot: int
) -> Bursts:
    """Equal bursts of random bits, one for each entry of h complex[B, num_rx_ant, F], with n0 = 1.

    num_symbols is a multiple of 8; es = snr_db over n0.
    """
    size, num_bytes = h.shape[0], num_symbols * bits_per_symbol // 8
    index = np.arange(size, dtype=np.int64)
    return Bursts(
        payload=rng.integers(0, 256, size * num_bytes, dtype=np.uint8),
        offset=index * num_bytes,
        num_bits=np.full(size, 8 * num_bytes, np.int64),
        bits_per_symbol=np.full(size, bits_per_symbol, np.int64),
        h=np.ascontiguousarray(h, np.complex64),
        es=np.full(size, 10.0 ** (snr_db / 10.0)),
        n0=1.0,
        first_symbol=np.zeros(size, np.int64),
        key=np.atleast_1d(rng.integers(0, 2**63, size, dtype=np.uint64)),
        slot=np.full(size, slot, np.int64),
    )


def symbol_errors(bursts: Bursts, received: Received) -> np.ndarray:
    """int64[sum of symbols], wrong bits of each symbol of bursts made by `make_bursts`."""
    wrong = np.unpackbits(received.payload ^ bursts.payload)
    return wrong.reshape(-1, int(bursts.bits_per_symbol[0])).sum(axis=1, dtype=np.int64)
