"""The SNR contract, measured: `run` makes every row and the bound that its scores must keep.

The contract is stated in `CONTRACT`; the rows are made in `phy.checks_energy`, `phy.checks_waveform`,
`phy.checks_ber` and `phy.checks_links`. Every function under test comes from a `Subjects` value, so that a
test can inject a fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from phy import checks_ber, checks_energy, checks_links, checks_waveform
from phy.checks_row import FAMILY_WISE_LEVEL, Row, family_bound
from phy.checks_subjects import FULL, QUICK, Effort, Subjects
from phy.parameters import ParameterError

CONTRACT = (
    "E|x|^2 = 1 per constellation symbol; E|h|^2 = 1 per antenna pair (small-scale fading)",
    "n0 = noise energy per complex symbol and antenna: n0/2 on I, n0/2 on Q, independent",
    "SNR = Es/N0 per data resource element and receive antenna, after prefix removal",
    "Eb/N0 = Es/N0 / (bits per symbol x code rate x (1 - overhead)); prefix and pilots cost rate and energy",
    "large-scale gain and power enter once, as es; combining L antennas adds their SNRs",
    "LLR > 0 means bit 0: log P(b=0)/P(b=1)",
)


@dataclass(frozen=True)
class Report:
    """All rows of one run, and the verdict."""

    rows: tuple[Row, ...]
    seed: int
    quick: bool
    seconds: float

    @property
    def num_scores(self) -> int:
        """Number of statistical rows."""
        return sum(not row.exact for row in self.rows)

    @property
    def bound(self) -> float:
        """Largest |z| allowed: family-wise level FAMILY_WISE_LEVEL over all statistical rows."""
        return family_bound(self.num_scores)

    @property
    def failures(self) -> tuple[Row, ...]:
        """Rows outside the bound or their tolerance."""
        return tuple(row for row in self.rows if not row.passes(self.bound))

    @property
    def largest(self) -> Row | None:
        """The statistical row with the largest |z| (NaN counts as largest), None without any."""
        scored = [row for row in self.rows if row.z is not None]
        return max(scored, key=lambda row: row.size, default=None)

    @property
    def status(self) -> int:
        """Exit status: 0 when every row holds, else 1."""
        return 1 if self.failures else 0


Part = Callable[[Subjects, Generator, Effort], list[Row]]

PARTS: dict[str, Part] = {  # name -> maker of rows; the position numbers the part's random stream
    "symbols": checks_energy.symbol_rows,
    "noise": checks_energy.noise_rows,
    "fading": checks_energy.fading_rows,
    "llr": checks_energy.llr_rows,
    "units": checks_energy.unit_rows,
    "accounting": checks_waveform.accounting_rows,
    "samples": checks_waveform.signal_rows,
    "sample-noise": checks_waveform.noise_rows,
    "papr": checks_waveform.papr_rows,
    "reported": checks_ber.reported_rows,
    "given": checks_ber.given_rows,
    "paths": checks_ber.other_path_rows,
    "interference": checks_links.interference_rows,
    "estimation": checks_links.estimation_rows,
    "ber": checks_ber.grid_rows,
    "equalised": checks_waveform.equalised_rows,
}


def run(
    subjects: Subjects | None = None,
    seed: int = 1,
    quick: bool = False,
    effort: Effort | None = None,
    parts: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Measures everything.

    Args:
        subjects: the functions under test; default: the simulator's own.
        seed: >= 0; the same seed gives the same report.
        quick: fewer samples and SNRs (`QUICK`), below 10 s. effort: overrides `quick`.
        parts: names from `PARTS`; default all. A part gives the same rows with and without the others.
        progress: called with a line before each part.
    """
    if seed < 0:
        raise ParameterError(f"seed = {seed}: must be >= 0")
    for name in parts or ():
        if name not in PARTS:
            raise ParameterError(f"part {name!r}: must be one of {', '.join(PARTS)}")
    names = [name for name in PARTS if parts is None or name in parts]
    s = Subjects() if subjects is None else subjects
    effort = effort or (QUICK if quick else FULL)
    start = time.perf_counter()
    rows: list[Row] = []
    for index, (name, part) in enumerate(PARTS.items()):
        if name in names:
            if progress is not None:
                progress(f"{name} ({names.index(name) + 1} of {len(names)})")
            rows += part(s, np.random.default_rng([seed, index]), effort)
    return Report(tuple(rows), seed, quick, time.perf_counter() - start)


__all__ = ["CONTRACT", "FAMILY_WISE_LEVEL", "PARTS", "Report", "run"]
