"""Rank intervals against a plain second implementation, by simulation, and on degenerate input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Floats
from rise_bench.stats.ranks import rank_intervals


def plain(scores: Floats, alpha: float) -> list[tuple[int, int]]:
    """(best, worst) of each system by scipy's t test and Holm's method written as a loop; independent tasks."""
    systems = len(scores)
    pairs = [(a, b) for a in range(systems) for b in range(systems) if a != b]
    p = {pair: stats.ttest_rel(scores[pair[0]], scores[pair[1]], alternative="greater").pvalue for pair in pairs}
    shown: set[tuple[int, int]] = set()
    for pair in sorted(pairs, key=p.__getitem__):
        if p[pair] > alpha / (len(pairs) - len(shown)):
            break
        shown.add(pair)
    return [
        (
            1 + sum((other, s) in shown for other in range(systems)),
            systems - sum((s, o) in shown for o in range(systems)),
        )
        for s in range(systems)
    ]


def test_independent_tasks_give_the_ranks_of_a_plain_implementation() -> None:
    rng = np.random.default_rng(1)
    scores = (rng.random((6, 120)) < np.array([0.2, 0.4, 0.45, 0.5, 0.8, 0.95])[:, None]).astype(float)
    found = rank_intervals(scores)
    assert [(one.best, one.worst) for one in found] == plain(scores, 0.05)
    assert (found[5].rank, found[5].best, found[0].worst) == (1, 1, 6)
    assert {one.method for one in found} == {"CR2 t on 30 ordered pairs, Holm"}


def test_systems_that_are_equal_may_have_any_rank() -> None:
    same = np.random.default_rng(2).random(50)
    assert [(one.rank, one.best, one.worst) for one in rank_intervals([same, same, same])] == [(1, 1, 3)] * 3


def test_systems_far_apart_have_one_rank_each() -> None:
    rng = np.random.default_rng(3)
    found = rank_intervals([rng.random(40), rng.random(40) + 2, rng.random(40) + 4])
    assert [(one.rank, one.best, one.worst) for one in found] == [(3, 3, 3), (2, 2, 2), (1, 1, 1)]


def test_tasks_of_one_cluster_count_less() -> None:
    base = np.array([0, 1, 0, 1, 0, 1, 0, 1.0])
    scores = np.repeat([np.zeros(8), base], 6, axis=1)
    assert rank_intervals(scores)[0].best == 2
    assert rank_intervals(scores, [g for g in range(8) for _ in range(6)], level=0.99)[0].best == 1


def test_all_intervals_hold_all_true_ranks_as_often_as_they_say() -> None:
    rng, missed = np.random.default_rng(4), 0
    labels = [g for g in range(20) for _ in range(5)]
    for _ in range(400):
        cluster = np.repeat(rng.normal(0, 0.5, (4, 20)), 5, axis=1)
        found = rank_intervals(np.array([0.0, 0.0, 0.0, 0.5])[:, None] + cluster + rng.normal(0, 1, (4, 100)), labels)
        # three are equal, so each of them may truly have rank 2, 3 or 4: no interval may leave out any of these
        missed += any(one.best > 2 or one.worst < 4 for one in found[:3]) or found[3].best > 1
    assert missed / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


@pytest.mark.parametrize(
    ("scores", "clusters", "reason"),
    [([[1, 0], [0, 0]], ["a", "a"], "one cluster"), ([[], []], None, "nothing"), ([[1], [0]], None, "one cluster")],
)
def test_nothing_to_compare_leaves_every_rank_open(
    scores: list[list[float]], clusters: list[str] | None, reason: str
) -> None:
    found = rank_intervals(scores, clusters)
    assert [(one.best, one.worst) for one in found] == [(1, 2), (1, 2)]
    assert all(reason in one.reason for one in found)


def test_all_zero_leaves_every_rank_open() -> None:
    assert [(one.rank, one.best, one.worst) for one in rank_intervals(np.zeros((2, 30)))] == [(1, 1, 2)] * 2


def test_one_system_is_first_and_last() -> None:
    (found,) = rank_intervals([[0, 1, 1]])
    assert (found.rank, found.best, found.worst) == (1, 1, 1)


@pytest.mark.parametrize("scores", [[0, 1], [[0, float("nan")]], [["x"]], [], [[1, 0], [1]]])
def test_scores_that_are_no_matrix_of_numbers_are_refused(scores: list[object]) -> None:
    with pytest.raises(InputError):
        rank_intervals(scores)  # type: ignore[arg-type]


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="1 cluster labels for 2 values"):
        rank_intervals([[0, 1]], ["a"])
