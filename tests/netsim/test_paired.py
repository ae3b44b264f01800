"""Statistics of studies: intervals cover what they claim on cases with known truth, parts add up exactly."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats as scipy_stats

from netsim.stats import mean_interval, paired_interval, ratio_interval
from netsim.studies import paired, precision, ranking, shapley
from phy.parameters import ParameterError

REPEATS = 1000
LOW, HIGH = 0.93, 0.97  # nominal 0.95; 4 standard errors of 1000 repeats are 0.028, so a bias of 2 % shows


def generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.random.SeedSequence(key).generate_state(2, np.uint64)))


def worlds(rng: np.random.Generator, n: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Two variants in the same n worlds, true gap known; the shared world is most of the spread."""
    world = rng.gamma(4.0, 0.5, n)
    return world + 0.2 * rng.standard_normal(n), world + gap + 0.3 * rng.standard_normal(n)


def covered(repeats: int, limits) -> float:
    """Share of repeats whose interval holds the truth; `limits(repeat)` gives (low, truth, high)."""
    found = [limits(repeat) for repeat in range(repeats)]
    return sum(low <= truth <= high for low, truth, high in found) / repeats


def test_paired_intervals_cover_95_percent():
    gaps = []
    for repeat in range(REPEATS):
        rng = generator(1, repeat)
        a, b = worlds(rng, 20, 0.7)
        gaps.append(paired.paired_gap(a, b, rng))
    for name in ("t", "bootstrap"):
        share = np.mean([getattr(g, name).low <= 0.7 <= getattr(g, name).high for g in gaps])
        assert LOW <= share <= HIGH, (name, share)
    # what pairing saves is known here: (0.04 + 0.09 + 2 var(world)) / (0.04 + 0.09), var(world) = 1
    assert np.median([g.reduction for g in gaps]) == pytest.approx(2.13 / 0.13, rel=0.1)


def test_an_unpaired_interval_would_not_do():
    """The same data as if from different worlds: the interval is far too wide, which this test would notice
    if `paired_gap` paired nothing.
    """
    a, b = worlds(generator(2), 20, 0.7)
    gap = paired.paired_gap(a, b, generator(3))
    unpaired = math.sqrt(a.var(ddof=1) / 20 + b.var(ddof=1) / 20)
    assert (gap.t.high - gap.t.low) / 2 < unpaired
    assert gap.t == paired_interval(b, a)


def test_gap_of_ratios_covers_95_percent():
    """Score per packet with packets that differ from world to world: truth 0.8 - 0.9."""

    def limits(repeat):
        rng = generator(4, repeat)
        packets = rng.poisson(40, (2, 30)) + 1
        right = rng.binomial(packets, [[0.9], [0.8]])
        values = [paired.linearised(right[i], packets[i]) for i in (0, 1)]
        gap = mean_interval(values[1] - values[0])
        return gap.low, -0.1, gap.high

    assert LOW <= covered(REPEATS, limits) <= HIGH


def test_linearised_is_the_ratio_interval():
    rng = generator(5)
    x, y = rng.gamma(2, 1, 25), rng.gamma(3, 1, 25)
    found, wanted = mean_interval(paired.linearised(x, y)), ratio_interval(x, y)
    np.testing.assert_allclose(
        (found.mean, found.low, found.high), (wanted.mean, wanted.low, wanted.high), rtol=1e-12
    )
    np.testing.assert_allclose(paired.linearised(x, np.full(25, 2.0)), x / 2.0)


def test_bootstrap_follows_skew():
    """Exponential values, n = 20: percentile-t keeps closer to 95 % than Student's t does."""
    truth, t_hits, boot_hits = 1.0, 0, 0
    for repeat in range(REPEATS):
        rng = generator(6, repeat)
        x = rng.exponential(1.0, 20)
        t, boot = mean_interval(x), paired.percentile_t_interval(x, rng, resamples=1000)
        t_hits += t.low <= truth <= t.high
        boot_hits += boot.low <= truth <= boot.high
    assert boot_hits > t_hits
    assert LOW <= boot_hits / REPEATS <= HIGH


def test_equal_variants_have_a_gap_of_exactly_zero():
    a = generator(7).random(10)
    gap = paired.paired_gap(a, a, generator(8))
    assert (gap.mean, gap.t.low, gap.t.high, gap.bootstrap.low, gap.bootstrap.high) == (0, 0, 0, 0, 0)
    assert math.isnan(gap.reduction)
    assert paired.equivalence(a - a, 0.01).verdict == paired.EQUIVALENT


def test_tost_errs_5_percent_at_the_margin():
    """The true gap is exactly the margin: 'equivalent' may be said in 5 % of the studies, no more."""
    verdicts = []
    for repeat in range(REPEATS):
        difference = 0.3 + 0.5 * generator(9, repeat).standard_normal(40)
        verdicts.append(paired.equivalence(difference, 0.3).verdict)
    assert 0.03 <= verdicts.count(paired.EQUIVALENT) / REPEATS <= 0.07
    assert verdicts.count(paired.BEYOND) / REPEATS <= 0.05


def test_tost_verdicts_and_p():
    rng = generator(10)
    small, large = 0.01 * rng.standard_normal(30), 1 + 0.1 * rng.standard_normal(30)
    assert paired.equivalence(small, 0.1).verdict == paired.EQUIVALENT
    assert paired.equivalence(large, 0.1).verdict == paired.BEYOND
    assert paired.equivalence([-1.0, 1.0, -0.8, 0.9, 0.2], 0.1).verdict == paired.UNDECIDED
    found = paired.equivalence(small, 0.1).p
    low = scipy_stats.ttest_1samp(small, -0.1, alternative="greater").pvalue
    high = scipy_stats.ttest_1samp(small, 0.1, alternative="less").pvalue
    assert found == pytest.approx(max(low, high))


def test_holm():
    np.testing.assert_allclose(paired.holm([0.01, 0.04, np.nan, 0.03]), [0.03, 0.06, np.nan, 0.06])


def study(values: np.ndarray, wanted: precision.Precision) -> int:
    """Runs that a study over the endless `values` comes to."""
    runs = precision.FEWEST
    while True:
        plan = precision.next_runs(values[:runs], wanted, values[:runs].mean(), len(values))
        if plan is None:
            return runs
        runs = plan.runs
        if plan.confirming:
            return runs


@pytest.mark.parametrize(("relative", "width"), [(True, 0.03), (False, 0.45)])
def test_sequential_precision_covers_95_percent(relative, width):
    """Normal values of mean 10 and deviation 1; what the optional stopping takes, the confirmation gives
    back.
    """
    wanted = precision.Precision(width, relative)
    hits = narrow = 0
    for repeat in range(REPEATS):
        values = 10.0 + generator(11, repeat).standard_normal(800)
        runs = study(values, wanted)
        interval = mean_interval(values[:runs])
        hits += interval.low <= 10.0 <= interval.high
        narrow += (interval.high - interval.low) / 2 <= 1.1 * wanted.target(interval.mean)
    assert LOW <= hits / REPEATS <= HIGH
    assert narrow / REPEATS >= 0.9


def test_precision_gives_up_and_parses():
    values = generator(12).standard_normal(30)
    assert precision.next_runs(values, precision.Precision(1e-6, False), 0.0, 30) is None
    assert precision.parse_precision("1%") == precision.Precision(0.01, True)
    assert precision.parse_precision("0.5") == precision.Precision(0.5, False)
    for text in ("0", "-1%", "much", "nan"):
        with pytest.raises(ParameterError, match="--precision"):
            precision.parse_precision(text)


def test_kendall_is_scipys():
    rng = generator(13)
    for _ in range(20):
        a, b = rng.integers(0, 4, (2, 7)).astype(float)
        found = ranking.kendall(a[None], b[None], rng).mean
        assert found == pytest.approx(scipy_stats.kendalltau(a, b).statistic, nan_ok=True)


def policies(rng, n, means_a, means_b, noise=0.5):
    """Scores [n, k] at two levels: shared worlds, policies with the given true means."""
    world = rng.standard_normal((n, 1))
    k = len(means_a)
    return tuple(world + np.array(m) + noise * rng.standard_normal((n, k)) for m in (means_a, means_b))


def test_kendall_interval_covers():
    """True order: one of six pairs is reversed, tau = 2/3; the interval of steps covers at least 93 %."""

    def limits(repeat):
        rng = generator(14, repeat)
        a, b = policies(rng, 20, (0, 0.4, 0.8, 1.2), (0, 0.8, 0.4, 1.2))
        interval = ranking.kendall(a, b, rng)
        return interval.low - 1e-9, 2 / 3, interval.high + 1e-9

    assert covered(200, limits) >= LOW


def test_swaps_found_and_not_invented():
    a, b = policies(generator(15), 30, (0, 1, 2), (0, 2.5, 2))
    found = {(s.first, s.second): s for s in ranking.swaps(a, b, generator(16))}
    assert found[1, 2].certain and found[1, 2].means > 0.9
    assert not found[0, 1].certain and found[0, 1].means < 0.01
    assert found[1, 2].worlds.low > found[0, 1].worlds.mean


def test_regret_interval_covers():
    """Chosen by level a: policy 2 always; at level b it loses 0.3 to policy 1, closely followed by 3."""

    def limits(repeat):
        rng = generator(17, repeat)
        a, b = policies(rng, 20, (0, 1, 9, 1), (0, 1.3, 1.0, 1.25))
        found = ranking.regret(a, b)
        assert found.chosen == 2
        return found.interval.low, 0.3, found.interval.high

    assert covered(REPEATS, limits) >= LOW


def test_no_regret_when_the_winner_stays():
    a, b = policies(generator(18), 20, (0, 3), (0, 3))
    found = ranking.regret(a, b)
    assert (found.chosen, found.best, found.interval.mean, found.interval.high) == (1, 1, 0.0, 0.0)


def test_shapley_adds_up_exactly():
    rng = generator(19)
    value = {s: Fraction(int(rng.integers(-999, 999)), 7) for s in shapley.subsets(5)}
    parts = shapley.exact(5, value)
    assert sum(parts) == value[frozenset(range(5))] - value[frozenset()]


def test_shapley_known_game():
    """Mechanism 0 adds 3, mechanisms 1 and 2 take 4 only together, mechanism 3 does nothing."""

    def value(subset):
        return Fraction(3 * (0 in subset) - 4 * ({1, 2} <= subset))

    parts = shapley.exact(4, {s: value(s) for s in shapley.subsets(4)})
    assert parts == [3, -2, -2, 0]
    sample = shapley.orders(4, 24, generator(20))
    np.testing.assert_allclose(shapley.sampled(4, sample, lambda s: float(value(s))), [3, -2, -2, 0])


def test_sampled_shapley_covers_95_percent():
    """20 worlds, 2 orders each, an interaction of three that single orders see in full or not at all."""
    count = 3

    def limits(repeat):
        rng = generator(21, repeat)
        parts = []
        for _ in range(20):
            effect = 1.0 + 0.5 * rng.standard_normal(count)
            joint = 2.0 + rng.standard_normal()

            def value(subset, effect=effect, joint=joint):
                return sum(effect[i] for i in subset) + joint * ({0, 1} <= subset)

            parts.append(shapley.sampled(count, shapley.orders(count, 2, rng), value))
        interval = mean_interval(np.array(parts)[:, 0])
        return interval.low, 2.0, interval.high

    assert LOW <= covered(REPEATS, limits) <= HIGH


def test_shapley_names_what_is_missing():
    with pytest.raises(ParameterError, match=r"no value of subset \[0, 1\]"):
        shapley.exact(2, {frozenset(): 0.0, frozenset({0}): 1.0, frozenset({1}): 1.0})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired.paired_gap([1.0], [1.0, 2.0], generator(0)), "equally many"),
        (lambda: paired.equivalence([1.0, 2.0], 0.0), "margin = 0.0: must be > 0"),
        (lambda: paired.equivalence([1.0, 2.0], 1.0, 0.7), "alpha = 0.7"),
        (lambda: paired.linearised([1.0], [0.0]), "not all 0"),
        (lambda: paired.linearised([], []), "not empty"),
        (lambda: ranking.regret(np.zeros((2, 2)), np.zeros((2, 3))), "must be equal"),
        (lambda: ranking.kendall(np.full((2, 2), np.nan), np.zeros((2, 2)), generator(0)), "finite"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ParameterError, match=message):
        call()
