"""Cluster bootstrap intervals against scipy, a plain second implementation, theory and degenerate inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rise_bench.errors import InputError
from rise_bench.stats.bootstrap import cluster_bootstrap, paired_bootstrap
from rise_bench.stats.estimate import Estimate
from rise_bench.stats.means import mean_interval

SKEWED = np.random.default_rng(2).exponential(1.0, 60)


# scipy 1.17.1, stats.bootstrap((SKEWED,), np.mean) with a million resamples, method "percentile" and "BCa"
@pytest.mark.parametrize(
    ("method", "low", "high"), [("percentile", 0.7243883, 1.1066885), ("bca", 0.7383698, 1.1265005)]
)
def test_without_clusters_both_intervals_are_scipys(method: str, low: float, high: float) -> None:
    found = cluster_bootstrap(SKEWED, method=method, resamples=100_000)
    assert found.value == pytest.approx(SKEWED.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01 * (high - low))


def test_bca_moves_the_interval_of_a_skewed_sample_toward_its_tail() -> None:
    plain, corrected = (cluster_bootstrap(SKEWED, method=method, resamples=20_000) for method in ("percentile", "bca"))
    assert plain.low is not None and corrected.low is not None and corrected.low > plain.low
    assert plain.high is not None and corrected.high is not None and corrected.high > plain.high


def plain_bca(values: np.ndarray, clusters: np.ndarray, resamples: int) -> tuple[float, float]:
    """BCa by drawing clusters one by one and jackknifing them one by one: slow, written without sums or kinds."""
    rng = np.random.default_rng(12)
    members = [values[clusters == g] for g in np.unique(clusters)]
    drawn = rng.integers(0, len(members), size=(resamples, len(members)))
    sampled = np.array([np.concatenate([members[g] for g in row]).mean() for row in drawn])
    mean = values.mean()
    bias = stats.norm.ppf(((sampled < mean).mean() + (sampled <= mean).mean()) / 2)
    jackknife = np.array([np.concatenate(members[:g] + members[g + 1 :]).mean() for g in range(len(members))])
    skew = stats.skew(-jackknife) / (6 * len(members) ** 0.5)
    z = bias + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(sampled, stats.norm.cdf(bias + z / (1 - skew * z)))
    return float(low), float(high)


def test_with_uneven_clusters_bca_is_that_of_a_plain_second_implementation() -> None:
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(12), [1, 2, 2, 3, 3, 4, 5, 6, 8, 9, 12, 15])
    values = rng.exponential(1.0, 12)[clusters] + rng.normal(0, 0.3, clusters.size)
    low, high = plain_bca(values, clusters, 8000)
    found = cluster_bootstrap(values, clusters.tolist())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    assert (found.n, found.clusters) == (70, 12)


def test_with_many_clusters_the_interval_is_close_to_cr2() -> None:
    rng = np.random.default_rng(9)
    labels = np.repeat(np.arange(200), 5)
    values = rng.normal(0, 1, 200)[labels] + rng.normal(0, 1, 1000)
    theory, found = mean_interval(values, labels.tolist(), bounds=None), cluster_bootstrap(values, labels.tolist())
    assert theory.low is not None and theory.high is not None
    assert (found.low, found.high) == pytest.approx((theory.low, theory.high), abs=0.04 * (theory.high - theory.low))


def test_units_of_one_cluster_are_drawn_together() -> None:
    values = np.random.default_rng(4).integers(0, 2, 40)
    alone = cluster_bootstrap(values, resamples=4000)
    copied = cluster_bootstrap(np.tile(values, 4), list(range(40)) * 4, resamples=4000)
    assert (alone.low, alone.high) == pytest.approx((copied.low, copied.high), abs=0.03)


def test_attempts_are_averaged_within_their_task_first() -> None:
    matrix = [[1, 1, None], [0, None, None], [1, 0, 0], [0, 0, 1]]
    assert cluster_bootstrap(matrix, list("aabc")) == cluster_bootstrap([1, 0, 1 / 3, 1 / 3], list("aabc"))


def test_the_paired_interval_is_that_of_the_tasks_differences() -> None:
    a, b, clusters = [[1, 0], [0, 0], [1, 1], [0, 0]], [[1, 1], [0, 1], [1, 0], [0, 0]], list("xxyz")
    assert paired_bootstrap(a, b, clusters) == cluster_bootstrap([0.5, 0.5, -0.5, 0.0], clusters)


def test_swapping_the_systems_mirrors_the_interval() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((50, 3)), rng.random((50, 3))
    one, other = paired_bootstrap(a, b, method="percentile"), paired_bootstrap(b, a, method="percentile")
    assert one.low is not None and other.high is not None
    assert one.low == pytest.approx(-other.high, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=2, max_size=30), st.booleans())
def test_the_interval_stays_within_the_values_and_is_the_same_for_the_same_seed(
    units: list[tuple[int, int]], bca: bool
) -> None:
    values, clusters = [x / 5 for x, _ in units], [g for _, g in units]
    method = "bca" if bca else "percentile"
    found = cluster_bootstrap(values, clusters, method=method, resamples=200, rng=3)
    assert found == cluster_bootstrap(values, clusters, method=method, resamples=200, rng=np.random.default_rng(3))
    assert found.value == pytest.approx(np.mean(values))
    if found.low is not None and found.high is not None:
        assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_clusters_of_one_mean_have_no_interval_instead_of_certainty() -> None:
    for values in (np.zeros(30), np.ones((30, 5)), np.tile([0.0, 1.0], 15)):
        found = cluster_bootstrap(values, [i // 2 for i in range(30)])
        assert (found.low, found.high) == (None, None)
        assert "same mean" in found.reason


def test_one_cluster_one_unit_and_nothing_say_why_there_is_no_interval() -> None:
    assert "one cluster" in cluster_bootstrap([1, 0, 1], ["a"] * 3).reason
    assert "one unit" in cluster_bootstrap([1.0]).reason
    assert cluster_bootstrap([]) == Estimate(None, None, None, 0.95, 0, 0, "none", "there is nothing to average")


def test_draws_in_pieces_are_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cluster_bootstrap(SKEWED, resamples=1000)
    monkeypatch.setattr("rise_bench.stats.bootstrap._CELLS", 600)
    assert cluster_bootstrap(SKEWED, resamples=1000) == whole


@pytest.mark.parametrize(
    "options", [{"method": "studentized"}, {"level": 95}, {"resamples": 0}, {"clusters": ["a"]}], ids=str
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        cluster_bootstrap([1.0, 0.0], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_with_many_clusters_the_interval_covers_the_truth_as_often_as_it_says(method: str) -> None:
    rng = np.random.default_rng(21)
    sizes = rng.integers(1, 8, 100)
    labels = np.repeat(np.arange(100), sizes)
    covered = 0
    for _ in range(300):
        values = rng.normal(0, 0.5, 100)[labels] + rng.normal(0, 1, labels.size)
        found = cluster_bootstrap(values, labels.tolist(), method=method, resamples=400, rng=rng)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.0 <= found.high
    assert 0.90 <= covered / 300 <= 0.985
