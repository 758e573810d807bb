"""Adjusted p values against statsmodels' figures, theory and degenerate families."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rise_bench.errors import InputError
from rise_bench.stats.multiplicity import benjamini_hochberg, holm

P = [0.012, 0.03, 0.001, 0.04, 0.2, 0.03, 0.8, 0.0004]
# statsmodels 0.15.0, multipletests(P, method="holm") and method="fdr_bh"
HOLM = [0.072, 0.15, 0.007, 0.15, 0.4, 0.15, 0.8, 0.0032]
FDR_BH = [0.032, 0.048, 0.004, 0.0533333333, 0.2285714286, 0.048, 0.8, 0.0032]

families = st.lists(st.floats(0, 1), max_size=12)


def test_both_give_statsmodels_figures() -> None:
    assert holm(P) == pytest.approx(HOLM)
    assert benjamini_hochberg(P) == pytest.approx(FDR_BH)


@settings(deadline=None)
@given(families)
def test_both_agree_with_statsmodels_where_it_is_installed(family: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    if family:
        assert holm(family) == pytest.approx(multitest.multipletests(family, method="holm")[1])
        assert benjamini_hochberg(family) == pytest.approx(multitest.multipletests(family, method="fdr_bh")[1])


@settings(deadline=None)
@given(families)
def test_no_p_gets_smaller_and_holm_is_between_benjamini_hochberg_and_bonferroni(family: list[float]) -> None:
    for p, strict, mild in zip(family, holm(family), benjamini_hochberg(family), strict=True):
        assert strict is not None and mild is not None
        assert p <= mild + 1e-12 and mild <= strict + 1e-12
        assert strict <= min(1.0, len(family) * p) + 1e-12


@settings(deadline=None)
@given(families, st.randoms())
def test_the_order_of_the_questions_does_not_matter(family: list[float], random: Random) -> None:
    order = list(range(len(family)))
    random.shuffle(order)
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust(family)
        assert adjust([family[i] for i in order]) == [adjusted[i] for i in order]


def test_a_question_without_p_stays_without_and_does_not_count() -> None:
    assert holm([None, 0.01, None, 0.04]) == [None, 0.02, None, 0.04]
    assert benjamini_hochberg([0.01, None, 0.04]) == [0.02, None, 0.04]


def test_one_question_needs_no_adjustment() -> None:
    assert holm([0.03]) == benjamini_hochberg([0.03]) == [0.03]


def test_families_without_any_p_stay_as_they_are() -> None:
    assert holm([]) == benjamini_hochberg([]) == []
    assert holm([None]) == benjamini_hochberg([None]) == [None]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(InputError, match="position 1"):
        holm([0.5, p])
    with pytest.raises(InputError, match="position 1"):
        benjamini_hochberg([0.5, p])


def test_holm_holds_the_chance_of_any_false_finding() -> None:
    rng = np.random.default_rng(4)
    families = rng.random((2000, 6))
    false = np.mean([min(p for p in holm(list(family)) if p is not None) <= 0.05 for family in families])
    assert 0.035 <= false <= 0.065


@settings(deadline=None)
@given(families.filter(bool))
def test_benjamini_hochberg_is_scipys(ps: list[float]) -> None:
    assert benjamini_hochberg(ps) == pytest.approx(stats.false_discovery_control(ps).tolist())


def test_the_room_does_without_scipy_stats_which_takes_as_long_to_load_as_the_rest() -> None:
    code = "import sys, rise_bench.stats; sys.exit('scipy.stats' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
