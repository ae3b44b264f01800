"""The goals of the project's performance study, in ratios of CPU seconds, and how they are judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One inequality on one figure."""

    number: int
    text: str
    key: str
    least: float | None = None
    most: float | None = None

    def line(self, figures: dict[str, float]) -> str:
        """Figure, bound and verdict."""
        bound = f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"
        if self.key not in figures:
            return f"{self.number:3d}  {self.text:58s} {bound:>9s} {'-':>9s}  not measured"
        value = figures[self.key]
        verdict = "met" if self.met(value) else "NOT MET"
        return f"{self.number:3d}  {self.text:58s} {bound:>9s} {value:9.3g}  {verdict}"

    def met(self, value: float) -> bool:
        """Whether the measured value is on the right side of the bound."""
        if self.least is not None:
            return value >= self.least
        return self.most is not None and value <= self.most


GOALS = (
    Goal(1, "waveform, MRC, noise once / NumPy c128 MRC, noise six times", "waveform/numpy", least=6),
    Goal(1, "waveform, MRT / NumPy c128 MRT", "waveform mrt/numpy", least=6),
    Goal(1, "waveform, MRT / Sionna", "waveform mrt/sionna", least=40),
    Goal(1, "waveform, MRT / scikit-commpy", "waveform mrt/commpy", least=200),
    Goal(2, "bit / NumPy c128", "bit/numpy", least=15),
    Goal(2, "bit / NumPy c64 in the frequency domain", "bit/numpy c64 fd", least=8),
    Goal(2, "bit / Sionna", "bit/sionna", least=100),
    Goal(2, "bit / scikit-commpy", "bit/commpy", least=500),
    Goal(3, "time of the link / time to draw its normals", "link/bound", most=2.5),
    Goal(3, "time of the whole bit chain / time to draw its normals", "bit/bound", most=2.5),
    Goal(4, "bit / NumPy that only draws the noise", "bit/numpy noise", least=4),
    Goal(5, "B = 1: link of one slot, share of the rate in bulk", "link B1/link", least=0.65),
    Goal(5, "B = 1: link of one slot, us", "link B1 us", most=6),
    Goal(5, "B = 1: whole chain / NumPy c128 B = 1", "bit B1/numpy B1", least=25),
    Goal(6, "max-log LLR / NumPy c128", "soft/numpy", least=15),
    Goal(6, "max-log LLR / Sionna", "soft/sionna", least=60),
    Goal(7, "4 taps: the same", "tap4 waveform/numpy", least=8),
    Goal(7, "4 taps: bit / NumPy c128", "tap4 bit/numpy", least=25),
    Goal(7, "4 taps: bit, share of flat", "tap4 bit/bit", least=0.6),
    Goal(8, "coded chain / NumPy", "coded/numpy", least=15),
    Goal(8, "Viterbi decoder alone / NumPy", "viterbi/numpy", least=15),
    Goal(8, "coded chain / Sionna", "coded/sionna", least=80),
    Goal(9, "exact injection / bit at BER 3.6e-3", "injection/bit", least=2),
    Goal(9, "exact injection / bit at BER 5e-5", "injection 12 dB/bit", least=4),
    Goal(10, "two threads: CPU time per bit / one, 512 blocks a call", "two threads/one", most=1.15),
    Goal(10, "two threads: the same, 4096 blocks a call", "two threads/one, 4096", most=1.15),
    Goal(11, "first call cold, CPU s", "cold s", most=3),
    Goal(11, "first calls of all levels, LLRs and decoder cold, CPU s", "cold kernels s", most=10),
    Goal(11, "first call from the cache, CPU s", "cached s", most=0.6),
    Goal(11, "process with all of them from the cache, CPU s", "cached process s", most=1),
    Goal(12, "slot loop: with PHY, queue, record / without PHY", "slot loop/no phy", least=0.4),
    Goal(12, "slot loop: slots per CPU second", "slots per s", least=50_000),
    Goal(12, "slot loop: with our PHY / with NumPy's (timeouts only)", "slot loop/numpy", least=18),
    Goal(13, "event on our clock / bare SimPy timeout, time", "event/simpy", most=1.5),
    Goal(14, "recording, us per row", "record us", most=2),
    Goal(14, "recording / row-by-row h5py", "record/h5py", least=100),
)
