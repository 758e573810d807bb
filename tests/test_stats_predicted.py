"""Prediction-powered means against Welch's interval, published formulas, simulation and degenerate input."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rise_bench.errors import InputError
from rise_bench.stats import mean_interval
from rise_bench.stats.estimate import Floats
from rise_bench.stats.predicted import PredictedMean, predicted_mean


def run(
    rng: np.random.Generator, clusters: int, size: int, labelled: int, right: float, icc: float = 0.0
) -> PredictedMean:
    """Units that are good with probability 0.6; a lenient judge, right so often on good ones and less on bad ones."""
    index = np.repeat(np.arange(clusters), size)
    shared = np.where(rng.random(index.size) < icc**0.5, rng.random(clusters)[index], rng.random(index.size))
    truth = (shared < 0.6).astype(float)
    judged = (rng.random(truth.size) < np.where(truth == 1, right, 1.15 - right)).astype(float)
    return predicted_mean(judged, hidden(truth, rng.permutation(truth.size)[:labelled]), index.tolist())


def hidden(truth: Floats, known: NDArray[np.int64]) -> Floats:
    labels = np.full(truth.size, np.nan)
    labels[known] = truth[known]
    return labels


def width(low: float | None, high: float | None) -> float:
    assert low is not None and high is not None
    return high - low


def test_plain_ppi_without_clusters_is_welchs_interval_for_two_means() -> None:
    rng = np.random.default_rng(1)
    judged, truth = rng.normal(size=(2, 40))
    found = predicted_mean(judged, hidden(truth, np.arange(12)), tuning=1.0, bounds=None).corrected
    first, second = judged[12:], judged[:12] - truth[:12]
    theirs = stats.ttest_ind(first, second, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.n, found.clusters) == (40, 40)
    assert found.method == f"PPI++, weight 1.00, 12 labels for 40 units, CR2, t({theirs.df:.1f})"


@pytest.mark.parametrize(
    ("tuning", "value", "low", "high", "near"),
    [
        (1.0, 0.7418278710, 0.509705, 0.973951, 1e-9),
        (0.4, 0.7301067420, 0.565241, 0.894972, 1e-9),
        (None, 0.7320335436, 0.572365, 0.891702, 0.002),  # theirs finds one weight with all labels, ours without each
    ],
)
def test_the_mean_is_that_of_the_package_ppi_python(
    tuning: float | None, value: float, low: float, high: float, near: float
) -> None:
    """ppi_mean_pointestimate and ppi_mean_ci of ppi-python 0.2.3; its intervals use normal quantiles and no n - 1."""
    judged = np.sin(np.arange(80)) + 1.0
    truth = judged[:20] * 0.7 + np.cos(3 * np.arange(20)) * 0.4
    found = predicted_mean(judged, [*truth, *[np.nan] * 60], tuning=tuning, bounds=None).corrected
    assert found.value == pytest.approx(value, abs=near)
    assert 1.0 < width(found.low, found.high) / (high - low) < 1.11


def test_equal_clusters_with_equal_labels_give_the_t_interval_of_the_cluster_values() -> None:
    rng = np.random.default_rng(2)
    judged, truth = rng.normal(size=(2, 6, 5))
    labels = truth.copy()
    labels[:, 2:] = np.nan
    clusters = [group for group in range(6) for _ in range(5)]
    found = predicted_mean(judged.ravel(), labels.ravel(), clusters, tuning=0.7, bounds=None).corrected
    values = (truth - 0.7 * judged)[:, :2].mean(axis=1) + 0.7 * judged[:, 2:].mean(axis=1)
    low, high = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))


def test_the_weight_is_that_of_ppi_plus_plus() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=3000)
    judged = truth + rng.normal(size=3000)
    found = predicted_mean(judged, hidden(truth, np.arange(1000)), bounds=None)
    # cov = 1, var = 2, n / N = 1 / 2
    assert found.tuning == pytest.approx(1 / (1 + 0.5) / 2, abs=0.03)
    # the variance of the labels falls by cov**2 / var of it, times N / (n + N)
    shrunk = width(found.corrected.low, found.corrected.high) / width(found.labelled.low, found.labelled.high)
    assert shrunk == pytest.approx((1 - 0.5 * 2 / 3) ** 0.5, abs=0.03)


def test_the_three_means_are_shown_side_by_side() -> None:
    judged, labels, clusters = [1, 0, 1, 1, 1, 0], [1, 0, None, 0, None, None], list("aabbcc")
    found = predicted_mean(judged, labels, clusters)  # type: ignore[arg-type]
    assert found.labelled == mean_interval([1, 0, 0], list("aab"))
    assert found.judged == mean_interval(judged, clusters)


def test_a_biased_judge_leaves_the_corrected_mean_unbiased_also_with_few_labels() -> None:
    rng = np.random.default_rng(4)
    found = [run(rng, 200, 1, 25, 0.9) for _ in range(1500)]
    for mean in ([one.corrected.value for one in found], [one.labelled.value for one in found]):
        values = np.array(mean, dtype=float)
        assert abs(values.mean() - 0.6) <= 3 * values.std() / len(values) ** 0.5
    assert np.mean([one.judged.value for one in found if one.judged.value is not None]) == pytest.approx(0.64, abs=0.01)


@pytest.mark.parametrize(
    ("clusters", "size", "labelled", "icc"), [(300, 1, 100, 0.0), (20, 20, 100, 0.1), (8, 30, 80, 0.1)]
)
def test_the_interval_covers_the_truth_no_less_than_that_of_the_labels(
    clusters: int, size: int, labelled: int, icc: float
) -> None:
    rng = np.random.default_rng(5)
    found = [run(rng, clusters, size, labelled, 0.9, icc) for _ in range(500)]
    corrected, alone = (
        np.array([one.low <= 0.6 <= one.high for one in ones if one.low is not None and one.high is not None])
        for ones in ([one.corrected for one in found], [one.labelled for one in found])
    )
    error = (0.95 * 0.05 / 500) ** 0.5
    assert corrected.mean() >= min(0.95, alone.mean()) - 2 * error


def test_a_judge_that_knows_nothing_hardly_widens_the_interval() -> None:
    rng = np.random.default_rng(6)
    ratios = []
    for _ in range(300):
        found = run(rng, 200, 1, 40, 0.575)
        ratios.append(width(found.corrected.low, found.corrected.high) / width(found.labelled.low, found.labelled.high))
    assert np.mean(ratios) <= 1.01
    assert np.quantile(ratios, 0.95) <= 1.05


def test_a_good_judge_narrows_the_interval() -> None:
    found = run(np.random.default_rng(7), 1000, 1, 100, 0.97)
    assert width(found.corrected.low, found.corrected.high) < 0.8 * width(found.labelled.low, found.labelled.high)


def test_a_judge_with_one_score_for_all_is_given_no_weight() -> None:
    found = predicted_mean([1.0] * 20, [1.0, 0.0, 1.0, 1.0, 0.0] + [np.nan] * 15)
    assert (found.tuning, found.corrected) == (0.0, found.labelled)


def test_labels_for_all_units_leave_the_judge_nothing_to_say() -> None:
    found = predicted_mean([1, 0, 1, 1], [1, 0, 0, 1])
    assert found.corrected == found.labelled == mean_interval([1, 0, 0, 1])


def test_labels_that_are_all_the_same_give_clopper_pearson_and_not_certainty() -> None:
    found = predicted_mean([1, 0, 1, 1, 0, 1], [1, 1, 1, np.nan, np.nan, np.nan])
    assert found.corrected == mean_interval([1, 1, 1])


@pytest.mark.parametrize(
    ("labels", "clusters", "reason"),
    [
        ([np.nan] * 4, None, "nothing to average"),
        ([1, np.nan, np.nan, np.nan], None, "one unit"),
        ([1, 0, np.nan, np.nan], list("aabc"), "one cluster"),
        ([1, 0, np.nan, np.nan], list("abcc"), "units without a label lie in one cluster"),
        ([1, 0, 1, np.nan], None, "units without a label lie in one cluster"),
    ],
)
def test_too_little_to_know_the_spread_has_no_interval(
    labels: list[float], clusters: list[str] | None, reason: str
) -> None:
    found = predicted_mean([1, 0, 1, 0], labels, clusters, tuning=0.5).corrected
    assert (found.low, found.high) == (None, None)
    assert reason in found.reason


def test_value_and_interval_stay_within_bounds() -> None:
    found = predicted_mean([0, 0, 0, 0, 1, 1, 1, 1], [1, 0, 1, 1] + [np.nan] * 4, tuning=1.0).corrected
    assert (found.value, found.high) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("judged", "labels"),
    [
        ([1, 0], [1]),
        ([1, 2], [1, 0]),
        ([1, 0], [3, np.nan]),
        ([np.nan, 0], [1, 0]),
        ([1, 0], ["x", 0]),
        ([1], [np.inf]),
    ],
)
def test_scores_that_do_not_fit_are_refused(judged: list[float], labels: list[float]) -> None:
    with pytest.raises(InputError):
        predicted_mean(judged, labels)
