"""The wild cluster bootstrap against a public implementation, the definition, theory and degenerate inputs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate
from rise_bench.stats.flips import sign_flip
from rise_bench.stats.means import mean_interval
from rise_bench.stats.wild import wild_interval, wild_test

SIX = [0.2, 0.6, -0.2, 0.4, 0.4, 0.8, 0, 0.2, -0.4, 0.6, 0.2, 0, 0.4, 0.6], list("aaabbcddddefff")
EIGHT = (
    [0.31, 0.62, -0.17, 0.44, -0.39, 0.83, 0.02, 0.27, -0.41, 0.65, -0.22, -0.58, 0.13, 0.61, -0.9, 0.3, 0.7, 0.11],
    list("aaabbcddddefffgghh"),
)


# wildboottest 0.3.2: WildboottestCL with X = 1, type "11", null imposed, Rademacher, all patterns; p = share of |t*| >= |t|
@pytest.mark.parametrize(
    ("data", "null", "t", "p"),
    [
        (SIX, 0.0, 3.6540667900683195, 0.03125),
        (SIX, 0.05, 2.9809492234767867, 0.03125),
        (SIX, 0.13, 1.903961116930335, 0.09375),
        (SIX, 0.25, 0.2884789571106569, 0.78125),
        (SIX, 0.4, -1.7308737426639411, 0.25),
        (EIGHT, 0.0, 1.579333974267445, 0.125),
        (EIGHT, 0.05, 0.9666613118361083, 0.328125),
        (EIGHT, 0.13, -0.01361494805402986, 0.984375),
        (EIGHT, -0.2, 4.030024623992791, 0.03125),
        (EIGHT, 0.25, -1.484029337889237, 0.15625),
    ],
)
def test_t_and_p_are_those_of_wildboottest(
    data: tuple[list[float], list[str]], null: float, t: float, p: float
) -> None:
    found = wild_test(*data, null=null)
    assert (found.statistic, found.p) == pytest.approx((t, p))


def test_the_statistic_is_statsmodels_cluster_robust_t() -> None:
    api = pytest.importorskip("statsmodels.api")
    groups = {"groups": np.array([ord(label) for label in SIX[1]])}
    expected = api.OLS(SIX[0], np.ones(14)).fit(cov_type="cluster", cov_kwds=groups).tvalues[0]
    assert wild_test(*SIX).statistic == pytest.approx(expected)


def by_definition(values: list[float], clusters: list[int], points: list[float], null: float) -> tuple[float, ...]:
    """(two-sided, greater, less) p: every sample of weights built unit by unit, its t from its own residuals."""
    y, labels = np.array(values), np.array(clusters)
    groups = np.unique(labels)

    def t(sample: np.ndarray) -> float:
        residuals = sample - sample.mean()
        spread = sum(residuals[labels == g].sum() ** 2 for g in groups) ** 0.5
        distance = (sample.mean() - null) * y.size
        if spread <= 1e-7:
            return 0.0 if abs(distance) <= 1e-7 else float(np.copysign(1e9, distance))
        return float(distance / spread)

    seen = t(y)
    ts = np.array(
        [
            t(null + np.array(weights)[np.searchsorted(groups, labels)] * (y - null))
            for weights in product(points, repeat=groups.size)
        ]
    )
    near = 1e-7 * max(1.0, abs(seen))
    return (
        float((np.abs(ts) >= abs(seen) - near).mean()),
        float((ts >= seen - near).mean()),
        float((ts <= seen + near).mean()),
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 4)), min_size=2, max_size=14),
    st.sampled_from([0.0, 0.3, -1.0]),
)
def test_all_patterns_give_the_p_of_the_definition(units: list[tuple[int, int]], null: float) -> None:
    values, clusters = [x / 5 for x, _ in units], [g for _, g in units]
    found = [wild_test(values, clusters, null=null, alternative=side).p for side in ("two-sided", "greater", "less")]
    if len(set(clusters)) < 2:
        assert found == [None] * 3
    else:
        assert found == pytest.approx(list(by_definition(values, clusters, [1.0, -1.0], null)))


def test_webb_draws_come_close_to_all_of_webbs_patterns() -> None:
    values, clusters = [0.9, 0.1, 0.4, 0.2, 0.8, -0.3, 0.5], [0, 0, 1, 1, 2, 3, 3]
    webb = [side * x**0.5 for side in (1, -1) for x in (1.5, 1.0, 0.5)]
    for null in (0.0, 0.2):
        expected = by_definition(values, clusters, webb, null)[0]
        found = wild_test(values, clusters, null=null, weights="webb", draws=20_000).p
        assert found == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 20_000) ** 0.5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=10))
def test_with_even_clusters_the_test_is_the_sign_flip(sums: list[int]) -> None:
    values = [x / 5 for x in sums]
    for alternative in ("two-sided", "greater", "less"):
        assert wild_test(values, alternative=alternative).p == pytest.approx(
            sign_flip(values, alternative=alternative).p
        )


def test_sums_that_cancel_only_on_paper_have_p_1() -> None:
    values = [0.2, 0.4, -0.6]  # their sum in floats is not quite 0
    for found in (wild_test(values), sign_flip(values)):
        assert found.p == 1.0


@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_the_interval_holds_the_nulls_that_are_not_rejected(weights: str) -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(9), [2, 3, 3, 4, 5, 6, 8, 10, 12]).tolist()
    values = rng.normal(0.2, 1.0, len(labels))
    found = wild_interval(values, labels, weights=weights, level=0.9)
    assert found.low is not None and found.high is not None and found.value is not None
    assert found.low < found.value < found.high
    step = 1e-6
    for inside, outside in ((found.low + step, found.low - step), (found.high - step, found.high + step)):
        kept = wild_test(values, labels, null=inside, weights=weights).p
        lost = wild_test(values, labels, null=outside, weights=weights).p
        assert kept is not None and lost is not None and kept > 0.1 - 1e-9 and lost <= 0.1


def test_with_many_clusters_the_interval_is_close_to_cr2() -> None:
    rng = np.random.default_rng(9)
    labels = np.repeat(np.arange(100), 5)
    values = rng.normal(0, 1, 100)[labels] + rng.normal(0, 1, 500)
    theory, found = mean_interval(values, labels.tolist(), bounds=None), wild_interval(values, labels.tolist())
    assert theory.low is not None and theory.high is not None
    assert (found.low, found.high) == pytest.approx((theory.low, theory.high), abs=0.04 * (theory.high - theory.low))


def test_five_clusters_have_no_interval_at_95_percent_with_signs_and_one_with_webbs_weights() -> None:
    values, labels = [0.1, 0.4, 0.3, 0.9, 0.5, 0.2, 0.7], [0, 1, 2, 3, 4, 4, 2]
    signs, webb = wild_interval(values, labels), wild_interval(values, labels, weights="webb")
    assert (signs.low, signs.high) == (None, None)
    assert "5 clusters cannot reject any value" in signs.reason
    assert webb.low is not None
    assert wild_test(values, labels).smallest_p == 0.0625


def test_an_interval_is_cut_to_its_bounds() -> None:
    values = [1, 1, 1, 1, 1, 1, 1, 0]
    assert wild_interval(values, bounds=(0.0, 1.0)).high == 1.0
    with pytest.raises(InputError, match="values reach"):
        wild_interval([2.0, 1.0], bounds=(0.0, 1.0))


def test_all_zero_have_p_1_and_no_interval() -> None:
    labels = [i % 8 for i in range(40)]
    assert wild_test(np.zeros((40, 5)), labels).p == 1.0
    found = wild_interval(np.zeros((40, 5)), labels)
    assert (found.value, found.low) == (0.0, None)
    assert "same mean" in found.reason


def test_clusters_of_one_mean_that_is_not_the_null_have_the_smallest_p() -> None:
    found = wild_test([1.0] * 16, [i % 8 for i in range(16)])
    assert (found.statistic, found.p, found.smallest_p) == (float("inf"), 2**-7, 2**-7)


def test_one_cluster_one_unit_and_nothing_have_no_figures() -> None:
    assert "one cluster" in wild_test([1.0, 0.0], ["a", "a"]).reason
    assert wild_test([1.0]).p is None
    assert wild_test([]).reason == "there is nothing to compare"
    assert "one unit" in wild_interval([1.0]).reason
    assert wild_interval([]) == Estimate(None, None, None, 0.95, 0, 0, "none", "there is nothing to average")


def test_the_same_seed_gives_the_same_p_however_the_draws_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(0.1, 1, 50)
    first = wild_test(values, draws=500, rng=7)
    monkeypatch.setattr("rise_bench.stats.wild._CELLS", 400)
    assert wild_test(values, draws=500, rng=np.random.default_rng(7)) == first


@pytest.mark.parametrize(
    "options", [{"weights": "normal"}, {"draws": 0}, {"null": float("nan")}, {"alternative": "other"}], ids=str
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        wild_test([1.0, 0.0], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [[6] * 8, [2, 3, 4, 5, 6, 8, 10, 12]])
def test_the_level_holds_with_few_clusters(sizes: list[int]) -> None:
    rng = np.random.default_rng(17)
    labels = np.repeat(np.arange(8), sizes)
    tests = 600
    rejected = 0
    for _ in range(tests):
        values = rng.normal(0, 0.7, 8)[labels] + rng.normal(0, 1, labels.size)
        p = wild_test(values, labels.tolist()).p
        rejected += p is not None and p <= 0.05
    assert rejected / tests <= 0.05 + 3 * (0.05 * 0.95 / tests) ** 0.5
