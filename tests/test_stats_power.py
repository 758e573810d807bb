"""Power, detectable differences and sample sizes against closed forms, exact sums and a table computed otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rise_bench.errors import InputError
from rise_bench.stats import mean_interval
from rise_bench.stats.cr2 import cr2_test
from rise_bench.stats.designs import Design, observed_differences
from rise_bench.stats.estimate import Floats, Indices
from rise_bench.stats.power import detectable_difference, detectable_table, sample_size, simulated_power


def mid_p(differences: Floats, index: Indices) -> Floats:
    """Mid-p McNemar (Fagerland 2013) of each row of -1, 0, 1."""
    del index
    above, below = (differences > 0).sum(axis=1), (differences < 0).sum(axis=1)
    pairs, fewer = above + below, np.minimum(above, below)
    tail = 2 * stats.binom.cdf(fewer, pairs, 0.5) - stats.binom.pmf(fewer, pairs, 0.5)
    p: Floats = np.where(above == below, 1 - stats.binom.pmf(above, pairs, 0.5), tail)
    return p


def exact_power(n: int, discordance: float, difference: float) -> float:
    """Power of mid-p McNemar by summing over all tables, without simulation."""
    total = 0.0
    for pairs in range(n + 1):
        above = np.arange(pairs + 1)
        rows = np.zeros((pairs + 1, max(pairs, 1)))
        for count in above:
            rows[count, :count], rows[count, count:pairs] = 1, -1
        shown = mid_p(rows, np.arange(n)) <= 0.05
        share = stats.binom.pmf(above, pairs, (discordance + difference) / (2 * discordance))
        total += stats.binom.pmf(pairs, n, discordance) * float(share[shown].sum())
    return total


# the test that is simulated


@pytest.mark.parametrize("sizes", [(1,) * 12, (3, 3, 3, 3), (1, 2, 5, 9)])
def test_p_of_many_samples_is_the_level_at_which_the_interval_of_the_mean_touches_0(sizes: tuple[int, ...]) -> None:
    index = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.random.default_rng(2).normal(0.3, 1.0, (5, index.size))
    for row, p in zip(rows, cr2_test(rows, index), strict=True):
        found = mean_interval(row, index.tolist(), 1 - p, bounds=None)
        assert found.low is not None and found.high is not None
        assert min(abs(found.low), abs(found.high)) == pytest.approx(0.0, abs=1e-9)


def test_without_clusters_p_is_that_of_the_one_sample_t_test_of_scipy() -> None:
    rows = np.random.default_rng(3).normal(0.2, 1.0, (6, 15))
    for alternative in ("two-sided", "greater", "less"):
        theirs = stats.ttest_1samp(rows, 0.0, axis=1, alternative=alternative).pvalue
        assert cr2_test(rows, np.arange(15), alternative) == pytest.approx(theirs)


def test_a_sample_gives_the_same_p_alone_and_among_others() -> None:
    index = np.repeat(np.arange(4), (2, 1, 4, 3))
    rows = np.random.default_rng(4).normal(size=(3, 10))
    assert [cr2_test(row[None], index)[0] for row in rows] == pytest.approx(cr2_test(rows, index))


def test_samples_without_spread_are_judged_by_flipping_whole_clusters() -> None:
    rows, index = np.array([[1.0] * 6, [0.0] * 6, [-1.0] * 6]), np.repeat(np.arange(3), 2)
    assert cr2_test(rows, index).tolist() == [0.25, 1.0, 0.25]
    assert cr2_test(rows, index, "greater").tolist() == [0.125, 1.0, 1.0]


def test_one_cluster_shows_nothing() -> None:
    assert cr2_test(np.ones((2, 4)), np.zeros(4, dtype=np.intp)).tolist() == [1.0, 1.0]


# differences that are drawn


def test_drawn_differences_have_the_mean_discordance_and_correlations_asked_for() -> None:
    design = Design((4,) * 3, 0.4, icc=0.2, attempts=5, repeat=0.5)
    (rows, index), *rest = design.draw(0.1, 40_000, 1)
    assert not rest
    assert rows.mean() == pytest.approx(0.1, abs=0.003)
    one_task = (0.4 - 0.01) * (0.5 + 0.5 / 5)
    assert rows.var(axis=0) == pytest.approx(one_task, rel=0.03)
    together = np.atleast_2d(np.corrcoef(rows.T))
    same = index[:, None] == index[None, :]
    assert together[same & ~np.eye(12, dtype=bool)] == pytest.approx(0.2, abs=0.02)
    assert together[~same] == pytest.approx(0.0, abs=0.02)


def test_the_standard_error_of_a_design_is_that_of_its_draws() -> None:
    design = Design((1, 2, 3, 6, 12), 0.3, icc=0.3, attempts=3, repeat=0.6)
    rows = np.concatenate([batch for batch, _ in design.draw(0.2, 20_000, 2)])
    assert rows.mean(axis=1).std() == pytest.approx(design.standard_error(0.2), rel=0.02)


def test_one_attempt_differs_by_minus_1_0_or_1_as_often_as_the_table_says() -> None:
    (rows, _), *_rest = Design((1,) * 50, 0.3).draw(0.1, 4000, 3)
    shares = [(rows == value).mean() for value in (-1, 0, 1)]
    assert shares == pytest.approx([0.1, 0.7, 0.2], abs=0.005)


def test_a_pilot_is_drawn_by_whole_clusters_around_the_difference_asked_for() -> None:
    pilot = observed_differences([1, 1, 0, 0, -1, 0], list("aabbbc"))
    rows = list(pilot.draw(0.25, 500, 4))
    assert len(rows) == 500  # clusters of several sizes: each draw has its own
    assert {row.size for batch, _ in rows for row in batch} == {3, 4, 5, 6, 7, 8, 9}
    pairs = [row[0, index == group].tolist() for row, index in rows for group in range(3)]
    centre = 1 / 6
    expected = [[1.0, 1.0], [0.0, 0.0, -1.0], [0.0]]
    for found in pairs:
        assert any(found == pytest.approx([x - centre + 0.25 for x in one]) for one in expected)


def test_a_comparison_grows_by_clusters_of_its_sizes_or_by_tasks_in_each() -> None:
    design = Design((2, 5), 0.3)
    assert design.resized(16, "clusters").sizes == (2, 5, 2, 5, 2)
    assert design.resized(10, "clusters").sizes == (2, 5, 2, 1)
    assert design.resized(14, "tasks").sizes == (4, 10)


# power


def test_simulated_power_is_the_exact_power_of_mid_p_mcnemar() -> None:
    found = simulated_power(Design((1,) * 60, 0.3), 0.18, test=mid_p, draws=10_000)
    assert found.error is not None
    assert found.power == pytest.approx(exact_power(60, 0.3, 0.18), abs=3 * found.error)
    assert found.method == "mid_p, 10000 simulated comparisons"


def test_simulated_power_of_clusters_agrees_with_the_closed_form() -> None:
    found = simulated_power(Design((10,) * 60, 0.3, icc=0.1), 0.08, draws=4000)
    assert found.power == pytest.approx(found.formula, abs=0.03)


def test_without_a_difference_power_is_the_level() -> None:
    found = simulated_power(Design((5,) * 40, 0.3, icc=0.2), 0.0, draws=4000)
    assert found.error is not None
    assert found.power == pytest.approx(0.05, abs=3 * found.error)
    assert found.formula == pytest.approx(0.05)  # rejections on either side


@pytest.mark.parametrize(
    ("tasks", "discordance", "points"), [(100, 0.1, 8.2), (100, 0.3, 15.1), (200, 0.2, 8.7), (500, 0.2, 5.6)]
)
def test_detectable_differences_are_those_summed_exactly_for_mid_p_mcnemar(
    tasks: int, discordance: float, points: float
) -> None:
    """The points come from sums over all tables with bisection, made apart from this package."""
    found = detectable_difference(Design((1,) * tasks, discordance), test=mid_p, draws=4000)
    assert found.difference is not None and found.error is not None
    assert 100 * found.difference == pytest.approx(points, abs=0.05 + 300 * found.error)
    assert found.power >= 0.8


def test_too_few_discordant_tasks_have_no_detectable_difference() -> None:
    found = detectable_difference(Design((1,) * 50, 0.1), test=mid_p)
    assert (found.difference, found.error) == (None, None)
    assert "even 0.1, the largest difference there can be" in found.reason


def test_a_detectable_difference_grows_with_the_design_effect_and_shrinks_with_attempts() -> None:
    alone = detectable_difference(Design((1,) * 400, 0.3), draws=1000)
    grouped = detectable_difference(Design((10,) * 40, 0.3, icc=0.2), draws=1000)
    repeated = detectable_difference(Design((10,) * 40, 0.3, icc=0.2, attempts=5, repeat=0.4), draws=1000)
    assert alone.difference is not None and grouped.difference is not None and repeated.difference is not None
    assert grouped.difference / alone.difference == pytest.approx((1 + 9 * 0.2) ** 0.5, rel=0.08)
    assert repeated.difference / grouped.difference == pytest.approx((0.4 + 0.6 / 5) ** 0.5, rel=0.08)


def test_the_detectable_difference_of_a_pilot_is_that_of_the_table_it_came_from() -> None:
    (rows, _), *_rest = Design((4,) * 500, 0.3, icc=0.2).draw(0.05, 1, 5)
    pilot = observed_differences(rows[0], np.repeat(np.arange(500), 4).tolist()).resized(200, "clusters")
    drawn = detectable_difference(pilot, draws=1000)
    table = detectable_difference(Design((4,) * 50, 0.3, icc=0.2), draws=1000)
    assert (drawn.tasks, drawn.clusters) == (200, 50)
    assert drawn.difference == pytest.approx(table.difference, rel=0.08)


def test_the_tasks_needed_show_the_difference_that_they_are_needed_for() -> None:
    needed = sample_size(0.08, Design((5,), 0.3, icc=0.1), draws=1000)
    assert needed.tasks is not None and needed.error is not None and needed.formula is not None
    assert needed.tasks == pytest.approx(needed.formula, rel=0.12)
    again = simulated_power(Design((5,), 0.3, icc=0.1).resized(needed.tasks, "clusters"), 0.08, draws=4000, rng=9)
    assert again.power == pytest.approx(0.8, abs=0.04)


def test_connors_published_example_is_the_closed_form() -> None:
    """n = (z sqrt(psi) + z' sqrt(psi - d^2))^2 / d^2 (Connor 1987); t quantiles add one or two to it."""
    z, reached, share, difference = 1.959964, 0.841621, 0.2, 0.1
    connor = (z * share**0.5 + reached * (share - difference**2) ** 0.5) ** 2 / difference**2
    found = sample_size(difference, Design((1,), share), draws=200)
    assert found.formula == pytest.approx(connor, abs=4)


def test_more_tasks_in_the_same_clusters_cannot_always_show_it() -> None:
    found = sample_size(0.05, Design((10,) * 28, 0.3, icc=0.4), more="tasks")
    assert found.tasks is None
    assert "add clusters" in found.reason


def test_the_table_has_a_row_for_each_size_and_discordance_and_falls_with_size() -> None:
    found = detectable_table((100, 400), (0.1, 0.3), draws=500)
    assert [(one.tasks, one.discordance) for one in found] == [(100, 0.1), (100, 0.3), (400, 0.1), (400, 0.3)]
    small, _, large, _ = (one.difference for one in found)
    assert small is not None and large is not None
    assert small / large == pytest.approx(2.0, rel=0.1)


def test_the_same_seed_gives_the_same_figures() -> None:
    design = Design((5,) * 20, 0.3, icc=0.1)
    first = detectable_difference(design, draws=300, rng=7)
    assert first == detectable_difference(design, draws=300, rng=np.random.default_rng(7))


def test_one_cluster_can_show_nothing() -> None:
    assert detectable_difference(Design((50,), 0.3), draws=100).difference is None


@pytest.mark.parametrize(
    "fields",
    [
        {"sizes": ()},
        {"sizes": (1, 0)},
        {"discordance": 0.0},
        {"discordance": 1.2},
        {"icc": -0.1},
        {"attempts": 0},
        {"icc": 0.9, "attempts": 5, "repeat": 0.1},
        {"icc": 0.1, "attempts": 5, "repeat": 0.0},
    ],
)
def test_tables_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Design(**({"sizes": (1,) * 10, "discordance": 0.3} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("differences", [[], [0.5], [0, 0, 0], [1, 1, 1], [2, 0, 1], [float("nan"), 0]])
def test_pilots_that_show_no_spread_are_refused(differences: list[float]) -> None:
    with pytest.raises(InputError):
        observed_differences(differences)


def test_questions_that_have_no_answer_are_refused() -> None:
    design, pilot = Design((1,) * 10, 0.3), observed_differences([0, 1, 0, -1])
    with pytest.raises(InputError, match="beyond"):
        simulated_power(design, 0.4)
    with pytest.raises(InputError, match="difference of 0"):
        sample_size(0.0, design)
    with pytest.raises(InputError, match="alpha < power"):
        detectable_difference(design, power=0.05)
    with pytest.raises(InputError, match="draws"):
        detectable_difference(design, draws=10)
    with pytest.raises(InputError, match="larger clusters"):
        sample_size(0.1, pilot, more="tasks")
