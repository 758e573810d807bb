"""Means and ratios against theory, a second implementation and degenerate inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats

from rise_bench.errors import InputError
from rise_bench.stats import Estimate, mean_interval, ratio_interval


def dense_cr2(
    values: list[float], clusters: list[int], weights: list[float] | None = None, level: float = 0.95
) -> tuple[float, float, float]:
    """(mean, low, high) by Bell and McCaffrey's general matrix formulas: slow, and written without our closed form."""
    y, w = np.array(values), np.ones(len(values)) if weights is None else np.array(weights)
    labels, n = np.array(clusters), len(values)
    # weighted least squares with working variance 1 / w is ordinary least squares on scaled data
    x, z = np.sqrt(w)[:, None], np.sqrt(w) * y
    bread = np.linalg.inv(x.T @ x)
    mean = (bread @ x.T @ z).item()
    hat = np.eye(n) - x @ bread @ x.T
    columns = []
    for group in np.unique(labels):
        mine = labels == group
        adjust = np.real(linalg.sqrtm(np.linalg.pinv(hat[np.ix_(mine, mine)])))
        columns.append(hat[:, mine] @ adjust @ x[mine] @ bread)
    p = np.hstack(columns)
    variance = float((np.array([(c.T @ z).item() for c in columns]) ** 2).sum())
    gram = p.T @ p
    degrees = np.trace(gram) ** 2 / np.trace(gram @ gram)
    half = float(stats.t.ppf(0.5 + level / 2, degrees)) * variance**0.5
    return mean, mean - half, mean + half


def test_without_clusters_the_interval_is_the_one_sample_t_interval() -> None:
    values = [0.1, 0.4, 0.4, 0.9, 0.3, 0.7]
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 5, np.mean(values), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert (found.n, found.clusters) == (6, 6)


def test_with_equal_clusters_the_interval_is_the_t_interval_of_the_cluster_means() -> None:
    rng = np.random.default_rng(3)
    values = rng.random((7, 5))
    found = mean_interval(values.ravel(), [g for g in range(7) for _ in range(5)])
    means = values.mean(axis=1)
    low, high = stats.t.interval(0.95, 6, means.mean(), stats.sem(means))
    assert (found.low, found.high) == pytest.approx((low, high))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_closed_form_equals_the_general_matrix_formulas(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 14))
    values = data.draw(st.lists(st.integers(-20, 20).map(float), min_size=n, max_size=n))
    clusters = [0, 1, *data.draw(st.lists(st.integers(0, 4), min_size=n - 2, max_size=n - 2))]
    found = mean_interval(values, clusters, bounds=None)
    if found.low is None:
        return
    assert (found.value, found.low, found.high) == pytest.approx(dense_cr2(values, clusters), rel=1e-6, abs=1e-6)


def test_a_ratio_equals_the_general_formulas_for_the_weighted_mean() -> None:
    over, under = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0], [2.0, 1.0, 2.0, 4.0, 0.0, 4.0]
    clusters = [0, 0, 1, 2, 2, 1]
    found = ratio_interval(over, under, clusters, bounds=None)
    used = [i for i in range(6) if under[i]]
    ratios, weights = [over[i] / under[i] for i in used], [under[i] for i in used]
    assert (found.value, found.low, found.high) == pytest.approx(
        dense_cr2(ratios, [clusters[i] for i in used], weights)
    )
    assert found.value == pytest.approx(sum(over) / sum(under))
    assert found.n == 5


def test_a_rate_within_a_subset_is_the_mean_over_that_subset() -> None:
    complete, deviated = [1, 1, 0, 1, 1, 0, 1], [1, 0, 0, 0, 1, 0, 0]
    clusters = list("aabbccc")
    inside = [i for i in range(7) if complete[i]]
    expected = mean_interval([deviated[i] for i in inside], [clusters[i] for i in inside])
    assert ratio_interval(deviated, complete, clusters) == expected


def test_the_interval_covers_the_truth_as_often_as_it_says_with_few_uneven_clusters() -> None:
    rng = np.random.default_rng(11)
    sizes = [2, 3, 4, 5, 6, 8, 10, 12]
    labels = [g for g, size in enumerate(sizes) for _ in range(size)]
    covered = 0
    for _ in range(600):
        values = np.concatenate([rng.normal(rng.normal(0, 0.5), 1.0, size) for size in sizes])
        found = mean_interval(values, labels, bounds=None)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.0 <= found.high
    assert 0.925 <= covered / 600 <= 0.98


def test_units_of_one_cluster_that_agree_widen_the_interval() -> None:
    values = [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]
    alone, grouped = mean_interval(values), mean_interval(values, [0] * 4 + [1] * 4 + [2] * 4)
    assert width(grouped) > width(alone)


def test_all_ones_give_clopper_pearson_on_the_clusters_and_not_certainty() -> None:
    found = mean_interval([1.0] * 30, [i % 10 for i in range(30)])
    exact = stats.binomtest(10, 10).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, 1.0))
    assert found.method == "Clopper-Pearson on 10 clusters"


def test_all_zeros_are_the_mirror_image_of_all_ones() -> None:
    ones, zeros = mean_interval([1] * 8), mean_interval([0] * 8)
    assert ones.low is not None and zeros.high is not None
    assert (zeros.low, zeros.high) == pytest.approx((0.0, 1 - ones.low))


def test_clusters_of_equal_means_are_not_taken_for_certainty() -> None:
    found = mean_interval([0, 1, 0, 1, 0, 1], list("aabbcc"))
    assert found.method.startswith("Clopper-Pearson on 3")
    assert width(found) > 0.5


def test_unbounded_values_without_spread_have_no_interval() -> None:
    found = mean_interval([7.0, 7.0, 7.0], bounds=None)
    assert (found.value, found.low, found.high) == (7.0, None, None)
    assert "same mean" in found.reason


def test_one_cluster_has_a_value_and_no_interval() -> None:
    found = mean_interval([1, 0, 1], ["a"] * 3)
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == (None, None)
    assert "one cluster" in found.reason


def test_one_unit_has_a_value_and_no_interval() -> None:
    assert "one unit" in mean_interval([1.0]).reason


def test_nothing_has_neither_value_nor_interval() -> None:
    assert mean_interval([]) == Estimate(None, None, None, 0.95, 0, 0, "none", "there is nothing to average")


def test_a_rate_within_an_empty_subset_has_no_value() -> None:
    assert ratio_interval([0, 0], [0, 0]).value is None


def test_an_interval_of_a_share_stays_within_0_and_1() -> None:
    found = mean_interval([1, 1, 1, 1, 1, 1, 1, 0])
    assert found.high == 1.0


@pytest.mark.parametrize("values", [[0.5, float("nan")], [0.5, None], [[1.0]], [1.5], ["x"]])
def test_values_that_cannot_be_averaged_are_refused(values: list[object]) -> None:
    with pytest.raises(InputError):
        mean_interval(values)  # type: ignore[arg-type]


def test_labels_that_do_not_fit_the_values_are_refused() -> None:
    with pytest.raises(InputError, match="2 cluster labels for 3 values"):
        mean_interval([0, 1, 1], ["a", "b"])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(InputError, match="level"):
        mean_interval([0, 1], level=level)


@pytest.mark.parametrize(("over", "under"), [([1], [0]), ([0], [-1]), ([1, 1], [1]), ([2], [1])])
def test_a_numerator_that_its_denominator_does_not_allow_is_refused(over: list[int], under: list[int]) -> None:
    with pytest.raises(InputError):
        ratio_interval(over, under)


def width(estimate: Estimate) -> float:
    assert estimate.low is not None and estimate.high is not None
    return estimate.high - estimate.low
