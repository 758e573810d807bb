"""Tests within a margin against theory, second implementations, their own intervals and degenerate inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rise_bench.errors import InputError
from rise_bench.stats.equivalence import equivalent, non_inferior

A = np.array([0.2, 0.6, 0.4, 0.8, 1.0, 0.0, 0.4, 0.6, 0.2, 0.8])
B = np.array([0.4, 0.6, 0.2, 1.0, 0.8, 0.2, 0.4, 0.8, 0.2, 0.6])


def systems(both: int, only_a: int, only_b: int, neither: int) -> tuple[list[int], list[int]]:
    return (
        [1] * (both + only_a) + [0] * (only_b + neither),
        [1] * both + [0] * only_a + [1] * only_b + [0] * neither,
    )


def test_without_clusters_both_are_the_t_tests_of_the_shifted_differences() -> None:
    worse = stats.ttest_1samp(B - A, -0.1, alternative="greater").pvalue
    better = stats.ttest_1samp(B - A, 0.1, alternative="less").pvalue
    assert non_inferior(A, B, 0.1).p == pytest.approx(worse)
    assert equivalent(A, B, 0.1).p == pytest.approx(max(worse, better))


def test_tost_is_that_of_statsmodels() -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    assert equivalent(A, B, 0.1).p == pytest.approx(weightstats.ttost_paired(B, A, -0.1, 0.1)[0])


def test_with_equal_clusters_the_test_is_the_t_test_of_the_cluster_means() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random((24, 3)), rng.random((24, 3))
    means = (b - a).mean(axis=1).reshape(6, 4).mean(axis=1)
    expected = stats.ttest_1samp(means, -0.15, alternative="greater").pvalue
    found = non_inferior(a, b, 0.15, [i // 4 for i in range(24)])
    assert found.p == pytest.approx(expected)
    assert (found.difference.n, found.difference.clusters) == (24, 6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30),
    st.sampled_from([0.02, 0.1, 0.4]),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_the_verdict_is_that_of_the_interval(units: list[tuple[int, int, int]], margin: float, alpha: float) -> None:
    a, b, clusters = [x / 5 for x, _, _ in units], [y / 5 for _, y, _ in units], [g for _, _, g in units]
    one, both = non_inferior(a, b, margin, clusters, alpha=alpha), equivalent(a, b, margin, clusters, alpha=alpha)
    low, high = one.difference.low, one.difference.high
    if low is None or high is None:
        assert one.shown is None and both.shown is None and one.reason
    elif min(abs(low + margin), abs(high - margin)) > 1e-9:
        assert one.shown == (low > -margin)
        assert both.shown == (low > -margin and high < margin)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 15), st.integers(0, 15), st.integers(1, 60), st.sampled_from([0.02, 0.1]))
def test_tangos_verdict_is_that_of_its_interval(only_a: int, only_b: int, same: int, margin: float) -> None:
    a, b = systems(same, only_a, only_b, 0)
    one, both = non_inferior(a, b, margin, method="Tango"), equivalent(a, b, margin, method="Tango")
    low, high = one.difference.low, one.difference.high
    assert low is not None and high is not None
    if min(abs(low + margin), abs(high - margin)) > 1e-9:
        assert one.shown == (low > -margin)
        assert both.shown == (low > -margin and high < margin)


def test_a_wider_margin_never_raises_p() -> None:
    for method in ("CR2", "Tango"):
        a, b = systems(50, 6, 4, 40)
        ps = [non_inferior(a, b, margin, method=method).p for margin in (0.01, 0.02, 0.05, 0.1, 0.3)]
        assert ps == sorted(ps, reverse=True)  # type: ignore[type-var]


def test_the_record_says_what_was_asked() -> None:
    found = non_inferior(A, B, 0.25, alpha=0.025)
    assert (found.claim, found.margin, found.alpha, found.shown) == ("not worse", 0.25, 0.025, True)
    assert found.difference.level == pytest.approx(0.95)
    assert equivalent(A, B, 0.25).claim == "equivalent"


def test_a_system_that_is_worse_by_more_than_the_margin_is_not_shown() -> None:
    found = non_inferior(*systems(50, 30, 0, 20), 0.02)
    assert found.shown is False
    assert found.p is not None and found.p > 0.99


def test_systems_that_never_differ_are_equivalent_by_tango_once_there_are_enough_tasks() -> None:
    assert equivalent(*systems(50, 0, 0, 50), 0.02, method="Tango").shown is False
    assert equivalent(*systems(250, 0, 0, 250), 0.02, method="Tango").shown is True


def test_clusters_that_never_differ_are_judged_by_clopper_pearson_on_the_clusters() -> None:
    clusters = [i % 40 for i in range(200)]
    found = non_inferior([1.0] * 200, [1.0] * 200, 0.3, clusters)
    assert found.p == pytest.approx(stats.binom.sf(19, 40, 0.35))  # 20 of 40 on the scale 0 to 1, where -0.3 is 0.35
    assert found.difference.method == "Clopper-Pearson on 40 clusters"
    worst = non_inferior([1.0] * 200, [0.0] * 200, 0.3, clusters)
    assert (worst.p, worst.shown) == (1.0, False)


def test_one_cluster_one_task_and_nothing_have_no_verdict() -> None:
    for a, clusters in (([1, 0, 1], ["x"] * 3), ([1], None), ([], None)):
        for found in (non_inferior(a, a, 0.02, clusters), equivalent(a, a, 0.02, clusters)):
            assert (found.p, found.shown) == (None, None)
            assert found.reason
    assert non_inferior([], [], 0.02, method="Tango").shown is None


@pytest.mark.parametrize("options", [{"margin": 0.0}, {"margin": 2.0}, {"alpha": 0.5}, {"method": "Wald"}], ids=str)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        non_inferior([1, 0], [1, 1], **{"margin": 0.02, **options})  # type: ignore[arg-type]


def test_tango_refuses_clusters() -> None:
    with pytest.raises(InputError, match="CR2"):
        non_inferior([1, 0], [1, 1], 0.02, ["a", "b"], method="Tango")


@pytest.mark.parametrize("sizes", [[10] * 20, [2, 3, 4, 5, 6, 8, 10, 12]])
def test_at_the_margin_itself_non_inferiority_is_shown_as_seldom_as_alpha_says(sizes: list[int]) -> None:
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    tests = 800
    shown = 0
    for _ in range(tests):
        differences = -0.1 + rng.normal(0, 0.1, len(sizes))[labels] + rng.normal(0, 0.15, labels.size)
        a = np.full(labels.size, 0.5)
        shown += bool(non_inferior(a, a + np.clip(differences, -1, 1), 0.1, labels.tolist()).shown)
    assert 0.05 - 3 * (0.05 * 0.95 / tests) ** 0.5 <= shown / tests <= 0.05 + 3 * (0.05 * 0.95 / tests) ** 0.5
