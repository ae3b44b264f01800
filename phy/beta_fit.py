"""Fitting an effective SINR to the coded link.

Channel realisations are drawn, blocks are sent over each at a few SNRs, and beta is chosen so that
the effective SINRs fall on those at which the AWGN table shows the measured rates (least squares in dB,
weighted by what the counts are worth). What remains is reported in dB, next to what counting alone would
leave (the EESM training of K. Brueninghaus et al., "Link performance models for system level simulations of
broadband radio access systems", PIMRC 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from phy.bler import BlerTable, Counts, Reals
from phy.bler_measure import Effort, count_blocks, point_key
from phy.block_channel import BlockChannel
from phy.coded_block import CodedBlock
from phy.effective_sinr import METHODS, effective_snr
from phy.parameters import ParameterError

_BETAS = (0.05, 500.0)  # range of the search
_RATES = (0.03, 0.97)  # measured rates that tell something about the SINR


@dataclass(frozen=True, eq=False)
class FadedBlocks:
    """Blocks counted over given channel realisations."""

    snr: Reals  # float64[P, F], SNR per subcarrier after combining, linear
    weights: Reals  # float64[F], resource elements of the block on each subcarrier
    errors: Counts  # int64[P]
    trials: Counts  # int64[P]

    def __post_init__(self) -> None:
        shape = self.errors.shape
        if (
            self.snr.ndim != 2
            or len(shape) != 1
            or self.snr.shape[0] != shape[0]
            or shape != self.trials.shape
        ):
            raise ParameterError(f"FadedBlocks.snr has shape {self.snr.shape}: must be (points, subcarriers)")
        if self.weights.shape != self.snr.shape[1:] or not np.all(self.weights >= 0):
            raise ParameterError("FadedBlocks.weights: must be one number >= 0 for each subcarrier")
        if np.any(self.trials < 1) or np.any(self.errors < 0) or np.any(self.errors > self.trials):
            raise ParameterError("FadedBlocks.errors: must be in [0, trials], trials >= 1")
        if not np.all((self.snr >= 0.0) & np.isfinite(self.snr)):
            raise ParameterError("FadedBlocks.snr: must be >= 0 and finite")


@dataclass(frozen=True)
class BetaFit:
    """A fitted effective SINR and how well it does."""

    method: str  # one of effective_sinr.METHODS
    beta: float
    residual_db: float  # rms distance of the points from the AWGN curve
    counting_db: float  # rms distance that the counts alone would leave
    bias_db: float  # mean distance, positive: the abstraction is optimistic
    num_points: int

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ParameterError(f"BetaFit.method = {self.method!r}: must be one of " + ", ".join(METHODS))
        if not 0.0 < self.beta < np.inf:
            raise ParameterError(f"BetaFit.beta = {self.beta}: must be > 0 and finite")
        for name in ("residual_db", "counting_db"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ParameterError(f"BetaFit.{name} = {getattr(self, name)}: must be >= 0 and finite")
        if not np.isfinite(self.bias_db) or self.num_points < 1:
            raise ParameterError(
                f"BetaFit.bias_db = {self.bias_db}: must be finite, num_points = {self.num_points} >= 1"
            )

    @property
    def model_db(self) -> float:
        """rms distance beyond counting: the error of the abstraction itself."""
        return float(np.sqrt(max(self.residual_db**2 - self.counting_db**2, 0.0)))


def subcarrier_weights(block: CodedBlock, num_subcarriers: int) -> Reals:
    """float64[F], resource elements of a block on each subcarrier (element k uses subcarrier k mod F)."""
    return np.bincount(np.arange(block.num_symbols) % num_subcarriers, minlength=num_subcarriers).astype(
        float
    )


def combined_snr(h: NDArray[np.complexfloating], snr_db: ArrayLike) -> Reals:
    """SNR per subcarrier after MRC, linear float64[..., F], of h complex[..., num_rx_ant, F] at Es/N0
    float[...].
    """
    gain = (np.abs(h.astype(np.complex128)) ** 2).sum(axis=-2)
    return gain * 10.0 ** (np.asarray(snr_db, np.float64)[..., None] / 10.0)


def measure_faded(
    block: CodedBlock,
    channel: BlockChannel,
    table: BlerTable,
    num_channels: int,
    effort: Effort,
    key: int,
    rates: tuple[float, ...] = (0.7, 0.3, 0.1),
) -> FadedBlocks:
    """Send blocks over realisations of `channel`, each at the SNRs where MIESM with beta = 1 expects `rates`.

    Args:
        table: of this block over AWGN; must reach the rates.
        num_channels: realisations 0, 1, ... under this key.
        effort: for each point.
    """
    target_db = table.snr_at(np.array(rates))
    if not np.all(np.isfinite(target_db)):
        raise ParameterError(f"rates = {rates}: must lie within the table's range")
    h = channel.draw(point_key(key, "channels"), np.arange(num_channels))
    weights = subcarrier_weights(block, h.shape[-1])
    grid_db = np.arange(-20.0, 60.0, 0.1)
    snr, counts = [], []
    for i in range(num_channels):
        gains = combined_snr(h[i], grid_db)
        expected = effective_snr(gains, "miesm", 1.0, block.bits_per_symbol, weights)
        for wanted in target_db.tolist():
            snr_db = float(np.interp(wanted, 10.0 * np.log10(np.maximum(expected, 1e-300)), grid_db))
            seed = point_key(key, "blocks", i, snr_db)
            counts.append(
                count_blocks(block, lambda n, i=i: np.repeat(h[i : i + 1], n.size, 0), snr_db, effort, seed)  # type: ignore[misc]
            )
            snr.append(combined_snr(h[i], snr_db))
    errors, trials = np.array(counts).T[:2]
    return FadedBlocks(np.array(snr), weights, errors.copy(), trials.copy())


def _targets(table: BlerTable, faded: FadedBlocks) -> tuple[NDArray[np.bool_], Reals, Reals]:
    """Usable points bool[P], the SNR in dB at which AWGN shows their rates, and its standard error in dB.

    The error takes both counts into account: that of the point and that of the table (read off the distance
    between the curves of its 68 % limits).
    """
    rate = faded.errors / faded.trials
    wanted = np.clip(rate, 0.5 / faded.trials, 1.0 - 0.5 / faded.trials)
    target = table.snr_at(wanted)
    use = (rate > _RATES[0]) & (rate < _RATES[1]) & np.isfinite(target)
    step = 0.05
    safe = np.where(use, target, table.snr_db[0])
    slope = (table.bler(safe - step) - table.bler(safe + step)) / (2.0 * step)
    low, high = table.bler_interval(safe, 0.68)
    variance = wanted * (1.0 - wanted) / faded.trials + (0.5 * (high - low)) ** 2
    use &= slope > 1e-3
    return use, target, np.sqrt(variance) / np.maximum(slope, 1e-3)


def fit_beta(faded: FadedBlocks, table: BlerTable, bits_per_symbol: int, method: str = "miesm") -> BetaFit:
    """beta that brings the points onto the AWGN curve, by weighted least squares in dB over ln beta.

    Only points with measured rates in (0.03, 0.97) count: the others say which side of the curve, not where.
    Points whose counts are worth less than 0.1 dB do not outweigh the rest: 0.1 dB is added in squares.
    """
    if method not in METHODS:
        raise ParameterError(f"method = {method!r}: must be one of " + ", ".join(METHODS))
    use, target, error = _targets(table, faded)
    if np.count_nonzero(use) < 5:
        raise ParameterError(
            f"faded: {np.count_nonzero(use)} points with rates in {_RATES}, must be at least 5"
        )
    snr, target, error = faded.snr[use], target[use], error[use]
    weight = 1.0 / (error**2 + 0.1**2)
    weight /= weight.sum()

    def distance(log_beta: float) -> Reals:
        effective = effective_snr(snr, method, float(np.exp(log_beta)), bits_per_symbol, faded.weights)
        return 10.0 * np.log10(effective) - target

    def cost(log_beta: float) -> float:
        return float((weight * distance(log_beta) ** 2).sum())

    coarse = np.linspace(np.log(_BETAS[0]), np.log(_BETAS[1]), 40)
    best = int(np.argmin([cost(x) for x in coarse]))
    bounds = coarse[max(best - 1, 0)], coarse[min(best + 1, coarse.size - 1)]
    found = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    rest = distance(found.x)
    return BetaFit(
        method=method,
        beta=float(np.exp(found.x)),
        residual_db=float(np.sqrt((weight * rest**2).sum())),
        counting_db=float(np.sqrt((weight * error**2).sum())),
        bias_db=float((weight * rest).sum()),
        num_points=int(snr.shape[0]),
    )


def prediction_error(faded: FadedBlocks, table: BlerTable, bits_per_symbol: int, fit: BetaFit) -> BetaFit:
    """The fit judged on other points than it was made from: same beta, residuals of `faded`."""
    use, target, error = _targets(table, faded)
    if not use.any():
        raise ParameterError(f"faded: no point with a rate in {_RATES}, must be at least 1")
    effective = effective_snr(faded.snr[use], fit.method, fit.beta, bits_per_symbol, faded.weights)
    rest = 10.0 * np.log10(effective) - target[use]
    weight = 1.0 / (error[use] ** 2 + 0.1**2)
    weight /= weight.sum()
    return BetaFit(
        fit.method,
        fit.beta,
        float(np.sqrt((weight * rest**2).sum())),
        float(np.sqrt((weight * error[use] ** 2).sum())),
        float((weight * rest).sum()),
        int(rest.size),
    )
