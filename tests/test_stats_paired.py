"""Paired tests against published tables, second implementations, degenerate inputs and simulated levels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from rise_bench.errors import InputError
from rise_bench.stats.flips import sign_flip, smallest_p
from rise_bench.stats.means import mean_interval
from rise_bench.stats.outcome import task_differences, task_means
from rise_bench.stats.paired import mcnemar, paired_difference
from rise_bench.stats.tango import tango_z


def systems(both: int, only_a: int, only_b: int, neither: int) -> tuple[list[int], list[int]]:
    return (
        [1] * (both + only_a) + [0] * (only_b + neither),
        [1] * both + [0] * only_a + [1] * only_b + [0] * neither,
    )


# Airway hyper-responsiveness before and after a transplantation (Bentur et al. 2009), the example of Fagerland et al. 2013
AIRWAY = systems(1, 1, 7, 12)


def test_mid_p_and_exact_p_of_a_published_table() -> None:
    mid, exact = mcnemar(*AIRWAY), mcnemar(*AIRWAY, method="exact")
    assert (mid.p, exact.p) == pytest.approx((0.0390625, 0.0703125))
    assert (mid.statistic, mid.discordant, mid.n) == (7.0, (1, 7), 21)


@given(st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_exact_mcnemar_is_the_binomial_test_of_the_discordant_tasks(only_a: int, only_b: int) -> None:
    a, b = systems(3, only_a, only_b, 2)
    for alternative in ("two-sided", "greater", "less"):
        expected = stats.binomtest(only_b, only_a + only_b, 0.5, alternative).pvalue if only_a + only_b else 1.0
        found = mcnemar(a, b, method="exact", alternative=alternative)
        assert found.p == pytest.approx(expected)
        assert found.p is not None and found.smallest_p is not None and found.p >= found.smallest_p * (1 - 1e-9)


@given(st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_mid_p_counts_the_observed_table_half(only_a: int, only_b: int) -> None:
    a, b = systems(0, only_a, only_b, 1)
    exact, mid = mcnemar(a, b, method="exact", alternative="greater"), mcnemar(a, b, alternative="greater")
    assert exact.p is not None and mid.p is not None
    assert exact.p - mid.p == pytest.approx(0.5 * stats.binom.pmf(only_b, only_a + only_b, 0.5))


def test_the_exact_p_is_that_of_statsmodels() -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    for only_a, only_b in ((1, 7), (4, 4), (12, 3), (0, 5)):
        expected = tables.mcnemar([[5, only_a], [only_b, 2]], exact=True).pvalue
        assert mcnemar(*systems(5, only_a, only_b, 2), method="exact").p == pytest.approx(expected)


def test_systems_that_never_differ_have_p_1_and_a_reason() -> None:
    found = mcnemar([1, 0, 1], [1, 0, 1])
    assert (found.p, found.smallest_p) == (1.0, 1.0)
    assert "no task tells the two apart" in found.reason


def test_five_discordant_tasks_cannot_show_anything_exactly() -> None:
    found = mcnemar(*systems(90, 0, 5, 5), method="exact")
    assert (found.p, found.smallest_p) == (0.0625, 0.0625)


def test_no_tasks_have_no_p() -> None:
    assert mcnemar([], []).p is None
    assert sign_flip([]).p is None
    assert paired_difference([], [], method="Tango").value is None


@pytest.mark.parametrize(("a", "b"), [([1, 0.5], [1, 0]), ([1], [1, 0]), ([1, float("nan")], [1, 0]), ([2], [1])])
def test_mcnemar_refuses_what_is_not_a_pair_of_0_and_1(a: list[float], b: list[float]) -> None:
    with pytest.raises(InputError):
        mcnemar(a, b)


def test_mid_p_keeps_its_level_and_the_exact_test_stays_far_below() -> None:
    rng = np.random.default_rng(3)
    discordant = rng.binomial(200, 0.2, 4000)  # of 200 tasks, without a difference
    wins = rng.binomial(discordant, 0.5)
    pairs = list(zip((discordant - wins).tolist(), wins.tolist(), strict=True))
    rejected = {}
    for method in ("mid-p", "exact"):
        p = {pair: mcnemar(*systems(0, *pair, 0), method=method).p for pair in set(pairs)}
        rejected[method] = np.mean([(p[pair] or 0.0) <= 0.05 for pair in pairs])
    error = (0.05 * 0.95 / 4000) ** 0.5
    assert 0.05 - 3 * error <= rejected["mid-p"] <= 0.05 + 2 * error
    assert rejected["exact"] <= 0.042


def enumerate_flips(sums: list[float]) -> tuple[float, float, float]:
    """(two-sided, greater, less) p by the definition."""
    seen = sum(sums)
    totals = [sum(s * x for s, x in zip(signs, sums, strict=True)) for signs in product((1, -1), repeat=len(sums))]
    near = 1e-9
    return (
        float(np.mean([abs(t) >= abs(seen) - near for t in totals])),
        float(np.mean([t >= seen - near for t in totals])),
        float(np.mean([t <= seen + near for t in totals])),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5)), min_size=1, max_size=25))
def test_all_patterns_give_the_p_of_the_definition(units: list[tuple[int, int]]) -> None:
    differences, clusters = [x / 5 for x, _ in units], [g for _, g in units]
    sums = [sum(x for x, mine in zip(differences, clusters, strict=True) if mine == g) for g in dict.fromkeys(clusters)]
    found = [sign_flip(differences, clusters, alternative=side).p for side in ("two-sided", "greater", "less")]
    assert found == pytest.approx(list(enumerate_flips(sums)))


def test_without_clusters_the_test_is_scipys_permutation_of_pairs() -> None:
    differences = np.array([0.4, -0.2, 0.6, 0.2, 0.2, -0.4, 1.0, 0.8, 0.0, 0.2])
    for alternative in ("two-sided", "greater", "less"):
        expected = stats.permutation_test(
            (differences, np.zeros(10)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            alternative=alternative,
            n_resamples=np.inf,
        )
        assert sign_flip(differences, alternative=alternative).p == pytest.approx(expected.pvalue)


def test_drawn_patterns_come_close_to_all_patterns() -> None:
    rng = np.random.default_rng(8)
    differences, clusters = rng.normal(0.25, 1.0, (14, 5)), list(range(14))
    every, drawn = sign_flip(differences, clusters), sign_flip(differences, clusters, draws=8000)
    assert "all 16384" in every.method and "drawn 8000" in drawn.method
    assert every.p is not None and drawn.p is not None
    assert drawn.p == pytest.approx(every.p, abs=4 * (every.p * (1 - every.p) / 8000) ** 0.5)


def test_a_drawn_p_is_never_0_and_names_its_floor() -> None:
    found = sign_flip(np.ones(200), draws=999)
    assert (found.p, found.smallest_p) == (0.001, 0.001)


def test_binary_pairs_without_clusters_give_the_exact_mcnemar_p() -> None:
    a, b = systems(2, 2, 8, 1)
    assert sign_flip(np.subtract(b, a)).p == pytest.approx(mcnemar(a, b, method="exact").p)


def test_four_clusters_cannot_show_a_difference_however_large() -> None:
    found = sign_flip(np.ones((40, 5)), [i % 4 for i in range(40)])
    assert (found.p, found.smallest_p) == (0.125, 0.125)
    assert (smallest_p(4), smallest_p(4, "greater")) == (0.125, 0.0625)


def test_one_cluster_has_p_1() -> None:
    found = sign_flip([1.0, 0.0, 1.0], ["a"] * 3)
    assert (found.p, found.smallest_p) == (1.0, 1.0)
    assert "one cluster" in found.reason


def test_all_ties_have_p_1() -> None:
    assert sign_flip(np.zeros((30, 5)), [i % 6 for i in range(30)]).p == 1.0
    assert sign_flip(np.zeros(500)).p == 1.0


def test_an_attempt_that_is_not_there_leaves_the_mean_of_the_others() -> None:
    gaps = [[1.0, 0.0, float("nan")], [1.0, None, None], [0.0, 0.5, -0.5]]
    assert task_means(gaps) == pytest.approx([0.5, 1.0, 0.0])
    assert sign_flip(gaps) == sign_flip([0.5, 1.0, 0.0])


def test_systems_with_other_numbers_of_attempts_are_compared_by_task() -> None:
    assert task_differences([[1, 0], [0, 0]], [[1, 1, 1], [1, 0, 0]]) == pytest.approx([0.5, 1 / 3])


@pytest.mark.parametrize(
    "scores",
    [[float("nan"), 1.0], [[float("nan"), float("nan")]], [[float("inf"), 0.0]], [[1], [1, 2]], [[["x"]]], 1.0],
)
def test_scores_that_cannot_be_averaged_are_refused(scores: object) -> None:
    with pytest.raises(InputError):
        task_means(scores)  # type: ignore[arg-type]


def test_a_task_without_attempts_is_named() -> None:
    with pytest.raises(InputError, match="task 1 has no attempt"):
        sign_flip([[1.0, 0.0], [float("nan"), float("nan")]])


@pytest.mark.parametrize(("sizes", "seed"), [([6] * 8, 1), ([1, 1, 2, 3, 4, 8, 16, 40], 2), ([1] * 5 + [5] * 15, 3)])
def test_the_level_holds_under_clustering_with_even_and_uneven_clusters(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    tests = 500
    rejected = 0
    for _ in range(tests):
        differences = rng.normal(0, 1, len(sizes))[labels] + rng.normal(0, 1, (labels.size, 2)).mean(axis=1)
        p = sign_flip(differences, labels.tolist(), draws=999, rng=rng).p
        rejected += p is not None and p <= 0.05
    assert rejected / tests <= 0.05 + 3 * (0.05 * 0.95 / tests) ** 0.5


def test_a_difference_is_the_mean_interval_of_the_tasks_differences() -> None:
    a, b, clusters = [[1, 0], [0, 0], [1, 1]], [[1, 1], [0, 1], [1, 0]], ["x", "x", "y"]
    assert paired_difference(a, b, clusters) == mean_interval([0.5, 0.5, -0.5], clusters, bounds=(-1.0, 1.0))


def test_tangos_interval_of_a_published_table() -> None:
    # Fagerland, Lydersen and Laake (2014) give 0.026 and 0.517 for this table
    found = paired_difference(*AIRWAY, method="Tango")
    assert (found.low, found.high) == pytest.approx((0.026, 0.517), abs=5e-4)
    assert found.value == pytest.approx(6 / 21)


def numeric_tango_z(only_a: int, only_b: int, n: int, null: float) -> float:
    """The score statistic with its nuisance parameter found by maximizing the likelihood numerically."""

    def loss(share: float) -> float:  # of tasks that only a solves; null more are solved by b alone
        cells = [(only_a, share), (only_b, share + null), (n - only_a - only_b, 1 - 2 * share - null)]
        return -sum(count * np.log(chance) for count, chance in cells if count)

    low, high = max(0.0, -null), (1 - null) / 2
    share = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return float((only_b - only_a - n * null) / (n * (2 * share + null - null**2)) ** 0.5)


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(1, 7, 21), (40, 20, 160), (12, 2, 50), (3, 3, 9), (5, 60, 100)])
@pytest.mark.parametrize("null", [-0.4, -0.02, 0.1, 0.3])
def test_tangos_statistic_is_that_of_the_numerically_maximized_likelihood(
    only_a: int, only_b: int, n: int, null: float
) -> None:
    assert tango_z(only_a, only_b, n, null) == pytest.approx(numeric_tango_z(only_a, only_b, n, null), rel=1e-5)


def test_tangos_statistic_at_0_is_mcnemars() -> None:
    assert tango_z(4, 13, 60, 0.0) == pytest.approx((13 - 4) / 17**0.5)


def test_without_discordant_tasks_tangos_interval_is_wilsons() -> None:
    found = paired_difference([1] * 30, [1] * 30, method="Tango")
    bound = stats.binomtest(0, 30).proportion_ci(0.95, method="wilson").high
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -bound, bound))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_tangos_limits_are_where_the_statistic_reaches_z(only_a: int, only_b: int, same: int) -> None:
    n = only_a + only_b + same
    if n == 0:
        return
    a, b = systems(same, only_a, only_b, 0)
    found, mirrored = paired_difference(a, b, method="Tango"), paired_difference(b, a, method="Tango")
    assert found.low is not None and found.high is not None and found.value is not None
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0
    assert (mirrored.low, mirrored.high) == (-found.high, -found.low)
    if found.high < 1.0:
        assert tango_z(only_a, only_b, n, found.high) == pytest.approx(-1.959964, abs=1e-4)
    if found.low > -1.0:
        assert tango_z(only_a, only_b, n, found.low) == pytest.approx(1.959964, abs=1e-4)


def test_tangos_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    tables = rng.multinomial(60, [0.12, 0.04, 0.84], size=1500)
    covered = [abs(tango_z(int(only_a), int(only_b), 60, -0.08)) <= 1.959964 for only_a, only_b, _ in tables]
    assert 0.935 <= np.mean(covered) <= 0.975


def test_tango_refuses_clusters_and_scores_between() -> None:
    with pytest.raises(InputError, match="score"):
        paired_difference([1, 0], [0, 1], ["a", "b"], method="Tango")
    with pytest.raises(InputError, match="neither 0 nor 1"):
        paired_difference([0.5, 0], [0, 1], method="Tango")


def test_options_that_are_unknown_are_refused() -> None:
    with pytest.raises(InputError, match="method"):
        paired_difference([1], [1], method="Wald")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="method"):
        mcnemar([1], [1], method="chi2")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="alternative"):
        sign_flip([1.0], alternative="larger")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="draws"):
        sign_flip([1.0], draws=0)
    with pytest.raises(InputError, match="clusters"):
        smallest_p(0)
