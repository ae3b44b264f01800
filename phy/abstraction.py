"""Link abstraction: the block error rate of a block with many SINRs, from a table over AWGN and an effective
SINR that is fitted to the coded link (`phy.beta_fit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from phy.beta_fit import BetaFit, fit_beta, measure_faded
from phy.bler import BlerTable, Reals
from phy.bler_measure import Effort, measure_waterfall, point_key
from phy.block_channel import BlockChannel
from phy.coded_block import CodedBlock
from phy.effective_sinr import METHODS, effective_snr
from phy.parameters import ParameterError


@dataclass(frozen=True, eq=False)
class LinkAbstraction:
    """What stands in for the coded link: the AWGN table of one block format and its fitted mappings."""

    block: CodedBlock
    table: BlerTable  # over AWGN
    fits: tuple[BetaFit, ...]
    channel: BlockChannel  # over which the fits were made
    effort: Effort
    key: int  # of the measurement

    def __post_init__(self) -> None:
        if self.table.num_bits != self.block.num_bits:
            raise ParameterError(
                f"LinkAbstraction.table holds blocks of {self.table.num_bits} bits: must be the block's"
                f" {self.block.num_bits}"
            )

    def fit(self, method: str = "miesm") -> BetaFit:
        """The fit of this method; ParameterError if there is none."""
        for fit in self.fits:
            if fit.method == method:
                return fit
        known = ", ".join(fit.method for fit in self.fits) or "none"
        raise ParameterError(f"method = {method!r}: must be one of those fitted ({known})")

    def effective_snr_db(
        self, snr: ArrayLike, method: str = "miesm", weights: ArrayLike | None = None
    ) -> Reals:
        """Effective SINR in dB float64[...] of SINRs float[..., F], linear, after combining."""
        fit = self.fit(method)
        effective = effective_snr(snr, method, fit.beta, self.block.bits_per_symbol, weights)
        with np.errstate(divide="ignore"):
            return 10.0 * np.log10(effective)

    def bler(self, snr: ArrayLike, method: str = "miesm", weights: ArrayLike | None = None) -> Reals:
        """Predicted block error rates float64[...] of SINRs float[..., F], linear, after combining."""
        return self.table.bler(np.maximum(self.effective_snr_db(snr, method, weights), -300.0))

    def bler_interval(
        self,
        snr: ArrayLike,
        method: str = "miesm",
        weights: ArrayLike | None = None,
        confidence: float = 0.95,
    ) -> tuple[Reals, Reals]:
        """Limits (low, high): the table's interval at the effective SINR moved by the fit's residual.

        The residual is taken as normal with standard deviation `residual_db`, which includes the counting of
        the fit's own points; the limits are on the safe side.
        """
        effective_db = np.maximum(self.effective_snr_db(snr, method, weights), -300.0)
        shift = float(ndtri(0.5 + confidence / 2.0)) * self.fit(method).residual_db
        low, _ = self.table.bler_interval(effective_db + shift, confidence)
        _, high = self.table.bler_interval(effective_db - shift, confidence)
        return low, high


def thresholds_db(links: Sequence[LinkAbstraction], bler: float = 0.1) -> Reals:
    """SINRs in dB float64[L] from which on each format keeps `bler` over AWGN, for `phy.coding.mcs.select`.

    Made non-decreasing in the order given, as in `phy.coding.mcs.gap_thresholds_db`: a format that needs more
    than a later, more efficient one gets that one's threshold.

    Raises:
        ParameterError: a table does not reach the rate.
    """
    needed = np.array([float(link.table.snr_at(bler)) for link in links])
    if not np.all(np.isfinite(needed)):
        which = int(np.flatnonzero(~np.isfinite(needed))[0])
        raise ParameterError(
            f"bler = {bler}: must lie within the range of every table, not of links[{which}]"
        )
    return np.minimum.accumulate(needed[::-1])[::-1]


def measure_abstraction(
    block: CodedBlock,
    channel: BlockChannel,
    key: int,
    effort: Effort,
    num_channels: int = 24,
    step_db: float = 0.25,
    floor: float = 0.01,
    methods: tuple[str, ...] = METHODS,
) -> LinkAbstraction:
    """Measure a block format: the AWGN waterfall, faded blocks, and the fits of `methods`."""
    table = measure_waterfall(block, BlockChannel(), effort, point_key(key, "awgn"), step_db, floor)
    faded = measure_faded(block, channel, table, num_channels, effort, point_key(key, "faded"))
    fits = tuple(fit_beta(faded, table, block.bits_per_symbol, method) for method in methods)
    return LinkAbstraction(block, table, fits, channel, effort, key)
