"""Tables with counts and intervals, adaptive measurement, and the fitted abstraction on fresh channels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import beta, binom, norm

from phy.abstraction import LinkAbstraction, measure_abstraction, thresholds_db
from phy.beta_fit import (
    BetaFit,
    FadedBlocks,
    combined_snr,
    fit_beta,
    measure_faded,
    prediction_error,
    subcarrier_weights,
)
from phy.bler import BlerTable, ScoreTable, clopper_pearson, merged
from phy.bler_measure import Effort, count_blocks, measure_bler, measure_scores, measure_waterfall
from phy.block_channel import BlockChannel
from phy.channel import exponential_profile
from phy.coded_block import CodedBlock, block_of_mcs
from phy.coding.mcs import MCS_64QAM, select
from phy.effective_sinr import effective_snr
from phy.parameters import ParameterError

AWGN = BlockChannel()
SELECTIVE = BlockChannel("tdl", 1, tuple(exponential_profile(8, 1.0).tolist()), 0.0, 256, 48)
OTHER = BlockChannel("tdl", 2, tuple(exponential_profile(12, 0.5).tolist()), 0.0, 256, 48)
BLOCK = CodedBlock(200, 4, 0.5)
EFFORT = Effort(40, 300, 20)


def make_table(errors, trials, snr_db=None, num_bits=100) -> BlerTable:
    k, n = np.array(errors, np.int64), np.array(trials, np.int64)
    grid = np.arange(len(errors), dtype=float) if snr_db is None else np.asarray(snr_db, float)
    return BlerTable(num_bits, grid, k, n, 0 * k, 3 * k, 9 * k)


# ---- tables


def test_clopper_pearson():
    """Textbook values, and the definition: the tails beyond the limits hold 2.5 % each."""
    low, high = clopper_pearson([0, 10, 3], [10, 10, 20])
    assert (low[0], high[1]) == (0.0, 1.0)
    assert high[0] == pytest.approx(1.0 - 0.025**0.1) and low[1] == pytest.approx(0.025**0.1)
    assert binom.sf(2, 20, low[2]) == pytest.approx(0.025) and binom.cdf(3, 20, high[2]) == pytest.approx(
        0.025
    )


def test_interval_covers_under_adaptive_effort():
    """Blocks drawn at a known rate, counted as `count_blocks` does: the 95 % interval covers in >= 95 %."""
    rng = np.random.default_rng(1)
    runs = 4000
    for rate in (0.5, 0.1, 0.012):
        errors, trials = np.zeros(runs, int), np.zeros(runs, int)
        going = np.ones(runs, bool)
        while going.any():
            errors[going] += rng.binomial(EFFORT.round_blocks, rate, going.sum())
            trials[going] += EFFORT.round_blocks
            going = (errors < EFFORT.target_errors) & (trials < EFFORT.max_blocks)
        low, high = clopper_pearson(errors, trials)
        covered = np.count_nonzero((low <= rate) & (rate <= high))
        assert covered >= binom.ppf(0.001, runs, 0.95)


def test_interpolation_is_monotone_and_meets_the_counts():
    rng = np.random.default_rng(3)
    x = np.linspace(-3.0, 12.0, 700)
    for _ in range(30):
        trials = rng.integers(20, 500, 10)
        truth = expit(-1.5 * (np.arange(10) - rng.uniform(2.0, 7.0)))
        table = make_table(rng.binomial(trials, truth), trials)
        rate = table.bler(x)
        low, high = table.bler_interval(x)
        for values in (rate, low, high):
            assert np.all(np.diff(values) <= 1e-12) and np.all((values >= 0.0) & (values <= 1.0))
        assert np.all((low <= rate) & (rate <= high))
        exact_low, exact_high = clopper_pearson(table.errors, table.trials)
        on_grid = table.bler_interval(table.snr_db)
        assert np.all(on_grid[0] <= exact_low + 1e-9) and np.all(on_grid[1] >= exact_high - 1e-9)
    falling = make_table([90, 50, 10], [100, 100, 200])
    assert np.allclose(falling.bler([0.0, 1.0, 2.0]), [0.9, 0.5, 0.05])
    assert np.allclose(make_table([30, 50, 0], [100, 100, 50]).bler([0.0, 1.0]), 0.4)  # pooled


def test_interpolation_between_points():
    """A waterfall sampled every 0.5 dB with no counting error: within 6 % of the rate where blocks matter."""
    grid = np.arange(3.0, 9.1, 0.5)
    trials = np.full(grid.size, 10**12)

    def curve(snr_db):
        return norm.sf((snr_db - 5.2) / 0.6)

    table = make_table(np.round(curve(grid) * trials).astype(np.int64), trials, grid)
    x = np.arange(4.0, 7.3, 0.01)
    assert np.abs(table.bler(x) / curve(x) - 1.0).max() < 0.06


def test_measurements_add_up():
    a = make_table([50, 20], [50, 40], [1.0, 2.0])
    both = merged(a, make_table([30, 2], [60, 90], [2.0, 2.5]))
    assert both.snr_db.tolist() == [1.0, 2.0, 2.5]
    assert both.errors.tolist() == [50, 50, 2] and both.trials.tolist() == [50, 100, 90]
    with pytest.raises(ParameterError, match="num_bits"):
        merged(a, make_table([1], [2], num_bits=7))


def test_ends_of_the_grid():
    whole = make_table([50, 40, 20, 0, 0], [50, 50, 100, 200, 100])
    assert whole.bler([-0.1, 3.0, 3.1, 9.0]).tolist() == [1.0, pytest.approx(0.5 / 200), 0.0, 0.0]
    assert whole.bler_interval(9.0)[1] == pytest.approx(clopper_pearson(0, 100)[1])
    assert whole.bler_interval(-5.0)[1] == 1.0 and whole.bler_interval(-5.0)[0] > 0.9
    part = make_table([40, 20], [50, 100])
    assert part.bler([-9.0, 9.0]) == pytest.approx([0.8, 0.2])
    assert part.bler_interval([-9.0, 9.0])[1][0] == 1.0 and part.bler_interval([-9.0, 9.0])[0][1] == 0.0
    one = make_table([20], [100])
    assert one.bler([-1.0, 0.0, 1.0]) == pytest.approx([0.2, 0.2, 0.2])
    assert make_table([0], [10]).bler(5.0) == 0.0 and make_table([10], [10]).bler(-5.0) == 1.0


def test_snr_at_is_the_inverse():
    table = make_table([50, 40, 20, 3, 0], [50, 50, 100, 200, 100])
    wanted = np.array([0.9, 0.5, 0.1, 0.02])
    assert np.allclose(logit(table.bler(table.snr_at(wanted))), logit(wanted), atol=1e-3)
    assert np.isnan(table.snr_at([0.0, 1.0, 1e-9])).all()
    assert np.isnan(make_table([0], [10]).snr_at(0.1))


def test_bit_error_rates_keep_blocks_as_the_sample():
    table = make_table([10, 5], [20, 20])
    scores = table.bit_error_rates
    per_block = np.repeat([0.03, 0.0], 10)
    assert scores.mean[0] == pytest.approx(per_block.mean())
    assert scores.std[0] == pytest.approx(per_block.std(ddof=1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: make_table([1, 2], [5, 5], [1.0, 1.0]), "must be increasing"),
        (lambda: make_table([1], [5], [np.inf]), "finite"),
        (lambda: make_table([6], [5]), "BlerTable.errors"),
        (lambda: make_table([0], [0]), "BlerTable.trials"),
        (lambda: make_table([1], [5], num_bits=0), "BlerTable.num_bits"),
        (lambda: clopper_pearson(1, 2, 1.0), "confidence"),
        (lambda: ScoreTable(np.zeros(1), np.array([2]), np.array([4.0]), np.array([1.0])), "squares"),
        (lambda: BetaFit("eesm", -1.0, 0.1, 0.1, 0.0, 3), "BetaFit.beta"),
        (lambda: fit_beta(make_faded(1.0)[0], make_table([5], [10]), 4), "at least 5"),
        (lambda: measure_bler(BLOCK, AWGN, [0.0], EFFORT, 1, batch=0), "batch"),
    ],
)
def test_bad_input_is_one_line(make, words):
    with pytest.raises(ParameterError) as caught:
        make()
    assert words in str(caught.value) and "\n" not in str(caught.value)


# ---- measuring


def test_measurement_does_not_depend_on_batch_or_grid():
    grid = [4.5, 5.5, 6.5]
    whole = measure_bler(BLOCK, SELECTIVE, grid, EFFORT, 11, batch=500)
    small = measure_bler(BLOCK, SELECTIVE, grid, EFFORT, 11, batch=7)
    alone = measure_bler(BLOCK, SELECTIVE, [5.5], EFFORT, 11)
    for field in dataclasses.fields(BlerTable)[2:]:
        values = getattr(whole, field.name)
        assert np.array_equal(values, getattr(small, field.name))
        assert values[1] == getattr(alone, field.name)[0]
    assert not np.array_equal(whole.bit_errors, measure_bler(BLOCK, SELECTIVE, grid, EFFORT, 12).bit_errors)


def test_effort_is_met():
    counts = count_blocks(BLOCK, lambda i: AWGN.draw(1, i), 0.0, Effort(30, 1000, 20), 1)
    assert counts.tolist()[:2] == [40, 40]  # two whole rounds, every block lost
    counts = count_blocks(BLOCK, lambda i: AWGN.draw(1, i), 30.0, Effort(30, 70, 20), 1)
    assert counts.tolist() == [0, 70, 0, 0, 0]


def test_waterfall_finds_its_ends():
    table = measure_waterfall(BLOCK, AWGN, EFFORT, 5, step_db=0.5)
    rate = table.errors / table.trials
    assert rate[0] == 1.0 and rate[-1] <= 0.01 and np.allclose(np.diff(table.snr_db), 0.5)
    assert 6.0 < table.snr_at(0.5) < 8.0
    again = measure_bler(BLOCK, AWGN, table.snr_db, EFFORT, 5)
    assert np.array_equal(again.errors, table.errors)


def test_waterfall_lies_behind_capacity():
    """1 dB below capacity every block of 1000 bits is lost (strong converse), 2.5 dB above it nearly none."""
    block = CodedBlock(1000, 4, 0.5)
    limit_db = 10.0 * math.log10(2.0**block.spectral_efficiency - 1.0)
    table = measure_bler(block, AWGN, [limit_db - 1.0, limit_db + 2.5], Effort(100, 100, 50), 1)
    assert table.errors[0] == 100 and table.errors[1] <= 5


def test_scores():
    """A score that is a function of (snr, block): sums, interpolation and early stop."""

    def run(snr_db: float, index: np.ndarray, key: int) -> np.ndarray:
        return expit(snr_db) + 0.01 * np.cos(index + key % 7)

    table = measure_scores(run, [-2.0, 0.0, 2.0], 100, key=3)
    assert table.num.tolist() == [100] * 3
    assert np.allclose(table.mean, expit([-2.0, 0.0, 2.0]), atol=0.003)
    x = np.linspace(-5.0, 5.0, 200)
    low, high = table.score_interval(x)
    middle = table.score(x)
    assert np.all(np.diff(middle) >= 0.0) and np.all((low <= middle) & (middle <= high))
    assert (high - low).max() < 0.006
    other = measure_scores(run, [0.0], 100, key=3)
    assert (other.total[0], other.squares[0]) == (table.total[1], table.squares[1])
    early = measure_scores(run, [0.0], 1000, key=3, half_width=0.01, round_blocks=10)
    assert early.num[0] == 20


def test_score_interval_covers():
    rng = np.random.default_rng(5)
    runs, covered = 600, 0
    for _ in range(runs):
        scores = rng.beta(2.0, 5.0, 50)
        table = ScoreTable(np.zeros(1), np.array([50]), scores[None].sum(1), (scores[None] ** 2).sum(1))
        low, high = table.score_interval(0.0)
        covered += bool(low <= beta(2.0, 5.0).mean() <= high)
    assert binom.ppf(0.001, runs, 0.95) <= covered <= binom.ppf(0.999, runs, 0.95)


# ---- fitting


def make_faded(true_beta: float, method: str = "eesm", trials: int = 2000):
    """Points whose rates follow an exact AWGN curve at the effective SINR of a known beta."""
    rng = np.random.default_rng(8)
    grid = np.arange(2.0, 12.0, 0.25)

    def curve(db):
        return expit(-2.5 * (db - 7.0))

    many = np.full(grid.size, 10**6)
    table = make_table(np.round(curve(grid) * many).astype(int), many, grid)
    snr = rng.exponential(1.0, (60, 24))
    steps_db = np.arange(-10.0, 40.0, 0.05)
    for row, wanted_db in zip(snr, rng.uniform(6.0, 8.0, 60)):
        effective = effective_snr(row * 10.0 ** (steps_db[:, None] / 10.0), method, true_beta, 4)
        row *= 10.0 ** (np.interp(wanted_db, 10.0 * np.log10(effective), steps_db) / 10.0)
    rate = curve(10.0 * np.log10(effective_snr(snr, method, true_beta, 4)))
    faded = FadedBlocks(snr, np.ones(24), rng.binomial(trials, rate), np.full(60, trials))
    return faded, table


@pytest.mark.parametrize(("method", "true_beta"), [("eesm", 3.0), ("eesm", 0.8), ("miesm", 1.4)])
def test_fit_finds_a_known_beta(method, true_beta):
    """2000 blocks a point: what remains is counting, and says so."""
    faded, table = make_faded(true_beta, method)
    fit = fit_beta(faded, table, 4, method)
    assert fit.beta == pytest.approx(true_beta, rel=0.05)
    assert fit.residual_db == pytest.approx(fit.counting_db, rel=0.3) and fit.model_db < 0.03
    wrong = dataclasses.replace(fit, beta=3.0 * fit.beta)
    assert prediction_error(faded, table, 4, wrong).residual_db > 5.0 * fit.residual_db


def test_weights_count_the_elements():
    block = CodedBlock(100, 4, 0.5)  # 50 elements
    assert subcarrier_weights(block, 12).tolist() == [5.0] * 2 + [4.0] * 10
    h = np.array([[[1.0, 2.0], [1.0, 0.0]]], np.complex64)
    assert combined_snr(h, 10.0).tolist() == [[20.0, 40.0]]


def test_prediction_on_fresh_channels():
    """LDPC 16-QAM at rate 0.54, the whole chain: within 0.12 dB rms on channels that the fit has not seen."""
    block = block_of_mcs(MCS_64QAM[14], 240)
    link = measure_abstraction(block, SELECTIVE, 3, Effort(60, 300, 50), num_channels=16, methods=("miesm",))
    fit = link.fit("miesm")
    assert 0.7 < fit.beta < 1.4 and fit.residual_db < 0.12
    for channel, key in ((SELECTIVE, 100), (OTHER, 101)):
        fresh = measure_faded(block, channel, link.table, 12, Effort(60, 300, 50), key)
        judged = prediction_error(fresh, link.table, 4, fit)
        assert judged.residual_db < 0.12 and abs(judged.bias_db) < 0.08
        low, high = link.bler_interval(fresh.snr, "miesm", fresh.weights)
        seen_low, seen_high = clopper_pearson(fresh.errors, fresh.trials)
        assert np.mean((seen_low <= high) & (seen_high >= low)) > 0.9
        rate = link.bler(fresh.snr, "miesm", fresh.weights)
        assert np.all((low <= rate) & (rate <= high))


def test_flat_block_reads_the_table():
    table = make_table([50, 40, 20, 3], [50, 50, 100, 200])
    fits = (BetaFit("eesm", 4.5, 0.1, 0.05, 0.0, 33),)
    link = LinkAbstraction(dataclasses.replace(BLOCK, num_bits=100), table, fits, AWGN, EFFORT, 1)
    flat = np.full((3, 12), 10.0**0.13)
    assert link.bler(flat, "eesm") == pytest.approx(table.bler([1.3] * 3))
    assert link.bler(np.zeros(4), "eesm") == 1.0
    with pytest.raises(ParameterError, match="one of those fitted"):
        link.bler(flat, "miesm")
    with pytest.raises(ParameterError, match="must be the block's"):
        LinkAbstraction(BLOCK, table, fits, AWGN, EFFORT, 1)


def test_thresholds_choose_the_scheme():
    def link(shift: float, top: int = 0) -> LinkAbstraction:
        table = make_table([50, 25, 5, top], [50] * 4, shift + np.arange(4.0))
        return LinkAbstraction(dataclasses.replace(BLOCK, num_bits=100), table, (), AWGN, EFFORT, 1)

    steps = thresholds_db([link(0.0), link(5.0), link(4.5)])
    assert np.allclose(steps, [2.0, 6.5, 6.5], atol=0.01)
    assert select(np.array([1.0, 6.4, 6.6]), steps).tolist() == [0, 0, 2]
    with pytest.raises(ParameterError, match=r"links\[1\]"):
        thresholds_db([link(0.0), link(0.0, top=5)], bler=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "eesm_db", "miesm_db"),
    [
        (block_of_mcs(MCS_64QAM[4], 480), 0.12, 0.12),
        (block_of_mcs(MCS_64QAM[14], 480), 0.20, 0.10),
        (block_of_mcs(MCS_64QAM[22], 480), 0.25, 0.15),
        (CodedBlock(500, 2, 0.5, code="convolutional"), 0.18, 0.18),
        (CodedBlock(960, 4, 0.75, code="convolutional"), 0.18, 0.18),
        (CodedBlock(1200, 6, 0.75, code="convolutional"), 0.32, 0.27),
    ],
    ids=lambda v: f"{v.code}-{v.bits_per_symbol}" if isinstance(v, CodedBlock) else "",
)
def test_prediction_of_every_code_and_modulation(block, eesm_db, miesm_db):
    """Residuals on fresh channels, of the family that was fitted and of another one with two antennas."""
    effort = Effort(60, 400, 50)
    link = measure_abstraction(block, SELECTIVE, 3, effort)
    for channel, key in ((SELECTIVE, 99), (OTHER, 98)):
        fresh = measure_faded(block, channel, link.table, 24, effort, key)
        for method, limit_db in (("eesm", eesm_db), ("miesm", miesm_db)):
            judged = prediction_error(fresh, link.table, block.bits_per_symbol, link.fit(method))
            assert judged.residual_db < limit_db
