"""What an audit's figures look like: known faults by the energies they leave and by how these move with the
SNR.
"""

from __future__ import annotations

import math

import numpy as np

from phy.audit import Audit
from phy.checks_row import decibel

_NEAR_DB, _NEAR_SLOPE = 0.2, 0.03  # a fault is named when constant and slope are this near
_TWO = 10.0 * math.log10(2.0)

# (excess of noise energy over the claim at 0 dB, its change for each dB of SNR, what does that)
_NOISE = (
    (_TWO, 0.0, "noise variance N0 on each real dimension instead of N0/2"),
    (-_TWO, 0.0, "half the noise: N0/4 on each real dimension, or N0/2 on one of them only"),
    (-_TWO, -1.0, "a variance of the noise taken as its standard deviation"),
    (_TWO / 2.0, 0.5, "a standard deviation of the noise taken as its variance"),
    (0.0, 0.5, "10^(dB/20), an amplitude ratio, taken as a ratio of energies"),
    (0.0, 1.0, "noise that does not depend on the declared SNR"),
    (0.0, -1.0, "noise scaled by the SNR twice"),
)
_SIGNAL = (
    (0.0, 1.0, "the signal scaled by the SNR as well: the SNR is applied twice"),
    (_TWO, 0.0, "energy 2: unit variance on each real dimension"),
    (-_TWO, 0.0, "energy 1/2"),
    (10.0, 0.0, "energy 10: 16-QAM levels -3, -1, 1, 3 without 1/sqrt(10)"),
    (10.0 * math.log10(42.0), 0.0, "energy 42: 64-QAM levels without 1/sqrt(42)"),
    (10.0 * math.log10(170.0), 0.0, "energy 170: 256-QAM levels without 1/sqrt(170)"),
)
_NAMES = {"signal energy": "signal", "E|h|^2": "E|h|^2", "symbol energy": "symbols"}


def findings(audit: Audit) -> list[str]:
    """One line for each component that is off, naming the known fault that fits."""
    out = []
    for detail in ("E|h|^2", "signal energy", "symbol energy"):
        line = _trend(audit, detail)
        if line is not None and not _close(line, (0.0, 0.0)):
            text = _named(line, _SIGNAL)
            if detail == "signal energy" and audit.claim.kind == "codec" and text is None:
                text = f"features of rms {audit.effort.scale:g} sent without power normalisation?"
            out.append(_line(_NAMES[detail], line, text))
    line = _trend(audit, "noise energy")
    if line is not None and not _close(line, (0.0, 0.0)):
        text = _named(line, _NOISE)
        bits = audit.claim.bits_db
        if text is None and _close((abs(line[0]), line[1]), (bits, 0.0)):
            text = (
                f"Eb/N0 and Es/N0 exchanged ({bits:.2f} dB at {audit.claim.bits_per_symbol} bits per symbol)"
            )
        out.append(_line("noise", line, text))
    if any(p.details.get("noise energy") == 0.0 for p in audit.points):
        out.append("no noise at all")
    balance = [p.details.get("noise on I over Q", 1.0) for p in audit.points]
    if any(not 0.9 < b < 1.1 for b in balance):
        out.append(f"noise on I over noise on Q: {min(balance):.3g}")
    if audit.claim.kind == "equalised" and not audit.agrees:
        out.append("behind an equaliser only E|h|^2 / N0 is seen: either may be off")
    return out


def _trend(audit: Audit, detail: str) -> tuple[float, float] | None:
    """(dB at an SNR of 0 dB, dB for each dB of SNR) of a detail; None where it is missing or not positive."""
    values = [decibel(p.details.get(detail, math.nan)) for p in audit.points]
    if not all(math.isfinite(v) for v in values):
        return None
    snrs = [p.snr_db for p in audit.points if p.snr_db is not None]
    if len(set(snrs)) < 2:
        return float(np.mean(values)), 0.0
    slope, constant = np.polyfit(snrs, values, 1)
    return float(constant), float(slope)


def _close(line: tuple[float, float], fault: tuple[float, float]) -> bool:
    return abs(line[0] - fault[0]) <= _NEAR_DB and abs(line[1] - fault[1]) <= _NEAR_SLOPE


def _named(line: tuple[float, float], faults: tuple[tuple[float, float, str], ...]) -> str | None:
    return next((text for constant, slope, text in faults if _close(line, (constant, slope))), None)


def _line(name: str, line: tuple[float, float], text: str | None) -> str:
    moves = f" at 0 dB, {line[1]:+.2f} dB for each dB of SNR" if abs(line[1]) > _NEAR_SLOPE else ""
    return f"{name} {line[0]:+.2f} dB{moves}" + (f": {text}" if text else "")
