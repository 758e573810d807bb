"""Kappa, alpha and AC1 against published and hand-computed values, and against sums over all pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_bench.errors import InputError
from rise_bench.stats import Estimate, kappa
from rise_bench.stats.agreement import ac1, krippendorff_alpha


def raters(both: int, first: int, second: int, neither: int) -> tuple[list[bool], list[bool]]:
    a = [True] * (both + first) + [False] * (second + neither)
    b = [True] * both + [False] * first + [True] * second + [False] * neither
    return a, b


def test_a_textbook_table_gives_its_textbook_value() -> None:
    assert kappa(*raters(20, 5, 10, 15)).value == pytest.approx(0.4)  # observed 0.7, by chance 0.5


def test_raters_who_always_agree_have_kappa_1() -> None:
    found = kappa(["x", "y", "z", "x"], ["x", "y", "z", "x"])
    assert (found.value, found.high) == (1.0, 1.0)


def test_raters_who_agree_by_chance_have_kappa_0() -> None:
    assert kappa(*raters(25, 25, 25, 25)).value == pytest.approx(0.0)


def test_one_label_throughout_has_no_kappa_and_says_why() -> None:
    found = kappa([1, 1, 1], [1, 1, 1])
    assert found.value is None
    assert "same label" in found.reason


def test_the_bootstrap_interval_agrees_with_the_large_sample_formula() -> None:
    found = kappa(*raters(200, 50, 100, 150), rng=1)
    observed, expected, n = 0.7, 0.5, 500
    error = (observed * (1 - observed) / (n * (1 - expected) ** 2)) ** 0.5
    assert found.low == pytest.approx(0.4 - 1.96 * error, abs=0.012)
    assert found.high == pytest.approx(0.4 + 1.96 * error, abs=0.012)


def test_items_of_one_cluster_are_drawn_together() -> None:
    a, b = raters(20, 5, 10, 15)
    alone, grouped = kappa(a * 4, b * 4, rng=1), kappa(a * 4, b * 4, clusters=list(range(50)) * 4, rng=1)
    assert alone.low is not None and grouped.low is not None
    assert grouped.low < alone.low
    assert (grouped.n, grouped.clusters) == (200, 50)


def test_the_same_seed_gives_the_same_interval() -> None:
    a, b = raters(20, 5, 10, 15)
    assert kappa(a, b, rng=7) == kappa(a, b, rng=np.random.default_rng(7))


def test_raters_of_different_items_are_refused() -> None:
    with pytest.raises(InputError, match="2 labels by one rater, 1 by the other"):
        kappa([1, 0], [1])


def test_no_items_have_no_kappa() -> None:
    assert kappa([], []).value is None


# alpha and AC1

Ratings = list[list[str | None]]


def labels(text: str) -> list[str | None]:
    return [None if label == "." else label for label in text.split()]


FOUR_RATERS: Ratings = [
    labels("1 2 3 3 2 1 4 1 2 . . ."),
    labels("1 2 3 3 2 2 4 1 2 5 . 3"),
    labels(". 3 3 3 2 3 4 2 2 5 1 ."),
    labels("1 2 3 3 2 4 4 1 2 5 1 ."),
]
"""Krippendorff 2011, section C; Gwet's handbook (2014) and the package irrCAC use the same ratings."""


def alpha_by_pairs(ratings: Ratings) -> float:
    """Alpha from a list of all ordered pairs of labels, without sums of squares."""
    used, seen = Counter[str](), 0.0
    for column in zip(*ratings, strict=True):
        given_here = [label for label in column if label is not None]
        if len(given_here) > 1:
            used.update(given_here)
            seen += sum(a != b for a, b in permutations(given_here, 2)) / (len(given_here) - 1)
    drawn = list(used.elements())
    by_chance = sum(a != b for a, b in permutations(drawn, 2)) / (len(drawn) - 1)
    return 1 - seen / by_chance if by_chance else float("nan")


def test_alpha_of_krippendorffs_worked_examples() -> None:
    binary = [labels("0 1 0 0 0 0 0 0 1 0"), labels("1 1 1 0 0 1 0 0 0 0")]
    nominal = [labels("a a b b d c c c e d d a"), labels("b a b b b c c c e d d d")]
    assert krippendorff_alpha(binary).value == pytest.approx(0.095, abs=5e-4)  # 2011, section A
    assert krippendorff_alpha(nominal).value == pytest.approx(0.692, abs=5e-4)  # section B
    assert krippendorff_alpha(FOUR_RATERS).value == pytest.approx(0.743, abs=5e-4)  # section C: raters left items out


def test_ac1_of_gwets_worked_examples() -> None:
    skewed = ac1(raters(118, 5, 2, 0))
    assert skewed.value == pytest.approx(0.9408, abs=5e-5)  # Gwet 2008: 118 + 5 + 2 + 0 items, kappa is -0.023
    assert kappa(*raters(118, 5, 2, 0)).value == pytest.approx(-0.0234, abs=5e-5)
    assert ac1(FOUR_RATERS).value == pytest.approx(0.77544, abs=5e-6)  # irrCAC 0.4.4, cac.raw4raters


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_alpha_is_that_of_all_pairs_whatever_is_missing(data: st.DataObject) -> None:
    items = data.draw(st.integers(1, 12))
    row = st.lists(st.sampled_from(["x", "y", "z", None]), min_size=items, max_size=items)
    ratings = data.draw(st.lists(row, min_size=2, max_size=4))
    found, expected = krippendorff_alpha(ratings, resamples=10).value, alpha_by_pairs(ratings)
    assert (found is None) == bool(np.isnan(expected))
    if found is not None:
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("statistic", [krippendorff_alpha, ac1])
def test_raters_who_always_agree_have_1(statistic: Callable[..., Estimate]) -> None:
    assert statistic(["xyzx", "xyzx", "xyzx"]).value == pytest.approx(1.0)


def test_alpha_and_ac1_of_raters_by_chance_are_about_0() -> None:
    drawn = np.random.default_rng(1).integers(0, 3, (3, 3000)).tolist()
    assert krippendorff_alpha(drawn, resamples=10).value == pytest.approx(0.0, abs=0.03)
    assert ac1(drawn, resamples=10).value == pytest.approx(0.0, abs=0.03)


def test_the_interval_of_alpha_holds_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(2), 0
    for _ in range(300):
        truth, guess = rng.integers(0, 2, (2, 200))
        second = np.where(rng.random(200) < 0.6, truth, guess)
        found = krippendorff_alpha([truth.tolist(), second.tolist()], resamples=400, rng=rng)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.6 <= found.high
    assert covered / 300 >= 0.95 - 2 * (0.95 * 0.05 / 300) ** 0.5


@pytest.mark.parametrize("statistic", [krippendorff_alpha, ac1])
def test_items_of_one_cluster_count_as_one_draw_for_alpha_and_ac1(statistic: Callable[..., Estimate]) -> None:
    both = [list(one) * 4 for one in raters(20, 5, 10, 15)]
    alone = statistic(both, rng=1)
    grouped = statistic(both, list(range(50)) * 4, rng=1)
    assert alone.low is not None and grouped.low is not None
    assert grouped.low < alone.low
    assert (grouped.n, grouped.clusters) == (200, 50)


def test_one_label_throughout_has_no_alpha_and_ac1_only_if_there_was_another() -> None:
    same = [[True] * 5, [True] * 5]
    assert "same label" in krippendorff_alpha(same).reason
    assert "one label" in ac1(same).reason
    assert ac1(same, labels=[True, False]).value == 1.0


def test_a_label_that_could_not_be_given_is_refused() -> None:
    with pytest.raises(InputError, match="'maybe' is none of the labels"):
        ac1([["yes"], ["maybe"]], labels=["yes", "no"])


def test_items_with_one_label_say_nothing_of_agreement() -> None:
    alone: Ratings = [["x", None], [None, "y"]]
    assert (krippendorff_alpha(alone).value, ac1(alone).value) == (None, None)
    assert krippendorff_alpha([["x", "y", "x"], ["x", "y", None]]).n == 2


def test_one_cluster_has_alpha_and_no_interval() -> None:
    found = krippendorff_alpha([["x", "y"], ["x", "x"]], ["a", "a"])
    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert "one cluster" in found.reason


def test_one_item_has_alpha_and_no_interval() -> None:
    assert "one cluster" in krippendorff_alpha([["x"], ["y"]]).reason


@pytest.mark.parametrize("ratings", [[], [["x"]], [["x", "y"], ["x"]]])
def test_fewer_than_two_raters_or_raters_of_other_items_are_refused(ratings: Ratings) -> None:
    with pytest.raises(InputError):
        krippendorff_alpha(ratings)
