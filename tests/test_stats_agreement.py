"""Cohen's kappa against published and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

from rise_bench.errors import InputError
from rise_bench.stats import kappa


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
