"""Tables of block error rates and of scores against SNR, with counts and intervals.

A table keeps counts, so that everything read from it comes with its interval and two measurements can be
added. Between the points of the grid, rates and their limits are interpolated by PCHIP on the logit scale, on
which a waterfall is nearly straight, after they have been made monotone in the SNR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression
from scipy.special import betaincinv, expit, logit, stdtrit

from phy.parameters import ParameterError

Counts = NDArray[np.int64]
Reals = NDArray[np.float64]


def clopper_pearson(errors: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> tuple[Reals, Reals]:
    """Limits of error probabilities, float64[...] each (Clopper and Pearson, Biometrika 26(4), 1934).

    Where the number of errors was fixed and the trials counted, the lower limit is exact and the upper one
    still conservative; `phy.bler_measure.Effort` lies between the two.
    """
    if not 0.0 < confidence < 1.0:
        raise ParameterError(f"confidence = {confidence}: must be in (0, 1)")
    k, n = np.asarray(errors, np.float64), np.asarray(trials, np.float64)
    tail = (1.0 - confidence) / 2.0
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1.0 - tail), 1.0)
    return low, high


def _check_grid(owner: str, snr_db: Reals, **columns: NDArray) -> None:
    if snr_db.ndim != 1 or snr_db.size < 1 or not np.all(np.isfinite(snr_db)):
        raise ParameterError(f"{owner}.snr_db: must be a 1-D array of finite numbers, at least one")
    if not np.all(np.diff(snr_db) > 0.0):
        raise ParameterError(f"{owner}.snr_db: must be increasing")
    for name, column in columns.items():
        if column.shape != snr_db.shape:
            raise ParameterError(f"{owner}.{name} has shape {column.shape}: must be {snr_db.shape}")


def _logit_curve(x: Reals, grid: Reals, rate: Reals) -> Reals:
    """PCHIP through non-increasing rates in (0, 1) on the logit scale, constant outside; empty: nan."""
    if grid.size < 2:
        return np.full(x.shape, rate[0] if grid.size else np.nan)
    inside = np.clip(x, grid[0], grid[-1])
    return expit(PchipInterpolator(grid, logit(rate))(inside))


@dataclass(frozen=True, eq=False)
class BlerTable:
    """Counts of block errors over a grid of SNRs."""

    num_bits: int  # payload bits of a block
    snr_db: Reals  # float64[G], increasing, Es/N0 per resource element
    errors: Counts  # int64[G], blocks whose CRC failed
    trials: Counts  # int64[G], blocks sent
    undetected: Counts  # int64[G], blocks with wrong bits whose CRC held (not among `errors`)
    bit_errors: Counts  # int64[G], wrong payload bits
    bit_errors_squared: Counts  # int64[G], sum over blocks of the squared number of wrong bits

    def __post_init__(self) -> None:
        names = ("errors", "trials", "undetected", "bit_errors", "bit_errors_squared")
        _check_grid("BlerTable", self.snr_db, **{name: getattr(self, name) for name in names})
        if self.num_bits < 1:
            raise ParameterError(f"BlerTable.num_bits = {self.num_bits}: must be >= 1")
        if np.any(self.trials < 1):
            raise ParameterError("BlerTable.trials: must be >= 1")
        good = (self.errors >= 0) & (self.undetected >= 0) & (self.errors + self.undetected <= self.trials)
        if not np.all(good):
            raise ParameterError("BlerTable.errors: must be >= 0, with `undetected` at most the trials")
        fit = (self.bit_errors >= 0) & (self.bit_errors <= self.trials * self.num_bits)
        if not np.all(fit & (self.bit_errors_squared >= self.bit_errors)):
            raise ParameterError("BlerTable.bit_errors: must be in [0, trials * num_bits], squares no less")

    def bler(self, snr_db: ArrayLike) -> Reals:
        """Block error rates float64[...] at SNRs float[...], non-increasing.

        Rates of neighbours that contradict monotony are pooled (isotonic regression weighted by trials). A
        point without errors counts half an error, one without successes half a success; beyond the first such
        point the rate is 0 or 1. Beyond a grid that ends with both, it stays what it was at the end.
        """
        x = np.asarray(snr_db, np.float64)
        fit = isotonic_regression(self.errors / self.trials, weights=self.trials, increasing=False).x
        fit = np.clip(fit, 0.0, 1.0)
        first = max(int(np.count_nonzero(fit >= 1.0)) - 1, 0)
        last = self.snr_db.size - max(int(np.count_nonzero(fit <= 0.0)) - 1, 0)
        half = 0.5 / self.trials
        grid = self.snr_db[first:last]
        rate = np.minimum.accumulate(np.clip(fit, half, 1.0 - half)[first:last])
        out = _logit_curve(x, grid, rate)
        out = np.where((x < grid[0]) & (fit[first] >= 1.0), 1.0, out)
        return np.where((x > grid[-1]) & (fit[last - 1] <= 0.0), 0.0, out)

    def bler_interval(self, snr_db: ArrayLike, confidence: float = 0.95) -> tuple[Reals, Reals]:
        """Limits (low, high) of the block error rate, float64[...] each; they contain `bler(snr_db)`.

        On the grid: Clopper-Pearson, widened where needed to be monotone. Between: interpolated. Outside:
        what monotony leaves, down to 0 above the grid and up to 1 below it.
        """
        x = np.asarray(snr_db, np.float64)
        low, high = clopper_pearson(self.errors, self.trials, confidence)
        low = np.minimum.accumulate(low)
        high = np.maximum.accumulate(high[::-1])[::-1]
        some, fewer = low > 0.0, high < 1.0
        lower, upper = np.zeros(x.shape), np.ones(x.shape)
        if some.any():
            grid = self.snr_db[some]
            lower = np.where(x <= grid[-1], _logit_curve(x, grid, np.minimum(low[some], 1 - 1e-12)), 0.0)
        if fewer.any():
            grid = self.snr_db[fewer]
            upper = np.where(x >= grid[0], _logit_curve(x, grid, np.maximum(high[fewer], 1e-300)), 1.0)
        rate = self.bler(x)
        return np.minimum(lower, rate), np.maximum(upper, rate)

    def snr_at(self, bler: ArrayLike) -> Reals:
        """SNRs in dB float64[...] at which the rate is `bler` float[...]; nan where the grid does not reach
        it.
        """
        x = np.linspace(self.snr_db[0], self.snr_db[-1], 1 + max(1, round(np.ptp(self.snr_db) / 0.005)))
        rate = self.bler(x)
        wanted = np.asarray(bler, np.float64)
        inside = (rate > 0.0) & (rate < 1.0)
        if not inside.any():
            return np.full(wanted.shape, np.nan)
        x, y = x[inside], logit(rate[inside])
        keep = np.concatenate([[True], np.diff(np.minimum.accumulate(y)) < 0.0])
        x, y = x[keep], y[keep]
        reached = (wanted > 0.0) & (wanted < 1.0)
        target = logit(np.where(reached, wanted, 0.5))
        reached &= (target >= y[-1] - 1e-9) & (target <= y[0] + 1e-9)
        return np.where(reached, np.interp(-target, -y, x), np.nan)

    @property
    def bit_error_rates(self) -> ScoreTable:
        """Bit error rate of the payload, as scores: bits of one block err together, so blocks are the
        sample.
        """
        scale = float(self.num_bits)
        total, squares = self.bit_errors / scale, self.bit_errors_squared / scale**2
        return ScoreTable(self.snr_db, self.trials, total, squares, increasing=False)


def merged(a: BlerTable, b: BlerTable) -> BlerTable:
    """One table of two measurements of the same link: grids united, counts added.

    The measurements must have been made with different keys: equal keys count the same blocks twice.
    """
    if a.num_bits != b.num_bits:
        raise ParameterError(f"b.num_bits = {b.num_bits}: must be that of a, {a.num_bits}")
    grid = np.union1d(a.snr_db, b.snr_db)
    names = ("errors", "trials", "undetected", "bit_errors", "bit_errors_squared")
    sums = {name: np.zeros(grid.size, np.int64) for name in names}
    for table in (a, b):
        at = np.searchsorted(grid, table.snr_db)
        for name in names:
            sums[name][at] += getattr(table, name)
    return BlerTable(a.num_bits, grid, **sums)


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """A score per block (bit error rate, similarity, accuracy), monotone in the SNR; sums kept."""

    snr_db: Reals  # float64[G], increasing
    num: Counts  # int64[G], blocks
    total: Reals  # float64[G], sum of the scores
    squares: Reals  # float64[G], sum of their squares
    increasing: bool = True  # whether the score rises with the SNR

    def __post_init__(self) -> None:
        _check_grid("ScoreTable", self.snr_db, num=self.num, total=self.total, squares=self.squares)
        if np.any(self.num < 1):
            raise ParameterError("ScoreTable.num: must be >= 1")
        if not np.all(np.isfinite(self.total) & np.isfinite(self.squares)):
            raise ParameterError("ScoreTable.total: must be finite, squares too")
        if np.any(self.squares * self.num < self.total**2 * (1.0 - 1e-9) - 1e-300):
            raise ParameterError("ScoreTable.squares: must be at least total^2 / num")

    @property
    def mean(self) -> Reals:
        """Mean scores on the grid, float64[G]."""
        return self.total / self.num

    @property
    def std(self) -> Reals:
        """Standard deviations of one score on the grid, float64[G]; nan for a single block."""
        spread = np.maximum(self.squares - self.num * self.mean**2, 0.0)
        return np.sqrt(np.where(self.num > 1, spread / np.maximum(self.num - 1, 1), np.nan))

    def score(self, snr_db: ArrayLike) -> Reals:
        """Expected scores float64[...]: PCHIP through the pooled means (see `BlerTable.bler`), constant
        outside.
        """
        return self._curve(snr_db, self.mean)

    def score_interval(self, snr_db: ArrayLike, confidence: float = 0.95) -> tuple[Reals, Reals]:
        """Limits (low, high) of the expected score: Student's t on the grid, interpolated like the means."""
        width = stdtrit(np.maximum(self.num - 1, 1), 0.5 + confidence / 2.0) * self.std / np.sqrt(self.num)
        width = np.where(self.num > 1, width, np.inf)
        if not np.all(np.isfinite(width)):
            raise ParameterError("ScoreTable.num: must be >= 2 for an interval")
        middle = self.score(snr_db)
        low, high = self._curve(snr_db, self.mean - width), self._curve(snr_db, self.mean + width)
        return np.minimum(low, middle), np.maximum(high, middle)

    def _curve(self, snr_db: ArrayLike, values: Reals) -> Reals:
        fit = isotonic_regression(values, weights=self.num, increasing=self.increasing).x
        x = np.asarray(snr_db, np.float64)
        if fit.size < 2:
            return np.full(x.shape, fit[0])
        return PchipInterpolator(self.snr_db, fit)(np.clip(x, self.snr_db[0], self.snr_db[-1]))
