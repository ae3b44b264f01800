"""The whole chains that `benchmarks/phy.py` races, one function a table."""

from __future__ import annotations

import numpy as np

from benchmarks import coding, peers_numpy, peers_ours
from benchmarks.reference import Contender, Work
from benchmarks.report import Report
from benchmarks.timing import Effort, median, race

CHUNK = peers_numpy.CHUNK
SLOW_CHECK = {"sionna": 64, "commpy": 24}  # blocks in the BER check of slow chains


def hard_flat(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """The main case: six antennas, flat, hard decisions, B = 64."""
    work = Work()
    chains: dict[str, Contender] = {
        "bit": peers_ours.hard("ours, bit", work),
        "injection": peers_ours.hard("ours, exact injection", work, inject=True),
        "waveform": peers_ours.waveform("ours, waveform MRC", work),
        "waveform mrt": peers_ours.waveform("ours, waveform MRT", work, beam=True),
        "numpy": peers_numpy.hard("NumPy c128", work),
        "numpy c64": peers_numpy.hard("NumPy c64", work, double=False),
        "numpy c64 fd": peers_numpy.hard("NumPy c64, no FFT", work, "fd", double=False),
        "numpy mrc": peers_numpy.hard("NumPy c128, MRC", work, combine="mrc"),
        "numpy c64 mrc": peers_numpy.hard("NumPy c64, MRC", work, double=False, combine="mrc"),
        "numpy chunked": peers_numpy.hard("NumPy c128, chunks", work, chunk=CHUNK),
        "numpy c64 fd chunked": peers_numpy.hard(
            "NumPy c64, no FFT, chunks", work, "fd", double=False, chunk=CHUNK
        ),
        "numpy mrc chunked": peers_numpy.hard("NumPy c128, MRC, chunks", work, combine="mrc", chunk=CHUNK),
    }
    if "torch" in peers:
        from benchmarks import peers_torch

        chains["torch"] = peers_torch.hard("torch c64", work)
        chains["torch fd"] = peers_torch.hard("torch c64, no FFT", work, "fd")
    if "commpy" in peers:
        from benchmarks import peers_commpy

        chains["commpy"] = peers_commpy.hard("scikit-commpy", Work(num_blocks=1))
    if "sionna" in peers:
        from benchmarks import peers_sionna

        chains["sionna"] = peers_sionna.hard("Sionna", work)
    rivals = ("numpy", "numpy c64", "numpy c64 fd", "torch", "torch fd", "commpy", "sionna")
    pairs = [(f"bit/{p}", "bit", p) for p in (*rivals, "numpy chunked", "numpy c64 fd chunked")]
    pairs += [("injection/bit", "injection", "bit")]
    pairs += [
        ("waveform/numpy", "waveform", "numpy mrc"),
        ("waveform/numpy c64", "waveform", "numpy c64 mrc"),
        ("waveform/numpy chunked", "waveform", "numpy mrc chunked"),
    ]
    pairs += [(f"waveform mrt/{p}", "waveform mrt", p) for p in rivals if "fd" not in p]
    report.chains("Hard decisions, flat, 6 antennas, Es/N0 8 dB", "", chains, pairs, effort, SLOW_CHECK)


def soft_flat(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """Max-log LLRs."""
    work = Work()
    chains = {
        "bit": peers_ours.soft("ours, bit", work),
        "numpy": peers_numpy.soft("NumPy c128", work),
        "numpy chunked": peers_numpy.soft("NumPy c128, chunks", work, chunk=CHUNK),
        "numpy c64": peers_numpy.soft("NumPy c64", work, double=False),
        "numpy c64 fd": peers_numpy.soft("NumPy c64, no FFT", work, "fd", double=False),
    }
    if "torch" in peers:
        from benchmarks import peers_torch

        chains["torch"] = peers_torch.soft("torch c64", work)
    if "sionna" in peers:
        from benchmarks import peers_sionna

        chains["sionna"] = peers_sionna.soft("Sionna", work)
    if "commpy" in peers and not quick:
        from benchmarks import peers_commpy

        chains["commpy"] = peers_commpy.soft("scikit-commpy (exact LLR)", Work(num_blocks=1))
    pairs = [(f"soft/{p}", "bit", p) for p in chains if p != "bit"]
    report.chains("Max-log LLRs, flat, 6 antennas", "soft ", chains, pairs, effort, SLOW_CHECK)


def hard_taps(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """Four taps."""
    work = Work(num_taps=4)
    chains = {
        "bit": peers_ours.hard("ours, bit", work),
        "bit flat": peers_ours.hard("ours, bit, flat", Work()),
        "waveform": peers_ours.waveform("ours, waveform MRC", work),
        "numpy": peers_numpy.hard("NumPy c128", work),
        "numpy c64": peers_numpy.hard("NumPy c64", work, double=False),
        "numpy c64 fd": peers_numpy.hard("NumPy c64, no FFT", work, "fd", double=False),
        "numpy mrc": peers_numpy.hard("NumPy c128, MRC", work, combine="mrc"),
        "numpy chunked": peers_numpy.hard("NumPy c128, chunks", work, chunk=CHUNK),
    }
    if "torch" in peers:
        from benchmarks import peers_torch

        chains["torch"] = peers_torch.hard("torch c64", work)
    if "sionna" in peers:
        from benchmarks import peers_sionna

        chains["sionna"] = peers_sionna.hard("Sionna, ApplyTimeChannel", Work(num_blocks=8, num_taps=4))
    rivals = ("numpy", "numpy c64", "numpy c64 fd", "numpy chunked", "torch", "sionna")
    pairs = [(f"tap4 bit/{p}", "bit", p) for p in rivals]
    pairs += [("tap4 bit/bit", "bit", "bit flat"), ("tap4 waveform/numpy", "waveform", "numpy mrc")]
    report.chains("Hard decisions, 4 taps, 6 antennas", "tap4 ", chains, pairs, effort, {"sionna": 64})


def one_antenna(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """One antenna; one thread and all cores of the threaded contenders."""
    work = Work(num_ant=1)
    chains = {
        "bit": peers_ours.hard("ours, bit", work),
        "waveform": peers_ours.waveform("ours, waveform", work),
        "numpy": peers_numpy.hard("NumPy c128", work),
        "numpy c64 fd": peers_numpy.hard("NumPy c64, no FFT", work, "fd", double=False),
    }
    pairs = [("1 antenna bit/numpy", "bit", "numpy"), ("1 antenna waveform/numpy", "waveform", "numpy")]
    if "torch" in peers:
        from benchmarks import peers_torch

        chains["torch"] = peers_torch.hard("torch c64", work)
        pairs.append(("1 antenna bit/torch", "bit", "torch"))
    report.chains("Hard decisions, flat, 1 antenna", "1 antenna ", chains, pairs, effort)


def one_block(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """One block a call."""
    work = Work(num_blocks=1)
    chains = {
        "bit": peers_ours.hard("ours, bit", work),
        "injection": peers_ours.hard("ours, exact injection", work, inject=True),
        "numpy": peers_numpy.hard("NumPy c128", work),
    }
    if "torch" in peers:
        from benchmarks import peers_torch

        chains["torch"] = peers_torch.hard("torch c64", work)
    if "sionna" in peers:
        from benchmarks import peers_sionna

        chains["sionna"] = peers_sionna.hard("Sionna", work)
    pairs = [(f"bit B1/{p} B1", "bit", p) for p in ("numpy", "torch", "sionna")]
    report.chains("One block a call, hard, flat, 6 antennas", "B1 ", chains, pairs, effort, SLOW_CHECK)


def coded(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """The K = 7 coded chains, then the decoders alone."""
    work = Work()
    chains = {
        "bit": peers_ours.coded("ours, int16", work),
        "bit int8": peers_ours.coded("ours, int8", work, "int8"),
        "numpy": peers_numpy.coded("NumPy c64", work),
    }
    if "sionna" in peers and not quick:
        from benchmarks import peers_sionna

        chains["sionna"] = peers_sionna.coded("Sionna", work)
    pairs = [("coded/numpy", "bit", "numpy"), ("coded/sionna", "bit", "sionna")]
    report.chains(
        "Rate 1/2, K = 7, flat, 6 antennas (BER in front of the decoder)",
        "coded ", chains, pairs, effort, {"numpy": 64, "sionna": 64},
    )  # fmt: skip
    decoders = {p.name: p for p in coding.viterbi_peers(np.random.default_rng(1))}
    if quick:
        left_out = [decoders.pop(name, None) for name in ("sionna", "commpy")]
        report.say("\n".join(f"left out by --quick: {p.name} Viterbi" for p in left_out if p is not None))
    seconds = race({k: (p.run, float(p.num_bits)) for k, p in decoders.items()}, effort)
    report.say(
        "\nViterbi decoder alone, 64 words of 1786 bits, Eb/N0 3 dB\n" + f"{'decoder':28s}{'Mbit/s':>14s}"
    )
    for name, peer in decoders.items():
        report.rates[f"viterbi {name}"] = 1e-6 / median(seconds[name])
        ber = float((peer.run() != peer.sent).mean())
        report.say(f"{name:28s}{report.rates[f'viterbi {name}']:14.4g}   BER after decoding {ber:.1e}")
    report.pairs(seconds, [(f"viterbi/{p}", "int16", p) for p in decoders if p not in ("int16", "int8")])


def injection(report: Report, peers: set[str], effort: Effort, quick: bool) -> None:
    """Exact injection where errors are rare."""
    work = Work(es_n0_db=12.0)
    chains = {
        "bit": peers_ours.hard("ours, bit", work),
        "injection": peers_ours.hard("injection", work, inject=True),
    }
    pairs = [("injection 12 dB/bit", "injection", "bit")]
    report.chains("Exact injection, flat, Es/N0 12 dB", "12 dB ", chains, pairs, effort)
