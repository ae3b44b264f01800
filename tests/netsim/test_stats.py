"""Intervals: known values, and the share of simulated studies in which they cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from netsim.stats import (
    bootstrap_interval,
    clopper_pearson_interval,
    mean_interval,
    paired_interval,
    ratio_interval,
    wilson_interval,
)
from phy.parameters import ParameterError


def _assert_coverage(covered: int, studies: int, level: float) -> None:
    """`covered` is what a binomial variable with this level gives, two-sided at 99.9 %."""
    low, high = stats.binom.interval(0.999, studies, level)
    assert low <= covered <= high, f"{covered} of {studies} intervals cover, expected [{low:.0f}, {high:.0f}]"


def test_t_interval_of_a_textbook_case():
    # n = 3, mean 2, s = 1, t(0.975, 2) = 4.302653
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n) == (2.0, 3)
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 2 - found.low == pytest.approx(found.high - 2)


@pytest.mark.parametrize("n, level", [(2, 0.95), (5, 0.95), (5, 0.8)])
def test_t_interval_covers_as_often_as_it_says(n, level):
    rng, studies = np.random.default_rng(11), 2000
    found = [mean_interval(rng.normal(3.0, 2.0, n), level) for _ in range(studies)]
    _assert_coverage(sum(i.low <= 3.0 <= i.high for i in found), studies, level)


def test_the_coverage_test_can_fail():
    rng, studies = np.random.default_rng(11), 4000
    x = rng.normal(3.0, 2.0, (studies, 5))
    half = 1.96 * x.std(axis=1, ddof=1) / math.sqrt(5)  # the normal quantile where t is due
    with pytest.raises(AssertionError, match="intervals cover"):
        _assert_coverage(int((abs(x.mean(axis=1) - 3.0) <= half).sum()), studies, 0.95)


def test_one_value_has_no_interval():
    for found in (
        mean_interval([4.0]),
        ratio_interval([8.0], [2.0]),
        bootstrap_interval([4.0], np.random.default_rng(1)),
    ):
        assert found.mean == 4.0 and math.isnan(found.low) and math.isnan(found.high) and found.n == 1


def test_paired_interval_removes_what_is_common():
    rng = np.random.default_rng(3)
    world, effect = rng.normal(0, 10, 20), 0.5
    a, b = world + effect + rng.normal(0, 0.1, 20), world + rng.normal(0, 0.1, 20)
    paired = paired_interval(a, b)
    assert paired.low < effect < paired.high and paired.low > 0
    assert mean_interval(a).low < 0


def test_ratio_interval_is_the_t_interval_for_equal_denominators():
    x = [3.0, 5.0, 4.0, 9.0]
    ratio, mean = ratio_interval(x, [10.0] * 4), mean_interval([v / 10 for v in x])
    assert (ratio.mean, ratio.low, ratio.high) == pytest.approx((mean.mean, mean.low, mean.high))


def test_ratio_interval_by_hand():
    # sums 4 / 8 = 0.5, residuals 1 - 1, 3 - 3 = 0: no spread left
    found = ratio_interval([1.0, 3.0], [2.0, 6.0])
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    # residuals 1 and -1: s = sqrt 2, standard error sqrt 2 / 4 / sqrt 2 = 1/4, t(0.975, 1) = 12.7062
    found = ratio_interval([2.0, 2.0], [2.0, 6.0])
    assert found.high - found.mean == pytest.approx(12.7062 / 4, rel=1e-5)


def test_ratio_interval_covers():
    rng, studies, n = np.random.default_rng(5), 2000, 30
    bits = rng.integers(2000, 10_000, (studies, n))
    errors = rng.binomial(bits, 0.02)
    found = [ratio_interval(e, b) for e, b in zip(errors, bits)]
    _assert_coverage(sum(i.low <= 0.02 <= i.high for i in found), studies, 0.95)


def test_proportions_agree_with_scipy_and_the_literature():
    for k, n in ((0, 10), (3, 10), (10, 10), (81, 263)):
        reference = stats.binomtest(k, n)
        for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "exact")):
            expected = reference.proportion_ci(0.95, method)
            found = ours(k, n)
            assert (found.mean, found.n) == (k / n, n)
            assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    # Newcombe, Statistics in Medicine 17 (1998), table I: Wilson 0.2553..0.3662, exact 0.2527..0.3676
    assert (wilson_interval(81, 263).low, wilson_interval(81, 263).high) == pytest.approx(
        (0.2553, 0.3662), abs=5e-5
    )
    exact = clopper_pearson_interval(81, 263)
    assert (exact.low, exact.high) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    # rule of three: no event in n trials, one-sided 95 % = two-sided 90 %
    assert clopper_pearson_interval(0, 1000, 0.9).high == pytest.approx(3 / 1000, rel=4e-3)


@pytest.mark.parametrize("p", [0.01, 0.2, 0.5])
def test_clopper_pearson_never_covers_less_than_it_says(p):
    n = 60
    k = np.arange(n + 1)
    weight = stats.binom.pmf(k, n, p)
    exact = [clopper_pearson_interval(int(i), n) for i in k]
    assert sum(w for w, i in zip(weight, exact) if i.low <= p <= i.high) >= 0.95
    wilson = [wilson_interval(int(i), n) for i in k]
    assert 0.85 < sum(w for w, i in zip(weight, wilson) if i.low <= p <= i.high) < 1


def test_bootstrap_is_reproducible_and_covers():
    x = np.random.default_rng(2).exponential(1.0, 40)
    one, two = (bootstrap_interval(x, np.random.default_rng(9), statistic=np.median) for _ in range(2))
    assert one == two and one.low < one.mean < one.high
    rng, studies = np.random.default_rng(4), 400
    found = [bootstrap_interval(rng.normal(0, 1, 60), rng, resamples=400) for _ in range(studies)]
    _assert_coverage(
        sum(i.low <= 0 <= i.high for i in found), studies, 0.94
    )  # known to be slightly narrow at n = 60


BAD = [
    (lambda: mean_interval([]), "values: shape (0,): must be 1-D with at least 1 values"),
    (lambda: mean_interval([1.0, math.nan]), "values[1] is not finite: must be"),
    (lambda: mean_interval([1.0], 95), "level = 95: must be in (0, 1)"),
    (lambda: paired_interval([1.0], [1.0, 2.0]), "1 and 2 values: must be equally many"),
    (lambda: ratio_interval([1.0], [0.0]), "denominators: must be >= 0 and not all 0"),
    (lambda: wilson_interval(3, 2), "3 successes of 2 trials: must be"),
    (lambda: clopper_pearson_interval(0, 0), "0 successes of 0 trials: must be"),
    (
        lambda: bootstrap_interval([1.0, 2.0], np.random.default_rng(1), resamples=5),
        "resamples = 5: must be >= 100",
    ),
]


@pytest.mark.parametrize("call, message", BAD)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ParameterError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
