"""Tests within a margin against theory, second implementations, their own intervals and degenerate inputs."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from rise_bench.errors import InputError
from rise_bench.stats.designs import Design
from rise_bench.stats.equivalence import equivalent, non_inferior
from rise_bench.stats.paired import paired_difference
from rise_bench.stats.tango import tango_z

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
    assert non_inferior(A, B, 0.1, method="CR2").p == pytest.approx(worse)
    assert equivalent(A, B, 0.1, method="CR2").p == pytest.approx(max(worse, better))


def test_tost_is_that_of_statsmodels() -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    assert equivalent(A, B, 0.1, method="CR2").p == pytest.approx(weightstats.ttost_paired(B, A, -0.1, 0.1)[0])


def test_with_equal_clusters_the_test_is_the_t_test_of_the_cluster_means() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random((24, 3)), rng.random((24, 3))
    means = (b - a).mean(axis=1).reshape(6, 4).mean(axis=1)
    expected = stats.ttest_1samp(means, -0.15, alternative="greater").pvalue
    found = non_inferior(a, b, 0.15, [i // 4 for i in range(24)], method="CR2")
    assert found.p == pytest.approx(expected)
    assert (found.difference.n, found.difference.clusters) == (24, 6)


def test_for_one_attempt_at_independent_tasks_the_score_is_tangos_but_for_n_less_1_and_t() -> None:
    a, b = systems(50, 6, 9, 15)
    z = tango_z(6, 9, 80, -0.05)
    assert non_inferior(a, b, 0.05).p == pytest.approx(stats.t.sf(z * (79 / 80) ** 0.5, 79))


@pytest.mark.parametrize(("icc", "alike"), [(0.0, False), (0.5, True)])
def test_the_score_is_that_of_the_likelihood_maximized_under_the_hypothesis_with_the_effect_of_clusters(
    icc: float, alike: bool
) -> None:
    (drawn, labels), *_ = Design((2, 4, 6, 8, 10, 10), 0.3, icc).draw(0.1, 1, 3)
    rows, margin = drawn[0], 0.1
    mean = rows.mean()
    up, down = (rows > 0).sum(), (rows < 0).sum()
    found = optimize.minimize_scalar(
        lambda q: -(down * np.log(q) + up * np.log(q - margin) + (40 - up - down) * np.log(1 - 2 * q + margin)),
        bounds=(margin, (1 + margin) / 2),
        method="bounded",
        options={"xatol": 1e-12},
    )
    implied, seen = 2 * found.x - margin - margin**2, (up + down) / 40 - mean**2
    # CR2 by its matrices: residuals of each cluster times (I - H) ** -1/2, degrees of freedom from their covariance
    adjusted = np.zeros(6)
    weights = np.zeros((6, 40))
    for group in range(6):
        here = labels == group
        size = int(here.sum())
        values, vectors = np.linalg.eigh(np.eye(size) - np.ones((size, size)) / 40)
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        adjusted[group] = (root @ (rows[here] - mean)).sum() / 40
        weights[group] = root.sum(axis=0) @ (np.eye(40) - np.ones((40, 40)) / 40)[here] / 40
    covariance = weights @ weights.T
    variance, degrees = (adjusted**2).sum(), np.trace(covariance) ** 2 / (covariance**2).sum()
    assert (variance > seen / 40) == alike
    t = (mean + margin) / (max(variance, seen / 40) * implied / seen) ** 0.5
    a, b = np.maximum(-rows, 0), np.maximum(rows, 0)
    assert non_inferior(a, b, margin, labels.tolist()).p == pytest.approx(stats.t.sf(t, degrees), rel=1e-5)


@pytest.mark.parametrize("attempts", [1, 4])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_limits_of_the_scores_interval_are_where_its_test_has_half_of_what_is_left(
    attempts: int, level: float
) -> None:
    (drawn, index), *_ = Design((2, 4, 6, 8, 10, 10, 20), 0.5, 0.2, attempts, 0.6).draw(0.0, 1, 8)
    a, b, labels = np.maximum(-drawn[0], 0), np.maximum(drawn[0], 0), index.tolist()
    found = paired_difference(a, b, labels, level, method="score")
    assert found.low is not None and found.high is not None and found.value is not None
    assert -1 < found.low < min(0.0, found.value) and max(0.0, found.value) < found.high < 1
    assert non_inferior(a, b, -found.low, labels).p == pytest.approx((1 - level) / 2)
    assert non_inferior(b, a, found.high, labels).p == pytest.approx((1 - level) / 2)
    assert (found.n, found.clusters) == (60, 7)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30),
    st.sampled_from([0.02, 0.1, 0.4]),
    st.sampled_from([0.01, 0.05, 0.2]),
    st.sampled_from(["score", "CR2"]),
)
def test_the_verdict_is_that_of_the_interval(
    units: list[tuple[int, int, int]], margin: float, alpha: float, method: Literal["score", "CR2"]
) -> None:
    a, b, clusters = [x / 5 for x, _, _ in units], [y / 5 for _, y, _ in units], [g for _, _, g in units]
    one, both = (test(a, b, margin, clusters, alpha=alpha, method=method) for test in (non_inferior, equivalent))
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
    a, b = systems(50, 6, 4, 40)
    for method in ("score", "CR2", "Tango"):
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
    with pytest.raises(InputError, match="score"):
        non_inferior([1, 0], [1, 1], 0.02, ["a", "b"], method="Tango")


def false_claims(design: Design, margin: float, method: Literal["score", "CR2"], count: int) -> tuple[float, float]:
    """(share of comparisons at the margin itself that are called not worse, share that are so without a warning)."""
    claimed = unwarned = 0
    for rows, index in design.draw(-margin, count, 7):
        labels = index.tolist()
        for row in rows:
            found = non_inferior(np.maximum(-row, 0), np.maximum(row, 0), margin, labels, method=method)
            claimed += bool(found.shown)
            unwarned += bool(found.shown) and not found.warning
    return claimed / count, unwarned / count


@pytest.mark.parametrize(
    ("design", "margin"),
    [
        (Design((10,) * 5, 0.2, 0.3), 0.1),
        (Design((2, 3, 4, 6, 9, 12, 14), 0.2, 0.3), 0.1),
        (Design((5,) * 20, 0.06), 0.05),
    ],
)
def test_where_differences_are_few_and_go_one_way_the_score_keeps_the_level_that_cr2_does_not(
    design: Design, margin: float
) -> None:
    error = (0.05 * 0.95 / 500) ** 0.5
    assert false_claims(design, margin, "CR2", 500)[0] > 0.05 + 2 * error
    assert false_claims(design, margin, "score", 500)[0] <= 0.05 + 3 * error


@pytest.mark.parametrize("sizes", [(10,) * 20, (2, 3, 4, 5, 6, 8, 10, 12, 4, 7)])
def test_at_the_margin_itself_non_inferiority_is_shown_as_seldom_as_alpha_says(sizes: tuple[int, ...]) -> None:
    shown, _ = false_claims(Design(sizes, 0.4, 0.1), 0.1, "score", 600)
    assert 0.01 < shown <= 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5


def test_a_claim_that_rests_on_few_clusters_with_a_difference_carries_a_warning() -> None:
    labels = np.repeat(np.arange(40), 5).tolist()
    few, many = (np.array([1.0, 0, 0, 0, 0] * count + [0.0] * (200 - 5 * count)) for count in (19, 20))
    back = np.array([0, 0, 0, 0, 1.0] * 5 + [0.0] * 175)  # so that not all differences go one way
    for claim in (non_inferior, equivalent):
        assert "the two differ in 19 of 40 clusters, fewer than 20: " in claim(few, back, 0.3, labels).warning
        assert claim(many, back, 0.3, labels).warning == ""


@pytest.mark.parametrize(
    ("lost", "won", "clusters", "warned"),
    [(120, 24, 120, True), (120, 25, 120, False), (199, 0, 199, True), (200, 0, 200, False)],
)
def test_a_claim_carries_a_warning_where_differences_go_one_way_until_very_many_clusters_hold_them(
    lost: int, won: int, clusters: int, warned: bool
) -> None:
    a, b = systems(1200 - lost - won, lost, won, 0)
    labels = [i % clusters for i in range(1200)]
    for one, other in ((a, b), (b, a)):
        words = f"{lost / (lost + won):.0%} of what they differ by goes one way"
        assert (words in non_inferior(one, other, 0.5, labels).warning) == warned


def test_one_attempt_at_independent_tasks_needs_no_warning_and_several_do() -> None:
    one, several = np.zeros((50, 1)), np.zeros((50, 2))
    one[:5], several[:5, 0] = 1.0, 1.0
    assert non_inferior(np.zeros(50), one, 0.1).warning == ""
    assert "5 of 50 tasks" in non_inferior(np.zeros(50), several, 0.1).warning
    assert non_inferior(np.zeros(50), one[:, 0], 0.1, method="Tango").warning == ""
    assert "5 of 50 tasks" in non_inferior(np.zeros(50), one, 0.1, method="CR2").warning
    assert non_inferior([1.0, 0.0], [0.0, 0.0], 0.1, ["x", "x"]).warning == ""  # no p, so no claim to warn of
